//! Birth dates as they are known: to the day, to the year, or not at all.

use serde::{Deserialize, Serialize};

use crate::reuse::Date;

/// A birth date as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Birth {
    /// Not known.
    #[default]
    Unknown,
    /// The year only; also what 1 January says, because it is what systems write when they know no more.
    Year(i64),
    /// To the day.
    Full(Date),
}

impl Birth {
    /// Reads `YYYYMMDD`, `YYYY-MM-DD`, `YYYYMM` and `YYYY`; month and day 00 are not known.
    #[must_use]
    pub fn read(text: &str) -> Birth {
        let text = text.trim();
        if let Ok(date) = text.parse::<Date>() {
            let (year, month, day) = date.parts();
            return if (month, day) == (1, 1) { Birth::Year(year) } else { Birth::Full(date) };
        }
        let digits: String = text.chars().filter(|letter| *letter != '-').collect();
        let all = matches!(digits.len(), 4 | 6 | 8) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let rest_is_unknown = digits.len() < 8 || digits.get(6..) == Some("00");
        let year = digits.get(..4).and_then(|year| year.parse().ok()).filter(|year| *year > 0);
        year.filter(|_| all && rest_is_unknown).map_or(Birth::Unknown, Birth::Year)
    }

    /// The year.
    #[must_use]
    pub fn year(self) -> Option<i64> {
        match self {
            Birth::Unknown => None,
            Birth::Year(year) => Some(year),
            Birth::Full(date) => Some(date.parts().0),
        }
    }

    /// Whether both are known to the day and equal.
    #[must_use]
    pub fn agrees_fully(self, other: Birth) -> bool {
        matches!((self, other), (Birth::Full(one), Birth::Full(other)) if one == other)
    }

    /// Whether the two cannot be of one person.
    #[must_use]
    pub fn clashes(self, other: Birth) -> bool {
        match (self, other) {
            (Birth::Full(one), Birth::Full(other)) => one != other,
            _ => self.year().zip(other.year()).is_some_and(|(one, other)| one != other),
        }
    }
}
