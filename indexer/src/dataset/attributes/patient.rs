//! Patient attributes of an instance (PS3.3 C.7.1.1).

use dicom_dictionary_std::tags;

use super::header::{Header, MAX_ITEMS};
use super::when::Normalised;
use crate::dataset::Tag;
use crate::dataset::charset::TextNotes;
use crate::dataset::fold::fold;
use crate::identity::Carried;

/// OtherPatientIDs, retired.
pub(super) const OTHER_PATIENT_IDS: Tag = Tag(0x0010, 0x1000);

/// The patient as the header names it. `None` stands for an absent or empty attribute.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Patient {
    /// PatientID (0010,0020). Alone it never joins two people.
    pub id: Option<String>,
    /// IssuerOfPatientID (0010,0021).
    pub issuer: Option<String>,
    /// UniversalEntityID (0040,0032) in IssuerOfPatientIDQualifiersSequence (0010,0024).
    pub issuer_universal: Option<String>,
    /// UniversalEntityIDType (0040,0033) of `issuer_universal`: `ISO`, `DNS`, `UUID`, ...
    pub issuer_universal_type: Option<String>,
    /// Other identifiers of the same person.
    pub other_ids: Vec<OtherId>,
    /// PatientName (0010,0010) with its `^` and `=`.
    pub name: Option<String>,
    /// The folded form of `name`, for matching. Empty without a name.
    pub name_folded: String,
    /// PatientBirthDate (0010,0030).
    pub birth_date: Option<Normalised>,
    /// PatientSex (0010,0040).
    pub sex: Option<String>,
}

/// One identifier from OtherPatientIDsSequence (0010,1002), or from the retired OtherPatientIDs (0010,1000), which has
/// no issuer and no type.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OtherId {
    /// PatientID (0010,0020) of the item.
    pub id: String,
    /// IssuerOfPatientID (0010,0021) of the item.
    pub issuer: Option<String>,
    /// UniversalEntityID (0040,0032) of the item's issuer.
    pub issuer_universal: Option<String>,
    /// TypeOfPatientID (0010,0022): `TEXT`, `RFID`, `BARCODE`.
    pub kind: Option<String>,
    /// IdentifierTypeCode (0040,0035) of the item's issuer: `MR`, `NI`, `PI`, ... (HL7 table 0203).
    pub identifier_type: Option<String>,
}

impl Patient {
    /// The other identifiers with all that is said of their issuers and types, each once, in order: equal for headers
    /// that name them in another order.
    #[must_use]
    pub fn carried(&self) -> Vec<Carried> {
        let joined = |parts: [&Option<String>; 2]| {
            let told: Vec<&str> = parts.into_iter().flatten().map(|text| text.trim()).collect();
            told.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
        };
        let carried = self.other_ids.iter().map(|other| Carried {
            value: other.id.trim().to_owned(),
            issuer: joined([&other.issuer, &other.issuer_universal]),
            kind: joined([&other.kind, &other.identifier_type]),
        });
        let all: std::collections::BTreeSet<Carried> = carried.collect();
        all.into_iter().collect()
    }

    pub(super) fn read(header: &Header<'_>, notes: &mut TextNotes) -> Self {
        let name = header.text(tags::PATIENT_NAME, notes);
        let qualifiers = header.items(tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE).next();
        let mut qualifier = |tag| qualifiers.as_ref().and_then(|item| item.text(tag, notes));
        let (issuer_universal, issuer_universal_type) =
            (qualifier(tags::UNIVERSAL_ENTITY_ID), qualifier(tags::UNIVERSAL_ENTITY_ID_TYPE));
        Self {
            id: header.text(tags::PATIENT_ID, notes),
            issuer: header.text(tags::ISSUER_OF_PATIENT_ID, notes),
            issuer_universal,
            issuer_universal_type,
            other_ids: other_ids(header, notes),
            name_folded: name.as_deref().map(fold).unwrap_or_default(),
            name,
            birth_date: header.date(tags::PATIENT_BIRTH_DATE, notes),
            sex: header.text(tags::PATIENT_SEX, notes),
        }
    }
}

fn other_ids(header: &Header<'_>, notes: &mut TextNotes) -> Vec<OtherId> {
    let mut ids = Vec::new();
    for item in header.items(tags::OTHER_PATIENT_I_DS_SEQUENCE) {
        let Some(id) = item.text(tags::PATIENT_ID, notes) else { continue };
        let qualifiers = item.items(tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE).next();
        let mut qualifier = |tag| qualifiers.as_ref().and_then(|item| item.text(tag, notes));
        let (issuer_universal, identifier_type) =
            (qualifier(tags::UNIVERSAL_ENTITY_ID), qualifier(tags::IDENTIFIER_TYPE_CODE));
        let issuer = item.text(tags::ISSUER_OF_PATIENT_ID, notes);
        let kind = item.text(tags::TYPE_OF_PATIENT_ID, notes);
        ids.push(OtherId { id, issuer, issuer_universal, kind, identifier_type });
    }
    for id in header.texts(OTHER_PATIENT_IDS, notes) {
        if !id.is_empty() && ids.len() < MAX_ITEMS && !ids.iter().any(|known| known.id == id) {
            ids.push(OtherId { id, ..OtherId::default() });
        }
    }
    ids
}
