//! One store: data set bytes in, in pieces of any size; an instance, durable and indexed, or an error out.
//!
//! While the bytes arrive they are scanned, split and hashed. Bulk values wait in pooled memory; an instance that is
//! too large for it, or that finds the pool empty, spills into a stream lane.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use codecs::FrameTable;
use storage_config::pack::Extent;
use storage_config::{ContentHash, Hasher, Uid};

use super::Shared;
use super::budget::Share;
use super::error::StoreError;
use super::job::{BulkBytes, Done, Expect, Job, Stored};
use super::pool::Chunk;
use super::stream_lane::Lease;
use crate::dataset::attributes::Attributes;
use crate::dataset::{DataSet, Event, Scanner, Skeleton};
use crate::db::FacilityId;
use crate::record::{Arrival, InstanceBody, SplicedBulk, digest};

/// Where a data set comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The facility that holds it.
    pub facility: FacilityId,
    /// `dimse:AE@ADDRESS`, `stow:NAME@ADDRESS`, `import:LABEL`.
    pub source: String,
    /// Whether this source's PatientID is a counter per order.
    pub patient_id_is_order: bool,
    /// Who issued the PatientID of data sets that do not say it; empty where nobody told.
    pub issuer: String,
    /// Transfer syntax of the data set.
    pub transfer_syntax: Uid,
}

/// A store under way. Dropping it leaves nothing behind.
pub struct Store {
    origin: Origin,
    received_ms: i64,
    scanner: Scanner,
    sink: Sink,
    header: Share,
}

impl Store {
    pub(crate) fn new(shared: Arc<Shared>, origin: Origin) -> Store {
        let scanner = Scanner::new(&origin.transfer_syntax, shared.options.scan);
        let received_ms = (shared.options.now_ms)();
        let header = shared.headers.share();
        let sink = Sink::new(shared, origin.facility);
        Store { origin, received_ms, scanner, sink, header }
    }

    /// Takes the next bytes of the data set. May wait for the disk when [`Store::would_block`].
    ///
    /// # Errors
    /// When the data set cannot be read or goes beyond a limit, or when the disk fails. The store is then to be
    /// dropped.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let sink = &mut self.sink;
        self.scanner.push(bytes, &mut |event| sink.take(event))?;
        if self.header.grow_to(self.scanner.memory()) {
            Ok(())
        } else {
            Err(StoreError::Unavailable("too many large headers at once".into()))
        }
    }

    /// Whether a push may wait for the disk.
    #[must_use]
    pub fn would_block(&self) -> bool {
        self.sink.lease.is_some()
    }

    /// Ends the data set. `done` is called once, from another thread or before this returns: with the instance
    /// when it is durable and indexed, or with the reason why it is not stored. May wait for the disk when
    /// [`Store::would_block`].
    pub fn finish(self, expect: &Expect, done: impl FnOnce(Result<Stored, StoreError>) + Send + 'static) {
        let done = Done::new(done);
        let Store { origin, received_ms, scanner, mut sink, header } = self;
        let skeleton = match scanner.finish(&mut |event| sink.take(event)) {
            Ok(skeleton) => skeleton,
            Err(error) => return done.tell(Err(error)),
        };
        let attributes = match read_attributes(&skeleton, expect) {
            Ok(attributes) => attributes,
            Err(error) => return done.tell(Err(error)),
        };
        sink.submit(&origin, received_ms, (skeleton, header), attributes, done);
    }
}

fn read_attributes(skeleton: &Skeleton, expect: &Expect) -> Result<Box<Attributes>, StoreError> {
    let attributes = Attributes::read(&DataSet::new(skeleton))?;
    let pairs = [
        ("SOP Class UID", &attributes.sop_class, &expect.sop_class),
        ("SOP Instance UID", &attributes.sop_instance, &expect.sop_instance),
        ("Study Instance UID", &attributes.study_uid, &expect.study),
    ];
    for (what, found, said) in pairs {
        if let Some(said) = said.as_ref().filter(|said| *said != found) {
            return Err(StoreError::Mismatch { what, found: found.to_string(), said: said.to_string() });
        }
    }
    Ok(Box::new(attributes))
}

/// A bulk value whose end has been seen.
struct Value {
    length: u64,
    hash: ContentHash,
    at: At,
}

enum At {
    Memory(Vec<Chunk>),
    /// Appended to the leased lane.
    Lane(Extent),
}

/// From so many bytes on a value of a store that is alone goes straight to a stream lane.
const ALONE: u64 = 128 * 1024;

/// A store that is under way, counted.
struct UnderWay(Arc<Shared>);

