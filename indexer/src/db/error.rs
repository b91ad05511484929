//! What can go wrong in the index, as meanings.

use std::time::Duration;

/// A fault of the index. Nothing of the transaction it met is kept, unless [`DbError::OutcomeUnknown`].
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The database file could not be opened or set up.
    #[error("the index cannot be opened: {0}")]
    Open(#[source] rusqlite::Error),
    /// The file was written by a later version of this program.
    #[error("the index has schema {found}, this program knows up to {known}")]
    NewerSchema {
        /// Version found in the file.
        found: i64,
        /// Highest version known.
        known: i64,
    },
    /// A statement failed.
    #[error("the index failed: {0}")]
    Statement(#[source] rusqlite::Error),
    /// The server refused a statement.
    #[error("the index failed: {message} (SQLSTATE {code})")]
    Server {
        /// What went wrong, by the standard's code.
        code: String,
        /// The same in the server's words.
        message: String,
    },
    /// The server cannot be reached, or the connection to it was lost.
    #[error("the database of the index is away: {0}")]
    Away(String),
    /// The connection is another one than before: what was committed over the last one must be looked up first.
    #[error("the database of the index was connected to again")]
    Reconnected,
    /// The database lost packs that were committed to it; a start of this server registers them again.
    #[error("the index has lost packs that were in it; start the server again")]
    Lost,
    /// Another server of the same number uses the database.
    #[error(
        "another server with store.writer = {0} uses this database; each server needs a number of its own"
    )]
    Taken(u32),
    /// The index has rows of packs that are not on this disk; making it again from this disk would lose them.
    #[error("the index has rows of {0} packs that are not on this disk")]
    OthersPacks(usize),
    /// A commit reported a failure; whether the rows are there must be looked up (the pack's checkpoint tells).
    #[error("the index failed while committing: {0}")]
    OutcomeUnknown(String),
    /// The records of a batch were not made durable, so their rows were not either.
    #[error("the records were not made durable")]
    NotDurable,
    /// A fault that a test asked for.
    #[error("an injected fault")]
    Injected,
    /// All connections for reading were in use for too long.
    #[error("no connection to the index became free within {0:?}")]
    NoReader(Duration),
    /// A row holds what no row can hold.
    #[error("the index holds an invalid {0}")]
    Invalid(&'static str),
    /// A number does not fit the index.
    #[error("{0} is out of range")]
    Range(&'static str),
}

/// The kinds of [`DbError`] that a caller acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DbErrorKind {
    /// No room on the disk of the index.
    Full,
    /// Busy or out of reach; worth another try.
    Unavailable,
    /// The file is damaged: rebuild it from the packs.
    Damaged,
    /// The file is not for this program.
    Schema,
    /// A defect of this program.
    Internal,
}

impl DbError {
    /// Whether the database refuses what it was given, and would again: values that it cannot hold.
    #[must_use]
    pub(crate) fn is_of_content(&self) -> bool {
        match self {
            DbError::Range(_) => true,
            DbError::Server { code, .. } => {
                // Data, integrity, limits of the server.
                ["22", "23", "54"].iter().any(|class| code.starts_with(class))
            }
            DbError::Statement(rusqlite::Error::ToSqlConversionFailure(_)) => true,
            DbError::Statement(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    rusqlite::ErrorCode::ConstraintViolation
                        | rusqlite::ErrorCode::TooBig
                        | rusqlite::ErrorCode::TypeMismatch
                )
            ),
            _ => false,
        }
    }

    /// What a caller needs to know.
    #[must_use]
    pub fn kind(&self) -> DbErrorKind {
        match self {
            DbError::Open(error) | DbError::Statement(error) => match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DiskFull) => DbErrorKind::Full,
                Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                    DbErrorKind::Damaged
                }
                Some(
                    rusqlite::ErrorCode::DatabaseBusy
                    | rusqlite::ErrorCode::DatabaseLocked
                    | rusqlite::ErrorCode::SystemIoFailure
                    | rusqlite::ErrorCode::CannotOpen
                    | rusqlite::ErrorCode::ReadOnly
                    | rusqlite::ErrorCode::OutOfMemory,
                ) => DbErrorKind::Unavailable,
                _ => DbErrorKind::Internal,
            },
            DbError::Server { code, .. } if code == "53100" => DbErrorKind::Full,
            DbError::Server { code, .. } if code.starts_with("XX00") => DbErrorKind::Damaged,
            DbError::Server { code, .. } => {
                // Connection, read-only server, resources, rolled back, in use, operator, system: may pass.
                let passing = ["08", "25", "53", "40", "55", "57", "58"];
                let passes = passing.iter().any(|class| code.starts_with(class));
                if passes { DbErrorKind::Unavailable } else { DbErrorKind::Internal }
            }
            DbError::Away(_) | DbError::Reconnected | DbError::Lost => DbErrorKind::Unavailable,
            DbError::OthersPacks(_) | DbError::Taken(_) => DbErrorKind::Schema,
            DbError::Injected | DbError::NotDurable | DbError::NoReader(_) | DbError::OutcomeUnknown(_) => {
                DbErrorKind::Unavailable
            }
            DbError::NewerSchema { .. } => DbErrorKind::Schema,
            DbError::Invalid(_) => DbErrorKind::Damaged,
            DbError::Range(_) => DbErrorKind::Internal,
        }
    }
}
