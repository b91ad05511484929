//! Dates and times of a header in a form that compares as text (PS3.5 6.2: DA, TM, DT).

/// A date or time as it stands in the header, and in the form that range queries compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normalised {
    /// As in the header, cleaned for display.
    pub raw: String,
    /// `YYYYMMDD` of a day that exists, or `HHMMSS.FFFFFF`; `None` where the header's text cannot be read as one.
    pub normal: Option<String>,
}

/// When the device acquired the picture, by its own clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Performed {
    /// Local time of the device as `YYYYMMDDHHMMSS.FFFFFF`.
    pub local: String,
    /// Offset from UTC in minutes, where the header tells it.
    pub offset_minutes: Option<i16>,
}

/// A date as `YYYYMMDD`. Also takes `YYYY.MM.DD` (ACR-NEMA), other separators, `DD/MM/YYYY`, and a date and time in one.
pub fn date(text: &str) -> Option<String> {
    let text = text.trim();
    let mut parts = text.split(['.', '-', '/']);
    let digits = |part: &str| (!part.is_empty() && part.len() <= 4).then(|| number(part)).flatten();
    let (year, month, day) = match (parts.next()?, parts.next(), parts.next(), parts.next()) {
        (whole, None, ..) if matches!(whole.len(), 8 | 12 | 14) => {
            number(whole)?;
            (number(whole.get(..4)?)?, number(whole.get(4..6)?)?, number(whole.get(6..8)?)?)
        }
        (year, Some(month), Some(day), None) if year.len() == 4 => {
            (digits(year)?, digits(month)?, digits(day)?)
        }
        (day, Some(month), Some(year), None) if year.len() == 4 => {
            (digits(year)?, digits(month)?, digits(day)?)
        }
        _ => return None,
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (year >= 1000 && (1..=last).contains(&day)).then(|| format!("{year:04}{month:02}{day:02}"))
}

/// A time as `HHMMSS.FFFFFF`; parts that are left out are zero. Also takes colons (ACR-NEMA).
pub fn time(text: &str) -> Option<String> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: String = whole.chars().filter(|&letter| letter != ':').collect();
    if !matches!(whole.len(), 2 | 4 | 6) || fraction.len() > 9 {
        return None;
    }
    number(&whole)?;
    if !fraction.is_empty() {
        number(fraction)?;
    }
    let part = |at: usize| whole.get(at..at + 2).map_or(Some(0), number);
    let (hour, minute, second) = (part(0)?, part(2)?, part(4)?);
    let fraction = fraction.get(..6).unwrap_or(fraction);
    (hour < 24 && minute < 60 && second <= 60)
        .then(|| format!("{hour:02}{minute:02}{second:02}.{fraction:0<6}"))
}

/// A date and time (VR DT) that names at least a day.
pub fn date_time(text: &str) -> Option<Performed> {
    let text = text.trim();
    let zone = text.rfind(['+', '-']).filter(|&at| at >= 8);
    let (local, zone) = zone.map_or((text, None), |at| (&text[..at], Some(&text[at..])));
    let day = date(local.get(..8)?)?;
    let clock = local.get(8..)?;
    let clock = if clock.is_empty() { "00" } else { clock };
    Some(Performed { local: day + &time(clock)?, offset_minutes: zone.and_then(offset) })
}

/// An offset from UTC such as `+0700`, in minutes.
pub fn offset(text: &str) -> Option<i16> {
    let text = text.trim();
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    if digits.len() != 4 {
        return None;
    }
    let value = i16::try_from(number(digits)?).ok()?;
    let (hours, minutes) = (value / 100, value % 100);
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// A number of digits only; the value is cut off at the size of the type, which callers' lengths exclude.
fn number(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(10).wrapping_add(u32::from(byte - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates() {
        for text in [
            "20260228",
            "2026.02.28",
            "2026-02-28",
            "28/02/2026",
            "28-2-2026",
            " 20260228 ",
            "20260228120000",
        ] {
            assert_eq!(date(text).as_deref(), Some("20260228"), "{text}");
        }
        assert_eq!(date("20240229").as_deref(), Some("20240229"));
        for text in [
            "",
            "20260229",
            "20261301",
            "19570000",
            "1957",
            "195701",
            "00000000",
            "2026022",
            "today",
            "１９５７０１０１",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn times() {
        for (text, want) in [
            ("101530", "101530.000000"),
            ("10:15:30", "101530.000000"),
            ("1015", "101500.000000"),
            ("23", "230000.000000"),
            ("101530.5", "101530.500000"),
            ("101530.1234567", "101530.123456"),
            ("235960", "235960.000000"),
        ] {
            assert_eq!(time(text).as_deref(), Some(want), "{text}");
        }
        for text in ["", "1", "24", "1060", "101561", "10153", "101530.x", "noon", "1015301"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn dates_and_times_with_zone() {
        let read = |text| date_time(text).map(|when| (when.local, when.offset_minutes));
        assert_eq!(read("20260228101530.25+0700"), Some(("20260228101530.250000".into(), Some(420))));
        assert_eq!(read("202602281015-0330"), Some(("20260228101500.000000".into(), Some(-210))));
        assert_eq!(read("20260228"), Some(("20260228000000.000000".into(), None)));
        assert_eq!(read("2026"), None);
        assert_eq!(read("20260228101530+07"), Some(("20260228101530.000000".into(), None)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_left(text in "\\PC{0,20}", digits in "[0-9.+:/-]{0,26}") {
            for text in [text, digits] {
                prop_assert!(date(&text).is_none_or(|day| day.len() == 8));
                prop_assert!(time(&text).is_none_or(|time| time.len() == 13));
                prop_assert!(date_time(&text).is_none_or(|when| when.local.len() == 21));
            }
        }
    }
}
