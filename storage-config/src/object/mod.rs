//! Objects of a bucket: what packs need of object stores, as calls that wait.
//!
//! [`Objects`] knows keys, bytes, lengths and hashes; nothing of packs, rows or who asks. The contract of both kinds:
//! * A key is written once; conditional writes are not relied on. A write that failed may have happened all the same,
//!   also later; whoever repeats it writes the same bytes under the same key.
//! * Objects appear as a whole or not at all, however many parts they were sent in.
//! * Every call ends: in an answer, or in an [`ObjectError`] when its [`Effort`] is used up.

mod blocks;
mod client;
mod error;
mod file;
mod probe;
mod service;
mod simulated;
mod upload;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

pub use blocks::Blocks;
pub use client::Client;
pub use error::ObjectError;
pub use file::{ObjectFile, ObjectPart};
pub use simulated::{ObjectCall, ObjectFault, SimulatedObjects};
pub use upload::{Uploaded, hash_file};

use crate::hash::ContentHash;

/// Bytes of one part of a large object. Services take 5 MiB to 5 GiB, and 10,000 parts.
pub const PART_BYTES: usize = 8 << 20;

/// How long to go on when the service fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Somebody waits for the answer: a few seconds.
    Quick,
    /// Nobody waits: minutes.
    Patient,
}

/// What a service says of an object without sending it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Its length in bytes.
    pub length: u64,
    /// The hash that was written with it, where the service keeps such notes.
    pub sha256: Option<ContentHash>,
}

/// One object of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key, without the prefix of the bucket's address.
    pub key: String,
    /// Its length in bytes.
    pub length: u64,
}

/// A bucket, or the part of it below a prefix. Cheap to clone; clones are the same one.
#[derive(Clone, Debug)]
pub enum Objects {
    /// A service that is reached over the network.
    Real(Arc<Client>),
    /// A bucket in memory that fails on request, for tests.
    Simulated(Arc<SimulatedObjects>),
}

impl Objects {
    /// Writes an object as a whole, with its hash as a note.
    ///
    /// # Errors
    /// When the service refuses or does not answer; the object may have been written all the same.
    pub fn put(&self, key: &str, bytes: Bytes, effort: Effort) -> Result<(), ObjectError> {
        let sha256 = ContentHash::of(&bytes);
        match self {
            Objects::Real(client) => client.put(key, bytes, sha256, effort),
            Objects::Simulated(bucket) => bucket.put(key, bytes, sha256),
        }
    }

    /// Reads `range` of an object, all of it.
    ///
    /// # Errors
    /// `Missing`, or when the service refuses, does not answer or sends fewer bytes.
    pub fn read(&self, key: &str, range: Range<u64>, effort: Effort) -> Result<Bytes, ObjectError> {
        let wanted = range.end.saturating_sub(range.start);
        if wanted == 0 {
            return Ok(Bytes::new());
        }
        let bytes = match self {
            Objects::Real(client) => client.read(key, range, effort)?,
            Objects::Simulated(bucket) => bucket.read(key, range)?,
        };
        if bytes.len() as u64 == wanted {
            Ok(bytes)
        } else {
            Err(ObjectError::Away { reason: format!("{} of {wanted} bytes came", bytes.len()) })
        }
    }

    /// What the service says of an object; none where there is no such object.
    ///
    /// # Errors
    /// When the service refuses or does not answer.
    pub fn about(&self, key: &str, effort: Effort) -> Result<Option<About>, ObjectError> {
        match self {
            Objects::Real(client) => client.about(key, effort),
            Objects::Simulated(bucket) => bucket.about(key),
        }
    }

    /// All objects whose key begins with `folder` and a slash, by key.
    ///
    /// # Errors
    /// When the service refuses or does not answer.
    pub fn list(&self, folder: &str, effort: Effort) -> Result<Vec<Listed>, ObjectError> {
        let mut found = match self {
            Objects::Real(client) => client.list(folder, effort)?,
            Objects::Simulated(bucket) => bucket.list(folder)?,
        };
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    /// Removes an object; none being there is no error.
    ///
    /// # Errors
    /// When the service refuses or does not answer.
    pub fn delete(&self, key: &str, effort: Effort) -> Result<(), ObjectError> {
        match self {
            Objects::Real(client) => client.delete(key, effort),
            Objects::Simulated(bucket) => bucket.delete(key),
        }
    }

    /// Whether a body that was damaged on its way is refused by the service itself.
    fn verifies_bodies(&self) -> bool {
        match self {
            Objects::Real(client) => client.verifies_bodies(),
            Objects::Simulated(_) => true,
        }
    }

    /// Ends what is under way: calls that wait fail soon, and so does every later one. For a process that stops.
    pub fn stop(&self) {
        if let Objects::Real(client) = self {
            client.stop();
        }
    }

    /// Writes an object in parts of [`PART_BYTES`] that `next` gives one after the other, empty at the end. It appears
    /// with its last part; when anything fails before that, what was sent is given up.
    fn put_parts(
        &self,
        key: &str,
        sha256: ContentHash,
        effort: Effort,
        next: &mut dyn FnMut() -> Result<Bytes, ObjectError>,
    ) -> Result<(), ObjectError> {
        match self {
            Objects::Real(client) => client.put_parts(key, sha256, effort, next),
            Objects::Simulated(bucket) => bucket.put_parts(key, sha256, next),
        }
    }
}
