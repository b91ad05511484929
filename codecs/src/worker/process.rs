//! One child process as the pool sees it.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};

use super::message::{self, Hello, LENGTHS, Reply};
use super::{Limits, WorkerCommand};

/// Room in a pipe: what a system gives to unprivileged processes without asking.
const PIPE_BYTES: usize = 1 << 20;

/// A worker; killed when dropped.
pub(super) struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    used: Instant,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts a worker and tells it its limits.
    pub(super) fn start(command: &WorkerCommand, limits: &Limits) -> io::Result<Process> {
        let mut child = Command::new(&command.program)
            .args(&command.arguments)
            .env_clear()
            // An arena for each thread would take 64 MiB of its address space.
            .env("MALLOC_ARENA_MAX", "1")
            .envs(command.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a child without pipes"));
        };
        let mut process = Process { child, stdin, stdout, used: Instant::now() };
        for pipe in [process.stdin.as_fd(), process.stdout.as_fd()] {
            fcntl_setfl(pipe, OFlags::NONBLOCK)?;
            // A larger pipe is a matter of speed alone.
            let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES);
        }
        let hello = Hello {
            memory_bytes: limits.memory_bytes,
            samples: limits.samples,
            frame_bytes: limits.frame_bytes,
            time_ms: limits.time.as_millis() as u64,
            idle_ms: limits.idle.as_millis() as u64,
        };
        process.write(&message::head(&hello, 0)?, Instant::now() + limits.time)?;
        Ok(process)
    }

    /// Whether it can still be given work. It ends by itself after `idle`, and is not used in the second half of that
    /// time, so that none ends while it is being written to.
    pub(super) fn is_fresh(&mut self, idle: Duration) -> bool {
        self.used.elapsed() < idle / 2 && matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a request and waits for its answer until `deadline`. After an error the worker is of no more use.
    pub(super) fn exchange(
        &mut self,
        head: &[u8],
        body: &[u8],
        body_max: u64,
        deadline: Instant,
    ) -> io::Result<(Reply, Vec<u8>)> {
        self.write(head, deadline)?;
        self.write(body, deadline)?;
        let mut prefix = [0; LENGTHS];
        self.read(&mut prefix, deadline)?;
        let (header, body) = message::lengths(prefix, body_max)?;
        let mut bytes = vec![0; header];
        self.read(&mut bytes, deadline)?;
        let reply = serde_json::from_slice(&bytes)?;
        let mut body = vec![0; body];
        self.read(&mut body, deadline)?;
        self.used = Instant::now();
        Ok((reply, body))
    }

    fn write(&mut self, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stdin.write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or(&[]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait(self.stdin.as_fd(), PollFlags::OUT, deadline)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self, mut bytes: &mut [u8], deadline: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stdout.read(bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => bytes = bytes.get_mut(read..).unwrap_or(&mut []),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait(self.stdout.as_fd(), PollFlags::IN, deadline)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Waits until `pipe` is ready. Reading from and writing to a pipe whose other end is gone are ready too.
fn wait(pipe: impl AsFd, flags: PollFlags, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(&pipe, flags)], Some(&timeout)) {
        Ok(0) => Err(ErrorKind::TimedOut.into()),
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
