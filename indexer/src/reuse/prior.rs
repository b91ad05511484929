//! What is known about a stored study: evidence that was gathered before, each piece with its time and the version of
//! the rule that made it. This module may not know what a piece of evidence does to a verdict.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::day::Moment;
use super::exam::{ExamAxes, Side};
use super::performed::StepFacts;

/// When a piece of evidence was made, and by which version of which rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stamp {
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// Version of the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// Where the study's person stands to the person of the order. [`crate::identity::relate`] derives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityStatus {
    /// Same issuer and hospital number, without a clash.
    SameHospitalNumber,
    /// Linked by the personal number with agreeing full birth date and sex.
    LinkedAutomatically,
    /// Linked by a person.
    ConfirmedByPerson,
    /// Possibly the same person; nobody has confirmed it.
    Candidate,
    /// A collision is open on the pair.
    Collision,
    /// The pair was unlinked by a person: never offered again.
    Unlinked,
    /// Other evidenced personal number under another hospital number.
    DifferentPerson,
    /// One of the names stands for nobody (unknown person, newborn, test).
    PlaceholderName,
}

/// Evidence on who the study is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityFacts {
    /// The standing.
    pub status: IdentityStatus,
    /// What speaks for it, as words of [`crate::identity::Ground`].
    #[serde(default)]
    pub grounds: Vec<String>,
    /// Evidence of the evidence.
    #[serde(default)]
    pub stamp: Stamp,
}

/// Where a code or an axis was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The order of the study.
    Order,
    /// A coded attribute of the header.
    Header,
    /// A person's choice.
    Person,
    /// Attributes of the images themselves (view position, laterality, contrast agent).
    Image,
    /// Free texts.
    Text,
    /// Derived from other things.
    Derived,
}

/// Where each axis is evidenced, apart from the code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AxisSources {
    /// Regions and body part.
    pub region: BTreeSet<Source>,
    /// Side.
    pub side: BTreeSet<Source>,
    /// Views.
    pub view: BTreeSet<Source>,
    /// Contrast.
    pub contrast: BTreeSet<Source>,
}

/// One exam that the study is said to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorExam {
    /// Its technique, `18.149`; absent where only axes are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technique: Option<String>,
    /// Other codes of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// Where the code, or the axes as a whole, come from.
    pub source: Source,
    /// Axes beyond what the technique says; they stand over it.
    #[serde(default)]
    pub axes: ExamAxes,
    /// Where each axis is evidenced apart from the code.
    #[serde(default)]
    pub evidenced: AxisSources,
    /// When and by which rule.
    #[serde(default)]
    pub stamp: Stamp,
}

/// What a group of images, usually a series, says of itself. Localisers, dose pages and documents are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageFacts {
    /// How many images; frames of a multi-frame image count each. Zero: not told.
    pub images: u32,
    /// Modality (0008,0060), where a study has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modality: Option<String>,
    /// How far its slices reach, first to last, in millimetres; absent: not told, or no slices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extent_mm: Option<u32>,
    /// Regions that this group covers; empty: not told.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub regions: BTreeSet<String>,
    /// The side in the images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// The view in the images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// The kind of acquisition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether contrast medium is in these images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contrast: Option<bool>,
    /// How it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
}

/// When the device performed the study.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerformedFacts {
    /// The device's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// Whether its clock can be believed; absent: nobody compared it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_believable: Option<bool>,
    /// When and by which rule this was found.
    pub stamp: Stamp,
}

/// How many images somebody said there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Images.
    pub images: u32,
    /// Who said it.
    pub source: ExpectedSource,
}

/// Who said how many images there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedSource {
    /// The device's performed procedure step (PS3.4 F.7), as an order passes it on.
    Mpps,
    /// The sender, by a count that it declared.
    Sender,
}

/// Evidence on completeness.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompletenessFacts {
    /// Images received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_images: Option<u32>,
    /// What was expected; the largest counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<Expected>,
    /// What devices told here themselves; where it is exact it stands over what others tell of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<StepFacts>,
    /// Gaps between slices; zero also where there are no slices (projection X-ray); absent: not examined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice_gaps: Option<u32>,
    /// Frames that do not decode; absent: not examined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undecodable_frames: Option<u32>,
    /// Frames that were decoded to find that out; absent: not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried_frames: Option<u32>,
    /// Frames of the study; absent: not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_frames: Option<u32>,
    /// Images at a position that another image has already.
    pub duplicate_positions: u32,
    /// When and by which rule.
    pub stamp: Stamp,
}

