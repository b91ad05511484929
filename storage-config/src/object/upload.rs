//! Uploading a file that does not change any more, and making sure of it.

use std::ops::Range;

use bytes::Bytes;

use super::{About, Effort, ObjectError, Objects, PART_BYTES};
use crate::disk::DiskFile;
use crate::hash::{ContentHash, Hasher};

/// Bytes at the end of an object that are read back: the seal of a pack stands there.
const FOOTER: u64 = 64 << 10;
/// Bytes read at once to hash a file.
const BLOCK: usize = 1 << 20;

/// An object that is there, read back in part, with the bytes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// Hash of the whole.
    pub sha256: ContentHash,
    /// Whether it was there already, from an upload whose end nobody heard of.
    pub was_there: bool,
}

impl Objects {
    /// Makes the first `length` bytes of `file` the object `key`: does nothing where it is there as it should be,
    /// sends it otherwise (the same bytes under the same key, however often), then asks for its length and hash and
    /// reads its first and last bytes back; all of it where the service does not compare the bytes that come with the hash
    /// that they were sent under. `stop` is asked between parts.
    ///
    /// # Errors
    /// `Differs` where the service lies about what it took, `Stopped`, `Local`, or when it refuses or does not answer.
    pub fn upload(
        &self,
        key: &str,
        file: &DiskFile,
        length: u64,
        stop: &dyn Fn() -> bool,
    ) -> Result<Uploaded, ObjectError> {
        let sha256 = hash(file, 0..length, stop)?;
        let wanted = About { length, sha256: Some(sha256) };
        let was_there = self.about(key, Effort::Patient)? == Some(wanted);
        if !was_there {
            self.send(key, file, 0..length, (sha256, Effort::Patient), stop)?;
        }
        self.check(key, file, wanted)?;
        if !self.verifies_bodies() {
            self.read_back(key, wanted, stop)?;
        }
        Ok(Uploaded { sha256, was_there })
    }

    /// As [`Objects::upload`], but sends it whatever is there: for an object that is not what was sent.
    ///
    /// # Errors
    /// As [`Objects::upload`].
    pub fn upload_again(
        &self,
        key: &str,
        file: &DiskFile,
        length: u64,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), ObjectError> {
        let sha256 = hash(file, 0..length, stop)?;
        self.send(key, file, 0..length, (sha256, Effort::Patient), stop)?;
        self.check(key, file, About { length, sha256: Some(sha256) })
    }

