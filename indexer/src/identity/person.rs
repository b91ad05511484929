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
    /// The evidenced personal numbers that are the person's own, but those whose digits alone tell a birth so many years
    /// before the record's: where nobody says whose such a number is, it is a parent's or guardian's.
    pub fn personal_numbers(&self, guardian_years: i64) -> impl Iterator<Item = &str> {
        self.evidenced_numbers().filter(move |number| {
            let guardian = told_by(number)
                .zip(self.birth.year())
                .is_some_and(|((year, _), told)| told >= year + guardian_years);
            !guardian || self.says_own(number)
        })
    }

    /// The evidenced personal numbers that nobody says are another's, whatever their digits tell.
    pub fn evidenced_numbers(&self) -> impl Iterator<Item = &str> {
        self.identifiers.iter().filter_map(|identifier| {
            let evidenced = identifier.kind == IdentifierKind::PersonalNumber
                && identifier.whose == Whose::Own
                && identifier.evidence != IdentifierEvidence::LooksLike;
            Some(identifier.value.trim()).filter(|number| evidenced && is_personal_number(number))
        })
    }

    /// Whether somebody says that a number is this person's own: an order, a person, a facility's rule. A header only
    /// says of which kind it is. The digits of such a number prove nothing against it.
    #[must_use]
    pub fn says_own(&self, number: &str) -> bool {
        self.identifiers.iter().any(|identifier| {
            identifier.kind == IdentifierKind::PersonalNumber
                && identifier.whose == Whose::Own
                && identifier.value.trim() == number
                && matches!(
                    identifier.evidence,
                    IdentifierEvidence::Order | IdentifierEvidence::Person | IdentifierEvidence::FacilityRule
                )
        })
    }

    /// Insurance cards, whoever they belong to.
    pub fn insurance_cards(&self) -> impl Iterator<Item = String> {
        let cards = self.identifiers.iter().filter(|it| it.kind == IdentifierKind::InsuranceCard);
        cards.map(|card| card.value.trim().to_uppercase()).filter(|card| matches!(card.len(), 10 | 12 | 15))
    }

    /// Whether a personal number tells this person's year of birth and sex, as far as they are known.
    #[must_use]
    pub fn agrees_with(&self, number: &str) -> bool {
        told_by(number).is_some_and(|(year, sex)| {
            self.birth.year().is_none_or(|told| told == year)
                && self.sex.is_none_or(|told| told == sex || told == Sex::Other)
        })
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

/// Year of birth and sex by a personal number: its fourth digit tells century and sex, the next two the year.
fn told_by(number: &str) -> Option<(i64, Sex)> {
    let digit = |at: usize| number.as_bytes().get(at).filter(|byte| byte.is_ascii_digit());
    let value = |at: usize| digit(at).map(|byte| i64::from(byte - b'0'));
    let century_and_sex = value(3)?;
    let sex = if century_and_sex % 2 == 0 { Sex::Male } else { Sex::Female };
    Some((1900 + century_and_sex / 2 * 100 + value(4)? * 10 + value(5)?, sex))
}

/// Twelve digits, not all the same.
pub(crate) fn is_personal_number(number: &str) -> bool {
    number.len() == 12
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && number.bytes().collect::<std::collections::BTreeSet<u8>>().len() > 1
}
