//! How a result was handed to the patient, and at which kind of price it was billed.

use serde::{Deserialize, Serialize};
use storage_config::Uid;

use super::{StatementError, invalid, text};
use crate::reuse::Moment;

/// Characters of a name at most.
const NAME_CHARS_MAX: usize = 200;
/// Characters of a proof at most.
const PROOF_CHARS_MAX: usize = 4000;

/// What was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryMode {
    /// Printed film.
    Film,
    /// A link to the pictures, or its QR code.
    LinkOrQr,
    /// A disc or another medium with the pictures.
    Disc,
    /// Paper.
    Paper,
    /// Nothing: the pictures are looked at in the hospital.
    ViewOnly,
}

impl DeliveryMode {
    /// The number that rows keep; never given to another mode.
    pub(crate) fn number(self) -> i64 {
        match self {
            DeliveryMode::Film => 1,
            DeliveryMode::LinkOrQr => 2,
            DeliveryMode::Disc => 3,
            DeliveryMode::Paper => 4,
            DeliveryMode::ViewOnly => 5,
        }
    }
}

/// Which of the two prices of an exam was billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BilledPrice {
    /// The one with film.
    WithFilm,
    /// The one without film.
    WithoutFilm,
}

/// A hand-over; the subject is a name of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Internal number of the facility that handed over; none: not told.
    #[serde(default)]
    pub facility: Option<u32>,
    /// The order whose result it is; empty where only the study is named.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub order: String,
    /// The study; none where only the order is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub study: Option<Uid>,
    /// What was handed over.
    pub mode: DeliveryMode,
    /// To whom.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub recipient: String,
    /// When.
    pub delivered_at: Moment,
    /// What proves it: a number of a receipt, a signature.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proof: String,
    /// The kind of price that was billed; none: not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<BilledPrice>,
    /// Whether the record was taken back.
    #[serde(default)]
    pub withdrawn: bool,
}

impl Delivery {
    /// Checks what can be seen from the record alone.
    pub(super) fn check(&self) -> Result<(), StatementError> {
        if self.order.trim().is_empty() && self.study.is_none() {
            return Err(invalid("order", "is missing, and so is a study"));
        }
        text("order", &self.order, 0, NAME_CHARS_MAX)?;
        text("recipient", &self.recipient, 0, NAME_CHARS_MAX)?;
        text("proof", &self.proof, 0, PROOF_CHARS_MAX)
    }
}
