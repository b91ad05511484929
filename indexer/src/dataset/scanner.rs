//! The bounded pre-scan and split of a data set as it arrives (PS3.5 7, A.4, A.5).
//!
//! [`Scanner`] takes the data set in pieces of any size, hands the bytes of bulk values on as slices of what it was
//! given, and keeps the rest. Its result does not depend on how the data set was cut into pieces.
//!
//! Format version 1 splits off: (a) the value field of an element that is no sequence, at any depth, if it has
//! [`BULK_THRESHOLD`](super::BULK_THRESHOLD) bytes or more within the item around it; (b) the whole value, items and
//! delimiter included, of Pixel Data of undefined length, and of any other element of undefined length whose VR is OB,
//! OD, OF, OL, OV or OW; (c) a deflated data set as a whole.

use super::MAX_DEPTH;
use super::encoding::{Encoding, is_deflated};
use super::error::DataSetError;
use super::inflate::{InflateLimits, Inflater};
use super::notes::Note;
use super::skeleton::{Inflated, Layout, Parsed, Skeleton, Splice};
use super::split::Split;
use storage_config::Uid;

pub use storage_config::config::ScanLimits;

/// What a scan hands on. Bulk values come one after the other, in the order of [`Skeleton::splices`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A bulk value begins; its length in bytes if the data set declares one, which need not be true.
    BulkStart {
        /// Length as declared.
        declared: Option<u64>,
    },
    /// Some more bytes of the bulk value.
    BulkBytes(&'a [u8]),
    /// The bulk value is complete.
    BulkEnd,
}

/// Scans one data set.
///
/// After an error it must be dropped: nothing of what it reported may be kept.
#[derive(Debug)]
pub struct Scanner {
    limits: ScanLimits,
    declared: Encoding,
    split: Split,
    deflated: Option<Inflater>,
    received: u64,
}

impl Scanner {
    /// A scanner for a data set in this transfer syntax; unknown ones are Explicit VR Little Endian.
    pub fn new(transfer_syntax: &Uid, limits: ScanLimits) -> Self {
        let declared = Encoding::of(transfer_syntax.as_str());
        let limits = ScanLimits { depth: limits.depth.min(MAX_DEPTH), ..limits };
        let inflate = InflateLimits { bytes: limits.inflate_bytes, ratio: limits.inflate_ratio };
        let deflated = is_deflated(transfer_syntax.as_str()).then(|| Inflater::new(inflate));
        Self { limits, declared, split: Split::new(declared, limits), deflated, received: 0 }
    }

    /// Takes the next bytes of the data set.
    ///
    /// # Errors
    /// A limit is passed or the data set is malformed ([`DataSetError`]), or what `on` returned.
    pub fn push<E: From<DataSetError>>(
        &mut self,
        bytes: &[u8],
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if bytes.is_empty() {
            return Ok(());
        }
        let first = self.received == 0;
        self.received = self.received.saturating_add(bytes.len() as u64);
        if self.received > self.limits.instance_bytes {
            return Err(DataSetError::InstanceTooLarge { limit: self.limits.instance_bytes }.into());
        }
        let Some(inflater) = &mut self.deflated else {
            return self.split.push(bytes, on);
        };
        if first {
            on(Event::BulkStart { declared: None })?;
        }
        on(Event::BulkBytes(bytes))?;
        let split = &mut self.split;
        inflater.push(bytes, &mut |inflated| split.push(inflated, &mut ignore))?;
        Ok(())
    }

    /// Takes the next bytes of a deflated data set and tells of the data set that comes out of them, not of the stream.
    ///
    /// # Errors
    /// As [`Scanner::push`].
    pub fn push_inflated<E: From<DataSetError>>(
        &mut self,
        bytes: &[u8],
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.received = self.received.saturating_add(bytes.len() as u64);
        let split = &mut self.split;
        match &mut self.deflated {
            Some(inflater) => inflater.push(bytes, &mut |inflated| split.push(inflated, on)),
            None => split.push(bytes, on),
        }
    }

    /// How many bytes were taken so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Bytes of memory that the data set takes so far: its skeleton and what is noted of its bulk values.
    pub fn memory(&self) -> u64 {
        self.split.memory()
    }

    /// The skeleton, when all bytes were pushed.
    ///
    /// # Errors
    /// The data set is empty or cut short ([`DataSetError`]), or what `on` returned.
    pub fn finish<E: From<DataSetError>>(
        mut self,
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<Skeleton, E> {
        if self.received == 0 {
            return Err(DataSetError::Empty.into());
        }
        let Some(inflater) = self.deflated.take() else {
            let split = self.split.finish(on)?;
            let layout = Layout::new(split.bytes.len() as u64, &split.splices, split.ends)?;
            let parsed = Parsed {
                encoding: split.encoding,
                notes: split.notes,
                declared: self.declared,
                layout,
                inflated: None,
            };
            return Ok(Skeleton { bytes: split.bytes, splices: split.splices, parsed, pixel: split.pixel });
        };
        let (zlib, trailing) = inflater.finish()?;
        let mut split = self.split.finish(&mut ignore)?;
        on(Event::BulkEnd)?;
        if zlib {
            split.notes.add(Note::ZlibHeader);
        }
        if trailing {
            split.notes.add(Note::TrailingGarbage);
        }
        let layout = Layout::new(split.bytes.len() as u64, &split.splices, split.ends)?;
        let inflated = Some(Box::new(Inflated { bytes: split.bytes, splices: split.splices }));
        let (encoding, notes, declared) = (split.encoding, split.notes, self.declared);
        let parsed = Parsed { encoding, notes, declared, layout, inflated };
        let splices = vec![Splice { at: 0, length: self.received }];
        Ok(Skeleton { bytes: Vec::new(), splices, parsed, pixel: split.pixel })
    }
}

/// The bulk values of an inflated data set are not kept: the deflated stream is.
fn ignore(_: Event<'_>) -> Result<(), DataSetError> {
    Ok(())
}
