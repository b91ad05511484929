//! The worker's side.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::message::{self, Hello, Job, Reply};
use crate::decode::decode;
use crate::pixels::Frame;
use crate::render::{RenderError, render};

/// How much longer than the pool a worker waits before it ends itself: nobody else does when the pool is gone.
const GRACE: Duration = Duration::from_secs(5);

/// Answers requests from standard input on standard output until the pool closes it or nothing came for a while.
///
/// # Errors
/// When a limit cannot be set or a message cannot be read or written.
pub fn serve() -> io::Result<()> {
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut bytes = Vec::new();
    let hello: Hello = message::read(&mut input, &mut bytes, 0)?;
    confine(hello.memory_bytes)?;
    let watch = Watch::start(Duration::from_millis(hello.time_ms) + GRACE)?;
    while waits(&input, Duration::from_millis(hello.idle_ms))? {
        watch.begin();
        let job: Job = match message::read(&mut input, &mut bytes, hello.frame_bytes) {
            Ok(job) => job,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let (reply, body) = answer(&job, &bytes, hello.samples);
        output.write_all(&message::head(&reply, body.len())?)?;
        output.write_all(&body)?;
        watch.end();
    }
    Ok(())
}

fn answer(job: &Job, bytes: &[u8], samples_max: u64) -> (Reply, Vec<u8>) {
    let Job { transfer_syntax, first_bit, words, attributes, picture } = job;
    let frame = Frame { transfer_syntax, bytes, first_bit: *first_bit, words: *words };
    match picture {
        Some((presentation, request)) => {
            Reply::rendered(render(frame, attributes, presentation, request, samples_max))
        }
        None => Reply::decoded(decode(frame, attributes, samples_max).map_err(RenderError::Decode)),
    }
}

/// Takes from this process what decoding does not need: memory beyond its share, files, cores, other programs.
fn confine(memory_bytes: u64) -> io::Result<()> {
    let limit = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    limit(Resource::As, memory_bytes)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    // What is open stays open and nothing else can be opened; waiting for one descriptor needs a limit of one.
    limit(Resource::Nofile, 1)?;
    rustix::thread::set_no_new_privs(true)?;
    Ok(())
}

/// Whether a request arrives within `idle`.
fn waits(input: &File, idle: Duration) -> io::Result<bool> {
    let timeout = Timespec::try_from(idle).map_err(io::Error::other)?;
    let mut polled = [PollFd::new(input, PollFlags::IN)];
    loop {
        match poll(&mut polled, Some(&timeout)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Ends this process when one request takes too long.
struct Watch {
    started: Instant,
    /// Milliseconds since the start at which the request began, 0 between requests.
    begun: Arc<AtomicU64>,
}

impl Watch {
    fn start(time: Duration) -> io::Result<Watch> {
        let started = Instant::now();
        let begun = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&begun);
        std::thread::Builder::new().name("watch".to_owned()).stack_size(64 << 10).spawn(move || {
            loop {
                std::thread::sleep(Duration::from_secs(1));
                let begun = seen.load(Ordering::Relaxed);
                if begun != 0 && started.elapsed() > Duration::from_millis(begun) + time {
                    std::process::exit(1);
                }
            }
        })?;
        Ok(Watch { started, begun })
    }

    fn begin(&self) {
        self.begun.store(self.started.elapsed().as_millis().max(1) as u64, Ordering::Relaxed);
    }

    fn end(&self) {
        self.begun.store(0, Ordering::Relaxed);
    }
}
