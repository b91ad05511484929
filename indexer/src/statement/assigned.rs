//! Codes that studies got, as the archive itself states them: so that a study keeps code and list version when the index
//! is made again under other lists.
//!
//! Several studies share one statement, which is never stated again: of one study the entry with the greatest round counts.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use storage_config::{ContentHash, Uid};

use super::{StatementError, invalid, text};
use crate::codes::Outcome;
use crate::codes::coded::{NamedCode, Source, StudyCoding};
use crate::codes::kept::Looked;

/// Studies of one statement at most.
pub const ASSIGNED_STUDIES_MAX: usize = 64;
/// Codes of one study at most.
const CODES_MAX: usize = 64;
/// Characters of a name at most; longer ones are cut.
const NAME_CHARS_MAX: usize = 500;

/// The codes of some studies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodesAssigned {
    /// One entry for each study.
    pub studies: Vec<AssignedCodes>,
}

/// The codes that one study got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedCodes {
    /// Study Instance UID.
    pub study: Uid,
    /// How often codes of this study were stated, this one included.
    pub round: u32,
    /// By what it got them.
    pub source: Source,
    /// Who chose, where a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen_by: Option<String>,
    /// When, in milliseconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen_ms: Option<i64>,
    /// The techniques.
    pub techniques: Vec<String>,
    /// The service code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// How sure it was, in thousandths.
    pub confidence: u16,
    /// With or without contrast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contrast: Option<bool>,
    /// `L`, `R` or `B`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub laterality: Option<String>,
    /// All codes, with the versions of their lists.
    pub codes: Vec<NamedCode>,
    /// The examination in words.
    pub name: String,
    /// The version of rules and lists by which it got them.
    pub version: String,
    /// Names what of the study and its order there was ([`Looked::came`]).
    pub came: String,
}

impl AssignedCodes {
    /// What is stated of a coding; none where no codes are assigned.
    #[must_use]
    pub fn of(study: &Uid, round: u32, coding: &StudyCoding) -> Option<AssignedCodes> {
        if coding.outcome != Outcome::Assigned {
            return None;
        }
        let cut = |text: &String| text.chars().take(NAME_CHARS_MAX).collect::<String>();
        let named = |code: &NamedCode| NamedCode { meaning: cut(&code.meaning), ..code.clone() };
        Some(AssignedCodes {
            study: study.clone(),
            round,
            source: coding.source,
            chosen_by: coding.chosen_by.as_ref().map(cut),
            chosen_ms: coding.chosen_ms,
            techniques: coding.techniques.clone(),
            service: coding.service.clone(),
            confidence: (coding.confidence.clamp(0.0, 1.0) * 1000.0).round() as u16,
            contrast: coding.contrast,
            laterality: coding.laterality.clone(),
            codes: coding.codes.iter().take(CODES_MAX).map(named).collect(),
            name: cut(&coding.name),
            version: coding.version.clone(),
            came: coding.looked.as_ref().map(|looked| looked.came.clone()).unwrap_or_default(),
        })
    }

    /// Names what has to be stated again when it changes: codes, versions, by what, and what of the study there was.
    #[must_use]
    pub fn core(&self) -> String {
        let all = (&self.source, &self.techniques, &self.service, &self.codes, &self.version, &self.came);
        let text = serde_json::to_vec(&all).unwrap_or_default();
        ContentHash::of(&text).to_string().chars().take(32).collect()
    }

    /// The coding that it was, as far as it is stated.
    #[must_use]
    pub fn coding(self) -> StudyCoding {
        StudyCoding {
            outcome: Outcome::Assigned,
            source: self.source,
            chosen_by: self.chosen_by,
            chosen_ms: self.chosen_ms,
            techniques: self.techniques,
            service_candidates: self.service.iter().cloned().collect(),
            service: self.service,
            confidence: f64::from(self.confidence) / 1000.0,
            candidates: Vec::new(),
            contrast: self.contrast,
            laterality: self.laterality,
            machine_assumed: false,
            why: Vec::new(),
            codes: self.codes,
            name: self.name,
            version: self.version,
            looked: Some(Looked { generation: 0, facts: String::new(), came: self.came }),
            proposed: None,
        }
    }

    fn check(&self) -> Result<(), StatementError> {
        if self.techniques.is_empty() || self.techniques.len() > CODES_MAX || self.codes.len() > CODES_MAX {
            return Err(invalid("techniques", format!("1 to {CODES_MAX}")));
        }
        text("name", &self.name, 0, NAME_CHARS_MAX)?;
        self.codes.iter().try_for_each(|code| text("codes.meaning", &code.meaning, 0, NAME_CHARS_MAX))
    }
}

impl CodesAssigned {
    /// The key of the subject: what is stated, so that the same is not stated twice.
    #[must_use]
    pub fn key(&self) -> String {
        let all: Vec<_> = self.studies.iter().map(|one| (&one.study, one.round, one.core())).collect();
        let text = serde_json::to_vec(&all).unwrap_or_default();
        ContentHash::of(&text).to_string().chars().take(32).collect()
    }

    pub(super) fn check(&self) -> Result<(), StatementError> {
        if self.studies.is_empty() || self.studies.len() > ASSIGNED_STUDIES_MAX {
            return Err(invalid("studies", format!("1 to {ASSIGNED_STUDIES_MAX}")));
        }
        let different: BTreeSet<&Uid> = self.studies.iter().map(|one| &one.study).collect();
        if different.len() != self.studies.len() {
            return Err(invalid("studies", "name a study twice"));
        }
        self.studies.iter().try_for_each(AssignedCodes::check)
    }
}
