//! The side that answers: a thread that accepts, and two for each client while its job runs, one that does the job
//! and one that hears the client.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::lines::{Line, Lines};
use super::protocol::{End, Failure, FailureKind, REQUEST_BYTES, Reply, Request, Word};
use super::socket;
use crate::import::Cancel;

/// Clients at once.
const CLIENTS: usize = 16;
/// How long a client may take to say what it wants.
const REQUEST: Duration = Duration::from_secs(10);
/// How long a client may leave what it is told unread, once the system's buffer is full.
const REPLY: Duration = Duration::from_secs(5);

/// Does a request, on a thread of its own.
pub type Handler = Arc<dyn Fn(&Request, &Talk) -> Result<Value, Failure> + Send + Sync>;

/// What a running job has of its client.
pub struct Talk {
    cancel: Cancel,
    jobs: Vec<String>,
    /// Nothing once the client does not read any more.
    stream: Mutex<Option<UnixStream>>,
}

impl Talk {
    /// Set when the client or the server wants the job to stop.
    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// The kinds of jobs that were running when this request came.
    #[must_use]
    pub fn jobs(&self) -> &[String] {
        &self.jobs
    }

    /// Tells the client, if it still listens.
    pub fn event(&self, event: &impl Serialize) {
        match serde_json::to_value(event) {
            Ok(event) => self.say(&Reply::Event(event)),
            Err(error) => tracing::error!(%error, "an event was not told"),
        }
    }

    fn say(&self, reply: &Reply) {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = stream.as_mut() else { return };
        let said = serde_json::to_vec(reply).map_err(io::Error::other).and_then(|mut line| {
            line.push(b'\n');
            open.write_all(&line)
        });
        if let Err(error) = said {
            tracing::info!(%error, "a client of the control socket has gone; its job goes on");
            // Part of a line may have been sent: nothing may follow it.
            let _ = open.shutdown(Shutdown::Write);
            *stream = None;
        }
    }
}

struct Shared {
    handler: Handler,
    stopping: AtomicBool,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    next: u64,
    connected: HashMap<u64, Connected>,
    /// Kinds of jobs that run.
    jobs: Vec<&'static str>,
}

