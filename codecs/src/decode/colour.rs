//! From samples as they were coded to samples that are monochrome, an index, or RGB (PS3.3 C.7.6.3.1.2).

use super::{DecodeError, mismatch};
use crate::pixels::{Decoded, Photometric, PixelAttributes, Samples};

/// Wraps up samples of `rows` x `columns` pixels in pixel order; YBR becomes RGB.
pub(super) fn finish(
    samples: Samples,
    a: &PixelAttributes,
    bits: u32,
    (rows, columns): (u32, u32),
) -> Result<Decoded, DecodeError> {
    let expected = rows as usize * columns as usize * a.samples_per_pixel as usize;
    if samples.len() != expected {
        return Err(mismatch(format!("{} samples instead of {expected}", samples.len())));
    }
    let (photometric, samples) = match a.photometric {
        Photometric::YbrFull | Photometric::YbrFull422 => (Photometric::Rgb, to_rgb(samples, bits)?),
        Photometric::YbrIct | Photometric::YbrRct => {
            return Err(mismatch("a colour transform of JPEG 2000 outside of JPEG 2000"));
        }
        other => (other, samples),
    };
    Ok(Decoded { rows, columns, photometric, bits, samples })
}

/// The same for samples whose colours the codec has already turned into RGB.
pub(super) fn finish_rgb(
    samples: Samples,
    a: &PixelAttributes,
    bits: u32,
    size: (u32, u32),
) -> Result<Decoded, DecodeError> {
    let photometric = if a.samples_per_pixel == 3 { Photometric::Rgb } else { a.photometric };
    finish(samples, &PixelAttributes { photometric, palette: None, ..a.clone() }, bits, size)
}

/// Colour by plane to colour by pixel.
pub(super) fn interleave(samples: Samples, pixels: usize) -> Samples {
    fn weave<T: Copy>(v: &[T], pixels: usize) -> Vec<T> {
        let (red, rest) = v.split_at(pixels.min(v.len()));
        let (green, blue) = rest.split_at(pixels.min(rest.len()));
        red.iter().zip(green).zip(blue).flat_map(|((r, g), b)| [*r, *g, *b]).collect()
    }
    match samples {
        Samples::U8(v) => Samples::U8(weave(&v, pixels)),
        Samples::I8(v) => Samples::I8(weave(&v, pixels)),
        Samples::U16(v) => Samples::U16(weave(&v, pixels)),
        Samples::I16(v) => Samples::I16(weave(&v, pixels)),
        Samples::U32(v) => Samples::U32(weave(&v, pixels)),
        Samples::I32(v) => Samples::I32(weave(&v, pixels)),
    }
}

/// Y Y Cb Cr for two pixels to three samples for each (PS3.3 C.7.6.3.1.2, YBR_FULL_422).
pub(super) fn full_chrominance(samples: Samples) -> Result<Samples, DecodeError> {
    match samples {
        Samples::U8(v) => Ok(Samples::U8(
            v.as_chunks().0.iter().flat_map(|[y1, y2, b, r]| [*y1, *b, *r, *y2, *b, *r]).collect(),
        )),
        _ => Err(mismatch("halved chrominance in samples of more than 8 bits")),
    }
}

/// Luminance and chrominance to RGB; chrominance is centred in the range of its bits.
fn to_rgb(samples: Samples, bits: u32) -> Result<Samples, DecodeError> {
    match samples {
        Samples::U8(mut v) if bits == 8 => {
            for pixel in v.as_chunks_mut().0 {
                *pixel = rgb_of(*pixel);
            }
            Ok(Samples::U8(v))
        }
        Samples::U16(mut v) if bits <= 16 => {
            let (middle, greatest) = (f64::from(1u32 << (bits - 1)), f64::from((1u32 << bits) - 1));
            for pixel in v.as_chunks_mut().0 {
                let [y, b, r] = pixel.map(f64::from);
                let (b, r) = (b - middle, r - middle);
                let rgb = [y + 1.402 * r, y - 0.344_136 * b - 0.714_136 * r, y + 1.772 * b];
                *pixel = rgb.map(|v: f64| v.round().clamp(0.0, greatest) as u16);
            }
            Ok(Samples::U16(v))
        }
        _ => Err(mismatch("luminance and chrominance of an unusual depth")),
    }
}

/// One pixel, in 16-bit fixed point: the factors are those of PS3.3 C.7.6.3.1.2 turned around.
fn rgb_of([y, b, r]: [u8; 3]) -> [u8; 3] {
    let (y, b, r) = (i32::from(y) << 16 | 1 << 15, i32::from(b) - 128, i32::from(r) - 128);
    [y + 91_881 * r, y - 22_554 * b - 46_802 * r, y + 116_130 * b].map(|v| (v >> 16).clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_of_the_colour_space() {
        for (ybr, rgb) in [
            ([0, 128, 128], [0, 0, 0]),
            ([255, 128, 128], [255, 255, 255]),
            ([76, 85, 255], [254, 0, 0]),
            ([150, 44, 21], [0, 255, 1]),
            ([29, 255, 107], [0, 0, 254]),
        ] {
            assert_eq!(rgb_of(ybr), rgb);
        }
        let wide = to_rgb(Samples::U16(vec![65_535, 32_768, 32_768]), 16).unwrap();
        assert_eq!(wide, Samples::U16(vec![65_535; 3]));
    }
}
