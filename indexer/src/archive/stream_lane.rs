//! Stream lanes (STORE.md rule 3): packs for what is larger than the memory for it. A lane has one appender at a
//! time, which leases it; an aborted or duplicate tail is cut back when the lease ends.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use storage_config::ContentHash;
use storage_config::disk::SyncPoint;
use storage_config::pack::{Extent, Kind, PackWriter};

use super::Shared;
use super::append::{append_bulk, append_instance, bulk_entry};
use super::error::StoreError;
use super::in_flight::Claim;
use super::index_writer::{Committed, Finish, Gate};
use super::job::{Job, Outcome};
use crate::db::{Batch, Entry, FacilityId, PackId};

/// How long a store waits for a lane while all are leased.
const WAIT: Duration = Duration::from_secs(30);

struct Idle {
    lanes: Vec<(PackWriter, PackId)>,
    leased: u32,
}

/// All stream lanes of an archive.
pub(crate) struct StreamLanes {
    idle: Mutex<Idle>,
    returned: Condvar,
    most: u32,
}

impl StreamLanes {
    pub(crate) fn new(most: u32) -> StreamLanes {
        let idle = Mutex::new(Idle { lanes: Vec::new(), leased: 0 });
        StreamLanes { idle, returned: Condvar::new(), most }
    }

    /// Leases a lane, making one if none is idle and the number allows.
    pub(crate) fn lease(&self, shared: &Arc<Shared>, facility: FacilityId) -> Result<Lease, StoreError> {
        let until = Instant::now() + WAIT;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while idle.leased >= self.most {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(StoreError::Unavailable("all stream lanes are in use".into()));
            }
            idle = self.returned.wait_timeout(idle, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        idle.leased += 1;
        let lane = idle.lanes.pop();
        drop(idle);
        match lane.map_or_else(|| shared.new_pack(), Ok) {
            Ok((writer, pack)) => {
                let start = writer.len();
                Ok(Lease { lane: Some((writer, pack)), start, facility, shared: shared.clone() })
            }
            Err(error) => {
                self.give_back(None);
                Err(error)
            }
        }
    }

    fn give_back(&self, lane: Option<(PackWriter, PackId)>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.leased -= 1;
        idle.lanes.extend(lane);
        drop(idle);
        self.returned.notify_one();
    }

    /// Takes those idle lanes out that `due` names.
    fn take_due(&self, due: impl Fn(PackId) -> bool) -> Vec<(PackWriter, PackId)> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (taken, left) = std::mem::take(&mut idle.lanes).into_iter().partition(|(_, pack)| due(*pack));
        idle.lanes = left;
        taken
    }

    /// Takes all idle lanes out, to seal them when the archive closes.
    pub(crate) fn drain(&self) -> Vec<(PackWriter, PackId)> {
        std::mem::take(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner).lanes)
    }
}

impl Shared {
    /// Seals the packs of lanes that nobody has written to for a while, so that they can be uploaded.
    pub(crate) fn seal_idle_lanes(&self) {
        for (writer, pack) in self.lanes.take_due(|pack| self.seal_is_due(pack)) {
            self.seal(writer, pack);
        }
    }
}

/// A lane in use. Dropping it cuts what was appended and not committed.
pub(crate) struct Lease {
    lane: Option<(PackWriter, PackId)>,
    start: u64,
    facility: FacilityId,
    shared: Arc<Shared>,
}

impl Lease {
    fn writer(&mut self) -> Result<&mut PackWriter, StoreError> {
        let lane =
            self.lane.as_mut().ok_or_else(|| StoreError::Internal("the lane was given back".into()))?;
        Ok(&mut lane.0)
    }

    /// Begins a bulk value.
    pub(crate) fn begin(&mut self) -> Result<(), StoreError> {
        let facility = self.facility;
        Ok(self.writer()?.begin(Kind::Bulk, facility.0)?)
    }

