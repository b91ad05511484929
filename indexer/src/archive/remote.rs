//! Where sealed packs go besides the disk: which are there, which still wait, which files may go (STORE.md rules 4, 11, 27).
//!
//! What is kept here is memory; it is made again at each start from the rows, the files and the bucket. Knows packs as
//! names and lengths, never what they hold.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use storage_config::config::Ack;
use storage_config::disk::DiskFile;
use storage_config::object::{Blocks, Effort, ObjectError, ObjectFile, ObjectPart, Objects};
use storage_config::pack::{FILE_HEADER_LENGTH, HeaderState, PackName, PackReader, PackWriter};

use super::error::{ReadError, StoreError};
use crate::db::PackId;

/// Folder of whole packs in the bucket.
const PACKS: &str = "packs";
/// Folder of the groups of packs that are not whole yet.
const GROUPS: &str = "groups";

/// How often to look for objects that were given up, here or at another server.
const RETIRED_LOOK: Duration = Duration::from_secs(2);

/// An object store for sealed packs, and how it is used.
#[derive(Clone, Debug)]
pub struct Remote {
    /// The bucket.
    pub objects: Objects,
    /// When a store is answered.
    pub ack: Ack,
    /// Bytes of packs that may wait for their upload.
    pub backlog_bytes: u64,
    /// Bytes of files of uploaded packs that stay.
    pub cache_bytes: u64,
    /// Bytes of objects in memory.
    pub block_cache_bytes: u64,
    /// How long without a record until a pack is sealed.
    pub seal_idle: Duration,
    /// How long after its first record a pack is sealed.
    pub seal_age: Duration,
    /// How long to wait after an upload failed; longer each time, up to sixty times this.
    pub retry: Duration,
    /// How long the object of a pack stays that was written anew, for those who are reading it.
    pub retired: Duration,
}

/// The packs of an archive as seen from the bucket.
pub(crate) struct Uploads {
    pub(crate) remote: Remote,
    blocks: Arc<Blocks>,
    state: Mutex<State>,
    /// Held while packs are uploaded or files removed, so that a rebuild can keep both away.
    pub(crate) turn: Mutex<()>,
}

#[derive(Default)]
struct State {
    waiting: HashMap<PackId, Waiting>,
    cached: HashMap<PackId, Cached>,
    /// Those of them whose file could not be read: their object is read instead, and the file goes once that is proved.
    doubted: BTreeSet<PackId>,
    /// Packs that are whole in the bucket and whose groups may be there still.
    stale: BTreeSet<PackName>,
    /// Packs of before the start that answers rely on.
    behind: BTreeSet<PackId>,
    /// When to look next for objects that were given up.
    retired_look: Option<Instant>,
    clock: u64,
    /// Whether the bucket did not take what an answer waited for.
    away: bool,
}

/// A pack that is not in the bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    /// Bytes that are here alone.
    pub(crate) length: u64,
    /// When it got its first record.
    pub(crate) begun: Instant,
    touched: Instant,
    sealed: bool,
    tries: u32,
}

/// The file of a pack that is in the bucket.
struct Cached {
    length: u64,
    used: u64,
}

/// What waits for its upload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Bytes that are on this disk alone.
    pub bytes: u64,
    /// How long the oldest of them have waited.
    pub oldest: Duration,
}

impl Uploads {
    pub(crate) fn new(remote: Remote) -> Uploads {
        let blocks = Arc::new(Blocks::new(remote.block_cache_bytes));
        Uploads { remote, blocks, state: Mutex::default(), turn: Mutex::default() }
    }

    /// Forgets everything: the packs are to be known by other numbers.
    pub(crate) fn reset(&self) {
        *self.lock() = State::default();
    }

