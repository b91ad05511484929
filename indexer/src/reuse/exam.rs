//! What an exam is, axis by axis: the form in which an ordered exam and a stored one are compared.
//!
//! Values of axes are words of the policy's vocabulary (`chest`, `lateral`, `angiography`), because what counts as a
//! region or a view is dated data. This module may not know which word covers which.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A side of a paired organ; not the side of a projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Left.
    Left,
    /// Right.
    Right,
    /// Both sides.
    Both,
}

/// Whether a contrast medium was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contrast {
    /// None was given.
    Without,
    /// One was given; whether an unenhanced part was acquired is not said.
    With,
    /// An unenhanced and an enhanced part belong to the exam.
    WithoutAndWith,
}

/// Values of the policy's lists where no axis says otherwise: an exam without a kind is this one.
pub const PLAIN: &str = "plain";

/// The axes of an exam. What is absent or empty is not told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExamAxes {
    /// `XR`, `CT`, `MR`, `MG`, `XA`, `RF`, `US`, or a DICOM modality that the policy maps to one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modality: Option<String>,
    /// The regions that are imaged, all of them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub regions: BTreeSet<String>,
    /// The body part, where the technique leaves it open (CT of a joint, X-ray at the bedside).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_part: Option<String>,
    /// The side of a paired organ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// Whether the organ is paired; the policy's list is asked where this is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paired: Option<bool>,
    /// The views, all of them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub views: BTreeSet<String>,
    /// `plain`, `angiography`, `perfusion`, ...; plain where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Contrast medium.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contrast: Option<Contrast>,
    /// How the contrast medium is given: `intravenous`, `intra_articular`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Detector rows of a CT; shown, never compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detector_rows: Option<u16>,
    /// Field strength of an MRI in tesla; shown, never compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_strength_tesla: Option<f32>,
}

impl ExamAxes {
    /// These axes where they say something, those of `below` elsewhere.
    #[must_use]
    pub fn over(&self, below: &ExamAxes) -> ExamAxes {
        let set = |own: &BTreeSet<String>, other: &BTreeSet<String>| {
            if own.is_empty() { other.clone() } else { own.clone() }
        };
        ExamAxes {
            modality: self.modality.clone().or_else(|| below.modality.clone()),
            regions: set(&self.regions, &below.regions),
            body_part: self.body_part.clone().or_else(|| below.body_part.clone()),
            side: self.side.or(below.side),
            paired: self.paired.or(below.paired),
            views: set(&self.views, &below.views),
            kind: self.kind.clone().or_else(|| below.kind.clone()),
            contrast: self.contrast.or(below.contrast),
            route: self.route.clone().or_else(|| below.route.clone()),
            detector_rows: self.detector_rows.or(below.detector_rows),
            field_strength_tesla: self.field_strength_tesla.or(below.field_strength_tesla),
        }
    }

    /// The kind, plain where none is told.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or(PLAIN)
    }
}
