//! What the headers and pictures of one study say, for the reuse decision: rules from attributes to evidence.
//!
//! | module | what |
//! | --- | --- |
//! | `header` | what rows do not keep of a header |
//! | `slices` | gaps and duplicates in stacks of slices |
//! | `views` | view and side of a projection |
//! | `regions` | which regions a series names |
//! | `contrast` | whether a series is enhanced, and by which route |
//! | `announced` | how many images the sender says there are |
//! | `clock` | when the device performed the study, and whether its clock can be believed |
//! | `originals` | image type, secondary capture, lossy compression |
//! | `documents` | reports that are objects of the study |
//! | `performed` | what devices say they made, beside what is here |
//!
//! Pure: it reads attributes that were gathered, no rows, no packs. What a piece of evidence does to a verdict is not
//! known here.

mod announced;
pub mod clock;
pub mod contrast;
pub mod documents;
pub mod header;
pub mod originals;
pub mod performed;
mod regions;
pub mod slices;
pub mod views;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::reuse::prior::{ImageFacts, PerformedFacts, ReportVersion};
use header::HeaderFacts;
use originals::Original;

/// Version of the rules; studies that were examined by another one are examined again.
pub const RULE: &str = "3";

/// An instance of a series as rows have it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Image {
    /// SOP Class UID.
    pub sop_class: String,
    /// Transfer Syntax UID.
    pub transfer_syntax: String,
    /// Whether it is a picture, and not something made from pictures.
    pub is_picture: bool,
    /// When it first came, in milliseconds since 1970-01-01 UTC.
    pub received_ms: i64,
    /// Instance Number (0020,0013).
    pub number: Option<i64>,
    /// What search results return of it, as DICOM JSON (PS3.18 F).
    pub attributes: Map<String, Value>,
    /// What else its header says, where it was read.
    pub header: Option<HeaderFacts>,
}

/// A series with its instances.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Series Instance UID.
    pub uid: String,
    /// Modality (0008,0060), empty where there is none.
    pub modality: String,
    /// What search results return of it, as DICOM JSON.
    pub attributes: Map<String, Value>,
    /// What it says of its study, as DICOM JSON.
    pub study: Map<String, Value>,
    /// Its served instances.
    pub images: Vec<Image>,
    /// Whether all of them are here: long series are looked at in part.
    pub whole: bool,
}

/// What was found in a study.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// What groups of images say of themselves.
    pub images: Vec<ImageFacts>,
    /// When the device performed it.
    pub performed: PerformedFacts,
    /// How many instances the sender says there are.
    pub expected_instances: Option<u32>,
    /// Gaps between slices; none where stacks could not be examined.
    pub slice_gaps: Option<u32>,
    /// Images at a position that another image has already.
    pub duplicate_positions: u32,
    /// Frames that do not decode; none where that could not be found out.
    pub undecodable_frames: Option<u32>,
    /// Frames that were decoded, and frames in all.
    pub decoded_frames: (u32, u32),
    /// Image types and compression by series.
    pub series: BTreeMap<String, Original>,
    /// Technical values by name with unit.
    pub values: BTreeMap<String, f64>,
    /// Reports that are objects of the study.
    pub reports: Vec<ReportVersion>,
    /// Body parts as the headers of its pictures name them (0008,2218), (0018,0015); upper case.
    pub body_parts: BTreeSet<String>,
    /// What devices say of their performed procedure steps.
    pub steps: performed::StepsFound,
}

impl Evidence {
    /// What rows and headers say; frames are not decoded here.
    #[must_use]
    pub fn of(series: &[Series], clocks: &[clock::Ahead], utc_offset_minutes: i64) -> Evidence {
        let pictures: Vec<&Series> = series.iter().filter(|series| is_exam(series)).collect();
        let mut evidence = Evidence {
            images: image_facts_of(&pictures, utc_offset_minutes),
            performed: clock::performed(&pictures, clocks, utc_offset_minutes),
            expected_instances: announced::instances(series),
            series: originals::of(series),
            values: values(&pictures),
            reports: documents::of(series),
            body_parts: pictures.iter().flat_map(|series| body_parts(series)).collect(),
            ..Evidence::default()
        };
        let stacks: Vec<slices::Found> = pictures.iter().map(|series| slices::of_series(series)).collect();
        // One stack that cannot be examined leaves the whole unknown.
        evidence.slice_gaps = stacks.iter().map(|stack| stack.gaps).sum();
        if pictures.is_empty() {
            evidence.slice_gaps = None;
        }
        evidence.duplicate_positions = stacks.iter().map(|stack| stack.duplicates).sum();
        evidence
    }
}

