//! What the index keeps of an instance: identifiers, patient, study, series, and what searches return.
//!
//! Reads a data set that was scanned. Only a missing or impossible identifier is an error; everything else is taken as
//! it comes, cleaned for display and bounded, because an image must not be lost over its description. It may not know
//! rows, packs or who sent the instance.

mod header;
mod instance;
mod patient;
mod rank;
mod returned;
mod series;
mod study;
mod when;

use serde_json::{Map, Value};
use storage_config::{Uid, UidError};
use thiserror::Error;

use super::DataSet;
use super::charset::{CharacterSets, SiteDefault, TextNotes};
use dicom_dictionary_std::tags;

pub use instance::Instance;
pub use patient::{OtherId, Patient};
pub use rank::rank;
pub use series::{Request, Series};
pub use study::{Code, Study};
pub use when::{Normalised, Performed, date, date_time, offset, time};

use header::Header;
use returned::Returned;

/// The attributes of one instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Attributes {
    /// SOPClassUID (0008,0016).
    pub sop_class: Uid,
    /// SOPInstanceUID (0008,0018).
    pub sop_instance: Uid,
    /// StudyInstanceUID (0020,000D).
    pub study_uid: Uid,
    /// SeriesInstanceUID (0020,000E).
    pub series_uid: Uid,
    /// Patient attributes.
    pub patient: Patient,
    /// Study attributes.
    pub study: Study,
    /// Series attributes.
    pub series: Series,
    /// Attributes of the instance itself.
    pub instance: Instance,
    /// 0 for an image, 1 for what is derived from images or is none; lower ranks speak for series and study.
    pub rank: u8,
    /// What was odd about the text of the header.
    pub text_notes: TextNotes,
    /// The study attributes that searches return, as DICOM JSON.
    pub study_json: Map<String, Value>,
    /// The series attributes that searches return, as DICOM JSON.
    pub series_json: Map<String, Value>,
    /// The instance attributes that searches return, as DICOM JSON.
    pub instance_json: Map<String, Value>,
}

/// Why an instance cannot be indexed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AttributeError {
    /// The attribute is absent or empty.
    #[error("{keyword} is missing")]
    Missing {
        /// Keyword of the attribute.
        keyword: &'static str,
    },
    /// The attribute holds no unique identifier.
    #[error("{keyword} is invalid: {error}")]
    Invalid {
        /// Keyword of the attribute.
        keyword: &'static str,
        /// What is wrong with it.
        error: UidError,
    },
}

impl AttributeError {
    /// Keyword of the attribute at fault.
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Missing { keyword } | Self::Invalid { keyword, .. } => keyword,
        }
    }
}

impl Attributes {
    /// Reads the attributes of a data set, with no site default for undeclared text.
    ///
    /// # Errors
    /// When SOP Class UID, SOP Instance UID, Study Instance UID or Series Instance UID is missing or no identifier.
    pub fn read(data_set: &DataSet<'_>) -> Result<Self, AttributeError> {
        Self::read_as(data_set, SiteDefault::NONE)
    }

    /// Reads the attributes of a data set; `site` is what text without a declared character set is taken for when it
    /// is not UTF-8.
    ///
    /// # Errors
    /// As [`Attributes::read`].
    pub fn read_as(data_set: &DataSet<'_>, site: SiteDefault) -> Result<Self, AttributeError> {
        let header = Header::gather(*data_set, &CharacterSets::undeclared(site), site);
        let sop_class = header.uid(tags::SOP_CLASS_UID, "SOPClassUID")?;
        let sop_instance = header.uid(tags::SOP_INSTANCE_UID, "SOPInstanceUID")?;
        let study_uid = header.uid(tags::STUDY_INSTANCE_UID, "StudyInstanceUID")?;
        let series_uid = header.uid(tags::SERIES_INSTANCE_UID, "SeriesInstanceUID")?;
        let mut notes = TextNotes::default();
        let patient = Patient::read(&header, &mut notes);
        let study = Study::read(&header, &mut notes);
        let series = Series::read(&header, &mut notes);
        let instance = Instance::read(&header, &mut notes);
        let has_pixels = instance.rows.is_some_and(|rows| rows > 0) && instance.columns.is_some();
        let rank = rank(sop_class.as_str(), has_pixels);
        let returned = Returned::read(&header, &mut notes);
        Ok(Self {
            sop_class,
            sop_instance,
            study_uid,
            series_uid,
            patient,
            study,
            series,
            instance,
            rank,
            text_notes: notes,
            study_json: returned.study,
            series_json: returned.series,
            instance_json: returned.instance,
        })
    }

    /// Says who issued the patient's identifiers, where the data set does not; an empty `issuer` says nothing. Searches
    /// match and return it like one that the data set names; the data set itself stays as it is.
    pub fn issued_by(&mut self, issuer: &str) {
        if self.patient.issuer.is_none() && !issuer.is_empty() {
            self.patient.issuer = Some(issuer.to_owned());
            let element = serde_json::json!({"vr": "LO", "Value": [issuer]});
            self.study_json.insert("00100021".to_owned(), element);
        }
    }

    /// When the device made the instance, by its own clock: the first of acquisition, content, performed step, series
    /// and study time that names a day that exists.
    pub fn performed(&self) -> Option<Performed> {
        let (instance, series, study) = (&self.instance, &self.series, &self.study);
        let acquired = instance.acquisition_date_time.as_ref().and_then(|when| when.normal.clone());
        let pairs = [
            (&instance.acquisition_date, &instance.acquisition_time),
            (&instance.content_date, &instance.content_time),
            (&series.performed_date, &series.performed_time),
            (&series.date, &series.time),
            (&study.date, &study.time),
        ];
        let local = acquired.or_else(|| {
            pairs.into_iter().find_map(|(date, time)| {
                let day = date.as_ref()?.normal.clone()?;
                let time = time.as_ref().and_then(|time| time.normal.as_deref());
                Some(day + time.unwrap_or("000000.000000"))
            })
        })?;
        Some(Performed { local, offset_minutes: instance.offset_minutes })
    }
}
