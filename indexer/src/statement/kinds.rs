//! The kinds of statements: what each says, as the full new state of its subject.
//!
//! A new kind is a variant of [`State`] and of [`Kind`] here, an apply function and a table in `db/statement`.

use serde::{Deserialize, Serialize};
use storage_config::{ContentHash, Uid};

use super::assigned::CodesAssigned;
use super::codes::{CodeRule, StudyCode};
use super::intake::Intake;
use super::performed::PerformedStep;
use super::person::{Collision, PatientLink, PatientNumbers};
use super::quality::QualityMark;
use super::{Decision, Delivery, LedgerEntry, Order, Report, StatementError, invalid, text};

/// Instances that one withdrawal lists at most.
pub const INSTANCES_MAX: usize = 100_000;
/// Versions of one SOP instance that one choice judges at most.
pub const VERSIONS_MAX: usize = 1000;
/// Codes that one facility has at most.
const CODES_MAX: usize = 64;
/// Characters of a code at most.
const CODE_CHARS_MAX: usize = 64;
/// Characters of a free text at most.
pub(super) const TEXT_CHARS_MAX: usize = 4000;

/// What is stated of a subject: its full new state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "state", rename_all = "snake_case")]
pub enum State {
    /// The codes of a facility; the subject is its internal number.
    Facility(Facility),
    /// Instances that are not to be shown; the subject is the withdrawal.
    Withdrawal(Withdrawal),
    /// Which version of a SOP instance is served; the subject is [`sop_key`].
    ServedVersion(ServedVersion),
    /// Whether two patients are one person; the subject is [`PatientLink::key`].
    PatientLink(PatientLink),
    /// Whether a study must be kept; the subject is its Study Instance UID.
    LegalHold(LegalHold),
    /// The codes of a study, as a person chose them; the subject is its Study Instance UID.
    StudyCode(StudyCode),
    /// A choice of codes that holds for a facility; the subject is [`CodeRule::key`].
    CodeRule(CodeRule),
    /// What somebody ordered; the subject is the order.
    Order(Box<Order>),
    /// What a reader found; the subject is [`Report::key`].
    Report(Box<Report>),
    /// What a reader says the pictures of a study are worth; the subject is its Study Instance UID.
    QualityMark(QualityMark),
    /// Whether a stored exam stands in for an ordered one; the subject is the decision.
    ReuseDecision(Box<Decision>),
    /// How a result was handed over; the subject is the hand-over.
    Delivery(Box<Delivery>),
    /// An entry of the ledger; the subject is [`LedgerEntry::key`].
    LedgerEntry(Box<LedgerEntry>),
    /// Instances whose bytes were removed; the subject is the removal.
    Removal(Removal),
    /// What two sayings of a person that clash were found to be; the subject is [`Collision::key`].
    Collision(Collision),
    /// Numbers of a patient that a person evidences; the subject is the patient's key.
    PatientNumbers(PatientNumbers),
    /// Pictures that somebody brought for a patient; the subject is the import.
    Intake(Box<Intake>),
    /// Codes that studies got; the subject is [`CodesAssigned::key`].
    CodesAssigned(CodesAssigned),
    /// What a device says of a performed procedure step; the subject is its SOP Instance UID.
    PerformedStep(Box<PerformedStep>),
}

/// Names a kind of statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// [`State::Facility`].
    Facility,
    /// [`State::Withdrawal`].
    Withdrawal,
    /// [`State::ServedVersion`].
    ServedVersion,
    /// [`State::PatientLink`].
    PatientLink,
    /// [`State::LegalHold`].
    LegalHold,
    /// [`State::StudyCode`].
    StudyCode,
    /// [`State::CodeRule`].
    CodeRule,
    /// [`State::Order`].
    Order,
    /// [`State::Report`].
    Report,
    /// [`State::QualityMark`].
    QualityMark,
    /// [`State::ReuseDecision`].
    ReuseDecision,
    /// [`State::Delivery`].
    Delivery,
    /// [`State::LedgerEntry`].
    LedgerEntry,
    /// [`State::Removal`].
    Removal,
    /// [`State::Collision`].
    Collision,
    /// [`State::PatientNumbers`].
    PatientNumbers,
    /// [`State::Intake`].
    Intake,
    /// [`State::CodesAssigned`].
    CodesAssigned,
    /// [`State::PerformedStep`].
    PerformedStep,
}

