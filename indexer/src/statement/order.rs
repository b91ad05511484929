//! Orders as they are stated: what was asked for, for whom, why and how urgently.
//!
//! What an order means for stored exams is not decided here; see [`crate::reuse`].

use serde::{Deserialize, Serialize};

use super::{StatementError, invalid, text};
use crate::identity::{IdentifierKind, Whose};
use crate::reuse::{Contrast, Moment, Purpose, Side, Urgency};

/// Exams of one order at most.
pub const ORDERED_EXAMS_MAX: usize = 20;
/// Further identifiers of a patient at most.
pub const IDENTIFIERS_MAX: usize = 20;
/// Pictures of one order at most.
const IMAGES_MAX: u32 = 1_000_000;
/// Characters of a number, code or name of an order at most.
const NAME_CHARS_MAX: usize = 200;

/// An order; the subject is a name of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Order {
    /// Internal number of the facility that ordered and under whose accession number the exam is made; none: not told.
    pub facility: Option<u32>,
    /// Placer Order Number / Imaging Service Request (0040,2016).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub placer_number: String,
    /// Filler Order Number / Imaging Service Request (0040,2017).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filler_number: String,
    /// Accession Number (0008,0050).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub accession: String,
    /// Who it is for.
    pub patient: OrderedFor,
    /// What is ordered.
    pub exams: Vec<OrderedItem>,
    /// Why.
    pub purpose: Purpose,
    /// How urgent.
    pub urgency: Urgency,
    /// The answer to the question whether the clinical state has changed; none: not asked yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clinical_state_changed: Option<bool>,
    /// When it was ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Moment>,
    /// Code of the episode (MA_LK) at the facility.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub episode: String,
    /// The doctor who orders, as the source has it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ordered_by: String,
    /// Who pays; none: not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<Payment>,
    /// How many pictures the device says it made (PS3.4 F.7), as whoever hears its performed procedure step tells; none:
    /// not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_images: Option<u32>,
    /// How far it is.
    pub status: OrderStatus,
}

/// Who pays for the exams of an order, in percent of the price; the hospital bears the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Health insurance.
    pub insurance_percent: u8,
    /// The patient's co-payment.
    pub copayment_percent: u8,
}

/// Who an order is for, as the order says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrderedFor {
    /// Patient ID (0010,0020) at the facility.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub patient_id: String,
    /// Issuer of Patient ID (0010,0021).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// Name as received.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Birth date: `YYYYMMDD`, `YYYY-MM-DD`, or less where less is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub birth_date: String,
    /// Patient's Sex (0010,0040): `M`, `F`, `O`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sex: String,
    /// Personal number and insurance cards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<OrderedIdentifier>,
}

/// A further identifier that an order evidences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderedIdentifier {
    /// Its kind.
    pub kind: IdentifierKind,
    /// Its value as received.
    pub value: String,
    /// Whose it is.
    #[serde(default)]
    pub whose: Whose,
}

/// One ordered exam.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrderedItem {
    /// Its code: national or the hospital's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// Coding Scheme Designator (0008,0102) of the code; empty: told by the form of the code.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scheme: String,
    /// Its name in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Body part, where the code leaves it open.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body_part: String,
    /// Side of a paired organ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// Contrast medium.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contrast: Option<Contrast>,
}

/// How far an order is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Asked for.
    #[default]
    Requested,
    /// Being made.
    InProgress,
    /// Made.
    Completed,
    /// Taken back.
    Cancelled,
    /// Closed because a stored exam answers it.
    Reused,
}

impl Order {
    /// Checks what can be seen from the order alone.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn check(&self) -> Result<(), StatementError> {
        let patient = &self.patient;
        for (field, value) in [
            ("placer_number", &self.placer_number),
            ("filler_number", &self.filler_number),
            ("accession", &self.accession),
            ("episode", &self.episode),
            ("ordered_by", &self.ordered_by),
            ("patient.patient_id", &patient.patient_id),
            ("patient.issuer", &patient.issuer),
            ("patient.name", &patient.name),
            ("patient.birth_date", &patient.birth_date),
        ] {
            text(field, value, 0, NAME_CHARS_MAX)?;
        }
        if !["", "M", "F", "O"].contains(&patient.sex.as_str()) {
            return Err(invalid("patient.sex", "is none of M, F, O"));
        }
        let birth = crate::identity::Birth::read(&patient.birth_date);
        if !patient.birth_date.is_empty() && birth == crate::identity::Birth::Unknown {
            return Err(invalid("patient.birth_date", "is no date: YYYYMMDD, YYYY-MM-DD or a year"));
        }
        let parts = |of: Payment| u16::from(of.insurance_percent) + u16::from(of.copayment_percent);
        if self.payment.is_some_and(|payment| parts(payment) > 100) {
            return Err(invalid("payment", "is more than 100 percent"));
        }
        if self.expected_images.is_some_and(|images| images > IMAGES_MAX) {
            return Err(invalid("expected_images", format!("is more than {IMAGES_MAX}")));
        }
        if patient.identifiers.len() > IDENTIFIERS_MAX {
            return Err(invalid("patient.identifiers", format!("more than {IDENTIFIERS_MAX}")));
        }
        for identifier in &patient.identifiers {
            text("patient.identifiers.value", &identifier.value, 1, NAME_CHARS_MAX)?;
        }
        if self.exams.is_empty() || self.exams.len() > ORDERED_EXAMS_MAX {
            return Err(invalid("exams", format!("1 to {ORDERED_EXAMS_MAX} exams")));
        }
        self.exams.iter().try_for_each(OrderedItem::check)
    }
}

impl OrderedItem {
    fn check(&self) -> Result<(), StatementError> {
        if self.code.trim().is_empty() && self.name.trim().is_empty() {
            return Err(invalid("exams.code", "is missing, and so is a name"));
        }
        for (field, value) in [
            ("exams.code", &self.code),
            ("exams.scheme", &self.scheme),
            ("exams.name", &self.name),
            ("exams.body_part", &self.body_part),
        ] {
            text(field, value, 0, NAME_CHARS_MAX)?;
        }
        Ok(())
    }
}
