//! What rows do not keep of a header: contrast medium, views by code, planes of frames, values of the technique.

use std::collections::BTreeMap;

use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use crate::dataset::{DataSet, Tag, Vr};

/// Frames of one object whose planes are read at most.
const FRAMES_MAX: usize = 10_000;
/// Instances that a header can announce at most.
const COUNT_MAX: f64 = 1_000_000.0;
/// Characters of a text that is kept.
const TEXT_CHARS_MAX: usize = 64;

/// What a header says beyond its rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeaderFacts {
    /// Contrast/Bolus Agent (0018,0010), as written.
    pub agent: Option<String>,
    /// Whether a Contrast/Bolus Agent Sequence (0018,0012) has an item.
    pub agent_coded: bool,
    /// The route of the contrast medium, in a word of the policy.
    pub route: Option<String>,
    /// The view by its code (0054,0220), in words.
    pub view: Option<String>,
    /// Whether the patient stood or sat (`upright`) or lay (`supine`), by code (0054,0410), (0054,0412).
    pub posture: Option<String>,
    /// The kind of acquisition, where the header tells it.
    pub kind: Option<String>,
    /// Lossy Image Compression Ratio (0028,2112), the product of its values' greatest.
    pub lossy_ratio: Option<f64>,
    /// Spacing Between Slices (0018,0088), in millimetres.
    pub spacing_between_slices: Option<f64>,
    /// Number of Series Related Instances (0020,1209), as the sender declares it.
    pub series_instances: Option<u32>,
    /// Images in Acquisition (0020,1002).
    pub images_in_acquisition: Option<u32>,
    /// Concatenation UID (0020,9161) and In-concatenation Total Number (0020,9163).
    pub concatenation: Option<(String, u32)>,
    /// Position and orientation of each frame of a multi-frame object: nine numbers.
    pub planes: Vec<[f64; 9]>,
    /// Technical values by name with unit.
    pub values: BTreeMap<String, f64>,
    /// Code value of the document's title (0040,A043) with its scheme.
    pub title: Option<(String, String)>,
    /// Name of the first who verified a document (0040,A073), (0040,A075).
    pub verified_by: Option<String>,
}

/// Reads a header.
#[must_use]
pub fn read(root: &DataSet<'_>) -> HeaderFacts {
    let angio = text(root, tags::ANGIO_FLAG).is_some_and(|flag| flag == "Y");
    let observer = item(root, tags::VERIFYING_OBSERVER_SEQUENCE);
    HeaderFacts {
        agent: text(root, tags::CONTRAST_BOLUS_AGENT),
        agent_coded: item(root, tags::CONTRAST_BOLUS_AGENT_SEQUENCE).is_some(),
        route: route(root),
        view: coded(root, tags::VIEW_CODE_SEQUENCE).map(|code| code.meaning),
        posture: posture(root),
        kind: angio.then(|| "angiography".to_owned()),
        lossy_ratio: numbers(root, tags::LOSSY_IMAGE_COMPRESSION_RATIO).into_iter().reduce(f64::max),
        spacing_between_slices: number(root, tags::SPACING_BETWEEN_SLICES),
        series_instances: count(root, tags::NUMBER_OF_SERIES_RELATED_INSTANCES),
        images_in_acquisition: count(root, tags::IMAGES_IN_ACQUISITION),
        concatenation: text(root, tags::CONCATENATION_UID)
            .zip(count(root, tags::IN_CONCATENATION_TOTAL_NUMBER)),
        planes: planes(root),
        values: values(root),
        title: coded(root, tags::CONCEPT_NAME_CODE_SEQUENCE).map(|code| (code.value, code.scheme)),
        verified_by: observer.and_then(|item| text(&item, tags::VERIFYING_OBSERVER_NAME)),
    }
}

struct Code {
    value: String,
    scheme: String,
    meaning: String,
}

fn item<'a>(root: &DataSet<'a>, tag: Tag) -> Option<DataSet<'a>> {
    root.get(tag)?.first_item()
}

fn coded(root: &DataSet<'_>, tag: Tag) -> Option<Code> {
    let item = item(root, tag)?;
    Some(Code {
        value: text(&item, tags::CODE_VALUE).unwrap_or_default(),
        scheme: text(&item, tags::CODING_SCHEME_DESIGNATOR).unwrap_or_default(),
        meaning: text(&item, tags::CODE_MEANING).unwrap_or_default(),
    })
}

/// A value in plain letters; other character sets are not needed for what is looked at here.
fn text(holder: &DataSet<'_>, tag: Tag) -> Option<String> {
    let element = holder.get(tag)?;
    let text = String::from_utf8_lossy(element.bytes()?).trim_matches(['\0', ' ']).to_owned();
    let cut: String = text.chars().take(TEXT_CHARS_MAX).collect();
    Some(cut).filter(|text| !text.is_empty())
}

