//! What pages show of a study or series: texts out of the attributes a query returns (PS3.18 F.2). The texts are a
//! peer's still: whoever writes them into a page escapes them.

use indexer::dataset::attributes::{date, time};
use serde_json::{Map, Value};

use crate::calendar::{self, Day};
use crate::language::Language;

/// Attributes in the DICOM JSON Model.
pub(crate) type Attributes = Map<String, Value>;

fn first<'a>(attributes: &'a Attributes, tag: &str) -> Option<&'a Value> {
    attributes.get(tag)?.get("Value")?.get(0)
}

/// The first value of an attribute as text, trimmed; empty when it has none.
pub(crate) fn text(attributes: &Attributes, tag: &str) -> String {
    match first(attributes, tag) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// The first value of an attribute as a count.
pub(crate) fn number(attributes: &Attributes, tag: &str) -> u64 {
    let value = first(attributes, tag);
    value.and_then(|v| v.as_u64().or_else(|| v.as_str()?.trim().parse().ok())).unwrap_or(0)
}

/// A person's name in reading order: its first representation that is there, its components apart by spaces.
pub(crate) fn person(attributes: &Attributes, tag: &str) -> String {
    let Some(name) = first(attributes, tag) else { return String::new() };
    let written = ["Alphabetic", "Ideographic", "Phonetic"]
        .iter()
        .find_map(|form| name.get(form)?.as_str().filter(|text| !text.trim_matches(['^', ' ']).is_empty()));
    let pieces = written.unwrap_or_default().split(['^', ' ', '\t']).filter(|piece| !piece.is_empty());
    pieces.collect::<Vec<_>>().join(" ")
}

/// The values of ModalitiesInStudy, pictures before documents.
pub(crate) fn modalities(attributes: &Attributes) -> Vec<String> {
    const BESIDE: [&str; 7] = ["SR", "DOC", "PR", "KO", "SEG", "REG", "OT"];
    let values = attributes.get("00080061").and_then(|a| a.get("Value")).and_then(Value::as_array);
    let texts = values.into_iter().flatten().filter_map(Value::as_str);
    let mut all: Vec<String> = texts.map(|text| text.trim().to_owned()).collect();
    all.sort_by_key(|modality| BESIDE.contains(&modality.as_str()));
    all
}

/// The day that an attribute names, if it names one.
pub(crate) fn day(attributes: &Attributes, tag: &str) -> Option<Day> {
    date(&text(attributes, tag)).and_then(|normal| Day::of_text(&normal))
}

/// The minute that an attribute names, as `HH:MM`.
pub(crate) fn minute(attributes: &Attributes, tag: &str) -> Option<String> {
    let normal = time(&text(attributes, tag))?;
    Some(format!("{}:{}", normal.get(..2)?, normal.get(2..4)?))
}

/// When a study was, in a form that sorts as the index sorts studies.
pub(crate) fn newest(attributes: &Attributes) -> String {
    let Some(day) = date(&text(attributes, "00080020")) else { return String::new() };
    day + &time(&text(attributes, "00080030")).unwrap_or_default()
}

/// Sex, birth date and age at the study, as far as they are known.
pub(crate) fn who(language: Language, attributes: &Attributes) -> String {
    let born = day(attributes, "00100030");
    let on = day(attributes, "00080020");
    let age = born.zip(on).and_then(|(born, on)| calendar::age(language, born, on));
    let birth = born.map(|day| match age {
        Some(age) => format!("{} ({age})", day.shown(language)),
        None => day.shown(language),
    });
    [sex(language, attributes), birth].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// PatientSex in words.
fn sex(language: Language, attributes: &Attributes) -> Option<String> {
    let words = language.words();
    match text(attributes, "00100040").as_str() {
        "M" => Some(words.male.to_owned()),
        "F" => Some(words.female.to_owned()),
        "" => None,
        _ => Some(words.other_sex.to_owned()),
    }
}

/// A PatientID as lists show it: of what looks like a personal number (12 digits that begin with a province's) only
/// the last four digits, since a list is read over shoulders. The study's own page shows it whole.
pub(crate) fn masked(patient_id: &str) -> String {
    let personal = patient_id.len() == 12
        && patient_id.starts_with('0')
        && patient_id.bytes().all(|b| b.is_ascii_digit());
    if personal { format!("••••••••{}", &patient_id[8..]) } else { patient_id.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn attributes(value: Value) -> Attributes {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn names_in_reading_order() {
        let name = |value: Value| {
            person(&attributes(json!({"00100010": {"vr": "PN", "Value": [value]}})), "00100010")
        };
        assert_eq!(name(json!({"Alphabetic": "NGUYỄN^VĂN  AN^^"})), "NGUYỄN VĂN AN");
        assert_eq!(name(json!({"Alphabetic": "^^", "Ideographic": "山田^太郎"})), "山田 太郎");
        assert_eq!(name(json!("not a name")), "");
    }

    #[test]
    fn values_of_any_kind_are_no_surprise() {
        let odd = attributes(json!({
            "00201208": {"vr": "IS", "Value": [12]}, "00201206": {"vr": "IS", "Value": ["3"]},
            "00080020": {"vr": "DA", "Value": ["2026.01.05"]}, "00080030": {"vr": "TM", "Value": ["0915"]},
            "00080061": {"vr": "CS", "Value": ["SR", "CT", null]}, "00080050": {"vr": "SH"},
        }));
        assert_eq!((number(&odd, "00201208"), number(&odd, "00201206")), (12, 3));
        assert_eq!(newest(&odd), "20260105091500.000000");
        assert_eq!(minute(&odd, "00080030").as_deref(), Some("09:15"));
        assert_eq!(modalities(&odd), ["CT", "SR"]);
        assert_eq!(text(&odd, "00080050"), "");
    }

    #[test]
    fn personal_numbers_are_masked() {
        assert_eq!(masked("001068000017"), "••••••••0017");
        assert_eq!(masked("260001234512"), "260001234512");
        assert_eq!(masked("BN-0017"), "BN-0017");
    }
}
