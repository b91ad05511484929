//! Reading a pack: records at known places, their bodies verified chunk by chunk.
//!
//! Nothing in the file is trusted. Every length is checked against the file before memory is taken or a place is
//! computed from it, and no byte of a body is handed out before the CRC of its chunk was checked.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crc32c::crc32c;

use super::error::PackError;
use super::footer::{MAX_SEAL_BODY, SealIndex};
use super::format::{
    ALIGN, CHUNK, FILE_HEADER_LENGTH, FileHeader, Flags, Kind, MIN_RECORD, RECORD_HEADER, RecordHeader,
    TRAILER, Trailer, VERSION,
};
use super::name::PackName;
use super::writer::Extent;
use crate::disk::{Disk, DiskFile, SyncPoint};
use crate::hash::ContentHash;
use crate::object::ObjectFile;

/// A record: what its header and trailer say, which were found whole. Its body has not been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// How the stored body differs from the raw one.
    pub flags: Flags,
    /// The facility it belongs to, 0 for none.
    pub facility: u32,
    /// The node that wrote it.
    pub writer: u32,
    /// Its number in its pack.
    pub sequence: u64,
    /// Where it begins in its pack.
    pub offset: u64,
    /// Length of the body in the pack.
    pub stored_length: u64,
    /// Length of the raw body.
    pub raw_length: u64,
    /// SHA-256 of the raw body.
    pub raw_sha256: ContentHash,
    /// CRC-32C of each chunk of the stored body.
    pub crcs: Arc<[u32]>,
    end: u64,
}

impl Record {
    /// Where the next record begins.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Where the record stands.
    pub fn extent(&self) -> Extent {
        Extent { offset: self.offset, stored_length: self.stored_length, raw_length: self.raw_length }
    }

    pub(super) fn body_offset(&self) -> u64 {
        self.offset + RECORD_HEADER as u64
    }
}

/// What was found where the file header should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderState {
    /// The header, whole, of this pack.
    Whole,
    /// Nothing: the file is shorter than a header, or only zero stands there. Its creation was interrupted.
    Absent,
    /// Something else.
    Damaged,
}

/// What stands at the place of a record.
pub(super) enum Frame {
    /// Header and trailer of a record, whole.
    Record(Record),
    /// Header and trailer, whole, of a record this version does not know.
    Unsupported(PackError, u64),
    /// No record: what does not fit.
    Nothing(&'static str),
}

/// An open pack, for any number of threads. A pack that is being written may be read at the same time, as far as its
/// writer has told.
#[derive(Debug)]
pub struct PackReader {
    file: DiskFile,
    name: PackName,
    header: HeaderState,
    created_ms: u64,
    /// Length of the file when last asked for. A pack never shrinks below what a reader was told of.
    length: AtomicU64,
}

impl PackReader {
    /// Opens the pack at `path`, whose file name is the pack's name.
    ///
    /// # Errors
    /// `NotAPack` if the file header is not that of this pack, `Unsupported` for another format version, or what the
    /// disk says.
    pub fn open(disk: &Disk, path: &Path) -> Result<PackReader, PackError> {
        let reader = PackReader::open_lenient(disk, path)?;
        match reader.header {
            HeaderState::Whole => Ok(reader),
            HeaderState::Absent => Err(not_a_pack(path, "the file header is absent")),
            HeaderState::Damaged => Err(not_a_pack(path, "the file header is damaged")),
        }
    }

    /// As [`PackReader::open`], but takes the pack's identity from the file name if the file header is damaged or
    /// absent, so that its records can be read all the same. See [`PackReader::header_state`].
    ///
    /// # Errors
    /// `NotAPack` if the file name is not one of a pack or the header is whole and that of another pack; `Unsupported`
    /// for another format version; what the disk says.
    pub fn open_lenient(disk: &Disk, path: &Path) -> Result<PackReader, PackError> {
        let name =
            PackName::of_path(path).map_err(|_| not_a_pack(path, "the file name is not one of a pack"))?;
        let fail = |doing| move |source| PackError::Io { pack: name.to_string(), doing, source };
        let file = disk.open(path).map_err(fail("opening"))?;
        PackReader::over(file, path, name)
    }

