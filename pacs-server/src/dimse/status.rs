//! Statuses of DIMSE responses (PS3.7 annex C, PS3.4 B.2.3), and the one table from the archive's errors to them.

use std::fmt;

use indexer::archive::{StepErrorKind, StoreErrorKind};

/// A DIMSE status (0000,0900).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u16);

impl Status {
    /// Success.
    pub const SUCCESS: Status = Status(0x0000);
    /// Invalid attribute value (PS3.7 annex C).
    pub const INVALID_ATTRIBUTE_VALUE: Status = Status(0x0106);
    /// Processing failure (PS3.7 C.5.11): a defect of this side, or what PS3.4 says of a SOP class.
    pub const PROCESSING_FAILURE: Status = Status(0x0110);
    /// Duplicate SOP Instance (PS3.7 annex C).
    pub const DUPLICATE_SOP_INSTANCE: Status = Status(0x0111);
    /// No such SOP Instance (PS3.7 annex C).
    pub const NO_SUCH_SOP_INSTANCE: Status = Status(0x0112);
    /// Invalid SOP Instance: its name is no UID (PS3.7 annex C).
    pub const INVALID_SOP_INSTANCE: Status = Status(0x0117);
    /// No such SOP class (PS3.7 annex C).
    pub const NO_SUCH_SOP_CLASS: Status = Status(0x0118);
    /// Missing attribute (PS3.7 annex C).
    pub const MISSING_ATTRIBUTE: Status = Status(0x0120);
    /// Missing attribute value (PS3.7 annex C).
    pub const MISSING_ATTRIBUTE_VALUE: Status = Status(0x0121);
    /// Refused: SOP class not supported (PS3.7 C.5.6).
    pub const SOP_CLASS_NOT_SUPPORTED: Status = Status(0x0122);
    /// Unrecognized operation (PS3.7 C.5.21).
    pub const UNRECOGNIZED_OPERATION: Status = Status(0x0211);
    /// Resource limitation (PS3.7 annex C).
    pub const RESOURCE_LIMITATION: Status = Status(0x0213);
    /// Refused: out of resources (PS3.4 B.2.3). The sender should try again later.
    pub const OUT_OF_RESOURCES: Status = Status(0xA700);
    /// Error: data set does not match SOP class, nor what the command says (PS3.4 B.2.3).
    pub const MISMATCH: Status = Status(0xA900);
    /// Error: cannot understand (PS3.4 B.2.3). Sending the same again will not help.
    pub const CANNOT_UNDERSTAND: Status = Status(0xC000);
    /// Error: cannot understand, of this program: larger than the limit.
    pub const TOO_LARGE: Status = Status(0xC001);

    /// What kind of store error becomes which status.
    #[must_use]
    pub fn of(kind: StoreErrorKind) -> Status {
        match kind {
            StoreErrorKind::DataSet => Status::CANNOT_UNDERSTAND,
            StoreErrorKind::Mismatch => Status::MISMATCH,
            StoreErrorKind::OutOfResources => Status::OUT_OF_RESOURCES,
            StoreErrorKind::TooLarge => Status::TOO_LARGE,
            StoreErrorKind::Internal => Status::PROCESSING_FAILURE,
        }
    }

    /// The same for what a device says of a performed procedure step.
    #[must_use]
    pub fn of_step(kind: StepErrorKind) -> Status {
        match kind {
            StepErrorKind::Missing => Status::MISSING_ATTRIBUTE,
            StepErrorKind::Empty => Status::MISSING_ATTRIBUTE_VALUE,
            StepErrorKind::Invalid => Status::INVALID_ATTRIBUTE_VALUE,
            StepErrorKind::OutOfResources => Status::RESOURCE_LIMITATION,
            StepErrorKind::Exists => Status::DUPLICATE_SOP_INSTANCE,
            StepErrorKind::NotFound => Status::NO_SUCH_SOP_INSTANCE,
            StepErrorKind::DataSet | StepErrorKind::Closed | StepErrorKind::Internal => {
                Status::PROCESSING_FAILURE
            }
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

/// Characters of an Error Comment (0000,0902), a value of LO.
const COMMENT_MAX: usize = 64;

/// An Error Comment: one value of LO in the default repertoire, without control characters and backslash.
pub(super) fn comment(text: &str) -> String {
    let allowed = |c: char| if matches!(c, ' '..='~') && c != '\\' { c } else { '?' };
    text.chars().take(COMMENT_MAX).map(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_one_short_printable_value() {
        assert_eq!(comment("a\\b\r\nc ế"), "a?b??c ?");
        assert_eq!(comment(&"x".repeat(100)).len(), COMMENT_MAX);
        assert_eq!(Status::OUT_OF_RESOURCES.to_string(), "A700");
    }
}
