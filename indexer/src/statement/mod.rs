//! Statements: what people and systems said and bytes cannot tell again (docs/FORMAT.md).
//!
//! A statement says the full new state of a subject and the version of the subject it was based on. All that is known
//! of a subject follows from the set of statements about it, in whatever order they come: [`fold`] decides. Pure:
//! nothing here reads a disk, a database or a clock.

mod assigned;
mod codes;
mod decision;
mod delivery;
pub mod fold;
mod intake;
mod kinds;
mod ledger;
mod order;
mod performed;
mod person;
mod quality;
mod report;
mod time;

use serde::{Deserialize, Serialize};
use storage_config::ContentHash;

pub use assigned::{ASSIGNED_STUDIES_MAX, AssignedCodes, CodesAssigned};
pub use codes::{CodeRule, StudyCode, Verdict};
pub use decision::{
    DECIDED_STUDIES_MAX, Decision, DecisionReason, DocumentRelied, ReportRelied, ReuseChoice, Seen,
};
pub use delivery::{BilledPrice, Delivery, DeliveryMode};
pub use intake::{INTAKE_STUDIES_MAX, Intake};
pub use kinds::{
    DatedCode, Facility, INSTANCES_MAX, Kind, LegalHold, Reason, Removal, Resolution, ServedVersion, State,
    VERSIONS_MAX, Withdrawal, sop_key,
};
pub use ledger::{Dose, LedgerEntry, LedgerEvent, LedgerLine, NO_ENTRY, Payers, Reversal};
pub use order::{
    IDENTIFIERS_MAX, ORDERED_EXAMS_MAX, Order, OrderStatus, OrderedFor, OrderedIdentifier, OrderedItem,
    Payment,
};
pub use performed::{
    PerformedSeries, PerformedStep, STEP_CHARS_MAX, STEP_INSTANCES_MAX, STEP_SERIES_MAX, STEP_STUDIES_MAX,
    ScheduledFor, StepStatus,
};
pub use person::{Collision, Finding, PatientLink, PatientNumbers};
pub use quality::QualityMark;
pub use report::{REPORT_CHARS_MAX, Report};
pub use time::{HybridTime, NotATime};

/// Characters of a statement's id at most.
pub const ID_CHARS_MAX: usize = 64;
/// Characters of a subject's key at most.
const KEY_CHARS_MAX: usize = 200;
/// Characters of a name at most.
const NAME_CHARS_MAX: usize = 200;

/// What is wrong with a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct StatementError {
    /// The field, as records and requests name it.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

fn invalid(field: &'static str, reason: impl Into<String>) -> StatementError {
    StatementError { field, reason: reason.into() }
}

/// Checks the length of a text, in characters.
fn text(field: &'static str, text: &str, least: usize, most: usize) -> Result<(), StatementError> {
    let trimmed = text.trim().chars().count();
    if trimmed < least {
        return Err(invalid(field, "is missing"));
    }
    if text.chars().count() > most {
        return Err(invalid(field, format!("has more than {most} characters")));
    }
    Ok(())
}

/// What a statement is about: things of one kind are told apart by their key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    /// The kind of statement.
    pub kind: Kind,
    /// Which of them.
    pub key: String,
}

/// How it is known who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The request said so and nobody asked for more.
    Claimed,
    /// By a bearer token.
    Token,
    /// By signing in.
    Account,
    /// By a command on the machine of the archive.
    Command,
    /// The archive itself.
    System,
}

/// Who said something.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Who {
    /// The name.
    pub name: String,
    /// How it is known.
    pub by: Evidence,
}

impl Who {
    /// The archive itself.
    #[must_use]
    pub fn system() -> Who {
        Who { name: "archive".into(), by: Evidence::System }
    }
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The client's idempotency key, or 128 random bits.
    pub id: String,
    /// The node that wrote it.
    pub writer: u32,
    /// When it was said.
    pub time: HybridTime,
    /// What it is about.
    pub subject: Subject,
    /// The subject's version that whoever said it knew; none where nothing had been said.
    pub based_on: Option<u64>,
    /// The subject's full new state.
    pub state: State,
    /// Who said it.
    pub who: Who,
    /// Why.
    pub why: String,
    /// Hash of what the client asked, by which a repeated request is told from another one under the same id.
    pub asked: ContentHash,
}

/// A statement as records write it.
#[derive(Serialize)]
struct Writing<'a> {
    id: &'a str,
    writer: u32,
    time: HybridTime,
    subject: &'a str,
    based_on: Option<u64>,
    #[serde(flatten)]
    state: &'a State,
    who: &'a Who,
    why: &'a str,
    asked: ContentHash,
}

/// The same as it is read.
#[derive(Deserialize)]
struct Written {
    id: String,
    writer: u32,
    time: HybridTime,
    subject: String,
    based_on: Option<u64>,
    #[serde(flatten)]
    state: State,
    who: Who,
    why: String,
    asked: ContentHash,
}

impl Statement {
    /// What decides the order of statements on one subject. No two statements have the same.
    #[must_use]
    pub fn order(&self) -> (HybridTime, u32, &str) {
        (self.time, self.writer, &self.id)
    }

    /// The statement as JSON text.
    ///
    /// # Errors
    /// When it cannot be written, which no statement that passed [`Statement::check`] does.
    pub fn to_json(&self) -> Result<String, StatementError> {
        let written = Writing {
            id: &self.id,
            writer: self.writer,
            time: self.time,
            subject: &self.subject.key,
            based_on: self.based_on,
            state: &self.state,
            who: &self.who,
            why: &self.why,
            asked: self.asked,
        };
        serde_json::to_string(&written).map_err(|error| invalid("state", error.to_string()))
    }

    /// Reads a statement back and checks it.
    ///
    /// # Errors
    /// When it is no statement, or of a kind that this program does not know.
    pub fn from_json(json: &[u8]) -> Result<Statement, StatementError> {
        let written: Written =
            serde_json::from_slice(json).map_err(|error| invalid("statement", error.to_string()))?;
        let subject = Subject { kind: written.state.kind(), key: written.subject };
        let statement = Statement {
            id: written.id,
            writer: written.writer,
            time: written.time,
            subject,
            based_on: written.based_on,
            state: written.state,
            who: written.who,
            why: written.why,
            asked: written.asked,
        };
        statement.check()?;
        Ok(statement)
    }

    /// Checks what can be seen from the statement alone.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn check(&self) -> Result<(), StatementError> {
        let id_is_plain = self.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b));
        if self.id.is_empty() || self.id.len() > ID_CHARS_MAX || !id_is_plain {
            let reason = format!("1 to {ID_CHARS_MAX} letters, digits and any of ._:-");
            return Err(invalid("Idempotency-Key", reason));
        }
        text("subject", &self.subject.key, 1, KEY_CHARS_MAX)?;
        text("who", &self.who.name, 1, NAME_CHARS_MAX)?;
        text("why", &self.why, 0, kinds::TEXT_CHARS_MAX)?;
        // A version is a count of statements: beyond this it is made up.
        if self.based_on.is_some_and(|version| version == 0 || version > 1 << 48) {
            return Err(invalid("based_on", "is no version"));
        }
        self.state.check(&self.subject.key)
    }
}
