//! Performed procedure steps as devices tell them (PS3.4 F.7): for which studies, what was made, how far it is.
//!
//! What a device says of a step becomes the step's full state here; what that means for a stored study is not decided
//! here; see [`crate::evidence::performed`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use storage_config::Uid;

use super::{StatementError, invalid, text};

/// Studies of one step at most.
pub const STEP_STUDIES_MAX: usize = 64;
/// Series of one step at most.
pub const STEP_SERIES_MAX: usize = 1_000;
/// Instances that one step names at most, pictures and documents together.
pub const STEP_INSTANCES_MAX: usize = 50_000;
/// Characters of a text of a step at most.
pub const STEP_CHARS_MAX: usize = 64;
/// Characters of the name of a source at most.
const SOURCE_CHARS_MAX: usize = 255;

/// Performed Procedure Step Status (0040,0252).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// The device is at it.
    #[default]
    InProgress,
    /// The device made all of it.
    Completed,
    /// The device stopped before the end.
    Discontinued,
}

/// A performed procedure step; the subject is its SOP Instance UID.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PerformedStep {
    /// Internal number of the facility whose device tells it; 0: not told.
    pub facility: u32,
    /// Who told it: `dimse:AE@ADDRESS`.
    pub source: String,
    /// How far it is.
    pub status: StepStatus,
    /// Why it was stopped: Code Meaning of Performed Procedure Step Discontinuation Reason Code Sequence (0040,0281).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub discontinued: String,
    /// Performed Station AE Title (0040,0241).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub station: String,
    /// Performed Procedure Step ID (0040,0253).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub step: String,
    /// Modality (0008,0060).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub modality: String,
    /// Performed Procedure Step Start Date and Time (0040,0244), (0040,0245), as told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub started: String,
    /// Performed Procedure Step End Date and Time (0040,0250), (0040,0251), as told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ended: String,
    /// For which studies: the items of Scheduled Step Attributes Sequence (0040,0270).
    pub scheduled: Vec<ScheduledFor>,
    /// What was made: the items of Performed Series Sequence (0040,0340).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<PerformedSeries>,
}

/// For what a step was scheduled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledFor {
    /// Study Instance UID (0020,000D).
    pub study: Uid,
    /// Accession Number (0008,0050), by which an order of the facility is the one of this step.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub accession: String,
}

/// A series that a step made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerformedSeries {
    /// Series Instance UID (0020,000E).
    pub series: Uid,
    /// Referenced Image Sequence (0008,1140): SOP Instance UIDs of its pictures, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Uid>,
    /// Referenced Non-Image Composite SOP Instance Sequence (0040,0220): those of its documents, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Uid>,
}

impl PerformedStep {
    /// The studies that it names.
    pub fn studies(&self) -> BTreeSet<&Uid> {
        self.scheduled.iter().map(|scheduled| &scheduled.study).collect()
    }

    /// How many pictures it names.
    #[must_use]
    pub fn images(&self) -> usize {
        self.series.iter().map(|series| series.images.len()).sum()
    }

    pub(super) fn check(&self) -> Result<(), StatementError> {
        text("source", &self.source, 1, SOURCE_CHARS_MAX)?;
        for (field, value) in [
            ("discontinued", &self.discontinued),
            ("station", &self.station),
            ("step", &self.step),
            ("modality", &self.modality),
            ("started", &self.started),
            ("ended", &self.ended),
        ] {
            text(field, value, 0, STEP_CHARS_MAX)?;
        }
        if self.scheduled.is_empty() || self.scheduled.len() > STEP_STUDIES_MAX {
            return Err(invalid("scheduled", format!("1 to {STEP_STUDIES_MAX} studies")));
        }
        for scheduled in &self.scheduled {
            text("accession", &scheduled.accession, 0, STEP_CHARS_MAX)?;
        }
        if self.series.len() > STEP_SERIES_MAX {
            return Err(invalid("series", format!("more than {STEP_SERIES_MAX}")));
        }
        let named: usize = self.series.iter().map(|it| it.images.len() + it.documents.len()).sum();
        if named > STEP_INSTANCES_MAX {
            return Err(invalid("series", format!("name more than {STEP_INSTANCES_MAX} instances")));
        }
        Ok(())
    }
}
