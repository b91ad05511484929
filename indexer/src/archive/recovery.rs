//! From packs to rows: the tails of packs that were open when the process ended, and whole packs for a rebuild
//! (STORE.md rule 10).
//!
//! Acknowledged bytes are never truncated here. A pack that was found open is made durable as it is, indexed as far
//! as its records verify, and never written again.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;

use storage_config::ContentHash;
use storage_config::disk::SyncPoint;
use storage_config::pack::{
    FILE_HEADER_LENGTH, Kind, PackError, PackErrorKind, PackName, PackReader, Record, Scanned, SealEntry,
    SealIndex, SealedBy, Verify, scan, seal_as_is,
};

use super::append::{instance_entry, place};
use super::error::OpenError;
use super::sources::{At, Sources};
use super::{Shared, reader};
use crate::dataset::DataSet;
use crate::dataset::attributes::Attributes;
use super::compact::server_of_turns;
use crate::db::{Batch, DbError, Entry, FacilityId, Job, PackId, PackObject, PackRow, Place};
use crate::record::{HoldingBody, InstanceBody, read_statement};

/// Entries of one transaction.
const BATCH: usize = 512;
/// Largest body of an instance, holding or statement record that is read.
const BODY_MAX: u64 = 1 << 30;

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
    let (mut recovered, mut orphans) = (Recovered::default(), Orphans::new());
    let uploaded = uploaded(shared, rows)?;
    // Of a shared index they may be on the disk of another server.
    let gone = |(name, row): &(&PackName, &PackRow)| {
        let missing = !shared.db.is_shared() && !row.removed;
        missing && !sources.packs.contains_key(name) && !uploaded.contains(&row.id)
    };
    for (name, _) in rows.iter().filter(gone) {
        tracing::error!(pack = %name, "a pack of the index is not on the disk");
        recovered.missing += 1;
    }
    let known =
        |name| rows.get(name).is_some_and(|row: &PackRow| row.sealed || uploaded.contains(&row.id));
    // What another node has not sealed yet it indexes itself.
    let others =
        |name, at: &At| rows.contains_key(name) && matches!(at, At::Groups(_)) && !is_own(shared, name);
    let open: Vec<(&PackName, &At)> =
        sources.packs.iter().filter(|(name, at)| !known(name) && !others(name, at)).collect();
    if open.is_empty() {
        // A start that ended too early may have left some.
        shared.db.decide_statements()?;
        return Ok(recovered);
    }
    // Names first: a row must never point into a file that a loss of power takes away.
    shared.options.disk.sync_dir(&shared.options.packs_dir, SyncPoint::RecoveryDirectory)?;
    let checkpoint = |name| rows.get(name).map_or(0, |row: &PackRow| row.checkpoint);
    for (name, at) in &open {
        at.open(shared, name)?.sync(SyncPoint::Recovery)?;
    }
    for pass in [Pass::Bulk, Pass::All] {
        for (name, at) in &open {
            let stretch = (checkpoint(name), u64::MAX);
            replay(shared, &at.open(shared, name)?, stretch, pass, (&mut recovered, &mut orphans))?;
        }
    }
    shared.db.decide_statements()?;
    forgive(shared, &orphans, &mut recovered)?;
    for (name, at) in open {
        match at {
            At::File => seal(shared, name, checkpoint(name))?,
            at => at.note(shared, name)?,
        }
    }
    Ok(recovered)
}

/// Packs that are, or were, objects of the bucket and of which no more is to be done. A compaction that ended between taking
/// a pack out of the index and giving its object up left one that is to be indexed again.
fn uploaded(shared: &Shared, rows: &HashMap<PackName, PackRow>) -> Result<HashSet<PackId>, OpenError> {
    let objects = shared.db.pack_objects()?;
    let mut uploaded: HashSet<PackId> = objects.iter().map(|object| object.pack).collect();
    let removed: HashSet<PackId> = rows.values().filter(|row| row.removed).map(|row| row.id).collect();
    let half = |object: &&PackObject| object.retired_ms == 0 && removed.contains(&object.pack);
    let half: Vec<PackId> = objects.iter().filter(half).map(|object| object.pack).collect();
    // Nobody gives them up after this.
    if !half.is_empty() && shared.db.break_turn(&server_of_turns(shared), (shared.options.now_ms)())? {
        uploaded.retain(|pack| !half.contains(pack));
    }
    Ok(uploaded)
}

/// Whether this node wrote a pack, now or in an earlier process.
fn is_own(shared: &Shared, name: &PackName) -> bool {
    name.identity.writer == shared.identity.writer
}

