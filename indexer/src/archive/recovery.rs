//! From packs to rows: the tails of packs that were open when the process ended, and whole packs for a rebuild
//! (STORE.md rule 10).
//!
//! Acknowledged bytes are never truncated here. A pack that was found open is made durable as it is, indexed as far
//! as its records verify, and never written again.

use std::collections::HashMap;
use std::path::Path;

use storage_config::disk::SyncPoint;
use storage_config::pack::{
    FILE_HEADER_LENGTH, Kind, PackError, PackErrorKind, PackName, PackReader, Record, Scanned, SealedBy,
    Verify, scan, seal_as_is,
};

use super::append::{instance_entry, place};
use super::error::OpenError;
use super::{Shared, reader};
use crate::dataset::DataSet;
use crate::dataset::attributes::Attributes;
use crate::db::{Batch, DbError, Entry, FacilityId, Job, PackId, PackRow};
use crate::record::{HoldingBody, InstanceBody, read_statement};

/// Entries of one transaction.
const BATCH: usize = 512;
/// Largest body of an instance, holding or statement record that is read.
const BODY_MAX: u64 = 1 << 30;

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

/// Indexes what the index lacks of the packs on disk.
pub(crate) fn start(shared: &Shared) -> Result<Recovered, OpenError> {
    let mut recovered = Recovered::default();
    let files = pack_files(shared)?;
    let rows = known_packs(shared, &files)?;
    // Of a shared index they may be on the disk of another server.
    for (name, _) in rows.iter().filter(|(name, _)| !shared.db.is_shared() && !files.contains(name)) {
        tracing::error!(pack = %name, "a pack of the index is not on the disk");
        recovered.missing += 1;
    }
    let open: Vec<&PackName> =
        files.iter().filter(|name| !rows.get(name).is_some_and(|row| row.sealed)).collect();
    if open.is_empty() {
        // A start that ended too early may have left some.
        shared.db.decide_statements()?;
        return Ok(recovered);
    }
    // Names first: a row must never point into a file that a loss of power takes away.
    shared.options.disk.sync_dir(&shared.options.packs_dir, SyncPoint::RecoveryDirectory)?;
    let checkpoint = |name| rows.get(name).map_or(0, |row: &PackRow| row.checkpoint);
    for name in &open {
        let path = shared.options.packs_dir.join(name.file_name());
        PackReader::open_lenient(&shared.options.disk, &path)?.sync(SyncPoint::Recovery)?;
    }
    for pass in [Pass::Bulk, Pass::All] {
        for name in &open {
            replay(shared, name, (checkpoint(name), u64::MAX), pass, &mut recovered)?;
        }
    }
    shared.db.decide_statements()?;
    for name in open {
        seal(shared, name, checkpoint(name))?;
    }
    Ok(recovered)
}

/// Makes all rows again from the packs; the index is emptied before.
pub(crate) fn rebuild(shared: &Shared, progress: &mut dyn FnMut(u64, u64)) -> Result<Recovered, OpenError> {
    let mut recovered = Recovered::default();
    let files = pack_files(shared)?;
    let others = known_packs(shared, &files)?.into_keys().filter(|name| !files.contains(name)).count();
    if shared.db.is_shared() && others > 0 {
        return Err(DbError::OthersPacks(others).into());
    }
    shared.db.wipe()?;
    shared.marks.clear();
    let total = files.len() as u64;
    for (n, name) in files.iter().enumerate() {
        progress(n as u64, 2 * total);
        replay(shared, name, (0, u64::MAX), Pass::Bulk, &mut recovered)?;
    }
    for (n, name) in files.iter().enumerate() {
        progress(total + n as u64, 2 * total);
        replay(shared, name, (0, u64::MAX), Pass::All, &mut recovered)?;
        let pack = shared.db.pack_id(&name.to_string())?;
        let length = shared.open_pack(name).ok().and_then(|reader| reader.len().ok()).unwrap_or(0);
        shared.db.background(&Job::PackSealed { pack, length })?;
    }
    shared.db.decide_statements()?;
    progress(2 * total, 2 * total);
    Ok(recovered)
}

