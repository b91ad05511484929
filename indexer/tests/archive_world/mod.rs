//! An archive on a simulated disk, whose power can be cut and whose process can be killed, and the record of what it
//! acknowledged.

#![allow(dead_code, reason = "each test uses a part")]

pub mod compacting;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use fixtures::many::{Address, instance};
use fixtures::rng::Rng;
use fixtures::studies::Instance;
use fixtures::writer::{DataSet, Syntax, keyword as k};
use indexer::archive::{
    Archive, ArchiveOptions, Expect, OpenError, Origin, Recovered, Remote, StoreError, Stored,
};
use indexer::db::{Db, DbFaults, DbOptions, FacilityId};
use storage_config::config::{ScanLimits, StoreLimits};
use storage_config::disk::SimulatedDisk;
use storage_config::pack::{FILE_HEADER_LENGTH, HeaderState, PackReader, Scanned, Verify, scan};
use storage_config::{ContentHash, Uid};
use tempfile::TempDir;

pub const PACKS: &str = "/archive/packs";

/// Data sets that were acknowledged, by digest.
pub type Acknowledged = Arc<Mutex<HashMap<ContentHash, Vec<u8>>>>;

pub struct World {
    pub disk: Arc<SimulatedDisk>,
    pub dir: TempDir,
    pub faults: DbFaults,
    pub archive: Option<Archive>,
    pub acknowledged: Acknowledged,
    pub limits: StoreLimits,
    /// Where sealed packs go besides the disk.
    pub remote: Option<Remote>,
    /// The number of the server.
    pub writer: u32,
    /// Of a database that it shares with others.
    pub url: Option<String>,
    /// Whether no fault of the disk was asked for.
    pub faultless: bool,
    /// Folder of the simulated disk with copies of packs.
    pub replica: Option<PathBuf>,
    generation: u32,
}

/// Small packs, and spilling from 16 KiB on: everything that happens to real archives happens soon.
pub fn small_limits() -> StoreLimits {
    StoreLimits {
        memory_bytes: 1 << 20,
        header_memory_bytes: 16 << 20,
        in_memory_instance_bytes: 16 << 10,
        stream_lanes: 2,
        pack_bytes: 96 << 10,
        min_free_bytes: 0,
        min_free_percent: 0,
    }
}

/// A clock that never tells the same time twice.
fn now_ms() -> i64 {
    static TICKS: AtomicI64 = AtomicI64::new(1_763_700_000_000);
    TICKS.fetch_add(1, Ordering::SeqCst)
}

impl World {
    pub fn new(seed: u64) -> World {
        World {
            disk: SimulatedDisk::new(seed),
            dir: memory_dir(),
            faults: DbFaults::none(),
            archive: None,
            acknowledged: Acknowledged::default(),
            limits: small_limits(),
            remote: None,
            writer: 1,
            url: None,
            faultless: true,
            replica: None,
            generation: 0,
        }
    }

    pub fn index(&self) -> PathBuf {
        self.dir.path().join(format!("{}.sqlite", self.generation))
    }

    /// Starts the process. Fails where a start may fail: the disk or the database says no.
    pub fn start(&mut self) -> Result<&Archive, String> {
        let recovered = self.start_by(Archive::open_with)?;
        assert_eq!(recovered.missing, 0, "a pack of the index is not on the disk");
        Ok(self.archive())
    }

    /// The same with all rows made again from the packs, whatever the index holds.
    pub fn start_to_rebuild(&mut self) -> Result<Recovered, String> {
        self.start_by(|options, db, remote| Archive::open_to_rebuild(options, db, remote, &mut |_, _| {}))
    }

