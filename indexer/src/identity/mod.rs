//! When two records are of one person: derived from identifiers with their evidence, birth date, sex and name.
//!
//! Pure: it knows the rules and the policy's lists, not where records are kept. Statements of people (confirmed,
//! unlinked, a collision opened) stand over what is derived.

mod birth;
mod name;
mod person;
mod relate;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use birth::Birth;
pub use name::{is_placeholder, same_name};
pub use person::{Identifier, IdentifierEvidence, IdentifierKind, PatientIdIs, Person, Sex, Whose};
pub use relate::{Clash, Ground, Relation, Said, relate};

/// The lists and numbers of identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityPolicy {
    /// Whole names that stand for nobody; a number or a word for the sex may follow.
    pub placeholder_names: Vec<String>,
    /// Beginnings of names that stand for nobody.
    pub placeholder_beginnings: Vec<String>,
    /// Words that make any name stand for nobody.
    pub placeholder_words: Vec<String>,
    /// A personal number of somebody born at least so many years before the record's birth date is a guardian's.
    pub guardian_years: i64,
    /// Points from which two records are offered as possibly one person.
    pub candidate_points: u32,
    /// Points by [`Ground`].
    pub points: BTreeMap<Ground, u32>,
}
