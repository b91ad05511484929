//! Writing a pack: append, sync, seal.
//!
//! A writer owns its file alone. It holds no body in memory: bytes go from the caller's slices to the file. What it
//! does keep is the list for the seal, 64 bytes for each record, of which there are at most [`MAX_RECORDS`].

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::PackError;
use super::footer::{SealEntry, SealIndex, SealedBy, SealedLedger};
use super::format::{
    FILE_HEADER_LENGTH, FileHeader, Flags, Kind, MAX_BODY, MAX_RECORDS, RecordHeader, VERSION, chunk_crcs,
    encode_tail,
};
use super::name::{Identity, PackName};
use super::stream::OpenRecord;
use crate::disk::{Disk, DiskFile, SyncPoint};
use crate::hash::ContentHash;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where the record begins in its pack.
    pub offset: u64,
    /// Length of the body in the pack.
    pub stored_length: u64,
    /// Length of the raw body.
    pub raw_length: u64,
}

/// A pack that was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The pack.
    pub name: PackName,
    /// Length of the file.
    pub length: u64,
    /// Number of records, the seal not counted.
    pub records: usize,
}

/// The one appender of a pack.
///
/// Guarantees: the file and its name are durable before the first record; records are durable once
/// [`PackWriter::sync`] has succeeded; what a sync has covered is never cut back; after a failed sync nothing is
/// written any more. After any other error the pack is as it was before the call, an open record excepted, which can
/// then only be cut back.
#[derive(Debug)]
pub struct PackWriter {
    pub(super) file: DiskFile,
    name: PackName,
    path: PathBuf,
    pub(super) length: u64,
    synced: u64,
    poisoned: bool,
    entries: Vec<SealEntry>,
    pub(super) open: Option<OpenRecord>,
    ledger: SealedLedger,
}

impl PackWriter {
    /// Begins a new pack in `dir`. The file and its directory entry are durable on return.
    ///
    /// # Errors
    /// What the disk says; the file is then removed if the disk allows.
    pub fn create(disk: &Disk, dir: &Path, identity: Identity) -> Result<PackWriter, PackError> {
        let id = disk.random_id().map_err(|source| PackError::Io {
            pack: "(new)".to_owned(),
            doing: "drawing a random id",
            source,
        })?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let created_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        PackWriter::create_named(disk, dir, PackName { id, identity }, created_ms)
    }

    /// As [`PackWriter::create`], with the name and the time of creation (Unix time in milliseconds) given. The name's
    /// id must be random where others can send records.
    ///
    /// # Errors
    /// As [`PackWriter::create`]; a pack of that name must not exist.
    pub fn create_named(
        disk: &Disk,
        dir: &Path,
        name: PackName,
        created_ms: u64,
    ) -> Result<PackWriter, PackError> {
        let path = dir.join(name.file_name());
        let fail = |doing| move |source| PackError::Io { pack: name.to_string(), doing, source };
        let file = disk.create_new(&path).map_err(fail("creating the file"))?;
        let header = FileHeader { version: VERSION, name, created_ms }.encode();
        let written = file
            .write_at(&[&header], 0)
            .map_err(fail("writing the file header"))
            .and_then(|()| file.sync_data(SyncPoint::PackCreate).map_err(fail("syncing the file header")))
            .and_then(|()| {
                disk.sync_dir(dir, SyncPoint::PackDirectory).map_err(fail("syncing the directory"))
            });
        if let Err(error) = written {
            // Nothing was promised of this file. If it stays, the next start finds a pack without records.
            let _ = disk.remove(&path);
            return Err(error);
        }
        let length = FILE_HEADER_LENGTH;
        Ok(PackWriter {
            file,
            name,
            path,
            length,
            synced: length,
            poisoned: false,
            entries: Vec::new(),
            open: None,
            ledger: SealedLedger::default(),
        })
    }

    /// The pack's name.
    pub fn name(&self) -> &PackName {
        &self.name
    }

    /// The pack's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's bytes, for reading.
    pub fn file(&self) -> &DiskFile {
        &self.file
    }

