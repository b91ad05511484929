//! The bytes of file headers, record headers and trailers (docs/FORMAT.md). Pure: bytes in, values out.

use crc32c::{crc32c, crc32c_append};

use super::name::{Identity, PackName};
use crate::hash::ContentHash;

/// Bytes of a body that one CRC covers.
pub const CHUNK: usize = 64 * 1024;
/// Length of the file header, and offset of the first record.
pub const FILE_HEADER_LENGTH: u64 = 128;
/// The longest stored body, in bytes.
pub const MAX_BODY: u64 = 64 << 30;
/// The most records of one pack before its seal.
pub const MAX_RECORDS: usize = 131_072;

pub(super) const VERSION: u32 = 1;
pub(super) const RECORD_HEADER: usize = 128;
pub(super) const TRAILER: usize = 32;
/// Records begin and end at multiples of this.
pub(super) const ALIGN: u64 = 8;
/// The shortest record: header and trailer.
pub(super) const MIN_RECORD: u64 = (RECORD_HEADER + TRAILER) as u64;

const FILE_MAGIC: [u8; 8] = *b"\x89PACK\r\n\x1A";
pub(super) const RECORD_MAGIC: [u8; 8] = *b"\xF7RECORD\n";
const TRAILER_MAGIC: [u8; 8] = *b"\xF7TRAILER";

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The bytes of one bulk value.
    Bulk = 1,
    /// An instance: its skeleton and the names of its bulk values.
    Instance = 2,
    /// That a facility has an instance.
    Holding = 3,
    /// What people and systems said.
    Statement = 4,
    /// The index at the end of a pack.
    Seal = 0x7f,
}

impl Kind {
    /// The kind of that number, if it is one.
    pub fn from_number(number: u8) -> Option<Kind> {
        [Kind::Bulk, Kind::Instance, Kind::Holding, Kind::Statement, Kind::Seal]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }
}

/// How a stored body differs from the raw one. Version 1 writes [`Flags::NONE`] and reads nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// The stored body is the raw body.
    pub const NONE: Flags = Flags(0);
    /// The stored body is one zstd frame of the raw body.
    pub const ZSTD: Flags = Flags(1);
    /// The stored body holds frames re-encoded without loss.
    pub const FRAME_CODEC: Flags = Flags(2);
}

/// The header of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub(super) version: u32,
    pub(super) name: PackName,
    pub(super) created_ms: u64,
}

impl FileHeader {
    pub(super) fn encode(&self) -> [u8; FILE_HEADER_LENGTH as usize] {
        let mut bytes = [0; FILE_HEADER_LENGTH as usize];
        put(&mut bytes, 0, &FILE_MAGIC);
        put(&mut bytes, 8, &self.version.to_le_bytes());
        put(&mut bytes, 12, &(FILE_HEADER_LENGTH as u32).to_le_bytes());
        put(&mut bytes, 16, &self.name.id);
        put(&mut bytes, 32, &self.name.identity.writer.to_le_bytes());
        put(&mut bytes, 36, &self.name.identity.epoch.to_le_bytes());
        put(&mut bytes, 40, &self.created_ms.to_le_bytes());
        put(&mut bytes, 48, &(CHUNK as u32).to_le_bytes());
        seal_with_crc(&mut bytes);
        bytes
    }

    /// `None` if the bytes are not a whole header.
    pub(super) fn decode(bytes: &[u8; FILE_HEADER_LENGTH as usize]) -> Option<FileHeader> {
        if bytes[..8] != FILE_MAGIC || !crc_fits(bytes) {
            return None;
        }
        let identity = Identity { writer: u32_at(bytes, 32), epoch: u32_at(bytes, 36) };
        let name = PackName { id: array_at(bytes, 16), identity };
        Some(FileHeader { version: u32_at(bytes, 8), name, created_ms: u64_at(bytes, 40) })
    }
}

/// The header of a record; kind and flags as they stand, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) pack: [u8; 16],
    pub(super) offset: u64,
    pub(super) kind: u8,
    pub(super) flags: u16,
    pub(super) facility: u32,
    pub(super) writer: u32,
    pub(super) sequence: u64,
    pub(super) stored_length: u64,
    pub(super) raw_length: u64,
    pub(super) raw_sha256: ContentHash,
}

impl RecordHeader {
    pub(super) fn encode(&self) -> [u8; RECORD_HEADER] {
        let mut bytes = [0; RECORD_HEADER];
        put(&mut bytes, 0, &RECORD_MAGIC);
        put(&mut bytes, 8, &self.pack);
        put(&mut bytes, 24, &self.offset.to_le_bytes());
        bytes[32] = self.kind;
        put(&mut bytes, 34, &self.flags.to_le_bytes());
        put(&mut bytes, 36, &self.facility.to_le_bytes());
        put(&mut bytes, 40, &self.writer.to_le_bytes());
        put(&mut bytes, 48, &self.sequence.to_le_bytes());
        put(&mut bytes, 56, &self.stored_length.to_le_bytes());
        put(&mut bytes, 64, &self.raw_length.to_le_bytes());
        put(&mut bytes, 72, &self.raw_sha256.0);
        seal_with_crc(&mut bytes);
        bytes
    }

