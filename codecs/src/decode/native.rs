//! Frames without compression (PS3.5 8.1, annex D).

use std::io::Read;

use super::{DecodeError, colour, damaged, mismatch};
use crate::pixels::{Decoded, Frame, Photometric, PixelAttributes, Samples};

/// Byte order of the words of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// Decodes a native frame. Bytes behind the frame are padding.
pub(super) fn decode(frame: Frame<'_>, a: &PixelAttributes, order: Order) -> Result<Decoded, DecodeError> {
    let pixels = a.rows as usize * a.columns as usize;
    let count = match a.photometric {
        Photometric::YbrFull422 if a.columns.is_multiple_of(2) => pixels * 2,
        Photometric::YbrFull422 => return Err(mismatch("halved chrominance with an odd number of columns")),
        _ => pixels * a.samples_per_pixel as usize,
    };
    let samples = if a.bits_allocated == 1 {
        single_bits(frame, count, order)?
    } else {
        let length = count * (a.bits_allocated as usize / 8);
        let bytes = frame.bytes.get(..length);
        let swapped;
        let bytes = match (bytes, order) {
            (None, _) => return Err(damaged("shorter than its rows and columns")),
            (Some(_), Order::Big) if frame.words && a.bits_allocated == 8 => {
                swapped = swap_bytes(frame.bytes, length)?;
                &swapped
            }
            (Some(bytes), _) => bytes,
        };
        values(bytes, a, order)
    };
    let samples = match a.photometric {
        Photometric::YbrFull422 => colour::full_chrominance(samples)?,
        _ if a.planar && a.samples_per_pixel == 3 => colour::interleave(samples, pixels),
        _ => samples,
    };
    colour::finish(samples, a, a.bits_stored, (a.rows, a.columns))
}

/// Bytes of which two were written as one word of the other order.
fn swap_bytes(bytes: &[u8], length: usize) -> Result<Vec<u8>, DecodeError> {
    let words =
        bytes.get(..length.next_multiple_of(2)).ok_or_else(|| damaged("half of the last word is missing"))?;
    let mut swapped: Vec<u8> = words.as_chunks().0.iter().flat_map(|[a, b]| [*b, *a]).collect();
    swapped.truncate(length);
    Ok(swapped)
}

/// Single bits, the first one in the least significant place (PS3.5 8.1.1); 1 becomes 1.
fn single_bits(frame: Frame<'_>, count: usize, order: Order) -> Result<Samples, DecodeError> {
    let first = usize::from(frame.first_bit);
    let bytes = (first + count).div_ceil(8);
    if first > 7 || frame.bytes.len() < bytes {
        return Err(damaged("shorter than its rows and columns"));
    }
    let swapped;
    let bytes = if order == Order::Big && frame.words {
        swapped = swap_bytes(frame.bytes, bytes)?;
        &swapped[..]
    } else {
        frame.bytes
    };
    let bit = |n: usize| bytes.get(n / 8).map_or(0, |byte| byte >> (n % 8) & 1);
    Ok(Samples::U8((first..first + count).map(bit).collect()))
}

/// Words of 8, 16 or 32 bits of which only the stored bits count: what lies above or below them may be overlays.
pub(super) fn values(bytes: &[u8], a: &PixelAttributes, order: Order) -> Samples {
    let up = a.bits_allocated - 1 - a.high_bit;
    let down = a.bits_allocated - a.bits_stored;
    let plain = up == 0 && down == 0;
    match (a.bits_allocated, a.signed) {
        (8, false) if plain => Samples::U8(bytes.to_vec()),
        (8, false) => Samples::U8(bytes.iter().map(|v| v << up >> down).collect()),
        (8, true) => Samples::I8(bytes.iter().map(|v| ((v << up) as i8) >> down).collect()),
        (16, false) => Samples::U16(words(bytes, order, u16::from_le_bytes, |v| v << up >> down)),
        (16, true) => Samples::I16(words(bytes, order, u16::from_le_bytes, |v| ((v << up) as i16) >> down)),
        (_, false) => Samples::U32(words(bytes, order, u32::from_le_bytes, |v| v << up >> down)),
        (_, true) => Samples::I32(words(bytes, order, u32::from_le_bytes, |v| ((v << up) as i32) >> down)),
    }
}

fn words<const N: usize, W, V>(
    bytes: &[u8],
    order: Order,
    word: impl Fn([u8; N]) -> W,
    value: impl Fn(W) -> V,
) -> Vec<V> {
    let chunks = bytes.as_chunks::<N>().0;
    match order {
        Order::Little => chunks.iter().map(|chunk| value(word(*chunk))).collect(),
        Order::Big => {
            let turned = |chunk: &[u8; N]| {
                let mut chunk = *chunk;
                chunk.reverse();
                value(word(chunk))
            };
            chunks.iter().map(turned).collect()
        }
    }
}

/// Decodes a frame that is deflated by itself (Deflated Image Frame Compression, PS3.5 annex A.4.13), never inflating
/// more than a frame.
pub(super) fn inflate(frame: Frame<'_>, a: &PixelAttributes) -> Result<Decoded, DecodeError> {
    let samples = u64::from(a.rows) * u64::from(a.columns) * u64::from(a.samples_per_pixel);
    let length = (samples * u64::from(a.bits_allocated)).div_ceil(8);
    let mut bytes = Vec::new();
    let mut from = flate2::read::DeflateDecoder::new(frame.bytes).take(length);
    from.read_to_end(&mut bytes).map_err(|_| damaged("what is deflated cannot be inflated"))?;
    decode(Frame { bytes: &bytes, first_bit: 0, ..frame }, a, Order::Little)
}
