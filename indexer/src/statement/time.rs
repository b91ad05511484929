//! The hybrid logical clock of statements: wall time where it rises, a count where it does not.
//!
//! Times of one subject never go back, whatever the machines' clocks do. Pure: the wall time is an argument.

use serde::{Deserialize, Serialize};

/// Bits of the count below the milliseconds.
const COUNT_BITS: u32 = 16;
/// Most milliseconds that a time can say (the year 6429), so that a time fits a signed number of 64 bits.
const MS_MAX: u64 = (1 << 47) - 1;

/// When something was stated: milliseconds since 1970-01-01 UTC and a count within the millisecond.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct HybridTime(u64);

/// A time as records write it.
#[derive(Serialize, Deserialize)]
struct Parts {
    ms: u64,
    n: u16,
}

/// Numbers that are no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is at most {MS_MAX} milliseconds after 1970")]
pub struct NotATime;

impl HybridTime {
    /// A time from milliseconds and count.
    ///
    /// # Errors
    /// [`NotATime`] beyond the year 6429.
    pub fn new(ms: u64, count: u16) -> Result<HybridTime, NotATime> {
        if ms <= MS_MAX { Ok(HybridTime(ms << COUNT_BITS | u64::from(count))) } else { Err(NotATime) }
    }

    /// The time of a new statement at `now_ms` of the wall clock: after `last` in any case.
    #[must_use]
    pub fn after(last: Option<HybridTime>, now_ms: i64) -> HybridTime {
        let now = u64::try_from(now_ms).unwrap_or(0).min(MS_MAX) << COUNT_BITS;
        // A full millisecond flows over into the next one.
        HybridTime(last.map_or(now, |last| now.max(last.0.saturating_add(1))))
    }

    /// Milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn ms(self) -> i64 {
        i64::try_from(self.0 >> COUNT_BITS).unwrap_or(i64::MAX)
    }

    /// Milliseconds and count in one number that sorts, as rows keep it.
    pub(crate) fn packed(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// A time from the number that rows keep.
    pub(crate) fn of_packed(packed: i64) -> HybridTime {
        HybridTime(u64::try_from(packed).unwrap_or(0))
    }
}

impl TryFrom<Parts> for HybridTime {
    type Error = NotATime;

    fn try_from(parts: Parts) -> Result<HybridTime, NotATime> {
        HybridTime::new(parts.ms, parts.n)
    }
}

impl From<HybridTime> for Parts {
    fn from(time: HybridTime) -> Parts {
        Parts { ms: time.0 >> COUNT_BITS, n: (time.0 & 0xFFFF) as u16 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_rise_whatever_the_clock_does() {
        let mut last = None;
        for now_ms in [5, 5, 5, 3, -1, i64::MIN, 6, i64::MAX, 7] {
            let next = HybridTime::after(last, now_ms);
            assert!(last.is_none_or(|last| last < next), "{now_ms}");
            last = Some(next);
        }
        let full = HybridTime::new(9, u16::MAX).unwrap();
        assert_eq!(HybridTime::after(Some(full), 9), HybridTime::new(10, 0).unwrap());
    }

    #[test]
    fn a_time_reads_back_and_one_that_cannot_be_is_refused() {
        let time = HybridTime::new(1_763_700_000_123, 7).unwrap();
        let text = serde_json::to_string(&time).unwrap();
        assert_eq!(text, r#"{"ms":1763700000123,"n":7}"#);
        assert_eq!(serde_json::from_str::<HybridTime>(&text).unwrap(), time);
        assert_eq!(HybridTime::of_packed(time.packed()), time);
        assert_eq!(time.ms(), 1_763_700_000_123);
        assert!(serde_json::from_str::<HybridTime>(r#"{"ms":140737488355328,"n":0}"#).is_err());
    }
}
