//! A record of a pack on its way to a row.

use std::collections::HashSet;

use storage_config::ContentHash;
use storage_config::pack::{Kind, PackReader, Record};

use crate::archive::append::instance_entry;
use crate::archive::{Shared, reader};
use crate::dataset::DataSet;
use crate::dataset::attributes::Attributes;
use crate::db::{Entry, FacilityId, Place};
use crate::record::{HoldingBody, InstanceBody, read_statement};

/// Largest body of an instance, holding or statement record that is read.
const BODY_MAX: u64 = 1 << 30;

/// Why a record did not become an entry; of an instance whose bulk values are gone, its digest.
pub(super) struct Failure(pub(super) String, pub(super) Option<ContentHash>);

impl Failure {
    fn never(error: impl std::fmt::Display) -> Failure {
        Failure(error.to_string(), None)
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
    Made { shared, reader, place, seen: None }.entry(record).map_err(|Failure(reason, _)| reason)
}

/// A record on its way to a row.
pub(super) struct Made<'a> {
    pub(super) shared: &'a Shared,
    pub(super) reader: &'a PackReader,
    pub(super) place: Place,
    /// Bulk values that are known to be here.
    pub(super) seen: Option<&'a HashSet<ContentHash>>,
}

impl Made<'_> {
    /// What it is in the index; none for a seal.
    pub(super) fn entry(&self, record: &Record) -> Result<Option<Entry>, Failure> {
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
        let unseen = |hash| self.seen.is_none_or(|seen| !seen.contains(hash));
        for bulk in body.bulk.iter().filter(|bulk| unseen(&bulk.hash)) {
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
