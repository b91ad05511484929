//! How an import waits while the archive takes nothing: ever longer, but not for ever. Time comes in as an argument.

use std::time::{Duration, Instant};

/// How long an import waits for an archive that refuses for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The first pause; each further one is twice as long.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// How long the archive may refuse without storing anything in between before the import stops.
    pub in_all: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Patience { first: seconds(1), longest: seconds(30), in_all: seconds(300) }
    }
}

/// A time in which the archive refuses.
#[derive(Debug, Clone)]
pub(super) struct Outage {
    since: Instant,
    pause: Duration,
    until: Instant,
}

impl Outage {
    pub(super) fn begin(patience: &Patience, now: Instant) -> Outage {
        Outage { since: now, pause: patience.first, until: now + patience.first }
    }

    /// The archive refused again. False when patience is at its end.
    pub(super) fn refused_again(&mut self, patience: &Patience, now: Instant) -> bool {
        if now < self.until {
            // One of the stores that were under way when it began.
            return true;
        }
        let end = self.since + patience.in_all;
        if now >= end {
            return false;
        }
        self.pause = (self.pause * 2).min(patience.longest);
        self.until = (now + self.pause).min(end);
        true
    }

    /// How long to wait still; nothing when it is time to try.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        self.until.checked_duration_since(now).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_end() {
        let patience = Patience::default();
        let start = Instant::now();
        let mut outage = Outage::begin(&patience, start);
        let mut now = start;
        let mut pauses = Vec::new();
        loop {
            let pause = outage.left(now).unwrap();
            assert!(outage.refused_again(&patience, now), "a straggler does not count");
            assert_eq!(outage.left(now), Some(pause));
            pauses.push(pause.as_secs());
            now += pause;
            assert_eq!(outage.left(now), None);
            if !outage.refused_again(&patience, now) {
                break;
            }
        }
        assert_eq!(pauses[..7], [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(now, start + patience.in_all);
    }
}
