//! From listening sockets to associations: accept, negotiate, hand over to a thread; and the orderly end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dicom_ul::pdu::{AssociationRJ, AssociationRQ, Pdu};
use indexer::archive::Archive;
use socket2::{Domain, Protocol, Socket, Type};
use storage_config::AeTitle;
use storage_config::config::DimseLimits;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::association::{Association, Event, Step};
use super::error::Violation;
use super::negotiation::{self, Negotiated, negotiate};
use super::peers::{Caller, KnownPeers, Peers, Refusal};
use super::pending::{Pending, Ticket};
use super::registry::{Registry, Seat};
use super::service::Conversation;
use super::socket::{self, LINGER, LINGER_BYTES};
use super::{DimseConfig, OnPeer, PeerAction, PeerEvent, pdu};

/// Connections that the system keeps until they are accepted.
const BACKLOG: i32 = 4096;
/// Stack of an association's thread, in bytes. Nothing on it recurses on what a peer sends.
const STACK: usize = 512 * 1024;
/// Bytes read at once before there is an association.
const SCRATCH: usize = 4096;
/// Pause after a failure to accept, such as a lack of file descriptors.
const BREATHER: Duration = Duration::from_millis(20);

/// Why the listener cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DimseError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for DICOM: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// How the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Associations that were cut off because they did not end in time.
    pub cut: usize,
}

/// The DIMSE listener, bound and not yet serving.
pub struct DimseServer {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
}

struct Shared {
    limits: DimseLimits,
    peers: Peers,
    pending: Arc<Pending>,
    registry: Arc<Registry>,
    archive: Arc<Archive>,
    on_peer: OnPeer,
}

