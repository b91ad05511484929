//! The thread of one association: reads, lets the state machine say what it means, answers (PS3.7 9.1, 9.3, 10.1, 10.3).
//!
//! Operations are performed one at a time, in the order they come. Each response is one write.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use dicom_ul::pdu::AbortRQSource;
use indexer::archive::Archive;

use super::answer::Answer;
use super::association::{Association, Event, Step};
use super::command::{C_CANCEL_RQ, C_ECHO_RQ, C_STORE_RQ, Command, N_CREATE_RQ, N_SET_RQ, write_response};
use super::error::Violation;
use super::negotiation::Context;
use super::peers::Caller;
use super::performed::{self, Telling};
use super::registry::Seat;
use super::sop_classes::Service;
use super::status::Status;
use super::store::Receipt;
use super::{OnPeer, PeerAction, PeerEvent, pdu, socket};

/// Bytes read at once by an association that sends much.
const READ_BUFFER: usize = 256 * 1024;
/// Bytes read at once by an association that rests.
const RESTING_BUFFER: usize = 4 * 1024;

/// An accepted association with all it needs.
pub(super) struct Conversation {
    pub stream: Arc<TcpStream>,
    pub association: Association,
    pub contexts: Vec<Context>,
    pub peer_max_pdu: u32,
    pub caller: Caller,
    pub seat: Seat,
    pub archive: Arc<Archive>,
    pub on_peer: OnPeer,
}

/// How an association ended.
enum Ending {
    /// By A-RELEASE.
    Released,
    /// By an A-ABORT of the peer, with source and reason.
    Aborted([u8; 2]),
    /// The peer broke the protocol or fell silent.
    Broken(Violation),
    /// The server stops.
    Stopping,
    /// The peer hung up between two messages, without A-RELEASE. Many do.
    Left,
    /// The connection was lost within a message.
    Lost(&'static str),
}

/// An operation under way.
struct Operation {
    context: u8,
    service: Service,
    command: Command,
    began: Instant,
    /// What becomes of its data set.
    incoming: Incoming,
}

/// What becomes of a data set.
enum Incoming {
    /// It is read and dropped.
    Dropped,
    /// It is stored.
    Store(Box<Receipt>),
    /// It says something of a performed procedure step.
    Step(Box<Telling>),
}

impl Incoming {
    fn push(&mut self, bytes: &[u8]) {
        match self {
            Incoming::Dropped => {}
            Incoming::Store(receipt) => receipt.push(bytes),
            Incoming::Step(telling) => telling.push(bytes),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Incoming::Dropped => 0,
            Incoming::Store(receipt) => receipt.bytes(),
            Incoming::Step(telling) => telling.bytes(),
        }
    }
}

/// What lives as long as the thread's loop.
struct Desk {
    conversation: Conversation,
    operation: Option<Operation>,
    response: Vec<u8>,
    command: Vec<u8>,
}

impl Conversation {
    /// Sends `accept`, the A-ASSOCIATE-AC, and converses until the end.
    pub fn run(self, accept: &[u8]) {
        let caller = self.caller.clone();
        tracing::info!(ae = %caller.ae_title, address = %caller.address, contexts = self.contexts.len(), "association");
        metrics::counter!("dimse_associations_accepted_total").increment(1);
        let mut desk =
            Desk { conversation: self, operation: None, response: Vec::new(), command: Vec::new() };
        let ending = desk.serve(accept);
        // A store under way leaves nothing behind, and must not outlive what is logged and told now.
        desk.operation = None;
        desk.end(ending);
    }

    fn tell(&self, action: PeerAction<'_>) {
        let (ae_title, address) = (self.caller.ae_title.as_str(), self.caller.address);
        (self.on_peer)(PeerEvent { ae_title, address, action });
    }
}

impl Desk {
    fn serve(&mut self, accept: &[u8]) -> Ending {
        if (&*self.conversation.stream).write_all(accept).is_err() {
            return Ending::Lost("write");
        }
        let mut buffer = Buffer::new();
        let mut resting = false;
        loop {
            if let Some(ending) = self.understand(&mut buffer) {
                return ending;
            }
            let rests = self.conversation.association.between_messages() && buffer.unread().is_empty();
            if rests && !std::mem::replace(&mut resting, true) && !self.conversation.seat.rest() {
                return Ending::Stopping;
            }
            match self.read(&mut buffer, resting) {
                Ok(()) => {}
                Err(ending) => return ending,
            }
            if std::mem::replace(&mut resting, false) && !self.conversation.seat.work() {
                return Ending::Stopping;
            }
        }
    }

