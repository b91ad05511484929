//! Decoding and rendering in child processes.
//!
//! The codecs of JPEG, JPEG-LS and JPEG 2000 are C and C++ and read bytes that a peer chose. A [`Pool`] gives frames to
//! children, each limited in memory and bound by a deadline; what a hostile frame can reach is the child that decodes
//! it. A child is this same program, told by its first argument to be a worker, in which [`serve`](fn@serve::serve)
//! reads requests from standard input and writes answers to standard output.

mod message;
mod pool;
mod process;
pub mod serve;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::render::RenderError;

pub use pool::Pool;

/// How a worker is started.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The environment, to which nothing of this process's own is added.
    pub environment: Vec<(OsString, OsString)>,
}

impl WorkerCommand {
    /// The running program with `arguments`. By way of `/proc` it is found after the file was replaced by a newer one,
    /// which might speak otherwise.
    #[must_use]
    pub fn this_program(arguments: &[&str]) -> WorkerCommand {
        WorkerCommand {
            program: PathBuf::from("/proc/self/exe"),
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: Vec::new(),
        }
    }
}

/// What a worker may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Children at the same time.
    pub workers: usize,
    /// Address space of a child in bytes.
    pub memory_bytes: u64,
    /// Samples of a frame (Rows x Columns x Samples per Pixel).
    pub samples: u64,
    /// Bytes of a frame as stored.
    pub frame_bytes: u64,
    /// Time for one frame, after which the child is killed.
    pub time: Duration,
    /// Time to wait for a child while all are busy.
    pub queue: Duration,
    /// Time after which an idle child ends.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            memory_bytes: 512 << 20,
            samples: 40_000_000,
            frame_bytes: 256 << 20,
            time: Duration::from_secs(10),
            queue: Duration::from_secs(10),
            idle: Duration::from_secs(30),
        }
    }
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The frame or the request stands in the way.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The frame is larger than a worker is given.
    #[error("the frame has {bytes} bytes, more than {limit}")]
    TooLarge {
        /// Bytes of the frame.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// Decoding took too long; its process was killed.
    #[error("decoding the frame takes too long")]
    TimedOut,
    /// The process that decoded it died, by a fault of a codec or for want of memory.
    #[error("the process that decoded the frame died")]
    Died,
    /// All workers were busy for too long.
    #[error("all decoding processes are busy")]
    Busy,
    /// No worker could be started.
    #[error("no decoding process can be started: {0}")]
    Start(std::io::Error),
}