/// The packs of the index by name. Those that are on this disk can be read from then on.
fn known_packs(shared: &Shared, files: &[PackName]) -> Result<HashMap<PackName, PackRow>, OpenError> {
    let mut known = HashMap::new();
    for row in shared.db.packs()? {
        if let Ok(name) = row.name.parse::<PackName>() {
            if files.contains(&name) || !shared.db.is_shared() {
                shared.names.add(row.id, name);
            }
            known.insert(name, row);
        }
    }
    Ok(known)
}

fn pack_files(shared: &Shared) -> Result<Vec<PackName>, OpenError> {
    let names = shared.options.disk.list(&shared.options.packs_dir)?;
    Ok(names.iter().filter_map(|name| PackName::of_path(Path::new(name)).ok()).collect())
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
    let sealed_by = reader.seal_index()?.map(|index| index.sealed_by);
    Ok(if sealed_by == Some(SealedBy::Writer) { Verify::Headers } else { Verify::Bodies })
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
        let name = shared.names.get(pack).ok_or(DbError::Lost)?;
        let row = rows.get(&pack).filter(|row| row.name == name.to_string()).ok_or(DbError::Lost)?;
        if row.checkpoint < mark {
            tracing::error!(pack = %name, from = row.checkpoint, to = mark, "the index lost rows; they are made again");
            behind.push((name, (row.checkpoint, mark)));
        }
    }
    let mut recovered = Recovered::default();
    for pass in [Pass::Bulk, Pass::All] {
        for (name, stretch) in &behind {
            replay(shared, name, *stretch, pass, &mut recovered).map_err(|error| match error {
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
    name: &PackName,
    (checkpoint, upto): (u64, u64),
    pass: Pass,
    recovered: &mut Recovered,
) -> Result<(), OpenError> {
    let reader =
        PackReader::open_lenient(&shared.options.disk, &shared.options.packs_dir.join(name.file_name()))?;
    recovered.packs += u64::from(pass == Pass::All);
    let pack = shared.db.pack_id(&name.to_string())?;
    shared.names.add(pack, *name);
    let mut end = checkpoint.max(FILE_HEADER_LENGTH);
    let mut replay = Replay { shared, reader: &reader, pack, pass, batch: Batch::default(), recovered };
    for scanned in scan(&reader, end, verification(&reader)?) {
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
            Err(error) if error.kind() == PackErrorKind::Io => return Err(error.into()),
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
}

/// Why a record did not become an entry.
struct Failure(String);

impl Failure {
    fn never(error: impl std::fmt::Display) -> Failure {
        Failure(error.to_string())
    }
}

impl Replay<'_> {
    fn take(&mut self, record: &Record, end: u64) -> Result<(), DbError> {
        if self.pass == Pass::Bulk && record.kind != Kind::Bulk {
            return Ok(());
        }
        match self.entry(record) {
            Ok(None) => {}
            Ok(Some(entry)) => {
                self.recovered.records += u64::from(self.pass == Pass::All);
                self.batch.entries.push(entry);
            }
            Err(Failure(reason)) => self.list(record, reason),
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

    fn entry(&self, record: &Record) -> Result<Option<Entry>, Failure> {
        let place = place(self.pack, &record.extent());
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
            return Err(Failure(format!("a body of {} bytes", record.raw_length)));
        }
        self.reader.read_body(record).map_err(Failure::never)
    }

    fn instance(&self, record: &Record) -> Result<Entry, Failure> {
        let (body, digest) = InstanceBody::read(&self.body(record)?).map_err(Failure::never)?;
        if body.digest() != digest {
            return Err(Failure("the digest does not match the record".into()));
        }
        // A record that was never synced may outlive the bulk values it names.
        for bulk in &body.bulk {
            if self.shared.db.bulk_locations(&bulk.hash).map_err(Failure::never)?.is_empty() {
                return Err(Failure(format!("bulk value {} is in no pack", bulk.hash)));
            }
        }
        let skeleton = reader::skeleton_of(self.shared, &body).map_err(Failure::never)?;
        let attributes = Attributes::read(&DataSet::new(&skeleton)).map_err(Failure::never)?;
        let facility = FacilityId(record.facility);
        Ok(instance_entry(place(self.pack, &record.extent()), digest, facility, &body, attributes))
    }
}
