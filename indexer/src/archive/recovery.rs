//! From packs to rows: the tails of packs that were open when the process ended, and whole packs for a rebuild
//! (STORE.md rule 10).
//!
//! Acknowledged bytes are never truncated here. A pack that was found open is made durable as it is, indexed as far
//! as its records verify, and never written again.

mod behind;
mod made;

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;
use std::sync::mpsc::SyncSender;

use storage_config::ContentHash;
use storage_config::disk::SyncPoint;
use storage_config::pack::{
    FILE_HEADER_LENGTH, Kind, PackError, PackErrorKind, PackName, PackReader, Record, Scanned, SealEntry,
    SealIndex, SealedBy, Verify, scan, seal_as_is,
};

use super::Shared;
use super::append::place;
use super::error::OpenError;
use super::sources::{self, At, Sources};
use crate::db::{Batch, DbError, Entry, Job, PackId, PackRow, Place};
pub(crate) use made::entry_of;
use made::{Failure, Made};

/// Entries of one transaction, and bytes of the records that they come from without bulk values: many small ones together
/// touch the same pages of an index once.
const BATCH: usize = 8192;
const BATCH_BYTES: u64 = 4 << 20;
/// Hashes of bulk values of a pack that are remembered, so that the index need not be asked for them.
const SEEN_MAX: usize = 1 << 16;

/// Records of an object that are looked at together for what to fetch ahead.
const AHEAD: usize = 256;
/// Bytes of a record's body that is fetched ahead, at most.
const AHEAD_BODY: u64 = 256 << 10;
/// Requests under way at once while fetching ahead.
const AT_ONCE: usize = 8;

/// What a start or a rebuild found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Packs that were read.
    pub packs: u64,
    /// Records that became rows.
    pub records: u64,
    /// Records that could not become rows; they are listed.
    pub unindexable: u64,
    /// Damaged stretches that were passed over; they are listed.
    pub gaps: u64,
    /// Packs the index knows whose files are gone.
    pub missing: u64,
}

/// What a reading of packs makes rows of. An instance may name bulk values of any other pack, so all packs are read for
/// those first: the mark of a pack must not pass an instance that could not be understood yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Bulk,
    All,
}

/// Indexes what the index lacks of the packs on disk and in the bucket.
pub(crate) fn start(shared: &Shared) -> Result<Recovered, OpenError> {
    let known = !shared.db.packs()?.is_empty();
    let sources = Sources::find(shared, known)?;
    // After the bucket was looked at: another server makes the row of a pack before it sends any of it.
    let rows = rows_by_name(shared)?;
    know_names(shared, &rows, &sources);
    let recovered = index_open(shared, &rows, &sources)?;
    sources.tell(shared)?;
    Ok(recovered)
}

fn index_open(
    shared: &Shared,
    rows: &HashMap<PackName, PackRow>,
    sources: &Sources,
) -> Result<Recovered, OpenError> {
    let mut found = Findings::default();
    let uploaded = sources::uploaded(shared, rows)?;
    // Of a shared index they may be on the disk of another server.
    let gone = |(name, row): &(&PackName, &PackRow)| {
        let missing = !row.removed && (!shared.db.is_shared() || is_own(shared, name));
        missing && !sources.packs.contains_key(name) && !uploaded.contains(&row.id)
    };
    for (name, row) in rows.iter().filter(gone) {
        tracing::error!(pack = %name, "a pack of the index is not on the disk");
        shared.names.lose(row.id, *name);
        shared.db.pack_is_lost(row.id);
        found.recovered.missing += 1;
    }
    let known = |name| rows.get(name).is_some_and(|row: &PackRow| row.sealed || uploaded.contains(&row.id));
    // What another node has not sealed yet it indexes itself.
    let others =
        |name, at: &At| rows.contains_key(name) && matches!(at, At::Groups(_)) && !is_own(shared, name);
    let open: Vec<(&PackName, &At)> =
        sources.packs.iter().filter(|(name, at)| !known(name) && !others(name, at)).collect();
    if open.is_empty() {
        // A start that ended too early may have left some.
        shared.db.decide_statements()?;
        return Ok(found.recovered);
    }
    make_durable(shared, &open)?;
    let checkpoint = |name| rows.get(name).map_or(0, |row: &PackRow| row.checkpoint);
    for pass in [Pass::Bulk, Pass::All] {
        for (name, at) in &open {
            let stretch = (checkpoint(name), u64::MAX);
            replay(shared, &at.open(shared, name)?, stretch, pass, &mut found)?;
        }
    }
    shared.db.decide_statements()?;
    forgive(shared, &mut found)?;
    for (name, at) in open {
        match at {
            At::File => seal(shared, name, checkpoint(name))?,
            at => at.note(shared, name)?,
        }
    }
    Ok(found.recovered)
}