    /// Opens the pack `name`, whose bytes are objects, as [`PackReader::open_lenient`] does.
    ///
    /// # Errors
    /// As [`PackReader::open_lenient`].
    pub fn open_object(file: ObjectFile, name: PackName) -> Result<PackReader, PackError> {
        PackReader::over(DiskFile::Object(file), Path::new(&name.file_name()), name)
    }

    fn over(file: DiskFile, path: &Path, name: PackName) -> Result<PackReader, PackError> {
        let fail = |doing| move |source| PackError::Io { pack: name.to_string(), doing, source };
        let length = file.len().map_err(fail("asking for the length"))?;
        let mut bytes = [0; FILE_HEADER_LENGTH as usize];
        let read = file.read_at(&mut bytes, 0).map_err(fail("reading the file header"))?;
        let (header, created_ms) = match FileHeader::decode(&bytes) {
            Some(header) if header.version != VERSION => {
                let (what, value) = ("format version", header.version);
                return Err(PackError::Unsupported { pack: name, offset: 0, what, value, next: None });
            }
            Some(header) if header.name != name => {
                return Err(not_a_pack(path, "the header is that of another pack"));
            }
            Some(header) => (HeaderState::Whole, header.created_ms),
            None if read < bytes.len() || bytes.iter().all(|byte| *byte == 0) => (HeaderState::Absent, 0),
            None => (HeaderState::Damaged, 0),
        };
        Ok(PackReader { file, name, header, created_ms, length: AtomicU64::new(length) })
    }

    /// The pack's name.
    pub fn name(&self) -> &PackName {
        &self.name
    }

    /// Whether its bytes are objects of a bucket.
    pub fn is_object(&self) -> bool {
        matches!(self.file, DiskFile::Object(_))
    }

    /// Whether its bytes are read where they will not be for long: at the server that has not uploaded them yet.
    pub fn is_passing(&self) -> bool {
        matches!(&self.file, DiskFile::Object(file) if file.is_passing())
    }

    /// What was found where the file header should be.
    pub fn header_state(&self) -> HeaderState {
        self.header
    }

    /// When the pack was created, Unix time in milliseconds; 0 if the file header does not tell.
    pub fn created_ms(&self) -> u64 {
        self.created_ms
    }

    /// Length of the file now.
    ///
    /// # Errors
    /// What the disk says.
    #[expect(clippy::len_without_is_empty, reason = "a length that costs a system call")]
    pub fn len(&self) -> Result<u64, PackError> {
        let length = self.file.len().map_err(|source| self.io("asking for the length", source))?;
        self.length.store(length, Ordering::Relaxed);
        Ok(length)
    }

    /// Makes the file durable as it is: at the start, before the tail of an open pack is indexed.
    ///
    /// # Errors
    /// What the disk says.
    pub fn sync(&self, point: SyncPoint) -> Result<(), PackError> {
        self.file.sync_data(point).map_err(|source| self.io("syncing", source))
    }

    /// The record at `offset`, with header and trailer verified.
    ///
    /// # Errors
    /// `Damaged` if no record of this pack stands there whole, `Unsupported` if it is of an unknown kind or has unknown
    /// flags, or what the disk says.
    pub fn record(&self, offset: u64) -> Result<Record, PackError> {
        match self.frame(offset)? {
            Frame::Record(record) => Ok(record),
            Frame::Unsupported(error, _) => Err(error),
            Frame::Nothing(what) => Err(self.damaged(offset, what)),
        }
    }

    /// The body of `record`, every chunk verified. Takes as much memory as the body is long: the caller has checked
    /// `record.stored_length` against a limit.
    ///
    /// # Errors
    /// `Damaged`, or what the disk says.
    pub fn read_body(&self, record: &Record) -> Result<Vec<u8>, PackError> {
        let mut body = Vec::new();
        self.read_chunks(record, 0..record.crcs.len(), &mut body)?;
        Ok(body)
    }

