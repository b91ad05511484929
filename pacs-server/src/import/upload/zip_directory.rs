//! The directory at the end of a zip archive (APPNOTE 4.3, zip64 included): where it is, and its entries one by one.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

const END: &[u8; 4] = b"PK\x05\x06";
const END_64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR_64: &[u8; 4] = b"PK\x06\x07";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
/// Bytes of the end record without its comment, and of the records of zip64 before it.
const END_BYTES: u64 = 22;
const LOCATOR_BYTES: u64 = 20;
const END_64_BYTES: u64 = 56;
/// Bytes of the end record with the longest comment.
const TAIL_BYTES: u64 = END_BYTES + 65_535;
/// Bytes of an entry before its name.
const CENTRAL_BYTES: usize = 46;
/// A value that stands in a field of zip64 instead.
const ELSEWHERE: u64 = 0xFFFF_FFFF;
/// Characters of a name that are kept.
const NAME_CHARS: usize = 512;

/// Why an archive, or a file of it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ZipError {
    /// The file it lies in could not be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// There is no directory at its end.
    #[error("the zip archive has no directory at its end: it was cut")]
    NoDirectory,
    /// A part of it makes no sense.
    #[error("the zip archive is damaged: {0} makes no sense")]
    Damaged(&'static str),
    /// It is one of several parts.
    #[error("the zip archive is split into several files")]
    Split,
    /// It has more files than are taken.
    #[error("the zip archive has more than {limit} files")]
    TooMany {
        /// How many are taken.
        limit: u64,
    },
    /// A file needs a password.
    #[error("encrypted in the zip archive")]
    Encrypted,
    /// A file is packed in a way that is not known.
    #[error("packed in the zip archive by method {0}, which is not known here")]
    Method(u16),
}

/// Where the directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub start: u64,
    pub end: u64,
    /// Entries it says it has.
    pub entries: u64,
    /// Bytes that stand before the archive, such as a program that unpacks it.
    pub shift: u64,
}

/// A file in the archive, as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// For showing only.
    pub name: String,
    pub is_folder: bool,
    pub flags: u16,
    pub method: u16,
    pub crc: u32,
    pub packed: u64,
    pub length: u64,
    pub header_at: u64,
}

impl Entry {
    pub(super) fn is_encrypted(&self) -> bool {
        self.flags & (1 | 1 << 13) != 0
    }
}