/// Makes packs durable that their writer may have left without a sync. Names first: a row must never point into a file that
/// a loss of power takes away.
fn make_durable(shared: &Shared, packs: &[(&PackName, &At)]) -> Result<(), OpenError> {
    shared.options.disk.sync_dir(&shared.options.packs_dir, SyncPoint::RecoveryDirectory)?;
    for (name, at) in packs {
        at.open(shared, name)?.sync(SyncPoint::Recovery)?;
    }
    Ok(())
}

/// Whether this node wrote a pack, now or in an earlier process.
fn is_own(shared: &Shared, name: &PackName) -> bool {
    name.identity.writer == shared.identity.writer
}

/// Makes all rows again from the packs; the index is emptied before. What a writer left open is sealed as it is.
pub(crate) fn rebuild(shared: &Shared, progress: &mut dyn FnMut(u64, u64)) -> Result<Recovered, OpenError> {
    let mut found = Findings::default();
    // No pack is uploaded and no file removed while their rows are made again.
    let uploads = shared.uploads.clone();
    let _turn = uploads.as_ref().map(|uploads| uploads.turn.lock().unwrap_or_else(PoisonError::into_inner));
    let sources = Sources::find(shared, false)?;
    let away = |(name, row): &(PackName, PackRow)| !row.removed && !sources.packs.contains_key(name);
    let away: Vec<_> = rows_by_name(shared)?.into_iter().filter(away).collect();
    if shared.db.is_shared() && !away.is_empty() {
        return Err(DbError::OthersPacks(away.len()).into());
    }
    for (name, _) in &away {
        tracing::error!(pack = %name, "a pack of the index is not on the disk");
    }
    found.recovered.missing = away.len() as u64;
    let files: Vec<_> = sources.packs.iter().filter(|(_, at)| matches!(at, At::File)).collect();
    make_durable(shared, &files)?;
    shared.db.wipe()?;
    shared.marks.clear();
    shared.readers.clear();
    shared.records.clear();
    let total = sources.packs.len() as u64;
    for (n, (name, at)) in sources.packs.iter().enumerate() {
        progress(n as u64, 2 * total);
        replay(shared, &at.open(shared, name)?, (0, u64::MAX), Pass::Bulk, &mut found)?;
    }
    for (n, (name, at)) in sources.packs.iter().enumerate() {
        progress(total + n as u64, 2 * total);
        replay(shared, &at.open(shared, name)?, (0, u64::MAX), Pass::All, &mut found)?;
        match at {
            // This process writes it.
            At::File if name.identity == shared.identity => {}
            At::File => seal(shared, name, 0)?,
            at => at.note(shared, name)?,
        }
    }
    shared.db.decide_statements()?;
    forgive(shared, &mut found)?;
    sources.tell(shared)?;
    progress(2 * total, 2 * total);
    Ok(found.recovered)
}

/// What reading packs brings to light.
#[derive(Default)]
struct Findings {
    recovered: Recovered,
    /// Instances that lack bulk values, and the places of their records.
    orphans: Vec<(Place, ContentHash)>,
    /// Up to where the bulk values of a pack are rows.
    bulk_upto: HashMap<PackId, u64>,
}

