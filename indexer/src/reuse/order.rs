//! What is ordered: the question that the decision answers.

use serde::{Deserialize, Serialize};

use super::day::Moment;
use super::exam::ExamAxes;

/// One ordered exam.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrderedExam {
    /// The technique, `18.149`; its axes come from the built-in table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub technique: Option<String>,
    /// Other codes of it (service code, shared code), by which validity windows are found too. A service code says
    /// the technique where `technique` is absent, and contrast by its price group where the technique leaves it open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// Axes that the order itself states; they stand over those of the technique.
    pub axes: ExamAxes,
}

/// Why an exam is ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To find out what is the matter; also where nothing is said.
    #[default]
    Diagnosis,
    /// To screen somebody without complaints.
    Screening,
    /// To see how a known finding develops.
    FollowUp,
    /// To control the result of a procedure.
    PostProcedureControl,
    /// To guide a procedure while it goes on.
    IntraOperative,
    /// Something else.
    Other,
}

/// How urgent an order is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// In the usual course; also where nothing is said.
    #[default]
    Routine,
    /// Urgent.
    Urgent,
    /// An emergency; treated as urgent.
    Emergency,
}

impl Urgency {
    /// Whether the question about the clinical state belongs to the order.
    #[must_use]
    pub fn is_urgent(self) -> bool {
        self != Urgency::Routine
    }
}

/// An order, with its exams in the order in which they stand in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Order {
    /// What the order is called where it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The ordered exams; a prior has to cover all of them.
    pub exams: Vec<OrderedExam>,
    /// Why.
    pub purpose: Purpose,
    /// How urgent.
    pub urgency: Urgency,
    /// The answer to the question whether the clinical state has changed since the prior; absent: not asked yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clinical_state_changed: Option<bool>,
    /// The facility that orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordering_facility: Option<String>,
    /// When it was ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Moment>,
    /// The identity group of the patient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient_group: Option<String>,
    /// The archives that were asked for priors, and whether they answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub archives: Vec<Archive>,
}

/// An archive that was asked for priors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Its name.
    pub name: String,
    /// Whether it has answered.
    pub answered: bool,
}
