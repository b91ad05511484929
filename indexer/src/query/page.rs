//! What a query gives: rows with the attributes of their level, and how to go on.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use storage_config::Uid;

use super::GroupKey;

/// A page of rows.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The rows, newest study first.
    pub rows: Vec<QueryRow>,
    /// The key to go on from, when the page is full.
    pub next: Option<PageKey>,
    /// Whether old studies were left out, because the keys can only be matched by looking at each study and there are
    /// too many. A face says so.
    pub old_left_out: bool,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryRow {
    /// Study Instance UID; of a patient, its newest study's.
    pub study_uid: Uid,
    /// Series Instance UID, from the series level down.
    pub series_uid: Option<Uid>,
    /// SOP Instance UID, at the instance level.
    pub sop_instance: Option<Uid>,
    /// The attributes as DICOM JSON, those that are computed included.
    pub attributes: Map<String, Value>,
    /// Whether a person must look at whose study this is.
    pub identity_conflict: bool,
    /// Names the patient of the study, and the group it belongs to, in addresses.
    pub patient: Option<GroupKey>,
    /// When the last instance of the study came, in milliseconds since 1970-01-01 UTC.
    pub changed_ms: i64,
    /// How many instances the study has, as its sender announced it in (0020,1208). The attributes hold the number
    /// that is here.
    pub announced: Option<u64>,
    /// What was examined, as the study is coded; none before it was.
    pub exam: Option<Exam>,
}

/// The examination of a study in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exam {
    /// The names of its techniques; empty where none was found.
    pub name: String,
    /// Whether a person still has to choose: the name is what the mapper would offer first.
    pub waits: bool,
}

/// Where a page ended. Opaque to callers, stable while the row it names stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageKey(pub Vec<PagePart>);

/// One sort key of the row where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PagePart {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}