/// Takes from the list of losses what a statement says was removed.
fn forgive(shared: &Shared, found: &mut Findings) -> Result<(), OpenError> {
    for (place, digest) in &found.orphans {
        if shared.db.is_removed(digest)? {
            shared.db.forgive_unindexable(*place)?;
            found.recovered.unindexable = found.recovered.unindexable.saturating_sub(1);
        }
    }
    Ok(())
}

/// The packs of the index by name.
fn rows_by_name(shared: &Shared) -> Result<HashMap<PackName, PackRow>, OpenError> {
    let rows = shared.db.packs()?.into_iter();
    Ok(rows.filter_map(|row| Some((row.name.parse().ok()?, row))).collect())
}

/// Takes note of the packs of this server: of an index that is shared, those that are on its disk or whole in the bucket.
fn know_names(shared: &Shared, rows: &HashMap<PackName, PackRow>, sources: &Sources) {
    for (name, row) in rows {
        if !shared.db.is_shared() || matches!(sources.packs.get(name), Some(At::File | At::Object(_))) {
            shared.names.add(row.id, *name);
        }
    }
}

/// Seals a pack whose writer died, as it is.
fn seal(shared: &Shared, name: &PackName, verified: u64) -> Result<(), OpenError> {
    let path = shared.options.packs_dir.join(name.file_name());
    let pack = shared.db.pack_id(&name.to_string())?;
    match seal_as_is(&shared.options.disk, &path, verified) {
        Ok(sealed) => Ok(shared.db.background(&Job::PackSealed { pack, length: sealed.length })?),
        Err(error) => {
            // It stays open and is looked through again at the next start; what it holds is indexed.
            tracing::warn!(pack = %name, %error, "a pack could not be sealed");
            Ok(())
        }
    }
}

