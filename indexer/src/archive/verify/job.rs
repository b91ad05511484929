//! What somebody wants verified, what is told meanwhile and what came of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use storage_config::Uid;

/// Findings that a report lists at most.
pub(super) const LISTED: usize = 1000;

/// What is to be verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyJob {
    /// Share of the records that are read, in percent; none for all.
    pub sample_percent: Option<u8>,
    /// Bytes read a second at most; none: as fast as the disk gives.
    pub bytes_per_second: Option<u64>,
    /// One pack alone, by its number or name.
    pub pack: Option<String>,
    /// One study alone.
    pub study: Option<Uid>,
    /// A folder with copies of packs that is compared with the packs.
    pub against: Option<PathBuf>,
    /// Begin anew instead of going on where an interrupted run stopped.
    pub from_start: bool,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyProgress {
    /// Packs (or series) that are done, and all.
    pub done: u64,
    /// All of them.
    pub all: u64,
    /// Bytes read by this job.
    pub bytes: u64,
    /// Damaged stretches found.
    pub damaged: u64,
}

/// A damaged stretch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamageFound {
    /// Number of the pack.
    pub pack: i64,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// What stood there and what is wrong, in words.
    pub what: String,
    /// Whether what stood there is whole elsewhere.
    pub whole_elsewhere: bool,
}

/// How a pack compares with its copy in a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// The backup does not have it.
    Missing,
    /// The copy is shorter than what is known to be stored.
    Shorter,
    /// The copy has other bytes, whole in themselves.
    Different,
    /// The copy is damaged.
    Damaged,
    /// The pack itself is damaged, and the copy is not.
    DamagedHere,
}

/// A pack that is not in the backup as it is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupDiffers {
    /// Name of the pack's file.
    pub file: String,
    /// How the two compare.
    pub how: Compared,
}

/// What came of a job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Packs that were read to their end.
    pub packs: u64,
    /// Series, where a study was verified.
    pub series: u64,
    /// Records that were read.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Damaged stretches, or instances of the study without a whole copy.
    pub damaged: u64,
    /// Of the stretches, those of which what stood there is whole elsewhere: repaired now or before.
    pub whole_elsewhere: u64,
    /// Of these, those that were repaired now.
    pub repaired: u64,
    /// The stretches, at most 1,000 of them.
    pub found: Vec<DamageFound>,
    /// Packs that were compared with a backup.
    pub compared: u64,
    /// Those that differ.
    pub differing: Vec<BackupDiffers>,
    /// Packs, or series of the study, that could not be reached or read now: the object store does not answer, another server
    /// has them, or the disk fails. That proves nothing, and they are read another time.
    #[serde(default)]
    pub away: u64,
    /// Whether it was stopped before its end, or something was out of reach; it goes on there the next time.
    pub stopped: bool,
    /// How long it took.
    pub seconds: f64,
}

impl VerifyReport {
    /// Whether everything that was looked at is whole somewhere in the archive, and in the backup that was compared.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damaged == self.whole_elsewhere && self.differing.is_empty()
    }
}

/// Why a job was not done.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// What is to be verified is not here.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A folder cannot be read.
    #[error("{folder}: {source}")]
    Folder {
        /// The folder.
        folder: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The index failed.
    #[error("index: {0}")]
    Index(#[from] crate::db::DbError),
}
