//! Reading instances back: byte for byte, each chunk verified before it is given out, the whole hash at the end
//! (STORE.md rule 29).

use std::sync::Arc;

use storage_config::{ContentHash, Hasher};

use super::Shared;
use super::bulk::BulkValue;
use super::error::ReadError;
use crate::dataset::{Event, Scanner, Skeleton, Splice, part10};
use crate::db::Place;
use crate::record::InstanceBody;

/// Bytes of a bulk value read at once; a multiple of the chunk that a checksum covers.
const READ: u64 = 4 * storage_config::pack::CHUNK as u64;
/// Largest instance record that is read into memory.
const RECORD_MAX: u64 = 1 << 30;

/// A stored instance on its way out, as a file of PS3.10: header, then the data set as received.
pub struct InstanceReader {
    shared: Arc<Shared>,
    body: InstanceBody,
    header: Vec<u8>,
    /// What is still to come, last first.
    steps: Vec<Step>,
    bulk: Option<BulkStream>,
    length: u64,
}

enum Step {
    Header,
    Skeleton(usize, usize),
    Bulk(usize),
}

impl InstanceReader {
    pub(crate) fn open(
        shared: &Arc<Shared>,
        digest: &ContentHash,
        place: &Place,
    ) -> Result<InstanceReader, ReadError> {
        let body = read_body(shared, digest, place)?;
        let header = part10::header(&body.sop_class, &body.sop_instance, &body.transfer_syntax);
        let mut steps = vec![Step::Header];
        let mut from = 0;
        for (n, bulk) in body.bulk.iter().enumerate() {
            let at = bulk.at as usize;
            steps.extend([Step::Skeleton(from, at), Step::Bulk(n)]);
            from = at;
        }
        steps.push(Step::Skeleton(from, body.skeleton.len()));
        steps.reverse();
        let length = header.len() as u64 + body.length();
        Ok(InstanceReader { shared: shared.clone(), body, header, steps, bulk: None, length })
    }

    /// Bytes of the whole file, header included.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The next bytes, verified; none at the end.
    ///
    /// # Errors
    /// When bytes are damaged or missing and no other copy is good. What was given out before is then not to be
    /// completed: the receiver must see that it is cut.
    pub fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        if let Some(bulk) = &mut self.bulk {
            if let Some(bytes) = bulk.next(&self.shared)? {
                return Ok(Some(bytes));
            }
            self.bulk = None;
        }
        let mut out = Vec::new();
        while let Some(step) = self.steps.pop() {
            match step {
                Step::Header => out.append(&mut self.header),
                Step::Skeleton(from, to) => out.extend_from_slice(&self.body.skeleton[from..to]),
                Step::Bulk(n) => {
                    let wanted = &self.body.bulk[n];
                    self.bulk = Some(BulkStream::open(&self.shared, wanted.hash, wanted.length)?);
                    break;
                }
            }
        }
        match (&mut self.bulk, out.is_empty()) {
            (Some(_), true) => self.next_chunk(),
            (None, true) => Ok(None),
            _ => Ok(Some(out)),
        }
    }
}

/// Reads the body of the record of the instance `digest`, which was at `place` when that was looked up.
pub(crate) fn read_body(
    shared: &Shared,
    digest: &ContentHash,
    place: &Place,
) -> Result<InstanceBody, ReadError> {
    match read_body_at(shared, place) {
        Err(error) if !error.is_damage() => {
            // Compaction may have moved it, here or at another server; and there may be another record of it.
            let now = shared.db.instance_by_digest(digest)?.map(|row| row.place);
            let places = now.into_iter().chain(shared.db.record_copies(digest)?);
            let others = places.filter(|other| other != place);
            let read = others.filter_map(|other| read_body_at(shared, &other).ok());
            let mut same = read.filter(|body| body.digest() == *digest);
            same.next().ok_or(error)
        }
        result => result,
    }
}

/// Reads an instance record; from the object where the file is damaged.
fn read_body_at(shared: &Shared, place: &Place) -> Result<InstanceBody, ReadError> {
    match read_body_here(shared, place) {
        Err(error) if (error.is_damage() || error.is_unread()) && shared.read_object(place.pack) => {
            tracing::error!(%error, "an instance record cannot be read in a file; the object is");
            read_body_here(shared, place)
        }
        result => result,
    }
}

