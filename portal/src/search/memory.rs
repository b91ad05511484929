//! Texts that were searched for, each under a random number.
//!
//! What people type is a name or a number of a patient. In an address it would land in the browser's history, in
//! bookmarks and in the logs of every proxy on the way. So the form is posted, its text stays here, and the address
//! names it by a random number that says nothing; going back, reloading and turning pages work as with any address.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use rustix::rand::{GetRandomFlags, getrandom};

/// Most texts that are remembered; the oldest one goes.
const KEPT: usize = 5_000;

/// The texts. They live as long as the process and are written nowhere.
#[derive(Default)]
pub(crate) struct Searches {
    texts: Mutex<VecDeque<(String, String)>>,
}

impl Searches {
    /// Remembers a text; the number to ask for it. None when the system gives no random number.
    pub(crate) fn remember(&self, text: &str) -> Option<String> {
        let mut random = [0_u8; 16];
        let got = getrandom(&mut random[..], GetRandomFlags::empty()).ok()?;
        if got != random.len() {
            return None;
        }
        let number = format!("{:032x}", u128::from_le_bytes(random));
        let mut texts = self.lock();
        texts.push_front((number.clone(), text.to_owned()));
        texts.truncate(KEPT);
        Some(number)
    }

    /// The text of a number.
    pub(crate) fn recall(&self, number: &str) -> Option<String> {
        self.lock().iter().find(|(known, _)| known == number).map(|(_, text)| text.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(String, String)>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_remembered_and_the_oldest_forgotten() {
        let searches = Searches::default();
        let first = searches.remember("nguyen").unwrap();
        assert_eq!(first.len(), 32);
        assert_eq!(searches.recall(&first).as_deref(), Some("nguyen"));
        assert_eq!(searches.recall("0"), None);
        for _ in 0..KEPT {
            searches.remember("an").unwrap();
        }
        assert_eq!(searches.recall(&first), None);
    }
}
