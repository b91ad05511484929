//! What failed and is tried again, each time after a longer wait, so that the rest is done meanwhile.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);
/// What is remembered at most; beyond it all of it is tried at once.
const MOST: usize = 10_000;

/// Things that wait for their next try.
pub(super) struct Later<K> {
    first: Duration,
    all: HashMap<K, Waits>,
}

struct Waits {
    until: Instant,
    wait: Duration,
}

impl<K: Eq + Hash> Later<K> {
    /// Nothing; after its first failure something waits for `first`, after each further one twice as long.
    pub(super) fn new(first: Duration) -> Later<K> {
        Later { first, all: HashMap::new() }
    }

    /// Something failed.
    pub(super) fn failed(&mut self, what: K) {
        if self.all.len() >= MOST {
            self.all.clear();
        }
        let now = Instant::now();
        let waits = self.all.entry(what).or_insert(Waits { until: now, wait: self.first / 2 });
        waits.wait = (waits.wait * 2).min(LONGEST);
        waits.until = now + waits.wait;
    }

    /// Something was done.
    pub(super) fn done(&mut self, what: &K) {
        self.all.remove(what);
    }

    /// Whether something waits still.
    pub(super) fn waits(&self, what: &K) -> bool {
        self.all.get(what).is_some_and(|waits| waits.until > Instant::now())
    }

    /// How many failed and were not done since.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let mut later = Later::new(Duration::from_secs(600));
        assert!(!later.waits(&1));
        later.failed(1);
        assert!(later.waits(&1) && !later.waits(&2));
        let first = later.all[&1].wait;
        (0..40).for_each(|_| later.failed(1));
        assert_eq!((first, later.all[&1].wait, later.len()), (Duration::from_secs(600), LONGEST, 1));
        later.done(&1);
        assert!(!later.waits(&1));
        // Without a wait nothing is put off.
        let mut at_once = Later::new(Duration::ZERO);
        at_once.failed(1);
        assert!(!at_once.waits(&1));
    }
}
