//! Frames of stored pixel data (PS3.18 10.4.1.1.6): found by the frame table that was made at the store, read as ranges
//! of one bulk value.
//!
//! A native frame comes as Explicit VR Little Endian has it: bytes of a big endian one are swapped, frames of single
//! bits begin at a byte, nothing follows the last pixel. A compressed frame is its fragments as stored, one behind the
//! other.

use std::ops::Range;
use std::sync::Arc;

use codecs::{FrameTable, TransferSyntax};

use super::bulk::BulkValue;
use super::error::ReadError;
use super::header::HeaderReader;
use super::{Archive, Shared};
use crate::dataset::attributes::Attributes;
use crate::dataset::{Endian, Tag, Vr};
use crate::db::{FrameSource, InstanceRow, Scope};

/// Pixel Data, Float Pixel Data, Double Float Pixel Data.
const PIXELS: [Tag; 3] = [Tag(0x7FE0, 0x0010), Tag(0x7FE0, 0x0008), Tag(0x7FE0, 0x0009)];

/// The pixel data of one instance, ready to be read frame by frame.
pub struct Frames {
    shared: Arc<Shared>,
    instance: InstanceRow,
    table: FrameTable,
    pixels: Pixels,
}

enum Pixels {
    /// Where they lie.
    Bulk(BulkValue),
    /// As Explicit VR Little Endian has them.
    Whole(Vec<u8>),
}

impl Archive {
    /// The frames of a served instance, which `scope` names. None without the instance; the instance alone where its
    /// pixel data are absent, or cannot be told apart into frames.
    ///
    /// # Errors
    /// When the index or the store cannot be read.
    pub fn frames(&self, scope: &Scope) -> Result<Option<Result<Frames, InstanceRow>>, ReadError> {
        let shared = &self.shared;
        let Some(source) = shared.db.frame_source(scope)? else { return Ok(None) };
        let FrameSource { instance, table, pixels, places } = source;
        let table = table.and_then(|bytes| FrameTable::from_bytes(&bytes).ok());
        let big = instance.transfer_syntax.as_str() == "1.2.840.10008.1.2.2";
        let (table, pixels) = match (table, pixels) {
            (Some(table), Some(hash)) if !big => {
                let length = places.first().map_or(0, |place| place.length);
                let mut value = BulkValue::at(hash, length, places)?;
                value.reach(shared)?;
                (table, Pixels::Bulk(value))
            }
            (table, _) => match whole(shared, &instance, table)? {
                Some((table, bytes)) => (table, Pixels::Whole(bytes)),
                None => return Ok(Some(Err(instance))),
            },
        };
        Ok(Some(Ok(Frames { shared: shared.clone(), instance, table, pixels })))
    }
}

impl Frames {
    /// The instance.
    #[must_use]
    pub fn instance(&self) -> &InstanceRow {
        &self.instance
    }

    /// Number of frames.
    #[must_use]
    pub fn count(&self) -> usize {
        self.table.len()
    }

    /// Whether frames are compressed, one by one, in the transfer syntax of the instance.
    #[must_use]
    pub fn compressed(&self) -> bool {
        matches!(self.table, FrameTable::Encapsulated(_))
    }

    /// Bytes of frame `n`, counted from 0, as [`Frames::read`] gives it.
    #[must_use]
    pub fn length(&self, n: usize) -> Option<u64> {
        match &self.table {
            FrameTable::Native { frames, frame_bits } => {
                (n < *frames as usize).then(|| frame_bits.div_ceil(8))
            }
            FrameTable::Encapsulated(frames) => frames.get(n).map(|f| f.iter().map(|f| f.length).sum()),
        }
    }

    /// Bytes beyond its length that reading frame `n` needs for a moment: what else is in the chunks at its ends, which
    /// are verified as a whole. A buffer with just this room is read into without being cleared before.
    #[must_use]
    pub fn slack(&self, n: usize) -> u64 {
        let chunk = storage_config::pack::CHUNK as u64;
        let ranges = self.table.ranges(n).unwrap_or_default();
        let around = |range: &Range<u64>| range.start % chunk + (chunk - range.end % chunk) % chunk;
        ranges.iter().map(around).max().unwrap_or(0)
    }

    /// Appends a piece of frame `n` to `out`, from byte `from` of the frame on and at most `most` bytes, verified. A
    /// frame that does not begin at a byte comes as a whole.
    ///
    /// # Errors
    /// When there is no such frame, or its bytes are damaged and no other copy is good.
    pub fn read(&mut self, n: usize, from: u64, most: u64, out: &mut Vec<u8>) -> Result<(), ReadError> {
        let absent = || ReadError::Missing("there is no such frame".into());
        let ranges = self.table.ranges(n).ok_or_else(absent)?;
        if let FrameTable::Native { frame_bits, .. } = self.table
            && !frame_bits.is_multiple_of(8)
        {
            let mut bytes = Vec::new();
            for range in ranges {
                self.pixels.read(&self.shared, range, &mut bytes)?;
            }
            bits_from(&bytes, (frame_bits * n as u64 % 8) as u32, frame_bits, out);
            return Ok(());
        }
        let (mut skip, mut left) = (from, most);
        for range in ranges {
            let length = range.end - range.start;
            let start = range.start + skip.min(length);
            let end = range.end.min(start.saturating_add(left));
            skip = skip.saturating_sub(length);
            if start < end {
                self.pixels.read(&self.shared, start..end, out)?;
                left -= end - start;
            }
        }
        Ok(())
    }
}

