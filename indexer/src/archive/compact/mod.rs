//! Compaction: packs of which much may go are written anew without it (STORE.md rule 19).
//!
//! Bytes are destroyed last, and only after everything that is to stay is durable elsewhere: copied byte for byte and
//! hashed, synced, indexed; the index says so durably; what goes for good is stated. An end of the process at any step
//! leaves more than is needed, never less: a pack that is still there is indexed again at the next start.

mod job;
mod plan;
mod removable;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use storage_config::disk::SyncPoint;
use storage_config::pack::{Kind, PackName};

pub use job::{CompactError, CompactJob, CompactReport, PackKept, WhyKept};

use super::stating::{Basis, Said};
use super::verify::copy::{CopyError, CopyLane};
use super::verify::pace::Pace;
use super::{Archive, Shared};
use crate::db::{Db, PackId, PackReplaced, PackRow};
use crate::statement::{Evidence, Removal, State, Who};
use plan::{Plan, Planner};
use removable::Removable;

/// How often a wait for the index writer looks for the stop.
const PATIENCE: Duration = Duration::from_millis(200);

impl Archive {
    /// Removes what `job` allows. `stop` is asked now and then whether it is to end.
    ///
    /// # Errors
    /// [`CompactError`].
    pub fn compact(&self, job: &CompactJob, stop: &dyn Fn() -> bool) -> Result<CompactReport, CompactError> {
        let began = Instant::now();
        if self.shared.uploads.is_some() {
            return Err(CompactError::InBucket);
        }
        let _one_at_a_time = self.shared.compacting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut pace = Pace::new(&self.shared, job.bytes_per_second, stop);
        let mut report = CompactReport { dry_run: job.dry_run, ..CompactReport::default() };
        if !job.dry_run {
            // What an earlier run left when it was killed.
            self.in_order(Db::pardon)??;
        }
        let done = self.compact_packs(job, &mut report, &mut pace);
        if !job.dry_run {
            self.in_order(Db::pardon)??;
        }
        report.stopped = pace.stopped();
        report.seconds = began.elapsed().as_secs_f64();
        done.map(|()| report)
    }

    fn compact_packs(
        &self,
        job: &CompactJob,
        report: &mut CompactReport,
        pace: &mut Pace<'_>,
    ) -> Result<(), CompactError> {
        let shared = &self.shared;
        let removable = Removable::find(self, job)?;
        report.instances_kept = removable.kept;
        let mut gone = HashSet::new();
        for row in candidates(shared, &removable)? {
            if pace.stopped() {
                break;
            }
            report.packs += 1;
            let Ok(name) = row.name.parse::<PackName>() else { continue };
            let reader =
                shared.readers.get(shared, row.id).map_err(|error| CompactError::Copy(error.to_string()))?;
            let (removable, prove) = (&removable, !job.dry_run);
            let plan =
                Planner { shared, row: &row, reader: &reader, removable, gone: &gone, prove }.plan()?;
            let plan = match plan {
                Ok(plan) if plan.freed * 100 < plan.length * u64::from(job.percent) => {
                    Err(WhyKept::TooLittle)
                }
                plan => plan,
            };
            let done = match plan {
                Ok(plan) if !job.dry_run => self.rewrite(job, (&row, &name), plan, pace)?,
                plan => plan,
            };
            match done {
                Ok(plan) => {
                    report.rewritten += 1;
                    report.bytes_before += plan.length;
                    report.bytes_freed += plan.freed;
                    report.instances += plan.removed.len() as u64;
                    gone.insert(row.id);
                }
                Err(why) => report.kept.push(PackKept { pack: row.id.0, why }),
            }
        }
        Ok(())
    }

