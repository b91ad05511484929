//! The group lane: one thread that deduplicates, appends and syncs for all stores that fit in memory.
//!
//! There is no linger: the next sync starts when the last one ends, with all that waits by then (STORE.md rule 8).

use std::collections::{HashSet, VecDeque};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use storage_config::ContentHash;
use storage_config::disk::SyncPoint;
use storage_config::pack::{Kind, PackWriter};

use super::Shared;
use super::append::{append_bulk, append_instance, place};
use super::error::StoreError;
use super::in_flight::Claim;
use super::index_writer::{Committed, Finish, Gate, Heard, tell};
use super::job::{BulkBytes, Job, Outcome};
use crate::db::{Batch, Entry, PackId, Place, ReliesOn};
use crate::record::{HoldingBody, write_statement};
use crate::statement::Statement;

/// Bytes of data sets after which a group is synced even if more waits.
const GROUP_BYTES: u64 = 64 << 20;
/// How long to wait between looks at a store that may have failed elsewhere, and between its self-tests.
const SELF_TEST: Duration = Duration::from_secs(1);

/// What waits for the group lane.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    statements: VecDeque<Saying>,
    /// Who waits for all that is here to be indexed.
    barriers: Vec<Sender<()>>,
    stop: bool,
}

/// A statement to be appended, and who waits for it.
pub(crate) struct Saying {
    pub(crate) statement: Box<Statement>,
    pub(crate) done: Heard,
}

impl Queue {
    /// Adds a job; after the stop it is refused.
    pub(crate) fn push(&self, job: Job) {
        let mut waiting = self.lock();
        if waiting.stop {
            drop(waiting);
            return job.done.tell(Err(StoreError::Unavailable("the archive is stopping".into())));
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.more.notify_one();
    }

    /// Adds a statement; after the stop it is refused.
    pub(crate) fn state(&self, saying: Saying) {
        let mut waiting = self.lock();
        if waiting.stop {
            drop(waiting);
            return tell(&saying.done, Err(StoreError::Unavailable("the archive is stopping".into())));
        }
        waiting.statements.push_back(saying);
        drop(waiting);
        self.more.notify_one();
    }

    /// Has `indexed` told once all that the lane has decided by then is indexed: what it decides later, it decides by what
    /// the index says now. After the stop nobody is told.
    pub(crate) fn barrier(&self, indexed: Sender<()>) {
        let mut waiting = self.lock();
        if !waiting.stop {
            waiting.barriers.push(indexed);
        }
        drop(waiting);
        self.more.notify_one();
    }

    /// Takes nothing more, and tells all that wait: nobody is left who would do it.
    pub(crate) fn end(&self) {
        let mut waiting = self.lock();
        waiting.stop = true;
        let (jobs, statements) = (std::mem::take(&mut waiting.jobs), std::mem::take(&mut waiting.statements));
        waiting.barriers.clear();
        drop(waiting);
        self.more.notify_one();
        let ended = || StoreError::Unavailable("a part of the archive ended".into());
        jobs.into_iter().for_each(|job| job.done.tell(Err(ended())));
        statements.iter().for_each(|saying| tell(&saying.done, Err(ended())));
    }

    /// Ends the thread after what waits.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.more.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next group, empty if none comes within `limit`; none after the stop.
    fn take(&self, limit: Duration) -> Option<Group> {
        let idle = |w: &mut Waiting| {
            w.jobs.is_empty() && w.statements.is_empty() && w.barriers.is_empty() && !w.stop
        };
        let (mut waiting, _) =
            self.more.wait_timeout_while(self.lock(), limit, idle).unwrap_or_else(PoisonError::into_inner);
        if waiting.stop && waiting.jobs.is_empty() && waiting.statements.is_empty() {
            return None;
        }
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        while let Some(job) = waiting.jobs.pop_front() {
            bytes += job.length();
            jobs.push(job);
            if bytes > GROUP_BYTES {
                break;
            }
        }
        let barriers = std::mem::take(&mut waiting.barriers);
        Some(Group { jobs, statements: waiting.statements.drain(..).collect(), barriers })
    }
}

/// What the lane does in one go.
struct Group {
    jobs: Vec<Job>,
    statements: Vec<Saying>,
    barriers: Vec<Sender<()>>,
}

/// A job of the group under way whose records are appended.
struct Appended {
    claimed: Vec<ContentHash>,
    outcome: Outcome,
    saved: u64,
    /// Index of its instance or holding among the group's entries.
    entry: Option<usize>,
    job: Job,
}

/// The thread's state.
pub(crate) struct GroupLane {
    shared: Arc<Shared>,
    pack: Option<(PackWriter, PackId)>,
    entries: Vec<Entry>,
    /// What entries rely on that was there before.
    relies_on: Vec<(usize, ReliesOn)>,
    appended: Vec<Appended>,
    stated: Vec<Heard>,
}

impl GroupLane {
    pub(crate) fn new(shared: Arc<Shared>) -> GroupLane {
        let (entries, relies_on) = (Vec::new(), Vec::new());
        GroupLane { shared, pack: None, entries, relies_on, appended: Vec::new(), stated: Vec::new() }
    }

