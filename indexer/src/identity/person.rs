//! What one source says about a person.

use serde::{Deserialize, Serialize};

use super::Birth;
use crate::reuse::Date;

/// Sex as records have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
    /// Other; it agrees with itself and clashes with nothing.
    Other,
}

/// What a source means by PatientID.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatientIdIs {
    /// A number of a patient.
    Patient,
    /// A number of an order or an appointment: it never joins. Also where nothing is configured.
    #[default]
    Order,
}

/// Kinds of identifiers beside the hospital number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierKind {
    /// Personal number, 12 digits.
    PersonalNumber,
    /// Insurance card of 15, 10 or 12 characters.
    InsuranceCard,
}

/// How it is known that an identifier is of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierEvidence {
    /// OtherPatientIDsSequence with issuer or type (PS3.3 C.7.1.1).
    OtherPatientIds,
    /// An order.
    Order,
    /// A person.
    Person,
    /// A rule of the facility.
    FacilityRule,
    /// Nothing says so: it only looks like one.
    LooksLike,
}

/// Whose identifier it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// The patient's own; also where nothing is said.
    #[default]
    Own,
    /// A parent's or guardian's.
    Parent,
}

/// An identifier with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identifier {
    /// Kind.
    pub kind: IdentifierKind,
    /// Value as received.
    pub value: String,
    /// How its kind is known.
    pub evidence: IdentifierEvidence,
    /// Whose it is.
    #[serde(default)]
    pub whose: Whose,
}

/// What one source says about a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Person {
    /// Issuer of the hospital number: the facility.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// PatientID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hospital_number: Option<String>,
    /// What the source means by it.
    pub patient_id_is: PatientIdIs,
    /// Whether the number was given for the time being (emergency, newborn).
    pub temporary: bool,
    /// Name as received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Birth date.
    pub birth: Birth,
    /// Sex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sex: Option<Sex>,
    /// Further identifiers.
    pub identifiers: Vec<Identifier>,
}

impl Person {
    /// The evidenced personal numbers that are the person's own. A number whose digits tell another year of birth or
    /// another sex than the record is somebody else's, usually a parent's, and is left out.
    pub fn personal_numbers(&self) -> impl Iterator<Item = &str> {
        self.identifiers.iter().filter_map(|identifier| {
            let own = identifier.kind == IdentifierKind::PersonalNumber
                && identifier.whose == Whose::Own
                && identifier.evidence != IdentifierEvidence::LooksLike;
            let number = identifier.value.trim();
            (own && is_personal_number(number) && self.can_have(number)).then_some(number)
        })
    }

    /// Insurance cards, whoever they belong to.
    pub fn insurance_cards(&self) -> impl Iterator<Item = String> {
        let cards = self.identifiers.iter().filter(|it| it.kind == IdentifierKind::InsuranceCard);
        cards.map(|card| card.value.trim().to_uppercase()).filter(|card| matches!(card.len(), 10 | 12 | 15))
    }

    /// Whether a personal number can be this person's: its fourth digit tells century and sex, the next two the year.
    fn can_have(&self, number: &str) -> bool {
        let digit = |at: usize| number.as_bytes().get(at).map(|byte| i64::from(byte.wrapping_sub(b'0')));
        let (Some(century_and_sex), Some(tens), Some(ones)) = (digit(3), digit(4), digit(5)) else {
            return false;
        };
        let year = 1900 + century_and_sex / 2 * 100 + tens * 10 + ones;
        let sex = if century_and_sex % 2 == 0 { Sex::Male } else { Sex::Female };
        self.birth.year().is_none_or(|told| told == year)
            && self.sex.is_none_or(|told| told == sex || told == Sex::Other)
    }

    /// The birth date to the day, where it is known so.
    #[must_use]
    pub fn full_birth_date(&self) -> Option<Date> {
        match self.birth {
            Birth::Full(date) => Some(date),
            _ => None,
        }
    }
}

fn is_personal_number(number: &str) -> bool {
    number.len() == 12
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && number.bytes().collect::<std::collections::BTreeSet<u8>>().len() > 1
}
