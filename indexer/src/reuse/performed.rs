//! What devices say they made of a study, beside what is here of it: evidence on completeness.
//!
//! May not know what it does to a verdict.

use serde::{Deserialize, Serialize};

use super::prior::Stamp;

/// What the performed procedure steps of a study say (PS3.4 F.7).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StepFacts {
    /// Pictures that completed steps name as made for this study; 0: they name none.
    pub expected_images: u32,
    /// How many of these very pictures are here.
    pub received_images: u32,
    /// SOP Instance UIDs of some that are not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Some of the series of which pictures are not here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub short_series: Vec<ShortSeries>,
    /// Documents that completed steps name and that are not here: shown, they take no picture's place.
    pub missing_documents: u32,
    /// Series that a completed step for several studies made and nothing of which is here: of which of them is not told.
    pub unplaced_series: u32,
    /// Steps that are under way.
    pub in_progress: u32,
    /// Steps that were stopped before their end.
    pub discontinued: u32,
    /// Why the last of them was, in the words of the device.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub discontinued_why: String,
    /// Whether devices said something that was not compared with what is here.
    pub outdated: bool,
    /// When it was compared.
    pub stamp: Stamp,
}

/// A series of which a device made more than came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShortSeries {
    /// Series Instance UID.
    pub series: String,
    /// Pictures that were made.
    pub expected: u32,
    /// How many of them are here.
    pub received: u32,
}

impl StepFacts {
    /// Whether it is told exactly how many pictures there should be.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.expected_images > 0 && !self.outdated
    }
}