    /// Works until the queue is stopped, then seals the pack.
    pub(crate) fn run(mut self) {
        loop {
            let ailing = self.shared.health.disk_failed();
            let Some(Group { jobs, statements, barriers }) = self.shared.group.take(SELF_TEST) else { break };
            if ailing {
                self.self_test();
            }
            for saying in statements {
                self.append_statement(saying);
                self.commit_if_full();
            }
            for job in jobs {
                self.append(job);
                self.commit_if_full();
            }
            self.commit();
            for indexed in barriers {
                // One who gave up waiting is told nothing.
                self.shared.index.in_order(move |_| {
                    let _ = indexed.send(());
                });
            }
            if self.pack.as_ref().is_some_and(|(_, pack)| self.shared.seal_is_due(*pack)) {
                self.seal();
            }
        }
        self.seal();
    }

    fn seal(&mut self) {
        if let Some((writer, pack)) = self.pack.take() {
            self.shared.seal(writer, pack);
        }
    }

    fn commit_if_full(&mut self) {
        let limit = self.shared.options.store.pack_bytes;
        if self.pack.as_ref().is_some_and(|(pack, _)| pack.should_seal(limit)) {
            self.commit();
        }
    }

    /// Proves with a pack of its own that the disk takes writes and syncs again.
    fn self_test(&mut self) {
        if let Some((writer, pack)) = self.pack.take() {
            self.shared.retire(&writer, pack);
        }
        match self.shared.new_pack() {
            Ok(pack) => {
                self.pack = Some(pack);
                self.shared.health.disk_works();
            }
            Err(error) => tracing::warn!(%error, "the store still fails its self-test"),
        }
    }

    fn pack(&mut self) -> Result<&mut (PackWriter, PackId), StoreError> {
        if self.pack.is_none() {
            self.pack = Some(self.shared.new_pack()?);
        }
        self.pack.as_mut().ok_or_else(|| StoreError::Internal("no pack".into()))
    }

    fn append_statement(&mut self, saying: Saying) {
        let Saying { statement, done } = saying;
        if self.shared.health.disk_failed() {
            return tell(&done, Err(StoreError::Unavailable("the disk failed".into())));
        }
        let start = self.pack.as_ref().map(|(writer, _)| writer.len());
        match self.write_statement(&statement) {
            Ok(place) => {
                self.entries.push(Entry::Statement { place, statement, later: false });
                self.stated.push(done);
            }
            Err(error) => {
                self.cut_back(start);
                tell(&done, Err(error));
            }
        }
    }

    fn write_statement(&mut self, statement: &Statement) -> Result<Place, StoreError> {
        let body = write_statement(statement).map_err(|error| StoreError::Internal(error.to_string()))?;
        let facility = statement.state.facility(&statement.subject.key);
        let shared = self.shared.clone();
        let (writer, pack) = self.pack()?;
        let extent = writer
            .append(Kind::Statement, facility, &[&body], ContentHash::of(&body))
            .inspect_err(|error| shared.health.note_disk(error))?;
        Ok(place(*pack, &extent))
    }

