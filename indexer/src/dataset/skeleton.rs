//! What the split of a data set leaves: skeleton, splice points, and what the scan learned on the way.

use codecs::Fragment;

use super::Tag;
use super::encoding::{Encoding, is_deflated};
use super::error::DataSetError;
use super::notes::Notes;
use super::reader::DataSet;

/// Where a bulk value was cut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Splice {
    /// Position in the skeleton's bytes: the bulk value stands before the byte at this position.
    pub at: u64,
    /// Length of the bulk value, in bytes.
    pub length: u64,
}

/// A data set without its bulk values.
///
/// `bytes` and `splices` with the bulk values between them are the data set as received, byte for byte.
#[derive(Debug, Clone, PartialEq)]
pub struct Skeleton {
    /// Everything but the bulk values, in order. Empty if the data set is deflated.
    pub bytes: Vec<u8>,
    /// Where the bulk values belong, in order; at most one at each position.
    pub splices: Vec<Splice>,
    /// How to read it.
    pub parsed: Parsed,
    /// Pixel Data of the data set itself (not of nested icons), where there is any.
    pub pixel: Option<PixelData>,
}

/// What reading needs beside the bytes: made by the scan or by [`Skeleton::restore`].
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The encoding found, which is not always the one declared.
    pub encoding: Encoding,
    /// Oddities met. Empty after [`Skeleton::restore`].
    pub notes: Notes,
    /// The transfer syntax' encoding: reading starts from it and finds `encoding` as the scan did.
    pub(super) declared: Encoding,
    /// The skeleton to read: of the data set as received, or of what a deflated one inflates to.
    pub(super) layout: Layout,
    /// The inflated skeleton of a deflated data set.
    pub(super) inflated: Option<Box<Inflated>>,
}

/// Positions in the data set as received.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Layout {
    /// Where each bulk value starts in the data set as received.
    starts: Vec<u64>,
    /// Where long items and sequences of undefined length start and end, by start.
    ends: Vec<(u64, u64)>,
}

/// What a deflated data set inflates to, without its bulk values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Inflated {
    pub bytes: Vec<u8>,
    pub splices: Vec<Splice>,
}

/// Pixel Data, Float Pixel Data or Double Float Pixel Data of the data set itself.
#[derive(Debug, Clone, PartialEq)]
pub struct PixelData {
    /// (7FE0,0010), (7FE0,0008) or (7FE0,0009).
    pub tag: Tag,
    /// Which bulk value it is; none if it is so small that it stayed in the skeleton.
    /// For a deflated data set this counts the bulk values of the inflated data set.
    pub splice: Option<usize>,
    /// Where the value stands in the skeleton, in bytes.
    pub at: u64,
    /// Length of the whole value, in bytes.
    pub length: u64,
    /// Whether the value is a sequence of fragments.
    pub encapsulated: bool,
    /// The fragments without the basic offset table, in order. Empty if not encapsulated.
    pub fragments: Vec<Fragment>,
    /// The bytes of the basic offset table item (32-bit numbers in the byte order of the data set).
    pub offset_table: Vec<u8>,
    /// Where in the bulk value the items after the basic offset table start: its offsets count from here.
    pub first_item: u64,
}

impl Layout {
    pub(super) fn new(bytes: u64, splices: &[Splice], ends: Vec<(u64, u64)>) -> Result<Self, DataSetError> {
        let (mut starts, mut shift, mut last) = (Vec::with_capacity(splices.len()), 0u64, None);
        for splice in splices {
            if splice.at > bytes || last.is_some_and(|last| splice.at <= last) {
                return Err(DataSetError::Splices);
            }
            last = Some(splice.at);
            starts.push(splice.at.checked_add(shift).ok_or(DataSetError::Splices)?);
            shift = shift.checked_add(splice.length).ok_or(DataSetError::Splices)?;
        }
        bytes.checked_add(shift).ok_or(DataSetError::Splices)?;
        Ok(Self { starts, ends })
    }

