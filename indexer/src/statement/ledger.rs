//! Entries of the ledger of avoided exams: each names the one before it by its hash.
//!
//! One chain per writer. Which entries are due is the business of [`crate::ledger`]; here is what one says, and the
//! bytes that its hash covers.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage_config::{ContentHash, Uid};

use super::{ORDERED_EXAMS_MAX, StatementError, invalid, text};
use crate::reuse::Date;

/// What stands before the canonical text of an entry when it is hashed.
const HASH_PREFIX: &[u8] = b"ledger-entry/1\0";
/// Characters of a name or number at most.
const NAME_CHARS_MAX: usize = 200;
/// The hash that the first entry of a chain names as the one before it.
pub const NO_ENTRY: ContentHash = ContentHash([0; 32]);

/// What an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerEvent {
    /// The exam of an order was not made, because a stored one stood in.
    ExamAvoided,
    /// That does not hold any more.
    ExamReversed,
    /// The result of a reused exam was handed over without film.
    FilmAvoided,
    /// That does not hold any more.
    FilmReversed,
}

impl LedgerEvent {
    /// The number that rows keep; never given to another event.
    pub(crate) fn number(self) -> i64 {
        match self {
            LedgerEvent::ExamAvoided => 1,
            LedgerEvent::ExamReversed => 2,
            LedgerEvent::FilmAvoided => 3,
            LedgerEvent::FilmReversed => 4,
        }
    }

    /// Its name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            LedgerEvent::ExamAvoided => "exam_avoided",
            LedgerEvent::ExamReversed => "exam_reversed",
            LedgerEvent::FilmAvoided => "film_avoided",
            LedgerEvent::FilmReversed => "film_reversed",
        }
    }

    /// Whether it takes an earlier entry back.
    #[must_use]
    pub fn reverses(self) -> bool {
        matches!(self, LedgerEvent::ExamReversed | LedgerEvent::FilmReversed)
    }
}

/// Why an entry takes an earlier one back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reversal {
    /// The decision was withdrawn.
    DecisionWithdrawn,
    /// The order is open again, or its exam was made.
    OrderNotClosed,
    /// An exam that covers the order was made of this person soon after.
    ExamPerformed,
    /// The prior is not known any more to be of this person.
    PatientUnlinked,
    /// A report that was relied on was cancelled.
    ReportCancelled,
    /// The order was cancelled before it was decided, so that nothing was avoided.
    OrderGivenUpBefore,
    /// A film was handed over after all, or nothing tells how the result was handed over.
    FilmDelivered,
}

impl Reversal {
    /// Its name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reversal::DecisionWithdrawn => "decision_withdrawn",
            Reversal::OrderNotClosed => "order_not_closed",
            Reversal::ExamPerformed => "exam_performed",
            Reversal::PatientUnlinked => "patient_unlinked",
            Reversal::ReportCancelled => "report_cancelled",
            Reversal::OrderGivenUpBefore => "order_given_up_before",
            Reversal::FilmDelivered => "film_delivered",
        }
    }
}

/// One ordered exam of an entry. Amounts are in dong, negative where an entry takes one back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LedgerLine {
    /// The code as ordered.
    pub ordered: String,
    /// The service code whose price it is; empty where none is known.
    pub code: String,
    /// The exam in words.
    pub name: String,
    /// Modality in words of the catalogue, empty where not known.
    pub modality: String,
    /// The price without film; none: not known.
    pub exam_vnd: Option<i64>,
    /// What the price with film adds; none: not known.
    pub film_vnd: Option<i64>,
    /// Several service codes are possible, and this is the lowest price among them.
    pub lower_bound: bool,
    /// No price without film is stated, so that film may be part of the price.
    pub film_included: bool,
    /// Whose list, and its version.
    pub list: String,
}

/// Who would have paid, as far as the order tells it, in dong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payers {
    /// Health insurance.
    pub insurance_vnd: i64,
    /// The patient's co-payment.
    pub copayment_vnd: i64,
    /// The hospital.
    pub hospital_vnd: i64,
}

/// Dose as the header of the stored exam has it; an exam of the same kind would have cost about as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dose {
    /// Greatest CTDIvol (0018,9345) of its series, in microgray.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ctdi_vol_ugy: Option<i64>,
    /// Dose length product as Comments on Radiation Dose (0040,0310) tells it, in microgray centimetre.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dlp_ugycm: Option<i64>,
    /// Image and Fluoroscopy Area Dose Product (0018,115E), in microgray square centimetre.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dap_ugycm2: Option<i64>,
}

