//! Whether series are the device's own pictures, and which lossy compression they went through (PS3.3 C.7.6.1.1.5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Image, Series, text};
use crate::reuse::prior::Lossy;

/// Secondary Capture Image Storage, and what begins like its multi-frame classes (PS3.4 B.5).
const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
/// Transfer syntaxes that always lose something (PS3.5 10).
const LOSSY: [&str; 14] = [
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.93",
    "1.2.840.10008.1.2.4.100",
    "1.2.840.10008.1.2.4.101",
    "1.2.840.10008.1.2.4.102",
    "1.2.840.10008.1.2.4.103",
    "1.2.840.10008.1.2.4.104",
    "1.2.840.10008.1.2.4.107",
    "1.2.840.10008.1.2.4.108",
    "1.2.840.10008.1.2.4.112",
    "1.2.840.10008.1.2.4.203",
];

/// What the pictures of a series are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Original {
    /// The best Image Type (0008,0008) among its images, with its backslashes: an original one where there is one.
    pub image_type: Option<String>,
    /// Whether all of them are secondary captures.
    pub secondary_capture: bool,
    /// Whether any of them was compressed with loss.
    pub was_lossy: bool,
    /// By how much, the greatest; its ratio is absent where an image does not tell it.
    pub lossy: Option<Lossy>,
}

/// Whether a SOP class is a picture of a screen or of paper.
#[must_use]
pub fn is_secondary_capture(sop_class: &str) -> bool {
    let rest = sop_class.strip_prefix(SECONDARY_CAPTURE);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether an image is a localiser by its type.
#[must_use]
pub fn is_localiser(attributes: &Map<String, Value>) -> bool {
    image_type(attributes).is_some_and(|text| text.split('\\').skip(2).any(|value| value == "LOCALIZER"))
}

fn image_type(attributes: &Map<String, Value>) -> Option<String> {
    let values = attributes.get("00080008")?.get("Value")?.as_array()?;
    let text: Vec<String> =
        values.iter().map(|value| value.as_str().unwrap_or_default().trim().to_uppercase()).collect();
    Some(text.join("\\")).filter(|text| !text.is_empty())
}

/// What the series of pictures are, by Series Instance UID.
pub(super) fn of(series: &[Series]) -> BTreeMap<String, Original> {
    let with_pictures = series.iter().filter(|series| series.images.iter().any(|image| image.is_picture));
    with_pictures.map(|series| (series.uid.clone(), of_series(series))).collect()
}

fn of_series(series: &Series) -> Original {
    let pictures = || series.images.iter().filter(|image| image.is_picture);
    let best = |text: &String| {
        let localiser = text.split('\\').skip(2).any(|value| value == "LOCALIZER");
        (!localiser, text.starts_with("ORIGINAL"), text.starts_with("DERIVED\\PRIMARY"))
    };
    let image_type = pictures().filter_map(|image| image_type(&image.attributes)).max_by_key(best);
    let lossy: Vec<&Image> = pictures().filter(|image| is_lossy(image)).collect();
    // An image whose header was not read has the ratio of the one that was: a device compresses a series alike.
    let told = lossy.iter().filter_map(|image| image.header.as_ref()).map(|header| header.lossy_ratio);
    let ratio = told.reduce(|one, other| one.zip(other).map(|(one, other)| one.max(other))).flatten();
    Original {
        image_type,
        secondary_capture: pictures().all(|image| is_secondary_capture(&image.sop_class)),
        was_lossy: !lossy.is_empty(),
        lossy: (!lossy.is_empty()).then_some(Lossy { ratio }),
    }
}

fn is_lossy(image: &Image) -> bool {
    text(&image.attributes, "00282110").is_some_and(|flag| flag == "01")
        || LOSSY.contains(&image.transfer_syntax.as_str())
}