/// A comparison of stored bytes with their hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// Whether all hashes agreed.
    pub intact: bool,
    /// The generation of the series it was made at.
    pub generation: u64,
    /// When.
    pub at: Moment,
}

/// Lossy compression that the images went through at any time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lossy {
    /// The ratio, original to compressed; absent: not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

/// Evidence on one series of images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesFacts {
    /// Series Instance UID.
    pub series: String,
    /// Modality (0008,0060).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modality: Option<String>,
    /// Present generation.
    pub generation: u64,
    /// The last verification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// Image Type (0008,0008) with its backslashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_type: Option<String>,
    /// Whether its SOP class is a secondary capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secondary_capture: Option<bool>,
    /// Whether lossy compression was found, by header and transfer syntax; absent: not examined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was_lossy: Option<bool>,
    /// The compression, where it was lossy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lossy: Option<Lossy>,
}

/// Evidence on integrity.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntegrityFacts {
    /// The series of images.
    pub series: Vec<SeriesFacts>,
    /// When and by which rule originality and compression were found.
    pub stamp: Stamp,
}

/// A facility that has the study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holding {
    /// The facility.
    pub facility: String,
    /// Its withdrawal, if it has withdrawn the study.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Withdrawal>,
}

/// A withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// Why, as a word; the policy says which words mean patient safety.
    pub reason: String,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
}

/// Status of a version of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    /// Being written.
    Draft,
    /// Approved.
    Final,
    /// Approved, after a change.
    Amended,
    /// Taken back.
    Cancelled,
}

/// What is known about a signature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// Nothing was said about a signature.
    #[default]
    NotTold,
    /// It has none.
    Unsigned,
    /// The source says that it is signed.
    Declared,
    /// It was verified.
    Verified,
}

/// A version of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportVersion {
    /// The report that this is a version of.
    pub report: String,
    /// Counts up within the report.
    pub version: u32,
    /// Status; absent: not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ReportStatus>,
    /// Who read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
    /// The signature.
    #[serde(default)]
    pub signature: Signature,
    /// When and by which rule.
    #[serde(default)]
    pub stamp: Stamp,
}

/// A reader's judgement of the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Worth nothing for the diagnosis.
    NonDiagnostic,
    /// Of limited use.
    Limited,
    /// Good enough.
    Adequate,
}

/// A mark with its reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QualityMark {
    /// The judgement.
    pub mark: Mark,
    /// The reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
    /// When; the newest mark counts.
    pub at: Moment,
}

/// Evidence on quality.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QualityFacts {
    /// Technical values by name with unit, such as `slice_thickness_mm`.
    pub values: BTreeMap<String, f64>,
    /// Readers' marks.
    pub marks: Vec<QualityMark>,
    /// When and by which rule the values were found.
    pub stamp: Stamp,
}

/// Evidence on the licence of the facility for the technique on the day it was performed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LicenceFacts {
    /// Licensed or not; absent: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licensed: Option<bool>,
    /// When and by which rule.
    pub stamp: Stamp,
}

/// A stored study with all that is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// Study Instance UID.
    pub study: String,
    /// The facility that performed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
    /// The episode (MA_LK) it belongs to at that facility.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub episode: Option<String>,
    /// The identity group of the study's patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient_group: Option<String>,
    /// Who it is of.
    pub identity: IdentityFacts,
    /// Modalities of its images.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub modalities: BTreeSet<String>,
    /// What exams it is said to be.
    #[serde(default)]
    pub exams: Vec<PriorExam>,
    /// What its images say of themselves.
    #[serde(default)]
    pub images: Vec<ImageFacts>,
    /// When it was performed.
    #[serde(default)]
    pub performed: PerformedFacts,
    /// Completeness.
    #[serde(default)]
    pub completeness: CompletenessFacts,
    /// Integrity.
    #[serde(default)]
    pub integrity: IntegrityFacts,
    /// Who holds it. A study that nobody holds is withdrawn.
    pub holdings: Vec<Holding>,
    /// All versions of all its reports; also of a report that speaks about several studies.
    #[serde(default)]
    pub reports: Vec<ReportVersion>,
    /// Quality.
    #[serde(default)]
    pub quality: QualityFacts,
    /// Licence.
    #[serde(default)]
    pub licence: LicenceFacts,
}
