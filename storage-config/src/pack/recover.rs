//! Sealing a pack whose writer died.

use std::path::Path;

use super::error::PackError;
use super::footer::{Gap, SealEntry, SealIndex, SealedBy, SealedLedger};
use super::format::{
    ALIGN, FILE_HEADER_LENGTH, Flags, Kind, MAX_RECORDS, RecordHeader, chunk_crcs, encode_tail,
};
use super::reader::PackReader;
use super::scan::{Scanned, Verify, scan};
use super::writer::Sealed;
use crate::disk::{Disk, SyncPoint};
use crate::hash::ContentHash;

/// Seals the open pack at `path` as it is, with its gaps: not a byte of it is cut or changed, the seal is appended. The
/// records below `verified` (the mark up to which the pack is known to have been synced) are listed if header and
/// trailer are whole, those above only if their bodies are. A pack that is sealed already is left alone.
///
/// The caller owns the directory: no writer of this pack is alive.
///
/// # Errors
/// What the disk says, an error while reading included: what could not be read must not be sealed as a gap.
/// `Unsupported` if the pack holds a record this version does not know. The pack stays open then.
pub fn seal_as_is(disk: &Disk, path: &Path, verified: u64) -> Result<Sealed, PackError> {
    let reader = PackReader::open_lenient(disk, path)?;
    let name = *reader.name();
    if let Some(seal) = reader.seal()? {
        // The list may be damaged; the number of records then follows from the last sequence, gaps included.
        let listed = reader.seal_index().ok().flatten().map(|index| index.entries.len());
        let records = listed.unwrap_or(usize::try_from(seal.sequence).unwrap_or(usize::MAX));
        return Ok(Sealed { name, length: seal.end(), records });
    }
    let length = reader.len()?;
    let (mut entries, mut gaps, mut sequence) = (Vec::new(), Vec::new(), 0);
    for found in scan(&reader, FILE_HEADER_LENGTH, Verify::BodiesFrom(verified)) {
        match found? {
            Scanned::Record(record) if entries.len() < MAX_RECORDS => {
                sequence = sequence.max(record.sequence.saturating_add(1));
                entries.push(SealEntry::from(&record));
            }
            Scanned::Record(_) => return Err(PackError::Full(name)),
            Scanned::Gap { from, to } => gaps.push(Gap { from, to }),
            Scanned::End { at } if at < length => {
                gaps.push(Gap { from: at, to: length.next_multiple_of(ALIGN) })
            }
            Scanned::End { .. } | Scanned::Sealed { .. } => {}
        }
    }
    let records = entries.len();
    let body = SealIndex { entries, gaps, sealed_by: SealedBy::LaterStart, ledger: SealedLedger::default() }
        .encode();
    let header = RecordHeader {
        pack: name.id,
        // A file that lost even its header gets its seal where records may stand.
        offset: length.next_multiple_of(ALIGN).max(FILE_HEADER_LENGTH),
        kind: Kind::Seal as u8,
        flags: Flags::NONE.0,
        facility: 0,
        writer: name.identity.writer,
        sequence,
        stored_length: body.len() as u64,
        raw_length: body.len() as u64,
        raw_sha256: ContentHash::of(&body),
    };
    let head = header.encode();
    let tail = encode_tail(&head, body.len() as u64, &chunk_crcs(&[&body]));
    disk.open_write(path)
        .and_then(|file| {
            file.write_at(&[&head, &body, &tail], header.offset)?;
            file.sync_data(SyncPoint::Seal)
        })
        .map_err(|source| reader.io("sealing as it is", source))?;
    Ok(Sealed { name, length: header.end(), records })
}
