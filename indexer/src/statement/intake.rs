//! Pictures that somebody brought from elsewhere for a patient of a facility here: on a disc, a stick, in a file.

use serde::{Deserialize, Serialize};
use storage_config::Uid;

use super::{StatementError, invalid, text};
use crate::query::GroupKey;

/// Studies of one intake at most.
pub const INTAKE_STUDIES_MAX: usize = 1000;
/// Characters of a number, an issuer or a label at most: those of the VR LO (PS3.5 6.2).
const LABEL_CHARS_MAX: usize = 64;

/// What was brought, from where and for whom. It joins nobody: that the pictures are of this patient is what a person
/// says by a link, with the document seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    /// Internal number of the facility where the pictures were made.
    pub origin: u32,
    /// Internal number of the facility whose hospital number the patient has; 0 where facilities are not told apart.
    pub facility: u32,
    /// Issuer of the number, where it is another than the facility; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// The patient's hospital number there.
    pub patient_id: String,
    /// On what the pictures came, as whoever took them in calls it; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Study Instance UIDs of what came, so far.
    pub studies: Vec<Uid>,
}

impl Intake {
    /// The key of the number for which the pictures were brought.
    #[must_use]
    pub fn patient(&self) -> GroupKey {
        let facility = if self.issuer.is_empty() { self.facility } else { 0 };
        GroupKey::of(&self.patient_id, &self.issuer, facility, "")
    }

    pub(super) fn check(&self) -> Result<(), StatementError> {
        text("patient_id", &self.patient_id, 1, LABEL_CHARS_MAX)?;
        text("issuer", &self.issuer, 0, LABEL_CHARS_MAX)?;
        text("label", &self.label, 0, LABEL_CHARS_MAX)?;
        if self.studies.len() > INTAKE_STUDIES_MAX {
            return Err(invalid("studies", format!("more than {INTAKE_STUDIES_MAX}")));
        }
        Ok(())
    }
}
