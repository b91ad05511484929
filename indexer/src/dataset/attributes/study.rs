//! Study attributes of an instance (PS3.3 C.7.2.1), and codes of procedures.

use dicom_dictionary_std::tags;

use super::header::Header;
use super::when::Normalised;
use crate::dataset::Tag;
use crate::dataset::charset::TextNotes;
use crate::dataset::fold::fold;

/// The study as the header describes it. `None` stands for an absent or empty attribute.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Study {
    /// StudyDate (0008,0020).
    pub date: Option<Normalised>,
    /// StudyTime (0008,0030).
    pub time: Option<Normalised>,
    /// AccessionNumber (0008,0050).
    pub accession: Option<String>,
    /// LocalNamespaceEntityID (0040,0031), or else UniversalEntityID (0040,0032), in IssuerOfAccessionNumberSequence.
    pub accession_issuer: Option<String>,
    /// StudyID (0020,0010).
    pub id: Option<String>,
    /// StudyDescription (0008,1030).
    pub description: Option<String>,
    /// ReferringPhysicianName (0008,0090).
    pub referring_physician: Option<String>,
    /// The folded form of `referring_physician`. Empty without a name.
    pub referring_physician_folded: String,
    /// InstitutionName (0008,0080).
    pub institution: Option<String>,
    /// RequestedProcedureDescription (0032,1060).
    pub requested_procedure: Option<String>,
    /// ProcedureCodeSequence (0008,1032): what was performed.
    pub procedure_codes: Vec<Code>,
    /// RequestedProcedureCodeSequence (0032,1064): what was ordered.
    pub requested_codes: Vec<Code>,
}

/// A coded entry (PS3.3 8.8).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Code {
    /// CodeValue (0008,0100), LongCodeValue (0008,0119) or URNCodeValue (0008,0120).
    pub value: String,
    /// CodingSchemeDesignator (0008,0102).
    pub scheme: Option<String>,
    /// CodingSchemeVersion (0008,0103).
    pub version: Option<String>,
    /// CodeMeaning (0008,0104).
    pub meaning: Option<String>,
}

impl Study {
    pub(super) fn read(header: &Header<'_>, notes: &mut TextNotes) -> Self {
        let referring_physician = header.text(tags::REFERRING_PHYSICIAN_NAME, notes);
        let issuer = header.items(tags::ISSUER_OF_ACCESSION_NUMBER_SEQUENCE).next();
        let accession_issuer = issuer.and_then(|item| {
            item.text(tags::LOCAL_NAMESPACE_ENTITY_ID, notes)
                .or_else(|| item.text(tags::UNIVERSAL_ENTITY_ID, notes))
        });
        Self {
            date: header.date(tags::STUDY_DATE, notes),
            time: header.time(tags::STUDY_TIME, notes),
            accession: header.text(tags::ACCESSION_NUMBER, notes),
            accession_issuer,
            id: header.text(tags::STUDY_ID, notes),
            description: header.text(tags::STUDY_DESCRIPTION, notes),
            referring_physician_folded: referring_physician.as_deref().map(fold).unwrap_or_default(),
            referring_physician,
            institution: header.text(tags::INSTITUTION_NAME, notes),
            requested_procedure: header.text(tags::REQUESTED_PROCEDURE_DESCRIPTION, notes),
            procedure_codes: codes(header, tags::PROCEDURE_CODE_SEQUENCE, notes),
            requested_codes: codes(header, tags::REQUESTED_PROCEDURE_CODE_SEQUENCE, notes),
        }
    }
}

/// The codes of a sequence; items without a code value are left out.
pub(super) fn codes(header: &Header<'_>, tag: Tag, notes: &mut TextNotes) -> Vec<Code> {
    let values = [tags::CODE_VALUE, tags::LONG_CODE_VALUE, tags::URN_CODE_VALUE];
    header
        .items(tag)
        .filter_map(|item| {
            Some(Code {
                value: values.iter().find_map(|tag| item.text(*tag, notes))?,
                scheme: item.text(tags::CODING_SCHEME_DESIGNATOR, notes),
                version: item.text(tags::CODING_SCHEME_VERSION, notes),
                meaning: item.text(tags::CODE_MEANING, notes),
            })
        })
        .collect()
}
