//! Compaction: packs of which much may go are written anew without it (STORE.md rule 19).
//!
//! Bytes are destroyed last, and only after everything that is to stay is durable elsewhere: copied byte for byte and
//! hashed, synced, indexed; the index says so durably; what goes for good is stated. An end of the process at any step
//! leaves more than is needed, never less: a pack that is still there is indexed again at the next start.
//!
//! With a bucket a pack is written anew here, uploaded as any other, and only what the bucket has is counted on. The old
//! object is given up in the turn of this run, after all of the above, and removed some time later by the uploader of any
//! server (`retire.rs`), so that who is reading it can end or find the new one.

mod job;
mod plan;
mod removable;
mod retire;
mod turn;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use storage_config::disk::SyncPoint;
use storage_config::pack::{Kind, PackName};

pub use job::{CompactError, CompactJob, CompactReport, PackKept, WhyKept};

use super::stating::{Basis, Said};
use super::steps::reached;
use super::verify::copy::{CopyError, CopyLane};
use super::verify::pace::Pace;
use super::{Archive, Shared};
use crate::db::{Db, PackId, PackReplaced, PackRow, Replaced};
use crate::statement::{Evidence, Removal, State, Who};
use plan::{Plan, Planner};
use removable::Removable;
use turn::Turn;
pub(super) use turn::server as server_of_turns;

/// How often a wait for another thread looks for the stop.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long to wait for the upload of a new pack; it goes on all the same, and a later run finds it.
const UPLOAD: Duration = Duration::from_secs(1800);

impl Archive {
    /// Removes what `job` allows. `stop` is asked now and then whether it is to end.
    ///
    /// # Errors
    /// [`CompactError`].
    pub fn compact(&self, job: &CompactJob, stop: &dyn Fn() -> bool) -> Result<CompactReport, CompactError> {
        let began = Instant::now();
        let _one_at_a_time = self.shared.compacting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut pace = Pace::new(&self.shared, job.bytes_per_second, stop);
        let mut report = CompactReport { dry_run: job.dry_run, ..CompactReport::default() };
        let mut turn = if job.dry_run { None } else { Some(Turn::take(&self.shared)?) };
        let done = self.compact_packs(job, &mut report, (&mut pace, turn.as_mut()));
        turn.map_or(Ok(()), Turn::end)?;
        report.stopped = pace.stopped();
        report.seconds = began.elapsed().as_secs_f64();
        done.map(|()| report)
    }

