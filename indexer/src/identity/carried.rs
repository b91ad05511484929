//! Identifiers as headers carry them beside PatientID, and of which kind each is.

use serde::{Deserialize, Serialize};

use super::IdentityPolicy;
use super::person::{Identifier, IdentifierEvidence, IdentifierKind, Whose, is_personal_number};
use crate::dataset::fold::fold;

/// Values of Type of Patient ID (0010,0022) that tell how a number is written, not what it is.
const MEDIA: [&str; 3] = ["TEXT", "RFID", "BARCODE"];

/// One identifier of OtherPatientIDsSequence (0010,1002), or of OtherPatientIDs (0010,1000), as it was received.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Carried {
    /// Patient ID (0010,0020) of the item.
    pub value: String,
    /// Who issued it, in all ways in which the item says so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// Its type, in all ways in which the item says so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

impl Carried {
    /// What it identifies by the policy's words; none for numbers of other hospitals and what else is carried.
    #[must_use]
    pub fn read(&self, policy: &IdentityPolicy) -> Option<Identifier> {
        let (issuer, kind) = (words_of(&self.issuer), words_of(&self.kind));
        let said = |marks: &[String]| marks.iter().any(|mark| has(&issuer, mark) || has(&kind, mark));
        let value = self.value.trim().to_uppercase();
        let whose = if said(&policy.parent_marks) { Whose::Parent } else { Whose::Own };
        let number = is_personal_number(&value);
        let (kind, evidence) = if said(&policy.insurance_card_marks) {
            (IdentifierKind::InsuranceCard, IdentifierEvidence::OtherPatientIds)
        } else if number && said(&policy.personal_number_marks) {
            (IdentifierKind::PersonalNumber, IdentifierEvidence::OtherPatientIds)
        } else if number {
            // A type that says something else makes it another number; an issuer that is a facility does too.
            let typed = !kind.trim().is_empty();
            let of_facility = self.issuer.trim().chars().count() == policy.facility_code_characters;
            let told = !typed && !issuer.trim().is_empty() && !of_facility;
            let evidence =
                if told { IdentifierEvidence::OtherPatientIds } else { IdentifierEvidence::LooksLike };
            (IdentifierKind::PersonalNumber, evidence)
        } else if is_card(&value) {
            (IdentifierKind::InsuranceCard, IdentifierEvidence::LooksLike)
        } else {
            return None;
        };
        Some(Identifier { kind, value, evidence, whose })
    }
}

/// Folded words with a space around each; what tells only how a number is written is left out.
fn words_of(text: &str) -> String {
    let folded = fold(text);
    let words = folded.split(|letter: char| !letter.is_alphanumeric());
    let told = words.filter(|word| !word.is_empty() && !MEDIA.contains(word));
    told.fold(String::from(" "), |all, word| all + word + " ")
}

fn has(words: &str, mark: &str) -> bool {
    let mark = words_of(mark);
    !mark.trim().is_empty() && words.contains(&mark)
}

/// Two letters and thirteen digits.
fn is_card(value: &str) -> bool {
    let (letters, digits) = value.split_at_checked(2).unwrap_or_default();
    digits.len() == 13
        && letters.bytes().all(|byte| byte.is_ascii_uppercase())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}
