//! Bodies of answers that are made by blocking reads, with flat memory and without holding a thread.
//!
//! The reader of an answer lives in short turns on the blocking threads: each turn reads one batch, and the next
//! turn starts when the last batch begins to be sent. So a slow client holds two batches and no thread, however
//! many slow clients there are, and a fast one never waits for the disk and the socket in turn. Turns are few at a
//! time: a crowd of readers would otherwise start a thread each, and memory that a thread once had it gives back late.
//! Where there is no turn to be had at once, nothing is read ahead.

use std::collections::VecDeque;

use axum::body::Body;
use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::measure;

/// Bytes of one turn; a turn ends with the chunk that reaches it.
const BATCH_BYTES: usize = 256 * 1024;

/// Turns at a time, of all answers of the process: enough to keep several disks and cores busy.
const TURNS_AT_A_TIME: usize = 8;
static TURNS: Semaphore = Semaphore::const_new(TURNS_AT_A_TIME);

/// The stored bytes could not be read or verified; the answer is cut. Details are in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored bytes could not be read")]
pub struct Cut {
    /// Whether the bytes are only out of reach for now: what was not begun can be asked for again later.
    pub away: bool,
}

impl Cut {
    /// What was stored does not come, now or later.
    pub const BROKEN: Cut = Cut { away: false };
    /// What a client is told when nothing was sent yet.
    pub const TOLD: &str = "what is stored could not be read; the archive's log says more";
}

impl From<Cut> for Error {
    fn from(cut: Cut) -> Error {
        if cut.away {
            Error::Unavailable("the stored bytes cannot be reached at the moment")
        } else {
            Error::Internal(Cut::TOLD)
        }
    }
}

/// What one turn brought.
struct Batch {
    chunks: VecDeque<Bytes>,
    next: Next,
}

/// What comes after a batch.
enum Next {
    More,
    End,
    Cut(Cut),
}

enum Phase<R> {
    Reading(JoinHandle<(R, Batch)>),
    /// All turns were taken when this one could have started.
    Waiting(R),
    End,
    Cut(Cut),
}

/// A body from the chunks of `reader`. The first batch is read before this returns, so that what cannot be read
/// at all is an error and not a cut answer.
///
/// # Errors
/// When the first chunk cannot be read.
pub async fn body<R>(operation: &'static str, reader: R) -> Result<Body, Error>
where
    R: Iterator<Item = Result<Bytes, Cut>> + Send + 'static,
{
    let (phase, chunks) = advance(start(reader)).await;
    if let (true, Phase::Cut(cut)) = (chunks.is_empty(), &phase) {
        return Err((*cut).into());
    }
    let stream =
        futures_util::stream::try_unfold((phase, chunks), move |(mut phase, mut chunks)| async move {
            loop {
                if let Some(chunk) = chunks.pop_front() {
                    measure::sent(operation, chunk.len());
                    return Ok(Some((chunk, (phase, chunks))));
                }
                (phase, chunks) = match phase {
                    waiting @ (Phase::Reading(_) | Phase::Waiting(_)) => advance(waiting).await,
                    Phase::End => return Ok(None),
                    Phase::Cut(cut) => return Err(cut),
                };
            }
        });
    Ok(Body::from_stream(stream))
}

/// Starts a turn of `reader` if one is free.
fn start<R>(reader: R) -> Phase<R>
where
    R: Iterator<Item = Result<Bytes, Cut>> + Send + 'static,
{
    match TURNS.try_acquire() {
        Ok(permit) => Phase::Reading(turn(reader, permit)),
        Err(_) => Phase::Waiting(reader),
    }
}

fn turn<R>(mut reader: R, permit: SemaphorePermit<'static>) -> JoinHandle<(R, Batch)>
where
    R: Iterator<Item = Result<Bytes, Cut>> + Send + 'static,
{
    tokio::task::spawn_blocking(move || {
        let batch = read_batch(&mut reader);
        drop(permit);
        (reader, batch)
    })
}

fn read_batch(reader: &mut impl Iterator<Item = Result<Bytes, Cut>>) -> Batch {
    let (mut chunks, mut bytes) = (VecDeque::new(), 0);
    while bytes < BATCH_BYTES {
        match reader.next() {
            Some(Ok(chunk)) => {
                bytes += chunk.len();
                chunks.push_back(chunk);
            }
            Some(Err(cut)) => return Batch { chunks, next: Next::Cut(cut) },
            None => return Batch { chunks, next: Next::End },
        }
    }
    Batch { chunks, next: Next::More }
}

/// Waits for the turn that is under way or due, and starts the next.
async fn advance<R>(phase: Phase<R>) -> (Phase<R>, VecDeque<Bytes>)
where
    R: Iterator<Item = Result<Bytes, Cut>> + Send + 'static,
{
    let handle = match phase {
        Phase::Reading(handle) => handle,
        Phase::Waiting(reader) => match TURNS.acquire().await {
            Ok(permit) => turn(reader, permit),
            Err(_) => return (Phase::Cut(Cut::BROKEN), VecDeque::new()),
        },
        ended @ (Phase::End | Phase::Cut(_)) => return (ended, VecDeque::new()),
    };
    match handle.await {
        Ok((reader, Batch { chunks, next: Next::More })) => (start(reader), chunks),
        Ok((_, Batch { chunks, next: Next::End })) => (Phase::End, chunks),
        Ok((_, Batch { chunks, next: Next::Cut(cut) })) => (Phase::Cut(cut), chunks),
        // The reader panicked, or the runtime ends.
        Err(_) => (Phase::Cut(Cut::BROKEN), VecDeque::new()),
    }
}
