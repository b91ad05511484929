//! Passwords: what is taken as one, and how it is kept (Argon2id, RFC 9106).

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::AccountError;

/// Memory of one hash in KiB, passes over it, lanes. Large enough to make guessing slow, small enough that a few at
/// once do not crowd out the archive.
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// Most bytes of a password.
const BYTES: usize = 256;
/// Fewest different characters of a password.
const DIFFERENT: usize = 5;
/// Shortest name of an account that a password may not hold: a shorter one stands in many words by chance.
const NAME_BYTES: usize = 4;
/// What is checked where there is no account, so that it takes as long: the hash of nothing that anybody knows.
const NO_ACCOUNT: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyBpdA$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// A password. It shows itself to nobody, in logs neither.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// A password as it was typed.
    #[must_use]
    pub fn new(text: &str) -> Secret {
        Secret(text.to_owned())
    }

    /// The same letters have the same bytes, however a keyboard composes them.
    fn normal(&self) -> String {
        // What is too long is refused; it need not be made longer first.
        self.0.chars().take(BYTES + 1).nfkc().collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Whether `password` is taken for the account `name`.
///
/// # Errors
/// When it is too short, too long or guessed too easily.
pub(super) fn allowed(name: &str, password: &Secret, characters: u32) -> Result<(), AccountError> {
    let text = password.normal();
    if text.len() > BYTES {
        return Err(AccountError::Long);
    }
    if text.chars().count() < characters as usize {
        return Err(AccountError::Short(characters));
    }
    let mut letters: Vec<char> = text.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    let holds_name = name.len() >= NAME_BYTES && text.to_lowercase().contains(name);
    if letters.len() < DIFFERENT || holds_name {
        return Err(AccountError::Weak);
    }
    Ok(())
}

/// The hash of `password` with a salt of its own, as a PHC string.
///
/// # Errors
/// When the system has no randomness.
pub(super) fn hash(password: &Secret) -> Result<String, AccountError> {
    let (memory, passes, lanes) = COST;
    let failed = |error: &dyn fmt::Display| AccountError::Hash(error.to_string());
    let params = Params::new(memory, passes, lanes, None).map_err(|e| failed(&e))?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon.hash_password(password.normal().as_bytes()).map_err(|e| failed(&e))?;
    Ok(hash.to_string())
}

/// Whether `hash` is that of `password`; without a hash it takes as long and says no.
pub(super) fn verify(hash: Option<&str>, password: &Secret) -> bool {
    let text = password.normal();
    // Nobody has a longer one; hashing it would cost what its sender likes.
    let text = if text.len() > BYTES { "" } else { &text };
    let Ok(known) = PasswordHash::new(hash.unwrap_or(NO_ACCOUNT)) else { return false };
    Argon2::default().verify_password(text.as_bytes(), &known).is_ok() && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_account_costs_what_an_account_costs() {
        let made = hash(&Secret::new("x")).unwrap();
        let (made, none) = (PasswordHash::new(&made).unwrap(), PasswordHash::new(NO_ACCOUNT).unwrap());
        assert_eq!((made.algorithm.as_str(), made.version), (none.algorithm.as_str(), none.version));
        assert_eq!(made.params, none.params);
        assert!(!verify(None, &Secret::new("")));
        assert_eq!(format!("{:?}", Secret::new("x")), "Secret");
    }

    #[test]
    fn limits_hold_at_the_limit_and_beyond() {
        let of = |text: &str| allowed("an", &Secret::new(text), 10);
        assert!(of("0123456789").is_ok());
        assert!(matches!(of("012345678"), Err(AccountError::Short(10))));
        let long = "0123456789abcdef".repeat(16);
        assert!(of(&long).is_ok());
        assert!(matches!(of(&(long + "0")), Err(AccountError::Long)));
        assert!(matches!(of("0101010101"), Err(AccountError::Weak)));
        let named = allowed("an.nguyen", &Secret::new("An.Nguyen 1968"), 10);
        assert!(matches!(named, Err(AccountError::Weak)));
    }
}