    /// The header of a record of pack `pack` at `offset`; `None` if the bytes are anything else.
    pub(super) fn decode(bytes: &[u8; RECORD_HEADER], pack: &[u8; 16], offset: u64) -> Option<RecordHeader> {
        let ours = bytes[..8] == RECORD_MAGIC && bytes[8..24] == *pack && u64_at(bytes, 24) == offset;
        if !ours || !crc_fits(bytes) {
            return None;
        }
        let header = RecordHeader {
            pack: *pack,
            offset,
            kind: bytes[32],
            flags: u16::from_le_bytes(array_at(bytes, 34)),
            facility: u32_at(bytes, 36),
            writer: u32_at(bytes, 40),
            sequence: u64_at(bytes, 48),
            stored_length: u64_at(bytes, 56),
            raw_length: u64_at(bytes, 64),
            raw_sha256: ContentHash(array_at(bytes, 72)),
        };
        (header.stored_length <= MAX_BODY && offset < u64::MAX - 2 * MAX_BODY).then_some(header)
    }

    /// Where the CRC table begins, padding before it left out.
    pub(super) fn table_offset(&self) -> u64 {
        self.body_offset() + pad8(self.stored_length)
    }

    pub(super) fn body_offset(&self) -> u64 {
        self.offset + RECORD_HEADER as u64
    }

    pub(super) fn trailer_offset(&self) -> u64 {
        self.table_offset() + pad8(self.chunks() * 4)
    }

    /// Where the next record begins.
    pub(super) fn end(&self) -> u64 {
        self.trailer_offset() + TRAILER as u64
    }

    /// Fits `usize`: the body is at most [`MAX_BODY`].
    pub(super) fn chunks(&self) -> u64 {
        self.stored_length.div_ceil(CHUNK as u64)
    }
}

/// The length in a pack of a record with a stored body of `stored_length` bytes, which is at most [`MAX_BODY`].
pub fn record_length(stored_length: u64) -> u64 {
    MIN_RECORD + pad8(stored_length) + pad8(stored_length.div_ceil(CHUNK as u64) * 4)
}

/// The CRC-32C of each [`CHUNK`] of a body that comes in `parts`, as the CRC table has them.
pub fn chunk_crcs(parts: &[&[u8]]) -> Vec<u32> {
    let mut table = ChunkCrcs::default();
    parts.iter().for_each(|part| table.update(part));
    table.finish()
}

/// Computes the CRC table of a body that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct ChunkCrcs {
    done: Vec<u32>,
    current: u32,
    filled: usize,
}

impl ChunkCrcs {
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.filled));
            self.current = crc32c_append(self.current, now);
            self.filled += now.len();
            if self.filled == CHUNK {
                self.done.push(std::mem::take(&mut self.current));
                self.filled = 0;
            }
            bytes = later;
        }
    }

    pub(super) fn finish(mut self) -> Vec<u32> {
        if self.filled > 0 {
            self.done.push(self.current);
        }
        self.done
    }
}

/// What stands behind a body: padding, CRC table, padding, trailer.
pub(super) fn encode_tail(header: &[u8; RECORD_HEADER], stored_length: u64, crcs: &[u32]) -> Vec<u8> {
    let padding = (pad8(stored_length) - stored_length) as usize;
    let table = pad8(crcs.len() as u64 * 4) as usize;
    let mut bytes = vec![0; padding];
    bytes.reserve_exact(table + TRAILER);
    crcs.iter().for_each(|crc| bytes.extend_from_slice(&crc.to_le_bytes()));
    bytes.resize(padding + table, 0);
    bytes.extend_from_slice(&TRAILER_MAGIC);
    bytes.extend_from_slice(&header[24..32]);
    bytes.extend_from_slice(&(crcs.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&header[RECORD_HEADER - 4..]);
    bytes.extend_from_slice(&[0; 4]);
    let crc = crc32c(&bytes[padding..]);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// A trailer before its CRC is checked, for which the CRC table is needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trailer([u8; TRAILER]);

impl Trailer {
    /// `None` if the bytes do not look like a trailer.
    pub(super) fn decode(bytes: &[u8; TRAILER]) -> Option<Trailer> {
        (bytes[..8] == TRAILER_MAGIC).then_some(Trailer(*bytes))
    }

    pub(super) fn record_offset(&self) -> u64 {
        u64_at(&self.0, 8)
    }

    /// Whether this trailer says it belongs to the record whose header is `header`.
    pub(super) fn belongs_to(&self, header: &RecordHeader, header_bytes: &[u8; RECORD_HEADER]) -> bool {
        self.record_offset() == header.offset
            && u64::from(u32_at(&self.0, 16)) == header.chunks()
            && self.0[20..24] == header_bytes[RECORD_HEADER - 4..]
    }

    /// The CRC table in `table`, which ends where the trailer begins; `None` if it is not the one that was written.
    pub(super) fn table(&self, table: &[u8]) -> Option<Vec<u32>> {
        let crc = crc32c_append(crc32c(table), &self.0[..TRAILER - 4]);
        let count = u32_at(&self.0, 16) as usize;
        if crc != u32_at(&self.0, TRAILER - 4) || table.len() < count * 4 {
            return None;
        }
        Some(table[..count * 4].chunks_exact(4).map(|crc| u32_at(crc, 0)).collect())
    }
}

/// `length` rounded up to a multiple of [`ALIGN`].
pub(super) fn pad8(length: u64) -> u64 {
    length.next_multiple_of(ALIGN)
}

fn seal_with_crc(bytes: &mut [u8; 128]) {
    let crc = crc32c(&bytes[..124]);
    put(bytes, 124, &crc.to_le_bytes());
}

fn crc_fits(bytes: &[u8; 128]) -> bool {
    crc32c(&bytes[..124]) == u32_at(bytes, 124)
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// `N` bytes at a place that the caller knows to be inside; zero bytes if it is not.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

pub(super) fn hash_at(bytes: &[u8], at: usize) -> ContentHash {
    ContentHash(array_at(bytes, at))
}
