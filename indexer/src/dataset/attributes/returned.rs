//! What searches return of each level, as DICOM JSON (PS3.18 10.6.3.3, tables 10.6.3-3 to 10.6.3-5).
//!
//! To the attributes of the standard's tables come those that viewers ask for and that tell studies, series and
//! pictures apart. What the archive itself computes (counts, modalities of a study, URLs) is not among them.

use dicom_dictionary_std::tags;
use serde_json::{Map, Value};

use super::header::Header;
use super::patient::OTHER_PATIENT_IDS;
use crate::dataset::Tag;
use crate::dataset::charset::TextNotes;
use crate::dataset::json::JsonWriter;

/// Longest JSON of one returned attribute, in bytes; a longer one is left out of search results, not of the metadata.
const MAX_RETURNED_BYTES: usize = 8 * 1024;

const STUDY: u8 = 1;
const SERIES: u8 = 2;
const INSTANCE: u8 = 4;

/// The returned attributes with the levels they belong to, ascending by tag.
const RETURNED: &[(Tag, u8)] = &[
    (tags::IMAGE_TYPE, INSTANCE),
    (tags::SOP_CLASS_UID, INSTANCE),
    (tags::SOP_INSTANCE_UID, INSTANCE),
    (tags::STUDY_DATE, STUDY),
    (tags::SERIES_DATE, SERIES),
    (tags::ACQUISITION_DATE, INSTANCE),
    (tags::CONTENT_DATE, INSTANCE),
    (tags::ACQUISITION_DATE_TIME, INSTANCE),
    (tags::STUDY_TIME, STUDY),
    (tags::SERIES_TIME, SERIES),
    (tags::ACQUISITION_TIME, INSTANCE),
    (tags::CONTENT_TIME, INSTANCE),
    (tags::ACCESSION_NUMBER, STUDY),
    (tags::ISSUER_OF_ACCESSION_NUMBER_SEQUENCE, STUDY),
    (tags::MODALITY, SERIES),
    (tags::CONVERSION_TYPE, SERIES),
    (tags::MANUFACTURER, SERIES),
    (tags::INSTITUTION_NAME, STUDY | SERIES),
    (tags::REFERRING_PHYSICIAN_NAME, STUDY),
    (tags::TIMEZONE_OFFSET_FROM_UTC, STUDY | SERIES | INSTANCE),
    (tags::STATION_NAME, SERIES),
    (tags::STUDY_DESCRIPTION, STUDY),
    (tags::PROCEDURE_CODE_SEQUENCE, STUDY),
    (tags::SERIES_DESCRIPTION, SERIES),
    (tags::INSTITUTIONAL_DEPARTMENT_NAME, SERIES),
    (tags::PERFORMING_PHYSICIAN_NAME, SERIES),
    (tags::NAME_OF_PHYSICIANS_READING_STUDY, STUDY),
    (tags::OPERATORS_NAME, SERIES),
    (tags::MANUFACTURER_MODEL_NAME, SERIES),
    (tags::ANATOMIC_REGION_SEQUENCE, SERIES),
    (tags::PATIENT_NAME, STUDY),
    (tags::PATIENT_ID, STUDY),
    (tags::ISSUER_OF_PATIENT_ID, STUDY),
    (tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE, STUDY),
    (tags::PATIENT_BIRTH_DATE, STUDY),
    (tags::PATIENT_BIRTH_TIME, STUDY),
    (tags::PATIENT_SEX, STUDY),
    (OTHER_PATIENT_IDS, STUDY),
    (tags::OTHER_PATIENT_I_DS_SEQUENCE, STUDY),
    (tags::PATIENT_AGE, STUDY),
    (tags::PATIENT_SIZE, STUDY),
    (tags::PATIENT_WEIGHT, STUDY),
    (tags::CONTRAST_BOLUS_AGENT, SERIES),
    (tags::BODY_PART_EXAMINED, SERIES),
    (tags::SLICE_THICKNESS, INSTANCE),
    (tags::MAGNETIC_FIELD_STRENGTH, SERIES),
    (tags::DEVICE_SERIAL_NUMBER, SERIES),
    (tags::PROTOCOL_NAME, SERIES),
    (tags::PATIENT_POSITION, SERIES),
    (tags::VIEW_POSITION, INSTANCE),
    (tags::STUDY_INSTANCE_UID, STUDY),
    (tags::SERIES_INSTANCE_UID, SERIES),
    (tags::STUDY_ID, STUDY),
    (tags::SERIES_NUMBER, SERIES),
    (tags::ACQUISITION_NUMBER, INSTANCE),
    (tags::INSTANCE_NUMBER, INSTANCE),
    (tags::IMAGE_POSITION_PATIENT, INSTANCE),
    (tags::IMAGE_ORIENTATION_PATIENT, INSTANCE),
    (tags::FRAME_OF_REFERENCE_UID, SERIES),
    (tags::LATERALITY, SERIES),
    (tags::IMAGE_LATERALITY, INSTANCE),
    (tags::SLICE_LOCATION, INSTANCE),
    // What a sender announces; answers to searches give the number that is here in its place.
    (tags::NUMBER_OF_STUDY_RELATED_INSTANCES, STUDY),
    (tags::SAMPLES_PER_PIXEL, INSTANCE),
    (tags::PHOTOMETRIC_INTERPRETATION, INSTANCE),
    (tags::NUMBER_OF_FRAMES, INSTANCE),
    (tags::ROWS, INSTANCE),
    (tags::COLUMNS, INSTANCE),
    (tags::PIXEL_SPACING, INSTANCE),
    (tags::BITS_ALLOCATED, INSTANCE),
    (tags::BITS_STORED, INSTANCE),
    (tags::PIXEL_REPRESENTATION, INSTANCE),
    (tags::LOSSY_IMAGE_COMPRESSION, INSTANCE),
    (tags::REQUESTED_PROCEDURE_DESCRIPTION, STUDY),
    (tags::REQUESTED_PROCEDURE_CODE_SEQUENCE, STUDY),
    (tags::PERFORMED_PROCEDURE_STEP_START_DATE, SERIES),
    (tags::PERFORMED_PROCEDURE_STEP_START_TIME, SERIES),
    (tags::PERFORMED_PROCEDURE_STEP_DESCRIPTION, SERIES),
    (tags::REQUEST_ATTRIBUTES_SEQUENCE, SERIES),
    (tags::CONCEPT_NAME_CODE_SEQUENCE, INSTANCE),
    (tags::COMPLETION_FLAG, INSTANCE),
    (tags::VERIFICATION_FLAG, INSTANCE),
    (tags::DOCUMENT_TITLE, INSTANCE),
    (tags::MIME_TYPE_OF_ENCAPSULATED_DOCUMENT, INSTANCE),
    (tags::CONTENT_LABEL, INSTANCE),
    (tags::CONTENT_DESCRIPTION, INSTANCE),
];