    /// The hash of the first `length` bytes of an object, read as a whole; none where it is not there or shorter. `stop` is
    /// asked between parts.
    ///
    /// # Errors
    /// `Stopped`, or when the service refuses or does not answer.
    pub fn hash_of(
        &self,
        key: &str,
        length: u64,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<ContentHash>, ObjectError> {
        match self.about(key, Effort::Patient)? {
            Some(about) if about.length == length => {}
            _ => return Ok(None),
        }
        let (mut hasher, mut at) = (Hasher::new(), 0);
        while at < length {
            if stop() {
                return Err(ObjectError::Stopped);
            }
            let end = length.min(at + PART_BYTES as u64);
            match self.read(key, at..end, Effort::Patient) {
                Ok(bytes) => hasher.update(&bytes),
                Err(ObjectError::Missing { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
            at = end;
        }
        Ok(Some(hasher.finish()))
    }

    /// Makes `range` of `file` the object `key`, for somebody who waits. What is sent is not read back.
    ///
    /// # Errors
    /// As [`Objects::put`], and `Local`.
    pub fn put_range(&self, key: &str, file: &DiskFile, range: Range<u64>) -> Result<(), ObjectError> {
        if range.end - range.start <= PART_BYTES as u64 {
            return self.put(key, piece(file, range.start, range.end)?, Effort::Quick);
        }
        let sha256 = hash(file, range.clone(), &|| false)?;
        self.send(key, file, range, (sha256, Effort::Quick), &|| false)
    }

    fn send(
        &self,
        key: &str,
        file: &DiskFile,
        range: Range<u64>,
        (sha256, effort): (ContentHash, Effort),
        stop: &dyn Fn() -> bool,
    ) -> Result<(), ObjectError> {
        if range.end - range.start <= PART_BYTES as u64 {
            return self.put(key, piece(file, range.start, range.end)?, effort);
        }
        let (mut at, mut hasher) = (range.start, Hasher::new());
        self.put_parts(key, sha256, effort, &mut || {
            if stop() {
                return Err(ObjectError::Stopped);
            }
            let end = range.end.min(at + PART_BYTES as u64);
            let bytes = piece(file, at, end)?;
            at = end;
            hasher.update(&bytes);
            // The end comes before the object appears: what was sent is what was hashed.
            let changed = bytes.is_empty() && std::mem::take(&mut hasher).finish() != sha256;
            if changed {
                Err(ObjectError::Differs { key: key.to_owned(), what: "the file" })
            } else {
                Ok(bytes)
            }
        })
    }

    /// Compares what the service says and gives back with the file.
    fn check(&self, key: &str, file: &DiskFile, wanted: About) -> Result<(), ObjectError> {
        let differs = |what| ObjectError::Differs { key: key.to_owned(), what };
        let about = self.about(key, Effort::Patient)?.ok_or_else(|| differs("it is not there"))?;
        if about.length != wanted.length {
            return Err(differs("its length"));
        }
        // A service that keeps no notes is believed the bytes that it gives back.
        if about.sha256.is_some_and(|sha256| Some(sha256) != wanted.sha256) {
            return Err(differs("its hash"));
        }
        let head = 0..wanted.length.min(FOOTER);
        let tail = wanted.length.saturating_sub(FOOTER).max(head.end)..wanted.length;
        for range in [head, tail] {
            let here = piece(file, range.start, range.end)?;
            if self.read(key, range, Effort::Patient)? != here {
                return Err(differs("its bytes"));
            }
        }
        Ok(())
    }
}

impl Objects {
    /// Reads an object as a whole and compares its hash.
    fn read_back(&self, key: &str, wanted: About, stop: &dyn Fn() -> bool) -> Result<(), ObjectError> {
        let (mut hasher, mut at) = (Hasher::new(), 0);
        while at < wanted.length {
            if stop() {
                return Err(ObjectError::Stopped);
            }
            let end = wanted.length.min(at + PART_BYTES as u64);
            hasher.update(&self.read(key, at..end, Effort::Patient)?);
            at = end;
        }
        if Some(hasher.finish()) == wanted.sha256 {
            Ok(())
        } else {
            Err(ObjectError::Differs { key: key.to_owned(), what: "its bytes" })
        }
    }
}

fn piece(file: &DiskFile, from: u64, to: u64) -> Result<Bytes, ObjectError> {
    let mut bytes = vec![0; to.saturating_sub(from) as usize];
    file.read_exact_at(&mut bytes, from).map_err(ObjectError::Local)?;
    Ok(bytes.into())
}

/// The hash of the first `length` bytes of a file. `stop` is asked now and then.
///
/// # Errors
/// `Local`, or `Stopped`.
pub fn hash_file(file: &DiskFile, length: u64, stop: &dyn Fn() -> bool) -> Result<ContentHash, ObjectError> {
    hash(file, 0..length, stop)
}

fn hash(file: &DiskFile, range: Range<u64>, stop: &dyn Fn() -> bool) -> Result<ContentHash, ObjectError> {
    let (mut hasher, mut block, mut at) = (Hasher::new(), vec![0; BLOCK], range.start);
    while at < range.end {
        if stop() {
            return Err(ObjectError::Stopped);
        }
        let some = block.len().min((range.end - at) as usize);
        file.read_exact_at(&mut block[..some], at).map_err(ObjectError::Local)?;
        hasher.update(&block[..some]);
        at += some as u64;
    }
    Ok(hasher.finish())
}
