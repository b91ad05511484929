//! Which instances may go, and which bulk values only they name.

use std::collections::{HashMap, HashSet};

use storage_config::{ContentHash, Hasher};

use super::job::{CompactError, CompactJob};
use super::turn::Turn;
use crate::archive::reader::read_body;
use crate::archive::steps::reached;
use crate::archive::{Archive, Shared};
use crate::db::{HiddenInstance, PackId, Place};
use crate::statement::Reason;

/// Rows of one look.
const ROWS: u32 = 1000;
/// Instances that one run removes at most: what it has to remember of them stays bounded.
const INSTANCES_MAX: usize = 500_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Who names a bulk value.
#[derive(Debug, Default)]
struct Named {
    /// An instance that stays.
    stays: bool,
    /// Packs with records of instances that may go.
    packs: HashSet<PackId>,
}

/// What may go.
#[derive(Debug, Default)]
pub(super) struct Removable {
    /// Instances, with the places of their records.
    pub(super) instances: HashMap<ContentHash, Place>,
    /// Withdrawn instances that stay.
    pub(super) kept: u64,
    /// Bulk values that they name.
    bulk: HashMap<ContentHash, Named>,
}

impl Removable {
    /// What may go by `job` now. Unless it is a dry run, no arrival counts on any of it from then on.
    pub(super) fn find(
        archive: &Archive,
        job: &CompactJob,
        turn: Option<&Turn<'_>>,
    ) -> Result<Removable, CompactError> {
        let shared = &archive.shared;
        let now = (shared.options.now_ms)();
        let mut all = Removable::default();
        let mut after = 0;
        while all.instances.len() < INSTANCES_MAX {
            let rows = shared.db.hidden_instances(after, ROWS)?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            for row in rows {
                match may_go(&row, job, now).then(|| read_body(shared, &row.digest, &row.place)) {
                    Some(Ok(body)) => {
                        for bulk in &body.bulk {
                            all.bulk.entry(bulk.hash).or_default().packs.insert(row.place.pack);
                        }
                        all.instances.insert(row.digest, row.place);
                    }
                    // What cannot be read cannot be judged.
                    Some(Err(_)) | None => all.kept += 1,
                }
            }
        }
        if all.instances.is_empty() {
            return Ok(all);
        }
        if let Some(turn) = turn {
            let instances: Vec<ContentHash> = all.instances.keys().copied().collect();
            let bulk: Vec<ContentHash> = all.bulk.keys().copied().collect();
            let run = turn.run().to_owned();
            if !archive.in_order(move |db| db.condemn(&run, &instances, &bulk))?? {
                return Err(CompactError::Elsewhere);
            }
            // Whatever was decided by what the index said before is indexed now, and so is seen below.
            let (indexed, told) = std::sync::mpsc::channel();
            shared.group.barrier(indexed);
            told.recv().map_err(|_| CompactError::Stopping)?;
            reached("compact.condemned");
        }
        all.look_who_else_names(shared)?;
        Ok(all)
    }

    fn look_who_else_names(&mut self, shared: &Shared) -> Result<(), CompactError> {
        let mut after = 0;
        loop {
            let rows = shared.db.instances_naming_bulk(after, ROWS)?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            for row in rows {
                // One that was sent again has its record elsewhere: it stays.
                if row.bulk_digest.is_empty() || self.instances.get(&row.digest) == Some(&row.place) {
                    continue;
                }
                let pixels = <[u8; 32]>::try_from(row.pixels).ok().map(ContentHash);
                match pixels.filter(|hash| only_one(hash, &row.bulk_digest)) {
                    Some(hash) => self.stays(&hash),
                    None => {
                        let body = read_body(shared, &row.digest, &row.place)
                            .map_err(|error| CompactError::Copy(error.to_string()))?;
                        body.bulk.iter().for_each(|bulk| self.stays(&bulk.hash));
                    }
                }
            }
        }
    }

    fn stays(&mut self, hash: &ContentHash) {
        if let Some(named) = self.bulk.get_mut(hash) {
            named.stays = true;
        }
    }

    /// Whether only instances name a bulk value whose records go with `pack` or went with those in `gone`.
    pub(super) fn is_dead(&self, hash: &ContentHash, pack: PackId, gone: &HashSet<PackId>) -> bool {
        let goes = |of: &PackId| *of == pack || gone.contains(of);
        self.bulk.get(hash).is_some_and(|named| !named.stays && named.packs.iter().all(goes))
    }

    /// Whether an instance goes with `pack`.
    pub(super) fn goes_with(&self, digest: &ContentHash, pack: PackId) -> bool {
        self.instances.get(digest).is_some_and(|place| place.pack == pack)
    }

    /// Bulk values that may go.
    pub(super) fn bulk(&self) -> impl Iterator<Item = &ContentHash> {
        self.bulk.iter().filter(|(_, named)| !named.stays).map(|(hash, _)| hash)
    }
}

/// Whether a bulk digest is that of one bulk value alone.
fn only_one(hash: &ContentHash, bulk_digest: &[u8]) -> bool {
    let mut hasher = Hasher::new();
    hasher.update(&hash.0);
    hasher.finish().0 == bulk_digest
}

/// Whether the bytes of a withdrawn instance may be removed (STORE.md: a last copy stays for its years unless it is a
/// duplicate or the wrong object; a legal hold blocks it).
fn may_go(row: &HiddenInstance, job: &CompactJob, now: i64) -> bool {
    let before = |days: i64| now.saturating_sub(days.saturating_mul(DAY_MS));
    let long_ago = |said_ms: i64| said_ms <= before(i64::from(job.grace_days));
    // 366 days a year: never a day too early.
    let old = row.last_ms <= before(i64::from(job.min_years).saturating_mul(366));
    let mistaken = |reason: Reason| matches!(reason, Reason::Duplicate | Reason::WrongObject);
    !row.held
        && !row.withdrawals.is_empty()
        && row.withdrawals.iter().all(|(said_ms, reason)| long_ago(*said_ms) && (old || mistaken(*reason)))
}
