//! Pictures as files.

use std::num::NonZero;
use std::thread;

use super::{Canvas, PictureFormat, RenderError};
use crate::decode::jpeg_markers;
use crate::turbojpeg;

/// Pixels from which on a JPEG is encoded in strips by several threads.
const STRIPS_FROM: usize = 1 << 20;

/// Lines of a block.
const BLOCK: usize = 8;

/// Most blocks between two restart markers; they are counted in 16 bits.
const INTERVAL_MAX: usize = 65_535;

/// The picture in `format`.
pub(super) fn encode(canvas: &Canvas, format: PictureFormat) -> Result<Vec<u8>, RenderError> {
    match format {
        PictureFormat::Jpeg { quality } => {
            let threads = thread::available_parallelism().map_or(1, NonZero::get).min(4);
            let parts = if canvas.pixels.len() < STRIPS_FROM { 1 } else { threads };
            jpeg(canvas, quality, parts).map_err(RenderError::Encode)
        }
        PictureFormat::Png => png(canvas).map_err(|error| RenderError::Encode(error.to_string())),
    }
}

/// A JPEG of at least `parts` strips that are encoded at the same time. Coding starts afresh behind a restart marker,
/// so that strips of whole rows of blocks, joined by such markers, are one picture (ISO/IEC 10918-1 B.2.1).
fn jpeg(canvas: &Canvas, quality: u8, parts: usize) -> Result<Vec<u8>, String> {
    let (columns, channels) = (canvas.columns, canvas.channels);
    let across = (columns as usize).div_ceil(BLOCK);
    let blocks = (canvas.rows as usize).div_ceil(BLOCK);
    let strip = blocks.div_ceil(parts).min(INTERVAL_MAX / across).max(1);
    if parts == 1 || strip == blocks {
        return turbojpeg::compress(&canvas.pixels, columns, channels, quality, 0);
    }
    let bytes = strip * BLOCK * columns as usize * channels as usize;
    let strips: Vec<&[u8]> = canvas.pixels.chunks(bytes).collect();
    let mut encoded = Vec::with_capacity(strips.len());
    for together in strips.chunks(parts) {
        thread::scope(|scope| {
            let start = |pixels| {
                scope.spawn(move || turbojpeg::compress(pixels, columns, channels, quality, strip as u32))
            };
            let started: Vec<_> = together.iter().map(|pixels| start(*pixels)).collect();
            encoded.extend(started.into_iter().map(thread::ScopedJoinHandle::join));
        });
    }
    let encoded = encoded.into_iter().map(|strip| strip.map_err(|_| "a strip was not encoded".to_owned())?);
    join(&encoded.collect::<Result<Vec<_>, _>>()?, canvas.rows)
}

/// One picture of `rows` lines from strips; the header is that of the first.
fn join(strips: &[Vec<u8>], rows: u32) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(strips.iter().map(Vec::len).sum());
    for (n, strip) in strips.iter().enumerate() {
        let header = jpeg_markers::read(strip).map_err(|error| error.to_string())?;
        let scan = match header.scans {
            [0xff, _, high, low, ..] => usize::from(*high) << 8 | usize::from(*low),
            _ => 0,
        };
        let coded = header.scans.get(2 + scan..header.scans.len() - 2).unwrap_or(&[]);
        if n == 0 {
            let head = strip.len() - header.scans.len() + 2 + scan;
            out.extend_from_slice(strip.get(..head).unwrap_or(&[]));
            let frame = header.segments.iter().position(|segment| segment.marker == 0xc0);
            let before = header.segments.iter().take(frame.unwrap_or(0)).map(|segment| segment.bytes.len());
            // Start of image, then marker, length and precision of the frame header.
            let at = 2 + before.sum::<usize>() + 5;
            if let Some(lines) = out.get_mut(at..at + 2) {
                lines.copy_from_slice(&(rows as u16).to_be_bytes());
            }
        } else {
            out.extend_from_slice(&[0xff, 0xd0 + ((n - 1) % 8) as u8]);
        }
        out.extend_from_slice(coded);
    }
    out.extend_from_slice(&[0xff, 0xd9]);
    Ok(out)
}

fn png(canvas: &Canvas) -> Result<Vec<u8>, png::EncodingError> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, canvas.columns, canvas.rows);
    encoder.set_color(if canvas.channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&canvas.pixels)?;
    writer.finish()?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode;
    use crate::pixels::{Frame, Photometric, PixelAttributes};

    #[test]
    fn strips_are_the_same_picture() {
        for (columns, rows, channels) in [(33, 250, 1), (200, 97, 3), (16, 16, 1), (5, 640, 3)] {
            let pixels = (0..columns * rows * channels).map(|n| (n % 251) as u8 ^ (n / 977) as u8).collect();
            let canvas = Canvas { columns, rows, channels, pixels };
            let photometric = if channels == 3 { Photometric::YbrFull } else { Photometric::Monochrome2 };
            let attributes = PixelAttributes {
                rows,
                columns,
                samples_per_pixel: channels,
                bits_allocated: 8,
                bits_stored: 8,
                high_bit: 7,
                signed: false,
                planar: false,
                photometric,
                palette: None,
            };
            let picture = |parts| {
                let file = jpeg(&canvas, 80, parts).unwrap();
                decode(Frame::new("1.2.840.10008.1.2.4.50", &file), &attributes, 1 << 20).unwrap()
            };
            let whole = picture(1);
            assert!([2, 3, 11, 80].into_iter().all(|parts| picture(parts) == whole));
        }
    }
}
