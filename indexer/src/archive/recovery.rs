//! From packs to rows: the tails of packs that were open when the process ended, and whole packs for a rebuild
//! (STORE.md rule 10).
//!
//! Acknowledged bytes are never truncated here. A pack that was found open is made durable as it is, indexed as far
//! as its records verify, and never written again.

use std::collections::HashMap;
use std::path::Path;

use storage_config::ContentHash;
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
use crate::db::{Batch, DbError, Entry, FacilityId, Job, PackId, PackRow, Place};
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
    let (mut recovered, mut orphans) = (Recovered::default(), Orphans::new());
    let rows = known_packs(shared)?;
    let files = pack_files(shared)?;
    for (name, _) in rows.iter().filter(|(name, row)| !row.removed && !files.contains(name)) {
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
            replay(shared, name, checkpoint(name), pass, (&mut recovered, &mut orphans))?;
        }
    }
    shared.db.decide_statements()?;
    forgive(shared, &orphans, &mut recovered)?;
    for name in open {
        seal(shared, name, checkpoint(name))?;
    }
    Ok(recovered)
}

/// Makes all rows again from the packs; the index is emptied before.
pub(crate) fn rebuild(shared: &Shared, progress: &mut dyn FnMut(u64, u64)) -> Result<Recovered, OpenError> {
    let (mut recovered, mut orphans) = (Recovered::default(), Orphans::new());
    shared.db.wipe()?;
    let files = pack_files(shared)?;
    let total = files.len() as u64;
    for (n, name) in files.iter().enumerate() {
        progress(n as u64, 2 * total);
        replay(shared, name, 0, Pass::Bulk, (&mut recovered, &mut orphans))?;
    }
    for (n, name) in files.iter().enumerate() {
        progress(total + n as u64, 2 * total);
        replay(shared, name, 0, Pass::All, (&mut recovered, &mut orphans))?;
        let pack = shared.db.pack_id(&name.to_string())?;
        let length = shared.open_pack(name).ok().and_then(|reader| reader.len().ok()).unwrap_or(0);
        shared.db.background(&Job::PackSealed { pack, length })?;
    }
    shared.db.decide_statements()?;
    forgive(shared, &orphans, &mut recovered)?;
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
fn known_packs(shared: &Shared) -> Result<HashMap<PackName, PackRow>, OpenError> {
    let mut known = HashMap::new();
    for row in shared.db.packs()? {
        if let Ok(name) = row.name.parse::<PackName>() {
            shared.names.add(row.id, name);
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
    let sealed_by = match reader.seal_index() {
        Ok(index) => index.map(|index| index.sealed_by),
        // Who sealed it is not known then; a scan gives the same list.
        Err(PackError::Damaged { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(if sealed_by == Some(SealedBy::Writer) { Verify::Headers } else { Verify::Bodies })
}

/// Scans a pack from `checkpoint` and applies its records.
fn replay(
    shared: &Shared,
    name: &PackName,
    checkpoint: u64,
    pass: Pass,
    (recovered, orphans): (&mut Recovered, &mut Orphans),
) -> Result<(), OpenError> {
    let reader =
        PackReader::open_lenient(&shared.options.disk, &shared.options.packs_dir.join(name.file_name()))?;
    recovered.packs += u64::from(pass == Pass::All);
    let pack = shared.db.pack_id(&name.to_string())?;
    shared.names.add(pack, *name);
    let mut end = checkpoint.max(FILE_HEADER_LENGTH);
    let mut replay =
        Replay { shared, reader: &reader, pack, pass, batch: Batch::default(), recovered, orphans };
    for scanned in scan(&reader, end, verification(&reader)?) {
        match scanned {
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
    Ok(replay.flush(end)?)
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
