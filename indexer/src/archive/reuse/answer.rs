//! The answer to an order as it is given out: the decision, and the versions of what was seen for it.

use serde::{Deserialize, Serialize};
use storage_config::ContentHash;

use crate::reuse::prior::IdentityStatus;
use crate::reuse::{Answer, Moment};

/// The answer of the reuse check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReuseAnswer {
    /// The order that was asked about.
    pub order: OrderSeen,
    /// When it was asked.
    pub checked_at: Moment,
    /// Version of the rules by which evidence is gathered; those of the decision are `decision.policy`.
    pub evidence_rule: String,
    /// The decision: verdict, priors with their checks, other exams, archives that were asked.
    pub decision: Answer,
    /// What was seen of each study that the decision names, in no order of preference.
    pub studies: Vec<StudySeen>,
}

/// An order as it was asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSeen {
    /// Its name; absent for one that is not kept here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The version that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The key of the person as the order describes it; absent for one that is not kept here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
}

/// What was seen of a study: everything of which another version may come later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudySeen {
    /// Study Instance UID.
    pub study: String,
    /// The key of its patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// The patient's standing to the person of the order.
    pub identity: IdentityStatus,
    /// Code of the facility from which it came first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
    /// The exam in words, as the catalogue writes it, else as the header describes it; empty while the identity is
    /// not confirmed.
    pub exam: String,
    /// Its national codes; none while the identity is not confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// Version of lists and rules by which it has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codes_version: Option<String>,
    /// Its generation: it rises whenever something visible of it changes, within one life of the index.
    pub generation: u64,
    /// When the evidence on its pictures was gathered; absent while that is still to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examined_at: Option<Moment>,
    /// The oldest verification of its series by hash that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Moment>,
    /// Its reports, newest versions; none while the identity is not confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<SubjectSeen>,
    /// Structured reports and encapsulated PDFs that stand in it; none while the identity is not confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<DocumentSeen>,
    /// Reports of facilities that neither have the study nor ordered it: they do not count as its report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub second_opinions: Vec<SubjectSeen>,
    /// Readers' marks of its quality: subject and version of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<SubjectSeen>,
    /// Withdrawals in force: subject and version of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawals: Vec<SubjectSeen>,
}

/// A subject of statements and the version of it that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectSeen {
    /// The subject.
    pub id: String,
    /// Its version.
    pub version: u64,
}

/// An object of a study that is its report, in the version that is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentSeen {
    /// SOP Instance UID.
    pub sop_instance: String,
    /// Its digest.
    pub digest: ContentHash,
}
