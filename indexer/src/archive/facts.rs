//! The facts of a stored study, by which it is given national codes: from rows, and from few headers for what rows lack.
//!
//! Knows attributes; it may not know codes.

use dicom_dictionary_std::tags;
use serde_json::{Map, Value};
use storage_config::{ContentHash, Uid};

use super::{Archive, HeaderReader, ReadError};
use crate::codes::facts::Imaging;
use crate::codes::{OrderedCode, StudyFacts};
use crate::dataset::{DataSet, Tag};
use crate::db::{FacilityId, SeriesSource, StudySource};

/// Headers of a study that are read at most.
const HEADERS_MAX: usize = 4;
/// Different values that are taken of one attribute.
const VALUES_MAX: usize = 256;
/// Codes that are taken of one study.
const CODES_MAX: usize = 32;
/// SOP classes whose objects are pictures of a screen or of paper, and what begins like them.
const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";

/// The facts of a study with what tells how old they are.
#[derive(Debug, Clone, PartialEq)]
pub struct SourcedFacts {
    /// The facts.
    pub facts: StudyFacts,
    /// The facility from which the study came first.
    pub facility: FacilityId,
    /// Counts visible changes of the study, within one life of the index.
    pub generation: u64,
    /// Names the pictures that are there, in every life of the index.
    pub came: String,
}

impl Archive {
    /// What is known of a study before it has a code; none where nothing of it is served.
    ///
    /// # Errors
    /// When the index cannot be read. A header that cannot be read only leaves facts out.
    pub fn study_facts(&self, study: &Uid) -> Result<Option<StudyFacts>, ReadError> {
        Ok(self.sourced_facts(study)?.map(|sourced| sourced.facts))
    }

    /// The same with the facility and the generation of the study.
    ///
    /// # Errors
    /// As [`Archive::study_facts`].
    pub fn sourced_facts(&self, study: &Uid) -> Result<Option<SourcedFacts>, ReadError> {
        let Some(source) = self.db().study_source(study)? else { return Ok(None) };
        let (facility, generation) = (source.facility, source.generation);
        let series = speaking(&source);
        let mut facts = from_rows(&source, &series);
        self.add_headers(&mut facts, &series)?;
        Ok(Some(SourcedFacts { facts, facility, generation, came: came(&source) }))
    }

    /// What the index does not keep: collimation of CT, coded views of projections.
    fn add_headers(&self, facts: &mut StudyFacts, series: &[&SeriesSource]) -> Result<(), ReadError> {
        let imaging = Imaging::of(&facts.modality);
        let lacks_view = matches!(imaging, Imaging::Xray | Imaging::Mammo) && facts.view_positions.is_empty();
        if imaging != Imaging::Ct && !lacks_view {
            return Ok(());
        }
        for of in series.iter().filter(|of| Imaging::of(&of.modality) == imaging).take(HEADERS_MAX) {
            let Some(row) = self.db().instance_by_digest(&of.digest)? else { continue };
            match self.header(&row) {
                Ok(header) if imaging == Imaging::Ct => {
                    if let Some(collimation) = collimation(&header) {
                        facts.scanner = [&*facts.scanner, &*collimation].join(" ").trim().to_owned();
                        return Ok(());
                    }
                }
                Ok(header) => facts.view_positions.extend(coded_view(&header)),
                Err(error) => tracing::warn!(%error, "a header was left out of the facts of its study"),
            }
        }
        Ok(())
    }
}

/// Names the series by the instances that speak for them and by how many there are.
fn came(source: &StudySource) -> String {
    let mut all: Vec<String> =
        source.series.iter().map(|series| format!("{} {}", series.digest, series.instances)).collect();
    all.sort_unstable();
    ContentHash::of(all.join("\n").as_bytes()).to_string()
}

