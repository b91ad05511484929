//! The archive: the one place where bytes meet rows.
//!
//! A store goes through [`Store`] (scan, split, hash), the group lane or a stream lane (deduplicate, append, sync)
//! and the index writer (rows, checkpoint), and only then is its sender answered: durable, then indexed, then
//! answered. Reading goes the other way: rows, then places in packs, then verified bytes.
//!
//! This module knows no HTTP, no DIMSE and no sockets.

mod append;
mod budget;
mod bulk;
mod cache_files;
mod coding;
mod compact;
mod deciding;
mod documents;
mod error;
mod examining;
mod facts;
mod fragment;
mod frames;
mod group_lane;
mod header;
mod health;
mod in_flight;
mod index_writer;
mod intake;
mod job;
mod later;
mod ledger;
mod ledger_chain;
mod ledger_facts;
mod manifest;
mod manifests;
mod metadata;
mod nodes;
mod ordering;
mod packs;
mod performing;
mod persons;
mod pool;
mod reader;
mod recovery;
mod related;
mod remote;
pub mod reuse;
mod second_reading;
mod setting_aside;
mod sources;
mod stating;
mod steps;
mod store;
mod stream_lane;
mod threads;
mod uploader;
mod verify;
mod withdrawing;

use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use storage_config::ContentHash;
use storage_config::config::{ScanLimits, StoreLimits};
use storage_config::disk::{Disk, SyncPoint};
use storage_config::pack::Identity;

pub use coding::ChooseCodes;
pub use compact::{CompactError, CompactJob, CompactReport, PackKept, WhyKept};
pub use deciding::{Decide, Shown, answer_name};
pub use documents::BulkReader;
pub use error::{OpenError, ReadError, StoreError, StoreErrorKind};
pub use facts::SourcedFacts;
pub use frames::{Frames, frame_syntax};
pub use header::HeaderReader;
pub use intake::{Brought, BroughtIs, IntakeSeen, Standing};
pub use job::{Expect, Outcome, Stored};
pub use ledger_chain::LedgerVerified;
pub use metadata::{Metadata, MetadataGzip, MetadataText};
pub use performing::{STEP_BYTES_MAX, StepAttributes, StepError, StepErrorKind, StepReading, StepTeller};
pub use persons::LinkPatients;
pub use reader::InstanceReader;
pub use recovery::Recovered;
pub use related::{Related, issuer_of_facility, person_of};
pub use remote::{Backlog, Remote};
pub use reuse::{Asked, ReuseAnswer, ReuseSite, SiteLicence};
pub use second_reading::ReportStanding;
pub use stating::{Basis, Said, StateError, StateErrorKind};
pub use store::{Origin, Store};
pub use verify::{
    BackupDiffers, Compared, DamageFound, KeepVerified, VerifyError, VerifyJob, VerifyProgress, VerifyReport,
};
pub use withdrawing::Withdraw;

use crate::db::{Db, InstanceRow, WalLimits};
use budget::Budget;
use bulk::Records;
use cache_files::CacheFiles;
use coding::Coders;
use group_lane::{GroupLane, Queue};
use health::Health;
use in_flight::InFlight;
use index_writer::IndexQueue;
use manifests::Manifests;
use nodes::Nodes;
use packs::{Marks, PackNames, Readers};
use pool::ChunkPool;
use remote::Uploads;
use stating::Turns;
use stream_lane::StreamLanes;
use threads::{Death, join, spawn, spawn_vital};

/// How often free space and the size of the write-ahead log are looked at.
const CHORES: Duration = Duration::from_secs(1);
/// How often manifests of metadata are looked after.
const TENDING: Duration = Duration::from_millis(200);

/// What an archive is opened with.
#[derive(Clone)]
pub struct ArchiveOptions {
    /// The disk of the packs.
    pub disk: Disk,
    /// Folder of the packs.
    pub packs_dir: PathBuf,
    /// Folder for what can be made again; without one it is kept in memory alone.
    pub cache_dir: Option<PathBuf>,
    /// Folder with copies of packs, from which damaged records are repaired.
    pub replica: Option<PathBuf>,
    /// The number of this process's server among those that share the index or the bucket.
    pub writer: u32,
    /// Limits of data sets.
    pub scan: ScanLimits,
    /// Limits of the store.
    pub store: StoreLimits,
    /// The clock: milliseconds since 1970-01-01 UTC.
    pub now_ms: fn() -> i64,
}