    /// Deduplicates and appends one job. Whatever happens, its sender will be told.
    fn append(&mut self, job: Job) {
        let Some((mut job, mut claimed, earlier)) = self.claim(job) else { return };
        if self.shared.health.disk_failed() {
            return self.fail(job, &claimed, StoreError::Unavailable("the disk failed".into()));
        }
        let start = (self.entries.len(), self.pack.as_ref().map(|(writer, _)| writer.len()));
        match self.decide_and_append(&mut job, &mut claimed, &earlier) {
            Ok(Some((outcome, saved, entry))) => {
                if let Some((_, pack)) = &self.pack {
                    self.shared.in_flight.stand_in(*pack, &claimed);
                }
                self.appended.push(Appended { claimed, outcome, saved, entry, job });
            }
            Ok(None) => {
                self.shared.requeue(&claimed);
                let stored = job.stored(Outcome::Duplicate, job.length());
                job.done.tell(Ok(stored));
            }
            Err(error) => {
                self.entries.truncate(start.0);
                self.cut_back(start.1);
                self.fail(job, &claimed, error);
            }
        }
    }

    fn fail(&self, job: Job, claimed: &[ContentHash], error: StoreError) {
        self.shared.requeue(claimed);
        job.done.tell(Err(error));
    }

    /// Removes the records of a job that failed halfway. The pack is given up if that fails too.
    fn cut_back(&mut self, to: Option<u64>) {
        let Some((writer, _)) = self.pack.as_mut() else { return };
        let to = to.unwrap_or_else(|| writer.synced_len());
        if let Err(error) = writer.cut_back(to) {
            self.shared.health.note_disk(&error);
        }
    }

    /// Claims the job's digest and bulk values. Returns the job with its claims and the values that stand earlier
    /// in this lane, or none if it has to wait for somebody.
    fn claim(&self, job: Job) -> Option<(Job, Vec<ContentHash>, Vec<ContentHash>)> {
        let in_flight = &self.shared.in_flight;
        let mut claimed = Vec::with_capacity(job.body.bulk.len() + 1);
        let (mut earlier, mut met) = (Vec::new(), HashSet::new());
        let hashes: Vec<ContentHash> =
            std::iter::once(job.digest).chain(job.body.bulk.iter().map(|b| b.hash)).collect();
        for (n, hash) in hashes.into_iter().enumerate() {
            match in_flight.claim(hash) {
                Claim::Mine => {
                    met.insert(hash);
                    claimed.push(hash);
                }
                // The same value once more in this instance: its first occurrence is the one that is written.
                Claim::Stands | Claim::Taken if !met.insert(hash) => {}
                // A bulk value earlier in this lane stands earlier in this pack, or is synced in another one.
                Claim::Stands if n > 0 => earlier.push(hash),
                Claim::Stands | Claim::Taken => {
                    self.shared.requeue(&claimed);
                    if let Some(job) = in_flight.wait(hash, job) {
                        self.shared.group.push(job);
                    }
                    return None;
                }
            }
        }
        Some((job, claimed, earlier))
    }