/// The returned attributes of the three levels. Each holds Specific Character Set, which says UTF-8.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Returned {
    pub study: Map<String, Value>,
    pub series: Map<String, Value>,
    pub instance: Map<String, Value>,
}

impl Returned {
    pub fn read(header: &Header<'_>, notes: &mut TextNotes) -> Self {
        let mut level = |level| {
            let mut out = Vec::with_capacity(2048);
            object(header, level, &mut out, notes);
            // What the writer makes is valid JSON; were it not, the level would be returned empty.
            serde_json::from_slice(&out).unwrap_or_default()
        };
        Self { study: level(STUDY), series: level(SERIES), instance: level(INSTANCE) }
    }
}

fn object(header: &Header<'_>, level: u8, out: &mut Vec<u8>, notes: &mut TextNotes) {
    out.push(b'{');
    let mut no_uri = |_| None;
    let mut writer = JsonWriter::new(out, header.site, &mut no_uri);
    writer.utf8();
    let mut wanted = RETURNED.iter().filter(|(_, levels)| levels & level != 0).peekable();
    let mut last = None;
    for element in header.elements() {
        while wanted.next_if(|(tag, _)| *tag < element.tag).is_some() {}
        if wanted.peek().is_some_and(|(tag, _)| *tag == element.tag) && last != Some(element.tag) {
            last = Some(element.tag);
            writer.member(element, &header.sets, MAX_RETURNED_BYTES);
        }
    }
    notes.merge(writer.notes());
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_ascends() {
        assert!(RETURNED.is_sorted_by(|(one, _), (next, _)| one < next));
    }
}
