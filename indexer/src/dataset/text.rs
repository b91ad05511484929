//! Text of data elements: values, names, numbers, and what is fit to be shown (PS3.5 6.2).
//!
//! Turns the value field of a string VR into its values. It may not know tags or data sets; which character sets are
//! in force comes from the caller as [`CharacterSets`].

use std::borrow::Cow;

use super::Vr;
use super::charset::{CharacterSets, Delimiters, TextNotes};

/// Most characters of one value that the index keeps; the object keeps them all.
pub const INDEXED_CHARACTERS: usize = 1024;

/// Whether values of this VR are character strings.
pub fn is_string(vr: Vr) -> bool {
    use Vr::{AE, AS, CS, DA, DS, DT, IS, LO, LT, PN, SH, ST, TM, UC, UI, UR, UT};
    matches!(vr, AE | AS | CS | DA | DS | DT | IS | LO | LT | PN | SH | ST | TM | UC | UI | UR | UT)
}

/// Whether the whole value field is one value, in which a backslash is text.
fn is_single(vr: Vr) -> bool {
    matches!(vr, Vr::LT | Vr::ST | Vr::UT | Vr::UR)
}

const PADDING: [char; 2] = [' ', '\0'];

/// The text of one string element, decoded.
#[derive(Clone, Debug)]
pub struct Text<'a> {
    text: Cow<'a, str>,
    vr: Vr,
}

impl<'a> Text<'a> {
    /// Decodes the value field of a string element.
    ///
    /// Character sets are applied to every VR, also to those that allow ASCII only: a code string in Vietnamese is
    /// still best shown as what it says.
    pub fn read(vr: Vr, bytes: &'a [u8], sets: &CharacterSets, notes: &mut TextNotes) -> Self {
        let delimiters = match vr {
            Vr::PN => Delimiters::PersonName,
            _ if is_single(vr) => Delimiters::None,
            _ => Delimiters::Values,
        };
        Self { text: sets.decode(bytes, delimiters, notes), vr }
    }

    /// The values in order, without the padding and spaces that PS3.5 6.2 calls insignificant.
    ///
    /// An empty value field has no values; an empty value among others is an empty string.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let text = self.text.trim_end_matches(PADDING);
        let single = is_single(self.vr);
        let leading = !single && self.vr != Vr::UC;
        let mut rest = (!text.is_empty()).then_some(text);
        std::iter::from_fn(move || {
            let (value, tail) = match rest?.split_once('\\') {
                Some((value, tail)) if !single => (value, Some(tail)),
                _ => (rest?, None),
            };
            rest = tail;
            let value = value.trim_end_matches(PADDING);
            Some(if leading { value.trim_start_matches(' ') } else { value })
        })
    }

    /// The whole value field as one text, for attributes that have one value whatever backslashes are in it.
    pub fn whole(&self) -> &str {
        self.text.trim_end_matches(PADDING).trim_start_matches(' ')
    }

    /// The values, owned.
    pub fn into_strings(self) -> Vec<String> {
        self.values().map(str::to_owned).collect()
    }
}

/// The three groups of a person name (PS3.5 6.2.1); a group that is not there is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PersonName<'a> {
    /// As the patient writes it, in letters.
    pub alphabetic: &'a str,
    /// In ideographs.
    pub ideographic: &'a str,
    /// In hiragana or hangul.
    pub phonetic: &'a str,
}

impl<'a> PersonName<'a> {
    /// Splits one value of VR PN. What follows a third group is not part of any.
    pub fn parse(value: &'a str) -> Self {
        let mut groups = value.split('=').map(|group| group.trim_end_matches(PADDING));
        let mut group = || groups.next().unwrap_or_default();
        Self { alphabetic: group(), ideographic: group(), phonetic: group() }
    }
}

/// Text fit for a list or a log: at most `limit` characters, control characters and line ends as spaces (a run of them
/// as one), direction overrides left out, no space at the ends. Spaces within stay as they are: they may be part of an
/// identifier.
pub fn shown(text: &str, limit: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(limit.saturating_mul(4)));
    let mut left = limit;
    for letter in text.trim_matches([' ', '\0']).chars() {
        if left == 0 {
            break;
        }
        match letter {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => continue,
            _ if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') => {
                if shown.is_empty() || shown.ends_with(' ') {
                    continue;
                }
                shown.push(' ');
            }
            _ => shown.push(letter),
        }
        left -= 1;
    }
    shown.truncate(shown.trim_end_matches(' ').len());
    shown
}

