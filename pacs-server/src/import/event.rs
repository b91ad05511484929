//! What an import says while it runs.

use serde::{Deserialize, Serialize};

/// One word of a running import.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportEvent {
    /// How far it is; several a second.
    Progress(Progress),
    /// The archive takes nothing at the moment; the import tries again.
    Waiting {
        /// Why.
        reason: String,
        /// Seconds until it tries again.
        seconds: f64,
    },
}

/// How far an import is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Files done with, those of an earlier run included.
    pub files: u64,
    /// Bytes of files done with or read so far, those of an earlier run not included.
    pub bytes: u64,
    /// Bytes of files that an earlier run had done.
    pub bytes_before: u64,
    /// Files found so far.
    pub files_found: u64,
    /// Bytes of the files found so far.
    pub bytes_found: u64,
    /// Whether all files have been found, so that the two above are totals.
    pub counted: bool,
    /// Instances stored, versions included; in a dry run those that could be.
    pub stored: u64,
    /// Instances that were in the archive already.
    pub duplicates: u64,
    /// Files and folders that were refused or could not be read.
    pub refused: u64,
    /// Seconds since the start.
    pub seconds: f64,
}
