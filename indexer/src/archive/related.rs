//! Which stored patients are, or may be, the person of an order: by number, and by what people said.
//!
//! How two records stand to each other is the business of [`crate::identity`]; this module only finds the records.

use serde_json::{Map, Value};

use super::{Archive, ReadError};
use crate::db::{FacilityId, Kin, PatientRow};
use crate::identity::{Birth, Ground, PatientIdIs, Person, Sex};
use crate::query::GroupKey;
use crate::reuse::prior::IdentityStatus;

/// What stands before the number of a facility that is the issuer of its numbers. Values of headers have no backslash.
const FACILITY: &str = "\\facility\\";

/// A stored patient with its standing to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// The patient.
    pub patient: GroupKey,
    /// Its standing.
    pub status: IdentityStatus,
    /// What speaks for it, or against it, in words of [`crate::identity::Ground`] and [`crate::identity::Clash`].
    pub grounds: Vec<String>,
}

/// The issuer of a facility's own numbers, where a source names none.
#[must_use]
pub fn issuer_of_facility(facility: FacilityId) -> String {
    format!("{FACILITY}{}", facility.0)
}

impl Archive {
    /// Stored patients that are the person of an order, may be, or clash with it; nobody twice, the nearest first.
    /// Whoever a person parted from them, and whoever has another evidenced personal number, is not among them.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn related(&self, person: &Person) -> Result<Vec<Related>, ReadError> {
        let kin = self.db().kin_of(person)?;
        self.related_to(&kin)
    }

    /// The same around a person whose kin is known.
    pub(super) fn related_to(&self, kin: &Kin) -> Result<Vec<Related>, ReadError> {
        let own = [Ground::HospitalNumber].iter().map(word).collect();
        let anchor = [(&kin.anchor, IdentityStatus::SameHospitalNumber, own)].into_iter();
        let members = kin.members.iter().map(|member| {
            let grounds = member.grounds.iter().map(word).collect();
            (&member.record, member.status, grounds)
        });
        let clashing = kin.clashing.iter().map(|(record, clashes)| {
            (record, IdentityStatus::Collision, clashes.iter().map(word).collect::<Vec<_>>())
        });
        let candidates = self.db().candidates(kin)?;
        let candidates = candidates.iter().map(|candidate| {
            let grounds = candidate.grounds.iter().map(word).collect();
            (&candidate.record, IdentityStatus::Candidate, grounds)
        });
        let all = anchor.chain(members).chain(clashing).chain(candidates);
        let all = all.filter(|(record, ..)| record.has_study);
        Ok(all.map(|(record, status, grounds)| Related { patient: record.key, status, grounds }).collect())
    }
}

/// The person as a stored header describes it.
#[must_use]
pub fn person_of(row: &PatientRow) -> Person {
    let text = |tag: &str| {
        let value = row.attributes.get(tag).and_then(|attribute| attribute.get("Value")?.get(0));
        value.and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let issuer = if row.issuer.is_empty() { issuer_of_facility(row.facility) } else { row.issuer.clone() };
    Person {
        issuer: Some(issuer),
        hospital_number: Some(row.patient_id.clone()).filter(|number| !number.is_empty()),
        patient_id_is: if row.scope.is_empty() { PatientIdIs::Patient } else { PatientIdIs::Order },
        temporary: false,
        name: name(&row.attributes),
        birth: text("00100030").map_or(Birth::Unknown, |date| Birth::read(&date)),
        sex: text("00100040").and_then(|sex| match sex.as_str() {
            "M" => Some(Sex::Male),
            "F" => Some(Sex::Female),
            "O" => Some(Sex::Other),
            _ => None,
        }),
        identifiers: Vec::new(),
    }
}

/// The alphabetic representation of the name.
fn name(attributes: &Map<String, Value>) -> Option<String> {
    let value = attributes.get("00100010")?.get("Value")?.get(0)?;
    let name = value.get("Alphabetic").or_else(|| value.get("Ideographic"))?.as_str()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// A word as answers write it.
fn word(of: &impl serde::Serialize) -> String {
    match serde_json::to_value(of) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}