    fn compact_packs(
        &self,
        job: &CompactJob,
        report: &mut CompactReport,
        (pace, mut turn): (&mut Pace<'_>, Option<&mut Turn<'_>>),
    ) -> Result<(), CompactError> {
        let shared = &self.shared;
        let removable = Removable::find(self, job, turn.as_deref())?;
        report.instances_kept = removable.kept;
        let mut gone = HashSet::new();
        for row in candidates(shared, &removable)? {
            if pace.stopped() {
                break;
            }
            report.packs += 1;
            if shared.uploads.is_some() && shared.db.pack_object(row.id)?.is_none() {
                report.kept.push(PackKept { pack: row.id.0, why: WhyKept::NotUploaded });
                continue;
            }
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
            let done = match (plan, turn.as_deref_mut()) {
                (Ok(plan), Some(turn)) => self.rewrite(job, (&row, &name), plan, (pace, turn))?,
                (plan, _) => plan,
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
        (pace, turn): (&mut Pace<'_>, &mut Turn<'_>),
    ) -> Result<Result<Plan, WhyKept>, CompactError> {
        let shared = &self.shared;
        let mut replaced = PackReplaced {
            old: Some(row.id),
            removed: plan.removed.clone(),
            dead: plan.dead.clone(),
            run: turn.run().to_owned(),
            bulk: shared.db.bulk_in(row.id, (0, i64::MAX.unsigned_abs()))?,
            ..PackReplaced::default()
        };
        if !plan.stay.is_empty() {
            let lane = CopyLane::open_to_make_room(shared);
            let mut lane = lane.map_err(|error| CompactError::Copy(error.to_string()))?;
            match copy(&mut lane, row.id, &plan, &mut replaced, (pace, turn)) {
                Ok(new) => {
                    lane.seal();
                    reached("compact.indexed");
                    if !self.is_uploaded(new, turn)? {
                        return Ok(Err(WhyKept::NotUploaded));
                    }
                    reached("compact.uploaded");
                }
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
        self.can_be_stated(&plan)?;
        match self.in_order(move |db| db.replace_pack(&replaced))?? {
            Replaced::Done => reached("compact.replaced"),
            Replaced::Wanted => return Ok(Err(WhyKept::Wanted)),
            Replaced::TurnLost => return Err(CompactError::Elsewhere),
        }
        shared.records.clear();
        if !plan.removed.is_empty() {
            self.state_removal(job, &plan)?;
        }
        reached("compact.stated");
        match &shared.uploads {
            Some(uploads) => self.retire(uploads, row.id, turn)?,
            None => {
                shared.db.make_durable()?;
                reached("compact.durable");
                let path = shared.options.packs_dir.join(name.file_name());
                shared.options.disk.remove(&path)?;
                // The room is given back when nobody has the file open any more.
                shared.readers.forget(row.id);
                shared.options.disk.sync_dir(&shared.options.packs_dir, SyncPoint::Removal)?;
            }
        }
        reached("compact.removed");
        tracing::info!(
            pack = row.id.0,
            freed = plan.freed,
            removed = plan.removed.len(),
            "a pack was compacted"
        );
        metrics::counter!("archive_compacted_bytes_total").increment(plan.freed);
        Ok(Ok(plan))
    }

    /// Nothing leaves the index of which could not be said afterwards that it is gone.
    fn can_be_stated(&self, plan: &Plan) -> Result<(), CompactError> {
        match self.shared.health.refuses_making_room() {
            Some(error) if !plan.removed.is_empty() => Err(CompactError::State(error.into())),
            _ => Ok(()),
        }
    }

    fn state_removal(&self, job: &CompactJob, plan: &Plan) -> Result<(), CompactError> {
        for instances in plan.removed.chunks(crate::statement::INSTANCES_MAX) {
            let asked = super::stating::hash_of(&(instances, &job.who, &job.why))?;
            self.once_to_make_room(asked, |id| {
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

/// Packs that may have something to remove and that this server may remove: those with records that go first, since
/// others wait for that.
fn candidates(shared: &Arc<Shared>, removable: &Removable) -> Result<Vec<PackRow>, CompactError> {
    let first: HashSet<PackId> = removable.instances.values().map(|place| place.pack).collect();
    let mut all: HashSet<PackId> = shared.db.packs_with_surplus()?.into_iter().collect();
    for hash in removable.bulk() {
        all.extend(shared.db.bulk_locations(hash)?.iter().map(|copy| copy.place.pack));
    }
    all.extend(&first);
    let mut packs = shared.db.packs()?;
    packs.retain(|pack| pack.sealed && !pack.removed && all.contains(&pack.id));
    // What lies on the disk of another server is that server's to remove.
    packs.retain(|pack| shared.uploads.is_some() || shared.is_here(pack.id));
    packs.sort_by_key(|pack| (!first.contains(&pack.id), pack.id));
    Ok(packs)
}

/// Copies what stays, and makes it durable; the new pack.
fn copy(
    lane: &mut CopyLane<'_>,
    old: PackId,
    plan: &Plan,
    replaced: &mut PackReplaced,
    (pace, turn): (&mut Pace<'_>, &mut Turn<'_>),
) -> Result<PackId, CopyError> {
    let reader = lane.reader_of(old)?;
    for (offset, digest) in &plan.stay {
        let record = reader.record(*offset).map_err(|_| CopyError::Damaged("the frame of a record"))?;
        turn.keep();
        let at = lane.append(&reader, &record, &mut |bytes| pace.took(bytes))?;
        match (record.kind, digest) {
            (Kind::Bulk, _) => lane.note_bulk(&record, at),
            (_, Some(digest)) => replaced.moved.push((*digest, *offset, at)),
            _ => {}
        }
    }
    replaced.new = Some(lane.pack());
    reached("compact.copied");
    lane.commit()?;
    Ok(lane.pack())
}
