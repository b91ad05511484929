//! Walking a pack from front to back, past any damage (docs/FORMAT.md, "Scan and resynchronisation").

use super::error::PackError;
use super::format::{
    ALIGN, CHUNK, FILE_HEADER_LENGTH, Kind, MIN_RECORD, RECORD_HEADER, RECORD_MAGIC, RecordHeader,
};
use super::reader::{Frame, PackReader, Record};

/// How much is read at once when looking for the next header: little at first, since it is often near.
const SEARCH_BLOCK: std::ops::RangeInclusive<usize> = 4096..=1 << 20;
/// How much of a body is read at once to verify it.
const VERIFY_BLOCK: u64 = 16 * CHUNK as u64;
/// What is passed over where the disk cannot read.
const UNREADABLE: u64 = 4096;
/// So many errors of the disk end a scan: the disk is broken, not a sector.
const ERRORS_TOLERATED: u32 = 64;

/// How much of each record a scan verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Header and trailer. A record whose body is torn or damaged is given as if it were whole.
    Headers,
    /// Also the CRC of every chunk of the body.
    Bodies,
    /// As `Headers` below this offset, as `Bodies` from there on: what lies below is known to have been synced.
    BodiesFrom(u64),
}

/// What a scan finds, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// A record. Never a seal.
    Record(Record),
    /// A stretch without a whole record, before something that is whole.
    Gap {
        /// Where it begins.
        from: u64,
        /// Where it ends.
        to: u64,
    },
    /// The seal at the end of the pack; the scan is over.
    Sealed {
        /// Where the seal begins.
        at: u64,
        /// Whether its list is whole, as far as it was verified.
        whole: bool,
    },
    /// The end of an open pack; the scan is over. What stands behind is no record.
    End {
        /// Where the last record ends.
        at: u64,
    },
}

/// Scans `reader` from `from`, which is [`FILE_HEADER_LENGTH`] or where a record begins or ends, up to where the file
/// ends now. The memory it takes does not depend on the pack.
///
/// An `Err` is no end: after an unsupported record the scan goes on with the next, and where the disk cannot read it
/// passes over 4 KiB. After an error of the disk, gaps and the end say nothing about what was there. A scan of a disk
/// that cannot read at all gives up after 64 errors, without `End`.
pub fn scan(reader: &PackReader, from: u64, verify: Verify) -> Scan<'_> {
    Scan {
        reader,
        verify,
        position: from.max(FILE_HEADER_LENGTH).next_multiple_of(ALIGN),
        length: None,
        gap: None,
        found: None,
        errors: 0,
        done: false,
    }
}

/// The iterator of [`scan`].
#[derive(Debug)]
pub struct Scan<'a> {
    reader: &'a PackReader,
    verify: Verify,
    position: u64,
    length: Option<u64>,
    /// Start of the stretch without a whole record that ends at `position`.
    gap: Option<u64>,
    /// What was found behind a gap, to be given after it.
    found: Option<Result<Scanned, PackError>>,
    errors: u32,
    done: bool,
}

impl Iterator for Scan<'_> {
    type Item = Result<Scanned, PackError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(found) = self.found.take() {
            return Some(found);
        }
        if self.done {
            return None;
        }
        match self.step() {
            Ok(Some(found)) => Some(found),
            Ok(None) => {
                self.done = true;
                Some(Ok(Scanned::End { at: self.gap.take().unwrap_or(self.position) }))
            }
            Err(error) => Some(Err(self.pass_unreadable(error))),
        }
    }
}