impl UnderWay {
    fn new(shared: Arc<Shared>) -> UnderWay {
        shared.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(shared)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes the bulk values that the scanner finds.
struct Sink {
    shared: Arc<Shared>,
    _under_way: UnderWay,
    facility: FacilityId,
    values: Vec<Value>,
    /// The value under way.
    hasher: Hasher,
    length: u64,
    chunks: Vec<Chunk>,
    /// Bytes in memory, all values.
    in_memory: u64,
    lease: Option<Lease>,
}

impl Sink {
    fn new(shared: Arc<Shared>, facility: FacilityId) -> Sink {
        let (values, chunks) = (Vec::new(), Vec::new());
        let _under_way = UnderWay::new(shared.clone());
        Sink {
            shared,
            _under_way,
            facility,
            values,
            hasher: Hasher::new(),
            length: 0,
            chunks,
            in_memory: 0,
            lease: None,
        }
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), StoreError> {
        match event {
            Event::BulkStart { declared } => {
                self.hasher = Hasher::new();
                self.length = 0;
                if let Some(lease) = &mut self.lease {
                    return lease.begin();
                }
                let declared = declared.unwrap_or(0);
                let wanted = self.in_memory.saturating_add(declared);
                let too_large = wanted > self.shared.options.store.in_memory_instance_bytes;
                // Nobody to share a sync with: the disk may as well write while the bytes arrive.
                let alone = declared >= ALONE && self.shared.under_way.load(Ordering::Relaxed) == 1;
                if too_large || alone { self.spill() } else { Ok(()) }
            }
            Event::BulkBytes(bytes) => {
                self.hasher.update(bytes);
                self.length += bytes.len() as u64;
                self.keep(bytes)
            }
            Event::BulkEnd => {
                let hash = std::mem::replace(&mut self.hasher, Hasher::new()).finish();
                let at = match &mut self.lease {
                    Some(lease) => At::Lane(lease.end(hash)?),
                    None => At::Memory(std::mem::take(&mut self.chunks)),
                };
                self.values.push(Value { length: self.length, hash, at });
                Ok(())
            }
        }
    }

    fn keep(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        if self.lease.is_none()
            && self.in_memory + bytes.len() as u64 > self.shared.options.store.in_memory_instance_bytes
        {
            self.spill()?;
        }
        while !bytes.is_empty() {
            if let Some(lease) = &mut self.lease {
                return lease.write(bytes);
            }
            let taken = self.chunks.last_mut().map_or(0, |chunk| chunk.fill(bytes));
            self.in_memory += taken as u64;
            bytes = &bytes[taken..];
            if !bytes.is_empty() {
                match self.shared.pool.take() {
                    Some(chunk) => self.chunks.push(chunk),
                    None => self.spill()?,
                }
            }
        }
        Ok(())
    }

    /// Leases a lane and moves the value under way into it.
    fn spill(&mut self) -> Result<(), StoreError> {
        let lease = self.lease.insert(self.shared.lanes.lease(&self.shared, self.facility)?);
        lease.begin()?;
        for chunk in self.chunks.drain(..) {
            lease.write(chunk.bytes())?;
        }
        Ok(())
    }

    fn submit(
        self,
        origin: &Origin,
        received_ms: i64,
        (skeleton, header): (Skeleton, Share),
        attributes: Box<Attributes>,
        done: Done,
    ) {
        let bulk: Vec<SplicedBulk> = skeleton
            .splices
            .iter()
            .zip(&self.values)
            .map(|(splice, value)| SplicedBulk { at: splice.at, length: value.length, hash: value.hash })
            .collect();
        let frames = frame_table(&skeleton, &attributes, &bulk);
        let digest = digest(&origin.transfer_syntax, &skeleton.bytes, &bulk);
        let body = InstanceBody {
            arrival: Arrival {
                received_ms,
                source: origin.source.clone(),
                patient_id_is_order: origin.patient_id_is_order,
                issuer: origin.issuer.clone(),
            },
            transfer_syntax: origin.transfer_syntax.clone(),
            sop_class: attributes.sop_class.clone(),
            sop_instance: attributes.sop_instance.clone(),
            frames: frames.unwrap_or_default(),
            skeleton: skeleton.bytes,
            bulk,
        };
        let mut extents = Vec::with_capacity(self.values.len());
        let mut bytes = Vec::with_capacity(self.values.len());
        for value in self.values {
            let (extent, at) = match value.at {
                At::Memory(chunks) => (None, BulkBytes::Memory(chunks)),
                At::Lane(extent) => (Some(extent), BulkBytes::Elsewhere),
            };
            extents.push(extent);
            bytes.push(at);
        }
        let (study, series) = (attributes.study_uid.clone(), attributes.series_uid.clone());
        let facility = origin.facility;
        let attributes = Some(attributes);
        let job =
            Job { body, digest, bulk: bytes, facility, attributes, study, series, _header: header, done };
        match self.lease {
            Some(lease) => lease.finish(job, &extents),
            None => self.shared.group.push(job),
        }
    }
}

/// The frame table of an instance's pixel data as bytes, where there is one. An instance without is stored all the
/// same: its frames cannot be fetched one by one.
fn frame_table(skeleton: &Skeleton, attributes: &Attributes, bulk: &[SplicedBulk]) -> Option<Vec<u8>> {
    // A deflated data set is one opaque value: no frame of it can be read in place.
    let pixel = skeleton.pixel.as_ref().filter(|_| !skeleton.is_deflated())?;
    let frames = attributes.instance.frames.unwrap_or(1);
    let table = if pixel.encapsulated {
        FrameTable::encapsulated(&pixel.fragments, &pixel.offset_table, frames)
    } else {
        let length = pixel.splice.and_then(|n| bulk.get(n)).map_or(pixel.length, |b| b.length);
        FrameTable::native(attributes.instance.native_layout()?, frames, length)
    };
    table.ok().map(|table| table.to_bytes())
}
