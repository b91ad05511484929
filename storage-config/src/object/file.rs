//! Objects as one file that is read at any place: a whole pack, or the groups it was sent in one after the other.

use std::io;
use std::sync::Arc;

use super::blocks::{Blocks, Wanted};
use super::{Effort, ObjectError, Objects};

/// Bytes of one block where readers take what lies around a place too.
const BLOCK: u64 = 1 << 20;
/// Bytes of one block where readers jump.
const SMALL_BLOCK: u64 = 64 << 10;

/// An object and what stretch of the file it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPart {
    /// The object's key.
    pub key: Arc<str>,
    /// Where in the file it begins.
    pub start: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// A file that consists of objects, for any number of threads. It never changes.
#[derive(Debug)]
pub struct ObjectFile {
    objects: Objects,
    blocks: Arc<Blocks>,
    parts: Vec<ObjectPart>,
    length: u64,
    block: u64,
    effort: Effort,
    passing: bool,
}

impl ObjectFile {
    /// The file that `parts` are, which join one to the next from 0 on; what does not join is left out.
    #[must_use]
    pub fn new(objects: Objects, blocks: Arc<Blocks>, mut parts: Vec<ObjectPart>) -> ObjectFile {
        parts.sort_by_key(|part| part.start);
        let mut length = 0;
        parts.retain(|part| {
            let joins = part.start == length && part.length > 0;
            length += if joins { part.length } else { 0 };
            joins
        });
        ObjectFile { objects, blocks, parts, length, block: BLOCK, effort: Effort::Quick, passing: false }
    }

    /// The same, of which is known that its bytes will be elsewhere before long.
    #[must_use]
    pub fn passing(self) -> ObjectFile {
        ObjectFile { passing: true, ..self }
    }

    /// Whether its bytes will be elsewhere before long.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.passing
    }

    /// The same for a reader that jumps from place to place and that nobody waits for.
    #[must_use]
    pub fn scattered(self) -> ObjectFile {
        ObjectFile { block: SMALL_BLOCK, effort: Effort::Patient, ..self }
    }

    /// Length of the file in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether no part begins at 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Reads until `buffer` is full or the file ends; returns how much was read.
    ///
    /// # Errors
    /// An [`ObjectError`] inside (see [`ObjectError::is_behind`]).
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = self.length.min(offset.saturating_add(buffer.len() as u64));
        let mut at = offset;
        while at < end {
            let part = self.part(at)?;
            let range = at - part.start..(end - part.start).min(part.length);
            let skip = (range.start % self.block) as usize;
            let wanted = Wanted {
                objects: &self.objects,
                object: &part.key,
                length: part.length,
                size: self.block,
                range: range.clone(),
                effort: self.effort,
                ahead: self.effort == Effort::Quick,
            };
            let block = self.blocks.get(&wanted)?;
            let short = || ObjectError::Away { reason: "a block is shorter than its object".into() };
            let rest = block.get(skip..).filter(|rest| !rest.is_empty()).ok_or_else(short)?;
            let some = rest.len().min((range.end - range.start) as usize);
            let from = (at - offset) as usize;
            buffer[from..from + some].copy_from_slice(&rest[..some]);
            at += some as u64;
        }
        Ok(at.saturating_sub(offset) as usize)
    }

    fn part(&self, at: u64) -> io::Result<&ObjectPart> {
        let n = self.parts.partition_point(|part| part.start + part.length <= at);
        self.parts.get(n).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