    /// Takes note of bytes that were written to a pack, `length` with all before.
    pub(crate) fn written(&self, pack: PackId, length: u64) {
        let now = Instant::now();
        let new = Waiting { length, begun: now, touched: now, sealed: false, tries: 0 };
        let mut state = self.lock();
        let waiting = state.waiting.entry(pack).or_insert(new);
        waiting.length = waiting.length.max(length);
        waiting.touched = now;
    }

    /// Takes note that a pack is sealed at `length` and can be uploaded.
    pub(crate) fn sealed(&self, pack: PackId, length: u64) {
        let mut state = self.lock();
        if length <= FILE_HEADER_LENGTH {
            state.waiting.remove(&pack);
            return;
        }
        let now = Instant::now();
        let new = Waiting { length, begun: now, touched: now, sealed: true, tries: 0 };
        let waiting = state.waiting.entry(pack).or_insert(new);
        (waiting.length, waiting.sealed) = (length, true);
    }

    /// Takes note of a sealed pack that a start found. With `ack = "remote"` a copy of what it holds would be answered
    /// with a success that only the bucket can keep: no store is taken before it is there.
    pub(crate) fn found(&self, pack: PackId, length: u64) {
        self.sealed(pack, length);
        let mut state = self.lock();
        if self.remote.ack == Ack::Remote && state.waiting.contains_key(&pack) {
            state.behind.insert(pack);
        }
    }

    /// Takes note of the file of a pack that is in the bucket.
    pub(crate) fn cached(&self, pack: PackId, length: u64) {
        let mut state = self.lock();
        state.waiting.remove(&pack);
        state.behind.remove(&pack);
        state.clock += 1;
        let used = state.clock;
        state.cached.insert(pack, Cached { length, used });
    }

    /// Takes note that a pack whole in the bucket may have groups there.
    pub(crate) fn stale(&self, name: PackName) {
        self.lock().stale.insert(name);
    }

    /// A pack is read.
    pub(crate) fn used(&self, pack: PackId) {
        let mut state = self.lock();
        state.clock += 1;
        let now = state.clock;
        if let Some(cached) = state.cached.get_mut(&pack) {
            cached.used = now;
        }
    }

    /// Whether a pack with records is to be sealed, so that it can be uploaded.
    pub(crate) fn seal_is_due(&self, pack: PackId) -> bool {
        let state = self.lock();
        let all: u64 = state.waiting.values().map(|waiting| waiting.length).sum();
        // Only where nothing else can be uploaded to make room: not a pack for every group while the bucket is away.
        let stuck = all > self.remote.backlog_bytes / 2 && !state.waiting.values().any(|w| w.sealed);
        state.waiting.get(&pack).is_some_and(|waiting| {
            waiting.touched.elapsed() >= self.remote.seal_idle
                || waiting.begun.elapsed() >= self.remote.seal_age
                || stuck
        })
    }

    /// What waits.
    pub(crate) fn backlog(&self) -> Backlog {
        let state = self.lock();
        let bytes = state.waiting.values().map(|waiting| waiting.length).sum();
        let oldest = state.waiting.values().map(|waiting| waiting.begun.elapsed()).max();
        Backlog { bytes, oldest: oldest.unwrap_or_default() }
    }

    /// Why no store is to be taken.
    pub(crate) fn refuses(&self) -> Option<String> {
        {
            let state = self.lock();
            if state.away {
                return Some("the object store does not answer".into());
            }
            if !state.behind.is_empty() {
                return Some("packs of before the start are not in the object store yet".into());
            }
        }
        let (backlog, most) = (self.backlog().bytes, self.remote.backlog_bytes);
        (backlog > most).then(|| format!("{backlog} bytes wait for their upload, {most} may"))
    }

    /// Takes note whether the bucket takes what answers wait for.
    pub(crate) fn set_away(&self, away: bool) {
        self.lock().away = away;
    }

    /// Whether the bucket failed an answer and has not been seen to work since.
    pub(crate) fn is_away(&self) -> bool {
        self.lock().away
    }