/// Series that say what was examined: pictures, unless there are none; screens and localisers only where nothing else is.
fn speaking(source: &StudySource) -> Vec<&SeriesSource> {
    type Rule = fn(&SeriesSource) -> bool;
    let rules: [Rule; 3] = [
        |series| series.is_picture && Imaging::of(&series.modality) != Imaging::Document,
        |series| !series.sop_class.starts_with(SECONDARY_CAPTURE),
        |series| !is_localiser(series),
    ];
    let mut left: Vec<&SeriesSource> = source.series.iter().collect();
    for rule in rules {
        let kept: Vec<&SeriesSource> = left.iter().copied().filter(|series| rule(series)).collect();
        if !kept.is_empty() {
            left = kept;
        }
    }
    left
}

fn is_localiser(series: &SeriesSource) -> bool {
    let all = series.images.len() as u64 == series.instances;
    let localiser = |image| joined(image, "00080008").to_ascii_uppercase().contains("LOCALIZER");
    all && series.images.iter().all(localiser)
}

/// The modality that took the pictures: nuclear medicine before the CT or MR that came with it, else the one with the
/// most pictures among those that say something.
fn modality(series: &[&SeriesSource]) -> String {
    let order = |series: &SeriesSource| match Imaging::of(&series.modality) {
        _ if matches!(series.modality.as_str(), "PT" | "NM") => 3,
        Imaging::Unknown | Imaging::Document => 0,
        Imaging::Outside => 1,
        _ => 2,
    };
    let count = |modality: &str| -> u64 {
        series.iter().filter(|series| series.modality == modality).map(|series| series.instances).sum()
    };
    let best = series.iter().rev().max_by_key(|series| (order(series), count(&series.modality)));
    best.map(|series| series.modality.clone()).unwrap_or_default()
}

fn from_rows(source: &StudySource, series: &[&SeriesSource]) -> StudyFacts {
    let modality = modality(series);
    let of_modality: Vec<&SeriesSource> =
        series.iter().copied().filter(|series| series.modality == modality).collect();
    let of_study = |tag: &str| first(of_modality.iter().map(|series| &series.study), tag);
    let of_series = |tag: &str| first(of_modality.iter().map(|series| &series.attributes), tag);
    let in_series = |tag: &str| different(of_modality.iter().map(|series| &series.attributes), tag);
    let images = || of_modality.iter().flat_map(|series| &series.images);
    let requests = || of_modality.iter().flat_map(|series| items(&series.attributes, "00400275"));
    let described = |tag: &str| first(requests(), tag);
    let mut protocol_names = in_series("00181030");
    protocol_names.extend(in_series("00400254"));
    StudyFacts {
        study_description: of_study("00081030"),
        series_descriptions: in_series("0008103E"),
        protocol_names,
        body_part: or_else(of_series("00180015"), || {
            first(of_modality.iter().flat_map(|series| items(&series.attributes, "00082218")), "00080104")
        }),
        view_positions: images()
            .map(|image| joined(image, "00185101"))
            .filter(|view| !view.is_empty())
            .collect(),
        laterality: or_else(of_series("00200060"), || one_side(images())),
        contrast_agent: of_series("00180010"),
        field_strength_t: of_series("00180087").parse().ok(),
        scanner: of_series("00081090"),
        detector_rows: None,
        requested_procedure: or_else(of_study("00321060"), || {
            or_else(described("00321060"), || described("00400007"))
        }),
        codes: codes(&of_modality),
        images: u32::try_from(of_modality.iter().map(|series| series.instances).sum::<u64>()).ok(),
        age: of_study("00101010"),
        image_types: source
            .series
            .iter()
            .filter(|series| series.modality == modality)
            .flat_map(image_types)
            .collect(),
        modality,
    }
}

fn image_types(series: &SeriesSource) -> Vec<String> {
    let mut types: Vec<String> = Vec::new();
    for image in &series.images {
        let kind = joined(image, "00080008");
        if !types.contains(&kind) {
            types.push(kind);
        }
    }
    types
}

