//! What of one pack stays.

use std::collections::{HashMap, HashSet};

use storage_config::ContentHash;
use storage_config::pack::{
    Body, FILE_HEADER_LENGTH, Kind, PackError, PackReader, Record, Scanned, Verify, scan,
};

use super::job::{CompactError, WhyKept};
use super::removable::Removable;
use crate::archive::Shared;
use crate::db::{BulkLocation, PackId, PackRow};
use crate::record::{HoldingBody, InstanceBody};

/// What of a pack stays and what goes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Records that are copied, in order; of an instance whose row is to follow, its digest.
    pub(super) stay: Vec<(u64, Option<ContentHash>)>,
    /// Instances that go for good.
    pub(super) removed: Vec<ContentHash>,
    /// Bulk values that go because nothing that stays names them.
    pub(super) dead: Vec<ContentHash>,
    /// Bytes of the file, and those that go.
    pub(super) length: u64,
    pub(super) freed: u64,
}

/// What decides over a pack.
pub(super) struct Planner<'a> {
    pub(super) shared: &'a Shared,
    pub(super) row: &'a PackRow,
    pub(super) reader: &'a PackReader,
    pub(super) removable: &'a Removable,
    /// Packs that went in this run.
    pub(super) gone: &'a HashSet<PackId>,
    /// Whether copies elsewhere are read before they are counted on.
    pub(super) prove: bool,
}

/// What becomes of a record.
enum Fate {
    Stays(Option<ContentHash>),
    Goes,
    /// It cannot be read, and nothing else has what it held.
    OnlyCopy,
}

