//! The hidden command `decode-worker`: this program as a child that decodes frames for the server, and the pool that
//! starts such children.

use std::time::Duration;

use anyhow::{Context, Result};
use codecs::worker::{Limits, Pool, WorkerCommand, serve};
use storage_config::config::DecodeLimits;

/// Name of the command.
pub const COMMAND: &str = "decode-worker";

/// Settings of the allocator of this program. It reserves a gibibyte at its start otherwise, more address space than a
/// worker may use.
const ALLOCATOR: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "16MiB");

/// Decodes frames from standard input until it is closed. Reads no configuration and writes no log: it is told its
/// limits by its pool and has patient data at hand.
///
/// # Errors
/// When a limit cannot be set or a message cannot be read or written.
pub fn run() -> Result<()> {
    serve::serve().context("the decoding process ends")
}

/// How this program is started as a worker.
#[must_use]
pub fn command() -> WorkerCommand {
    let (name, value) = ALLOCATOR;
    WorkerCommand {
        environment: vec![(name.into(), value.into())],
        ..WorkerCommand::this_program(&[COMMAND])
    }
}

/// A pool of workers that are this program. None runs before there is work.
#[must_use]
pub fn pool(limits: &DecodeLimits) -> Pool {
    let workers = match limits.workers {
        0 => Limits::default().workers,
        workers => workers as usize,
    };
    let limits = Limits {
        workers,
        memory_bytes: limits.memory_bytes,
        samples: limits.samples,
        frame_bytes: limits.frame_bytes,
        time: Duration::from_secs(limits.seconds),
        queue: Duration::from_secs(limits.queue_seconds),
        idle: Duration::from_secs(limits.idle_seconds),
    };
    Pool::new(command(), limits)
}