    /// The sealed pack that is to be uploaded next.
    pub(crate) fn next(&self) -> Option<(PackId, u64)> {
        let mut state = self.lock();
        let sealed = state.waiting.iter_mut().filter(|(_, waiting)| waiting.sealed);
        let (pack, waiting) = sealed.min_by_key(|(_, waiting)| (waiting.tries, waiting.begun))?;
        waiting.tries += 1;
        Some((*pack, waiting.length))
    }

    /// The file that is to go first: one that could not be read, else while those of uploaded packs are too many bytes.
    pub(crate) fn too_many(&self) -> Option<PackId> {
        let state = self.lock();
        if let Some(pack) = state.doubted.first() {
            return Some(*pack);
        }
        let bytes: u64 = state.cached.values().map(|cached| cached.length).sum();
        metrics::gauge!("archive_cached_pack_bytes").set(bytes as f64);
        let oldest = || state.cached.iter().min_by_key(|(_, cached)| cached.used).map(|(pack, _)| *pack);
        if bytes > self.remote.cache_bytes { oldest() } else { None }
    }

    /// Whether the file of a pack is no more than a copy; it does not count as one after this.
    pub(crate) fn give_up_file(&self, pack: PackId) -> bool {
        let mut state = self.lock();
        state.doubted.remove(&pack);
        state.cached.remove(&pack).is_some()
    }

    /// Whether the file of a pack is no more than a copy.
    pub(crate) fn is_copy(&self, pack: PackId) -> bool {
        self.lock().cached.contains_key(&pack)
    }

    /// The file of a pack stays whatever room it takes, because its object is not whole, until the next start.
    pub(crate) fn keep_file(&self, pack: PackId) {
        self.give_up_file(pack);
    }

    /// A file that is a copy could not be read: its object is read from now on. Whether that is news.
    pub(crate) fn doubt(&self, pack: PackId) -> bool {
        let mut state = self.lock();
        state.cached.contains_key(&pack) && state.doubted.insert(pack)
    }

    /// Whether the object of a pack is to be read although its file is here.
    pub(crate) fn is_doubted(&self, pack: PackId) -> bool {
        self.lock().doubted.contains(&pack)
    }

    /// Objects were given up: the next look for them is due.
    pub(crate) fn look_for_retired(&self) {
        self.lock().retired_look = None;
    }

    /// Whether a look for objects that were given up is due; the next one is a while after it.
    pub(crate) fn is_retired_due(&self) -> bool {
        let mut state = self.lock();
        let due = state.retired_look.is_none_or(|next| next <= Instant::now());
        if due {
            state.retired_look = Some(Instant::now() + RETIRED_LOOK);
        }
        due
    }