    /// Handles all that is complete in `buffer`.
    fn understand(&mut self, buffer: &mut Buffer) -> Option<Ending> {
        loop {
            let Step { consumed, event } = match self.conversation.association.step(buffer.unread()) {
                Ok(step) => step,
                Err(violation) => return Some(Ending::Broken(violation)),
            };
            let last_step = event.is_none();
            let ending = match event {
                None => None,
                Some(Event::Command { context, command }) => self.begin(context, command),
                Some(Event::Data { bytes, last }) => self.data(bytes, last),
                Some(Event::Release) => Some(Ending::Released),
                Some(Event::Abort { reason }) => Some(Ending::Aborted(reason)),
                Some(Event::Request(_)) => {
                    Some(Ending::Broken(Violation::UnexpectedPdu(pdu::PduType::AssociateRequest)))
                }
            };
            buffer.done(consumed);
            if ending.is_some() || last_step {
                return ending;
            }
        }
    }

    /// Waits for more bytes, as long as the peer may make us wait.
    fn read(&mut self, buffer: &mut Buffer, resting: bool) -> Result<(), Ending> {
        loop {
            socket::acknowledge_quickly(&self.conversation.stream);
            let began = Instant::now();
            let result = (&*self.conversation.stream).read(buffer.room());
            let waited = self.conversation.association.waited(began.elapsed());
            match result {
                Ok(0) if self.conversation.seat.is_stopping() => return Err(Ending::Stopping),
                Ok(0) if resting => return Err(Ending::Left),
                Ok(0) => return Err(Ending::Lost("closed")),
                Ok(n) => {
                    buffer.filled(n);
                    return waited.map_err(Ending::Broken);
                }
                Err(error) if socket::is_timeout(&error) => {
                    waited.map_err(Ending::Broken)?;
                    if resting {
                        buffer.shrink();
                    }
                }
                Err(_) => return Err(Ending::Lost("read")),
            }
        }
    }

    fn begin(&mut self, context: u8, command: Command) -> Option<Ending> {
        let conversation = &self.conversation;
        let negotiated = conversation.contexts.iter().find(|c| c.id == context);
        let service = negotiated.map_or(Service::None, |c| c.service);
        let syntax = negotiated.map(|c| &c.transfer_syntax).filter(|_| command.has_data_set);
        let incoming = match (syntax, command.field, service) {
            (Some(syntax), C_STORE_RQ, Service::Storage) => {
                let receipt = Receipt::begin(&conversation.archive, &conversation.caller, &command, syntax);
                Incoming::Store(Box::new(receipt))
            }
            (Some(syntax), N_CREATE_RQ | N_SET_RQ, Service::PerformedStep) => {
                Incoming::Step(Box::new(Telling::begin(&conversation.archive, &command, syntax)))
            }
            _ => Incoming::Dropped,
        };
        let complete = !command.has_data_set;
        self.operation = Some(Operation { context, service, command, began: Instant::now(), incoming });
        if complete { self.perform() } else { None }
    }

    fn data(&mut self, bytes: &[u8], last: bool) -> Option<Ending> {
        if let Some(operation) = &mut self.operation {
            operation.incoming.push(bytes);
        }
        if last { self.perform() } else { None }
    }

    /// The message is complete: performs its operation and answers.
    fn perform(&mut self) -> Option<Ending> {
        let operation = self.operation.take()?;
        let Operation { context, service, command, began, incoming } = operation;
        let bytes = incoming.bytes();
        let Conversation { archive, caller, .. } = &self.conversation;
        let (name, answer) = match (command.field, incoming) {
            // There is never an operation under way that could be cancelled, and a C-CANCEL has no response.
            (C_CANCEL_RQ, _) => return None,
            (C_ECHO_RQ, _) => ("c-echo", Answer::success()),
            (_, Incoming::Store(receipt)) => ("c-store", receipt.finish()),
            (field, Incoming::Step(telling)) => {
                let name = if field == N_CREATE_RQ { "n-create" } else { "n-set" };
                (name, telling.finish(archive, caller, &command))
            }
            (C_STORE_RQ, Incoming::Dropped) if command.has_data_set => {
                let reason = "this presentation context is not for storing";
                ("c-store", Answer::failure(Status::SOP_CLASS_NOT_SUPPORTED, reason))
            }
            (C_STORE_RQ, Incoming::Dropped) => {
                ("c-store", Answer::failure(Status::CANNOT_UNDERSTAND, "there is no data set"))
            }
            (N_CREATE_RQ | N_SET_RQ, Incoming::Dropped) if service == Service::PerformedStep => {
                ("other", performed::without_attributes(&command))
            }
            _ => ("other", Answer::failure(Status::UNRECOGNIZED_OPERATION, "")),
        };
        write_response(&mut self.command, &command, &answer);
        self.response.clear();
        pdu::write_command(&mut self.response, context, &self.command, self.conversation.peer_max_pdu);
        let written = (&*self.conversation.stream).write_all(&self.response);
        metrics::histogram!("dimse_operation_seconds", "operation" => name).record(began.elapsed());
        self.account(&command, &answer, bytes);
        written.is_err().then_some(Ending::Lost("write"))
    }

