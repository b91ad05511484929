//! From the attributes of an instance to the columns of rows: the one place that knows both.

use serde_json::{Map, Value};
use storage_config::{ContentHash, Hasher};

use super::error::DbError;
use super::person::Kept;
use crate::dataset::attributes::{Attributes, Normalised};
use crate::dataset::fold::{fold, words};

/// Sorts what has no number after what has one.
pub(super) const NO_NUMBER: i64 = 1 << 32;
/// Most words of a name that are kept for sorting and searching.
pub(super) const WORDS_MAX: usize = 24;

/// Most bytes of a text by which rows are found. An entry of an index of PostgreSQL takes 2,704 bytes, and the longest one
/// holds four such texts.
pub(super) const KEY_TEXT_BYTES: usize = 512;
/// Digits of the hash that stands for the rest of a longer text.
const REST_DIGITS: usize = 32;

/// A text as rows keep it: of a longer one the beginning, and a hash by which it differs from others that begin alike.
pub(super) fn bounded(text: &str) -> String {
    if text.len() <= KEY_TEXT_BYTES {
        return text.to_owned();
    }
    let hash = ContentHash::of(text.as_bytes()).to_string();
    let start = text.floor_char_boundary(KEY_TEXT_BYTES - REST_DIGITS - 1);
    format!("{}~{}", text.get(..start).unwrap_or_default(), hash.get(..REST_DIGITS).unwrap_or_default())
}

/// What an instance says of patient and study.
pub(super) struct StudyValues {
    pub patient_id: String,
    pub issuer: String,
    pub name_folded: String,
    pub name_sorted: String,
    pub birth_date: String,
    pub sex: String,
    pub study_date: String,
    pub study_time: String,
    pub accession: String,
    pub study_id: String,
    pub description_folded: String,
    pub referring_folded: String,
    pub json: String,
    /// The patient's name as received.
    pub name: String,
    /// Identifiers beside PatientID, as text.
    pub identifiers: String,
}

/// What an instance says of its series.
pub(super) struct SeriesValues {
    pub series_number: i64,
    pub modality: String,
    pub body_part: String,
    pub performed_date: String,
    pub description_folded: String,
    pub json: String,
}

impl StudyValues {
    pub(super) fn of(attributes: &Attributes) -> Result<StudyValues, DbError> {
        let (patient, study) = (&attributes.patient, &attributes.study);
        let name_folded = bounded(&patient.name_folded);
        Ok(StudyValues {
            patient_id: text(patient.id.as_ref()),
            issuer: text(patient.issuer.as_ref()),
            name_sorted: sorted_words(&name_folded),
            name_folded,
            birth_date: normal(patient.birth_date.as_ref()),
            sex: text(patient.sex.as_ref()),
            study_date: normal(study.date.as_ref()),
            study_time: normal(study.time.as_ref()),
            accession: text(study.accession.as_ref()),
            study_id: text(study.id.as_ref()),
            description_folded: folded(study.description.as_ref()),
            referring_folded: bounded(&study.referring_physician_folded),
            json: json(&attributes.study_json)?,
            name: text(patient.name.as_ref()),
            identifiers: Kept { header: patient.carried(), order: Vec::new() }.to_text()?,
        })
    }

    /// Sorts studies by time: date and time in one text, empty without a date.
    pub(super) fn newest(&self) -> String {
        if self.study_date.is_empty() { String::new() } else { self.study_date.clone() + &self.study_time }
    }

    pub(super) fn digest(&self) -> ContentHash {
        digest(&[
            &self.patient_id,
            &self.issuer,
            &self.name_folded,
            &self.birth_date,
            &self.sex,
            &self.study_date,
            &self.study_time,
            &self.accession,
            &self.study_id,
            &self.description_folded,
            &self.referring_folded,
            &self.json,
            &self.name,
            &self.identifiers,
        ])
    }
}

impl SeriesValues {
    pub(super) fn of(attributes: &Attributes) -> Result<SeriesValues, DbError> {
        let series = &attributes.series;
        Ok(SeriesValues {
            series_number: number(series.number),
            modality: text(series.modality.as_ref()),
            body_part: text(series.body_part.as_ref()),
            performed_date: normal(series.performed_date.as_ref()),
            description_folded: folded(series.description.as_ref()),
            json: json(&attributes.series_json)?,
        })
    }

    pub(super) fn digest(&self) -> ContentHash {
        let number = self.series_number.to_string();
        digest(&[
            &number,
            &self.modality,
            &self.body_part,
            &self.performed_date,
            &self.description_folded,
            &self.json,
        ])
    }
}

/// The words of a folded name in alphabetical order: equal for any order of the words.
pub(super) fn sorted_words(folded: &str) -> String {
    let mut all: Vec<&str> = words(folded).take(WORDS_MAX).collect();
    all.sort_unstable();
    bounded(&all.join(" "))
}

pub(super) fn json(attributes: &Map<String, Value>) -> Result<String, DbError> {
    serde_json::to_string(attributes).map_err(|_| DbError::Invalid("attribute"))
}

/// A number that sorts; [`NO_NUMBER`] without one.
pub(super) fn number(number: Option<i64>) -> i64 {
    number.map_or(NO_NUMBER, |number| number.clamp(-NO_NUMBER, NO_NUMBER - 1))
}

/// A date or time that sorts; empty where the header's text is none.
fn normal(value: Option<&Normalised>) -> String {
    value.and_then(|value| value.normal.clone()).unwrap_or_default()
}

fn text(text: Option<&String>) -> String {
    bounded(text.map_or("", |text| text.trim_matches(' ')))
}

fn folded(text: Option<&String>) -> String {
    text.map(|text| bounded(&fold(text))).unwrap_or_default()
}

fn digest(texts: &[&str]) -> ContentHash {
    let mut hasher = Hasher::new();
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finish()
}
