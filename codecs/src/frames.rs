//! Frame tables: which bytes of a Pixel Data value are which frame (PS3.5 annex A.4, PS3.3 C.7.6.3).

use std::ops::Range;

/// Most frames one table has; Number of Frames is a claim of the sender.
const FRAMES_MAX: u32 = 4_000_000;

/// A fragment of an encapsulated Pixel Data value: where its bytes lie within the value (item header excluded).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// First byte, counted from the start of the value.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

/// What the size of a native frame follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NativeLayout {
    /// Rows (0028,0010).
    pub rows: u32,
    /// Columns (0028,0011).
    pub columns: u32,
    /// Samples per Pixel (0028,0002).
    pub samples: u32,
    /// Bits Allocated (0028,0100).
    pub bits_allocated: u32,
    /// Whether chroma is subsampled by two (Photometric Interpretation ending in 422).
    pub halved_chroma: bool,
}

/// Why there is no frame table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameTableError {
    /// Number of Frames is zero or beyond every sense.
    #[error("the number of frames is not credible")]
    Frames,
    /// The size of a native frame is zero or overflows.
    #[error("the size of a frame is not credible")]
    Size,
    /// The value is shorter than its frames.
    #[error("the pixel data are shorter than their frames")]
    Short,
    /// Fragments cannot be told apart into frames: no usable offset table.
    #[error("the fragments cannot be told apart into frames")]
    Fragments,
    /// Stored bytes that are no table.
    #[error("the stored frame table cannot be read")]
    Stored,
}

/// Where each frame lies. Frame numbers count from 0 here, from 1 in DICOM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameTable {
    /// Frames of equal size behind one another, without padding between them; 1-bit frames need not start at a byte.
    Native {
        /// Number of frames.
        frames: u32,
        /// Bits of one frame.
        frame_bits: u64,
    },
    /// The fragments of each frame, in order.
    Encapsulated(Vec<Vec<Fragment>>),
}

impl FrameTable {
    /// The table of native pixel data of `length` bytes.
    ///
    /// # Errors
    /// When the layout is not credible or the value is shorter than it says.
    pub fn native(layout: NativeLayout, frames: u32, length: u64) -> Result<FrameTable, FrameTableError> {
        if frames == 0 || frames > FRAMES_MAX {
            return Err(FrameTableError::Frames);
        }
        let NativeLayout { rows, columns, samples, bits_allocated, halved_chroma } = layout;
        let samples = if halved_chroma && samples == 3 { 2 } else { samples };
        let frame_bits = [columns, samples, bits_allocated]
            .iter()
            .try_fold(u64::from(rows), |product, n| product.checked_mul(u64::from(*n)))
            .filter(|bits| *bits > 0)
            .ok_or(FrameTableError::Size)?;
        let bits = frame_bits.checked_mul(u64::from(frames)).ok_or(FrameTableError::Size)?;
        if bits.div_ceil(8) > length {
            return Err(FrameTableError::Short);
        }
        Ok(FrameTable::Native { frames, frame_bits })
    }

    /// The table of encapsulated pixel data from its fragments and, where these are not one to a frame, from the
    /// basic offset table. An extended one (7FE0,0001) promises one fragment to a frame, so that it adds nothing.
    ///
    /// # Errors
    /// When fragments cannot be assigned to frames.
    pub fn encapsulated(
        fragments: &[Fragment],
        basic: &[u8],
        frames: u32,
    ) -> Result<FrameTable, FrameTableError> {
        if frames == 0 || frames > FRAMES_MAX {
            return Err(FrameTableError::Frames);
        }
        let Some(first) = fragments.first() else { return Err(FrameTableError::Fragments) };
        if frames == 1 {
            return Ok(FrameTable::Encapsulated(vec![fragments.to_vec()]));
        }
        if fragments.len() == frames as usize {
            return Ok(FrameTable::Encapsulated(fragments.iter().map(|f| vec![*f]).collect()));
        }
        if basic.len() != frames as usize * 4 {
            return Err(FrameTableError::Fragments);
        }
        let offsets: Vec<u64> =
            basic.as_chunks().0.iter().map(|b| u64::from(u32::from_le_bytes(*b))).collect();
        // Offsets count from the first byte of the first fragment's item tag, 8 bytes before its value.
        let base = first.offset - first.offset.min(8);
        let mut frames_found: Vec<Vec<Fragment>> = Vec::with_capacity(offsets.len());
        let mut starts = offsets.iter().map(|offset| base.saturating_add(*offset)).peekable();
        for fragment in fragments {
            let item = fragment.offset - fragment.offset.min(8);
            if starts.next_if_eq(&item).is_some() {
                frames_found.push(Vec::new());
            }
            frames_found.last_mut().ok_or(FrameTableError::Fragments)?.push(*fragment);
        }
        if frames_found.len() == frames as usize {
            Ok(FrameTable::Encapsulated(frames_found))
        } else {
            Err(FrameTableError::Fragments)
        }
    }

