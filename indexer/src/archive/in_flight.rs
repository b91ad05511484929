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
use crate::db::PackId;

/// What a claim met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nobody else is writing it; the claim holds until it is released.
    Mine,
    /// It stands in a pack of the group lane, synced or synced with the next group: a later record of that lane may name
    /// it at once.
    Stands,
    /// Somebody is writing it, and whether that comes to anything is not known yet.
    Taken,
}

#[derive(Default)]
struct Pending {
    /// The pack of the group lane in which it stands, as long as no sync of that pack failed.
    pack: Option<PackId>,
    waiting: Vec<Job>,
}

/// Digests of instances and hashes of bulk values in flight. Both are SHA-256 over different domains.
#[derive(Default)]
pub(crate) struct InFlight(Mutex<Table>);

#[derive(Default)]
struct Table {
    pending: HashMap<ContentHash, Pending>,
    /// Whether nobody is left who would release anything.
    ended: bool,
}

impl InFlight {
    /// Claims `hash` unless it is taken.
    pub(crate) fn claim(&self, hash: ContentHash) -> Claim {
        match self.lock().pending.entry(hash) {
            Entry::Occupied(taken) if taken.get().pack.is_some() => Claim::Stands,
            Entry::Occupied(_) => Claim::Taken,
            Entry::Vacant(free) => {
                free.insert(Pending::default());
                Claim::Mine
            }
        }
    }

    /// The records of these claims were appended to `pack` by the group lane.
    pub(crate) fn stand_in(&self, pack: PackId, hashes: &[ContentHash]) {
        let mut table = self.lock();
        for hash in hashes {
            if let Some(pending) = table.pending.get_mut(hash) {
                pending.pack = Some(pack);
            }
        }
    }

    /// A sync of `pack` failed: nothing that is in flight there is counted on any more. What was synced before is indexed
    /// soon, and what was not is released; whoever wants either waits for that.
    pub(crate) fn give_up(&self, pack: PackId) {
        let mut table = self.lock();
        table.pending.values_mut().filter(|pending| pending.pack == Some(pack)).for_each(|p| p.pack = None);
    }

    /// Lets `job` wait until `hash` is released; gives it back if that has happened already.
    pub(crate) fn wait(&self, hash: ContentHash, job: Job) -> Option<Job> {
        let mut table = self.lock();
        let ended = table.ended;
        match table.pending.get_mut(&hash).filter(|_| !ended) {
            Some(pending) => {
                pending.waiting.push(job);
                None
            }
            None => Some(job),
        }
    }

    /// Ends claims, after the index shows the values or after they failed; returns the jobs that waited.
    pub(crate) fn release(&self, hashes: &[ContentHash]) -> Vec<Job> {
        let mut table = self.lock();
        hashes.iter().filter_map(|hash| table.pending.remove(hash)).flat_map(|p| p.waiting).collect()
    }

    /// Nobody is left who would release anything: returns all jobs that wait, and from now on none does.
    pub(crate) fn end(&self) -> Vec<Job> {
        let mut table = self.lock();
        table.ended = true;
        table.pending.drain().flat_map(|(_, pending)| pending.waiting).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