    /// Appends what is not here yet. None: this facility has the instance, nothing is to be written.
    fn decide_and_append(
        &mut self,
        job: &mut Job,
        claimed: &mut Vec<ContentHash>,
        earlier: &[ContentHash],
    ) -> Result<Option<(Outcome, u64, Option<usize>)>, StoreError> {
        let hashes: Vec<ContentHash> = job.body.bulk.iter().map(|b| b.hash).collect();
        let known = self.shared.db.known(&job.digest, job.facility, &hashes)?;
        // What only another server's disk has is not safe here: this one keeps a copy of its own.
        let is_here = |place: &Place| self.shared.is_here(place.pack);
        let elsewhere = known.place.is_some_and(|place| !is_here(&place));
        let mut wanted = vec![false; job.body.bulk.len()];
        let mut met: HashSet<ContentHash> = earlier.iter().copied().collect();
        for (n, bulk) in job.body.bulk.iter().enumerate() {
            if !met.insert(bulk.hash) {
                continue;
            }
            wanted[n] = !known.bulk.get(n).is_some_and(|places| places.iter().any(is_here));
            if wanted[n] && matches!(job.bulk[n], BulkBytes::Elsewhere) {
                return Err(StoreError::Unavailable("the first copy of these bytes was not stored".into()));
            }
        }
        if known.held && !elsewhere && !wanted.contains(&true) {
            return Ok(None);
        }
        let (writer, pack) = self.pack()?;
        let pack = *pack;
        let mut entries = Vec::with_capacity(2);
        let written = append_bulk(writer, pack, job, |n| wanted[n], &mut entries)?;
        let saved = job.body.bulk.iter().map(|b| b.length).sum::<u64>().saturating_sub(written);
        if let Some(through_ms) = known.withdrawn_through_ms {
            // It comes after it was withdrawn, even if its first byte came before.
            let arrival = &mut job.body.arrival;
            arrival.received_ms = arrival.received_ms.max(through_ms.saturating_add(1));
        }
        let (outcome, saved) = match (known.instance, known.held) {
            _ if elsewhere || !known.instance => {
                append_instance(writer, pack, job, &mut entries)?;
                (Outcome::New, saved)
            }
            (true, false) => {
                if known.rejected {
                    tracing::warn!("an instance was sent again that was withdrawn for patient safety");
                    metrics::counter!("archive_sent_after_rejection_total").increment(1);
                }
                let body = HoldingBody { arrival: job.body.arrival.clone(), digest: job.digest }.write();
                let extent =
                    writer.append(Kind::Holding, job.facility.0, &[&body], ContentHash::of(&body))?;
                entries.push(Entry::Holding {
                    digest: job.digest,
                    facility: job.facility,
                    source: job.body.arrival.source.clone(),
                    received_ms: job.body.arrival.received_ms,
                    place: place(pack, &extent),
                });
                (Outcome::Holding, job.length() - written)
            }
            // A damaged bulk value of a known instance was replaced.
            _ => (Outcome::Duplicate, job.length() - written),
        };
        // What the index had is nobody's to wait for.
        let written: HashSet<ContentHash> =
            job.body.bulk.iter().zip(&wanted).filter(|(_, w)| **w).map(|(b, _)| b.hash).collect();
        let (held, idle) = claimed.iter().partition(|hash| **hash == job.digest || written.contains(hash));
        *claimed = held;
        self.shared.requeue(&idle);
        let writes = matches!(outcome, Outcome::New | Outcome::Holding);
        let entry = writes.then(|| self.entries.len() + entries.len() - 1);
        self.entries.append(&mut entries);
        if let Some(entry) = entry {
            self.rely(entry, outcome, job, |hash| written.contains(hash) || earlier.contains(hash));
        }
        Ok(Some((outcome, saved, entry)))
    }

    /// Takes note of what an entry relies on and does not bring. In an index of this server alone nothing can remove it
    /// meanwhile: compaction waits for what was decided before.
    fn rely(&mut self, entry: usize, outcome: Outcome, job: &Job, brought: impl Fn(&ContentHash) -> bool) {
        if !self.shared.db.is_shared() {
            return;
        }
        if outcome == Outcome::Holding {
            return self.relies_on.push((entry, ReliesOn::Instance(job.digest)));
        }
        let named = job.body.bulk.iter().map(|bulk| bulk.hash).filter(|hash| !brought(hash));
        self.relies_on.extend(named.map(|hash| (entry, ReliesOn::Bulk(hash))));
    }

    /// Syncs the group and hands it to the index writer.
    fn commit(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        let Some((writer, pack)) = self.pack.as_mut() else { return };
        let (upto, full) = (writer.len(), writer.should_seal(self.shared.options.store.pack_bytes));
        let finishes = self.appended.drain(..).map(finish).collect();
        let stated = std::mem::take(&mut self.stated);
        let (entries, relies_on) = (std::mem::take(&mut self.entries), std::mem::take(&mut self.relies_on));
        let batch = Batch { entries, checkpoints: vec![(*pack, upto)], relies_on };
        // The index writer prepares the rows while the disk syncs, and commits them after.
        let (opener, synced) = Gate::new();
        self.shared.index.commit(Committed { batch, finishes, stated, synced });
        let result = self.shared.make_durable(writer, *pack, SyncPoint::Group);
        if result.is_err() {
            // Before anybody hears of it: from now on nothing counts on a value of this group.
            self.shared.in_flight.give_up(*pack);
        }
        opener.open(result.clone());
        if result.is_err() {
            // Nothing of the group is stored, and the pack is never written again.
            if let Some((writer, pack)) = self.pack.take() {
                self.shared.retire(&writer, pack);
            }
        } else if full {
            self.seal();
        }
    }
}

fn finish(appended: Appended) -> Finish {
    let Appended { claimed, outcome, saved, entry, job } = appended;
    let stored = job.stored(outcome, saved);
    let Job { done, .. } = job;
    Finish { claimed, stored, entry, done }
}
