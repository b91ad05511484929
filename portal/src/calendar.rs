//! Days and times as people read them. The archive's day is that of its site, whatever zone a browser is in.

use std::time::{SystemTime, UNIX_EPOCH};

use indexer::db::DbOptions;
use indexer::reuse::Date;

use crate::language::Language;
use crate::words::with;

const DAY_S: i64 = 86_400;

/// Milliseconds since 1970-01-01 UTC.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A day, in days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(pub i64);

impl Day {
    /// The day at the site at a moment, in milliseconds since 1970-01-01 UTC.
    pub(crate) fn at(ms: i64) -> Day {
        Day(local_seconds(ms).div_euclid(DAY_S))
    }

    /// The day of `YYYYMMDD`, if it is one.
    pub(crate) fn of_text(text: &str) -> Option<Day> {
        text.parse::<Date>().ok().map(|date| Day(date.days()))
    }

    /// Year, month, day of the Gregorian calendar.
    pub(crate) fn parts(self) -> (i64, i64, i64) {
        Date::from_days(self.0).parts()
    }

    /// `YYYY-MM-DD`, as date fields of forms have it.
    pub(crate) fn iso(self) -> String {
        let (year, month, day) = self.parts();
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// `YYYYMMDD`.
    pub(crate) fn dicom(self) -> String {
        let (year, month, day) = self.parts();
        format!("{year:04}{month:02}{day:02}")
    }

    /// As people of a language write it.
    pub(crate) fn shown(self, language: Language) -> String {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (year, month, day) = self.parts();
        match language {
            Language::Vietnamese => format!("{day:02}/{month:02}/{year}"),
            Language::English => {
                let name = usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at)).unwrap_or(&"");
                format!("{day} {name} {year}")
            }
        }
    }
}

/// Seconds since 1970-01-01 by the clock on the site's wall.
fn local_seconds(ms: i64) -> i64 {
    ms.div_euclid(1000) + i64::from(DbOptions::default().utc_offset_minutes) * 60
}

/// A moment as people read it: day and minute at the site.
pub(crate) fn moment(language: Language, ms: i64) -> String {
    let second = local_seconds(ms).rem_euclid(DAY_S);
    format!("{} {:02}:{:02}", Day::at(ms).shown(language), second / 3600, second / 60 % 60)
}

/// How long ago a moment was.
pub(crate) fn ago(language: Language, ms: i64, now_ms: i64) -> String {
    let words = language.words();
    match (now_ms - ms).max(0) / 60_000 {
        0 => words.just_now.to_owned(),
        minutes @ 1..=119 => with(words.minutes_ago, minutes),
        minutes @ 120..=2_879 => with(words.hours_ago, minutes / 60),
        minutes => with(words.days_ago, minutes / 1_440),
    }
}

/// How old somebody born on a day was on another: years, from the second year on, else months.
pub(crate) fn age(language: Language, born: Day, on: Day) -> Option<String> {
    let ((y0, m0, d0), (y1, m1, d1)) = (born.parts(), on.parts());
    let months = (y1 - y0) * 12 + m1 - m0 - i64::from(d1 < d0);
    let words = language.words();
    match months {
        0..=23 => Some(with(words.months_old, months)),
        24..=1_800 => Some(with(words.years_old, months / 12)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_go_both_ways() {
        for (text, days) in [("19700101", 0), ("20000229", 11_016), ("20261121", 20_778), ("19680317", -655)]
        {
            assert_eq!(Day::of_text(text), Some(Day(days)));
            assert_eq!(Day(days).dicom(), text);
        }
        assert_eq!(Day(20_778).iso(), "2026-11-21");
        assert_eq!(Day(20_778).shown(Language::Vietnamese), "21/11/2026");
        assert_eq!(Day(20_778).shown(Language::English), "21 Nov 2026");
    }

    #[test]
    fn the_day_begins_at_the_site() {
        // 18:30 UTC is after midnight at UTC+7.
        let ms = (20_778 * 86_400 + 66_600) * 1000;
        assert_eq!(moment(Language::Vietnamese, ms), "22/11/2026 01:30");
    }

    #[test]
    fn ages_count_birthdays() {
        let age = |born: &str, on: &str| {
            age(Language::Vietnamese, Day::of_text(born).unwrap(), Day::of_text(on).unwrap())
        };
        assert_eq!(age("19680317", "20260316").as_deref(), Some("57 tuổi"));
        assert_eq!(age("19680317", "20260317").as_deref(), Some("58 tuổi"));
        assert_eq!(age("20250101", "20260201").as_deref(), Some("13 tháng tuổi"));
        assert_eq!(age("20270101", "20260201"), None);
    }
}