    /// Number of frames.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            FrameTable::Native { frames, .. } => *frames as usize,
            FrameTable::Encapsulated(frames) => frames.len(),
        }
    }

    /// Whether there is no frame; never so for a table made here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Byte ranges of frame `n` within the Pixel Data value, in order; none for a frame that is not there. A native
    /// frame of single bits may begin and end within a byte that it shares.
    #[must_use]
    pub fn ranges(&self, n: usize) -> Option<Vec<Range<u64>>> {
        match self {
            FrameTable::Native { frames, frame_bits } if n < *frames as usize => {
                let start = frame_bits * n as u64;
                Some(std::iter::once(start / 8..(start + frame_bits).div_ceil(8)).collect())
            }
            FrameTable::Native { .. } => None,
            FrameTable::Encapsulated(frames) => {
                frames.get(n).map(|f| f.iter().map(|f| f.offset..f.offset + f.length).collect())
            }
        }
    }

    /// The table as bytes for the index: kind, then numbers of variable length, offsets as differences.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            FrameTable::Native { frames, frame_bits } => {
                out.push(0);
                put(&mut out, u64::from(*frames));
                put(&mut out, *frame_bits);
            }
            FrameTable::Encapsulated(frames) => {
                out.push(1);
                put(&mut out, frames.len() as u64);
                let mut end = 0;
                for frame in frames {
                    put(&mut out, frame.len() as u64);
                    for fragment in frame {
                        put(&mut out, fragment.offset.saturating_sub(end));
                        put(&mut out, fragment.length);
                        end = fragment.offset + fragment.length;
                    }
                }
            }
        }
        out
    }

    /// Reads a table back.
    ///
    /// # Errors
    /// [`FrameTableError::Stored`] when the bytes are no table.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<FrameTable, FrameTableError> {
        let from = &mut bytes;
        let kind = take(from);
        let count = take(from).and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= FRAMES_MAX);
        let (Some(kind), Some(count)) = (kind, count) else { return Err(FrameTableError::Stored) };
        let table = match kind {
            0 => take(from).map(|frame_bits| FrameTable::Native { frames: count, frame_bits }),
            1 => read_fragments(from, count).map(FrameTable::Encapsulated),
            _ => None,
        };
        table.filter(|_| from.is_empty()).ok_or(FrameTableError::Stored)
    }
}

fn read_fragments(from: &mut &[u8], frames: u32) -> Option<Vec<Vec<Fragment>>> {
    let mut end = 0u64;
    let mut table = Vec::new();
    for _ in 0..frames {
        let mut frame = Vec::new();
        for _ in 0..take(from)? {
            let offset = end.checked_add(take(from)?)?;
            let length = take(from)?;
            end = offset.checked_add(length)?;
            frame.push(Fragment { offset, length });
        }
        table.push(frame);
    }
    Some(table)
}

/// Seven bits a byte, least first.
fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn take(from: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(offset: u64, length: u64) -> Fragment {
        Fragment { offset, length }
    }

    #[test]
    fn native_frames_follow_each_other() {
        let layout =
            NativeLayout { rows: 4, columns: 5, samples: 1, bits_allocated: 16, halved_chroma: false };
        let table = FrameTable::native(layout, 3, 120).unwrap();
        assert_eq!(table.ranges(2).unwrap().first(), Some(&(80..120)));
        assert_eq!(table.ranges(3), None);
        assert_eq!(FrameTable::native(layout, 4, 120), Err(FrameTableError::Short));
        assert_eq!(FrameTable::native(layout, 0, 120), Err(FrameTableError::Frames));
        let huge = NativeLayout { rows: u32::MAX, columns: u32::MAX, samples: u32::MAX, ..layout };
        assert_eq!(FrameTable::native(huge, 1, 120), Err(FrameTableError::Size));
        let bits = NativeLayout { rows: 3, columns: 3, bits_allocated: 1, ..layout };
        assert_eq!(FrameTable::native(bits, 2, 3).unwrap().ranges(1).unwrap().first(), Some(&(1..3)));
    }

    #[test]
    fn fragments_are_told_apart_by_count_or_by_an_offset_table() {
        let all = [fragment(16, 10), fragment(34, 20), fragment(62, 6), fragment(76, 4)];
        let one = FrameTable::encapsulated(&all, &[], 1).unwrap();
        assert_eq!(one.ranges(0).unwrap().len(), 4);
        let four = FrameTable::encapsulated(&all, &[], 4).unwrap();
        assert_eq!(four.ranges(3).unwrap().first(), Some(&(76..80)));
        let basic: Vec<u8> = [0u32, 46].iter().flat_map(|n| n.to_le_bytes()).collect();
        let two = FrameTable::encapsulated(&all, &basic, 2).unwrap();
        assert_eq!(two.ranges(0).unwrap(), [16..26, 34..54]);
        assert_eq!(two.ranges(1).unwrap(), [62..68, 76..80]);
        assert_eq!(FrameTable::encapsulated(&all, &[], 2), Err(FrameTableError::Fragments));
        let lies: Vec<u8> = [0u32, 47].iter().flat_map(|n| n.to_le_bytes()).collect();
        assert_eq!(FrameTable::encapsulated(&all, &lies, 2), Err(FrameTableError::Fragments));
    }

    #[test]
    fn tables_read_back_and_damaged_ones_are_refused() {
        let table = FrameTable::Encapsulated(vec![
            vec![fragment(16, 10), fragment(34, 200)],
            vec![fragment(300, 70_000)],
            vec![],
        ]);
        let bytes = table.to_bytes();
        assert_eq!(FrameTable::from_bytes(&bytes), Ok(table));
        for end in 0..bytes.len() {
            assert_eq!(FrameTable::from_bytes(&bytes[..end]), Err(FrameTableError::Stored));
        }
        let native = FrameTable::Native { frames: 200, frame_bits: 4_194_304 };
        assert_eq!(FrameTable::from_bytes(&native.to_bytes()), Ok(native));
    }
}