    /// Metrics, log and the peer's own record of one operation.
    fn account(&self, command: &Command, answer: &Answer, bytes: u64) {
        if bytes > 0 {
            metrics::counter!("dimse_received_bytes_total").increment(bytes);
        }
        let (conversation, status) = (&self.conversation, answer.status);
        match (status, command.field) {
            (Status::SUCCESS, C_ECHO_RQ) => conversation.tell(PeerAction::Echo),
            (Status::SUCCESS, N_CREATE_RQ | N_SET_RQ) => {
                metrics::counter!("dimse_performed_steps_total").increment(1);
                conversation.tell(PeerAction::PerformedStep);
            }
            (Status::SUCCESS, _) => {
                metrics::counter!("dimse_instances_total").increment(1);
                conversation.tell(PeerAction::Store { bytes });
            }
            _ => {
                metrics::counter!("dimse_errors_total", "status" => status.to_string()).increment(1);
                let ae = &conversation.caller.ae_title;
                // The comment may quote UIDs of the data set, which belong to a patient.
                tracing::warn!(%ae, address = %conversation.caller.address, %status, "operation failed");
                tracing::debug!(%ae, sop_instance = ?command.sop_instance, comment = answer.comment, "operation failed");
                conversation.tell(PeerAction::Failure { status, comment: &answer.comment });
            }
        }
    }

    fn end(self, ending: Ending) {
        let Conversation { stream, caller, .. } = &self.conversation;
        let broken = match ending {
            Ending::Released => {
                socket::close(stream, &pdu::RELEASE_RESPONSE);
                None
            }
            Ending::Stopping => {
                socket::close(stream, &pdu::abort(&AbortRQSource::ServiceUser));
                Some(("server_stops", None))
            }
            Ending::Left => Some(("peer_left", None)),
            Ending::Broken(violation) => {
                socket::close(stream, &pdu::abort(&violation.abort()));
                Some((violation.label(), Some(violation.to_string())))
            }
            Ending::Aborted([source, reason]) => {
                Some(("peer_aborted", Some(format!("A-ABORT of the peer, source {source}, reason {reason}"))))
            }
            Ending::Lost(how) => Some(("connection_lost", Some(format!("connection lost: {how}")))),
        };
        let Some((label, reason)) = broken else {
            tracing::info!(ae = %caller.ae_title, address = %caller.address, "association released");
            return;
        };
        metrics::counter!("dimse_associations_broken_total", "reason" => label).increment(1);
        tracing::info!(ae = %caller.ae_title, address = %caller.address, reason = label, "association ended");
        if let Some(reason) = reason {
            tracing::debug!(ae = %caller.ae_title, reason, "association ended");
            self.conversation.tell(PeerAction::Broken { reason: &reason });
        }
    }
}

/// What was read and not yet understood.
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The last read filled all the room there was: there is more to come.
    full: bool,
}

impl Buffer {
    fn new() -> Buffer {
        Buffer { bytes: vec![0; RESTING_BUFFER], start: 0, end: 0, full: false }
    }

    fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn done(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// Room to read into. What is left unread, at most a header, moves to the front.
    fn room(&mut self) -> &mut [u8] {
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if std::mem::take(&mut self.full) {
            self.bytes.resize(READ_BUFFER, 0);
        }
        &mut self.bytes[self.end..]
    }

    fn filled(&mut self, bytes: usize) {
        self.end += bytes;
        self.full = self.end == self.bytes.len();
    }

    /// Gives the memory of a busy association back.
    fn shrink(&mut self) {
        if self.unread().is_empty() && self.bytes.len() > RESTING_BUFFER {
            *self = Buffer::new();
        }
    }
}
