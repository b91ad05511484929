//! Copying records byte for byte into a new pack: what repairs and what compacts writes by this alone.

use std::sync::Arc;
use std::sync::mpsc::channel;

use storage_config::ContentHash;
use storage_config::disk::SyncPoint;
use storage_config::pack::{Body, Kind, PackReader, PackWriter, Record};

use crate::archive::Shared;
use crate::archive::append::place;
use crate::archive::error::StoreError;
use crate::archive::index_writer::{Committed, Gate};
use crate::archive::recovery::entry_of;
use crate::db::{Batch, Entry, PackId, Place};

/// Why a record was not copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// The bytes to be copied are not whole.
    #[error("the copy is damaged too: {0}")]
    Damaged(&'static str),
    /// It cannot become rows.
    #[error("{0}")]
    Unindexable(String),
    /// It was to stop.
    #[error("stopped")]
    Stopped,
    /// It could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A new pack that takes copies of records.
pub(crate) struct CopyLane<'a> {
    shared: &'a Arc<Shared>,
    writer: PackWriter,
    pack: PackId,
    entries: Vec<Entry>,
    /// Whether what is written is kept elsewhere until this pack is as safe as an answer promises.
    behind: bool,
}

impl<'a> CopyLane<'a> {
    /// Makes the pack.
    ///
    /// # Errors
    /// When the disk fails or has no room for stores.
    pub(crate) fn open(shared: &'a Arc<Shared>) -> Result<CopyLane<'a>, StoreError> {
        if let Some(error) = shared.health.refuses() {
            return Err(error);
        }
        let (writer, pack) = shared.new_pack()?;
        Ok(CopyLane { shared, writer, pack, entries: Vec::new(), behind: false })
    }

    /// The same for what makes room: it may use what is kept free. What it takes is kept elsewhere until the pack is
    /// uploaded: no group of it is sent before.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub(crate) fn open_to_make_room(shared: &'a Arc<Shared>) -> Result<CopyLane<'a>, StoreError> {
        if let Some(error) = shared.health.refuses_making_room() {
            return Err(error);
        }
        let (writer, pack) = shared.new_pack()?;
        Ok(CopyLane { shared, writer, pack, entries: Vec::new(), behind: true })
    }

    /// A reader of another pack.
    ///
    /// # Errors
    /// [`CopyError::Store`] when it cannot be opened.
    pub(crate) fn reader_of(&self, pack: PackId) -> Result<Arc<PackReader>, CopyError> {
        let reader = self.shared.readers.get(self.shared, pack);
        reader.map_err(|error| StoreError::Unavailable(error.to_string()).into())
    }

    /// Whether something was appended that is not yet committed.
    pub(crate) fn has_news(&self) -> bool {
        !self.entries.is_empty()
    }

    /// The pack.
    pub(crate) fn pack(&self) -> PackId {
        self.pack
    }

    /// Appends a copy of `record` of `from`, read and hashed on the way. `took` hears how many bytes were read and says
    /// whether to go on. The pack is as before after an error.
    ///
    /// # Errors
    /// [`CopyError`].
    pub(crate) fn append(
        &mut self,
        from: &PackReader,
        record: &Record,
        took: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Place, CopyError> {
        let start = self.writer.len();
        let copied = self.copy(from, record, took);
        if copied.is_err()
            && let Err(error) = self.writer.cut_back(start)
        {
            self.shared.health.note_disk(&error);
        }
        copied
    }

    fn copy(
        &mut self,
        from: &PackReader,
        record: &Record,
        took: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Place, CopyError> {
        let writer = &mut self.writer;
        writer.begin(record.kind, record.facility).map_err(StoreError::from)?;
        let body = from.verify_body(record, &mut |block| {
            writer.write(block)?;
            Ok::<bool, storage_config::pack::PackError>(took(block.len() as u64))
        });
        match body.map_err(StoreError::from)? {
            Body::Whole => {}
            Body::Damaged(what) => return Err(CopyError::Damaged(what)),
            Body::Unread => return Err(CopyError::Stopped),
            Body::Unreadable => {
                return Err(
                    StoreError::Unavailable("the disk does not give what is to be copied".into()).into()
                );
            }
        }
        let extent = writer.end(record.raw_sha256).map_err(StoreError::from)?;
        Ok(place(self.pack, &extent))
    }

    /// Appends a record whose body is in memory.
    ///
    /// # Errors
    /// [`CopyError::Store`]; the pack is as before.
    pub(crate) fn append_bytes(
        &mut self,
        kind: Kind,
        facility: u32,
        body: &[u8],
        hash: ContentHash,
    ) -> Result<Place, CopyError> {
        let extent = self.writer.append(kind, facility, &[body], hash).map_err(StoreError::from)?;
        Ok(place(self.pack, &extent))
    }

    /// Has a copied bulk value become a row.
    pub(crate) fn note_bulk(&mut self, record: &Record, at: Place) {
        self.entries.push(Entry::Bulk { hash: record.raw_sha256, place: at });
    }

    /// Has a copied record become what any record of its kind becomes when it arrives.
    ///
    /// # Errors
    /// In words, when it cannot become rows.
    pub(crate) fn note(&mut self, from: &PackReader, record: &Record, at: Place) -> Result<(), CopyError> {
        let entry = entry_of(self.shared, from, record, at).map_err(CopyError::Unindexable)?;
        self.entries.extend(entry.map(decided_at_once));
        Ok(())
    }

    /// Has a copied record become this entry.
    pub(crate) fn note_as(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Makes what was appended durable, then rows of it.
    ///
    /// # Errors
    /// When either fails; the pack is then given up, or indexed later.
    pub(crate) fn commit(&mut self) -> Result<(), StoreError> {
        let stopping = || StoreError::Unavailable("the archive is stopping".into());
        let checkpoints = vec![(self.pack, self.writer.len())];
        let batch = Batch { entries: std::mem::take(&mut self.entries), checkpoints, ..Batch::default() };
        if self.behind {
            self.writer.sync(SyncPoint::Copy).inspect_err(|error| self.shared.health.note_disk(error))?;
        } else {
            self.shared.make_durable(&mut self.writer, self.pack, SyncPoint::Copy)?;
        }
        let (opener, synced) = Gate::new();
        opener.open(Ok(()));
        let (done, answer) = channel();
        self.shared.index.commit(Committed { batch, finishes: Vec::new(), stated: vec![done], synced });
        answer.recv().map_err(|_| stopping())?
    }

    /// Goes on in a new pack when this one is full.
    ///
    /// # Errors
    /// As [`CopyLane::commit`] and [`CopyLane::open`].
    pub(crate) fn roll(&mut self) -> Result<(), StoreError> {
        if self.writer.should_seal(self.shared.options.store.pack_bytes) {
            self.commit()?;
            let full = std::mem::replace(self, CopyLane::open(self.shared)?);
            full.seal();
        }
        Ok(())
    }

    /// Seals the pack.
    pub(crate) fn seal(self) {
        self.shared.seal(self.writer, self.pack);
    }

    /// Gives the pack up: nothing of it after its last sync counts.
    pub(crate) fn give_up(self) {
        self.shared.retire(&self.writer, self.pack);
    }
}

fn decided_at_once(entry: Entry) -> Entry {
    match entry {
        Entry::Statement { place, statement, .. } => Entry::Statement { place, statement, later: false },
        entry => entry,
    }
}