/// Makes all rows again from the packs; the index is emptied before.
pub(crate) fn rebuild(shared: &Shared, progress: &mut dyn FnMut(u64, u64)) -> Result<Recovered, OpenError> {
    let (mut recovered, mut orphans) = (Recovered::default(), Orphans::new());
    // No pack is uploaded and no file removed while their rows are made again.
    let uploads = shared.uploads.clone();
    let _turn = uploads.as_ref().map(|uploads| uploads.turn.lock().unwrap_or_else(PoisonError::into_inner));
    let sources = Sources::find(shared, false)?;
    let others = rows_by_name(shared)?.into_keys().filter(|name| !sources.packs.contains_key(name)).count();
    if shared.db.is_shared() && others > 0 {
        return Err(DbError::OthersPacks(others).into());
    }
    shared.db.wipe()?;
    shared.marks.clear();
    shared.readers.clear();
    shared.records.clear();
    let total = sources.packs.len() as u64;
    for (n, (name, at)) in sources.packs.iter().enumerate() {
        progress(n as u64, 2 * total);
        replay(shared, &at.open(shared, name)?, (0, u64::MAX), Pass::Bulk, (&mut recovered, &mut orphans))?;
    }
    for (n, (name, at)) in sources.packs.iter().enumerate() {
        progress(total + n as u64, 2 * total);
        replay(shared, &at.open(shared, name)?, (0, u64::MAX), Pass::All, (&mut recovered, &mut orphans))?;
        at.note(shared, name)?;
    }
    shared.db.decide_statements()?;
    forgive(shared, &orphans, &mut recovered)?;
    sources.tell(shared)?;
    progress(2 * total, 2 * total);
    Ok(recovered)
}

/// Instances that lack bulk values, and the places of their records.
type Orphans = Vec<(Place, ContentHash)>;

