//! What operators say while the server runs and it has to remember: machines that may send, backups that were made.
//!
//! Each is one small file in the data folder that a person can read, replaced as a whole and durably. This module
//! knows nothing of who asks and of what follows from what they say.

mod backups;
mod peers;

pub use backups::{BackupNote, Backups, NOTES};
pub use peers::{AllowError, AllowedPeer, AllowedPeers, PEERS};

use std::io;
use std::path::{Path, PathBuf};

/// Why a file of this module cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It could not be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what this module writes.
    #[error("{path}: {message}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        message: String,
    },
}

/// Reads a file of this module; one that is not there is empty.
fn read<T: serde::de::DeserializeOwned + Default>(path: &Path) -> Result<T, FileError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
        Err(source) => return Err(FileError::Read { path: path.to_owned(), source }),
    };
    toml::from_str(&text)
        .map_err(|error| FileError::Invalid { path: path.to_owned(), message: error.to_string() })
}

/// Writes a file of this module.
fn write(path: &Path, head: &str, content: &impl serde::Serialize) -> io::Result<()> {
    let text = toml::to_string_pretty(content).map_err(io::Error::other)?;
    crate::disk::replace_file(path, format!("{head}{text}").as_bytes())
}
