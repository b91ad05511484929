//! From the bytes of a frame to its samples.
//!
//! What cannot be decoded rightly is an error, never a wrong picture: a codestream whose size, depth or colour
//! contradicts the data set is refused, and so is one that ends early.

mod codestream;
mod colour;
mod jpeg;
mod jpeg_2000;
mod jpeg_ls;
pub(crate) mod jpeg_markers;
mod native;
mod rle;

pub(crate) use codestream::Words;

use serde::{Deserialize, Serialize};

use crate::pixels::{Decoded, Frame, Photometric, PixelAttributes};

/// Why a frame has no picture. None of these is a fault of this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum DecodeError {
    /// No decoder for this transfer syntax.
    #[error("frames of transfer syntax {0} cannot be decoded")]
    Syntax(String),
    /// Attributes that are not decoded, or contradict each other.
    #[error("the pixel attributes cannot be decoded: {0}")]
    Attributes(String),
    /// The frame is larger than decoding is allowed to be.
    #[error("the frame has {samples} samples, more than {limit}")]
    TooLarge {
        /// Rows x Columns x Samples per Pixel.
        samples: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The codestream contradicts the attributes.
    #[error("the codestream does not agree with the data set: {0}")]
    Mismatch(String),
    /// The bytes are damaged or end early.
    #[error("the frame is damaged: {0}")]
    Damaged(String),
}

pub(crate) fn damaged(what: impl ToString) -> DecodeError {
    DecodeError::Damaged(what.to_string())
}

pub(crate) fn mismatch(what: impl ToString) -> DecodeError {
    DecodeError::Mismatch(what.to_string())
}

/// What decodes the frames of a transfer syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    NativeLittle,
    NativeBig,
    Inflate,
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
}

impl Codec {
    fn of(transfer_syntax: &str) -> Option<Codec> {
        Some(match transfer_syntax.strip_prefix("1.2.840.10008.1.2")? {
            "" | ".1" | ".1.98" | ".1.99" => Codec::NativeLittle,
            ".2" => Codec::NativeBig,
            ".8.1" => Codec::Inflate,
            ".5" => Codec::Rle,
            ".4.50" | ".4.51" | ".4.53" | ".4.55" | ".4.57" | ".4.70" => Codec::Jpeg,
            ".4.80" | ".4.81" => Codec::JpegLs,
            ".4.90" | ".4.91" | ".4.92" | ".4.93" | ".4.201" | ".4.202" | ".4.203" => Codec::Jpeg2000,
            _ => return None,
        })
    }
}

/// Whether frames of `transfer_syntax` can be decoded at all.
#[must_use]
pub fn can_decode(transfer_syntax: &str) -> bool {
    Codec::of(transfer_syntax).is_some()
}

/// Decodes a frame of at most `samples_max` samples.
///
/// # Errors
/// [`DecodeError`] says what about the frame stands in the way.
pub fn decode(
    frame: Frame<'_>,
    attributes: &PixelAttributes,
    samples_max: u64,
) -> Result<Decoded, DecodeError> {
    decode_for(frame, attributes, samples_max, None)
}

/// The same for a picture of at least `columns` x `rows` where the codestream can be read at a fraction of its
/// resolution; the result has as many samples as stated, or fewer but not less than asked for.
///
/// # Errors
/// [`DecodeError`] says what about the frame stands in the way.
pub fn decode_for(
    frame: Frame<'_>,
    attributes: &PixelAttributes,
    samples_max: u64,
    at_least: Option<(u32, u32)>,
) -> Result<Decoded, DecodeError> {
    let codec = Codec::of(frame.transfer_syntax)
        .ok_or_else(|| DecodeError::Syntax(frame.transfer_syntax.to_owned()))?;
    check(attributes, samples_max)?;
    match codec {
        Codec::NativeLittle => native::decode(frame, attributes, native::Order::Little),
        Codec::NativeBig => native::decode(frame, attributes, native::Order::Big),
        Codec::Inflate => native::inflate(frame, attributes),
        Codec::Rle => rle::decode(frame.bytes, attributes),
        Codec::Jpeg => jpeg::decode(frame.bytes, attributes, at_least),
        Codec::JpegLs => jpeg_ls::decode(frame.bytes, attributes),
        Codec::Jpeg2000 => jpeg_2000::decode(frame.bytes, attributes, at_least),
    }
}

/// Refuses attributes that contradict each other or the limit.
fn check(a: &PixelAttributes, samples_max: u64) -> Result<(), DecodeError> {
    let refuse = |what: String| Err(DecodeError::Attributes(what));
    if a.rows == 0 || a.columns == 0 {
        return refuse(format!("{} rows, {} columns", a.rows, a.columns));
    }
    if a.samples_per_pixel != a.photometric.samples_per_pixel() {
        return refuse(format!("{} samples per pixel with {:?}", a.samples_per_pixel, a.photometric));
    }
    if ![1, 8, 16, 32].contains(&a.bits_allocated) {
        return refuse(format!("{} bits allocated", a.bits_allocated));
    }
    if a.bits_stored == 0 || a.bits_stored > a.bits_allocated {
        return refuse(format!("{} bits stored of {}", a.bits_stored, a.bits_allocated));
    }
    if a.high_bit >= a.bits_allocated || a.high_bit + 1 < a.bits_stored {
        return refuse(format!("high bit {} with {} bits stored", a.high_bit, a.bits_stored));
    }
    if a.photometric == Photometric::PaletteColor && a.palette.is_none() {
        return refuse("a palette image without palette".to_owned());
    }
    let samples = u64::from(a.rows) * u64::from(a.columns) * u64::from(a.samples_per_pixel);
    if samples > samples_max {
        return Err(DecodeError::TooLarge { samples, limit: samples_max });
    }
    Ok(())
}