impl Planner<'_> {
    /// The plan, or why the pack stays as it is.
    pub(super) fn plan(&self) -> Result<Result<Plan, WhyKept>, CompactError> {
        let mut plan = Plan { length: self.row.length, ..Plan::default() };
        let here: HashMap<u64, ContentHash> =
            self.shared.db.instances_in_pack(self.row.id)?.into_iter().collect();
        let mut met = HashSet::new();
        for scanned in scan(self.reader, FILE_HEADER_LENGTH, Verify::Headers) {
            match scanned.map_err(|error| CompactError::Copy(error.to_string()))? {
                Scanned::Record(record) if record.end() <= self.row.length => {
                    let fate = match record.kind {
                        Kind::Bulk => self.bulk(&record, &mut met, &mut plan.dead)?,
                        Kind::Instance => self.instance(&record, &here, &mut plan)?,
                        Kind::Holding => self.holding(&record)?,
                        Kind::Statement | Kind::Seal => Fate::Stays(None),
                    };
                    match fate {
                        Fate::Stays(row) => plan.stay.push((record.offset, row)),
                        Fate::Goes => plan.freed += record.end() - record.offset,
                        Fate::OnlyCopy => return Ok(Err(WhyKept::OnlyCopy)),
                    }
                }
                Scanned::Gap { from, to } => {
                    if !self.gap_is_empty(from, to)? {
                        return Ok(Err(WhyKept::OnlyCopy));
                    }
                    plan.freed += to - from;
                }
                _ => break,
            }
        }
        let stay: HashSet<ContentHash> = plan.stay.iter().filter_map(|(_, digest)| *digest).collect();
        let accounted = |digest: &ContentHash| stay.contains(digest) || plan.removed.contains(digest);
        Ok(if here.values().all(accounted) { Ok(plan) } else { Err(WhyKept::OnlyCopy) })
    }

    fn bulk(
        &self,
        record: &Record,
        met: &mut HashSet<ContentHash>,
        dead: &mut Vec<ContentHash>,
    ) -> Result<Fate, CompactError> {
        let hash = record.raw_sha256;
        if self.removable.is_dead(&hash, self.row.id, self.gone) {
            dead.push(hash);
            return Ok(Fate::Goes);
        }
        let copies = self.shared.db.bulk_locations(&hash)?;
        let own = |copy: &&BulkLocation| copy.place.pack == self.row.id && copy.place.offset == record.offset;
        let damaged = copies.iter().find(own).is_some_and(|copy| copy.damaged);
        let others =
            copies.iter().filter(|copy| copy.place.pack != self.row.id && !copy.damaged).collect::<Vec<_>>();
        if others.iter().any(|copy| self.is_whole(copy, &hash)) {
            return Ok(Fate::Goes);
        }
        if damaged {
            let within = copies.iter().any(|copy| copy.place.pack == self.row.id && !copy.damaged);
            return Ok(if within { Fate::Goes } else { Fate::OnlyCopy });
        }
        Ok(if met.insert(hash) { Fate::Stays(None) } else { Fate::Goes })
    }

    /// Whether a copy in another pack is what it should be, and as safe.
    fn is_whole(&self, copy: &BulkLocation, hash: &ContentHash) -> bool {
        if !is_safe(self.shared, copy.place.pack) {
            return false;
        }
        if !self.prove {
            return true;
        }
        let Ok(reader) = self.shared.readers.get(self.shared, copy.place.pack) else { return false };
        let Ok(record) = reader.record(copy.place.offset) else { return false };
        record.raw_sha256 == *hash && is_whole(&reader, &record)
    }

    fn instance(
        &self,
        record: &Record,
        here: &HashMap<u64, ContentHash>,
        plan: &mut Plan,
    ) -> Result<Fate, CompactError> {
        let read =
            self.reader.read_body(record).ok().filter(|body| ContentHash::of(body) == record.raw_sha256);
        let Some((_, digest)) = read.and_then(|body| InstanceBody::read(&body).ok()) else {
            let repaired = !here.contains_key(&record.offset) && self.was_repaired(record.offset)?;
            return Ok(if repaired { Fate::Goes } else { Fate::OnlyCopy });
        };
        if here.get(&record.offset) == Some(&digest) {
            if self.removable.goes_with(&digest, self.row.id) {
                plan.removed.push(digest);
                return Ok(Fate::Goes);
            }
            return Ok(Fate::Stays(Some(digest)));
        }
        // The row tells of another record. This one may still say how another facility came to have the instance.
        let row = self.shared.db.instance_by_digest(&digest)?;
        let same = row.is_some_and(|row| {
            let other = self.shared.readers.get(self.shared, row.place.pack);
            is_safe(self.shared, row.place.pack) && other.is_ok_and(|other| {
                other.record(row.place.offset).is_ok_and(|found| {
                    (found.raw_sha256, found.facility) == (record.raw_sha256, record.facility)
                        && is_whole(&other, &found)
                })
            })
        });
        Ok(if same { Fate::Goes } else { Fate::Stays(None) })
    }

    fn holding(&self, record: &Record) -> Result<Fate, CompactError> {
        let body = self.reader.read_body(record).ok().and_then(|body| HoldingBody::read(&body).ok());
        let Some(HoldingBody { digest, .. }) = body else {
            let repaired = self.was_repaired(record.offset)?;
            return Ok(if repaired { Fate::Goes } else { Fate::OnlyCopy });
        };
        let db = &self.shared.db;
        let goes = self.removable.goes_with(&digest, self.row.id)
            || (db.instance_by_digest(&digest)?.is_none() && db.is_removed(&digest)?);
        Ok(if goes { Fate::Goes } else { Fate::Stays(None) })
    }

    /// Whether nothing is lost with a stretch that holds no whole record.
    fn gap_is_empty(&self, from: u64, to: u64) -> Result<bool, CompactError> {
        let index = match self.reader.seal_index() {
            Ok(index) => index,
            Err(PackError::Damaged { .. }) => None,
            Err(error) => return Err(CompactError::Copy(error.to_string())),
        };
        if let Some(index) = &index {
            if index.gaps.iter().any(|gap| gap.from <= from && to <= gap.to) {
                return Ok(true);
            }
            for entry in index.entries.iter().filter(|entry| (from..to).contains(&entry.offset)) {
                let elsewhere = match entry.kind {
                    Kind::Bulk => self.shared.has_good_bulk(&entry.raw_sha256).unwrap_or(false),
                    _ => false,
                };
                if !elsewhere && !self.was_repaired(entry.offset)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        self.was_repaired(from)
    }

    fn was_repaired(&self, offset: u64) -> Result<bool, CompactError> {
        let listed = self.shared.db.damaged_records_of(self.row.id)?;
        Ok(listed.iter().any(|known| known.place.offset == offset && known.repaired))
    }
}

/// Whether what a pack holds may be counted on in the place of what goes: with a bucket only what is in it.
fn is_safe(shared: &Shared, pack: PackId) -> bool {
    match &shared.uploads {
        Some(_) => matches!(shared.db.pack_object(pack), Ok(Some(object)) if object.retired_ms == 0),
        None => shared.is_here(pack),
    }
}

fn is_whole(reader: &PackReader, record: &Record) -> bool {
    reader.verify_body(record, &mut |_| Ok::<bool, ()>(true)) == Ok(Body::Whole)
}
