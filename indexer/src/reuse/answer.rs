//! The answer: verdicts, checks, and reason codes with their values. Sentences are made elsewhere (`words`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::day::{Date, Moment};
use super::order::{Archive, Purpose};

/// Whether a prior can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It cannot.
    NotUsable,
    /// The question does not arise for this order; the prior is listed for comparison.
    NotApplicable,
    /// A doctor has to look at the reasons.
    Review,
    /// It meets the conditions.
    Usable,
}

/// What a line does to the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing.
    Shown,
    /// At best `review`.
    Review,
    /// `not_usable`.
    NotUsable,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not met.
    Fail,
    /// Not known.
    Unknown,
    /// Met.
    Pass,
}

/// The checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// The right person.
    Identity,
    /// The ordered exam.
    Coverage,
    /// Whole, original, decodable, not withdrawn.
    Integrity,
    /// All pictures.
    Completeness,
    /// A signed report.
    Report,
    /// Technical floor and readers' marks.
    QualityFloor,
    /// Recent enough.
    Age,
    /// Made within a licence.
    Licence,
    /// The patient's state as answered by the orderer; only where it was asked.
    ClinicalState,
}

/// A value of a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole number.
    Number(i64),
    /// Another number.
    Decimal(f64),
    /// Words.
    Text(String),
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Value {
        Value::Number(i64::from(number))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Value::Decimal(number)
    }
}

/// A line of evidence: what was found, and what it means for the check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What was found.
    pub reason: Reason,
    /// What it means for the check.
    pub outcome: Outcome,
    /// What it does to the verdict.
    pub effect: Effect,
    /// The values of the sentence.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, Value>,
    /// The study it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub study: Option<String>,
    /// When the evidence was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// By which version of which rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// A check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Which.
    pub name: CheckName,
    /// How it came out: the worst of its lines.
    pub outcome: Outcome,
    /// What it does to the verdict.
    pub effect: Effect,
    /// The evidence, worst first.
    pub lines: Vec<Line>,
    /// The time of the oldest evidence it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// The version of the policy it was made by.
    pub rule: String,
}

/// A reason in short: its check and what it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShortReason {
    /// The check.
    pub check: CheckName,
    /// What was found.
    pub reason: Reason,
    /// What it does to the verdict.
    pub effect: Effect,
    /// The values of the sentence.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, Value>,
}

/// A listed prior: the studies of one visit that answer the order together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Study Instance UIDs, in the order of performance.
    pub studies: Vec<String>,
    /// The facility that performed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether it is the ordered exam and nothing beside it.
    pub exact: bool,
    /// Whether the identity is confirmed.
    pub confirmed: bool,
    /// Whether pictures may be shown.
    pub pictures: bool,
    /// Whether the report may be shown.
    pub report: bool,
    /// The day of performance, at the policy's offset; absent where the clock is not believable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub performed: Option<Date>,
    /// How many calendar days ago that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_ago: Option<i64>,
    /// What is not met or not known, worst first.
    pub reasons: Vec<ShortReason>,
    /// The checks, in a fixed order.
    pub checks: Vec<Check>,
    /// Studies of the same visit and family of exams that are not needed for the order or would lower the verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same_visit: Vec<String>,
}

/// A study of another modality or region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherExam {
    /// Study Instance UID.
    pub study: String,
    /// The facility that performed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
    /// Day of performance, where the clock is believable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub performed: Option<Date>,
    /// Whether its pictures may be shown: not before the identity is confirmed, not when it is withdrawn.
    pub pictures: bool,
}

/// A question that has to be asked before a verdict is shown in green.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Has the clinical state changed since the prior?
    ClinicalStateChanged,
}

/// Why the decision does not apply to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNotApplicable {
    /// By its purpose.
    Purpose(Purpose),
    /// By a technique, modality or kind that is always dynamic, or a technique that is a procedure.
    AlwaysDynamic(String),
}