    /// Appends to the bulk value under way.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        Ok(self.writer()?.write(bytes)?)
    }

    /// Ends the bulk value under way.
    pub(crate) fn end(&mut self, hash: ContentHash) -> Result<Extent, StoreError> {
        Ok(self.writer()?.end(hash)?)
    }

    /// Commits `job`, whose bulk values with an extent are in this lane. A job all of whose values are here or on
    /// their way already goes to the group lane, and this lane's tail is cut back.
    pub(crate) fn finish(mut self, mut job: Job, extents: &[Option<Extent>]) {
        let shared = self.shared.clone();
        let claimed = match self.claim(&job, extents) {
            Ok(claimed) if claimed.is_empty() => {
                drop(self);
                return shared.group.push(job);
            }
            Ok(claimed) => claimed,
            Err(error) => return job.done.tell(Err(error)),
        };
        let batch = match self.append(&mut job, extents) {
            Ok(batch) => batch,
            Err(error) => {
                drop(self);
                shared.requeue(&claimed);
                return job.done.tell(Err(error));
            }
        };
        let stored = job.stored(Outcome::New, 0);
        let entry = Some(batch.entries.len() - 1);
        let finishes = vec![Finish { claimed, stored, entry, done: job.done }];
        let (opener, synced) = Gate::new();
        shared.index.commit(Committed { batch, finishes, stated: Vec::new(), synced });
        let Some((writer, pack)) = self.lane.as_mut() else { return };
        match shared.make_durable(writer, *pack, SyncPoint::Stream) {
            Ok(()) => {
                opener.open(Ok(()));
                self.keep();
            }
            Err(error) => {
                opener.open(Err(error));
                self.retire();
            }
        }
    }

    /// Gives the lane's pack up: nothing after its last good sync is ever read.
    fn retire(mut self) {
        if let Some((writer, pack)) = self.lane.take() {
            self.shared.retire(&writer, pack);
            self.shared.lanes.give_back(None);
        }
    }

    /// Claims the bulk values of this lane that nobody has, and the digest. Empty when the lane is not needed.
    fn claim(&self, job: &Job, extents: &[Option<Extent>]) -> Result<Vec<ContentHash>, StoreError> {
        let shared = &self.shared;
        let (mut claimed, mut met) = (Vec::new(), HashSet::new());
        let lane_values = job.body.bulk.iter().zip(extents).filter(|(_, extent)| extent.is_some());
        for (bulk, _) in lane_values {
            if !met.insert(bulk.hash) || shared.in_flight.claim(bulk.hash) != Claim::Mine {
                continue;
            }
            match shared.has_good_bulk(&bulk.hash) {
                Ok(true) => shared.requeue(&[bulk.hash]),
                Ok(false) => claimed.push(bulk.hash),
                Err(error) => {
                    claimed.push(bulk.hash);
                    shared.requeue(&claimed);
                    return Err(error);
                }
            }
        }
        if !claimed.is_empty() {
            if shared.in_flight.claim(job.digest) == Claim::Mine {
                claimed.push(job.digest);
            } else {
                shared.requeue(&claimed);
                claimed.clear();
            }
        }
        Ok(claimed)
    }

    /// Appends what belongs to the job besides the values that are in the lane.
    fn append(&mut self, job: &mut Job, extents: &[Option<Extent>]) -> Result<Batch, StoreError> {
        let lane =
            self.lane.as_mut().ok_or_else(|| StoreError::Internal("the lane was given back".into()))?;
        let (writer, pack) = (&mut lane.0, lane.1);
        let mut entries: Vec<Entry> = Vec::with_capacity(extents.len() + 1);
        for (bulk, extent) in job.body.bulk.iter().zip(extents) {
            entries.extend(extent.as_ref().map(|extent| bulk_entry(bulk.hash, pack, extent)));
        }
        // Values that were complete before the store spilled are still in memory; they are small.
        append_bulk(writer, pack, job, |_| true, &mut entries)
            .and_then(|_| append_instance(writer, pack, job, &mut entries))
            .inspect_err(|error| self.shared.health.note_disk(error))?;
        // It brings all that its instance names.
        Ok(Batch { entries, checkpoints: vec![(pack, writer.len())], ..Batch::default() })
    }

    /// Gives the lane back with what was committed in it; a full pack is sealed and not given back.
    fn keep(mut self) {
        let Some((writer, pack)) = self.lane.take() else { return };
        if writer.should_seal(self.shared.options.store.pack_bytes) {
            self.shared.seal(writer, pack);
            self.shared.lanes.give_back(None);
        } else {
            self.shared.lanes.give_back(Some((writer, pack)));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some((mut writer, pack)) = self.lane.take() else { return };
        let lane = match writer.cut_back(self.start) {
            Ok(()) => Some((writer, pack)),
            Err(error) => {
                self.shared.health.note_disk(&error);
                self.shared.retire(&writer, pack);
                None
            }
        };
        self.shared.lanes.give_back(lane);
    }
}