    /// The same by one of the ways to open an archive.
    pub fn start_by(
        &mut self,
        open: impl FnOnce(ArchiveOptions, Db, Option<Remote>) -> Result<(Archive, Recovered), OpenError>,
    ) -> Result<Recovered, String> {
        let options = DbOptions { faults: self.faults.clone(), ..DbOptions::default() };
        let db = match &self.url {
            Some(url) => Db::open_postgres(url, options),
            None => crate::test_database::open(&self.index(), options),
        };
        let db = db.map_err(|e| e.to_string())?;
        let options = ArchiveOptions {
            disk: self.disk.disk(),
            packs_dir: PACKS.into(),
            cache_dir: Some(self.dir.path().join("cache")),
            replica: self.replica.clone(),
            writer: self.writer,
            scan: ScanLimits::default(),
            store: self.limits,
            now_ms,
        };
        let (archive, recovered) = open(options, db, self.remote.clone()).map_err(|e| e.to_string())?;
        self.archive = Some(archive);
        Ok(recovered)
    }

    pub fn archive(&self) -> &Archive {
        self.archive.as_ref().expect("the process runs")
    }

    /// Stops the process in order.
    pub fn stop(&mut self) {
        if let Some(archive) = self.archive.take() {
            archive.close();
        }
    }

    /// The machine is lost with its disk and its index: the next process finds nothing but the bucket.
    pub fn lose_machine(&mut self, seed: u64) {
        self.generation += 1;
        let dead = self.disk.process_kill();
        self.next_process(SimulatedDisk::new(seed));
        drop(dead);
        let _ = std::fs::remove_dir_all(self.dir.path().join("cache"));
    }

    /// The power goes: the index loses its last transactions, the disk what was not synced.
    pub fn power_loss(&mut self, rng: &mut Rng) {
        // The index is copied first: its rows must never be younger than the bytes that survive.
        if !crate::test_database::is_postgres() {
            let old = self.index();
            self.generation += 1;
            copy_index(&old, &self.index(), Some(rng));
        }
        let survivor = self.disk.power_loss(rng.next_u64());
        self.next_process(survivor);
    }

    /// The process is killed: what it wrote stays in the page cache.
    pub fn kill(&mut self) {
        if !crate::test_database::is_postgres() {
            let old = self.index();
            self.generation += 1;
            copy_index(&old, &self.index(), None);
        }
        let survivor = self.disk.process_kill();
        self.next_process(survivor);
    }

    fn next_process(&mut self, survivor: Arc<SimulatedDisk>) {
        self.disk = survivor;
        // The threads of the dead process must be gone before the next one starts; its disk refuses everything.
        self.stop();
    }

