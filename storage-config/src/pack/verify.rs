//! Reading a record again from the disk and comparing every byte of its body with what was written.

use super::error::{PackError, PackErrorKind};
use super::format::CHUNK;
use super::reader::{PackReader, Record};
use crate::hash::Hasher;

/// How much is read at once.
const BLOCK: u64 = 16 * CHUNK as u64;

/// How often a disk is asked for a body that it does not give.
const TRIES: u32 = 3;

/// What a body was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// What was written.
    Whole,
    /// Not what was written; in words.
    Damaged(&'static str),
    /// Not known: the disk (or the system: too many open files, no memory) did not give it, several times.
    Unreadable,
    /// Not known: the caller did not want to go on, or the object store that has it does not answer.
    Unread,
}

impl PackReader {
    /// Reads the whole body of `record`, as far as the system allows from the disk and not from memory, and compares
    /// it with its checksums and its hash. Its blocks of at most 1 MiB go to `take`, each with its checksums verified,
    /// which says whether to go on.
    ///
    /// # Errors
    /// What `take` says. Of the disk none: what it does not give is [`Body::Unreadable`].
    pub fn verify_body<E>(
        &self,
        record: &Record,
        take: &mut dyn FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<Body, E> {
        let mut hasher = Hasher::new();
        let (mut at, mut block, mut tries) = (0, Vec::new(), 1);
        self.forget_cached(record.offset, record.end() - record.offset);
        while at < record.stored_length {
            let end = record.stored_length.min(at + BLOCK);
            block.clear();
            match self.read_range(record, at..end, &mut block) {
                Ok(()) => at = end,
                Err(error) if error.kind() == PackErrorKind::Away => return Ok(Body::Unread),
                // An error says nothing of the bytes, and the next try may well give them.
                Err(error) if error.kind() == PackErrorKind::Io => {
                    tries += 1;
                    if tries > TRIES {
                        return Ok(Body::Unreadable);
                    }
                    continue;
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
