//! Reports as they are stated: what a reader found in a study, and how that is vouched for.

use serde::{Deserialize, Serialize};
use storage_config::Uid;

use super::{StatementError, invalid, text};
use crate::reuse::Moment;
use crate::reuse::prior::{ReportStatus, Signature};

/// Characters of a description or conclusion at most.
pub const REPORT_CHARS_MAX: usize = 16_000;
/// Characters of a name or number at most.
const NAME_CHARS_MAX: usize = 200;

/// A version of a report; the subject is [`Report::key`] or a key made before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Internal number of the facility that reports; none: not told.
    #[serde(default)]
    pub facility: Option<u32>,
    /// The report's own number at that facility.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub number: String,
    /// The study, where it is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub study: Option<Uid>,
    /// Accession Number (0008,0050) at that facility, where it is named.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub accession: String,
    /// What is seen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What that means.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub conclusion: String,
    /// How far it is.
    pub status: ReportStatus,
    /// Who read it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reader: String,
    /// Number of the reader's practice certificate.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub practice_certificate: String,
    /// When it was signed, as the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<Moment>,
    /// What is known of the signature. Verified only where this archive or one it trusts verified it.
    pub signature: Signature,
}

impl Report {
    /// The key of the subject: by the report's number where it has one, else by what it is about, so that what is said
    /// next of the same study is the next version.
    #[must_use]
    pub fn key(&self) -> String {
        let facility = self.facility.unwrap_or(0);
        if !self.number.is_empty() {
            return format!("number:{facility}:{}", self.number);
        }
        match &self.study {
            Some(study) => Report::key_of_study(facility, study),
            None => Report::key_of_accession(facility, &self.accession),
        }
    }

    /// The key of a facility's report of a study that has no number of its own. What another facility reads in the same
    /// study is another report.
    #[must_use]
    pub fn key_of_study(facility: u32, study: &Uid) -> String {
        format!("study:{facility}:{study}")
    }

    /// The key of a facility's report of an accession number that has no number of its own.
    #[must_use]
    pub fn key_of_accession(facility: u32, accession: &str) -> String {
        format!("accession:{facility}:{accession}")
    }

    /// Checks what can be seen from the report alone.
    pub(super) fn check(&self) -> Result<(), StatementError> {
        if self.study.is_none() && self.accession.trim().is_empty() {
            return Err(invalid("study", "is missing, and so is an accession number"));
        }
        for (field, value) in [
            ("number", &self.number),
            ("accession", &self.accession),
            ("reader", &self.reader),
            ("practice_certificate", &self.practice_certificate),
        ] {
            // A key is made of number and accession, and has a limit of its own.
            text(field, value, 0, if field == "reader" { NAME_CHARS_MAX } else { NAME_CHARS_MAX / 2 })?;
        }
        text("description", &self.description, 0, REPORT_CHARS_MAX)?;
        let approved = matches!(self.status, ReportStatus::Final | ReportStatus::Amended);
        text("conclusion", &self.conclusion, usize::from(approved), REPORT_CHARS_MAX)?;
        if self.signature == Signature::Unsigned && self.signed_at.is_some() {
            return Err(invalid("signature", "is unsigned, but there is a time of signing"));
        }
        Ok(())
    }
}
