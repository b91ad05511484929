//! Statements about national codes: what a person chose for a study, and choices that hold for a facility.

use serde::{Deserialize, Serialize};
use storage_config::ContentHash;

use super::{StatementError, invalid, text};

/// Techniques that one choice names at most.
const TECHNIQUES_MAX: usize = 16;
/// Characters of a code at most.
const CODE_CHARS_MAX: usize = 32;
/// Characters of a text that a rule goes by at most.
const BASIS_CHARS_MAX: usize = 2048;

/// What a person says a study is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The techniques that the choice names.
    Assigned,
    /// An examination of another chapter of the national list.
    NotRadiology,
    /// No examination of a patient.
    NoExamination,
    /// Whatever the mapper says: an earlier choice is taken back.
    Mapper,
}

/// The codes of a study, as a person chose them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudyCode {
    /// What it is.
    pub verdict: Verdict,
    /// The techniques, `18.K`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub techniques: Vec<String>,
    /// The service code, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

impl StudyCode {
    pub(super) fn check(&self) -> Result<(), StatementError> {
        check_techniques(&self.techniques)?;
        if (self.verdict == Verdict::Assigned) == self.techniques.is_empty() {
            return Err(invalid("techniques", "are named where, and only where, some are assigned"));
        }
        match &self.service {
            Some(_) if self.techniques.is_empty() => {
                Err(invalid("service_code", "needs the technique that it is of"))
            }
            Some(service) => text("service_code", service, 1, CODE_CHARS_MAX),
            None => Ok(()),
        }
    }
}

/// A choice that holds for a facility: studies of that modality with this text, or this code in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRule {
    /// Internal number of the facility.
    pub facility: u32,
    /// Modality.
    pub modality: String,
    /// A code of the order, or empty.
    pub code: String,
    /// Folded text of order and study, or empty; one of both is there.
    pub text: String,
    /// The techniques; none: the rule is taken back.
    pub techniques: Vec<String>,
}

impl CodeRule {
    /// The key of the subject.
    #[must_use]
    pub fn key(&self) -> String {
        let basis = ContentHash::of(format!("{}\0{}", self.code, self.text).as_bytes());
        format!("{}/{}/{basis}", self.facility, self.modality)
    }

    pub(super) fn check(&self) -> Result<(), StatementError> {
        check_techniques(&self.techniques)?;
        text("modality", &self.modality, 1, CODE_CHARS_MAX)?;
        text("code", &self.code, 0, CODE_CHARS_MAX * 2)?;
        text("text", &self.text, 0, BASIS_CHARS_MAX)?;
        if self.code.is_empty() && self.text.is_empty() {
            return Err(invalid("rule", "needs a text or a code to go by"));
        }
        Ok(())
    }
}

fn check_techniques(techniques: &[String]) -> Result<(), StatementError> {
    if techniques.len() > TECHNIQUES_MAX {
        return Err(invalid("techniques", format!("at most {TECHNIQUES_MAX}")));
    }
    for technique in techniques {
        text("techniques", technique, 1, CODE_CHARS_MAX)?;
        if technique.contains('|') {
            return Err(invalid("techniques", "is no code"));
        }
    }
    Ok(())
}