    /// Everything acknowledged is there and comes back as it was sent; nothing is there that cannot be read.
    pub fn check(&self, sent: &[Instance]) {
        let archive = self.archive();
        let acknowledged = self.acknowledged.lock().unwrap();
        for (digest, bytes) in acknowledged.iter() {
            let row = archive.db().instance_by_digest(digest).unwrap();
            let row = row.unwrap_or_else(|| panic!("acknowledged and lost: {digest}"));
            assert!(read(archive, &row).ends_with(bytes), "acknowledged and altered: {digest}");
        }
        for instance in sent {
            let sop = Uid::parse(&instance.sop_instance).unwrap();
            for version in archive.db().versions(None, &sop).unwrap() {
                read(archive, &version.instance);
            }
        }
        for row in archive.db().packs().unwrap() {
            let path = Path::new(PACKS).join(format!("{}.pack", row.name));
            if self.remote.is_some() && self.disk.contents(&path).is_err() {
                continue;
            }
            let reader = PackReader::open_lenient(&self.disk.disk(), &path).unwrap();
            // A pack whose making was interrupted may lack its header; then it holds nothing.
            let whole = reader.header_state() == HeaderState::Whole;
            assert!(whole || row.checkpoint <= FILE_HEADER_LENGTH, "a pack of the index has no header");
            // A pack whose disk failed ends without a seal, where it was last synced.
            // After a failed sync a seal may be readable and yet not durable; it is only a shortcut.
            if row.sealed && self.faultless && reader.seal().unwrap().is_none() {
                let last =
                    scan(&reader, FILE_HEADER_LENGTH, Verify::Bodies).filter_map(|found| match found {
                        Ok(Scanned::Record(record)) => Some(record.end()),
                        _ => None,
                    });
                assert_eq!(
                    last.last().unwrap_or(FILE_HEADER_LENGTH),
                    row.length,
                    "a sealed pack has no seal"
                );
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A folder in memory where there is one: the database is not what is simulated.
fn memory_dir() -> TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { TempDir::new_in(shm).unwrap() } else { TempDir::new().unwrap() }
}

/// Copies the index; with `rng` its write-ahead log is cut at a frame boundary, as a loss of power does
/// (SQLite file format, section 4: a header of 32 bytes, then frames of 24 bytes and a page).
fn copy_index(from: &Path, to: &Path, rng: Option<&mut Rng>) {
    let wal = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    let read = |path: &Path| std::fs::read(path).unwrap_or_default();
    // The process may be at work: a checkpoint in between would give a file and a log that never stood side by side.
    let (file, mut log) = loop {
        let (file, log) = (read(from), read(&wal(from)));
        let begins_alike = read(&wal(from)).get(..32) == log.get(..32);
        if begins_alike && read(from) == file {
            break (file, log);
        }
    };
    std::fs::write(to, file).unwrap();
    if log.is_empty() {
        return;
    }
    if let (Some(rng), true) = (rng, log.len() > 32) {
        let page = u32::from_be_bytes(log[8..12].try_into().unwrap()) as usize;
        let frames = (log.len() - 32) / (24 + page);
        log.truncate(32 + rng.index(frames + 1) * (24 + page));
    }
    std::fs::write(wal(to), log).unwrap();
}

pub fn read(archive: &Archive, row: &indexer::db::InstanceRow) -> Vec<u8> {
    let mut reader = archive.read(row).unwrap();
    let mut out = Vec::new();
    while let Some(bytes) = reader.next_chunk().unwrap_or_else(|e| panic!("there and unreadable: {e}")) {
        out.extend(bytes);
    }
    assert_eq!(out.len() as u64, reader.len());
    out
}

pub fn origin(facility: u32, syntax: &str) -> Origin {
    Origin {
        facility: FacilityId(facility),
        source: "test".into(),
        patient_id_is_order: false,
        issuer: String::new(),
        transfer_syntax: Uid::parse(syntax).unwrap(),
    }
}

/// An instance of its own study with nothing but what tells whose it is.
pub fn of_patient(number: usize, name: &str, id: &str) -> Instance {
    let mut set = DataSet::new();
    set.put(k::SPECIFIC_CHARACTER_SET, "ISO_IR 192")
        .put(k::SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.66")
        .put(k::SOP_INSTANCE_UID, format!("2.25.77{number}"))
        .put(k::PATIENT_NAME, name)
        .put(k::PATIENT_ID, id)
        .put(k::STUDY_INSTANCE_UID, format!("2.25.1{number}"))
        .put(k::SERIES_INSTANCE_UID, format!("2.25.2{number}"));
    let syntax = Syntax::EXPLICIT_LITTLE;
    Instance { syntax, data_set: set.encode(syntax), ..instance(11, Address::default(), 2) }
}

/// Waits for what another thread does.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "it never came to: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Stores a data set and waits for the answer.
pub fn store(archive: &Archive, facility: u32, instance: &Instance) -> Result<Stored, StoreError> {
    let mut store = archive.begin(origin(facility, instance.syntax.uid))?;
    for piece in instance.data_set.chunks(8 * 1024) {
        store.push(piece)?;
    }
    let (tell, told) = mpsc::channel();
    store.finish(&Expect::default(), move |result| drop(tell.send(result)));
    told.recv().unwrap()
}

/// A pool of instances: small and large ones, and copies of some under another header.
pub fn instances(seed: u64, n: u64) -> Vec<Instance> {
    let mut rng = Rng::new(seed);
    let mut all = Vec::new();
    for number in 0..n {
        let at = Address { study: number / 6, series: number / 3 % 2, number };
        let pixels = *rng.pick(&[64, 3000, 6000, 12_000, 30_000]);
        let made = instance(seed, at, pixels);
        if number % 4 == 1 {
            let edit = fixtures::edited::Edit::corrected("TRAN^THI MAU", "P-KHAC");
            all.extend(fixtures::edited::edited(&made, &edit));
        }
        all.push(made);
    }
    all
}
