//! When two records are of one person: derived from identifiers with their evidence, birth date, sex and name.
//!
//! Pure: it knows the rules and the policy's lists, not where records are kept. Statements of people (confirmed,
//! unlinked, a collision opened) stand over what is derived.

mod birth;
mod carried;
mod name;
mod person;
mod relate;
mod rules;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use birth::Birth;
pub use carried::Carried;
pub(crate) use name::spelled;
pub use name::{is_placeholder, same_name};
pub(crate) use person::is_personal_number;
pub use person::{Identifier, IdentifierEvidence, IdentifierKind, PatientIdIs, Person, Sex, Whose};
pub use relate::{Clash, Ground, Relation, Said, clashes, relate};
pub(crate) use relate::{says_the_same, without_numbers};
pub use rules::{FacilityRule, IdentityRules, NumberIn};

/// The lists and numbers of identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityPolicy {
    /// Whole names that stand for nobody; a number or a word for the sex may follow.
    pub placeholder_names: Vec<String>,
    /// Beginnings of names that stand for nobody.
    pub placeholder_beginnings: Vec<String>,
    /// Phrases that make a name stand for nobody wherever they stand in it.
    #[serde(default)]
    pub placeholder_phrases: Vec<String>,
    /// What may stand before a name that stands for nobody: a patient, a newborn, a boy.
    #[serde(default)]
    pub placeholder_prefixes: Vec<String>,
    /// Words that make any name stand for nobody.
    pub placeholder_words: Vec<String>,
    /// Words of an issuer or a type that make twelve digits a personal number.
    pub personal_number_marks: Vec<String>,
    /// Words of an issuer or a type that make a number one of an insurance card.
    pub insurance_card_marks: Vec<String>,
    /// Words of an issuer or a type that make a number a parent's or guardian's.
    pub parent_marks: Vec<String>,
    /// An issuer of so many characters is a facility: its number of twelve digits is one of its own.
    pub facility_code_characters: usize,
    /// A personal number of somebody born at least so many years before the record's birth date is a guardian's.
    pub guardian_years: i64,
    /// Points from which two records are offered as possibly one person.
    pub candidate_points: u32,
    /// Points by [`Ground`].
    pub points: BTreeMap<Ground, u32>,
    /// The lists of names as they are compared.
    #[serde(skip)]
    lists: name::Lists,
}
