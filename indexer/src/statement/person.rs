//! What people state of patients: who is one person, who only seems to be, and which numbers are theirs.

use serde::{Deserialize, Serialize};
use storage_config::Uid;

use super::order::{IDENTIFIERS_MAX, OrderedIdentifier};
use super::{StatementError, invalid, text};
use crate::query::GroupKey;

/// Characters of the name of a document at most.
const DOCUMENT_CHARS_MAX: usize = 200;

/// Whether two patients are one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientLink {
    /// The lesser key.
    pub a: GroupKey,
    /// The greater key.
    pub b: GroupKey,
    /// Whether they are one person; if not, they are never offered as one again.
    pub linked: bool,
    /// The document that was seen; empty where none was named.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub document: String,
}

impl PatientLink {
    /// A link, or none, between two patients in any order.
    #[must_use]
    pub fn between(one: GroupKey, other: GroupKey, linked: bool) -> PatientLink {
        PatientLink { a: one.min(other), b: one.max(other), linked, document: String::new() }
    }

    /// The key of the subject.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}-{}", self.a, self.b)
    }

    pub(super) fn check(&self, key: &str) -> Result<bool, StatementError> {
        if self.a >= self.b {
            return Err(invalid("b", "the same patient, or the two not in order"));
        }
        text("document", &self.document, 0, DOCUMENT_CHARS_MAX)?;
        Ok(key == self.key())
    }
}

/// What a collision was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Not found out yet: a person doubts.
    Open,
    /// One person; what differs was a mistake.
    OnePerson,
    /// Two persons: they are never taken for one again.
    DifferentPersons,
}

/// What is known of two sayings that should be of one person and may not be; the subject is [`Collision::key`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collision {
    /// The lesser key.
    pub a: GroupKey,
    /// The greater key.
    pub b: GroupKey,
    /// What it was found to be.
    pub finding: Finding,
    /// The study whose person somebody doubts: it stands alone until it is found to be of the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub study: Option<Uid>,
    /// The document that was seen; empty where none was named.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub document: String,
}

impl Collision {
    /// A collision between two in any order.
    #[must_use]
    pub fn between(one: GroupKey, other: GroupKey, finding: Finding) -> Collision {
        Collision { a: one.min(other), b: one.max(other), finding, study: None, document: String::new() }
    }

    /// The key of the subject.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}-{}", self.a, self.b)
    }

    pub(super) fn check(&self, key: &str) -> Result<bool, StatementError> {
        if self.a >= self.b {
            return Err(invalid("b", "the same person, or the two not in order"));
        }
        text("document", &self.document, 0, DOCUMENT_CHARS_MAX)?;
        Ok(key == self.key())
    }
}

/// Numbers of a patient that a person evidences; the subject is the patient's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientNumbers {
    /// All of them.
    pub identifiers: Vec<OrderedIdentifier>,
    /// The document that was seen; empty where none was named.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub document: String,
}

impl PatientNumbers {
    pub(super) fn check(&self, key: &str) -> Result<bool, StatementError> {
        if self.identifiers.len() > IDENTIFIERS_MAX {
            return Err(invalid("identifiers", format!("more than {IDENTIFIERS_MAX}")));
        }
        for identifier in &self.identifiers {
            text("identifiers.value", &identifier.value, 1, DOCUMENT_CHARS_MAX)?;
        }
        text("document", &self.document, 0, DOCUMENT_CHARS_MAX)?;
        Ok(key.parse::<GroupKey>().is_ok())
    }
}
