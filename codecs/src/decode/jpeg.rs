//! JPEG: baseline and extended (8 and 12 bit), progressive, lossless (PS3.5 8.2.1).

use super::codestream::{bits, check_size, unsigned_words};
use super::{DecodeError, colour, damaged, jpeg_markers, mismatch};
use crate::decode::codestream::Depth;
use crate::pixels::{Decoded, Photometric, PixelAttributes};
use crate::turbojpeg;

/// What the three components of a codestream are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Components {
    Rgb,
    Ycc,
}

/// Decodes a frame, at a fraction of its size when `at_least` is known and lossy coding allows it.
pub(super) fn decode(
    stream: &[u8],
    a: &PixelAttributes,
    at_least: Option<(u32, u32)>,
) -> Result<Decoded, DecodeError> {
    let header = jpeg_markers::read(stream)?;
    let frame = &header.frame;
    if !matches!(frame.marker, 0xc0..=0xc3) {
        return Err(damaged(format!("coding process SOF{} is not decoded", frame.marker & 15)));
    }
    check_size(frame.columns, frame.rows, frame.components.len() as u32, a)?;
    let depth = Depth { precision: frame.precision, signed: false };
    let bits = bits(depth, a)?;
    let lossy = !frame.lossless();
    if lossy && a.signed && frame.precision < a.bits_stored {
        return Err(mismatch("signed values in a codestream of fewer bits"));
    }
    let coded = match a.samples_per_pixel {
        3 => Some(components(&header, a)?),
        _ => None,
    };
    let stream = with_colour(&header, coded == Some(Components::Ycc) && lossy);
    // Two's complement cannot be averaged.
    let shrink = if lossy && !a.signed { eighths(at_least, a) } else { 8 };
    let picture = turbojpeg::decompress(
        &stream,
        turbojpeg::Shape {
            columns: frame.columns,
            rows: frame.rows,
            components: a.samples_per_pixel,
            precision: frame.precision,
        },
        shrink,
    )
    .map_err(damaged)?;
    let size = (picture.rows, picture.columns);
    let samples = unsigned_words(picture.words, frame.precision, a)?;
    match coded {
        // What is lossless stays as it was coded, and YBR is turned into RGB here.
        Some(Components::Ycc) if !lossy => {
            let attributes = PixelAttributes { photometric: Photometric::YbrFull, ..a.clone() };
            colour::finish(samples, &attributes, bits, size)
        }
        _ => colour::finish_rgb(samples, a, bits, size),
    }
}

/// Which colours are coded: the codestream's own word counts most, then the data set's.
fn components(header: &jpeg_markers::Header<'_>, a: &PixelAttributes) -> Result<Components, DecodeError> {
    let stated = match a.photometric {
        Photometric::Rgb => Components::Rgb,
        Photometric::YbrFull | Photometric::YbrFull422 => Components::Ycc,
        _ => return Err(mismatch("a colour transform of JPEG 2000 outside of JPEG 2000")),
    };
    if header.frame.lossless() {
        return Ok(stated);
    }
    match header.segments.iter().find_map(|segment| segment.adobe_transform()) {
        Some(0) => return Ok(Components::Rgb),
        Some(1) => return Ok(Components::Ycc),
        Some(_) => return Err(mismatch("a colour transform of four components")),
        None => {}
    }
    if header.frame.components == *b"RGB" {
        return Ok(Components::Rgb);
    }
    if header.segments.iter().any(|segment| segment.is_jfif()) {
        return Ok(Components::Ycc);
    }
    Ok(stated)
}

/// The codestream with its colours stated in one Adobe segment instead of whatever stood there, so that the library
/// need not guess.
fn with_colour(header: &jpeg_markers::Header<'_>, ycc: bool) -> Vec<u8> {
    let length: usize = header.segments.iter().map(|segment| segment.bytes.len()).sum();
    let mut out = Vec::with_capacity(length + header.scans.len() + 18);
    out.extend_from_slice(&[0xff, jpeg_markers::SOI]);
    out.extend_from_slice(&[
        0xff,
        0xee,
        0,
        14,
        b'A',
        b'd',
        b'o',
        b'b',
        b'e',
        0,
        100,
        0,
        0,
        0,
        0,
        u8::from(ycc),
    ]);
    for segment in &header.segments {
        if !segment.is_jfif() && segment.adobe_transform().is_none() {
            out.extend_from_slice(segment.bytes);
        }
    }
    let scan = out.len();
    out.extend_from_slice(header.scans);
    // Some old encoders leave the spectral selection of a sequential scan, which has none, at 0.
    if let (0xc0 | 0xc1, Some(header)) = (header.frame.marker, out.get_mut(scan..)) {
        let end = 2 + header.get(3).map_or(0, |length| usize::from(*length));
        if let Some(selection) = end.checked_sub(3).and_then(|start| header.get_mut(start..end)) {
            selection.copy_from_slice(&[0, 63, 0]);
        }
    }
    out
}

/// The least of 1, 2, 4 and 8 eighths of the size that is still `at_least` as large.
fn eighths(at_least: Option<(u32, u32)>, a: &PixelAttributes) -> u32 {
    let Some((columns, rows)) = at_least else { return 8 };
    let fits = |n: &u32| a.columns * n / 8 >= columns && a.rows * n / 8 >= rows;
    [1, 2, 4].into_iter().find(fits).unwrap_or(8)
}