fn half(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

/// Finds the directory of an archive of `length` bytes.
///
/// # Errors
/// When there is none, or what is there contradicts itself.
pub(super) fn find(file: &File, length: u64) -> Result<Place, ZipError> {
    let tail_at = length.saturating_sub(TAIL_BYTES);
    let mut tail = vec![0; usize::try_from(length - tail_at).unwrap_or(0)];
    file.read_exact_at(&mut tail, tail_at)?;
    // The last end record whose comment reaches exactly to the end of the file.
    let ends = |at: &usize| {
        tail[*at..].starts_with(END) && at + 22 + usize::from(half(&tail, at + 20)) == tail.len()
    };
    let at = (0..(tail.len() + 1).saturating_sub(22)).rev().find(ends).ok_or(ZipError::NoDirectory)?;
    let end = &tail[at..];
    let mut at = tail_at + at as u64;
    let (mut entries, mut bytes, mut offset) =
        (u64::from(half(end, 10)), u64::from(word(end, 12)), u64::from(word(end, 16)));
    let mut disks = u32::from(half(end, 4));
    if entries == 0xFFFF || bytes == ELSEWHERE || offset == ELSEWHERE {
        let (end_64, end_64_at) = end_64(file, at)?;
        disks = word(&end_64, 16);
        (entries, bytes, offset) = (long(&end_64, 32), long(&end_64, 40), long(&end_64, 48));
        at = end_64_at;
    }
    if disks != 0 {
        return Err(ZipError::Split);
    }
    let start = at.checked_sub(bytes).ok_or(ZipError::Damaged("its directory"))?;
    let shift = start.checked_sub(offset).ok_or(ZipError::Damaged("its directory"))?;
    if entries > bytes / CENTRAL_BYTES as u64 {
        return Err(ZipError::Damaged("its directory"));
    }
    Ok(Place { start, end: at, entries, shift })
}

/// The end record of zip64 before the end record at `end_at`, and where it is.
fn end_64(file: &File, end_at: u64) -> Result<([u8; END_64_BYTES as usize], u64), ZipError> {
    let wrong = || ZipError::Damaged("its directory");
    let mut locator = [0; LOCATOR_BYTES as usize];
    let locator_at = end_at.checked_sub(LOCATOR_BYTES).ok_or_else(wrong)?;
    file.read_exact_at(&mut locator, locator_at)?;
    if !locator.starts_with(LOCATOR_64) {
        return Err(wrong());
    }
    let mut found = [0; END_64_BYTES as usize];
    // Straight before its locator, unless it has a field of its maker; then where the locator says.
    for at in [locator_at.checked_sub(END_64_BYTES), Some(long(&locator, 8))].into_iter().flatten() {
        if at < locator_at && file.read_exact_at(&mut found, at).is_ok() && found.starts_with(END_64) {
            return Ok((found, at));
        }
    }
    Err(wrong())
}

/// The entries of a directory, which `bytes` gives from its start to its end.
pub(super) fn entries(
    bytes: impl Read + Send,
    place: Place,
) -> impl Iterator<Item = Result<Entry, ZipError>> + Send {
    let mut reader = BufReader::with_capacity(64 * 1024, bytes);
    let mut left = place.entries;
    std::iter::from_fn(move || {
        left = left.checked_sub(1)?;
        let entry = next(&mut reader);
        if entry.is_err() {
            left = 0;
        }
        Some(entry)
    })
}

fn next(reader: &mut impl Read) -> Result<Entry, ZipError> {
    let wrong = |_: io::Error| ZipError::Damaged("its directory");
    let mut fixed = [0; CENTRAL_BYTES];
    reader.read_exact(&mut fixed).map_err(wrong)?;
    if !fixed.starts_with(CENTRAL) {
        return Err(ZipError::Damaged("its directory"));
    }
    let lengths = [half(&fixed, 28), half(&fixed, 30), half(&fixed, 32)].map(usize::from);
    let mut name = vec![0; lengths[0]];
    let mut extra = vec![0; lengths[1]];
    let mut comment = vec![0; lengths[2]];
    for field in [&mut name, &mut extra, &mut comment] {
        reader.read_exact(field).map_err(wrong)?;
    }
    let mut large = [u64::from(word(&fixed, 24)), u64::from(word(&fixed, 20)), u64::from(word(&fixed, 42))];
    zip64(&extra, &mut large);
    let [length, packed, header_at] = large;
    Ok(Entry {
        is_folder: name.last() == Some(&b'/'),
        name: String::from_utf8_lossy(&name).chars().take(NAME_CHARS).collect(),
        flags: half(&fixed, 8),
        method: half(&fixed, 10),
        crc: word(&fixed, 16),
        packed,
        length,
        header_at,
    })
}

/// Takes values that did not fit into their fields from the field of zip64, in their order.
fn zip64(extra: &[u8], values: &mut [u64; 3]) {
    let mut rest = extra;
    while rest.len() >= 4 {
        let (id, length) = (half(rest, 0), usize::from(half(rest, 2)));
        let Some(body) = rest.get(4..4 + length) else { return };
        if id == 1 {
            let mut at = 0;
            for value in values.iter_mut().filter(|value| **value == ELSEWHERE) {
                if at + 8 > body.len() {
                    return;
                }
                *value = long(body, at);
                at += 8;
            }
            return;
        }
        rest = &rest[4 + length..];
    }
}