/// The order's codes first, then what the header says was performed.
fn codes(series: &[&SeriesSource]) -> Vec<OrderedCode> {
    let studies = || series.iter().map(|series| &series.study);
    let ordered = studies().flat_map(|study| items(study, "00321064"));
    let requests = series.iter().flat_map(|series| items(&series.attributes, "00400275"));
    let requested = requests.flat_map(|request| items(request, "00321064"));
    let performed = studies().flat_map(|study| items(study, "00081032"));
    let mut codes: Vec<OrderedCode> = Vec::new();
    for item in ordered.chain(requested).chain(performed) {
        let values = ["00080100", "00080119", "00080120"];
        let code = OrderedCode {
            value: values
                .iter()
                .map(|tag| joined(item, tag))
                .find(|value| !value.is_empty())
                .unwrap_or_default(),
            scheme: joined(item, "00080102"),
            meaning: joined(item, "00080104"),
        };
        let says_nothing = code.value.is_empty() && code.meaning.is_empty();
        if !says_nothing && !codes.contains(&code) && codes.len() < CODES_MAX {
            codes.push(code);
        }
    }
    codes
}

/// The side that images name, `B` where they name both.
fn one_side<'a>(images: impl Iterator<Item = &'a Map<String, Value>>) -> String {
    let mut sides = different(images, "00200062");
    if sides.len() > 1 { "B".to_owned() } else { sides.pop().unwrap_or_default() }
}

/// Total and single collimation width, or the number of slices, as the detector class is read from.
fn collimation(header: &HeaderReader) -> Option<String> {
    let root = header.data_set();
    let shared = root.get(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).and_then(|element| element.first_item());
    let details = shared.and_then(|groups| groups.get(tags::CT_ACQUISITION_DETAILS_SEQUENCE)?.first_item());
    let width = |tag: Tag| {
        let element = [details, Some(root)].into_iter().flatten().find_map(|holder| holder.get(tag))?;
        element.f64s().next().filter(|width| width.is_finite() && *width > 0.0)
    };
    let single = width(tags::SINGLE_COLLIMATION_WIDTH)?;
    let total = width(tags::TOTAL_COLLIMATION_WIDTH)?;
    Some(format!("0018,9306={single:.4} 0018,9307={total:.4}"))
}

/// The meaning of the view's code (0054,0220), as mammography and newer X-ray machines send it.
fn coded_view(header: &HeaderReader) -> Option<String> {
    let root: DataSet<'_> = header.data_set();
    let item = root.get(tags::VIEW_CODE_SEQUENCE)?.first_item()?;
    let bytes = item.get(tags::CODE_MEANING)?.bytes()?;
    let meaning = String::from_utf8_lossy(bytes).trim_matches(['\0', ' ']).to_owned();
    Some(meaning).filter(|meaning| !meaning.is_empty() && meaning.len() <= 64)
}

fn or_else(text: String, other: impl FnOnce() -> String) -> String {
    if text.is_empty() { other() } else { text }
}

/// The first value that is not empty.
fn first<'a>(of: impl Iterator<Item = &'a Map<String, Value>>, tag: &str) -> String {
    of.map(|attributes| joined(attributes, tag)).find(|value| !value.is_empty()).unwrap_or_default()
}

/// The different values that are not empty, in their order.
fn different<'a>(of: impl Iterator<Item = &'a Map<String, Value>>, tag: &str) -> Vec<String> {
    let mut values = Vec::new();
    for value in of.map(|attributes| joined(attributes, tag)).filter(|value| !value.is_empty()) {
        if !values.contains(&value) && values.len() < VALUES_MAX {
            values.push(value);
        }
    }
    values
}

/// The values of an attribute, joined by backslash.
fn joined(attributes: &Map<String, Value>, tag: &str) -> String {
    let values = attributes.get(tag).and_then(|attribute| attribute.get("Value")?.as_array());
    let text = |value: &Value| match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    values.map(|values| values.iter().map(text).collect::<Vec<_>>().join("\\")).unwrap_or_default()
}

/// The items of a sequence.
fn items<'a>(
    attributes: &'a Map<String, Value>,
    tag: &str,
) -> impl Iterator<Item = &'a Map<String, Value>> + use<'a> {
    let values = attributes.get(tag).and_then(|attribute| attribute.get("Value")?.as_array());
    values.into_iter().flatten().filter_map(Value::as_object)
}
