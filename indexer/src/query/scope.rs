//! Whose studies a request may see: everybody's, or those of one identity group.
//!
//! A group is the patients that are known to be one person. A face that is limited to a group passes its scope along
//! with each question; what lies outside is answered as if it were not there.

use std::fmt;
use std::str::FromStr;

use storage_config::Hasher;

/// Bytes of a key.
const KEY_BYTES: usize = 16;
/// What the digest behind a key starts with, so that it can never equal the digest of something else.
const KEY_DOMAIN: &[u8] = b"patient-key/1\0";
/// The same for keys of what is said of a person under a number.
const SAID_DOMAIN: &[u8] = b"person-key/1\0";

/// Names a patient, and with it the group it belongs to, where a PatientID must not stand: in addresses, logs and
/// bookmarks. It follows from the patient alone (issuer or facility, PatientID), so that it outlives a rebuild of the
/// index. Whoever can guess those can compute it: it hides, it does not protect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupKey([u8; KEY_BYTES]);

impl GroupKey {
    /// The key of a patient from what tells patients apart.
    pub(crate) fn of(patient_id: &str, issuer: &str, facility: u32, scope: &str) -> GroupKey {
        let mut hasher = Hasher::new();
        hasher.update(KEY_DOMAIN);
        for text in [patient_id, issuer, scope] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&facility.to_le_bytes());
        let digest = hasher.finish().0;
        let mut key = [0; KEY_BYTES];
        key.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        GroupKey(key)
    }

    /// The key of what is said of a person under the number that this key names.
    pub(crate) fn said(&self, parts: &[&str]) -> GroupKey {
        let mut hasher = Hasher::new();
        hasher.update(SAID_DOMAIN);
        hasher.update(&self.0);
        for text in parts {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        let digest = hasher.finish().0;
        let mut key = [0; KEY_BYTES];
        key.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        GroupKey(key)
    }

    /// The bytes that rows keep.
    pub(crate) fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// A key from the bytes that rows keep.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<GroupKey> {
        bytes.try_into().ok().map(GroupKey)
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a patient key has {} lower case hexadecimal digits", 2 * KEY_BYTES)]
pub struct NotAKey;

impl TryFrom<String> for GroupKey {
    type Error = NotAKey;

    fn try_from(text: String) -> Result<GroupKey, NotAKey> {
        text.parse()
    }
}

impl From<GroupKey> for String {
    fn from(key: GroupKey) -> String {
        key.to_string()
    }
}

impl FromStr for GroupKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<GroupKey, NotAKey> {
        let digits = text.as_bytes();
        if digits.len() != 2 * KEY_BYTES {
            return Err(NotAKey);
        }
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(NotAKey),
        };
        let mut key = [0; KEY_BYTES];
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Ok(GroupKey(key))
    }
}

/// Patients that are one person. Made by the index, for as long as one question takes: rows may go and come back under
/// other numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityGroup {
    rows: Vec<i64>,
}

impl IdentityGroup {
    pub(crate) fn of_rows(rows: Vec<i64>) -> IdentityGroup {
        IdentityGroup { rows }
    }

    pub(crate) fn rows(&self) -> &[i64] {
        &self.rows
    }
}

/// Whose studies a question is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PatientScope {
    /// Everybody's.
    #[default]
    Everyone,
    /// Those of one group. An exact PatientID of any of its patients then stands for the whole group, because a person
    /// has another number at each facility; that of a stranger matches nothing.
    Group(IdentityGroup),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_apart_by_every_part_and_reads_back() {
        let key = GroupKey::of("P1", "79001", 0, "");
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key.to_string().len(), 32);
        for other in [
            GroupKey::of("P2", "79001", 0, ""),
            GroupKey::of("P1", "79002", 0, ""),
            GroupKey::of("P1", "79001", 1, ""),
            GroupKey::of("P1", "79001", 0, "order:1"),
            GroupKey::of("P17", "9001", 0, ""),
        ] {
            assert_ne!(other, key);
        }
        for text in ["", "P1", &"g".repeat(32), &key.to_string().to_uppercase(), &"0".repeat(33)] {
            assert!(text.parse::<GroupKey>().is_err() || text.bytes().all(|b| b.is_ascii_digit()), "{text}");
        }
    }
}
