//! Workers for many threads.

use std::io::ErrorKind;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::message::{Job, Reply, head};
use super::process::Process;
use super::{Limits, WorkerCommand, WorkerError};
use crate::pixels::{Decoded, Frame, PixelAttributes};
use crate::render::{Presentation, RenderRequest, Rendered};

/// Samples of a frame that is large for a worker.
const LARGE: u64 = 1 << 24;

/// A number of workers, started when they are needed. Calls block; any number of threads may call.
pub struct Pool {
    command: WorkerCommand,
    limits: Limits,
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Default)]
struct State {
    /// Workers without work, the one that worked last at the end.
    idle: Vec<Process>,
    busy: usize,
}

impl Pool {
    /// A pool that starts its workers by `command`. No worker runs yet.
    #[must_use]
    pub fn new(command: WorkerCommand, limits: Limits) -> Pool {
        Pool { command, limits, state: Mutex::default(), released: Condvar::new() }
    }

    /// What its workers may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Decodes a frame.
    ///
    /// # Errors
    /// [`WorkerError`] tells frames that cannot be decoded from machines that cannot decode now.
    pub fn decode(&self, frame: &Frame<'_>, attributes: &PixelAttributes) -> Result<Decoded, WorkerError> {
        let (reply, body) = self.run(frame, &Job::new(frame, attributes))?;
        Ok(reply.into_decoded(&body).ok_or(WorkerError::Died)??)
    }

    /// Makes a picture of a frame.
    ///
    /// # Errors
    /// [`WorkerError`] tells frames and requests that make no picture from machines that cannot make one now.
    pub fn render(
        &self,
        frame: &Frame<'_>,
        attributes: &PixelAttributes,
        presentation: &Presentation,
        request: &RenderRequest,
    ) -> Result<Rendered, WorkerError> {
        let picture = Some((presentation.clone(), *request));
        let (reply, body) = self.run(frame, &Job { picture, ..Job::new(frame, attributes) })?;
        Ok(reply.into_rendered(body).ok_or(WorkerError::Died)??)
    }

    fn run(&self, frame: &Frame<'_>, job: &Job) -> Result<(Reply, Vec<u8>), WorkerError> {
        let (bytes, limit) = (frame.bytes.len() as u64, self.limits.frame_bytes);
        if bytes > limit {
            return Err(WorkerError::TooLarge { bytes, limit });
        }
        let head = head(job, frame.bytes.len()).map_err(WorkerError::Start)?;
        // Samples of 4 bytes, or a picture: neither a PNG nor a JPEG is larger than its pixels by more than a little.
        let body_max = self.limits.samples.max(crate::render::PICTURE_PIXELS_MAX) * 4 + (1 << 20);
        let mut turn = self.turn()?;
        let mut process = match turn.process.take() {
            Some(process) => process,
            None => Process::start(&self.command, &self.limits).map_err(WorkerError::Start)?,
        };
        let deadline = Instant::now() + self.limits.time;
        let answer = process.exchange(&head, frame.bytes, body_max, deadline);
        match answer {
            Ok(answer) => {
                turn.process = Some(process).filter(|_| !is_large(frame, &job.attributes));
                Ok(answer)
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => Err(WorkerError::TimedOut),
            Err(_) => Err(WorkerError::Died),
        }
    }

    /// Waits for a turn, with an idle worker if there is one.
    fn turn(&self) -> Result<Turn<'_>, WorkerError> {
        let busy = |state: &mut State| state.busy >= self.limits.workers.max(1);
        let (mut state, _) = self
            .released
            .wait_timeout_while(self.state(), self.limits.queue, busy)
            .unwrap_or_else(PoisonError::into_inner);
        if busy(&mut state) {
            return Err(WorkerError::Busy);
        }
        state.busy += 1;
        let mut process = state.idle.pop();
        let fresh = process.as_mut().is_some_and(|process| process.is_fresh(self.limits.idle));
        // Those that have been idle longer than this one stand before it.
        let stale = if fresh { Vec::new() } else { std::mem::take(&mut state.idle) };
        drop(state);
        drop(stale);
        Ok(Turn { pool: self, process: process.filter(|_| fresh) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a frame needs so much of a worker's memory that what its allocators keep of it could be missing next time.
/// Such a worker is not used again.
fn is_large(frame: &Frame<'_>, a: &PixelAttributes) -> bool {
    let samples = u64::from(a.rows) * u64::from(a.columns) * u64::from(a.samples_per_pixel);
    samples > LARGE || frame.bytes.len() as u64 > 2 * LARGE
}

/// The right to run one worker, given back when dropped, with the worker if it is still good.
struct Turn<'a> {
    pool: &'a Pool,
    process: Option<Process>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        state.busy -= 1;
        state.idle.extend(self.process.take());
        drop(state);
        self.pool.released.notify_one();
    }
}