/// The answer to an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The order it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// The verdict of the first prior; absent: found nothing.
    pub verdict: Option<Verdict>,
    /// Whether nothing was found. It does not say that there is nothing.
    pub found_nothing: bool,
    /// Why the decision does not apply, where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_applicable: Option<WhyNotApplicable>,
    /// What the page must ask, as long as the order does not answer it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub must_ask: Option<Question>,
    /// Priors, best first.
    pub priors: Vec<Listed>,
    /// Other exams of the patient, newest first.
    pub other_exams: Vec<OtherExam>,
    /// The archives that were asked.
    pub archives: Vec<Archive>,
    /// The day for which it holds.
    pub today: Date,
    /// The version of the policy in force that day.
    pub policy: String,
}

/// What was found, as a code. `words` has a sentence for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each variant has its sentence in `words`")]
pub enum Reason {
    // Withdrawal; first, because it is named first.
    WithdrawnForSafety,
    Withdrawn,
    // Identity.
    IdentityCollision,
    IdentityCandidate,
    IdentityHospitalNumber,
    IdentityPersonalNumber,
    IdentityConfirmed,
    // Coverage.
    ModalityDiffers,
    RegionNotCovered,
    SideDiffers,
    KindDiffers,
    ViewMissing,
    ContrastMissing,
    UnenhancedMissing,
    RouteDiffers,
    OrderNotUnderstood,
    ExamUnknown,
    RegionUnknown,
    BodyPartNotOrdered,
    SideNotOrdered,
    SideNotEvidenced,
    ViewNotOrdered,
    ViewNotEvidenced,
    KindNotEvidenced,
    ContrastNotOrdered,
    ContrastNotEvidenced,
    RouteNotEvidenced,
    AxesNotEvidenced,
    ImagesContradictCode,
    UnenhancedSeriesCounts,
    CoveredExactly,
    CoveredByWider,
    DetectorRows,
    FieldStrength,
    // Integrity.
    HashMismatch,
    NoOriginalSeries,
    FramesDoNotDecode,
    LossyBeyondLimit,
    NoSeries,
    NotVerified,
    ChangedSinceVerification,
    OriginalityUnknown,
    DecodingNotExamined,
    LossyNotExamined,
    LossyRatioNotTold,
    LossyNoLimit,
    Verified,
    OriginalSeries,
    FramesDecode,
    SampledFramesDecode,
    NotLossy,
    LossyWithinLimit,
    // Completeness.
    ReceivedBelowHalf,
    ReceivedFewer,
    SliceGaps,
    UndecodableFrames,
    PromisedViewMissing,
    ReceivedNotCounted,
    StepsNotExamined,
    StepInProgress,
    StepDiscontinued,
    StepSeriesUnplaced,
    ExpectedNotTold,
    GapsNotExamined,
    PromisedViewNotEvidenced,
    DuplicatePositions,
    ReceivedAll,
    NoGaps,
    // Report.
    ReportCancelled,
    ReportDraft,
    ReportUnsigned,
    ReportReaderMissing,
    ReportNone,
    ReportHidden,
    ReportStatusNotTold,
    ReportSignatureNotTold,
    ReportSignatureNotVerified,
    ReportSignedVerified,
    ReportSignedDeclared,
    // Quality.
    MarkedNonDiagnostic,
    MarkedLimited,
    BelowFloor,
    FloorValueNotTold,
    NoFloor,
    MarkedAdequate,
    FloorMet,
    // Age.
    TooOld,
    ClockNotBelievableWindowInForce,
    ClockNotBelievable,
    NoWindowAndOld,
    NoWindow,
    InsideWindow,
    // Licence.
    NotLicensed,
    LicenceUnknown,
    Licensed,
    // Clinical state.
    ClinicalStateHasChanged,
    ClinicalStateNotAsked,
    ClinicalStateUnchanged,
}