    /// Appends the bytes `range` of the body of `record` to `out`. Reads and verifies the chunks that the range touches;
    /// cheapest where it begins and ends at multiples of [`CHUNK`].
    ///
    /// # Errors
    /// `OutOfRange`, `Damaged`, or what the disk says; `out` is then as it was.
    pub fn read_range(&self, record: &Record, range: Range<u64>, out: &mut Vec<u8>) -> Result<(), PackError> {
        let Range { start, end } = range;
        if start > end || end > record.stored_length {
            return Err(PackError::OutOfRange { pack: self.name, offset: record.offset, start, end });
        }
        if start == end {
            return Ok(());
        }
        let (first, last) = ((start / CHUNK as u64) as usize, end.div_ceil(CHUNK as u64) as usize);
        let (before, skip) = (out.len(), (start % CHUNK as u64) as usize);
        self.read_chunks(record, first..last, out)?;
        out.drain(before..before + skip);
        out.truncate(before + (end - start) as usize);
        Ok(())
    }

    /// The list of records in the pack's seal; `None` if the pack is open.
    ///
    /// # Errors
    /// `Damaged` if there is a seal but its list is damaged (a scan gives the same list), or what the disk says.
    pub fn seal_index(&self) -> Result<Option<SealIndex>, PackError> {
        let Some(record) = self.seal()? else { return Ok(None) };
        let damaged = || self.damaged(record.offset, "the seal is no index");
        if record.stored_length > MAX_SEAL_BODY {
            return Err(damaged());
        }
        let body = self.read_body(&record)?;
        SealIndex::decode(&body, record.offset).map(Some).ok_or_else(damaged)
    }

    /// The seal of the pack, found from its end; `None` if the pack is open.
    ///
    /// # Errors
    /// What the disk says.
    pub fn seal(&self) -> Result<Option<Record>, PackError> {
        let length = self.len()?;
        if length < FILE_HEADER_LENGTH + MIN_RECORD {
            return Ok(None);
        }
        let mut bytes = [0; TRAILER];
        self.read_exact(&mut bytes, length - TRAILER as u64)?;
        let Some(trailer) = Trailer::decode(&bytes) else { return Ok(None) };
        match self.frame(trailer.record_offset())? {
            Frame::Record(record) if record.kind == Kind::Seal && record.end == length => Ok(Some(record)),
            _ => Ok(None),
        }
    }

    /// What stands at `offset`. Errors are those of the disk.
    pub(super) fn frame(&self, offset: u64) -> Result<Frame, PackError> {
        if !offset.is_multiple_of(ALIGN) || offset < FILE_HEADER_LENGTH {
            return Ok(Frame::Nothing("no record can begin here"));
        }
        let in_file = |end: u64| {
            Ok::<bool, PackError>(end <= self.length.load(Ordering::Relaxed) || end <= self.len()?)
        };
        if !in_file(offset.saturating_add(MIN_RECORD))? {
            return Ok(Frame::Nothing("the file ends before"));
        }
        let mut head = [0; RECORD_HEADER];
        self.read_exact(&mut head, offset)?;
        let Some(header) = RecordHeader::decode(&head, &self.name.id, offset) else {
            return Ok(Frame::Nothing("the record header is damaged"));
        };
        if !in_file(header.end())? {
            return Ok(Frame::Nothing("the file ends in the record"));
        }
        let Some(crcs) = self.table(&header, &head)? else {
            return Ok(Frame::Nothing("the record trailer is damaged"));
        };
        let unsupported = |what, value| {
            let next = Some(header.end());
            Frame::Unsupported(
                PackError::Unsupported { pack: self.name, offset, what, value, next },
                header.end(),
            )
        };
        let Some(kind) = Kind::from_number(header.kind) else {
            return Ok(unsupported("record kind", header.kind.into()));
        };
        if header.flags != Flags::NONE.0 {
            return Ok(unsupported("record flags", header.flags.into()));
        }
        if header.raw_length != header.stored_length {
            return Ok(Frame::Nothing("the lengths do not fit each other"));
        }
        Ok(Frame::Record(Record {
            kind,
            flags: Flags(header.flags),
            facility: header.facility,
            writer: header.writer,
            sequence: header.sequence,
            offset,
            stored_length: header.stored_length,
            raw_length: header.raw_length,
            raw_sha256: header.raw_sha256,
            crcs: crcs.into(),
            end: header.end(),
        }))
    }

