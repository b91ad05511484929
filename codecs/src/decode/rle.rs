//! RLE Lossless (PS3.5 annex G).

use super::{DecodeError, colour, damaged, mismatch, native};
use crate::pixels::{Decoded, PixelAttributes};

/// Bytes of the header: the number of segments and 15 offsets.
const HEADER: usize = 64;

/// Decodes a frame of any bit depth: one segment for each byte of each sample, the most significant byte first.
pub(super) fn decode(bytes: &[u8], a: &PixelAttributes) -> Result<Decoded, DecodeError> {
    if a.bits_allocated == 1 {
        return Err(mismatch("single bits in runs of bytes"));
    }
    let pixels = a.rows as usize * a.columns as usize;
    let width = a.bits_allocated as usize / 8;
    let per_pixel = width * a.samples_per_pixel as usize;
    let segments = segments(bytes)?;
    if segments.len() != per_pixel {
        return Err(mismatch(format!("{} segments for {per_pixel} bytes of a pixel", segments.len())));
    }
    let mut out = vec![0; pixels * per_pixel];
    let mut plane = Vec::with_capacity(pixels);
    for (n, segment) in segments.into_iter().enumerate() {
        plane.clear();
        unpack(segment, &mut plane, pixels)?;
        let place = n / width * width + (width - 1 - n % width);
        for (pixel, byte) in out.chunks_exact_mut(per_pixel).zip(&plane) {
            if let Some(target) = pixel.get_mut(place) {
                *target = *byte;
            }
        }
    }
    let samples = native::values(&out, a, native::Order::Little);
    colour::finish(samples, a, a.bits_stored, (a.rows, a.columns))
}

/// The segments by the offsets of the header.
fn segments(bytes: &[u8]) -> Result<Vec<&[u8]>, DecodeError> {
    let header = bytes.get(..HEADER).ok_or_else(|| damaged("shorter than an RLE header"))?;
    let mut words = header.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word) as usize);
    let count = words.next().unwrap_or(0);
    if !(1..=15).contains(&count) {
        return Err(damaged(format!("{count} RLE segments")));
    }
    let mut offsets: Vec<usize> = words.take(count).collect();
    offsets.push(bytes.len());
    let segment = |pair: &[usize]| match pair {
        [start, end] if *start >= HEADER => bytes.get(*start..*end),
        _ => None,
    };
    offsets
        .windows(2)
        .map(|pair| segment(pair).ok_or_else(|| damaged("RLE segments outside the frame")))
        .collect()
}

/// Runs of PackBits until `wanted` bytes are out; what follows them is padding.
fn unpack(mut from: &[u8], out: &mut Vec<u8>, wanted: usize) -> Result<(), DecodeError> {
    let short = || damaged("an RLE segment ends early");
    while out.len() < wanted {
        let (control, rest) = from.split_first().ok_or_else(short)?;
        let room = wanted - out.len();
        match *control {
            0..=127 => {
                let length = usize::from(*control) + 1;
                let literal = rest.get(..length.min(room)).ok_or_else(short)?;
                out.extend_from_slice(literal);
                from = rest.get(length..).unwrap_or(&[]);
            }
            128 => from = rest,
            _ => {
                let (byte, rest) = rest.split_first().ok_or_else(short)?;
                let length = 257 - usize::from(*control);
                out.resize(out.len() + length.min(room), *byte);
                from = rest;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_literals_unpack() {
        let mut out = Vec::new();
        // The example of PackBits: a run, a no-op, a literal, a run beyond the end.
        unpack(&[0xfe, 0xaa, 0x80, 2, 1, 2, 3, 0xf7, 9], &mut out, 8).unwrap();
        assert_eq!(out, [0xaa, 0xaa, 0xaa, 1, 2, 3, 9, 9]);
        for short in [&[][..], &[0], &[5, 1, 2], &[0xfe], &[0x80]] {
            assert!(unpack(short, &mut Vec::new(), 8).is_err(), "{short:?}");
        }
    }

    #[test]
    fn offsets_outside_the_frame_are_refused() {
        let frame = |words: &[u32], body: &[u8]| {
            let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
            bytes.resize(HEADER, 0);
            bytes.extend_from_slice(body);
            bytes
        };
        assert_eq!(segments(&frame(&[2, 64, 66], &[1, 2, 3])).unwrap(), [&[1, 2][..], &[3]]);
        for words in [&[0, 64][..], &[16, 64], &[1, 63], &[1, 68], &[2, 66, 64], &[1, u32::MAX]] {
            assert!(segments(&frame(words, &[1, 2, 3])).is_err(), "{words:?}");
        }
        assert!(segments(&[1; 63]).is_err());
    }
}