    /// Where the next record begins: length of the pack without an open record.
    #[expect(clippy::len_without_is_empty, reason = "a pack is never empty, it has a header")]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Up to where the pack is durable.
    pub fn synced_len(&self) -> u64 {
        self.synced
    }

    /// Number of records appended.
    pub fn records(&self) -> usize {
        self.entries.len()
    }

    /// Whether it is time to seal: the pack has `length` bytes, or hardly room for more records.
    pub fn should_seal(&self, length: u64) -> bool {
        self.length >= length || self.entries.len() >= MAX_RECORDS - MAX_RECORDS / 8
    }

    /// Appends a record whose body, in `body` one part after the other, is in memory. `raw_sha256` is its hash, which
    /// the caller has computed and this does not check.
    ///
    /// # Errors
    /// What the disk says, `Full`, `Poisoned`; `Misuse` while a record is open. The pack is as before.
    pub fn append(
        &mut self,
        kind: Kind,
        facility: u32,
        body: &[&[u8]],
        raw_sha256: ContentHash,
    ) -> Result<Extent, PackError> {
        self.check_closed()?;
        self.append_with_crcs(kind, facility, body, &chunk_crcs(body), raw_sha256)
    }

    /// As [`PackWriter::append`], with the CRC table known: the CRC-32C of each [`CHUNK`](super::CHUNK) of the body.
    /// They are not checked either; a wrong one makes the record unreadable.
    ///
    /// # Errors
    /// As [`PackWriter::append`]; `Misuse` if the table has not one CRC for each chunk.
    pub fn append_with_crcs(
        &mut self,
        kind: Kind,
        facility: u32,
        body: &[&[u8]],
        crcs: &[u32],
        raw_sha256: ContentHash,
    ) -> Result<Extent, PackError> {
        self.check_closed()?;
        self.check_room(kind)?;
        let length = body.iter().map(|part| part.len() as u64).sum();
        let header = self.header(kind, facility, length, raw_sha256)?;
        if crcs.len() as u64 != header.chunks() {
            return Err(self.misuse("the CRC table does not fit the body"));
        }
        let head = header.encode();
        let tail = encode_tail(&head, length, crcs);
        let mut parts: Vec<&[u8]> = Vec::with_capacity(body.len() + 2);
        parts.push(&head);
        parts.extend(body.iter().filter(|part| !part.is_empty()));
        parts.push(&tail);
        if let Err(source) = self.file.write_at(&parts, self.length) {
            self.drop_tail();
            return Err(self.io("appending a record", source));
        }
        Ok(self.accept(&header))
    }

    /// Takes the pack back to `to`, a length it had before: records behind it, and an open record, are as if never
    /// written.
    ///
    /// # Errors
    /// `Misuse` below [`PackWriter::synced_len`] or where no record ends; what the disk says, and the pack is then
    /// poisoned, because what stands behind its end is not known.
    pub fn cut_back(&mut self, to: u64) -> Result<(), PackError> {
        self.check_alive()?;
        if to < self.synced {
            return Err(self.misuse("cut back below what was synced"));
        }
        let kept = self.entries.partition_point(|entry| entry.offset < to);
        let end = kept.checked_sub(1).map_or(FILE_HEADER_LENGTH, |last| self.entries[last].end());
        if end != to {
            return Err(self.misuse("cut back to where no record ends"));
        }
        self.open = None;
        self.file.truncate(to).map_err(|source| {
            self.poisoned = true;
            self.io("cutting back", source)
        })?;
        self.entries.truncate(kept);
        self.length = to;
        Ok(())
    }

    /// Makes all records durable.
    ///
    /// # Errors
    /// What the disk says. The sync is never tried again: from then on every call fails with `Poisoned`, and what was
    /// appended since the last sync must count as lost. `Misuse` while a record is open.
    pub fn sync(&mut self, point: SyncPoint) -> Result<(), PackError> {
        self.check_closed()?;
        match self.file.sync_data(point) {
            Ok(()) => {
                self.synced = self.length;
                Ok(())
            }
            Err(source) => {
                self.poisoned = true;
                Err(self.io("syncing", source))
            }
        }
    }

