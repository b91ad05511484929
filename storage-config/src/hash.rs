//! Content hashes: the SHA-256 by which the archive names bytes.
//!
//! Knows bytes only, not what they mean: which bytes make up the digest of an instance is decided elsewhere.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

/// The SHA-256 (FIPS 180-4) of some bytes. Shown and read as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

/// Text that is not a content hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a content hash is 64 lower-case hex digits")]
pub struct ContentHashError;

impl ContentHash {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> ContentHash {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The 32 bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ContentHash {
    type Err = ContentHashError;

    /// # Errors
    /// [`ContentHashError`] for anything but 64 lower-case hex digits: one hash has one spelling.
    fn from_str(text: &str) -> Result<ContentHash, ContentHashError> {
        let mut hash = [0; 32];
        parse_hex(text, &mut hash).ok_or(ContentHashError)?;
        Ok(ContentHash(hash))
    }
}

/// Computes a [`ContentHash`] of bytes that come in pieces.
#[derive(Clone, Debug, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// A hasher that has seen no bytes.
    pub fn new() -> Hasher {
        Hasher(Sha256::new())
    }

    /// Takes the next bytes. How they are cut into pieces makes no difference.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all bytes taken.
    pub fn finish(self) -> ContentHash {
        ContentHash(self.0.finalize().into())
    }
}

/// Reads exactly `out.len()` bytes of lower-case hex; `None` for any other text.
pub(crate) fn parse_hex(text: &str, out: &mut [u8]) -> Option<()> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if text.len() != out.len() * 2 {
        return None;
    }
    for (pair, byte) in text.chunks_exact(2).zip(out) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(())
}

impl serde::Serialize for ContentHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for ContentHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_and_reads_the_standard_test_vector() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hash = ContentHash::of(b"abc");
        assert_eq!(hash.to_string(), text);
        assert_eq!(text.parse::<ContentHash>(), Ok(hash));
        let mut pieces = Hasher::new();
        pieces.update(b"a");
        pieces.update(b"bc");
        assert_eq!(pieces.finish(), hash);
    }

    #[test]
    fn refuses_other_spellings() {
        let text = ContentHash::of(b"abc").to_string();
        for other in
            ["", "ba", &text.to_uppercase(), &text[1..], &format!("{text}0"), &text.replace('b', "g")]
        {
            assert_eq!(other.parse::<ContentHash>(), Err(ContentHashError), "{other}");
        }
    }
}