impl Kind {
    /// The number that rows keep; never given to another kind.
    pub(crate) fn number(self) -> i64 {
        match self {
            Kind::Facility => 1,
            Kind::Withdrawal => 2,
            Kind::ServedVersion => 3,
            Kind::PatientLink => 4,
            Kind::LegalHold => 5,
            Kind::StudyCode => 6,
            Kind::CodeRule => 7,
            Kind::Order => 8,
            Kind::Report => 9,
            Kind::QualityMark => 10,
            Kind::ReuseDecision => 11,
            Kind::Delivery => 12,
            Kind::LedgerEntry => 13,
            Kind::Removal => 16,
            Kind::Collision => 14,
            Kind::PatientNumbers => 15,
            Kind::Intake => 17,
            Kind::CodesAssigned => 19,
            Kind::PerformedStep => 20,
        }
    }
}

impl State {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            State::Facility(_) => Kind::Facility,
            State::Withdrawal(_) => Kind::Withdrawal,
            State::ServedVersion(_) => Kind::ServedVersion,
            State::PatientLink(_) => Kind::PatientLink,
            State::LegalHold(_) => Kind::LegalHold,
            State::StudyCode(_) => Kind::StudyCode,
            State::CodeRule(_) => Kind::CodeRule,
            State::Order(_) => Kind::Order,
            State::Report(_) => Kind::Report,
            State::QualityMark(_) => Kind::QualityMark,
            State::ReuseDecision(_) => Kind::ReuseDecision,
            State::Delivery(_) => Kind::Delivery,
            State::LedgerEntry(_) => Kind::LedgerEntry,
            State::Removal(_) => Kind::Removal,
            State::Collision(_) => Kind::Collision,
            State::PatientNumbers(_) => Kind::PatientNumbers,
            State::Intake(_) => Kind::Intake,
            State::CodesAssigned(_) => Kind::CodesAssigned,
            State::PerformedStep(_) => Kind::PerformedStep,
        }
    }

    /// Internal number of the facility that it belongs to, 0 for none.
    pub(crate) fn facility(&self, key: &str) -> u32 {
        match self {
            State::Facility(_) => key.parse().unwrap_or(0),
            State::Withdrawal(withdrawal) => withdrawal.facility.unwrap_or(0),
            State::CodeRule(rule) => rule.facility,
            State::Order(order) => order.facility.unwrap_or(0),
            State::Report(report) => report.facility.unwrap_or(0),
            State::ReuseDecision(decision) => decision.facility.unwrap_or(0),
            State::Delivery(delivery) => delivery.facility.unwrap_or(0),
            State::LedgerEntry(entry) => entry.facility,
            State::Intake(intake) => intake.facility,
            State::PerformedStep(step) => step.facility,
            _ => 0,
        }
    }

    /// Checks what can be seen from the statement alone.
    pub(super) fn check(&self, key: &str) -> Result<(), StatementError> {
        let fits = match self {
            State::Facility(facility) => {
                facility.check()?;
                key.parse::<u32>().is_ok_and(|number| number.to_string() == key)
            }
            State::Withdrawal(withdrawal) => {
                withdrawal.check()?;
                true
            }
            State::ServedVersion(chosen) => {
                chosen.check()?;
                key.split('/').count() == 3
            }
            State::PatientLink(link) => link.check(key)?,
            State::Collision(collision) => collision.check(key)?,
            State::PatientNumbers(numbers) => numbers.check(key)?,
            State::LegalHold(_) => is_uid(key),
            State::CodesAssigned(assigned) => {
                assigned.check()?;
                key == assigned.key()
            }
            State::StudyCode(code) => {
                code.check()?;
                is_uid(key)
            }
            State::CodeRule(rule) => {
                rule.check()?;
                key == rule.key()
            }
            State::Order(order) => {
                order.check()?;
                true
            }
            State::Report(report) => {
                report.check()?;
                true
            }
            State::QualityMark(mark) => {
                mark.check()?;
                is_uid(key)
            }
            State::ReuseDecision(decision) => {
                decision.check()?;
                true
            }
            State::Delivery(delivery) => {
                delivery.check()?;
                true
            }
            State::LedgerEntry(entry) => {
                entry.check()?;
                key == entry.key()
            }
            State::Removal(removal) => {
                removal.check()?;
                true
            }
            State::Intake(intake) => {
                intake.check()?;
                true
            }
            State::PerformedStep(step) => {
                step.check()?;
                is_uid(key)
            }
        };
        if fits { Ok(()) } else { Err(invalid("subject", "does not fit the state")) }
    }
}

fn is_uid(key: &str) -> bool {
    Uid::parse(key).is_ok_and(|uid| uid.as_str() == key)
}

/// The codes of a facility; codes change when hospitals merge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facility {
    /// All its codes.
    pub codes: Vec<DatedCode>,
}

