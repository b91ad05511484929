//! Series and equipment attributes of an instance (PS3.3 C.7.3.1, C.7.5.1).

use dicom_dictionary_std::tags;

use super::header::Header;
use super::study::{Code, codes};
use super::when::Normalised;
use crate::dataset::charset::TextNotes;

/// The series as the header describes it. `None` stands for an absent or empty attribute.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Series {
    /// Modality (0008,0060).
    pub modality: Option<String>,
    /// SeriesNumber (0020,0011).
    pub number: Option<i64>,
    /// SeriesDescription (0008,103E).
    pub description: Option<String>,
    /// SeriesDate (0008,0021).
    pub date: Option<Normalised>,
    /// SeriesTime (0008,0031).
    pub time: Option<Normalised>,
    /// BodyPartExamined (0018,0015).
    pub body_part: Option<String>,
    /// AnatomicRegionSequence (0008,2218).
    pub anatomic_regions: Vec<Code>,
    /// Laterality (0020,0060).
    pub laterality: Option<String>,
    /// ProtocolName (0018,1030).
    pub protocol: Option<String>,
    /// StationName (0008,1010).
    pub station: Option<String>,
    /// Manufacturer (0008,0070).
    pub manufacturer: Option<String>,
    /// ManufacturerModelName (0008,1090).
    pub model: Option<String>,
    /// DeviceSerialNumber (0018,1000).
    pub device_serial: Option<String>,
    /// PerformedProcedureStepStartDate (0040,0244).
    pub performed_date: Option<Normalised>,
    /// PerformedProcedureStepStartTime (0040,0245).
    pub performed_time: Option<Normalised>,
    /// The items of RequestAttributesSequence (0040,0275).
    pub requests: Vec<Request>,
}

/// One order that the series belongs to (PS3.3 10.6).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Request {
    /// RequestedProcedureID (0040,1001).
    pub procedure_id: Option<String>,
    /// ScheduledProcedureStepID (0040,0009).
    pub step_id: Option<String>,
    /// AccessionNumber (0008,0050) of the item.
    pub accession: Option<String>,
}

impl Series {
    pub(super) fn read(header: &Header<'_>, notes: &mut TextNotes) -> Self {
        let requests = header.items(tags::REQUEST_ATTRIBUTES_SEQUENCE).map(|item| Request {
            procedure_id: item.text(tags::REQUESTED_PROCEDURE_ID, notes),
            step_id: item.text(tags::SCHEDULED_PROCEDURE_STEP_ID, notes),
            accession: item.text(tags::ACCESSION_NUMBER, notes),
        });
        let requests = requests.filter(|request| *request != Request::default()).collect();
        Self {
            requests,
            modality: header.text(tags::MODALITY, notes),
            number: header.number(tags::SERIES_NUMBER, notes),
            description: header.text(tags::SERIES_DESCRIPTION, notes),
            date: header.date(tags::SERIES_DATE, notes),
            time: header.time(tags::SERIES_TIME, notes),
            body_part: header.text(tags::BODY_PART_EXAMINED, notes),
            anatomic_regions: codes(header, tags::ANATOMIC_REGION_SEQUENCE, notes),
            laterality: header.text(tags::LATERALITY, notes),
            protocol: header.text(tags::PROTOCOL_NAME, notes),
            station: header.text(tags::STATION_NAME, notes),
            manufacturer: header.text(tags::MANUFACTURER, notes),
            model: header.text(tags::MANUFACTURER_MODEL_NAME, notes),
            device_serial: header.text(tags::DEVICE_SERIAL_NUMBER, notes),
            performed_date: header.date(tags::PERFORMED_PROCEDURE_STEP_START_DATE, notes),
            performed_time: header.time(tags::PERFORMED_PROCEDURE_STEP_START_TIME, notes),
        }
    }
}
