//! The body of a seal record: the list of the pack's records and gaps (docs/FORMAT.md, "Seal record").

use super::format::{
    ALIGN, FILE_HEADER_LENGTH, Flags, Kind, MAX_BODY, MAX_RECORDS, record_length, u32_at, u64_at,
};
use super::reader::Record;
use crate::hash::ContentHash;

const HEAD: usize = 64;
const ENTRY: usize = 64;
const GAP: usize = 16;

/// The longest body a seal can have: every record, and a gap before each and after the last.
pub(super) const MAX_SEAL_BODY: u64 = (HEAD + MAX_RECORDS * ENTRY + (MAX_RECORDS + 1) * GAP) as u64;

/// One record, as the seal of its pack lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealEntry {
    /// Where the record begins.
    pub offset: u64,
    /// Length of the body in the pack.
    pub stored_length: u64,
    /// Length of the raw body.
    pub raw_length: u64,
    /// What the record is.
    pub kind: Kind,
    /// How the stored body differs from the raw one.
    pub flags: Flags,
    /// The facility the record belongs to, 0 for none.
    pub facility: u32,
    /// SHA-256 of the raw body.
    pub raw_sha256: ContentHash,
}

/// A stretch of a pack without a whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where it begins.
    pub from: u64,
    /// Where it ends: at a record, or at the seal.
    pub to: u64,
}

/// Who sealed a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedBy {
    /// Its writer.
    Writer,
    /// A later start, which found it open.
    LaterStart,
}

/// How far the ledger of the writer was when it sealed a pack; all zero while there is no ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealedLedger {
    /// The writer of the chain.
    pub writer: u32,
    /// Entries of the chain.
    pub count: u64,
    /// Hash of the last entry.
    pub head: [u8; 32],
}

/// What the seal of a pack says: its records, without a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealIndex {
    /// The records, by rising offset.
    pub entries: Vec<SealEntry>,
    /// The gaps, by rising offset.
    pub gaps: Vec<Gap>,
    /// Who sealed the pack.
    pub sealed_by: SealedBy,
    /// How far the ledger was, as far as its sealer knew.
    pub ledger: SealedLedger,
}

impl SealEntry {
    /// Where the next record begins.
    pub fn end(&self) -> u64 {
        self.offset + record_length(self.stored_length)
    }
}

impl From<&Record> for SealEntry {
    fn from(record: &Record) -> SealEntry {
        SealEntry {
            offset: record.offset,
            stored_length: record.stored_length,
            raw_length: record.raw_length,
            kind: record.kind,
            flags: record.flags,
            facility: record.facility,
            raw_sha256: record.raw_sha256,
        }
    }
}

impl SealIndex {
    pub(super) fn encode(&self) -> Vec<u8> {
        let length = HEAD + self.entries.len() * ENTRY + self.gaps.len() * GAP;
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(&(self.entries.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&(self.gaps.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&u32::from(self.sealed_by == SealedBy::LaterStart).to_le_bytes());
        bytes.extend_from_slice(&self.ledger.writer.to_le_bytes());
        bytes.extend_from_slice(&self.ledger.count.to_le_bytes());
        bytes.extend_from_slice(&self.ledger.head);
        for entry in &self.entries {
            bytes.extend_from_slice(&entry.offset.to_le_bytes());
            bytes.extend_from_slice(&entry.stored_length.to_le_bytes());
            bytes.extend_from_slice(&entry.raw_length.to_le_bytes());
            bytes.extend_from_slice(&[entry.kind as u8, 0]);
            bytes.extend_from_slice(&entry.flags.0.to_le_bytes());
            bytes.extend_from_slice(&entry.facility.to_le_bytes());
            bytes.extend_from_slice(&entry.raw_sha256.0);
        }
        for gap in &self.gaps {
            bytes.extend_from_slice(&gap.from.to_le_bytes());
            bytes.extend_from_slice(&gap.to.to_le_bytes());
        }
        bytes
    }

    /// The index in the body of a seal that begins at `seal`; `None` if the body is no index of what stands before it.
    pub(super) fn decode(body: &[u8], seal: u64) -> Option<SealIndex> {
        let head = body.first_chunk::<HEAD>()?;
        let (records, gaps) =
            (usize::try_from(u64_at(head, 0)).ok()?, usize::try_from(u64_at(head, 8)).ok()?);
        if records > MAX_RECORDS
            || gaps > MAX_RECORDS + 1
            || body.len() != HEAD + records * ENTRY + gaps * GAP
        {
            return None;
        }
        let (entry_bytes, gap_bytes) = body[HEAD..].split_at(records * ENTRY);
        let entries = entry_bytes.chunks_exact(ENTRY).map(decode_entry).collect::<Option<Vec<_>>>()?;
        let gaps: Vec<Gap> =
            gap_bytes.chunks_exact(GAP).map(|gap| Gap { from: u64_at(gap, 0), to: u64_at(gap, 8) }).collect();
        let sealed_by = match u32_at(head, 16) {
            0 => SealedBy::Writer,
            1 => SealedBy::LaterStart,
            _ => return None,
        };
        let mut ledger =
            SealedLedger { writer: u32_at(head, 20), count: u64_at(head, 24), ..SealedLedger::default() };
        ledger.head.copy_from_slice(&head[32..64]);
        let in_place = rising_before(seal, entries.iter().map(|entry| (entry.offset, entry.end())))
            && rising_before(seal, gaps.iter().map(|gap| (gap.from, gap.to)));
        in_place.then_some(SealIndex { entries, gaps, sealed_by, ledger })
    }
}

/// Whether spans lie in order, none over another, between file header and seal.
fn rising_before(seal: u64, spans: impl Iterator<Item = (u64, u64)>) -> bool {
    let mut end = FILE_HEADER_LENGTH;
    for (from, to) in spans {
        if from < end || to <= from {
            return false;
        }
        end = to;
    }
    end <= seal
}

fn decode_entry(bytes: &[u8]) -> Option<SealEntry> {
    let entry = SealEntry {
        offset: u64_at(bytes, 0),
        stored_length: u64_at(bytes, 8),
        raw_length: u64_at(bytes, 16),
        kind: Kind::from_number(bytes[24])?,
        flags: Flags((u32_at(bytes, 24) >> 16) as u16),
        facility: u32_at(bytes, 28),
        raw_sha256: super::format::hash_at(bytes, 32),
    };
    let sane = entry.offset.is_multiple_of(ALIGN)
        && entry.stored_length <= MAX_BODY
        && entry.offset < u64::MAX - 2 * MAX_BODY;
    sane.then_some(entry)
}