/// What of a pack has to be verified before its records are trusted. A writer seals only what it has synced; a pack
/// that its writer left open may hold records that were never synced, whole in header and trailer and torn between.
fn verification(reader: &PackReader) -> Result<Verify, PackError> {
    let sealed_by = match reader.seal_index() {
        Ok(index) => index.map(|index| index.sealed_by),
        // Who sealed it is not known then; a scan gives the same list.
        Err(PackError::Damaged { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(if sealed_by == Some(SealedBy::Writer) { Verify::Headers } else { Verify::Bodies })
}

/// What the seal of an object lists, if its writer sealed it: then nothing but records with a meaning is fetched.
fn listed(reader: &PackReader) -> Result<Option<SealIndex>, PackError> {
    if !reader.is_object() {
        return Ok(None);
    }
    match reader.seal_index() {
        Ok(index) => Ok(index.filter(|index| index.sealed_by == SealedBy::Writer)),
        // A scan gives the same list.
        Err(error) if error.kind() == PackErrorKind::Damaged => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes sure that the index has all that was committed to it, after the connection to it became another one: a server
/// that was restored, or took over from another, may have lost the last transactions.
pub(crate) fn catch_up(shared: &Shared) -> Result<(), DbError> {
    let epoch = shared.db.epoch()?;
    if shared.marks.epoch() == Some(epoch) {
        return Ok(());
    }
    let rows: HashMap<PackId, PackRow> = shared.db.packs()?.into_iter().map(|row| (row.id, row)).collect();
    let mut behind = Vec::new();
    for (pack, mark) in shared.marks.all() {
        let name = shared.names.known(pack).ok_or(DbError::Lost)?;
        let row = rows.get(&pack).filter(|row| row.name == name.to_string()).ok_or(DbError::Lost)?;
        // What was written anew has its rows elsewhere.
        if row.checkpoint < mark && !row.removed {
            tracing::error!(pack = %name, from = row.checkpoint, to = mark, "the index lost rows; they are made again");
            behind.push((pack, name, (row.checkpoint, mark)));
        }
    }
    let mut found = Findings::default();
    for pass in [Pass::Bulk, Pass::All] {
        for (pack, name, stretch) in &behind {
            let reader = shared.open_pack(*pack, name).map_err(|error| DbError::Away(error.to_string()))?;
            replay(shared, &reader, *stretch, pass, &mut found).map_err(|error| match error {
                OpenError::Index(error) => error,
                error => DbError::Away(error.to_string()),
            })?;
        }
    }
    if !behind.is_empty() {
        shared.db.decide_statements()?;
    }
    shared.marks.hold_for(epoch);
    Ok(())
}

/// Scans a stretch of a pack and applies its records.
fn replay(
    shared: &Shared,
    reader: &PackReader,
    (checkpoint, upto): (u64, u64),
    pass: Pass,
    found: &mut Findings,
) -> Result<(), OpenError> {
    let name = reader.name();
    found.recovered.packs += u64::from(pass == Pass::All);
    let pack = shared.db.pack_id(&name.to_string())?;
    shared.names.add(pack, *name);
    let from = checkpoint.max(FILE_HEADER_LENGTH);
    let index = listed(reader)?;
    let (end, refused) = behind::apply(shared, |batches| {
        let (batch, seen) = (Batch::default(), HashSet::new());
        let mut replay =
            Replay { shared, reader, pack, pass, batch, bytes: 0, seen, batches, found: &mut *found };
        let end = match &index {
            Some(index) => replay.take_listed(index, from)?,
            None => replay.take_scanned(from, upto)?,
        };
        replay.flush(end)?;
        Ok(end)
    })?;
    found.recovered.unindexable += refused;
    if pass == Pass::Bulk {
        found.bulk_upto.insert(pack, end);
    } else if index.is_none() {
        shared.marks.advance([(pack, end)]);
    }
    Ok(())
}

struct Replay<'a> {
    shared: &'a Shared,
    reader: &'a PackReader,
    pack: PackId,
    pass: Pass,
    batch: Batch,
    /// Of the records behind the batch.
    bytes: u64,
    /// Bulk values that stand before in this pack: the index has them, and most instances name no other ones.
    seen: HashSet<ContentHash>,
    /// Takes what is to be applied.
    batches: &'a SyncSender<Batch>,
    found: &'a mut Findings,
}

impl Replay<'_> {
    /// Takes the records of a stretch; where the last one ends.
    fn take_scanned(&mut self, from: u64, upto: u64) -> Result<u64, OpenError> {
        let mut end = from;
        for scanned in scan(self.reader, from, verification(self.reader)?) {
            match scanned {
                // What is behind may not be synced yet.
                Ok(Scanned::Record(record)) if record.end() > upto => break,
                Ok(Scanned::Gap { to, .. }) if to > upto => break,
                Ok(Scanned::Record(record)) => {
                    end = record.end();
                    self.take(&record, end)?;
                }
                Ok(Scanned::Gap { from, to }) => {
                    self.gap(from, to);
                    end = to;
                }
                Ok(Scanned::Sealed { .. } | Scanned::End { .. }) => {}
                // What the disk could not read proves nothing: neither the mark nor the seal may pass it.
                Err(error) if matches!(error.kind(), PackErrorKind::Io | PackErrorKind::Away) => {
                    return Err(error.into());
                }
                Err(error) => {
                    tracing::error!(pack = %self.reader.name(), %error, "a record of a pack cannot be read");
                    self.gap(end, end);
                }
            }
        }
        Ok(end)
    }

    /// Takes what the seal lists from `from` on; where the last record ends.
    fn take_listed(&mut self, index: &SealIndex, from: u64) -> Result<u64, OpenError> {
        let mut end = from;
        for (n, entry) in index.entries.iter().enumerate().filter(|(_, entry)| entry.offset >= from) {
            if n.is_multiple_of(AHEAD) && self.pass == Pass::All {
                self.fetch_ahead(index.entries.get(n..).unwrap_or_default());
            }
            end = entry.end();
            match (entry.kind, self.pass) {
                (Kind::Bulk, _) => {
                    let (offset, length) = (entry.offset, entry.raw_length);
                    let place = Place { pack: self.pack, offset, length };
                    self.found.recovered.records += u64::from(self.pass == Pass::All);
                    self.see(entry.raw_sha256);
                    if !self.has_bulk(end) {
                        self.add(Entry::Bulk { hash: entry.raw_sha256, place }, end)?;
                    }
                }
                (_, Pass::Bulk) | (Kind::Seal, _) => {}
                _ => match self.reader.record(entry.offset) {
                    Ok(record) => self.take(&record, end)?,
                    Err(error) if error.kind() == PackErrorKind::Damaged => {
                        tracing::error!(%error, "a record of a pack cannot be read");
                        self.gap(entry.offset, end);
                    }
                    Err(error) => return Err(error.into()),
                },
            }
        }
        Ok(end)
    }

    /// Has the next records that will be read brought into memory, several at a time: each is a request of its own.
    fn fetch_ahead(&self, entries: &[SealEntry]) {
        let small = |entry: &&SealEntry| entry.kind != Kind::Bulk && entry.raw_length <= AHEAD_BODY;
        let wanted: Vec<u64> = entries.iter().take(AHEAD).filter(small).map(|entry| entry.offset).collect();
        let reader = self.reader;
        std::thread::scope(|scope| {
            for some in wanted.chunks(wanted.len().div_ceil(AT_ONCE).max(1)) {
                scope.spawn(move || {
                    for offset in some {
                        // Whoever reads it in its turn meets the error again.
                        let _ = reader.record(*offset).and_then(|record| reader.read_body(&record));
                    }
                });
            }
        });
    }

    fn see(&mut self, bulk: ContentHash) {
        if self.seen.len() >= SEEN_MAX {
            self.seen.clear();
        }
        self.seen.insert(bulk);
    }

    /// Whether a bulk value that ends there became a row in the reading before.
    fn has_bulk(&self, end: u64) -> bool {
        self.pass == Pass::All && self.found.bulk_upto.get(&self.pack).is_some_and(|upto| end <= *upto)
    }

    fn add(&mut self, entry: Entry, end: u64) -> Result<(), DbError> {
        self.batch.entries.push(entry);
        self.flush_full(end)
    }

    fn flush_full(&mut self, end: u64) -> Result<(), DbError> {
        let is_full = self.batch.entries.len() >= BATCH || self.bytes >= BATCH_BYTES;
        if is_full { self.flush(end) } else { Ok(()) }
    }

    fn take(&mut self, record: &Record, end: u64) -> Result<(), DbError> {
        if self.pass == Pass::Bulk && record.kind != Kind::Bulk {
            return Ok(());
        }
        let at = place(self.pack, &record.extent());
        if record.kind == Kind::Bulk {
            self.see(record.raw_sha256);
            if self.has_bulk(end) {
                self.found.recovered.records += 1;
                return Ok(());
            }
        }
        let made = Made { shared: self.shared, reader: self.reader, place: at, seen: Some(&self.seen) };
        match made.entry(record) {
            Ok(None) => {}
            Ok(Some(entry)) => {
                self.found.recovered.records += u64::from(self.pass == Pass::All);
                self.bytes += if record.kind == Kind::Bulk { 0 } else { record.raw_length };
                self.batch.entries.push(entry);
            }
            Err(Failure(reason, orphan)) => {
                let at = place(self.pack, &record.extent());
                self.found.orphans.extend(orphan.map(|digest| (at, digest)));
                self.list(record, reason);
            }
        }
        self.flush_full(end)
    }

    fn list(&mut self, record: &Record, reason: String) {
        self.found.recovered.unindexable += 1;
        tracing::warn!(offset = record.offset, reason, "a record cannot become rows and is listed");
        self.batch.entries.push(Entry::Unindexable { pack: self.pack, offset: record.offset, reason });
    }

    fn gap(&mut self, from: u64, to: u64) {
        if self.pass == Pass::Bulk {
            return;
        }
        self.found.recovered.gaps += 1;
        let reason = format!("damaged from byte {from} to {to}");
        self.batch.entries.push(Entry::Unindexable { pack: self.pack, offset: from, reason });
    }

    fn flush(&mut self, upto: u64) -> Result<(), DbError> {
        let mut batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        if self.pass == Pass::All {
            batch.checkpoints.push((self.pack, upto));
        }
        // Whoever takes them ends at an error alone, which is what is told then.
        self.batches.send(batch).map_err(|_| DbError::Lost)
    }
}
