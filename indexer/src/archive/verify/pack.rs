//! A pass over one pack: every record read again from the disk, its checksums and its hash compared.

use storage_config::ContentHash;
use storage_config::pack::{
    Body, FILE_HEADER_LENGTH, HeaderState, Kind, PackError, PackErrorKind, PackReader, Record, Scanned,
    SealIndex, Verify, scan,
};

use super::pace::Pace;

/// Bytes between two times that the place of a pass is kept.
const KEEP_EVERY: u64 = 32 << 20;

/// A stretch of a pack that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// Where it begins and ends, in bytes.
    pub(super) from: u64,
    pub(super) to: u64,
    /// What stood there, where that is known.
    pub(super) kind: Option<Kind>,
    /// The hash of the body that stood there, where it is known.
    pub(super) hash: Option<ContentHash>,
    /// In words.
    pub(super) what: &'static str,
}

/// What a pass looks at.
pub(super) struct Pass<'a> {
    pub(super) reader: &'a PackReader,
    /// Up to where the pack is known to hold what was acknowledged.
    pub(super) length: u64,
    /// Where the pass begins: where a record does, or before.
    pub(super) from: u64,
    /// Share of the records that are read, in percent, and what decides which.
    pub(super) percent: u8,
    pub(super) seed: u64,
    /// Stretches that count as damaged, each from and to, in order and apart.
    pub(super) doubted: &'a [(u64, u64)],
}

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passed {
    /// Where it goes on; none at its end.
    pub(super) place: Option<u64>,
    /// Records that were read.
    pub(super) records: u64,
}

/// What is told of a pass while it runs.
pub(super) enum Told {
    /// A damaged stretch.
    Found(Finding),
    /// A stretch that the disk did not give: nothing is known of it.
    Unread(Finding),
    /// Where a record begins that counted as damaged and is whole, and the hash of its body.
    Whole(u64, ContentHash),
    /// A place from which a later pass could go on.
    Keep(u64),
}

impl Pass<'_> {
    /// Reads the pack, or the part of it that is wanted.
    pub(super) fn run(&self, pace: &mut Pace<'_>, tell: &mut dyn FnMut(Told)) -> Passed {
        // What nobody gives now proves nothing: the pass goes on there another time.
        let Ok(mut list) = SealList::read(self.reader) else {
            return Passed { place: Some(self.from), records: 0 };
        };
        if self.from <= FILE_HEADER_LENGTH {
            self.look_at_ends(&list, tell);
        }
        let (mut end, mut kept) = (self.from.max(FILE_HEADER_LENGTH), pace.bytes);
        let mut passed = Passed { place: None, records: 0 };
        // After an error of the disk the next gap says nothing about what was there.
        let mut unread = false;
        for scanned in scan(self.reader, end, Verify::Headers) {
            match scanned {
                Ok(Scanned::Record(record)) if record.end() <= self.length => {
                    end = record.end();
                    if !self.wants(&record) {
                        continue;
                    }
                    match read(self.reader, &record, pace) {
                        Body::Whole if self.is_doubted(&record) => {
                            tell(Told::Whole(record.offset, record.raw_sha256));
                        }
                        Body::Whole => {}
                        Body::Unread => return Passed { place: Some(record.offset), ..passed },
                        Body::Unreadable => {
                            tell(Told::Unread(of_record(&record, UNREAD)));
                            continue;
                        }
                        Body::Damaged(what) => list.record(&record, what, tell),
                    }
                    passed.records += 1;
                    if pace.bytes - kept >= KEEP_EVERY {
                        kept = pace.bytes;
                        tell(Told::Keep(end));
                    }
                }
                Ok(Scanned::Gap { from, to }) if from < self.length => {
                    end = to.min(self.length);
                    list.stretch_or(std::mem::take(&mut unread), (from, end), tell);
                }
                Ok(Scanned::Sealed { .. }) => end = self.length,
                Ok(_) => break,
                Err(error) if error.kind() == PackErrorKind::Away => {
                    return Passed { place: Some(end), ..passed };
                }
                Err(error) if error.kind() == PackErrorKind::Io => {
                    tracing::warn!(%error, "a stretch of a pack was not read");
                    unread = true;
                }
                // A record of a later version cannot be judged.
                Err(error) => tracing::warn!(%error, "a stretch of a pack cannot be verified"),
            }
        }
        if end < self.length {
            list.stretch_or(unread, (end, self.length), tell);
        }
        passed
    }

    fn is_doubted(&self, record: &Record) -> bool {
        let next = self.doubted.partition_point(|(from, _)| *from <= record.offset);
        next.checked_sub(1).is_some_and(|n| record.offset < self.doubted[n].1)
    }

    fn wants(&self, record: &Record) -> bool {
        // A multiplication spreads neighbours (splitmix64); which records are read is no secret.
        let mixed = (record.offset ^ self.seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        self.percent >= 100 || mixed % 100 < u64::from(self.percent)
    }

    /// The header of the file and the list in the seal: both can be done without, and both are read here.
    fn look_at_ends(&self, list: &SealList, tell: &mut dyn FnMut(Told)) {
        let finding = |from, to, kind, what| Told::Found(Finding { from, to, kind, hash: None, what });
        if self.reader.header_state() != HeaderState::Whole {
            tell(finding(0, FILE_HEADER_LENGTH, None, "the header of the file"));
        }
        if let Some((from, to)) = list.damaged {
            tell(finding(from, to, Some(Kind::Seal), "the list of records at the end"));
        }
    }
}

