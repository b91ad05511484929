//! The lock by which one process owns a directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Name of the lock file in the directory.
const FILE_NAME: &str = "lock";

/// A directory owned by this process until the value is dropped or the process ends, however it ends. The lock file
/// itself stays: removing it would let two processes lock two files of one name.
#[derive(Debug)]
pub struct DirLock {
    path: PathBuf,
    _file: File,
}

/// Why a directory could not be locked.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process owns the directory.
    #[error("{dir} is in use by another process{}", .holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Held {
        /// The directory.
        dir: String,
        /// The process that says it holds the lock.
        holder: Option<u32>,
    },
    /// The lock file could not be opened, locked or written.
    #[error("cannot lock {dir}: {source}")]
    Io {
        /// The directory.
        dir: String,
        /// What the system says.
        source: io::Error,
    },
}

impl DirLock {
    /// Takes the lock of `dir`, which exists, without waiting.
    ///
    /// # Errors
    /// [`LockError::Held`] if another process (or another lock of this one) has it.
    pub fn acquire(dir: &Path) -> Result<DirLock, LockError> {
        let path = dir.join(FILE_NAME);
        let name = dir.display().to_string();
        let fail = |source| LockError::Io { dir: name.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { dir: name, holder: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(fail(source)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(fail)?;
        writeln!(file, "{}", std::process::id()).map_err(fail)?;
        Ok(DirLock { path, _file: file })
    }

    /// The lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