    /// Says how far the ledger is, for the seal.
    pub fn set_ledger(&mut self, ledger: SealedLedger) {
        self.ledger = ledger;
    }

    /// Appends the seal and makes everything durable. The pack never changes again.
    ///
    /// # Errors
    /// As [`PackWriter::append`] and [`PackWriter::sync`]. The pack then stays open and is sealed at the next start.
    pub fn seal(mut self) -> Result<Sealed, PackError> {
        self.check_closed()?;
        let records = self.entries.len();
        let entries = std::mem::take(&mut self.entries);
        let index = SealIndex { entries, gaps: Vec::new(), sealed_by: SealedBy::Writer, ledger: self.ledger };
        let body = index.encode();
        // The sequence of the seal follows that of the last record.
        self.entries = index.entries;
        self.append(Kind::Seal, 0, &[&body], ContentHash::of(&body))?;
        self.end_file_here()?;
        self.sync(SyncPoint::Seal)?;
        Ok(Sealed { name: self.name, length: self.length, records })
    }

    /// The header of the next record.
    pub(super) fn header(
        &self,
        kind: Kind,
        facility: u32,
        length: u64,
        raw_sha256: ContentHash,
    ) -> Result<RecordHeader, PackError> {
        if length > MAX_BODY {
            return Err(PackError::Full(self.name));
        }
        Ok(RecordHeader {
            pack: self.name.id,
            offset: self.length,
            kind: kind as u8,
            flags: Flags::NONE.0,
            facility,
            writer: self.name.identity.writer,
            sequence: self.entries.len() as u64,
            stored_length: length,
            raw_length: length,
            raw_sha256,
        })
    }

    /// Counts a record in that was written whole.
    pub(super) fn accept(&mut self, header: &RecordHeader) -> Extent {
        self.length = header.end();
        if let Some(kind) = Kind::from_number(header.kind) {
            self.entries.push(SealEntry {
                offset: header.offset,
                stored_length: header.stored_length,
                raw_length: header.raw_length,
                kind,
                flags: Flags(header.flags),
                facility: header.facility,
                raw_sha256: header.raw_sha256,
            });
        }
        Extent { offset: header.offset, stored_length: header.stored_length, raw_length: header.raw_length }
    }

    pub(super) fn check_room(&self, kind: Kind) -> Result<(), PackError> {
        if kind != Kind::Seal && self.entries.len() >= MAX_RECORDS {
            return Err(PackError::Full(self.name));
        }
        Ok(())
    }

    /// Tries to remove what a failed write left behind the end. If that fails too it does no harm: the next record
    /// is written over it, and until then a scan sees a torn tail.
    fn drop_tail(&mut self) {
        let _ = self.file.truncate(self.length);
    }

    /// A seal counts only at the very end of the file, and an earlier failure may have left bytes behind it.
    fn end_file_here(&mut self) -> Result<(), PackError> {
        let length = self.file.len().map_err(|source| self.io("asking for the length", source))?;
        if length == self.length {
            return Ok(());
        }
        self.file
            .truncate(self.length)
            .map_err(|source| self.io("cutting what stands behind the seal", source))
    }

    pub(super) fn check_alive(&self) -> Result<(), PackError> {
        if self.poisoned { Err(PackError::Poisoned(self.name)) } else { Ok(()) }
    }

    pub(super) fn check_closed(&self) -> Result<(), PackError> {
        self.check_alive()?;
        if self.open.is_some() { Err(self.misuse("a record is open")) } else { Ok(()) }
    }

    pub(super) fn misuse(&self, what: &'static str) -> PackError {
        PackError::Misuse { pack: self.name, what }
    }

    pub(super) fn io(&self, doing: &'static str, source: io::Error) -> PackError {
        PackError::Io { pack: self.name.to_string(), doing, source }
    }
}
