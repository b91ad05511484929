//! What an operation is answered with, and what the archive's errors are in an answer.

use indexer::archive::{StepError, StepErrorKind, StoreError};
use storage_config::Uid;

use super::status::{self, Status};

/// Error ID (0000,0903) of a change of a step that is finished (PS3.4 F.7.2.2.2).
const MAY_NO_LONGER_BE_UPDATED: u16 = 0xA710;

/// What an operation is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Status (0000,0900).
    pub status: Status,
    /// Error Comment (0000,0902), a value of LO, or empty.
    pub comment: String,
    /// Error ID (0000,0903), where PS3.4 gives one.
    pub error_id: Option<u16>,
    /// Affected SOP Instance UID (0000,1000), where it is another than the request's.
    pub sop_instance: Option<Uid>,
}

impl Answer {
    /// Success.
    pub fn success() -> Answer {
        Answer { status: Status::SUCCESS, comment: String::new(), error_id: None, sop_instance: None }
    }

    /// A failure with a reason in words.
    pub fn failure(status: Status, reason: &str) -> Answer {
        Answer { status, comment: status::comment(reason), ..Answer::success() }
    }
}

impl From<&StoreError> for Answer {
    fn from(error: &StoreError) -> Answer {
        Answer::failure(Status::of(error.kind()), &error.to_string())
    }
}

impl From<&StepError> for Answer {
    fn from(error: &StepError) -> Answer {
        let kind = error.kind();
        let error_id = (kind == StepErrorKind::Closed).then_some(MAY_NO_LONGER_BE_UPDATED);
        Answer { error_id, ..Answer::failure(Status::of_step(kind), &error.to_string()) }
    }
}
