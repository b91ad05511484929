//! JPEG-LS, lossless and near-lossless (PS3.5 8.2.3), through CharLS.

use super::codestream::{Depth, Words, bits, check_size, unsigned_words};
use super::{DecodeError, colour, damaged, jpeg_markers};
use crate::pixels::{Decoded, PixelAttributes};

/// Decodes a frame.
pub(super) fn decode(stream: &[u8], a: &PixelAttributes) -> Result<Decoded, DecodeError> {
    let header = jpeg_markers::read(stream)?;
    let frame = &header.frame;
    if frame.marker != jpeg_markers::SOF55 {
        return Err(damaged("no JPEG-LS frame header"));
    }
    if !has_end(header.scans) {
        return Err(damaged("no end of the image"));
    }
    check_size(frame.columns, frame.rows, frame.components.len() as u32, a)?;
    let bits = bits(Depth { precision: frame.precision, signed: false }, a)?;
    let bytes = charls::CharLS::default().decode(stream).map_err(damaged)?;
    let words = if frame.precision <= 8 {
        Words::U8(bytes)
    } else {
        Words::U16(bytes.as_chunks().0.iter().map(|word| u16::from_ne_bytes(*word)).collect())
    };
    let mut samples = unsigned_words(words, frame.precision, a)?;
    // With one component to a scan the planes follow each other.
    if a.samples_per_pixel == 3 && header.components_in_scan() == 1 {
        samples = colour::interleave(samples, a.rows as usize * a.columns as usize);
    }
    colour::finish(samples, a, bits, (a.rows, a.columns))
}

/// Whether an end of image follows the scans. Without it the library would look for the rest of the picture in zeros,
/// for seconds. No other pair of bytes looks like the marker: behind 0xff coded data go on with a bit of 0.
fn has_end(scans: &[u8]) -> bool {
    scans.windows(2).any(|pair| pair == [0xff, 0xd9])
}