    /// Writes a pack anew without what goes, and removes the old one.
    fn rewrite(
        &self,
        job: &CompactJob,
        (row, name): (&PackRow, &PackName),
        plan: Plan,
        pace: &mut Pace<'_>,
    ) -> Result<Result<Plan, WhyKept>, CompactError> {
        let shared = &self.shared;
        let mut replaced = PackReplaced {
            old: Some(row.id),
            removed: plan.removed.clone(),
            bulk: shared.db.bulk_in(row.id, (0, i64::MAX.unsigned_abs()))?,
            ..PackReplaced::default()
        };
        if !plan.stay.is_empty() {
            let mut lane = CopyLane::open(shared).map_err(|error| CompactError::Copy(error.to_string()))?;
            match copy(&mut lane, row.id, &plan, &mut replaced, pace) {
                Ok(()) => lane.seal(),
                Err(error) => {
                    lane.give_up();
                    return match error {
                        CopyError::Damaged(_) => Ok(Err(WhyKept::OnlyCopy)),
                        CopyError::Stopped => Err(CompactError::Stopping),
                        error => Err(CompactError::Copy(error.to_string())),
                    };
                }
            }
        }
        if !self.in_order(move |db| db.replace_pack(&replaced))?? {
            return Ok(Err(WhyKept::Wanted));
        }
        shared.records.clear();
        if !plan.removed.is_empty() {
            self.state_removal(job, &plan)?;
        }
        shared.db.make_durable()?;
        let path = shared.options.packs_dir.join(name.file_name());
        shared.options.disk.remove(&path)?;
        shared.options.disk.sync_dir(&shared.options.packs_dir, SyncPoint::Removal)?;
        tracing::info!(
            pack = row.id.0,
            freed = plan.freed,
            removed = plan.removed.len(),
            "a pack was compacted"
        );
        metrics::counter!("archive_compacted_bytes_total").increment(plan.freed);
        Ok(Ok(plan))
    }

    fn state_removal(&self, job: &CompactJob, plan: &Plan) -> Result<(), CompactError> {
        for instances in plan.removed.chunks(crate::statement::INSTANCES_MAX) {
            let asked = super::stating::hash_of(&(instances, &job.who, &job.why))?;
            self.once(None, asked, |id| {
                Ok(Said {
                    id: Some(id.to_owned()),
                    key: id.to_owned(),
                    state: State::Removal(Removal { instances: instances.to_vec() }),
                    based_on: Basis::Exactly(None),
                    who: Who { name: job.who.clone(), by: Evidence::Command },
                    why: job.why.clone(),
                })
            })?;
        }
        Ok(())
    }

    /// Runs a change after all that was handed to the index writer before, and waits for it.
    fn in_order<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Db) -> T + Send + 'static,
    ) -> Result<T, CompactError> {
        let (tell, told) = channel();
        self.shared.index.in_order(move |db| drop(tell.send(change(db))));
        loop {
            match told.recv_timeout(PATIENCE) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Timeout) if !self.shared.wait_for_stop(Duration::ZERO) => {}
                // Whether it was done is not known: nothing may be destroyed.
                Err(_) => return Err(CompactError::Stopping),
            }
        }
    }
}

/// Packs that may have something to remove: those with records that go first, since others wait for that.
fn candidates(shared: &Arc<Shared>, removable: &Removable) -> Result<Vec<PackRow>, CompactError> {
    let first: HashSet<PackId> = removable.instances.values().map(|place| place.pack).collect();
    let mut all: HashSet<PackId> = shared.db.packs_with_surplus()?.into_iter().collect();
    for hash in removable.bulk() {
        all.extend(shared.db.bulk_locations(hash)?.iter().map(|copy| copy.place.pack));
    }
    all.extend(&first);
    let mut packs = shared.db.packs()?;
    packs.retain(|pack| pack.sealed && !pack.removed && all.contains(&pack.id));
    packs.sort_by_key(|pack| (!first.contains(&pack.id), pack.id));
    Ok(packs)
}

/// Copies what stays, and makes it durable.
fn copy(
    lane: &mut CopyLane<'_>,
    old: PackId,
    plan: &Plan,
    replaced: &mut PackReplaced,
    pace: &mut Pace<'_>,
) -> Result<(), CopyError> {
    let reader = lane.reader_of(old)?;
    for (offset, digest) in &plan.stay {
        let record = reader.record(*offset).map_err(|_| CopyError::Damaged("the frame of a record"))?;
        let at = lane.append(&reader, &record, &mut |bytes| pace.took(bytes))?;
        match (record.kind, digest) {
            (Kind::Bulk, _) => lane.note_bulk(&record, at),
            (_, Some(digest)) => replaced.moved.push((*digest, *offset, at)),
            _ => {}
        }
    }
    replaced.new = Some(lane.pack());
    Ok(lane.commit()?)
}
