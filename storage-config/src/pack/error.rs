//! What can go wrong with a pack.

use std::io;

use thiserror::Error;

use super::name::PackName;
use crate::object::ObjectError;

/// A pack could not be written or read.
#[derive(Debug, Error)]
pub enum PackError {
    /// The disk failed.
    #[error("pack {pack}: {doing}: {source}")]
    Io {
        /// The pack, or the file name if it is not one of a pack.
        pack: String,
        /// What was being done.
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// An earlier sync of this pack failed: it takes nothing more, ever.
    #[error("pack {0}: closed for writing since a sync failed")]
    Poisoned(PackName),
    /// The pack has no room for another record (number of records or length of one).
    #[error("pack {0}: full")]
    Full(PackName),
    /// The call does not fit what was called before: a mistake of the program.
    #[error("pack {pack}: {what}")]
    Misuse {
        /// The pack.
        pack: PackName,
        /// What does not fit.
        what: &'static str,
    },
    /// The file is not a pack of that name, or its header is damaged.
    #[error("{file}: not a readable pack: {why}")]
    NotAPack {
        /// The file's name.
        file: String,
        /// Why.
        why: &'static str,
    },
    /// Bytes that are there are not what was written.
    #[error("pack {pack}: damaged at offset {offset}: {what}")]
    Damaged {
        /// The pack.
        pack: PackName,
        /// Where the damaged record begins.
        offset: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// The pack is of another format version, or the record of a kind or with flags that this version does not know.
    #[error("pack {pack}: at offset {offset}: {what} {value} is of a newer version of the format")]
    Unsupported {
        /// The pack.
        pack: PackName,
        /// Where.
        offset: u64,
        /// What is not known.
        what: &'static str,
        /// Its value.
        value: u32,
        /// Where the next record begins, if it is a record that is not supported.
        next: Option<u64>,
    },
    /// A range beyond the record's body was asked for.
    #[error("pack {pack}: range {start}..{end} is not inside the body at offset {offset}")]
    OutOfRange {
        /// The pack.
        pack: PackName,
        /// Where the record begins.
        offset: u64,
        /// Start of the range.
        start: u64,
        /// End of the range.
        end: u64,
    },
}

/// What a [`PackError`] means to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PackErrorKind {
    /// The disk failed; nothing is known of the bytes.
    Io,
    /// The object store that has the bytes does not answer; nothing is known of them.
    Away,
    /// The disk is full.
    OutOfSpace,
    /// The pack must not be written any more.
    Poisoned,
    /// The pack must be sealed and another one begun.
    Full,
    /// Bytes were changed; another copy is needed.
    Damaged,
    /// A newer version of the archive is needed.
    Unsupported,
    /// A mistake of the program.
    Misuse,
}

impl PackError {
    /// What the error means.
    pub fn kind(&self) -> PackErrorKind {
        match self {
            PackError::Io { source, .. } if ObjectError::is_behind(source) => PackErrorKind::Away,
            PackError::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    PackErrorKind::OutOfSpace
                }
                // It was longer once.
                io::ErrorKind::UnexpectedEof => PackErrorKind::Damaged,
                _ => PackErrorKind::Io,
            },
            PackError::Poisoned(_) => PackErrorKind::Poisoned,
            PackError::Full(_) => PackErrorKind::Full,
            PackError::NotAPack { .. } | PackError::Damaged { .. } => PackErrorKind::Damaged,
            PackError::Unsupported { .. } => PackErrorKind::Unsupported,
            PackError::Misuse { .. } | PackError::OutOfRange { .. } => PackErrorKind::Misuse,
        }
    }
}
