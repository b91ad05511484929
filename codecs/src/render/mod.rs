//! From samples to a picture that a browser shows (PS3.18 8.3.5, PS3.3 C.11).
//!
//! The order is that of the standard: modality transform, VOI transform, then the polarity of `MONOCHROME1`. The
//! Presentation LUT Shape of an image says the same as its Photometric Interpretation (PS3.3 C.8.11.3.1) and is not
//! looked at. Overlays are not burned in.

mod encode;
mod geometry;
mod scale;
mod tone;

use serde::{Deserialize, Serialize};

use crate::decode::{DecodeError, decode_for};
use crate::lut::Lut;
use crate::pixels::{Decoded, Frame, Photometric, PixelAttributes, Samples};

pub use geometry::{Geometry, Viewport};

/// Most pixels of a picture, which an enlarging viewport could otherwise set as it likes.
pub const PICTURE_PIXELS_MAX: u64 = 1 << 26;

/// From stored to modality values (PS3.3 C.11.1).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum Modality {
    /// Stored values are what they are.
    #[default]
    Identity,
    /// Rescale Slope and Intercept.
    Rescale {
        /// Rescale Slope (0028,1053).
        slope: f64,
        /// Rescale Intercept (0028,1052).
        intercept: f64,
    },
    /// An item of Modality LUT Sequence (0028,3000).
    Lut(Lut),
}

/// VOI LUT Function (0028,1056).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum VoiFunction {
    /// `LINEAR`, and where nothing is said.
    #[default]
    Linear,
    /// `LINEAR_EXACT`.
    LinearExact,
    /// `SIGMOID`.
    Sigmoid,
}

impl VoiFunction {
    /// Reads the value of (0028,1056) or of the third part of the query parameter `window`; none for another word.
    #[must_use]
    pub fn of(text: &str) -> Option<VoiFunction> {
        match text.trim_matches([' ', '\0']).to_ascii_uppercase().replace('-', "_").as_str() {
            "" | "LINEAR" => Some(VoiFunction::Linear),
            "LINEAR_EXACT" => Some(VoiFunction::LinearExact),
            "SIGMOID" => Some(VoiFunction::Sigmoid),
            _ => None,
        }
    }
}

/// Which modality values are shown between black and white (PS3.3 C.11.2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Window Center (0028,1050).
    pub center: f64,
    /// Window Width (0028,1051).
    pub width: f64,
    /// How values in between are spread.
    pub function: VoiFunction,
}

impl Window {
    /// Whether the standard gives this window a meaning.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let least = if self.function == VoiFunction::Linear { 1.0 } else { f64::MIN_POSITIVE };
        self.center.is_finite() && self.width.is_finite() && self.width >= least
    }
}

/// A VOI transform of the data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Voi {
    /// Window Center and Width.
    Window(Window),
    /// An item of VOI LUT Sequence (0028,3010).
    Lut(Lut),
}

/// What the data set says of how the frame is to look; of several VOI transforms the first is shown.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Presentation {
    /// From stored to modality values.
    pub modality: Modality,
    /// The first VOI transform that there is. Without one the values present are spread from black to white, those of
    /// up to 8 bits shown as they are.
    pub voi: Option<Voi>,
    /// Pixel Padding Value (0028,0120) and Range Limit (0028,0121), or the value twice: stored values that do not
    /// count when values are spread.
    pub padding: Option<(i64, i64)>,
    /// Height of a pixel in widths, by Pixel Spacing or Pixel Aspect Ratio; `None` for square ones.
    pub pixel_height: Option<f64>,
}

/// The format of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PictureFormat {
    /// Baseline JPEG of a quality from 1 to 100.
    Jpeg {
        /// 1 to 100; what lies outside is taken as the nearer end.
        quality: u8,
    },
    /// PNG, 8 bits.
    Png,
}

impl PictureFormat {
    /// The media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            PictureFormat::Jpeg { .. } => "image/jpeg",
            PictureFormat::Png => "image/png",
        }
    }
}

/// What is asked for (PS3.18 8.3.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RenderRequest {
    /// The format.
    pub format: PictureFormat,
    /// The part shown and the room it has; the whole frame in its own size without.
    pub viewport: Option<Viewport>,
    /// A window instead of the data set's.
    pub window: Option<Window>,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The format it has.
    pub format: PictureFormat,
    /// Width in pixels.
    pub columns: u32,
    /// Height in pixels.
    pub rows: u32,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum RenderError {
    /// The frame cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The request asks for something that does not exist.
    #[error("the request cannot be met: {0}")]
    Request(String),
    /// The picture cannot be written in the format.
    #[error("the picture cannot be encoded: {0}")]
    Encode(String),
}

/// Pixels of 8 bits, 1 or 3 to a pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Canvas {
    pub(crate) columns: u32,
    pub(crate) rows: u32,
    pub(crate) channels: u32,
    pub(crate) pixels: Vec<u8>,
}

/// Decodes a frame of at most `samples_max` samples and makes a picture of it.
///
/// # Errors
/// [`RenderError`] says whether the frame or the request stands in the way.
pub fn render(
    frame: Frame<'_>,
    attributes: &PixelAttributes,
    presentation: &Presentation,
    request: &RenderRequest,
    samples_max: u64,
) -> Result<Rendered, RenderError> {
    let size = (attributes.columns, attributes.rows);
    let geometry = Geometry::of(size, presentation.pixel_height, request.viewport)?;
    if request.window.is_some_and(|window| !window.is_valid()) {
        return Err(RenderError::Request("a window without width".to_owned()));
    }
    let decoded = decode_for(frame, attributes, samples_max, geometry.needed())?;
    let geometry = geometry.over((decoded.columns, decoded.rows));
    let canvas = paint(&decoded, attributes, presentation, request.window);
    let canvas = scale::scale(canvas, &geometry);
    let bytes = encode::encode(&canvas, request.format)?;
    Ok(Rendered { format: request.format, columns: canvas.columns, rows: canvas.rows, bytes })
}

/// Samples as 8-bit grey or RGB.
fn paint(
    decoded: &Decoded,
    attributes: &PixelAttributes,
    presentation: &Presentation,
    window: Option<Window>,
) -> Canvas {
    let (columns, rows) = (decoded.columns, decoded.rows);
    let (channels, pixels) = match (decoded.photometric, &attributes.palette) {
        (Photometric::PaletteColor, Some(palette)) => {
            (3, (0..decoded.samples.len()).flat_map(|n| palette.get(decoded.samples.get(n))).collect())
        }
        (Photometric::Monochrome1 | Photometric::Monochrome2 | Photometric::PaletteColor, _) => {
            (1, tone::grey(decoded, presentation, window))
        }
        _ => (3, colour_bytes(decoded)),
    };
    Canvas { columns, rows, channels, pixels }
}

/// Colour samples at 8 bits. VOI transforms are for grey only (PS3.3 C.11.2.1.2).
fn colour_bytes(decoded: &Decoded) -> Vec<u8> {
    if let (Samples::U8(v), 8) = (&decoded.samples, decoded.bits) {
        return v.clone();
    }
    let greatest = ((1u64 << decoded.bits) - 1) as i64;
    let lowest = if decoded.samples.signed() { -(1i64 << (decoded.bits - 1)) } else { 0 };
    let byte = |n| ((decoded.samples.get(n) - lowest).clamp(0, greatest) * 255 / greatest) as u8;
    (0..decoded.samples.len()).map(byte).collect()
}
