//! What can go wrong with an object.

use std::io;

use thiserror::Error;

/// An object could not be written or read.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// There is no object of this key, or no such bucket.
    #[error("{key}: there is no such object or bucket")]
    Missing {
        /// The key.
        key: String,
    },
    /// The service does not let us: wrong credentials, missing rights.
    #[error("the object store refuses: {reason}")]
    Refused {
        /// What it says.
        reason: String,
    },
    /// The service does not answer, or not as it should. Asking again later may help.
    #[error("the object store does not answer as it should: {reason}")]
    Away {
        /// What happened.
        reason: String,
    },
    /// What the service gives back is not what was written.
    #[error("{key}: the object store gives back something else than was written: {what}")]
    Differs {
        /// The key.
        key: String,
        /// What differs.
        what: &'static str,
    },
    /// The address or the settings make no sense.
    #[error("{0}")]
    Settings(String),
    /// The file that was to be sent could not be read.
    #[error("the file to be uploaded: {0}")]
    Local(#[source] io::Error),
    /// The process stops; nothing was decided.
    #[error("the upload was given up because the archive stops")]
    Stopped,
}

impl ObjectError {
    /// Whether asking again later cannot help, so that an operator is needed.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, ObjectError::Refused { .. } | ObjectError::Settings(_) | ObjectError::Differs { .. })
    }

    /// Whether `error` came from an object, not from a disk.
    #[must_use]
    pub fn is_behind(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<ObjectError>())
    }
}

impl From<ObjectError> for io::Error {
    fn from(error: ObjectError) -> io::Error {
        io::Error::other(error)
    }
}
