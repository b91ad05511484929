//! Sessions: who signed in and has not been silent too long. They live in memory and end with the process; of their
//! numbers only hashes are kept. The time is an argument.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use storage_config::ContentHash;
use storage_config::config::SignIn;

/// Bytes of the random number that names a session.
const NUMBER_BYTES: usize = 32;
/// Sessions that one account has at most; another one ends that which has been silent longest.
const OF_ONE_ACCOUNT: usize = 20;

/// A session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// The account's name.
    pub account: Arc<str>,
    /// Its epoch at the sign-in.
    pub epoch: u64,
    began: Instant,
    last: Instant,
}

/// All sessions.
pub(super) struct Sessions {
    rules: SignIn,
    table: Mutex<HashMap<ContentHash, Session>>,
}

impl Sessions {
    pub(super) fn new(rules: SignIn) -> Sessions {
        Sessions { rules, table: Mutex::default() }
    }

    /// Begins a session: its number, 64 hexadecimal digits.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn begin(&self, account: &str, epoch: u64, now: Instant) -> std::io::Result<String> {
        let mut number = [0; NUMBER_BYTES];
        let flags = rustix::rand::GetRandomFlags::empty();
        let got = rustix::rand::getrandom(&mut number, flags)?;
        if got < NUMBER_BYTES {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let number = ContentHash(number).to_string();
        let mut table = self.table();
        // One account cannot push the others out of the table.
        let own = table.iter().filter(|(_, session)| *session.account == *account);
        if own.clone().count() >= OF_ONE_ACCOUNT {
            let silent = own.min_by_key(|(_, session)| session.last).map(|(key, _)| *key);
            silent.map(|key| table.remove(&key));
        }
        if table.len() >= self.rules.sessions as usize {
            table.retain(|_, session| self.lives(session, now));
        }
        if table.len() >= self.rules.sessions as usize {
            let silent = table.iter().min_by_key(|(_, session)| session.last).map(|(key, _)| *key);
            silent.map(|key| table.remove(&key));
        }
        table.insert(key(&number), Session { account: account.into(), epoch, began: now, last: now });
        Ok(number)
    }

    /// The session of a number. What a page asks on its own (`touch` false) does not keep it alive.
    pub(super) fn find(&self, number: &str, touch: bool, now: Instant) -> Option<Session> {
        let (key, mut table) = (key(number), self.table());
        let session = table.get_mut(&key)?;
        if !self.lives(session, now) {
            table.remove(&key);
            return None;
        }
        if touch {
            session.last = now;
        }
        Some(session.clone())
    }

    /// Ends a session.
    pub(super) fn end(&self, number: &str) {
        self.table().remove(&key(number));
    }

    fn lives(&self, session: &Session, now: Instant) -> bool {
        now.saturating_duration_since(session.last) < Duration::from_secs(self.rules.idle_seconds)
            && now.saturating_duration_since(session.began) < Duration::from_secs(self.rules.session_seconds)
    }

    fn table(&self) -> MutexGuard<'_, HashMap<ContentHash, Session>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a number is kept as: whoever reads the memory of this process does not learn it, and looking it up takes a time
/// that says nothing about it.
fn key(number: &str) -> ContentHash {
    ContentHash::of(number.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_with_many_sessions_ends_its_own() {
        let (sessions, start) = (Sessions::new(SignIn::default()), Instant::now());
        let other = sessions.begin("binh", 1, start).unwrap();
        let later = |n: usize| start + Duration::from_millis(n as u64 + 1);
        let numbers: Vec<String> =
            (0..=OF_ONE_ACCOUNT).map(|n| sessions.begin("an", 1, later(n)).unwrap()).collect();
        let lives = |number: &String| sessions.find(number, false, later(100)).is_some();
        assert!(lives(&other), "the one that has been silent longest is of somebody else");
        assert_eq!(numbers.iter().filter(|number| lives(number)).count(), OF_ONE_ACCOUNT);
        assert!(!lives(&numbers[0]));
    }

    #[test]
    fn a_session_ends_by_silence_by_age_and_by_wish() {
        let rules = SignIn { idle_seconds: 10, session_seconds: 25, sessions: 2, ..SignIn::default() };
        let (sessions, start) = (Sessions::new(rules), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let one = sessions.begin("an", 1, start).unwrap();
        assert_eq!(one.len(), 64);
        assert!(sessions.find(&one, true, at(9)).is_some());
        assert!(sessions.find(&one, false, at(18)).is_some());
        assert!(sessions.find(&one, false, at(19)).is_none(), "silent, though a page asked on its own");
        let two = sessions.begin("an", 1, start).unwrap();
        for second in [8, 16, 24] {
            assert!(sessions.find(&two, true, at(second)).is_some());
        }
        assert!(sessions.find(&two, true, at(25)).is_none(), "old");
        let numbers: Vec<String> = (0..3).map(|n| sessions.begin("an", 1, at(30 + n)).unwrap()).collect();
        let live = |number: &String| sessions.find(number, false, at(33)).is_some();
        assert_eq!(numbers.iter().map(live).collect::<Vec<_>>(), [false, true, true]);
        sessions.end(&numbers[2]);
        assert!(sessions.find(&numbers[2], true, at(33)).is_none());
        assert!(sessions.find("", true, at(33)).is_none());
    }
}