/// An open archive; clones are the same one.
#[derive(Clone)]
pub struct Archive {
    shared: Arc<Shared>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

/// What the threads of an archive share.
pub(crate) struct Shared {
    options: ArchiveOptions,
    db: Arc<Db>,
    identity: Identity,
    /// Stores that have begun and not ended.
    under_way: AtomicUsize,
    pool: ChunkPool,
    headers: Budget,
    in_flight: InFlight,
    group: Queue,
    lanes: StreamLanes,
    index: IndexQueue,
    health: Health,
    death: Death,
    names: PackNames,
    marks: Marks,
    readers: Readers,
    making_pack: Mutex<()>,
    records: Records,
    /// Where sealed packs go besides the disk.
    uploads: Option<Arc<Uploads>>,
    /// The other servers of the index.
    nodes: OnceLock<Nodes>,
    manifests: Manifests,
    turns: Turns,
    coder: OnceLock<Coders>,
    reuse_site: OnceLock<ReuseSite>,
    wanted: examining::Wanted,
    /// Held while a pack is read through.
    verifying: Mutex<()>,
    /// Held while packs are compacted.
    compacting: Mutex<()>,
    stop: Mutex<bool>,
    stopped: Condvar,
}

impl Archive {
    /// Opens the archive: makes its folder, brings the index up to date with the packs, starts its threads.
    ///
    /// # Errors
    /// When the folder, a pack or the index cannot be read or made durable.
    pub fn open(options: ArchiveOptions, db: Db) -> Result<(Archive, Recovered), OpenError> {
        Archive::open_with(options, db, None)
    }

    /// As [`Archive::open`], with an object store to which sealed packs go.
    ///
    /// # Errors
    /// As [`Archive::open`]; also when the object store can not be used. One that does not answer is waited for, unless
    /// there is nothing here without it.
    pub fn open_with(
        options: ArchiveOptions,
        db: Db,
        remote: Option<Remote>,
    ) -> Result<(Archive, Recovered), OpenError> {
        Archive::open_by(options, db, remote, recovery::start)
    }

