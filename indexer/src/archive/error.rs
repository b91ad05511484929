//! What can go wrong while storing and reading, as meanings. The faces turn kinds into codes.

use storage_config::object::ObjectError;
use storage_config::pack::{PackError, PackErrorKind};

use super::manifest::NoRoom;
use crate::dataset::DataSetError;
use crate::dataset::attributes::AttributeError;
use crate::db::{DbError, DbErrorKind};

/// Why an instance was not stored. Nothing of it can be found afterwards.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The data set cannot be read, or goes beyond a limit.
    #[error("{0}")]
    DataSet(String),
    /// The data set is well-formed but lacks what an instance must have.
    #[error("{0}")]
    Attribute(String),
    /// The data set is not what the request said it is.
    #[error("{what} of the data set is {found}, the request said {said}")]
    Mismatch {
        /// The attribute's name.
        what: &'static str,
        /// What the data set says.
        found: String,
        /// What the request said.
        said: String,
    },
    /// No room: the disk is full or below the free-space mark.
    #[error("out of space: {0}")]
    NoSpace(String),
    /// The store or the index does not work at the moment; the sender should try again.
    #[error("not available: {0}")]
    Unavailable(String),
    /// The instance is larger than the configuration allows.
    #[error("the data set is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// A defect of this program.
    #[error("internal: {0}")]
    Internal(String),
}

/// The kinds of [`StoreError`] that a face needs to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// The data set is unusable; sending it again will not help.
    DataSet,
    /// The data set does not match the request.
    Mismatch,
    /// No room or not available now; sending it again later will help.
    OutOfResources,
    /// Over the size limit.
    TooLarge,
    /// A defect of this program.
    Internal,
}

impl StoreError {
    /// What a face needs to know.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        match self {
            StoreError::DataSet(_) | StoreError::Attribute(_) => StoreErrorKind::DataSet,
            StoreError::Mismatch { .. } => StoreErrorKind::Mismatch,
            StoreError::NoSpace(_) | StoreError::Unavailable(_) => StoreErrorKind::OutOfResources,
            StoreError::TooLarge { .. } => StoreErrorKind::TooLarge,
            StoreError::Internal(_) => StoreErrorKind::Internal,
        }
    }
}

impl From<DataSetError> for StoreError {
    fn from(error: DataSetError) -> Self {
        StoreError::DataSet(error.to_string())
    }
}

impl From<AttributeError> for StoreError {
    fn from(error: AttributeError) -> Self {
        StoreError::Attribute(error.to_string())
    }
}

impl From<&PackError> for StoreError {
    fn from(error: &PackError) -> Self {
        match error.kind() {
            PackErrorKind::OutOfSpace => StoreError::NoSpace("the disk is full".into()),
            PackErrorKind::Away => StoreError::Unavailable("the object store does not answer".into()),
            PackErrorKind::Full => StoreError::DataSet("more bulk values than a pack has room for".into()),
            _ => StoreError::Unavailable("the disk failed".into()),
        }
    }
}

impl From<PackError> for StoreError {
    fn from(error: PackError) -> Self {
        StoreError::from(&error)
    }
}

impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        StoreError::from(&error)
    }
}

impl From<&DbError> for StoreError {
    fn from(error: &DbError) -> Self {
        match error.kind() {
            DbErrorKind::Full => StoreError::NoSpace("the disk of the index is full".into()),
            _ => StoreError::Unavailable("the index failed".into()),
        }
    }
}

/// Why stored bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The index failed.
    #[error("index: {0}")]
    Index(#[from] DbError),
    /// Bytes of a pack failed to verify and no other good copy is known.
    #[error("damaged: {0}")]
    Damaged(String),
    /// A bulk value that an instance names is in no pack.
    #[error("missing: {0}")]
    Missing(String),
    /// The disk failed.
    #[error("store: {0}")]
    Store(#[source] PackError),
    /// The bytes are where they cannot be reached at the moment; asking again later will help.
    #[error("not available: {0}")]
    Away(String),
    /// The stored data set can no longer be read as one.
    #[error("data set: {0}")]
    DataSet(String),
}

impl From<NoRoom> for ReadError {
    fn from(error: NoRoom) -> Self {
        ReadError::Away(error.to_string())
    }
}

impl From<PackError> for ReadError {
    fn from(error: PackError) -> Self {
        match error.kind() {
            PackErrorKind::Away => ReadError::Away(error.to_string()),
            _ => ReadError::Store(error),
        }
    }
}

impl ReadError {
    /// Whether bytes were found not to be what was written.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            ReadError::Damaged(_) => true,
            ReadError::Store(error) => error.kind() == PackErrorKind::Damaged,
            _ => false,
        }
    }

    /// Whether the disk, or the system, did not give bytes of which nothing else is known.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        matches!(self, ReadError::Store(error) if error.kind() == PackErrorKind::Io)
    }

    /// Whether a file is not there.
    pub(crate) fn is_absent(&self) -> bool {
        let absent = |source: &std::io::Error| source.kind() == std::io::ErrorKind::NotFound;
        matches!(self, ReadError::Store(PackError::Io { source, .. }) if absent(source))
    }
}

/// Why an archive could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A folder or pack could not be read or made durable.
    #[error("store: {0}")]
    Store(#[from] PackError),
    /// A folder could not be made, read or locked.
    #[error("disk: {0}")]
    Disk(#[from] std::io::Error),
    /// The object store cannot be used.
    #[error("object store: {0}")]
    Objects(#[from] ObjectError),
    /// The index could not be opened or written.
    #[error("index: {0}")]
    Index(#[from] DbError),
    /// Stored bytes that are needed could not be read.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// A thread could not be started.
    #[error("thread: {0}")]
    Thread(String),
}
