//! One association as a state machine (PS3.8 9.2): bytes and waiting time in, events out. No I/O.
//!
//! [`Association::step`] looks at the bytes its caller has and says how many of them are done with and what they
//! meant; data set fragments are handed on as slices of the caller's own buffer, whole PDUs are never collected.
//! Memory held: one command set of bounded size. Time is what the caller [waited](Association::waited) for the
//! peer: the time this side takes for storing is never held against the peer.

use std::time::Duration;

use dicom_ul::pdu::AssociationRQ;
use storage_config::config::DimseLimits;

use super::command::Command;
use super::error::Violation;
use super::pdu::{COMMAND, LAST, PDU_HEADER, PDV_HEADER, PduType};
use super::request;

/// Command fragments without content that are borne within one command set.
const COMMAND_FRAGMENTS: u32 = 1024;

/// What bytes of a peer mean.
#[derive(Debug, PartialEq)]
pub(super) enum Event<'a> {
    /// It asks for an association. Nothing else may come before [`Association::establish`].
    Request(Box<AssociationRQ>),
    /// A command set is complete. If it announces a data set, [`Event::Data`] follow.
    Command {
        /// Its presentation context, an accepted one.
        context: u8,
        /// Its content.
        command: Command,
    },
    /// A piece of the data set that the last command announced; it may be empty.
    Data {
        /// Bytes in the context's transfer syntax.
        bytes: &'a [u8],
        /// Nothing of this data set follows.
        last: bool,
    },
    /// It asks for release; the answer is A-RELEASE-RP.
    Release,
    /// It aborted.
    Abort {
        /// Source and reason (PS3.8 9.3.8).
        reason: [u8; 2],
    },
}

/// What one step did.
#[derive(Debug, PartialEq)]
pub(super) struct Step<'a> {
    /// Bytes at the start of the input that are done with.
    pub consumed: usize,
    /// What they meant. Without an event more bytes are needed behind the rest of the input.
    pub event: Option<Event<'a>>,
}

/// Where in the byte stream the next byte belongs.
#[derive(Debug, Clone, Copy)]
enum Position {
    /// Before a PDU.
    Header,
    /// In a PDU that is read as a whole.
    Whole { kind: PduType, length: usize },
    /// Before a PDV of a P-DATA-TF PDU with `left` bytes to come.
    Items { left: u32 },
    /// In a PDV with `fragment` bytes to come, followed by `left` bytes of other PDVs.
    Fragment { fragment: u32, left: u32, header: u8 },
}

/// Which message the next fragment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    /// To a new one.
    None,
    /// To a command set of which `fragments` fragments came.
    Command { context: u8, fragments: u32 },
    /// To a data set; `begun` after its first byte.
    DataSet { context: u8, begun: bool },
}

/// The state of one association.
#[derive(Debug)]
pub(super) struct Association {
    limits: DimseLimits,
    established: bool,
    position: Position,
    message: Message,
    /// Accepted presentation contexts, by ID.
    contexts: [bool; 256],
    command: Vec<u8>,
    /// How long the peer may still let this side wait. Within a message it is earned with bytes.
    credit: Duration,
}

impl Association {
    /// A connection from which nothing came yet.
    pub fn new(limits: DimseLimits) -> Association {
        Association {
            limits,
            established: false,
            position: Position::Header,
            message: Message::None,
            contexts: [false; 256],
            command: Vec::new(),
            credit: Duration::from_secs(limits.idle_seconds),
        }
    }

    /// The request was accepted with these presentation contexts.
    pub fn establish(&mut self, contexts: impl Iterator<Item = u8>) {
        self.established = true;
        contexts.for_each(|id| self.contexts[usize::from(id)] = true);
    }

    /// Whether no message is under way, as far as complete PDVs tell.
    pub fn between_messages(&self) -> bool {
        self.message == Message::None
    }

    /// Bytes that have to be in the input for the next step to make progress, at least 1.
    pub fn wanted(&self) -> usize {
        match self.position {
            Position::Header => PDU_HEADER,
            Position::Whole { length, .. } => length.max(1),
            Position::Items { .. } => PDV_HEADER,
            Position::Fragment { .. } => 1,
        }
    }

