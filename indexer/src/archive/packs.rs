//! The packs of this archive: making, sealing and giving up writers; open readers.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use storage_config::ContentHash;
use storage_config::config::Ack;
use storage_config::disk::SyncPoint;
use storage_config::pack::{
    FILE_HEADER_LENGTH, Identity, PackError, PackName, PackReader, PackWriter, SealedLedger,
};

use super::error::{ReadError, StoreError};
use super::{Archive, ArchiveOptions, Shared};
use crate::db::{DbError, PackId, Place};
use crate::ledger::chain::Head;

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

/// Who writes packs in this process: one more than the epoch of any pack that is here.
pub(crate) fn next_identity(options: &ArchiveOptions) -> std::io::Result<Identity> {
    let names = options.disk.list(&options.packs_dir)?;
    let epochs = names.iter().filter_map(|n| PackName::of_path(Path::new(n)).ok()).map(|n| n.identity.epoch);
    Ok(Identity { writer: options.writer, epoch: epochs.max().unwrap_or(0).saturating_add(1) })
}

/// The names of packs of the index, and whether each is one of this server: on its disk, or its own in a bucket.
#[derive(Default)]
pub(crate) struct PackNames(RwLock<HashMap<PackId, (PackName, bool)>>);

impl PackNames {
    /// Takes note of a pack of this server.
    pub(crate) fn add(&self, pack: PackId, name: PackName) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(pack, (name, true));
    }

    /// Takes note of a pack whose bytes are nowhere.
    pub(crate) fn lose(&self, pack: PackId, name: PackName) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(pack, (name, false));
    }

    /// The name of a pack; of one that another server made, from the index.
    pub(crate) fn get(&self, shared: &Shared, pack: PackId) -> Result<PackName, ReadError> {
        if let Some(name) = self.known(pack) {
            return Ok(name);
        }
        for row in shared.db.packs()? {
            if let Ok(name) = row.name.parse() {
                self.0.write().unwrap_or_else(PoisonError::into_inner).entry(row.id).or_insert((name, false));
            }
        }
        self.known(pack).ok_or_else(|| ReadError::Missing(format!("pack {pack:?}")))
    }

    /// The name of a pack, if it is known without the index.
    pub(crate) fn known(&self, pack: PackId) -> Option<PackName> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&pack).map(|(name, _)| *name)
    }

    /// Whether a pack is one of this server.
    pub(crate) fn is_here(&self, pack: PackId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&pack).is_some_and(|(_, here)| *here)
    }
}

/// Readers that are open, by pack.
#[derive(Default)]
pub(crate) struct Readers(Mutex<HashMap<PackId, (Arc<PackReader>, u64)>>);

impl Readers {
    /// The reader of a pack, opened if it is not; the longest unused one is closed when there are too many.
    pub(crate) fn get(&self, shared: &Shared, pack: PackId) -> Result<Arc<PackReader>, ReadError> {
        let mut open = self.lock();
        let now = open.values().map(|(_, used)| *used).max().unwrap_or(0) + 1;
        if let Some((reader, used)) = open.get_mut(&pack) {
            *used = now;
            return Ok(reader.clone());
        }
        drop(open);
        // Opening may wait for a bucket: nobody who reads another pack is to wait with it.
        let name = shared.names.get(shared, pack)?;
        let reader = Arc::new(shared.open_pack(pack, &name)?);
        open = self.lock();
        if open.len() >= OPEN_READERS {
            let oldest = open.iter().min_by_key(|(_, (_, used))| *used).map(|(pack, _)| *pack);
            oldest.and_then(|pack| open.remove(&pack));
        }
        open.insert(pack, (reader.clone(), now));
        Ok(reader)
    }

