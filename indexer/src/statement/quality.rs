//! Readers' marks of the quality of a study's pictures.

use serde::{Deserialize, Serialize};

use super::{StatementError, text};
use crate::reuse::prior::Mark;

/// Characters of a reader's name at most.
const NAME_CHARS_MAX: usize = 200;

/// A reader's mark; the subject is the Study Instance UID, and the newest mark counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityMark {
    /// What the pictures are worth.
    pub mark: Mark,
    /// Who judged them.
    pub reader: String,
}

impl QualityMark {
    pub(super) fn check(&self) -> Result<(), StatementError> {
        text("reader", &self.reader, 1, NAME_CHARS_MAX)
    }
}
