//! One bulk value for reading: its copies, of which the first that verifies is used. A copy that fails is quarantined
//! and the next one tried.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use storage_config::ContentHash;
use storage_config::pack::{PackReader, Record};

use super::Shared;
use super::error::ReadError;
use crate::db::{Job, PackId, Place};

/// Checksums of the records that are remembered, at most; each is four bytes and stands for 64 KiB.
const CHECKSUMS_MAX: usize = 1 << 20;
/// Records that are remembered, at most.
const RECORDS_MAX: usize = 8192;

/// Headers and checksums of records that were read lately: with them a range of a bulk value is one positioned read.
#[derive(Default)]
pub(crate) struct Records(Mutex<Known>);

#[derive(Default)]
struct Known {
    records: HashMap<(PackId, u64), Arc<Record>>,
    checksums: usize,
}

impl Records {
    /// The record at `place`, from memory or from its pack.
    fn get(&self, reader: &PackReader, place: &Place) -> Result<Arc<Record>, ReadError> {
        let key = (place.pack, place.offset);
        if let Some(record) = self.lock().records.get(&key) {
            return Ok(record.clone());
        }
        let record = Arc::new(reader.record(place.offset)?);
        let mut known = self.lock();
        if known.records.len() >= RECORDS_MAX || known.checksums + record.crcs.len() > CHECKSUMS_MAX {
            *known = Known::default();
        }
        if known.records.insert(key, record.clone()).is_none() {
            known.checksums += record.crcs.len();
        }
        Ok(record)
    }

    /// Forgets all records: packs are to be known by other numbers.
    pub(crate) fn clear(&self) {
        *self.lock() = Known::default();
    }

    /// Forgets a record that turned out to be damaged.
    fn forget(&self, place: &Place) {
        let mut known = self.lock();
        if let Some(record) = known.records.remove(&(place.pack, place.offset)) {
            known.checksums -= record.crcs.len();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bulk value and where it can be read.
pub(crate) struct BulkValue {
    pub(crate) hash: ContentHash,
    /// Its bytes.
    pub(crate) length: u64,
    /// Copies that are not known to be damaged, the one in use last.
    places: Vec<Place>,
    /// All that were ever among them.
    known: Vec<Place>,
    open: Option<(Arc<PackReader>, Arc<Record>)>,
}

impl BulkValue {
    /// A value of `length` bytes, by the index.
    pub(crate) fn find(shared: &Shared, hash: ContentHash, length: u64) -> Result<BulkValue, ReadError> {
        BulkValue::at(hash, length, places(shared, &hash)?)
    }

    /// A value whose good copies are at `places`.
    pub(crate) fn at(hash: ContentHash, length: u64, mut places: Vec<Place>) -> Result<BulkValue, ReadError> {
        places.reverse();
        if places.is_empty() {
            return Err(ReadError::Missing(format!("bulk value {hash}")));
        }
        Ok(BulkValue { hash, length, known: places.clone(), places, open: None })
    }

    /// Appends a range of the value to `out`, each chunk verified; from another copy where one is damaged.
    pub(crate) fn read(
        &mut self,
        shared: &Shared,
        range: Range<u64>,
        out: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        let before = out.len();
        loop {
            match self.read_here(shared, range.clone(), out) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    out.truncate(before);
                    self.pass_over(shared, &error);
                    if self.places.is_empty() && !self.look_again(shared) {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// After no copy could be read: whether there are others by now. Compaction may have moved it, here or at another server.
    fn look_again(&mut self, shared: &Shared) -> bool {
        let Ok(mut found) = places(shared, &self.hash) else { return false };
        found.retain(|place| !self.known.contains(place));
        found.reverse();
        self.known.extend(&found);
        self.places = found;
        !self.places.is_empty()
    }

    /// Finds out whether the value can be reached at all, before anybody is promised it.
    ///
    /// # Errors
    /// When all copies are out of reach.
    pub(crate) fn reach(&mut self, shared: &Shared) -> Result<(), ReadError> {
        if (shared.uploads.is_none() && !shared.asks_owners()) || self.length == 0 {
            return Ok(());
        }
        self.read(shared, 0..1, &mut Vec::new())
    }

    fn read_here(&mut self, shared: &Shared, range: Range<u64>, out: &mut Vec<u8>) -> Result<(), ReadError> {
        if self.open.is_none() {
            let place = self.places.last().ok_or_else(|| ReadError::Missing("no copy is left".into()))?;
            let open = |reader: &Arc<PackReader>| Ok((reader.clone(), shared.records.get(reader, place)?));
            let (reader, record) = shared.read_at(place, open)?;
            if record.raw_sha256 != self.hash || record.raw_length != self.length {
                return Err(ReadError::Damaged("another record stands there".into()));
            }
            self.open = Some((reader, record));
        }
        match &self.open {
            Some((reader, record)) => Ok(reader.read_range(record, range, out)?),
            None => Err(ReadError::Missing("no copy is open".into())),
        }
    }

    /// After a copy could not be read: what is tried next. A copy that is out of reach is as good as before.
    fn pass_over(&mut self, shared: &Shared, error: &ReadError) {
        if matches!(error, ReadError::Away(_)) {
            let moved = |place: &Place, reader: &PackReader| shared.has_moved(place.pack, reader);
            let open = self.open.take();
            let again =
                self.places.last().zip(open).is_some_and(|(place, (reader, _))| moved(place, &reader));
            if !again {
                self.places.pop();
            }
            return;
        }
        let Some(place) = self.places.last().copied() else { return };
        // The object is another copy of the same pack.
        if (error.is_damage() || error.is_unread()) && shared.read_object(place.pack) {
            tracing::error!(%error, hash = %self.hash, "a file cannot be read; the object is");
            shared.records.forget(&place);
            self.open = None;
        } else if error.is_damage() {
            tracing::error!(%error, hash = %self.hash, "a copy of a bulk value is damaged");
            self.give_up_place(shared);
        } else {
            // Nothing is known of the bytes: who asks again may get them.
            metrics::counter!("archive_unread_total").increment(1);
            tracing::error!(%error, hash = %self.hash, "a copy of a bulk value was not read");
            self.open = None;
            self.places.pop();
        }
    }

    /// Quarantines the copy in use; the next one is tried.
    pub(crate) fn give_up_place(&mut self, shared: &Shared) {
        self.open = None;
        if let Some(place) = self.places.pop() {
            shared.records.forget(&place);
            let hash = self.hash;
            shared.index.background(move |db| {
                if let Err(error) = db.background(&Job::BulkDamaged { hash, place }) {
                    tracing::error!(%error, "a damaged copy could not be quarantined");
                }
            });
        }
    }
}

/// Where the copies of a bulk value are that are not known to be damaged.
fn places(shared: &Shared, hash: &ContentHash) -> Result<Vec<Place>, ReadError> {
    let locations = shared.db.bulk_locations(hash)?;
    let mut places: Vec<Place> = locations.iter().filter(|l| !l.damaged).map(|l| l.place).collect();
    // What only another server has is asked for last.
    places.sort_by_key(|place| !shared.is_here(place.pack));
    Ok(places)
}
