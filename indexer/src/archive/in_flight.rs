//! What is being written but not yet in the index (STORE.md rule 13): a duplicate waits for the first copy and
//! fails with it.
//!
//! A claim is made before the index is asked, so that between "not in flight" and "not in the index" nothing can
//! slip through.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use storage_config::ContentHash;

use super::job::Job;

/// Who is writing a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// The group lane: one pack at a time, in order; a later record of it may name an earlier one at once.
    Group,
    /// A stream lane.
    Stream,
}

/// What a claim met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nobody else is writing it; the claim holds until it is released.
    Mine,
    /// The lane that is named is writing it.
    Taken(Lane),
}

struct Pending {
    lane: Lane,
    waiting: Vec<Job>,
}

/// Digests of instances and hashes of bulk values in flight. Both are SHA-256 over different domains.
#[derive(Default)]
pub(crate) struct InFlight(Mutex<HashMap<ContentHash, Pending>>);

impl InFlight {
    /// Claims `hash` for `lane` unless it is taken.
    pub(crate) fn claim(&self, hash: ContentHash, lane: Lane) -> Claim {
        match self.lock().entry(hash) {
            Entry::Occupied(taken) => Claim::Taken(taken.get().lane),
            Entry::Vacant(free) => {
                free.insert(Pending { lane, waiting: Vec::new() });
                Claim::Mine
            }
        }
    }

    /// Lets `job` wait until `hash` is released; gives it back if that has happened already.
    pub(crate) fn wait(&self, hash: ContentHash, job: Job) -> Option<Job> {
        match self.lock().get_mut(&hash) {
            Some(pending) => {
                pending.waiting.push(job);
                None
            }
            None => Some(job),
        }
    }

    /// Ends claims, after the index shows the values or after they failed; returns the jobs that waited.
    pub(crate) fn release(&self, hashes: &[ContentHash]) -> Vec<Job> {
        let mut pending = self.lock();
        hashes.iter().filter_map(|hash| pending.remove(hash)).flat_map(|p| p.waiting).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ContentHash, Pending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
