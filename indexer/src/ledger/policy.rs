//! Numbers of the ledger as dated data; `indexer/data/ledger.toml` is built in.

use serde::{Deserialize, Serialize};

use crate::reuse::Date;

/// The policy as shipped.
pub const SHIPPED: &str = include_str!("../../data/ledger.toml");

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerPolicyError {
    /// The text is no policy.
    #[error("the policy of the ledger cannot be read: {0}")]
    Unreadable(#[from] toml::de::Error),
    /// It has no version.
    #[error("the policy of the ledger has no version")]
    Empty,
}

/// All versions of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerPolicy {
    #[serde(rename = "version")]
    versions: Vec<LedgerVersion>,
}

/// The policy from one day on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerVersion {
    /// Its name.
    pub id: String,
    /// The first day.
    pub from: Date,
    /// Who says so.
    pub source: String,
    /// Calendar days after a decision within which a performed exam that covers the order takes the entry back.
    pub repeat_within_days: u32,
}

impl LedgerVersion {
    /// Whether its numbers make sense; else what is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.repeat_within_days > 3650 {
            Err("is no number of days from 0 to 3650".into())
        } else {
            Ok(())
        }
    }
}

impl LedgerPolicy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`LedgerPolicyError`].
    pub fn from_toml(text: &str) -> Result<LedgerPolicy, LedgerPolicyError> {
        let policy: LedgerPolicy = toml::from_str(text)?;
        LedgerPolicy::of(policy.versions)
    }

    /// A policy of versions, in whatever order.
    pub(crate) fn of(mut versions: Vec<LedgerVersion>) -> Result<LedgerPolicy, LedgerPolicyError> {
        versions.sort_by_key(|version| version.from);
        if versions.is_empty() { Err(LedgerPolicyError::Empty) } else { Ok(LedgerPolicy { versions }) }
    }

    /// The policy as shipped.
    ///
    /// # Errors
    /// [`LedgerPolicyError`]; a test holds that there is none.
    pub fn shipped() -> Result<LedgerPolicy, LedgerPolicyError> {
        LedgerPolicy::from_toml(SHIPPED)
    }

    /// The version in force on a day: the last that begins on or before it, the first before that.
    #[must_use]
    pub fn in_force(&self, day: Date) -> &LedgerVersion {
        let begun = self.versions.iter().rfind(|version| version.from <= day);
        // `from_toml` leaves none empty.
        begun.unwrap_or(&self.versions[0])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;

    #[test]
    fn the_last_version_begun_is_in_force() {
        LedgerPolicy::shipped().unwrap();
        let text = |id: &str, from: &str, days: u32| {
            format!(
                "[[version]]\nid = \"{id}\"\nfrom = \"{from}\"\nsource = \"\"\nrepeat_within_days = {days}\n"
            )
        };
        let both = text("b", "2026-06-01", 7) + &text("a", "2026-01-01", 30);
        let policy = LedgerPolicy::from_toml(&both).unwrap();
        for (day, id) in [("2025-01-01", "a"), ("2026-05-31", "a"), ("2026-06-01", "b"), ("2030-01-01", "b")]
        {
            assert_eq!(policy.in_force(day.parse().unwrap()).id, id, "{day}");
        }
        assert!(LedgerPolicy::from_toml("version = []").is_err());
    }
}