/// An integer string (VR IS), also one that is written with a zero fraction.
pub fn integer(text: &str) -> Option<i64> {
    let text = text.trim_matches([' ', '\0']);
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    };
    whole.parse().ok()
}

/// A decimal string (VR DS) as the token of a JSON number, digits kept as written; `None` if it is no finite number.
pub fn json_number(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim_matches([' ', '\0']);
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let power = exponent.map(|exponent| exponent.parse::<i32>());
    let finite = match power {
        Some(Err(_)) => return None,
        Some(Ok(power)) => power.abs() <= 300,
        None => true,
    };
    if !finite || !all_digits(whole) || !all_digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let plain =
        exponent.is_none() && !text.starts_with('+') && !(mantissa.contains('.') && fraction.is_empty());
    if plain && (whole == "0" || (!whole.is_empty() && !whole.starts_with('0'))) {
        return Some(Cow::Borrowed(text));
    }
    let whole = whole.trim_start_matches('0');
    let mut token = format!("{sign}{}", if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        token.push('.');
        token.push_str(fraction);
    }
    if let Some(Ok(power)) = power {
        token.push_str(&format!("e{power}"));
    }
    Some(Cow::Owned(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(vr: Vr, bytes: &[u8]) -> Vec<String> {
        Text::read(vr, bytes, &CharacterSets::default(), &mut TextNotes::default()).into_strings()
    }

    #[test]
    fn values_and_padding() {
        assert_eq!(split(Vr::CS, b"ORIGINAL\\PRIMARY\\ AXIAL "), ["ORIGINAL", "PRIMARY", "AXIAL"]);
        assert_eq!(split(Vr::LO, b"a\\\\b"), ["a", "", "b"]);
        assert_eq!(split(Vr::LO, b"a\\"), ["a", ""]);
        assert_eq!(split(Vr::LO, b"\\"), ["", ""]);
        assert_eq!(split(Vr::LO, b""), [""; 0]);
        assert_eq!(split(Vr::LO, b"  \0"), [""; 0]);
        assert_eq!(split(Vr::UI, b"1.2.3\\1.2.4\0"), ["1.2.3", "1.2.4"]);
        assert_eq!(split(Vr::LT, b" two\\parts "), [" two\\parts"]);
        assert_eq!(split(Vr::UR, b"http://a/b\\c "), ["http://a/b\\c"]);
        assert_eq!(split(Vr::UC, b" a\\b "), [" a", "b"]);
    }

    #[test]
    fn names() {
        let name = PersonName::parse("Yamada^Tarou=山田^太郎=やまだ^たろう");
        assert_eq!(
            (name.alphabetic, name.ideographic, name.phonetic),
            ("Yamada^Tarou", "山田^太郎", "やまだ^たろう")
        );
        let name = PersonName::parse("=山田 =");
        assert_eq!((name.alphabetic, name.ideographic, name.phonetic), ("", "山田", ""));
        assert_eq!(PersonName::parse("a=b=c=d").phonetic, "c");
    }

    #[test]
    fn text_to_be_shown() {
        assert_eq!(shown(" a\r\n\u{1b}[31mb\u{202e}c  d\0 ", 99), "a [31mbc  d");
        assert_eq!(shown("\n12  34\n", 99), "12  34");
        assert_eq!(shown("ngực thẳng", 4), "ngực");
        assert_eq!(shown("a b", 2), "a");
        assert_eq!(shown("\u{7}", 9), "");
    }

    #[test]
    fn numbers() {
        for (text, want) in [
            ("1", "1"),
            ("-0.50", "-0.50"),
            ("+1.5", "1.5"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("007", "7"),
            ("1.", "1"),
            ("1e3", "1e3"),
            ("1E+03", "1e3"),
            (" 2.5 ", "2.5"),
            ("00", "0"),
            ("1.0E-05", "1.0e-5"),
        ] {
            assert_eq!(json_number(text).as_deref(), Some(want), "{text}");
            assert!(serde_json::from_str::<f64>(want).is_ok());
        }
        for text in ["", "abc", "1,5", "NaN", "1e999", "--1", "+-1", "1e", ".", "-", "1 2", "0x1"] {
            assert_eq!(json_number(text), None, "{text}");
        }
        assert_eq!(
            ["12", "+3 ", "-4", "5.0", "6.5", "x", ""].map(integer),
            [Some(12), Some(3), Some(-4), Some(5), None, None, None]
        );
    }
}