    /// The CRC table of the record with this header, which lies in the file; `None` if table or trailer are damaged.
    fn table(
        &self,
        header: &RecordHeader,
        head: &[u8; RECORD_HEADER],
    ) -> Result<Option<Vec<u32>>, PackError> {
        let mut bytes = [0; TRAILER];
        self.read_exact(&mut bytes, header.trailer_offset())?;
        // The table is read only once the trailer agrees on its size: a forged length costs nothing.
        let Some(trailer) = Trailer::decode(&bytes).filter(|trailer| trailer.belongs_to(header, head)) else {
            return Ok(None);
        };
        let length = (header.trailer_offset() - header.table_offset()) as usize;
        let mut table = Vec::new();
        self.append_to(&mut table, length, header.table_offset())?;
        Ok(trailer.table(&table))
    }

    /// Appends whole chunks of a body to `out` and verifies them.
    fn read_chunks(&self, record: &Record, chunks: Range<usize>, out: &mut Vec<u8>) -> Result<(), PackError> {
        let start = chunks.start as u64 * CHUNK as u64;
        let end = (chunks.end as u64 * CHUNK as u64).min(record.stored_length);
        let before = out.len();
        self.append_to(out, (end - start) as usize, record.body_offset() + start)?;
        let expected = &record.crcs[chunks];
        if out[before..].chunks(CHUNK).map(crc32c).ne(expected.iter().copied()) {
            out.truncate(before);
            return Err(self.damaged(record.offset, "a chunk of the body"));
        }
        Ok(())
    }

    /// Reads up to `buffer.len()` bytes from `offset` on.
    pub(super) fn read_some(&self, buffer: &mut [u8], offset: u64) -> Result<usize, PackError> {
        self.file.read_at(buffer, offset).map_err(|source| self.io("reading", source))
    }

    fn read_exact(&self, buffer: &mut [u8], offset: u64) -> Result<(), PackError> {
        self.file.read_exact_at(buffer, offset).map_err(|source| self.io("reading", source))
    }

    fn append_to(&self, out: &mut Vec<u8>, length: usize, offset: u64) -> Result<(), PackError> {
        self.file.append_to(out, length, offset).map_err(|source| self.io("reading", source))
    }

    /// Asks the system to read a range from the disk when it is read next, not from memory. Promises nothing.
    pub(super) fn forget_cached(&self, offset: u64, length: u64) {
        self.file.forget_cached(offset, length);
    }

    /// The `length` bytes from `offset` on as they stand in the file, appended to `out`: to compare packs.
    ///
    /// # Errors
    /// What the disk says; an end of the file before that is one.
    pub fn read_raw(&self, out: &mut Vec<u8>, length: usize, offset: u64) -> Result<(), PackError> {
        self.forget_cached(offset, length as u64);
        self.append_to(out, length, offset)
    }

    fn damaged(&self, offset: u64, what: &'static str) -> PackError {
        PackError::Damaged { pack: self.name, offset, what }
    }

    pub(super) fn io(&self, doing: &'static str, source: std::io::Error) -> PackError {
        PackError::Io { pack: self.name.to_string(), doing, source }
    }
}

fn not_a_pack(path: &Path, why: &'static str) -> PackError {
    let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    PackError::NotAPack { file, why }
}
