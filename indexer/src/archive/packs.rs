//! The packs of this archive: making, sealing and giving up writers; open readers.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use storage_config::ContentHash;
use storage_config::pack::{Identity, PackName, PackReader, PackWriter};

use super::error::{ReadError, StoreError};
use super::{ArchiveOptions, Shared};
use crate::db::{Job, PackId};

/// How far each pack of this process was indexed for good, and over which connection of the index.
#[derive(Default)]
pub(crate) struct Marks(Mutex<(HashMap<PackId, u64>, Option<u64>)>);

impl Marks {
    /// Takes note of marks that were committed.
    pub(crate) fn advance(&self, marks: impl IntoIterator<Item = (PackId, u64)>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (pack, mark) in marks {
            let known = state.0.entry(pack).or_default();
            *known = mark.max(*known);
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<(PackId, u64)> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.iter().map(|(pack, mark)| (*pack, *mark)).collect()
    }

    /// The connection that is known to have them all.
    pub(crate) fn epoch(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Forgets them: the index is made again.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clear();
    }

    /// A connection has them all.
    pub(crate) fn hold_for(&self, epoch: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(epoch);
    }
}

/// Open readers kept at most; each is one file descriptor.
const OPEN_READERS: usize = 128;
/// The number of the node; an archive of one node has this one.
const WRITER: u32 = 1;

/// Who writes packs in this process: one more than the epoch of any pack that is here.
pub(crate) fn next_identity(options: &ArchiveOptions) -> std::io::Result<Identity> {
    let names = options.disk.list(&options.packs_dir)?;
    let epochs = names.iter().filter_map(|n| PackName::of_path(Path::new(n)).ok()).map(|n| n.identity.epoch);
    Ok(Identity { writer: WRITER, epoch: epochs.max().unwrap_or(0).saturating_add(1) })
}

/// The names of all packs of the index.
#[derive(Default)]
pub(crate) struct PackNames(RwLock<HashMap<PackId, PackName>>);

impl PackNames {
    /// Takes note of a pack.
    pub(crate) fn add(&self, pack: PackId, name: PackName) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(pack, name);
    }

    pub(crate) fn get(&self, pack: PackId) -> Option<PackName> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&pack).copied()
    }
}

/// Readers that are open, by pack.
#[derive(Default)]
pub(crate) struct Readers(Mutex<HashMap<PackId, (Arc<PackReader>, u64)>>);

impl Readers {
    /// The reader of a pack, opened if it is not; the longest unused one is closed when there are too many.
    pub(crate) fn get(&self, shared: &Shared, pack: PackId) -> Result<Arc<PackReader>, ReadError> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = open.values().map(|(_, used)| *used).max().unwrap_or(0) + 1;
        if let Some((reader, used)) = open.get_mut(&pack) {
            *used = now;
            return Ok(reader.clone());
        }
        let name = shared.names.get(pack).ok_or_else(|| ReadError::Missing(format!("pack {pack:?}")))?;
        let reader = Arc::new(shared.open_pack(&name)?);
        if open.len() >= OPEN_READERS {
            let oldest = open.iter().min_by_key(|(_, (_, used))| *used).map(|(pack, _)| *pack);
            oldest.and_then(|pack| open.remove(&pack));
        }
        open.insert(pack, (reader.clone(), now));
        Ok(reader)
    }

    /// Closes all readers.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Shared {
    /// Opens a pack for reading.
    pub(crate) fn open_pack(&self, name: &PackName) -> Result<PackReader, ReadError> {
        Ok(PackReader::open(&self.options.disk, &self.options.packs_dir.join(name.file_name()))?)
    }

    /// Makes a pack, durable as an empty one, and its row. One at a time: a failed sync of the folder leaves every
    /// name in doubt that was waiting for it, so no other name may wait.
    pub(crate) fn new_pack(&self) -> Result<(PackWriter, PackId), StoreError> {
        let _alone = self.making_pack.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = PackWriter::create(&self.options.disk, &self.options.packs_dir, self.identity)
            .inspect_err(|error| self.health.note_disk(error))?;
        let name = *writer.name();
        let pack = self.db.pack_id(&name.to_string())?;
        self.names.add(pack, name);
        Ok((writer, pack))
    }

    /// Seals a pack that is full or is not to be written any more. A pack that cannot be sealed is complete all the
    /// same: what was acknowledged in it is synced and indexed.
    pub(crate) fn seal(&self, writer: PackWriter, pack: PackId) {
        let synced = writer.synced_len();
        let length = match writer.seal() {
            Ok(sealed) => sealed.length,
            Err(error) => {
                self.health.note_disk(&error);
                synced
            }
        };
        self.set_sealed(pack, length);
    }

    /// Gives a pack up after its disk failed: nothing after its last good sync is ever read.
    pub(crate) fn retire(&self, writer: &PackWriter, pack: PackId) {
        // What was never synced was never acknowledged. After a crash the page cache could show it as good although
        // the disk does not have it, so it is cut off; where even that fails, the row below says where to stop.
        let cut = self.options.disk.open_write(writer.path()).and_then(|f| f.truncate(writer.synced_len()));
        if let Err(error) = cut {
            tracing::warn!(%error, "the unsynced end of a failed pack could not be cut off");
        }
        self.set_sealed(pack, writer.synced_len());
    }

    fn set_sealed(&self, pack: PackId, length: u64) {
        self.index.in_order(move |db| {
            if let Err(error) = db.background(&Job::PackSealed { pack, length }) {
                tracing::warn!(%error, "a pack's state was not noted; it will be scanned at the next start");
            }
        });
    }

    /// Whether a pack is on the disk of this server.
    pub(crate) fn is_here(&self, pack: PackId) -> bool {
        self.names.get(pack).is_some()
    }

    /// Whether a copy of a bulk value that is not known to be damaged is in a pack of this server.
    pub(crate) fn has_good_bulk(&self, hash: &ContentHash) -> Result<bool, StoreError> {
        Ok(self
            .db
            .bulk_locations(hash)?
            .iter()
            .any(|location| !location.damaged && self.is_here(location.place.pack)))
    }
}
