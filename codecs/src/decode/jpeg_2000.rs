//! JPEG 2000 and High-Throughput JPEG 2000 (PS3.5 8.2.4, 8.2.14), through OpenJPEG.

use super::codestream::{Depth, bits, check_size, samples};
use super::{DecodeError, colour, damaged, mismatch};
use crate::pixels::{Decoded, Photometric, PixelAttributes};

/// Start of a codestream, followed by its SIZ marker.
const START: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];

/// The signature box of a JP2 file.
const JP2: [u8; 8] = [0, 0, 0, 12, b'j', b'P', b' ', b' '];

/// What the main header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    columns: u32,
    rows: u32,
    components: u32,
    depth: Depth,
    colour_transform: bool,
    resolutions: u32,
}

/// Decodes a frame, at a fraction of its resolution when `at_least` is known.
pub(super) fn decode(
    stream: &[u8],
    a: &PixelAttributes,
    at_least: Option<(u32, u32)>,
) -> Result<Decoded, DecodeError> {
    // Some writers put a whole JP2 file into the fragment, whose boxes may say which component is which colour.
    let start = if stream.starts_with(&JP2) { stream.windows(4).position(|w| w == START) } else { Some(0) };
    let header = header(start.and_then(|start| stream.get(start..)).unwrap_or(&[]))?;
    check_size(header.columns, header.rows, header.components, a)?;
    let bits = bits(header.depth, a)?;
    let attributes = check_colour(&header, a)?;
    // Two's complement in unsigned values cannot be averaged.
    let reduce = if header.depth.signed == a.signed { halvings(at_least, &header) } else { 0 };
    let parameters = jpeg2k::DecodeParameters::new().reduce(reduce);
    let image = jpeg2k::Image::from_bytes_with(stream, parameters).map_err(damaged)?;
    let components = image.components();
    let (columns, rows) = (header.columns.div_ceil(1 << reduce), header.rows.div_ceil(1 << reduce));
    let depth = header.depth;
    let agrees = |c: &jpeg2k::ImageComponent| {
        (c.width(), c.height(), c.precision(), c.is_signed())
            == (columns, rows, depth.precision, depth.signed)
    };
    if components.len() != header.components as usize || !components.iter().all(agrees) {
        return Err(damaged("components of other sizes than the header says"));
    }
    let samples = match components {
        [grey] => samples(grey.data().iter().copied(), depth, a)?,
        [red, green, blue] => {
            let pixels = red.data().iter().zip(green.data()).zip(blue.data());
            samples(pixels.flat_map(|((r, g), b)| [*r, *g, *b]), depth, a)?
        }
        _ => return Err(damaged("a number of components that no image has")),
    };
    colour::finish(samples, &attributes, bits, (rows, columns))
}

/// The attributes with the colours that come out: the codec undoes its own colour transform.
fn check_colour(header: &Header, a: &PixelAttributes) -> Result<PixelAttributes, DecodeError> {
    use Photometric::{Rgb, YbrFull, YbrFull422, YbrIct, YbrRct};
    let photometric = match (a.photometric, header.colour_transform) {
        (YbrIct | YbrRct, true) | (Rgb, _) => Rgb,
        (YbrFull | YbrFull422, false) => YbrFull,
        (YbrIct | YbrRct, false) => {
            return Err(mismatch("the colour transform that is stated was not applied"));
        }
        (YbrFull | YbrFull422, true) => {
            return Err(mismatch("luminance and chrominance transformed once more"));
        }
        (other, _) => other,
    };
    Ok(PixelAttributes { photometric, palette: None, ..a.clone() })
}

/// How often the resolution can be halved and still be `at_least` as large.
fn halvings(at_least: Option<(u32, u32)>, header: &Header) -> u32 {
    let Some((columns, rows)) = at_least else { return 0 };
    let fits = |n: &u32| header.columns >> n >= columns && header.rows >> n >= rows;
    (1..=header.resolutions.min(16)).take_while(fits).last().unwrap_or(0)
}

/// Reads SIZ and COD (ISO/IEC 15444-1 annex A).
fn header(stream: &[u8]) -> Result<Header, DecodeError> {
    let short = || damaged("the JPEG 2000 header ends early");
    let siz = segment(stream, 2).filter(|_| stream.starts_with(&START)).ok_or_else(short)?;
    let word = |at: usize| {
        siz.get(at..at + 4).map(|b| b.iter().fold(0, |n, b| n << 8 | u32::from(*b))).ok_or_else(short)
    };
    let (columns, rows) = (word(6)?.checked_sub(word(14)?), word(10)?.checked_sub(word(18)?));
    let (Some(columns), Some(rows)) = (columns, rows) else {
        return Err(damaged("an image of negative size"));
    };
    let depths = siz.get(40..).ok_or_else(short)?.as_chunks::<3>().0;
    let Some([ssiz, ..]) = depths.first().copied() else { return Err(short()) };
    if depths.iter().any(|depth| *depth != [ssiz, 1, 1]) {
        return Err(mismatch("components of different depth or resolution"));
    }
    let depth = Depth { precision: u32::from(ssiz & 0x7f) + 1, signed: ssiz & 0x80 != 0 };
    let components = depths.len() as u32;
    let mut at = 2 + siz.len();
    loop {
        let [0xff, marker] = *stream.get(at..at + 2).ok_or_else(short)? else {
            return Err(damaged("no marker where one must be"));
        };
        let body = segment(stream, at).ok_or_else(short)?;
        match marker {
            0x52 => {
                let (Some(transform), Some(levels)) = (body.get(8), body.get(9)) else { return Err(short()) };
                let (colour_transform, resolutions) = (*transform != 0, u32::from(*levels));
                return Ok(Header { columns, rows, components, depth, colour_transform, resolutions });
            }
            0x90 | 0x93 | 0xd9 => return Err(damaged("no coding style before the first tile")),
            _ => at += body.len(),
        }
    }
}

/// The segment whose marker stands at `at`, marker included.
fn segment(stream: &[u8], at: usize) -> Option<&[u8]> {
    let length = stream.get(at + 2..at + 4)?.iter().fold(0, |n, b| n << 8 | usize::from(*b));
    stream.get(at..at + 2 + length.max(2))
}