    /// Time that was spent waiting for bytes of the peer.
    ///
    /// # Errors
    /// [`Violation::TooSlow`] in the midst of a message, else [`Violation::Silent`], when the patience is used up.
    pub fn waited(&mut self, time: Duration) -> Result<(), Violation> {
        match self.credit.checked_sub(time) {
            Some(left) => self.credit = left,
            None if self.between_messages() && matches!(self.position, Position::Header) => {
                return Err(Violation::Silent);
            }
            None => return Err(Violation::TooSlow),
        }
        Ok(())
    }

    /// Takes what it can from the start of `input`, up to the next event.
    ///
    /// # Errors
    /// What the peer did wrong; the association has to be aborted.
    pub fn step<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, Violation> {
        let mut consumed = 0;
        loop {
            let (used, event) = self.advance(&input[consumed..])?;
            consumed += used;
            if event.is_some() || used == 0 {
                if event.is_none() && consumed < input.len() && self.between_messages() {
                    // The header of a PDU must not come in drops either.
                    self.grace();
                }
                return Ok(Step { consumed, event });
            }
        }
    }

    /// One position further, or nothing used if the input is too short.
    fn advance<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Option<Event<'a>>), Violation> {
        match self.position {
            Position::Header => self.header(input),
            Position::Whole { kind, length } => match input.get(..length) {
                Some(body) => {
                    self.position = Position::Header;
                    Ok((length, self.whole(kind, body)?))
                }
                None => Ok((0, None)),
            },
            Position::Items { left: 0 } => {
                self.position = Position::Header;
                // Nothing is used up, but the position has changed.
                self.header(input)
            }
            Position::Items { left } => self.item(input, left),
            Position::Fragment { fragment, left, header } => self.fragment(input, fragment, left, header),
        }
    }

    fn header<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Option<Event<'a>>), Violation> {
        let Some(&first) = input.first() else { return Ok((0, None)) };
        let kind = PduType::from_byte(first).ok_or(Violation::UnrecognizedPdu(first))?;
        let limit = match (self.established, kind) {
            (false, PduType::AssociateRequest) => self.limits.associate_bytes,
            (true, PduType::Data) => self.limits.pdu_bytes,
            (true, PduType::ReleaseRequest) | (_, PduType::Abort) => 4,
            _ => return Err(Violation::UnexpectedPdu(kind)),
        };
        if kind == PduType::ReleaseRequest && !self.between_messages() {
            return Err(Violation::UnexpectedPdu(kind));
        }
        let Some(&[_, _, l0, l1, l2, l3]) = input.first_chunk::<PDU_HEADER>() else { return Ok((0, None)) };
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        if length > limit {
            return Err(Violation::PduTooLong { kind, length, limit });
        }
        self.position = match kind {
            PduType::Data if length == 0 => return Err(Violation::MalformedPdu("P-DATA-TF without PDV")),
            PduType::Data => Position::Items { left: length },
            PduType::ReleaseRequest | PduType::Abort if length != 4 => {
                return Err(Violation::MalformedPdu("a fixed PDU has not 4 bytes"));
            }
            _ => Position::Whole { kind, length: length as usize },
        };
        Ok((PDU_HEADER, None))
    }

    fn whole<'a>(&mut self, kind: PduType, body: &[u8]) -> Result<Option<Event<'a>>, Violation> {
        Ok(Some(match (kind, body) {
            (PduType::AssociateRequest, body) => Event::Request(Box::new(request::read(body)?)),
            (PduType::Abort, &[_, _, source, reason]) => Event::Abort { reason: [source, reason] },
            _ => Event::Release,
        }))
    }

    /// The head of a PDV (PS3.8 9.3.5.1) with everything that can be wrong about it.
    fn item<'a>(&mut self, input: &'a [u8], left: u32) -> Result<(usize, Option<Event<'a>>), Violation> {
        if (left as usize) < PDV_HEADER {
            return Err(Violation::MalformedPdu("a PDV goes beyond its PDU"));
        }
        let Some(&[l0, l1, l2, l3, context, header]) = input.first_chunk::<PDV_HEADER>() else {
            return Ok((0, None));
        };
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        if length < 2 || length > left - 4 {
            return Err(Violation::MalformedPdu("a PDV goes beyond its PDU or is too short"));
        }
        if !self.contexts[usize::from(context)] {
            return Err(Violation::WrongContext(context));
        }
        let is_command = header & COMMAND != 0;
        match &mut self.message {
            Message::None if is_command => {
                self.command.clear();
                self.message = Message::Command { context, fragments: 1 };
                self.grace();
            }
            Message::None => return Err(Violation::WrongFragment("a data set without command set")),
            Message::Command { context: of, .. } | Message::DataSet { context: of, .. } if *of != context => {
                return Err(Violation::WrongContext(context));
            }
            Message::Command { fragments, .. } if is_command => {
                *fragments += 1;
                if *fragments > COMMAND_FRAGMENTS {
                    return Err(Violation::CommandTooLong(self.limits.command_bytes));
                }
            }
            Message::Command { .. } => {
                return Err(Violation::WrongFragment("a data set within a command set"));
            }
            Message::DataSet { .. } if is_command => {
                return Err(Violation::WrongFragment("a command set within a data set"));
            }
            Message::DataSet { .. } => {}
        }
        let fragment = length - 2;
        if is_command && self.command.len() + fragment as usize > self.limits.command_bytes as usize {
            return Err(Violation::CommandTooLong(self.limits.command_bytes));
        }
        self.position = Position::Fragment { fragment, left: left - 4 - length, header };
        Ok((PDV_HEADER, None))
    }

    fn fragment<'a>(
        &mut self,
        input: &'a [u8],
        fragment: u32,
        left: u32,
        header: u8,
    ) -> Result<(usize, Option<Event<'a>>), Violation> {
        if input.is_empty() && fragment > 0 {
            return Ok((0, None));
        }
        let bytes = &input[..input.len().min(fragment as usize)];
        // Not more than `fragment`, so it fits.
        let rest = fragment - bytes.len() as u32;
        let complete = rest == 0;
        self.position = if complete {
            Position::Items { left }
        } else {
            Position::Fragment { fragment: rest, left, header }
        };
        let last = complete && header & LAST != 0;
        let event = match self.message {
            Message::Command { context, .. } => {
                self.command.extend_from_slice(bytes);
                if last { Some(self.command_complete(context)?) } else { None }
            }
            Message::DataSet { context, begun } => {
                self.data_arrived(context, begun, bytes.len(), last);
                Some(Event::Data { bytes, last })
            }
            Message::None => return Err(Violation::WrongFragment("a fragment without message")),
        };
        if event.is_none() && bytes.is_empty() {
            // An empty command fragment uses up nothing, yet the position has changed.
            return self.advance(input);
        }
        Ok((bytes.len(), event))
    }

    fn command_complete<'a>(&mut self, context: u8) -> Result<Event<'a>, Violation> {
        let command = Command::read(&self.command)?;
        self.message =
            if command.has_data_set { Message::DataSet { context, begun: false } } else { Message::None };
        // A sender may take its time before the data set, to read or to encode it.
        self.credit = Duration::from_secs(self.limits.idle_seconds);
        Ok(Event::Command { context, command })
    }

    /// Patience within a data set: [`Association::grace`] at first, then a second for each
    /// `min_bytes_per_second`, never more than the idle time.
    fn data_arrived(&mut self, context: u8, begun: bool, bytes: usize, last: bool) {
        let most = Duration::from_secs(self.limits.idle_seconds);
        if last {
            self.message = Message::None;
            self.credit = most;
            return;
        }
        if !begun && bytes > 0 {
            self.message = Message::DataSet { context, begun: true };
            self.grace();
        }
        let earned = bytes as f64 / self.limits.min_bytes_per_second.max(1) as f64;
        self.credit = most.min(self.credit + Duration::from_secs_f64(earned));
    }

    /// From now on the peer has to keep up the minimum rate, after a first delay of the ARTIM time.
    fn grace(&mut self) {
        self.credit = self.credit.min(Duration::from_secs(self.limits.artim_seconds));
    }
}