    /// The position in the skeleton of a position in the data set as received. None within a bulk value, where only
    /// a damaged skeleton leads.
    pub(super) fn in_skeleton(&self, splices: &[Splice], original: u64) -> Option<u64> {
        let before = self.starts.partition_point(|start| *start < original);
        match before.checked_sub(1).and_then(|i| Some((self.starts.get(i)?, splices.get(i)?))) {
            None => Some(original),
            Some((start, splice)) => (original - start).checked_sub(splice.length)?.checked_add(splice.at),
        }
    }

    /// The bulk value that starts at a position of the data set as received.
    pub(super) fn splice_at(&self, original: u64) -> Option<usize> {
        self.starts.binary_search(&original).ok()
    }

    /// Where an item or sequence of undefined length that starts here ends, if that is recorded.
    pub(super) fn end_of(&self, start: u64) -> Option<u64> {
        let at = self.ends.binary_search_by_key(&start, |(start, _)| *start).ok()?;
        self.ends.get(at).map(|(_, end)| *end)
    }

    pub(super) fn start_of(&self, splice: usize) -> Option<u64> {
        self.starts.get(splice).copied()
    }
}

impl Skeleton {
    /// Puts together a skeleton that was stored. It is checked just enough that reading it is safe.
    ///
    /// A deflated data set has nothing to read before its bulk value is scanned again.
    ///
    /// # Errors
    /// [`DataSetError::Splices`] if the splice points are out of order or beyond the bytes.
    pub fn restore(
        transfer_syntax: &str,
        bytes: Vec<u8>,
        splices: Vec<Splice>,
    ) -> Result<Self, DataSetError> {
        let declared = Encoding::of(transfer_syntax);
        let layout = Layout::new(bytes.len() as u64, &splices, Vec::new())?;
        let inflated = is_deflated(transfer_syntax)
            .then(|| Box::new(Inflated { bytes: Vec::new(), splices: Vec::new() }));
        let parsed = Parsed { encoding: declared, notes: Notes::default(), declared, layout, inflated };
        let mut skeleton = Self { bytes, splices, parsed, pixel: None };
        let (encoding, ends) = DataSet::new(&skeleton).survey();
        (skeleton.parsed.encoding, skeleton.parsed.layout.ends) = (encoding, ends);
        Ok(skeleton)
    }

    /// Length of the data set as received, in bytes.
    pub fn data_set_length(&self) -> u64 {
        self.bytes.len() as u64 + self.splices.iter().map(|splice| splice.length).sum::<u64>()
    }

    /// Whether the data set is deflated: then its one bulk value is the whole stream, and the splices that
    /// [`DataSet`] and [`PixelData`] name are those of the inflated data set.
    pub fn is_deflated(&self) -> bool {
        self.parsed.inflated.is_some()
    }

    /// Where a bulk value stands in the data set (in the inflated one, if it is deflated): start and length in bytes.
    pub fn bulk_range(&self, splice: usize) -> Option<(u64, u64)> {
        let splices = self.parsed.inflated.as_ref().map_or(&self.splices, |inflated| &inflated.splices);
        Some((self.parsed.layout.start_of(splice)?, splices.get(splice)?.length))
    }

    /// The pieces of the data set in order: skeleton bytes and, between them, the numbers of the bulk values.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let mut from = 0usize;
        let bulk = self.splices.iter().enumerate().flat_map(move |(i, splice)| {
            let to = usize::try_from(splice.at).unwrap_or(usize::MAX).min(self.bytes.len());
            let head = self.bytes.get(from..to).unwrap_or_default();
            from = to;
            [Piece::Bytes(head), Piece::Bulk(i)]
        });
        let last = self.splices.last().map_or(0, |splice| usize::try_from(splice.at).unwrap_or(usize::MAX));
        let tail = self.bytes.get(last.min(self.bytes.len())..).unwrap_or_default();
        bulk.chain([Piece::Bytes(tail)])
    }
}

/// One piece of a data set on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of the skeleton, possibly none.
    Bytes(&'a [u8]),
    /// The bulk value of this number.
    Bulk(usize),
}
