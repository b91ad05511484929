//! How what is stored is looked after: read again, kept as long as it must be, and what may be removed.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Reading again what is stored, in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Verify {
    /// Bytes read a second at most, also by `pacs-server verify` where it does not say otherwise.
    pub bytes_per_second: u64,
    /// Days after which a pack is read again; 0: only when somebody asks.
    pub every_days: u32,
}

impl Default for Verify {
    fn default() -> Self {
        Verify { bytes_per_second: 20_000_000, every_days: 30 }
    }
}

/// What may be removed, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Years for which the last copy of an instance is kept after it was received, whatever is said of it but that it is
    /// a duplicate or the wrong object.
    pub min_years: u32,
    /// Days between a withdrawal and the removal of what it hides.
    pub grace_days: u32,
    /// Share of a pack, in percent, that has to be removable before the pack is written anew without it.
    pub compact_percent: u8,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { min_years: 10, grace_days: 30, compact_percent: 20 }
    }
}

/// The decision whether a stored exam can be used again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reuse {
    /// File of the site's dated policy, relative to the data folder; empty: the policy as shipped.
    pub policy: PathBuf,
}