struct Connected {
    cancel: Cancel,
    stream: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Shared {
    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers on the control socket until it is stopped or dropped.
pub struct Server {
    data_dir: PathBuf,
    listener: UnixListener,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    /// Makes the socket of `data_dir`, whose lock the caller holds, and answers on it with `handler`.
    ///
    /// # Errors
    /// When the folder does not take a socket, or a thread cannot be started.
    pub fn with_handler(data_dir: &Path, handler: Handler) -> io::Result<Server> {
        let listener = socket::listen(data_dir)?;
        let shared =
            Arc::new(Shared { handler, stopping: AtomicBool::new(false), clients: Mutex::default() });
        let (accepted, sharing) = (listener.try_clone()?, shared.clone());
        let accepting = std::thread::Builder::new()
            .name("control".into())
            .spawn(move || accept(&accepted, &sharing))
            .inspect_err(|_| socket::remove(data_dir))?;
        let accepting = Mutex::new(Some(accepting));
        Ok(Server { data_dir: data_dir.to_owned(), listener, shared, accepting })
    }

    /// Takes no client any more, asks running jobs to stop, and waits until they have.
    pub fn stop(&self) {
        let accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(accepting) = accepting else { return };
        self.shared.stopping.store(true, Ordering::Release);
        socket::remove(&self.data_dir);
        // Wakes the thread that accepts.
        let woken = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if woken.is_ok() && accepting.join().is_err() {
            tracing::error!("the control socket ended with a panic");
        }
        let connected: Vec<Connected> = self.shared.clients().connected.drain().map(|(_, c)| c).collect();
        for client in &connected {
            client.cancel.set();
            // Whoever has not said what it wants is not waited for; others still hear how their job ended.
            let _ = client.stream.shutdown(Shutdown::Read);
        }
        for thread in connected.into_iter().filter_map(|client| client.thread) {
            if thread.join().is_err() {
                tracing::error!("a job of the control socket ended with a panic");
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn accept(listener: &UnixListener, shared: &Arc<Shared>) {
    loop {
        let accepted = listener.accept();
        if shared.stopping.load(Ordering::Acquire) {
            return;
        }
        let begun =
            accepted.and_then(|(stream, _)| if is_ours(&stream) { begin(stream, shared) } else { Ok(()) });
        if let Err(error) = begun {
            tracing::warn!(%error, "a client of the control socket was not taken");
            // Out of descriptors, as a rule: trying again at once would only turn in circles.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Whether the client is of this server's user, or root; its mode keeps others from the socket, this from mistakes
/// with it.
fn is_ours(stream: &UnixStream) -> bool {
    let us = rustix::process::geteuid();
    rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid == us || peer.uid.is_root())
}

fn begin(stream: UnixStream, shared: &Arc<Shared>) -> io::Result<()> {
    stream.set_read_timeout(Some(REQUEST))?;
    stream.set_write_timeout(Some(REPLY))?;
    let cancel = Cancel::new();
    let talk =
        Talk { cancel: cancel.clone(), jobs: Vec::new(), stream: Mutex::new(Some(stream.try_clone()?)) };
    let (heard, kept) = (stream.try_clone()?, stream);
    let mut clients = shared.clients();
    if clients.connected.len() >= CLIENTS {
        let failure = Failure::new(FailureKind::Busy, "too many clients are connected");
        talk.say(&Reply::End(End::Failed(failure)));
        return Ok(());
    }
    let id = clients.next;
    clients.next += 1;
    let sharing = shared.clone();
    // It waits for `clients` before it leaves, so that it is there to be taken out.
    let thread = std::thread::Builder::new().name("control-job".into()).spawn(move || {
        let leave = Leave { shared: &sharing, id };
        serve(&sharing, talk, heard);
        drop(leave);
    })?;
    clients.connected.insert(id, Connected { cancel, stream: kept, thread: Some(thread) });
    Ok(())
}

/// A client's place, given up also when its job panics.
struct Leave<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.shared.clients().connected.remove(&self.id) {
            // The thread that hears the client ends, and the client sees the end.
            let _ = client.stream.shutdown(Shutdown::Both);
        }
    }
}

/// The right to run a kind of job.
struct Claim<'a> {
    shared: &'a Shared,
    kind: &'static str,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.shared.clients().jobs.retain(|job| *job != self.kind);
    }
}

/// One client, from its request to the end of its job.
fn serve(shared: &Arc<Shared>, mut talk: Talk, stream: UnixStream) {
    let closing = stream.try_clone();
    let end = match request(&mut talk, shared, stream) {
        Ok(None) => None,
        Ok(Some(result)) => Some(End::Done(result)),
        Err(failure) => Some(End::Failed(failure)),
    };
    if let Some(end) = end {
        talk.say(&Reply::End(end));
    }
    if let Ok(stream) = closing {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// Reads the request and does it. Nothing when there is none.
fn request(talk: &mut Talk, shared: &Arc<Shared>, stream: UnixStream) -> Result<Option<Value>, Failure> {
    let failed = |error: io::Error| Failure::new(FailureKind::Request, error.to_string());
    let hearing = stream.try_clone().map_err(failed)?;
    let mut lines = Lines::new(stream, REQUEST_BYTES);
    let line = match lines.next().map_err(failed)? {
        Line::Whole(line) => line,
        Line::HungUp => return Ok(None),
        Line::Nothing => return Err(Failure::new(FailureKind::Request, "no request came in time")),
    };
    let request: Request = serde_json::from_slice(&line).map_err(|error| {
        Failure::new(FailureKind::Request, format!("the request is not understood: {error}"))
    })?;
    let claim = claim(shared, &request, talk)?;
    hearing.set_read_timeout(None).map_err(failed)?;
    let cancel = talk.cancel.clone();
    let hear = std::thread::Builder::new().name("control-hear".into()).spawn(move || hear(lines, &cancel));
    if let Err(error) = hear {
        tracing::warn!(%error, "a client of the control socket cannot be heard");
    }
    let result = (shared.handler)(&request, talk);
    drop(claim);
    result.map(Some)
}

fn claim<'a>(shared: &'a Shared, request: &Request, talk: &mut Talk) -> Result<Option<Claim<'a>>, Failure> {
    let mut clients = shared.clients();
    if shared.stopping.load(Ordering::Acquire) {
        return Err(Failure::new(FailureKind::Stopping, "the server is stopping"));
    }
    talk.jobs = clients.jobs.iter().map(|job| (*job).to_owned()).collect();
    let Some(kind) = request.exclusive() else { return Ok(None) };
    if clients.jobs.contains(&kind) {
        return Err(Failure::new(
            FailureKind::Busy,
            format!("another {kind} is running; try again after it"),
        ));
    }
    clients.jobs.push(kind);
    Ok(Some(Claim { shared, kind }))
}

/// Hears a client until it hangs up or the connection is shut down. Hanging up is not a wish to stop.
fn hear(mut lines: Lines, cancel: &Cancel) {
    while let Ok(Line::Whole(line)) = lines.next() {
        match serde_json::from_slice(&line) {
            Ok(Word::Cancel) => cancel.set(),
            Err(error) => tracing::warn!(%error, "a client of the control socket is not understood"),
        }
    }
}
