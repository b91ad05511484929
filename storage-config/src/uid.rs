//! Unique identifiers and application entity titles: peer text that was checked once, at the door.

use std::fmt;
use std::str::FromStr;

/// Most characters a unique identifier has (PS3.5 9.1).
pub const UID_MAX: usize = 64;
/// Most characters an application entity title has (PS3.5 6.2, VR AE).
pub const AE_TITLE_MAX: usize = 16;

/// A unique identifier (PS3.5 chapter 9): 1 to 64 digits and dots, padding removed.
///
/// Leading zeros of a component and empty components are kept: an image must not be lost over them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(Box<str>);

/// Why a text is no unique identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UidError {
    /// Nothing is left after the padding.
    #[error("the unique identifier is empty")]
    Empty,
    /// More than 64 characters.
    #[error("the unique identifier has {0} characters, 64 are allowed")]
    TooLong(usize),
    /// A character that is neither a digit nor a dot.
    #[error("the unique identifier has a character other than digits and dots")]
    Character,
}

impl Uid {
    /// Checks `text` after taking trailing NUL and surrounding space off.
    ///
    /// # Errors
    /// When nothing is left, when it is too long, when another character is in it.
    pub fn parse(text: &str) -> Result<Uid, UidError> {
        let text = text.trim_end_matches(['\0', ' ']).trim_start_matches(' ');
        match text.len() {
            0 => Err(UidError::Empty),
            n if n > UID_MAX => Err(UidError::TooLong(n)),
            _ if !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') => Err(UidError::Character),
            _ => Ok(Uid(text.into())),
        }
    }

    /// The same for bytes as they stand in a data set.
    ///
    /// # Errors
    /// As [`Uid::parse`].
    pub fn parse_bytes(bytes: &[u8]) -> Result<Uid, UidError> {
        std::str::from_utf8(bytes).map_err(|_| UidError::Character).and_then(Uid::parse)
    }

    /// The identifier without padding.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An application entity title (PS3.5 6.2): 1 to 16 printable characters of ASCII, no backslash, padding removed.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AeTitle(Box<str>);

/// Why a text is no application entity title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AeTitleError {
    /// Nothing is left after the padding.
    #[error("the AE title is empty")]
    Empty,
    /// More than 16 characters.
    #[error("the AE title has {0} characters, 16 are allowed")]
    TooLong(usize),
    /// A control character, a backslash or something outside ASCII.
    #[error("the AE title has a character that is not allowed")]
    Character,
}

impl AeTitle {
    /// Checks `text` after taking the surrounding space (and trailing NUL) off.
    ///
    /// # Errors
    /// When nothing is left, when it is too long, when a character is not allowed.
    pub fn parse(text: &str) -> Result<AeTitle, AeTitleError> {
        let text = text.trim_end_matches(['\0', ' ']).trim_start_matches(' ');
        match text.len() {
            0 => Err(AeTitleError::Empty),
            n if n > AE_TITLE_MAX => Err(AeTitleError::TooLong(n)),
            _ if !text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'\\') => {
                Err(AeTitleError::Character)
            }
            _ => Ok(AeTitle(text.into())),
        }
    }

    /// The title without padding.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What both identifiers share: shown as text, read from text, read from a configuration file.
macro_rules! text_type {
    ($name:ident, $error:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, $error> {
                $name::parse(text)
            }
        }
        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, $error> {
                $name::parse(&text)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                $name::parse(&text).map_err(serde::de::Error::custom)
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }
    };
}
text_type!(Uid, UidError);
text_type!(AeTitle, AeTitleError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_loses_its_padding_and_nothing_else() {
        assert_eq!(Uid::parse("1.2.840.0\0").unwrap().as_str(), "1.2.840.0");
        assert_eq!(Uid::parse("1.02.3 ").unwrap().as_str(), "1.02.3");
        assert_eq!(Uid::parse(" \0"), Err(UidError::Empty));
        assert_eq!(Uid::parse(&"1".repeat(65)), Err(UidError::TooLong(65)));
        assert!(Uid::parse(&"1".repeat(64)).is_ok());
        for bad in ["../../x", "1.2\r\n", "1.2\\3", "1.2*", "١.٢", "1.2\x003", "/etc/x", "..%2f"] {
            assert_eq!(Uid::parse(bad), Err(UidError::Character), "{bad:?}");
        }
    }

    #[test]
    fn an_ae_title_is_at_most_16_printable_characters() {
        assert_eq!(AeTitle::parse("  CT 1  ").unwrap().as_str(), "CT 1");
        assert_eq!(AeTitle::parse("                "), Err(AeTitleError::Empty));
        assert_eq!(AeTitle::parse("12345678901234567"), Err(AeTitleError::TooLong(17)));
        for bad in ["A\\B", "A\nB", "MÁY"] {
            assert_eq!(AeTitle::parse(bad), Err(AeTitleError::Character), "{bad:?}");
        }
    }
}