/// The numbers of an element, whatever its VR writes them as; what is none ends them.
fn numbers(holder: &DataSet<'_>, tag: Tag) -> Vec<f64> {
    let Some(element) = holder.get(tag) else { return Vec::new() };
    match element.vr {
        Vr::FD => element.f64s().collect(),
        Vr::FL => element.f32s().map(f64::from).collect(),
        Vr::US => element.u16s().map(f64::from).collect(),
        Vr::UL => element.u32s().map(f64::from).collect(),
        _ => {
            let bytes = element.bytes().unwrap_or_default();
            let part = |part: &[u8]| String::from_utf8_lossy(part).trim_matches([' ', '\0']).parse().ok();
            bytes.split(|byte| *byte == b'\\').map_while(part).collect()
        }
    }
}

fn number(holder: &DataSet<'_>, tag: Tag) -> Option<f64> {
    numbers(holder, tag).first().copied().filter(|number| number.is_finite())
}

/// A number of instances; what no series has is none.
fn count(holder: &DataSet<'_>, tag: Tag) -> Option<u32> {
    let count = number(holder, tag).filter(|count| (1.0..=COUNT_MAX).contains(count))?;
    Some(count as u32)
}

/// The route by its code (PS3.16 CID 11), else by its text (0018,1040).
fn route(root: &DataSet<'_>) -> Option<String> {
    let of_agent = item(root, tags::CONTRAST_BOLUS_AGENT_SEQUENCE);
    let own = coded(root, tags::CONTRAST_BOLUS_ADMINISTRATION_ROUTE_SEQUENCE);
    let route = own.or_else(|| coded(&of_agent?, tags::CONTRAST_BOLUS_ADMINISTRATION_ROUTE_SEQUENCE));
    if let Some(code) = route {
        let word = match code.value.as_str() {
            "47625008" | "G-D101" => "intravenous",
            "26643006" | "G-D140" => "oral",
            "37161004" | "G-D160" => "rectal",
            "58100008" | "G-D102" => "intra_arterial",
            "12130007" | "G-D109" => "intra_articular",
            _ => return word_of_route(&code.meaning),
        };
        return Some(word.to_owned());
    }
    word_of_route(&text(root, tags::CONTRAST_BOLUS_ROUTE)?)
}

fn word_of_route(text: &str) -> Option<String> {
    let folded = crate::dataset::fold::fold(text);
    let letters: String = folded.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let routes = [
        ("INTRAARTICULAR", "intra_articular"),
        ("INTRAARTERIAL", "intra_arterial"),
        ("INTRAVEN", "intravenous"),
        ("TINHMACH", "intravenous"),
        ("ORAL", "oral"),
        ("RECTAL", "rectal"),
    ];
    let found = routes.iter().find(|(part, _)| letters.contains(part)).map(|(_, word)| *word);
    found.or_else(|| (letters == "IV").then_some("intravenous")).map(str::to_owned)
}

/// Upright or lying, by the codes of PS3.16 CID 19 and 20.
fn posture(root: &DataSet<'_>) -> Option<String> {
    let orientation = item(root, tags::PATIENT_ORIENTATION_CODE_SEQUENCE)?;
    let modifier = coded(&orientation, tags::PATIENT_ORIENTATION_MODIFIER_CODE_SEQUENCE);
    let own = coded(root, tags::PATIENT_ORIENTATION_CODE_SEQUENCE);
    let word = |code: &Code| match code.value.as_str() {
        "10904000" | "33586001" | "F-10440" | "C86043" => Some("upright"),
        "40199007" | "F-10340" => Some("supine"),
        _ => None,
    };
    [modifier, own].iter().flatten().find_map(word).map(str::to_owned)
}

/// Positions and orientations of frames (PS3.3 C.7.6.16): each frame's own, else those of all.
fn planes(root: &DataSet<'_>) -> Vec<[f64; 9]> {
    let Some(frames) = root.get(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).and_then(|it| it.items()) else {
        return Vec::new();
    };
    let shared = item(root, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    let orientation = |groups: &DataSet<'_>| {
        let macro_item = item(groups, tags::PLANE_ORIENTATION_SEQUENCE)?;
        Some(numbers(&macro_item, tags::IMAGE_ORIENTATION_PATIENT)).filter(|six| six.len() == 6)
    };
    let of_all = shared.as_ref().and_then(orientation);
    let plane = |groups: DataSet<'_>| {
        let position = item(&groups, tags::PLANE_POSITION_SEQUENCE)?;
        let position = numbers(&position, tags::IMAGE_POSITION_PATIENT);
        let orientation = orientation(&groups).or_else(|| of_all.clone())?;
        let nine: Vec<f64> = position.into_iter().chain(orientation).collect();
        nine.try_into().ok()
    };
    frames.iter().take(FRAMES_MAX).filter_map(plane).collect()
}

fn values(root: &DataSet<'_>) -> BTreeMap<String, f64> {
    let wanted = [
        ("tube_voltage_kv", tags::KVP),
        ("exposure_mas", tags::EXPOSURE),
        ("imager_pixel_spacing_mm", tags::IMAGER_PIXEL_SPACING),
        ("repetition_time_ms", tags::REPETITION_TIME),
        ("echo_time_ms", tags::ECHO_TIME),
        ("field_of_view_mm", tags::RECONSTRUCTION_DIAMETER),
    ];
    let told = wanted.into_iter().filter_map(|(name, tag)| Some((name.to_owned(), number(root, tag)?)));
    told.collect()
}