/// Reads one record again.
pub(super) fn read(reader: &PackReader, record: &Record, pace: &mut Pace<'_>) -> Body {
    let took = reader.verify_body(record, &mut |block| Ok::<bool, ()>(pace.took(block.len() as u64)));
    took.unwrap_or(Body::Unread)
}

/// Whether an error leaves it open what the bytes are: the disk or the object store did not give them.
pub(super) fn leaves_open(error: &PackError) -> bool {
    matches!(error.kind(), PackErrorKind::Away | PackErrorKind::Io)
}

/// What was read, none where it is damaged; an error only where nothing was read.
fn if_answered<T>(read: Result<Option<T>, PackError>) -> Result<Option<T>, PackError> {
    read.or_else(|error| if leaves_open(&error) { Err(error) } else { Ok(None) })
}

const UNREAD: &str = "the disk does not give it";

fn of_record(record: &Record, what: &'static str) -> Finding {
    let (kind, hash) = (Some(record.kind), Some(record.raw_sha256));
    Finding { from: record.offset, to: record.end(), kind, hash, what }
}

/// The list of records in the seal of a pack: what stood where nothing can be read any more.
struct SealList {
    index: Option<SealIndex>,
    /// Where the seal is, if its list is damaged.
    damaged: Option<(u64, u64)>,
}

impl SealList {
    /// Fails only where nothing was read.
    fn read(reader: &PackReader) -> Result<SealList, PackError> {
        let seal = if_answered(reader.seal())?;
        let index = if seal.is_some() { if_answered(reader.seal_index())? } else { None };
        let damaged = seal.filter(|_| index.is_none()).map(|seal| (seal.offset, seal.end()));
        Ok(SealList { index, damaged })
    }

    /// Whether a stretch held nothing when the pack was sealed by a later start.
    fn knows_gap(&self, from: u64, to: u64) -> bool {
        let gaps = self.index.as_ref().map_or(&[][..], |index| &index.gaps);
        gaps.iter().any(|gap| gap.from <= from && to <= gap.to)
    }

    fn record(&mut self, record: &Record, what: &'static str, tell: &mut dyn FnMut(Told)) {
        if !self.knows_gap(record.offset, record.end()) {
            tell(Told::Found(of_record(record, what)));
        }
    }

    /// Tells of a stretch without a whole record, or of one that was not read.
    fn stretch_or(&mut self, unread: bool, (from, to): (u64, u64), tell: &mut dyn FnMut(Told)) {
        if unread {
            tell(Told::Unread(Finding { from, to, kind: None, hash: None, what: UNREAD }));
        } else {
            self.stretch(from, to, tell);
        }
    }

    /// Tells of a stretch without a whole record: of each record that stood there, where that is known.
    fn stretch(&mut self, from: u64, to: u64, tell: &mut dyn FnMut(Told)) {
        if self.knows_gap(from, to) {
            return;
        }
        let entries = self.index.as_ref().map_or(&[][..], |index| &index.entries);
        let first = entries.partition_point(|entry| entry.offset < from);
        let mut any = false;
        for entry in entries[first..].iter().take_while(|entry| entry.offset < to) {
            any = true;
            let (kind, hash) = (Some(entry.kind), Some(entry.raw_sha256));
            let (from, to) = (entry.offset, entry.end());
            tell(Told::Found(Finding { from, to, kind, hash, what: "the frame of a record" }));
        }
        if !any {
            tell(Told::Found(Finding {
                from,
                to,
                kind: None,
                hash: None,
                what: "no record can be read there",
            }));
        }
    }
}