    /// As [`Archive::open_with`], but all rows are made again from the packs, whatever the index holds: it may be one that
    /// cannot be brought up to date. `progress` is told packs done and in all.
    ///
    /// # Errors
    /// As [`Archive::open_with`].
    pub fn open_to_rebuild(
        options: ArchiveOptions,
        db: Db,
        remote: Option<Remote>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(Archive, Recovered), OpenError> {
        Archive::open_by(options, db, remote, |shared| recovery::rebuild(shared, progress))
    }

    fn open_by(
        options: ArchiveOptions,
        db: Db,
        remote: Option<Remote>,
        index: impl FnOnce(&Shared) -> Result<Recovered, OpenError>,
    ) -> Result<(Archive, Recovered), OpenError> {
        options.disk.create_dir_all(&options.packs_dir, SyncPoint::PackDirectory)?;
        // The folder may be there because a former start made it and ended before its name was synced.
        if let Some(parent) = options.packs_dir.parent() {
            options.disk.sync_dir(parent, SyncPoint::PackDirectory)?;
        }
        let identity = packs::next_identity(&options)?;
        let shared = Arc::new(Shared {
            under_way: AtomicUsize::new(0),
            pool: ChunkPool::new(options.store.memory_bytes),
            headers: Budget::new(options.store.header_memory_bytes, budget::FREE),
            lanes: StreamLanes::new(options.store.stream_lanes),
            db: Arc::new(db),
            identity,
            manifests: Manifests::new(options.cache_dir.as_deref().map(CacheFiles::new)),
            options,
            in_flight: InFlight::default(),
            group: Queue::default(),
            index: IndexQueue::default(),
            health: Health::default(),
            death: Death::default(),
            names: PackNames::default(),
            marks: Marks::default(),
            readers: Readers::default(),
            making_pack: Mutex::new(()),
            records: Records::default(),
            uploads: remote.map(|remote| Arc::new(Uploads::new(remote))),
            nodes: OnceLock::new(),
            turns: Turns::default(),
            coder: OnceLock::new(),
            reuse_site: OnceLock::new(),
            wanted: examining::Wanted::default(),
            verifying: Mutex::new(()),
            compacting: Mutex::new(()),
            stop: Mutex::new(false),
            stopped: Condvar::new(),
        });
        let recovered = shared.db.with_many_rows(|| index(&shared))?;
        shared.marks.hold_for(shared.db.epoch()?);
        shared.look_at_space();
        shared.look_at_backlog();
        let mut threads = Vec::new();
        let lane = GroupLane::new(shared.clone());
        threads.push(spawn_vital("index-writer", &shared, |shared| index_writer::run(&shared))?);
        threads.push(spawn_vital("group-lane", &shared, move |_| lane.run())?);
        threads.push(spawn_vital("chores", &shared, |shared| shared.chores())?);
        threads.push(spawn_vital("manifests", &shared, |shared| shared.tend())?);
        if let Some(uploads) = shared.uploads.clone() {
            threads.push(spawn_vital("uploader", &shared, move |shared| uploader::run(&shared, &uploads))?);
        }
        Ok((Archive { shared, threads: Arc::new(Mutex::new(threads)) }, recovered))
    }

    /// Makes all rows again from the packs, before anything is stored. `progress` is told packs done and in all.
    ///
    /// # Errors
    /// When a pack or the index fails.
    pub fn rebuild(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Recovered, OpenError> {
        // Packs get new numbers.
        self.shared.manifests.clear();
        self.shared.readers.clear();
        self.shared.records.clear();
        self.shared.db.with_many_rows(|| recovery::rebuild(&self.shared, progress))
    }

    /// Why no store would be taken at the moment, asked before a sender's data are read.
    #[must_use]
    pub fn refuses(&self) -> Option<StoreError> {
        self.shared.health.refuses()
    }

    /// Begins a store.
    ///
    /// # Errors
    /// As [`Archive::refuses`].
    pub fn begin(&self, origin: Origin) -> Result<Store, StoreError> {
        match self.refuses() {
            Some(error) => Err(error),
            None => Ok(Store::new(self.shared.clone(), origin)),
        }
    }

    /// The index, for questions.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.shared.db
    }

    /// Runs a small change of rows that no record holds (peers, warnings) when no answer waits.
    pub fn in_background(&self, task: impl FnOnce(&Db) + Send + 'static) {
        self.shared.index.background(task);
    }

    /// Reads an instance as a file of PS3.10.
    ///
    /// # Errors
    /// When its record is damaged or missing.
    pub fn read(&self, row: &InstanceRow) -> Result<InstanceReader, ReadError> {
        InstanceReader::open(&self.shared, &row.digest, &row.place)
    }

    /// Takes no store any more, lets those under way end, seals the packs and stops the threads.
    pub fn close(&self) {
        let shared = &self.shared;
        shared.health.stop();
        let mut threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        if threads.is_empty() {
            return;
        }
        *shared.stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        shared.stopped.notify_all();
        shared.group.stop();
        join(threads.remove(1));
        for (writer, pack) in shared.lanes.drain() {
            shared.seal(writer, pack);
        }
        if let Some(uploads) = &shared.uploads {
            // No answer waits for the bucket any more. What was not uploaded is uploaded after the next start.
            uploads.remote.objects.stop();
        }
        if let Some(nodes) = shared.nodes.get() {
            nodes.stop();
        }
        shared.index.stop();
        threads.into_iter().for_each(join);
        shared.readers.clear();
        if let Err(error) = shared.db.checkpoint(WalLimits { move_from_bytes: 0, empty_from_bytes: 0 }) {
            tracing::warn!(%error, "the index was not checkpointed");
        }
    }
}

impl Shared {
    /// Ends claims and lets who waited for them try again.
    fn requeue(&self, claimed: &[ContentHash]) {
        for job in self.in_flight.release(claimed) {
            self.group.push(job);
        }
    }

    /// Waits for the stop, at most `limit`; whether it has come.
    fn wait_for_stop(&self, limit: Duration) -> bool {
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        let (stop, _) = self
            .stopped
            .wait_timeout_while(stop, limit, |stop| !*stop)
            .unwrap_or_else(PoisonError::into_inner);
        *stop
    }

    fn look_at_space(&self) {
        match self.options.disk.free_space(&self.options.packs_dir) {
            Ok(space) => self.health.space(space.available, space.total, &self.options.store),
            Err(error) => tracing::warn!(%error, "the free space is not known"),
        }
    }

    /// Looks after the manifests until the stop.
    fn tend(&self) {
        while !self.wait_for_stop(TENDING) {
            self.tend_manifests(false);
        }
        self.tend_manifests(true);
    }

    fn chores(&self) {
        while !self.wait_for_stop(CHORES) {
            self.look_at_space();
            self.look_at_backlog();
            self.seal_idle_lanes();
            self.health.index_answers(self.db.ping());
            if let Err(error) = self.db.checkpoint(WalLimits::default()) {
                tracing::warn!(%error, "the index was not checkpointed");
            }
        }
    }
}