/// A code from a day on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatedCode {
    /// The code (MA_CSKCB).
    pub code: String,
    /// The first day, as YYYYMMDD.
    pub from: String,
}

impl Facility {
    fn check(&self) -> Result<(), StatementError> {
        if self.codes.is_empty() || self.codes.len() > CODES_MAX {
            return Err(invalid("codes", format!("1 to {CODES_MAX} codes")));
        }
        for DatedCode { code, from } in &self.codes {
            if code.is_empty() || code.len() > CODE_CHARS_MAX {
                return Err(invalid("code", format!("1 to {CODE_CHARS_MAX} characters")));
            }
            if from.len() != 8 || !from.bytes().all(|b| b.is_ascii_digit()) {
                return Err(invalid("from", "a date is YYYYMMDD"));
            }
        }
        Ok(())
    }
}

/// Why instances are withdrawn (compare PS3.16 CID 7011, Rejected for Quality and Patient Safety Reasons).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Stored twice.
    Duplicate,
    /// Not what it says it is.
    WrongObject,
    /// Of another person than it says.
    WrongPatient,
    /// Not good enough to be read.
    Quality,
    /// Nobody may see it, also when it is sent again.
    PatientSafety,
    /// As the text says.
    Other,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Reason; 6] = [
        Reason::Duplicate,
        Reason::WrongObject,
        Reason::WrongPatient,
        Reason::Quality,
        Reason::PatientSafety,
        Reason::Other,
    ];

    /// Its name in records and requests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reason::Duplicate => "duplicate",
            Reason::WrongObject => "wrong_object",
            Reason::WrongPatient => "wrong_patient",
            Reason::Quality => "quality",
            Reason::PatientSafety => "patient_safety",
            Reason::Other => "other",
        }
    }

    /// The reason of a name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// Instances that are not to be shown any more, or again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Whether they were given back: the withdrawal has no effect any more.
    pub restored: bool,
    /// The study they are of.
    pub study: Uid,
    /// Their digests.
    pub instances: Vec<ContentHash>,
    /// Internal number of the facility whose holding is meant; none: everybody's.
    pub facility: Option<u32>,
    /// Holdings whose latest arrival is not after this are hidden: milliseconds since 1970-01-01 UTC.
    pub through_ms: i64,
    /// Why.
    pub reason: Reason,
    /// What the reason is, where it is [`Reason::Other`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

impl Withdrawal {
    fn check(&self) -> Result<(), StatementError> {
        if self.instances.is_empty() || self.instances.len() > INSTANCES_MAX {
            return Err(invalid("instances", format!("1 to {INSTANCES_MAX} instances")));
        }
        if self.reason == Reason::PatientSafety && self.facility.is_some() {
            return Err(invalid("facility", "what is withdrawn for patient safety is hidden for everybody"));
        }
        if self.reason == Reason::Other && self.text.trim().is_empty() {
            return Err(invalid("text", "the reason other needs a text"));
        }
        text("text", &self.text, 0, TEXT_CHARS_MAX)
    }
}

/// What two versions of one SOP instance were found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// One corrects the other.
    Correction,
    /// They are of different people, or do not belong together.
    MixUp,
}

impl Resolution {
    /// Its name in records and requests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Resolution::Correction => "correction",
            Resolution::MixUp => "mix_up",
        }
    }
}

/// Which version of a SOP instance is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedVersion {
    /// Digest of the version that is served.
    pub digest: ContentHash,
    /// Digests of the others that were looked at: a version that comes later is a conflict again.
    pub others: Vec<ContentHash>,
    /// What they are to each other.
    pub resolution: Resolution,
}

impl ServedVersion {
    fn check(&self) -> Result<(), StatementError> {
        let fits = self.others.len() <= VERSIONS_MAX && !self.others.contains(&self.digest);
        if fits { Ok(()) } else { Err(invalid("others", format!("at most {VERSIONS_MAX} other versions"))) }
    }
}

/// The key of a SOP instance as a subject.
#[must_use]
pub fn sop_key(study: &Uid, series: &Uid, sop_instance: &Uid) -> String {
    format!("{study}/{series}/{sop_instance}")
}

/// Whether a study must be kept whatever else is said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalHold {
    /// Whether it must.
    pub held: bool,
}

/// Instances whose bytes were removed: withdrawn before, long enough ago, and not to be kept any longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// Their digests.
    pub instances: Vec<ContentHash>,
}

impl Removal {
    fn check(&self) -> Result<(), StatementError> {
        let fits = (1..=INSTANCES_MAX).contains(&self.instances.len());
        if fits { Ok(()) } else { Err(invalid("instances", format!("1 to {INSTANCES_MAX} instances"))) }
    }
}