/// An entry; the subject is `WRITER:COUNT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The node whose chain it is in.
    pub writer: u32,
    /// Its place in the chain, from 1.
    pub count: u64,
    /// Hash of the entry before; [`NO_ENTRY`] for the first.
    pub previous: ContentHash,
    /// What it says.
    pub event: LedgerEvent,
    /// How often this was said of the order before, and this once: from 1.
    pub round: u32,
    /// The order.
    pub order: String,
    /// The decision.
    pub decision: String,
    /// Why, where it takes an earlier entry back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversal: Option<Reversal>,
    /// What that was: a study, a report.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
    /// When it was entered, in milliseconds since 1970-01-01 UTC.
    pub entered_ms: i64,
    /// The day of that at +07:00.
    pub day: Date,
    /// The day whose prices hold.
    pub priced_on: Date,
    /// Internal number of the facility that ordered, 0 where not told.
    pub facility: u32,
    /// Its code then.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub facility_code: String,
    /// Codes of the facilities that performed the stored exam.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub performed_by: String,
    /// The machine of the stored exam: MA_MAY or device serial number, else station name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub machine: String,
    /// Episode (MA_LK) of the order.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub episode: String,
    /// The doctor who ordered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ordered_by: String,
    /// Who decided.
    pub decided_by: String,
    /// The studies that stood in.
    pub studies: Vec<Uid>,
    /// The exams.
    pub lines: Vec<LedgerLine>,
    /// Who would have paid; none: the order does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payers: Option<Payers>,
    /// Dose; none: no header has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dose: Option<Dose>,
    /// Hash of all the rest.
    pub hash: ContentHash,
}

impl LedgerEntry {
    /// The key of the subject.
    #[must_use]
    pub fn key(&self) -> String {
        LedgerEntry::key_of(self.writer, self.count)
    }

    /// The key of an entry's subject by its place.
    #[must_use]
    pub fn key_of(writer: u32, count: u64) -> String {
        format!("{writer}:{count}")
    }

    /// The hash that the entry has to have.
    #[must_use]
    pub fn computed_hash(&self) -> ContentHash {
        let mut bytes = HASH_PREFIX.to_vec();
        bytes.extend_from_slice(self.canonical().as_bytes());
        ContentHash::of(&bytes)
    }

    /// The entry with the hash that it has to have.
    #[must_use]
    pub fn sealed(mut self) -> LedgerEntry {
        self.hash = self.computed_hash();
        self
    }

    /// All members but `hash` as JSON: members in the order of their names' bytes, no white space, whole numbers only,
    /// texts escaped as RFC 8785 has it.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(members) = value.as_object_mut() {
            members.remove("hash");
        }
        let mut out = String::new();
        canonical(&value, &mut out);
        out
    }

    /// Checks what can be seen from the entry alone. That its hash is right is not asked here: an entry that was
    /// changed has to become a row, so that it can be told.
    pub(super) fn check(&self) -> Result<(), StatementError> {
        for (field, value) in [
            ("order", &self.order),
            ("decision", &self.decision),
            ("episode", &self.episode),
            ("ordered_by", &self.ordered_by),
        ] {
            text(field, value, 0, NAME_CHARS_MAX)?;
        }
        if self.lines.len() > ORDERED_EXAMS_MAX {
            return Err(invalid("lines", format!("more than {ORDERED_EXAMS_MAX}")));
        }
        if self.count == 0 || self.count > 1 << 48 {
            return Err(invalid("count", "is no place in a chain"));
        }
        Ok(())
    }
}

fn canonical(value: &Value, out: &mut String) {
    // Bounded by the depth of an entry.
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| name.as_bytes());
            out.push('{');
            for (n, (name, value)) in sorted.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                let _ = write!(out, "{}:", Value::String(name.clone()));
                canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(values) => {
            out.push('[');
            for (n, value) in values.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                canonical(value, out);
            }
            out.push(']');
        }
        // Display of serde_json escapes as RFC 8785: the short escapes, \u00xx for other controls, nothing else.
        other => {
            let _ = write!(out, "{other}");
        }
    }
}