/// Whether a series is pictures of the exam: no document, no screen, no localiser.
#[must_use]
pub fn is_exam(series: &Series) -> bool {
    let picture = |image: &Image| {
        image.is_picture
            && !originals::is_secondary_capture(&image.sop_class)
            && !originals::is_localiser(&image.attributes)
    };
    series.images.iter().any(picture)
}

/// Images of a series that are pictures of the exam.
fn exam_images(series: &Series) -> impl Iterator<Item = &Image> {
    series.images.iter().filter(|image| image.is_picture && !originals::is_localiser(&image.attributes))
}

/// Groups of images that say the same of themselves, of all series.
fn image_facts_of(pictures: &[&Series], utc_offset_minutes: i64) -> Vec<ImageFacts> {
    let modalities: BTreeSet<&str> = pictures.iter().map(|series| series.modality.as_str()).collect();
    let of = |series: &&Series| {
        let (contrast, route) = contrast::of_series(series, pictures, utc_offset_minutes);
        let kind = exam_images(series).find_map(|image| image.header.as_ref()?.kind.clone());
        let said = ImageFacts {
            modality: Some(series.modality.clone()).filter(|_| modalities.len() > 1),
            extent_mm: slices::extent_mm(series),
            regions: regions::of_series(series, pictures),
            kind,
            contrast,
            route,
            ..ImageFacts::default()
        };
        image_facts(series, &said)
    };
    pictures.iter().flat_map(of).collect()
}

/// Groups of images of a series: by view and side, beside what the series says.
fn image_facts(series: &Series, said: &ImageFacts) -> Vec<ImageFacts> {
    let mut groups: BTreeMap<(Option<String>, Option<u8>), ImageFacts> = BTreeMap::new();
    for image in exam_images(series) {
        let view = views::view_of(series, image);
        let side = views::side_of(series, image);
        let key = (view.clone(), side.map(|side| side as u8));
        let group = groups.entry(key).or_insert_with(|| ImageFacts { side, view, ..said.clone() });
        let frames = numbers(&image.attributes, "00280008").first().copied().unwrap_or(1.0);
        group.images = group.images.saturating_add(frames.max(1.0) as u32);
    }
    groups.into_values().collect()
}

/// The names of body parts in headers.
fn body_parts(series: &Series) -> Vec<String> {
    let coded = series.attributes.get("00082218").and_then(|it| it.get("Value")?.get(0)?.as_object());
    let meaning = coded.and_then(|item| text(item, "00080104"));
    let named = text(&series.attributes, "00180015");
    [meaning, named].into_iter().flatten().map(|part| part.to_uppercase()).collect()
}

/// The technical values of the series with the most images: of others they say less.
fn values(pictures: &[&Series]) -> BTreeMap<String, f64> {
    let Some(series) = pictures.iter().max_by_key(|series| series.images.len()) else {
        return BTreeMap::new();
    };
    let mut values = BTreeMap::new();
    let mut keep = |name: &str, value: Option<f64>| {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            values.insert(name.to_owned(), value);
        }
    };
    let first = exam_images(series).next();
    let number = |tag: &str| first.and_then(|image| numbers(&image.attributes, tag).first().copied());
    keep("slice_thickness_mm", number("00180050"));
    keep("pixel_spacing_mm", number("00280030"));
    keep("rows_pixels", number("00280010"));
    keep("columns_pixels", number("00280011"));
    keep("bits_stored", number("00280101"));
    keep("magnetic_field_strength_tesla", numbers(&series.attributes, "00180087").first().copied());
    let headers = exam_images(series).filter_map(|image| image.header.as_ref());
    for (name, value) in headers.flat_map(|header| &header.values) {
        keep(name, Some(*value));
    }
    values
}

/// The first value of an attribute as text, trimmed; none where it is empty.
pub(crate) fn text(attributes: &Map<String, Value>, tag: &str) -> Option<String> {
    let value = attributes.get(tag)?.get("Value")?.get(0)?;
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

/// The values of an attribute as numbers; what is none ends them.
pub(crate) fn numbers(attributes: &Map<String, Value>, tag: &str) -> Vec<f64> {
    let values = attributes.get(tag).and_then(|attribute| attribute.get("Value")?.as_array());
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    values.into_iter().flatten().map_while(number).collect()
}