    /// Takes out the packs whose groups may be removed.
    pub(crate) fn take_stale(&self) -> BTreeSet<PackName> {
        std::mem::take(&mut self.lock().stale)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what a writer has appended since its last sync, before it is synced: with `ack = "remote"` an answer waits
    /// for both. After an error the pack must not be written any more, because the bytes may arrive all the same.
    pub(crate) fn send_group(&self, writer: &PackWriter) -> Result<(), StoreError> {
        if self.remote.ack != Ack::Remote {
            return Ok(());
        }
        // The file header goes with the first group.
        let from = if writer.synced_len() == FILE_HEADER_LENGTH { 0 } else { writer.synced_len() };
        let key = group_key(writer.name(), from);
        let begun = Instant::now();
        let sent = self.remote.objects.put_range(&key, writer.file(), from..writer.len());
        metrics::histogram!("archive_group_upload_seconds").record(begun.elapsed().as_secs_f64());
        self.set_away(sent.is_err());
        sent.map_err(|error| {
            tracing::error!(%error, "a group of records was not taken by the object store");
            StoreError::Unavailable("the object store does not answer".into())
        })
    }

    /// The pack as an object of `length` bytes.
    pub(crate) fn object(&self, name: &PackName, length: u64) -> ObjectFile {
        self.file(vec![ObjectPart { key: pack_key(name).into(), start: 0, length }])
    }

    /// The groups of a pack, as far as they join.
    pub(crate) fn groups(&self, parts: Vec<ObjectPart>) -> ObjectFile {
        self.file(parts)
    }

    fn file(&self, parts: Vec<ObjectPart>) -> ObjectFile {
        ObjectFile::new(self.remote.objects.clone(), self.blocks.clone(), parts)
    }

    /// Opens a pack whose file is not here: the object of `length` bytes, or without one the groups that are there.
    pub(crate) fn open(&self, name: &PackName, length: Option<u64>) -> Result<PackReader, ReadError> {
        let away = |error: ObjectError| ReadError::Away(error.to_string());
        let file = match length {
            Some(length) => self.object(name, length),
            None => {
                let parts = self.list_groups(&format!("{GROUPS}/{name}"), Effort::Quick).map_err(away)?;
                self.groups(parts.into_iter().map(|(_, part)| part).collect())
            }
        };
        if file.is_empty() {
            return Err(ReadError::Away(format!(
                "pack {name} is neither on this disk nor in the bucket yet"
            )));
        }
        let reader = PackReader::open_object(file, *name)?;
        match reader.header_state() {
            HeaderState::Whole => Ok(reader),
            _ => Err(ReadError::Damaged(format!("the header of the object of pack {name}"))),
        }
    }

    /// Whether the bucket can do what is needed.
    pub(crate) fn probe(&self, id: [u8; 16]) -> Result<(), ObjectError> {
        self.remote.objects.probe(id)
    }

    /// All whole packs of the bucket, with their lengths.
    pub(crate) fn list_packs(&self) -> Result<Vec<(PackName, u64)>, ObjectError> {
        let listed = self.remote.objects.list(PACKS, Effort::Patient)?;
        let named = listed.iter().filter_map(|object| {
            let name = PackName::of_path(std::path::Path::new(&object.key)).ok()?;
            Some((name, object.length))
        });
        Ok(named.collect())
    }

    /// All groups of the bucket.
    pub(crate) fn list_all_groups(&self) -> Result<Vec<(PackName, ObjectPart)>, ObjectError> {
        self.list_groups(GROUPS, Effort::Patient)
    }

    fn list_groups(&self, folder: &str, effort: Effort) -> Result<Vec<(PackName, ObjectPart)>, ObjectError> {
        let listed = self.remote.objects.list(folder, effort)?;
        let parts = listed.into_iter().filter_map(|object| {
            let mut path = object.key.rsplit('/');
            let start = u64::from_str_radix(path.next()?, 16).ok()?;
            let name = path.next()?.parse().ok()?;
            Some((name, ObjectPart { key: object.key.as_str().into(), start, length: object.length }))
        });
        Ok(parts.collect())
    }

    /// Removes the groups of a pack that is whole in the bucket.
    pub(crate) fn remove_groups(&self, name: &PackName) -> Result<(), ObjectError> {
        for (_, part) in self.list_groups(&format!("{GROUPS}/{name}"), Effort::Patient)? {
            self.remote.objects.delete(&part.key, Effort::Patient)?;
        }
        Ok(())
    }
}

/// The key of a whole pack. Nothing in a key comes from a peer.
pub(crate) fn pack_key(name: &PackName) -> String {
    format!("{PACKS}/{}", name.file_name())
}

/// The key of the group of a pack that begins at `from`.
fn group_key(name: &PackName, from: u64) -> String {
    format!("{GROUPS}/{name}/{from:016x}")
}

/// Uploads the first `length` bytes of a pack's file.
pub(crate) fn upload(
    remote: &Remote,
    name: &PackName,
    file: &DiskFile,
    length: u64,
    stop: &dyn Fn() -> bool,
) -> Result<storage_config::object::Uploaded, ObjectError> {
    remote.objects.upload(&pack_key(name), file, length, stop)
}
