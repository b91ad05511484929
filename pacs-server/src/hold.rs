//! `pacs-server hold` and `release`: a study that must be kept, as a person at the machine of the archive says it, handed
//! to the running server or said here.

use indexer::archive::{Archive, Basis, Said, StateError};
use indexer::statement::{Evidence, LegalHold, State, Who};
use serde::{Deserialize, Serialize};
use storage_config::Uid;

/// Which study is to be held, or no longer, as the control socket says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldJob {
    /// Study Instance UID.
    pub study: Uid,
    /// Whether nothing of it may be removed.
    pub held: bool,
    /// Why, in words.
    pub why: String,
    /// Who says so.
    pub who: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The version of what is said of the study's hold.
    pub version: Option<u64>,
    /// When it was said, in milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
}

/// Says it.
///
/// # Errors
/// As [`Archive::state`].
pub fn say(archive: &Archive, job: &HoldJob) -> Result<Held, StateError> {
    let stated = archive.state(Said {
        id: None,
        key: job.study.to_string(),
        state: State::LegalHold(LegalHold { held: job.held }),
        based_on: Basis::Current,
        who: Who { name: job.who.clone(), by: Evidence::Command },
        why: job.why.clone(),
    })?;
    Ok(Held { version: stated.version, time_ms: stated.statement.time.ms() })
}
