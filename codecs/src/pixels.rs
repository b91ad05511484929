//! What the Image Pixel module says of a frame, and the samples that come out of it (PS3.3 C.7.6.3).

use serde::{Deserialize, Serialize};

use crate::lut::Palette;

/// Photometric Interpretation (0028,0004), as far as it can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Photometric {
    /// The least value is white.
    Monochrome1,
    /// The least value is black.
    Monochrome2,
    /// Values are indices into three tables.
    PaletteColor,
    /// Red, green, blue.
    Rgb,
    /// Luminance and two full chrominances.
    YbrFull,
    /// The same with chrominance at half the columns.
    YbrFull422,
    /// Irreversible colour transform of JPEG 2000.
    YbrIct,
    /// Reversible colour transform of JPEG 2000.
    YbrRct,
}

impl Photometric {
    /// Reads the value of (0028,0004); none for what is retired or belongs to video.
    #[must_use]
    pub fn of(text: &str) -> Option<Photometric> {
        Some(match text.trim_matches([' ', '\0']) {
            "MONOCHROME1" => Photometric::Monochrome1,
            "MONOCHROME2" => Photometric::Monochrome2,
            "PALETTE COLOR" => Photometric::PaletteColor,
            "RGB" => Photometric::Rgb,
            "YBR_FULL" => Photometric::YbrFull,
            "YBR_FULL_422" => Photometric::YbrFull422,
            "YBR_ICT" => Photometric::YbrIct,
            "YBR_RCT" => Photometric::YbrRct,
            _ => return None,
        })
    }

    /// Samples per Pixel that goes with it.
    #[must_use]
    pub fn samples_per_pixel(self) -> u32 {
        match self {
            Photometric::Monochrome1 | Photometric::Monochrome2 | Photometric::PaletteColor => 1,
            _ => 3,
        }
    }
}

/// The attributes that decoding depends on. Taken as the data set states them; [`crate::decode::decode`] refuses what
/// does not fit together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PixelAttributes {
    /// Rows (0028,0010).
    pub rows: u32,
    /// Columns (0028,0011).
    pub columns: u32,
    /// Samples per Pixel (0028,0002).
    pub samples_per_pixel: u32,
    /// Bits Allocated (0028,0100).
    pub bits_allocated: u32,
    /// Bits Stored (0028,0101).
    pub bits_stored: u32,
    /// High Bit (0028,0102).
    pub high_bit: u32,
    /// Pixel Representation (0028,0103) is 1.
    pub signed: bool,
    /// Planar Configuration (0028,0006) is 1; says nothing of compressed frames.
    pub planar: bool,
    /// Photometric Interpretation (0028,0004).
    pub photometric: Photometric,
    /// The tables of `PALETTE COLOR`; unused for anything else.
    pub palette: Option<Palette>,
}

/// The bytes of one frame.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Transfer Syntax UID. For a deflated data set these are the bytes after inflating.
    pub transfer_syntax: &'a str,
    /// The byte ranges that the frame table gives, joined.
    pub bytes: &'a [u8],
    /// At which bit of the first byte the frame begins: frames of single bits need not begin with a byte.
    pub first_bit: u8,
    /// Whether the VR of Pixel Data is OW, which matters for bytes in Explicit VR Big Endian alone.
    pub words: bool,
}

impl<'a> Frame<'a> {
    /// A frame that begins with its first byte.
    #[must_use]
    pub fn new(transfer_syntax: &'a str, bytes: &'a [u8]) -> Frame<'a> {
        Frame { transfer_syntax, bytes, first_bit: 0, words: false }
    }
}

/// Sample values in the smallest type that holds what Bits Allocated and Pixel Representation promise, pixel by pixel
/// from the top left, the samples of a pixel together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Samples {
    /// Up to 8 bits.
    U8(Vec<u8>),
    /// Up to 8 bits, signed.
    I8(Vec<i8>),
    /// Up to 16 bits.
    U16(Vec<u16>),
    /// Up to 16 bits, signed.
    I16(Vec<i16>),
    /// Up to 32 bits.
    U32(Vec<u32>),
    /// Up to 32 bits, signed.
    I32(Vec<i32>),
}

impl Samples {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Samples::U8(v) => v.len(),
            Samples::I8(v) => v.len(),
            Samples::U16(v) => v.len(),
            Samples::I16(v) => v.len(),
            Samples::U32(v) => v.len(),
            Samples::I32(v) => v.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Value `n`, or 0 where there is none.
    #[must_use]
    pub fn get(&self, n: usize) -> i64 {
        match self {
            Samples::U8(v) => v.get(n).map_or(0, |v| i64::from(*v)),
            Samples::I8(v) => v.get(n).map_or(0, |v| i64::from(*v)),
            Samples::U16(v) => v.get(n).map_or(0, |v| i64::from(*v)),
            Samples::I16(v) => v.get(n).map_or(0, |v| i64::from(*v)),
            Samples::U32(v) => v.get(n).map_or(0, |v| i64::from(*v)),
            Samples::I32(v) => v.get(n).map_or(0, |v| i64::from(*v)),
        }
    }

    /// The values as Explicit VR Little Endian has them: 1, 2 or 4 bytes each, least significant first.
    #[must_use]
    pub fn into_le_bytes(self) -> Vec<u8> {
        match self {
            Samples::U8(v) => v,
            Samples::I8(v) => v.into_iter().map(|v| v as u8).collect(),
            Samples::U16(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Samples::I16(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Samples::U32(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Samples::I32(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }

    /// Reads back what [`Samples::into_le_bytes`] wrote, for values of `bytes` bytes each; none for another size.
    #[must_use]
    pub fn from_le_bytes(data: &[u8], bytes: usize, signed: bool) -> Option<Samples> {
        Some(match (bytes, signed) {
            (1, false) => Samples::U8(data.to_vec()),
            (1, true) => Samples::I8(data.iter().map(|b| *b as i8).collect()),
            (2, false) => Samples::U16(data.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b)).collect()),
            (2, true) => Samples::I16(data.as_chunks().0.iter().map(|b| i16::from_le_bytes(*b)).collect()),
            (4, false) => Samples::U32(data.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect()),
            (4, true) => Samples::I32(data.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b)).collect()),
            _ => return None,
        })
    }

    /// Bytes of one value as [`Samples::into_le_bytes`] writes it.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Samples::U8(_) | Samples::I8(_) => 1,
            Samples::U16(_) | Samples::I16(_) => 2,
            Samples::U32(_) | Samples::I32(_) => 4,
        }
    }

    /// Whether values may be negative.
    #[must_use]
    pub fn signed(&self) -> bool {
        matches!(self, Samples::I8(_) | Samples::I16(_) | Samples::I32(_))
    }
}

/// A decoded frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Rows; fewer than stated when a reduced resolution was asked for.
    pub rows: u32,
    /// Columns, likewise.
    pub columns: u32,
    /// `Monochrome1`, `Monochrome2`, `PaletteColor` or `Rgb`; what was YBR is RGB now.
    pub photometric: Photometric,
    /// Bits that values may take, sign included.
    pub bits: u32,
    /// The values, [`Photometric::samples_per_pixel`] to a pixel.
    pub samples: Samples,
}