/// Takes from the list of losses what a statement says was removed.
fn forgive(shared: &Shared, orphans: &Orphans, recovered: &mut Recovered) -> Result<(), OpenError> {
    for (place, digest) in orphans {
        if shared.db.is_removed(digest)? {
            shared.db.forgive_unindexable(*place)?;
            recovered.unindexable = recovered.unindexable.saturating_sub(1);
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
    let (mut recovered, mut orphans) = (Recovered::default(), Orphans::new());
    for pass in [Pass::Bulk, Pass::All] {
        for (pack, name, stretch) in &behind {
            let reader = shared.open_pack(*pack, name).map_err(|error| DbError::Away(error.to_string()))?;
            replay(shared, &reader, *stretch, pass, (&mut recovered, &mut orphans)).map_err(|error| {
                match error {
                    OpenError::Index(error) => error,
                    error => DbError::Away(error.to_string()),
                }
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
    (recovered, orphans): (&mut Recovered, &mut Orphans),
) -> Result<(), OpenError> {
    let name = reader.name();
    recovered.packs += u64::from(pass == Pass::All);
    let pack = shared.db.pack_id(&name.to_string())?;
    shared.names.add(pack, *name);
    let mut end = checkpoint.max(FILE_HEADER_LENGTH);
    let mut replay = Replay { shared, reader, pack, pass, batch: Batch::default(), recovered, orphans };
    if let Some(index) = listed(reader)? {
        end = replay.take_listed(&index, end)?;
        return Ok(replay.flush(end)?);
    }
    for scanned in scan(reader, end, verification(reader)?) {
        match scanned {
            // What is behind may not be synced yet.
            Ok(Scanned::Record(record)) if record.end() > upto => break,
            Ok(Scanned::Gap { to, .. }) if to > upto => break,
            Ok(Scanned::Record(record)) => {
                end = record.end();
                replay.take(&record, end)?;
            }
            Ok(Scanned::Gap { from, to }) => {
                replay.gap(from, to);
                end = to;
            }
            Ok(Scanned::Sealed { .. } | Scanned::End { .. }) => {}
            // What the disk could not read proves nothing: neither the mark nor the seal may pass it.
            Err(error) if matches!(error.kind(), PackErrorKind::Io | PackErrorKind::Away) => {
                return Err(error.into());
            }
            Err(error) => {
                tracing::error!(pack = %name, %error, "a record of a pack cannot be read");
                replay.gap(end, end);
            }
        }
    }
    replay.flush(end)?;
    if pass == Pass::All {
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
    recovered: &'a mut Recovered,
    orphans: &'a mut Orphans,
}

/// Why a record did not become an entry; of an instance whose bulk values are gone, its digest.
struct Failure(String, Option<ContentHash>);

impl Failure {
    fn never(error: impl std::fmt::Display) -> Failure {
        Failure(error.to_string(), None)
    }
}

impl Replay<'_> {
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
                    self.recovered.records += u64::from(self.pass == Pass::All);
                    self.add(Entry::Bulk { hash: entry.raw_sha256, place }, end)?;
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

    fn add(&mut self, entry: Entry, end: u64) -> Result<(), DbError> {
        self.batch.entries.push(entry);
        if self.batch.entries.len() >= BATCH { self.flush(end) } else { Ok(()) }
    }

    fn take(&mut self, record: &Record, end: u64) -> Result<(), DbError> {
        if self.pass == Pass::Bulk && record.kind != Kind::Bulk {
            return Ok(());
        }
        let at = place(self.pack, &record.extent());
        match (Made { shared: self.shared, reader: self.reader, place: at }).entry(record) {
            Ok(None) => {}
            Ok(Some(entry)) => {
                self.recovered.records += u64::from(self.pass == Pass::All);
                self.batch.entries.push(entry);
            }
            Err(Failure(reason, orphan)) => {
                let at = place(self.pack, &record.extent());
                self.orphans.extend(orphan.map(|digest| (at, digest)));
                self.list(record, reason);
            }
        }
        if self.batch.entries.len() >= BATCH { self.flush(end) } else { Ok(()) }
    }

    fn list(&mut self, record: &Record, reason: String) {
        self.recovered.unindexable += 1;
        tracing::warn!(offset = record.offset, reason, "a record cannot become rows and is listed");
        self.batch.entries.push(Entry::Unindexable { pack: self.pack, offset: record.offset, reason });
    }

    fn gap(&mut self, from: u64, to: u64) {
        if self.pass == Pass::Bulk {
            return;
        }
        self.recovered.gaps += 1;
        let reason = format!("damaged from byte {from} to {to}");
        self.batch.entries.push(Entry::Unindexable { pack: self.pack, offset: from, reason });
    }

    fn flush(&mut self, upto: u64) -> Result<(), DbError> {
        let mut batch = std::mem::take(&mut self.batch);
        if self.pass == Pass::All {
            batch.checkpoints.push((self.pack, upto));
        }
        self.shared.db.apply(&batch).map(drop)
    }
}

/// What a record of `reader` is in the index once it stands at `place`; none for a seal.
///
/// # Errors
/// In words, when it cannot become rows.
pub(crate) fn entry_of(
    shared: &Shared,
    reader: &PackReader,
    record: &Record,
    place: Place,
) -> Result<Option<Entry>, String> {
    Made { shared, reader, place }.entry(record).map_err(|Failure(reason, _)| reason)
}

/// A record on its way to a row.
struct Made<'a> {
    shared: &'a Shared,
    reader: &'a PackReader,
    place: Place,
}

impl Made<'_> {
    fn entry(&self, record: &Record) -> Result<Option<Entry>, Failure> {
        let place = self.place;
        match record.kind {
            Kind::Bulk => Ok(Some(Entry::Bulk { hash: record.raw_sha256, place })),
            Kind::Seal => Ok(None),
            Kind::Instance => self.instance(record).map(Some),
            Kind::Holding => {
                let HoldingBody { arrival, digest } =
                    HoldingBody::read(&self.body(record)?).map_err(Failure::never)?;
                let (source, received_ms) = (arrival.source, arrival.received_ms);
                let facility = FacilityId(record.facility);
                Ok(Some(Entry::Holding { digest, facility, source, received_ms, place }))
            }
            Kind::Statement => {
                let statement = Box::new(read_statement(&self.body(record)?).map_err(Failure::never)?);
                Ok(Some(Entry::Statement { place, statement, later: true }))
            }
        }
    }

    fn body(&self, record: &Record) -> Result<Vec<u8>, Failure> {
        if record.raw_length > BODY_MAX {
            return Err(Failure(format!("a body of {} bytes", record.raw_length), None));
        }
        self.reader.read_body(record).map_err(Failure::never)
    }

    fn instance(&self, record: &Record) -> Result<Entry, Failure> {
        let (body, digest) = InstanceBody::read(&self.body(record)?).map_err(Failure::never)?;
        if body.digest() != digest {
            return Err(Failure("the digest does not match the record".into(), None));
        }
        // A record that was never synced may outlive the bulk values it names.
        for bulk in &body.bulk {
            if self.shared.db.bulk_locations(&bulk.hash).map_err(Failure::never)?.is_empty() {
                return Err(Failure(format!("bulk value {} is in no pack", bulk.hash), Some(digest)));
            }
        }
        let skeleton = reader::skeleton_of(self.shared, &body).map_err(Failure::never)?;
        let attributes = Attributes::read(&DataSet::new(&skeleton)).map_err(Failure::never)?;
        let facility = FacilityId(record.facility);
        Ok(instance_entry(self.place, digest, facility, &body, attributes))
    }
}