impl DimseServer {
    /// Binds every address of `config`. Has to be called on a tokio runtime.
    ///
    /// # Errors
    /// The first address that cannot be listened on.
    pub fn bind(
        config: &DimseConfig,
        archive: Arc<Archive>,
        on_peer: OnPeer,
    ) -> Result<DimseServer, DimseError> {
        let mut listeners = Vec::with_capacity(config.listen.len());
        let mut addresses = Vec::with_capacity(config.listen.len());
        for &address in &config.listen {
            let listen = || listen(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
            let (bound, listener) = listen().map_err(|source| DimseError::Listen { address, source })?;
            addresses.push(bound);
            listeners.push(listener);
        }
        let limits = config.limits;
        let shared = Shared {
            limits,
            peers: Peers::new(config),
            pending: Pending::new(limits.pending_connections as usize),
            registry: Registry::new(limits),
            archive,
            on_peer,
        };
        Ok(DimseServer { listeners, addresses, shared: Arc::new(shared) })
    }

    /// The addresses that are listened on, ports resolved, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The list of known application entities, which may be changed while this serves.
    #[must_use]
    pub fn known_peers(&self) -> KnownPeers {
        self.shared.peers.known().clone()
    }

    /// Serves until `shutdown` completes, then ends in order: nothing new is accepted, operations under way are
    /// finished and answered, resting associations are aborted; what is left after `drain_seconds` is cut off.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        let DimseServer { listeners, shared, .. } = self;
        let accepting: Vec<_> = listeners
            .into_iter()
            .map(|listener| tokio::spawn(accept(listener, Arc::clone(&shared))))
            .collect();
        shutdown.await;
        for task in accepting {
            task.abort();
            // Until then the port is still open.
            let _ = task.await;
        }
        shared.registry.stop();
        shared.pending.drop_silent();
        let drain = Duration::from_secs(shared.limits.drain_seconds);
        match timeout(drain, shared.registry.empty()).await {
            Ok(()) => Drained { cut: 0 },
            Err(_) => Drained { cut: shared.registry.cut() },
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the remains of old connections.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                metrics::counter!("dimse_connections_total").increment(1);
                let ticket = shared.pending.admit(from.ip().to_canonical());
                let number = ticket.number();
                let task = tokio::spawn(greet(stream, from, Arc::clone(&shared), ticket));
                shared.pending.runs(number, task.abort_handle());
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                shared.pending.relieve();
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
}

/// What a new connection said.
enum Heard {
    Request(Box<Association>, Box<AssociationRQ>),
    Broken(Violation),
    Gone,
}

/// Serves a connection until there is an association or an end.
async fn greet(stream: TcpStream, from: SocketAddr, shared: Arc<Shared>, ticket: Ticket) {
    let artim = Duration::from_secs(shared.limits.artim_seconds);
    match timeout(artim, hear(&stream, shared.limits, &ticket)).await {
        Ok(Heard::Request(association, request)) => {
            let stream = match consider(&shared, &request, from) {
                Ok(agreed) => match hand_over(&shared, stream, *association, agreed) {
                    Ok(()) => return,
                    Err(stream) => stream,
                },
                Err(rejection) => {
                    say_goodbye(stream, &pdu::reject(&rejection)).await;
                    return;
                }
            };
            if let Some(stream) = stream {
                reject_counted("no_thread");
                say_goodbye(stream, &pdu::reject(&negotiation::temporary_congestion())).await;
            }
        }
        Ok(Heard::Broken(violation)) => {
            tracing::info!(address = %from.ip(), reason = %violation, "a connection asked for no association");
            metrics::counter!("dimse_associations_broken_total", "reason" => violation.label()).increment(1);
            say_goodbye(stream, &pdu::abort(&violation.abort())).await;
        }
        Ok(Heard::Gone) => {}
        // PS3.8 9.2.3, AA-2: when ARTIM expires the connection is closed without a word.
        Err(_) => metrics::counter!("dimse_associations_broken_total", "reason" => "artim").increment(1),
    }
}

/// Reads up to the end of the A-ASSOCIATE-RQ and not a byte further; memory grows with what came, not with what was
/// announced.
async fn hear(stream: &TcpStream, limits: DimseLimits, ticket: &Ticket) -> Heard {
    let mut association = Box::new(Association::new(limits));
    let mut unread: Vec<u8> = Vec::new();
    loop {
        let consumed = match association.step(&unread) {
            Ok(Step { event: Some(Event::Request(request)), .. }) => {
                return Heard::Request(association, request);
            }
            Ok(Step { event: Some(_), .. }) => return Heard::Gone,
            Ok(Step { consumed, event: None }) => consumed,
            Err(violation) => return Heard::Broken(violation),
        };
        unread.drain(..consumed);
        let missing = association.wanted().saturating_sub(unread.len());
        if consumed > 0 && missing == 0 {
            continue;
        }
        match read_some(stream, missing, &mut unread).await {
            Ok(0) | Err(_) => return Heard::Gone,
            Ok(_) => ticket.spoke(),
        }
    }
}

async fn read_some(stream: &TcpStream, at_most: usize, into: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match read_now(stream, at_most, into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}

/// Not part of the waiting, so that a connection that waits holds no scratch memory.
fn read_now(stream: &TcpStream, at_most: usize, into: &mut Vec<u8>) -> io::Result<usize> {
    let mut scratch = [0; SCRATCH];
    let n = stream.try_read(&mut scratch[..at_most.clamp(1, SCRATCH)])?;
    into.extend_from_slice(&scratch[..n]);
    Ok(n)
}

/// An association that is going to be accepted.
struct Agreed {
    negotiated: Negotiated,
    caller: Caller,
    seat: Seat,
}

/// Accepts or rejects (PS3.8 7.1.1.9, 9.3.4).
fn consider(shared: &Shared, request: &AssociationRQ, from: SocketAddr) -> Result<Agreed, AssociationRJ> {
    let reject = |label, rejection| {
        reject_counted(label);
        rejection
    };
    if shared.registry.is_stopping() {
        return Err(reject("stopping", negotiation::temporary_congestion()));
    }
    let negotiated =
        negotiate(request, shared.limits.pdu_bytes).map_err(|rejection| reject("protocol", rejection))?;
    let (calling, called) = (&request.calling_ae_title, &request.called_ae_title);
    let caller = shared.peers.admit(calling, called, from.ip()).map_err(|refusal| {
        let (ae_title, called) = (printable(calling), printable(called));
        let address = from.ip().to_canonical();
        tracing::warn!(ae = ae_title, called, %address, reason = refusal.label(), "association rejected");
        let action = PeerAction::Refused { called: &called, reason: refusal };
        (shared.on_peer)(PeerEvent { ae_title: &ae_title, address, action });
        let rejection = match refusal {
            Refusal::OtherCalled => negotiation::called_not_recognized(),
            Refusal::NoTitle | Refusal::UnknownPeer | Refusal::OtherAddress => {
                negotiation::calling_not_recognized()
            }
        };
        reject(refusal.label(), rejection)
    })?;
    let Some(seat) = shared.registry.take(&caller.ae_title, caller.address) else {
        tracing::warn!(ae = %caller.ae_title, address = %caller.address, "association rejected: too many");
        return Err(reject("limit", negotiation::local_limit_exceeded()));
    };
    Ok(Agreed { negotiated, caller, seat })
}

/// A title as it is told: what is no title of an application entity is escaped.
fn printable(title: &str) -> String {
    AeTitle::parse(title).map_or_else(|_| title.escape_default().to_string(), |title| title.to_string())
}

fn reject_counted(label: &'static str) {
    metrics::counter!("dimse_associations_rejected_total", "reason" => label).increment(1);
}

/// Gives the association a thread, which sends the acceptance itself: nothing is accepted that nobody serves.
///
/// On failure the stream comes back, if there still is one.
fn hand_over(
    shared: &Shared,
    stream: TcpStream,
    mut association: Association,
    agreed: Agreed,
) -> Result<(), Option<TcpStream>> {
    let Agreed { negotiated: Negotiated { contexts, accept, peer_max_pdu }, caller, seat } = agreed;
    association.establish(contexts.iter().map(|context| context.id));
    let stream = stream.into_std().map_err(|_| None)?;
    socket::make_blocking(&stream, &shared.limits).map_err(|_| None)?;
    let stream = Arc::new(stream);
    seat.attach(Arc::clone(&stream));
    let (archive, on_peer) = (Arc::clone(&shared.archive), Arc::clone(&shared.on_peer));
    let conversation = Conversation {
        stream: Arc::clone(&stream),
        association,
        contexts,
        peer_max_pdu,
        caller,
        seat,
        archive,
        on_peer,
    };
    let accept = pdu::encode(&Pdu::AssociationAC(accept));
    let thread = std::thread::Builder::new().name("dimse".into()).stack_size(STACK);
    match thread.spawn(move || conversation.run(&accept)) {
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::error!(%error, "no thread for an association");
            // The conversation is gone, with it every other owner of the stream.
            let stream = Arc::into_inner(stream).ok_or(None)?;
            stream.set_nonblocking(true).map_err(|_| None)?;
            Err(TcpStream::from_std(stream).ok())
        }
    }
}

/// Sends `last_words` and closes; see [`socket::close`].
async fn say_goodbye(mut stream: TcpStream, last_words: &[u8]) {
    let goodbye = async {
        stream.write_all(last_words).await?;
        stream.shutdown().await?;
        let (mut dropped, mut scratch) = (0, Vec::new());
        while dropped < LINGER_BYTES {
            match read_some(&stream, SCRATCH, &mut scratch).await? {
                0 => break,
                n => dropped += n,
            }
            scratch.clear();
        }
        io::Result::Ok(())
    };
    let _ = timeout(LINGER, goodbye).await;
}
