//! Days and moments of the decision. Knows the Gregorian calendar; it may not know what time it is now.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;
/// The offset from UTC, in minutes, in which moments are written.
const WRITTEN_OFFSET_MINUTES: i64 = 420;

/// A text that is no day or no moment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a {what}: {text:?}")]
pub struct NotATime {
    what: &'static str,
    text: String,
}

/// A day of the Gregorian calendar; written `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date {
    days: i64,
}

impl Date {
    /// The day of a year, month and day of month, if there is one (years 1 to 9999).
    #[must_use]
    pub fn new(year: i64, month: i64, day: i64) -> Option<Date> {
        if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        // Years from March on, so that the leap day is the last of its year.
        let (from, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let leaps = from.div_euclid(4) - from.div_euclid(100) + from.div_euclid(400);
        let date = Date { days: 365 * from + leaps + (153 * months + 2) / 5 + day - 719_469 };
        (date.parts() == (year, month, day)).then_some(date)
    }

    /// Year, month and day of month.
    #[must_use]
    pub fn parts(self) -> (i64, i64, i64) {
        let days = self.days + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        (era * 400 + year_of_era + i64::from(month <= 2), month, day)
    }

    /// The day so many days after 1970-01-01.
    #[must_use]
    pub fn from_days(days: i64) -> Date {
        Date { days }
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn days(self) -> i64 {
        self.days
    }

    /// How many days later than `earlier` this day is; negative when it is before.
    #[must_use]
    pub fn days_since(self, earlier: Date) -> i64 {
        self.days - earlier.days
    }

    /// The day `days` later, or earlier where negative.
    #[must_use]
    pub fn plus_days(self, days: i64) -> Date {
        Date { days: self.days.saturating_add(days) }
    }
}

impl FromStr for Date {
    type Err = NotATime;

    /// Reads `YYYY-MM-DD` and DICOM's `YYYYMMDD`.
    fn from_str(text: &str) -> Result<Date, NotATime> {
        let read = || {
            let digits: String = match text.as_bytes() {
                [_, _, _, _, b'-', _, _, b'-', _, _] => text.replace('-', ""),
                _ => text.to_owned(),
            };
            if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let part = |from: usize, to: usize| digits.get(from..to)?.parse().ok();
            Date::new(part(0, 4)?, part(4, 6)?, part(6, 8)?)
        };
        read().ok_or_else(|| NotATime { what: "day", text: text.chars().take(40).collect() })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.parts();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl TryFrom<String> for Date {
    type Error = NotATime;

    fn try_from(text: String) -> Result<Date, NotATime> {
        text.parse()
    }
}

impl From<Date> for String {
    fn from(date: Date) -> String {
        date.to_string()
    }
}

/// A moment, in milliseconds since 1970-01-01 UTC; written as RFC 3339 at +07:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment {
    /// Milliseconds since 1970-01-01 UTC.
    pub ms: i64,
}

impl Moment {
    /// The calendar day at an offset from UTC.
    #[must_use]
    pub fn day(self, utc_offset_minutes: i64) -> Date {
        Date { days: self.ms.saturating_add(utc_offset_minutes * MINUTE_MS).div_euclid(DAY_MS) }
    }

    /// How far two moments are apart, in milliseconds.
    #[must_use]
    pub fn distance_ms(self, other: Moment) -> u64 {
        self.ms.abs_diff(other.ms)
    }
}

impl FromStr for Moment {
    type Err = NotATime;

    /// Reads RFC 3339 with an offset: `2026-11-21T23:59:59+07:00`, `2026-11-21T16:59:59.250Z`.
    fn from_str(text: &str) -> Result<Moment, NotATime> {
        read_moment(text).ok_or_else(|| NotATime { what: "moment", text: text.chars().take(40).collect() })
    }
}

fn read_moment(text: &str) -> Option<Moment> {
    let date: Date = text.get(..10)?.parse().ok()?;
    let clock = text.get(10..)?.strip_prefix(['T', ' '])?;
    let zone_at = clock.find(['+', '-', 'Z'])?;
    let (clock, zone) = clock.split_at(zone_at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let (hour, minute, second) = match clock.split(':').collect::<Vec<_>>()[..] {
        [hour, minute] => (two(hour)?, two(minute)?, 0),
        [hour, minute, second] => (two(hour)?, two(minute)?, two(second)?),
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 60 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{fraction:0<3}").get(..3)?.parse::<i64>().ok()?;
    let offset = match zone.as_bytes().first()? {
        b'Z' if zone.len() == 1 => 0,
        sign @ (b'+' | b'-') => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let minutes = two(hours)? * 60 + two(minutes)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let seconds = date.days * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Moment { ms: seconds * 1_000 + thousandths - offset * MINUTE_MS })
}

/// A number of exactly two digits.
fn two(text: &str) -> Option<i64> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_day = (self.ms + WRITTEN_OFFSET_MINUTES * MINUTE_MS).rem_euclid(DAY_MS);
        let (seconds, thousandths) = (of_day / 1_000, of_day % 1_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{}T{hour:02}:{minute:02}:{second:02}", self.day(WRITTEN_OFFSET_MINUTES))?;
        if thousandths > 0 {
            write!(f, ".{thousandths:03}")?;
        }
        write!(f, "+07:00")
    }
}

impl TryFrom<String> for Moment {
    type Error = NotATime;

    fn try_from(text: String) -> Result<Moment, NotATime> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> String {
        moment.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_written_and_counted() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(day("20261121"), day("2026-11-21"));
        assert_eq!(day("2024-03-01").days_since(day("2024-02-28")), 2);
        assert_eq!(day("2026-01-05").plus_days(-5).to_string(), "2025-12-31");
        for text in ["2026-02-29", "2026-13-01", "2026-1-5", "20260", "", "ngày mai"] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_has_the_day_of_the_site() {
        let at = |text: &str| text.parse::<Moment>().unwrap();
        assert_eq!(at("2026-11-20T16:59:59Z").day(420).to_string(), "2026-11-20");
        assert_eq!(at("2026-11-20T17:00:00Z").day(420).to_string(), "2026-11-21");
        assert_eq!(at("2026-11-21T00:00:00+07:00"), at("2026-11-20T17:00:00Z"));
        assert_eq!(at("2026-11-20T17:00:00.25Z").to_string(), "2026-11-21T00:00:00.250+07:00");
        for text in ["2026-11-20T17:00:00", "2026-11-20", "2026-11-20T24:00:00Z", "2026-11-20T1:00Z"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
