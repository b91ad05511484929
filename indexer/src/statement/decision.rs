//! What a doctor decided about an order: to reuse a stored exam or to repeat it, and what was seen for that.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage_config::{ContentHash, Uid};

use super::{OrderStatus, StatementError, invalid, text};
use crate::query::GroupKey;
use crate::reuse::{Date, Verdict};

/// Studies of one decision at most.
pub const DECIDED_STUDIES_MAX: usize = 100;
/// Characters of what was seen at most, as JSON.
const SEEN_CHARS_MAX: usize = 1 << 20;
/// Characters of a name or number at most.
const NAME_CHARS_MAX: usize = 200;
/// Characters of a free text at most.
const TEXT_CHARS_MAX: usize = 4000;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReuseChoice {
    /// The stored exam stands in for the ordered one.
    Reuse,
    /// The same, and a second reader reads it.
    ReuseWithSecondReading,
    /// The exam is made again.
    Repeat,
}

impl ReuseChoice {
    /// Whether the stored exam stands in for the ordered one.
    #[must_use]
    pub fn reuses(self) -> bool {
        self != ReuseChoice::Repeat
    }
}

/// Why an exam is repeated, or reused against the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionReason {
    /// The patient's state is another one.
    ClinicalChange,
    /// The prior is too old for the question.
    TooOld,
    /// Its pictures are not good enough.
    PoorQuality,
    /// The question needs another technique.
    OtherTechniqueNeeded,
    /// The exam controls an intervention that came after the prior.
    FollowUpAfterIntervention,
    /// There is no time to look.
    Emergency,
    /// The reader's conclusion is doubted.
    DisagreementWithReading,
    /// The pictures could not be seen.
    NotAccessible,
    /// It is doubted that the prior is of this person.
    DoubtAboutPerson,
    /// As the text says.
    Other,
}

impl DecisionReason {
    /// All reasons.
    pub const ALL: [DecisionReason; 10] = [
        DecisionReason::ClinicalChange,
        DecisionReason::TooOld,
        DecisionReason::PoorQuality,
        DecisionReason::OtherTechniqueNeeded,
        DecisionReason::FollowUpAfterIntervention,
        DecisionReason::Emergency,
        DecisionReason::DisagreementWithReading,
        DecisionReason::NotAccessible,
        DecisionReason::DoubtAboutPerson,
        DecisionReason::Other,
    ];

    /// Its name in records and requests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DecisionReason::ClinicalChange => "clinical_change",
            DecisionReason::TooOld => "too_old",
            DecisionReason::PoorQuality => "poor_quality",
            DecisionReason::OtherTechniqueNeeded => "other_technique_needed",
            DecisionReason::FollowUpAfterIntervention => "follow_up_after_intervention",
            DecisionReason::Emergency => "emergency",
            DecisionReason::DisagreementWithReading => "disagreement_with_reading",
            DecisionReason::NotAccessible => "not_accessible",
            DecisionReason::DoubtAboutPerson => "doubt_about_person",
            DecisionReason::Other => "other",
        }
    }

    /// The reason of a name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<DecisionReason> {
        DecisionReason::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// A version of a report that a decision relied on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRelied {
    /// The subject of the report.
    pub report: String,
    /// The version that was seen.
    pub version: u64,
}

/// An object of a study that was its report when somebody decided: a structured report or an encapsulated PDF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentRelied {
    /// The study in which it stands.
    pub study: Uid,
    /// SOP Instance UID.
    pub sop_instance: Uid,
    /// The digest of the version that was served.
    pub digest: ContentHash,
}

/// What the archive answered when it was decided, frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The verdict of the prior that was decided on, or of the whole answer; none: nothing was found.
    pub verdict: Option<Verdict>,
    /// The verdict of the whole answer, which is that of its best prior: whoever repeats has that to reckon with, however
    /// bad another prior is. Absent where nothing was found, or in a decision that kept none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Verdict>,
    /// The day of the answer.
    pub today: Date,
    /// The version of the order that was seen.
    pub order_version: u64,
    /// Names the answer: equal answers have equal ones.
    pub answer: String,
    /// Versions of policy and rules, the prior with its checks, and the versions of its studies, as answered.
    pub evidence: Value,
}

/// A decision; the subject is a name of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The order that it is about.
    pub order: String,
    /// Internal number of the facility that ordered; none: not told.
    #[serde(default)]
    pub facility: Option<u32>,
    /// What was decided.
    pub choice: ReuseChoice,
    /// Whether it was taken back.
    pub withdrawn: bool,
    /// Whether the order was already closed by its source, so that the decision does not close it.
    pub order_before: OrderStatus,
    /// The studies of the visit that were decided on: those that stand in, or those that were not good enough.
    pub studies: Vec<Uid>,
    /// Why, where the decision does not follow from the verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<DecisionReason>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What was seen.
    pub seen: Seen,
    /// Reports that were relied on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<ReportRelied>,
    /// Structured reports and encapsulated PDFs of the studies that were relied on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<DocumentRelied>,
    /// Keys of the patients of the studies, and of the order's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patients: Vec<GroupKey>,
}

impl Decision {
    /// The verdict that the choice is judged by: of the prior that is reused, of the best one where the exam is repeated.
    #[must_use]
    pub fn judged_by(&self) -> Option<Verdict> {
        if self.choice.reuses() { self.seen.verdict } else { self.seen.best.or(self.seen.verdict) }
    }

    /// Whether the stored exam stands in for the ordered one, as far as nobody took that back.
    #[must_use]
    pub fn reuses(&self) -> bool {
        self.choice.reuses() && !self.withdrawn
    }

    /// Checks what can be seen from the decision alone.
    pub(super) fn check(&self) -> Result<(), StatementError> {
        text("order", &self.order, 1, NAME_CHARS_MAX)?;
        if self.studies.len() > DECIDED_STUDIES_MAX {
            return Err(invalid("studies", format!("more than {DECIDED_STUDIES_MAX}")));
        }
        if self.choice.reuses() && self.studies.is_empty() {
            return Err(invalid("studies", "is missing: what is reused"));
        }
        if self.reasons.contains(&DecisionReason::Other) && self.text.trim().is_empty() {
            return Err(invalid("text", "the reason other needs a text"));
        }
        text("text", &self.text, 0, TEXT_CHARS_MAX)?;
        if self.seen.evidence.to_string().len() > SEEN_CHARS_MAX {
            return Err(invalid("seen", format!("more than {SEEN_CHARS_MAX} characters")));
        }
        // By a verdict that leaves the choice open, whoever repeats or reuses says why.
        let open = match self.judged_by() {
            Some(Verdict::Usable) => !self.choice.reuses(),
            Some(Verdict::Review) => true,
            Some(Verdict::NotUsable | Verdict::NotApplicable) => self.choice.reuses(),
            None => false,
        };
        if open && self.reasons.is_empty() {
            let names = DecisionReason::ALL.map(DecisionReason::name).join(", ");
            return Err(invalid("reasons", format!("are missing: one or more of {names}")));
        }
        Ok(())
    }
}