fn read_body_here(shared: &Shared, place: &Place) -> Result<InstanceBody, ReadError> {
    let bytes = shared.read_at(place, |reader| {
        let record = reader.record(place.offset)?;
        if record.raw_length > RECORD_MAX {
            return Err(ReadError::Damaged(format!("an instance record of {} bytes", record.raw_length)));
        }
        Ok(reader.read_body(&record)?)
    })?;
    let (body, digest) = InstanceBody::read(&bytes).map_err(|e| ReadError::Damaged(e.to_string()))?;
    if body.digest() == digest { Ok(body) } else { Err(ReadError::Damaged("an instance's digest".into())) }
}

/// The skeleton of a stored instance, ready to be read as a data set.
pub(crate) fn skeleton_of(shared: &Shared, body: &InstanceBody) -> Result<Skeleton, ReadError> {
    let syntax = &body.transfer_syntax;
    if crate::dataset::is_deflated(syntax.as_str()) {
        return inflate(shared, body);
    }
    let splices = body.bulk.iter().map(|b| Splice { at: b.at, length: b.length }).collect();
    Skeleton::restore(syntax.as_str(), body.skeleton.clone(), splices)
        .map_err(|e| ReadError::DataSet(e.to_string()))
}

/// A deflated data set is one bulk value; its skeleton is what a scan of it leaves.
fn inflate(shared: &Shared, body: &InstanceBody) -> Result<Skeleton, ReadError> {
    scan_again(shared, body, &mut |_| Ok(()))
}

/// The value of the bulk value `n` of a deflated data set, at most `most` bytes of it.
pub(crate) fn inflated_value(
    shared: &Shared,
    body: &InstanceBody,
    n: usize,
    most: usize,
) -> Result<Vec<u8>, ReadError> {
    let (mut begun, mut value) = (0, Vec::new());
    scan_again(shared, body, &mut |event| {
        match event {
            Event::BulkStart { .. } => begun += 1,
            Event::BulkBytes(bytes) if begun == n + 1 && value.len() < most => value.extend_from_slice(bytes),
            _ => {}
        }
        Ok(())
    })?;
    if begun <= n || value.len() > most {
        return Err(ReadError::DataSet("an inflated value is missing or too long".into()));
    }
    Ok(value)
}

/// Scans a deflated data set as when it arrived and tells what comes out of it; the limits of the scan hold again.
fn scan_again(
    shared: &Shared,
    body: &InstanceBody,
    on: &mut dyn FnMut(Event<'_>) -> Result<(), crate::dataset::DataSetError>,
) -> Result<Skeleton, ReadError> {
    let mut scanner = Scanner::new(&body.transfer_syntax, shared.options.scan);
    let on = &mut |event: Event<'_>| on(event);
    let broken = |e: crate::dataset::DataSetError| ReadError::DataSet(e.to_string());
    for bulk in &body.bulk {
        let mut stream = BulkStream::open(shared, bulk.hash, bulk.length)?;
        while let Some(bytes) = stream.next(shared)? {
            scanner.push_inflated(&bytes, on).map_err(broken)?;
        }
    }
    scanner.finish(on).map_err(broken)
}

/// One bulk value on its way out.
pub(crate) struct BulkStream {
    value: BulkValue,
    at: u64,
    hasher: Option<Hasher>,
}

impl BulkStream {
    pub(crate) fn open(shared: &Shared, hash: ContentHash, length: u64) -> Result<BulkStream, ReadError> {
        let value = BulkValue::find(shared, hash, length)?;
        Ok(BulkStream { value, at: 0, hasher: Some(Hasher::new()) })
    }

    /// The next bytes; none at the end, after the whole was verified.
    pub(crate) fn next(&mut self, shared: &Shared) -> Result<Option<Vec<u8>>, ReadError> {
        if self.at == self.value.length {
            let Some(hasher) = self.hasher.take() else { return Ok(None) };
            if hasher.finish() == self.value.hash {
                return Ok(None);
            }
            self.value.give_up_place(shared);
            return Err(ReadError::Damaged(format!("bulk value {} as a whole", self.value.hash)));
        }
        let end = self.value.length.min(self.at + READ);
        let mut bytes = Vec::with_capacity((end - self.at) as usize);
        self.value.read(shared, self.at..end, &mut bytes)?;
        self.at = end;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes);
        }
        Ok(Some(bytes))
    }
}