impl Pixels {
    fn read(&mut self, shared: &Shared, range: Range<u64>, out: &mut Vec<u8>) -> Result<(), ReadError> {
        match self {
            Pixels::Bulk(value) => value.read(shared, range, out),
            Pixels::Whole(bytes) => {
                let short = || ReadError::Damaged("the pixel data are shorter than their frames".into());
                let bounds = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
                let (start, end) = bounds.ok_or_else(short)?;
                out.extend_from_slice(bytes.get(start..end).ok_or_else(short)?);
                Ok(())
            }
        }
    }
}

/// Appends `bits` bits to `out` that begin at bit `skip` of `bytes`; bits count from the least (PS3.5 8.1.1). What is left
/// of the last byte is zero.
fn bits_from(bytes: &[u8], skip: u32, bits: u64, out: &mut Vec<u8>) {
    let length = bits.div_ceil(8) as usize;
    let start = out.len();
    for at in 0..length {
        let low = bytes.get(at).copied().unwrap_or(0);
        let high = bytes.get(at + 1).copied().unwrap_or(0);
        out.push((u16::from_le_bytes([low, high]) >> skip) as u8);
    }
    let over = (length as u64 * 8 - bits) as u32;
    if let Some(last) = out.get_mut(start..).and_then(<[u8]>::last_mut) {
        *last &= 0xFF >> over;
    }
}

/// The pixel data of an instance as Explicit VR Little Endian has them, for those whose frames cannot be read in place:
/// small ones that stand in the instance record, big endian ones, deflated ones.
fn whole(
    shared: &Arc<Shared>,
    instance: &InstanceRow,
    table: Option<FrameTable>,
) -> Result<Option<(FrameTable, Vec<u8>)>, ReadError> {
    if table.is_none() && !crate::dataset::is_deflated(instance.transfer_syntax.as_str()) {
        return Ok(None);
    }
    let header = HeaderReader::open(shared, instance)?;
    let data_set = header.data_set();
    let Some(element) = PIXELS.iter().find_map(|tag| data_set.get(*tag)) else { return Ok(None) };
    let mut bytes = header.value(&element)?;
    let attributes = Attributes::read(&data_set).map_err(|e| ReadError::DataSet(e.to_string()))?;
    let table = match table {
        Some(table) => table,
        None if header.encapsulated() == Some(true) => return Ok(None),
        None => match native_table(&attributes, bytes.len() as u64) {
            Some(table) => table,
            None => return Ok(None),
        },
    };
    if element.endian == Endian::Big {
        swap(&mut bytes, element.vr, attributes.instance.bits_allocated.unwrap_or(0));
    }
    Ok(Some((table, bytes)))
}

/// The table of native frames, of a data set for which the store made none.
fn native_table(attributes: &Attributes, length: u64) -> Option<FrameTable> {
    let image = &attributes.instance;
    FrameTable::native(image.native_layout()?, image.frames.unwrap_or(1), length).ok()
}

/// Turns big endian pixels into little endian ones. Single bytes stand in words too where the VR says so.
fn swap(bytes: &mut [u8], vr: Vr, bits_allocated: u32) {
    let width = match (vr, bits_allocated) {
        (Vr::OB | Vr::UN, _) => 1,
        (_, 32) => 4,
        (_, 64) => 8,
        _ => 2,
    };
    bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
}

/// The media type of one frame and the transfer syntax in which it is sent.
#[must_use]
pub fn frame_syntax(frames: &Frames) -> (&'static str, &str) {
    if frames.compressed() {
        let syntax = frames.instance.transfer_syntax.as_str();
        (TransferSyntax::of(syntax).frame_media_type, syntax)
    } else {
        ("application/octet-stream", "1.2.840.10008.1.2.1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_single_bits_begin_at_a_byte() {
        // Frames of 9 bits: 1_0101_0101 and 0_1111_0000, from the least bit on.
        let packed = [0b0101_0101, 0b1110_0001, 0b0000_0001];
        let mut first = Vec::new();
        bits_from(&packed[0..2], 0, 9, &mut first);
        assert_eq!(first, [0b0101_0101, 1]);
        let mut second = Vec::new();
        bits_from(&packed[1..3], 1, 9, &mut second);
        assert_eq!(second, [0b1111_0000, 0]);
    }

    #[test]
    fn big_endian_pixels_are_turned_by_their_width() {
        for (vr, bits, expected) in [
            (Vr::OW, 16, [2, 1, 4, 3, 6, 5, 8, 7]),
            (Vr::OW, 8, [2, 1, 4, 3, 6, 5, 8, 7]),
            (Vr::OB, 8, [1, 2, 3, 4, 5, 6, 7, 8]),
            (Vr::OF, 32, [4, 3, 2, 1, 8, 7, 6, 5]),
            (Vr::OD, 64, [8, 7, 6, 5, 4, 3, 2, 1]),
        ] {
            let mut bytes = [1, 2, 3, 4, 5, 6, 7, 8];
            swap(&mut bytes, vr, bits);
            assert_eq!(bytes, expected, "{vr:?} {bits}");
        }
    }
}
