//! What compaction may remove, and what came of it.

use serde::{Deserialize, Serialize};

use crate::archive::stating::StateError;
use crate::db::DbError;

/// What is to be compacted, and what may be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactJob {
    /// Say what would be done and do nothing.
    pub dry_run: bool,
    /// Years for which a last copy is kept after it was received, unless it is a duplicate or the wrong object.
    pub min_years: u32,
    /// Days from a withdrawal to the removal of what it hides.
    pub grace_days: u32,
    /// Share of a pack, in percent, that has to be removable before the pack is written anew.
    pub percent: u8,
    /// Bytes read a second at most; none: as fast as the disk gives.
    pub bytes_per_second: Option<u64>,
    /// Who wants it.
    pub who: String,
    /// Why.
    pub why: String,
}

/// Why a pack with something to remove stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyKept {
    /// Too little of it could go.
    TooLittle,
    /// It has something damaged of which there is no other copy.
    OnlyCopy,
    /// Somebody wants again what was to go.
    Wanted,
    /// It, or what takes its place, is not in the bucket yet.
    NotUploaded,
}

/// A pack that stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackKept {
    /// Its number.
    pub pack: i64,
    /// Why.
    pub why: WhyKept,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CompactReport {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Packs that were looked at.
    pub packs: u64,
    /// Those that were (or would be) written anew, or removed as a whole.
    pub rewritten: u64,
    /// Bytes of their files before.
    pub bytes_before: u64,
    /// Bytes that this freed (or would).
    pub bytes_freed: u64,
    /// Instances whose bytes were (or would be) removed for good.
    pub instances: u64,
    /// Withdrawn instances that stay: under legal hold, too young, or withdrawn too short a time ago.
    pub instances_kept: u64,
    /// Packs that stay as they are.
    pub kept: Vec<PackKept>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// How long it took.
    pub seconds: f64,
}

/// Why a compaction ended early. What was done until then stays; nothing that is to be kept is lost by any of these.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The index failed.
    #[error("index: {0}")]
    Index(#[from] DbError),
    /// Records could not be read or written.
    #[error("{0}")]
    Copy(String),
    /// The removal could not be stated.
    #[error("the removal was not stated: {0}")]
    State(#[from] StateError),
    /// The disk failed. A file that could not be removed will be found again at the next start.
    #[error("disk: {0}")]
    Disk(#[from] std::io::Error),
    /// Another server of the same index compacts, or took over.
    #[error("another server of this index is compacting")]
    Elsewhere,
    /// The archive is stopping.
    #[error("the archive is stopping")]
    Stopping,
}