impl Scan<'_> {
    /// The next thing; `None` at the end of the file. An error is one of the disk, at `position`.
    fn step(&mut self) -> Result<Option<Result<Scanned, PackError>>, PackError> {
        let length = match self.length {
            Some(length) => length,
            None => *self.length.insert(self.reader.len()?),
        };
        while self.position.saturating_add(MIN_RECORD) <= length {
            let at = self.position;
            match self.reader.frame(at)? {
                Frame::Record(record) if record.end() <= length => {
                    if let Some(found) = self.framed(record, length)? {
                        return Ok(Some(self.after_gap(at, Ok(found))));
                    }
                }
                Frame::Unsupported(error, end) => {
                    self.position = end;
                    return Ok(Some(self.after_gap(at, Err(error))));
                }
                Frame::Record(_) | Frame::Nothing(_) => {
                    self.gap.get_or_insert(at);
                    self.position = at + ALIGN;
                    self.search(length)?;
                }
            }
        }
        Ok(None)
    }

    /// Takes a framed record; `None` if there is nothing to give: it is not whole, or a seal that means nothing.
    fn framed(&mut self, record: Record, length: u64) -> Result<Option<Scanned>, PackError> {
        let (at, end) = (record.offset, record.end());
        let whole = match self.verify {
            Verify::Headers => true,
            Verify::BodiesFrom(from) if at < from => true,
            _ => self.verify_body(&record)?,
        };
        self.position = end;
        if record.kind == Kind::Seal {
            if end < length {
                return Ok(None);
            }
            self.done = true;
            return Ok(Some(Scanned::Sealed { at, whole }));
        }
        if !whole {
            self.gap.get_or_insert(at);
            return Ok(None);
        }
        Ok(Some(Scanned::Record(record)))
    }

    /// Gives `found`, which stands at `at`, or first the gap before it.
    fn after_gap(&mut self, at: u64, found: Result<Scanned, PackError>) -> Result<Scanned, PackError> {
        match self.gap.take() {
            None => found,
            Some(from) => {
                self.found = Some(found);
                Ok(Scanned::Gap { from, to: at })
            }
        }
    }

    fn verify_body(&self, record: &Record) -> Result<bool, PackError> {
        let mut block = Vec::new();
        let mut at = 0;
        while at < record.stored_length {
            let end = record.stored_length.min(at + VERIFY_BLOCK);
            block.clear();
            match self.reader.read_range(record, at..end, &mut block) {
                Ok(()) => at = end,
                Err(PackError::Damaged { .. }) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Moves `position` to the next header that is valid, or to the end of the file.
    fn search(&mut self, length: u64) -> Result<(), PackError> {
        let mut block = vec![0; *SEARCH_BLOCK.start()];
        while self.position.saturating_add(MIN_RECORD) <= length {
            let room = usize::try_from(length - self.position).unwrap_or(usize::MAX).min(block.len());
            let read = self.reader.read_some(&mut block[..room], self.position)?;
            if read < RECORD_HEADER {
                break;
            }
            // A header that begins at the end of this block is looked at again at the start of the next.
            let last = (read - RECORD_HEADER) / ALIGN as usize * ALIGN as usize;
            if let Some(hit) = self.find_header(&block[..last + RECORD_HEADER]) {
                self.position += hit as u64;
                return Ok(());
            }
            self.position += last as u64 + ALIGN;
            block.resize((block.len() * 2).min(*SEARCH_BLOCK.end()), 0);
        }
        self.position = length;
        Ok(())
    }

    /// Where in `block`, which begins at `position`, the first valid header stands.
    fn find_header(&self, block: &[u8]) -> Option<usize> {
        let magic = u64::from_ne_bytes(RECORD_MAGIC);
        let words = block.chunks_exact(ALIGN as usize).enumerate();
        words
            .filter(|(_, word)| word.first_chunk().is_some_and(|word| u64::from_ne_bytes(*word) == magic))
            .map(|(n, _)| n * ALIGN as usize)
            .find(|&at| {
                let bytes = block.get(at..).and_then(|rest| rest.first_chunk());
                let offset = self.position + at as u64;
                bytes.is_some_and(|bytes| {
                    RecordHeader::decode(bytes, &self.reader.name().id, offset).is_some()
                })
            })
    }

    /// The disk could not read at `position` or in the record there: goes on behind it, if errors are few.
    fn pass_unreadable(&mut self, error: PackError) -> PackError {
        self.errors += 1;
        self.done = self.errors >= ERRORS_TOLERATED || self.length.is_none();
        self.gap.get_or_insert(self.position);
        self.position = (self.position / UNREADABLE + 1).saturating_mul(UNREADABLE);
        error
    }
}
