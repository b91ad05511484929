//! Reading a record again from the disk and comparing every byte of its body with what was written.

use super::error::{PackError, PackErrorKind};
use super::format::CHUNK;
use super::reader::{PackReader, Record};
use crate::hash::Hasher;

/// How much is read at once.
const BLOCK: u64 = 16 * CHUNK as u64;

/// What a body was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// What was written.
    Whole,
    /// Not what was written, or not readable; in words.
    Damaged(&'static str),
    /// Not known: the caller did not want to go on, or the object store that has it does not answer.
    Unread,
}

impl PackReader {
    /// Reads the whole body of `record`, as far as the system allows from the disk and not from memory, and compares
    /// it with its checksums and its hash. Its blocks of at most 1 MiB go to `take`, each with its checksums verified,
    /// which says whether to go on.
    ///
    /// # Errors
    /// What `take` says. Of the disk none: what it cannot read is damaged.
    pub fn verify_body<E>(
        &self,
        record: &Record,
        take: &mut dyn FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<Body, E> {
        let mut hasher = Hasher::new();
        let (mut at, mut block) = (0, Vec::new());
        self.forget_cached(record.offset, record.end() - record.offset);
        while at < record.stored_length {
            let end = record.stored_length.min(at + BLOCK);
            block.clear();
            match self.read_range(record, at..end, &mut block) {
                Ok(()) => at = end,
                Err(error) if error.kind() == PackErrorKind::Away => return Ok(Body::Unread),
                Err(error) if error.kind() == PackErrorKind::Io => {
                    return Ok(Body::Damaged("the disk cannot read it"));
                }
                Err(PackError::Damaged { what, .. }) => return Ok(Body::Damaged(what)),
                Err(_) => return Ok(Body::Damaged("the file ends in it")),
            }
            hasher.update(&block);
            if !take(&block)? {
                return Ok(Body::Unread);
            }
        }
        Ok(if hasher.finish() == record.raw_sha256 { Body::Whole } else { Body::Damaged("the hash") })
    }
}