    /// Closes all readers.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Closes the reader of a pack.
    pub(crate) fn forget(&self, pack: PackId) {
        self.lock().remove(&pack);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PackId, (Arc<PackReader>, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Archive {
    /// How many packs the index has and neither the disk nor the bucket. Those of other servers of a shared index are
    /// theirs to look for.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn missing_packs(&self) -> Result<u64, DbError> {
        let shared = &self.shared;
        // A folder that cannot be listed is told of by whoever reads from it.
        let Ok(files) = shared.options.disk.list(&shared.options.packs_dir) else { return Ok(0) };
        let files: HashSet<OsString> = files.into_iter().collect();
        let uploaded: HashSet<PackId> =
            shared.db.pack_objects()?.into_iter().map(|object| object.pack).collect();
        let missing = shared.db.packs()?.into_iter().filter(|row| {
            let Ok(name) = row.name.parse::<PackName>() else { return false };
            let own = !shared.db.is_shared() || name.identity.writer == shared.identity.writer;
            own && !row.removed
                && !uploaded.contains(&row.id)
                && !files.contains(OsStr::new(&name.file_name()))
        });
        Ok(missing.count() as u64)
    }
}

impl Shared {
    /// The reader of the pack in which a record is.
    pub(crate) fn reader(&self, place: &Place) -> Result<Arc<PackReader>, ReadError> {
        let reader = self.readers.get(self, place.pack)?;
        if let Some(uploads) = &self.uploads {
            uploads.used(place.pack);
        }
        let short = |reader: &PackReader| {
            let end = place.offset.saturating_add(place.length);
            reader.is_object() && reader.len().is_ok_and(|length| length < end)
        };
        if !short(&reader) {
            return Ok(reader);
        }
        // Of another node, in groups or through it: there may be more by now.
        self.readers.forget(place.pack);
        let reader = self.readers.get(self, place.pack)?;
        if short(&reader) {
            return Err(ReadError::Away("the end of a pack is not in the bucket yet".into()));
        }
        Ok(reader)
    }

    /// Reads where a record is; once more where its pack was read from groups that the whole pack has replaced since.
    pub(crate) fn read_at<T>(
        &self,
        place: &Place,
        read: impl Fn(&Arc<PackReader>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let reader = self.reader(place)?;
        match read(&reader) {
            Err(ReadError::Away(_)) if self.has_moved(place.pack, &reader) => read(&self.reader(place)?),
            result => result,
        }
    }

    /// Whether a pack is whole in the bucket by now although `reader` reads groups of it; it is opened anew then.
    pub(crate) fn has_moved(&self, pack: PackId, reader: &PackReader) -> bool {
        let whole =
            |length| self.db.pack_object(pack).is_ok_and(|now| now.is_some_and(|o| o.length != length));
        let uploaded = || matches!(self.db.pack_object(pack), Ok(Some(_)));
        let moved =
            reader.is_object() && (reader.len().is_ok_and(whole) || (reader.is_passing() && uploaded()));
        if moved {
            self.readers.forget(pack);
        }
        moved
    }

    /// Opens a pack for reading: its file, else what the bucket has of it, else through the server that has it.
    pub(crate) fn open_pack(&self, pack: PackId, name: &PackName) -> Result<PackReader, ReadError> {
        let path = self.options.packs_dir.join(name.file_name());
        if let Some(uploads) = self.uploads.as_ref().filter(|uploads| uploads.is_doubted(pack))
            && let Some(object) = self.db.pack_object(pack)?
        {
            return uploads.open(name, Some(object.length));
        }
        // Its records say for themselves whether they are of this pack, also where the header of the file is damaged.
        match (PackReader::open_lenient(&self.options.disk, &path), &self.uploads) {
            (Err(PackError::Io { source, .. }), Some(uploads)) if source.kind() == ErrorKind::NotFound => {
                match uploads.open(name, self.db.pack_object(pack)?.map(|object| object.length)) {
                    Err(ReadError::Away(away)) => {
                        self.open_at_owner(name)?.ok_or_else(|| ReadError::Away(away))
                    }
                    opened => opened,
                }
            }
            (Err(PackError::Io { source, .. }), None)
                if source.kind() == ErrorKind::NotFound && self.asks_owners() =>
            {
                let away = || ReadError::Away(format!("pack {name} is on the disk of another server"));
                self.open_at_owner(name)?.ok_or_else(away)
            }
            (opened, _) => Ok(opened?),
        }
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

    /// Makes what was appended to a pack as durable as an answer promises. After an error nothing of it is, and the pack
    /// must not be written any more.
    pub(crate) fn make_durable(
        &self,
        writer: &mut PackWriter,
        pack: PackId,
        point: SyncPoint,
    ) -> Result<(), StoreError> {
        if let Some(uploads) = &self.uploads {
            uploads.send_group(writer).inspect_err(|_| self.look_at_backlog())?;
        }
        let begun = Instant::now();
        let result = writer.sync(point);
        let lane = if point == SyncPoint::Group { "group" } else { "stream" };
        metrics::histogram!("archive_sync_seconds", "lane" => lane).record(begun.elapsed().as_secs_f64());
        result.inspect_err(|error| self.health.note_disk(error))?;
        self.note_written(pack, writer.len());
        Ok(())
    }

    /// Seals a pack that is full or is not to be written any more. A pack that cannot be sealed is complete all the
    /// same: what was acknowledged in it is synced and indexed.
    pub(crate) fn seal(&self, mut writer: PackWriter, pack: PackId) {
        let synced = writer.synced_len();
        // What is indexed was synced before. A seal without it says less and is as good otherwise.
        if let Ok(Some(Head { writer: of, count, head })) = self.db.ledger_head(self.identity.writer) {
            writer.set_ledger(SealedLedger { writer: of, count, head: head.0 });
        }
        let length = match writer.seal() {
            Ok(sealed) => sealed.length,
            Err(error) => {
                self.health.note_disk(&error);
                synced
            }
        };
        self.set_sealed(pack, length, synced);
    }

    /// Gives a pack up after its disk failed: nothing after its last good sync is ever read.
    pub(crate) fn retire(&self, writer: &PackWriter, pack: PackId) {
        // What was never synced was never acknowledged. After a crash the page cache could show it as good although
        // the disk does not have it, so it is cut off; where even that fails, the row below says where to stop.
        let cut = self.options.disk.open_write(writer.path()).and_then(|f| f.truncate(writer.synced_len()));
        if let Err(error) = cut {
            tracing::warn!(%error, "the unsynced end of a failed pack could not be cut off");
        }
        self.set_sealed(pack, writer.synced_len(), writer.synced_len());
    }

    /// Has a pack of `length` bytes, synced up to `synced` before its seal, counted as sealed once all its records are
    /// rows.
    fn set_sealed(&self, pack: PackId, length: u64, synced: u64) {
        let uploads = self.uploads.clone();
        // Of a pack without a record nothing is indexed.
        let upto = if synced <= FILE_HEADER_LENGTH { 0 } else { synced };
        self.index.in_order(move |db| match db.seal_indexed(pack, length, upto) {
            Ok(true) => uploads.iter().for_each(|uploads| uploads.sealed(pack, length)),
            // Nor is it uploaded: that would count it as sealed.
            Ok(false) => {
                tracing::warn!("a pack has records that are no rows yet; it is read at the next start")
            }
            // Whatever runs here runs after all rows before it.
            Err(error) => {
                tracing::warn!(%error, "a pack's state was not noted; it will be scanned at the next start");
                uploads.iter().for_each(|uploads| uploads.sealed(pack, length));
            }
        });
    }

    /// Whether what a pack holds is as safe as an answer of this server promises: it is on this disk or in the bucket.
    /// Where answers wait for the bucket, rows of another server's pack stand for bytes in it.
    pub(crate) fn is_here(&self, pack: PackId) -> bool {
        let waits = self.uploads.as_ref().is_some_and(|uploads| uploads.remote.ack == Ack::Remote);
        !self.db.has_lost(pack) && (waits || self.names.is_here(pack))
    }

    /// Whether a copy of a bulk value that is not known to be damaged is in a pack of this server.
    pub(crate) fn has_good_bulk(&self, hash: &ContentHash) -> Result<bool, StoreError> {
        let good = self.db.bulk_locations(hash)?;
        Ok(good.iter().any(|location| location.may_be_counted_on() && self.is_here(location.place.pack)))
    }
}
