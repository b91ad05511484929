//! The hidden command `decode-worker`: this program as a child that decodes frames for the server, and the pool that
//! starts such children.

use anyhow::{Context, Result};
use codecs::worker::{Limits, Pool, WorkerCommand, serve};

/// Name of the command.
pub const COMMAND: &str = "decode-worker";

/// Allocator settings of a worker: it must not reserve more address space than it may use.
const ALLOCATOR: [(&str, &str); 1] = [("MIMALLOC_ARENA_RESERVE", "16MiB")];

/// Decodes frames from standard input until it is closed. Reads no configuration and writes no log: it is told its
/// limits by its pool and has patient data at hand.
///
/// # Errors
/// When a limit cannot be set or a message cannot be read or written.
pub fn run() -> Result<()> {
    serve::serve().context("the decoding process ends")
}

/// A pool of workers that are this program.
#[must_use]
pub fn pool(limits: Limits) -> Pool {
    let mut command = WorkerCommand::this_program(&[COMMAND]);
    command.environment = ALLOCATOR.map(|(name, value)| (name.into(), value.into())).to_vec();
    Pool::new(command, limits)
}
