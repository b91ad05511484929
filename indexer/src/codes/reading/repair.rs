//! Damaged text: UTF-8 read as a code page, legacy Vietnamese fonts, entities; and the pieces a text consists of.
//!
//! Knows encodings; it may not know words.

use encoding_rs::{Encoding, WINDOWS_1252, WINDOWS_1258};
use unicode_normalization::UnicodeNormalization;

use crate::dataset::fold::fold;

/// Characters of a text that are read; what follows is left off.
const TEXT_CHARACTERS_READ: usize = 1024;

/// The ways in which `raw` may have to be read, the text itself first.
pub fn alternatives(raw: &str) -> Vec<String> {
    let raw: String = entities(raw).chars().take(TEXT_CHARACTERS_READ).nfc().collect();
    let mut found = vec![raw.clone()];
    if raw.is_ascii() {
        return found;
    }
    if let Some(text) = utf8_read_as_code_page(&raw) {
        found.extend(utf8_read_as_code_page(&text));
        found.push(text);
    }
    if raw.chars().all(|letter| byte(letter).is_some()) {
        found.push(tcvn3(&raw));
        found.push(vni(&raw));
    }
    found
}

/// Numeric character references, as web pages write them.
fn entities(text: &str) -> String {
    let mut parts = text.split("&#");
    let mut read = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let decoded = part.split_once(';').and_then(|(digits, rest)| {
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            Some((char::from_u32(code)?, rest))
        });
        match decoded {
            Some((letter, rest)) => {
                read.push(letter);
                read.push_str(rest);
            }
            None => {
                read.push_str("&#");
                read.push_str(part);
            }
        }
    }
    read
}

/// The byte that a Western or Vietnamese code page shows as `letter`.
fn byte(letter: char) -> Option<u8> {
    let code = u32::from(letter);
    let of = |page: &'static Encoding| {
        let text = letter.to_string();
        let (bytes, _, failed) = page.encode(&text);
        (!failed && bytes.len() == 1).then(|| bytes[0])
    };
    if code < 0x80 {
        return u8::try_from(code).ok();
    }
    of(WINDOWS_1252).or_else(|| u8::try_from(code).ok()).or_else(|| of(WINDOWS_1258))
}

/// The text whose UTF-8 bytes were shown one by one. Bytes that got lost leave a question mark.
fn utf8_read_as_code_page(text: &str) -> Option<String> {
    let bytes: Vec<u8> = text.chars().map(|letter| byte(letter).unwrap_or(b'?')).collect();
    let mut read = String::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    let mut decoded = 0;
    while let Some(&first) = rest.first() {
        let length = match first {
            0xc3..=0xcf => 2,
            0xe1 | 0xe2 => 3,
            _ => 1,
        };
        let sequence = rest.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
        match sequence {
            Some(letters) if length > 1 => {
                read.push_str(letters);
                decoded += 1;
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
            // A non-breaking space, the last byte of à, is often made a plain one.
            None if first == 0xc3 && rest.get(1) == Some(&b' ') => {
                read.push('à');
                decoded += 1;
            }
            _ if first < 0x80 => read.push(char::from(first)),
            _ if length > 1 => read.push('?'),
            // A byte that follows a broken beginning belongs to it.
            _ => {}
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    (decoded > 0).then_some(read)
}

/// TCVN3 (ABC) fonts: the base letter of each byte. Accents do not matter here.
fn tcvn3(text: &str) -> String {
    text.chars()
        .map(|letter| match byte(letter).unwrap_or(0) {
            0xb5..=0xb9 | 0xa8 | 0xbb..=0xbe | 0xc6 | 0xa9 | 0xc7..=0xcb | 0xa1 | 0xa2 => 'a',
            0xae | 0xa7 => 'd',
            0xcc | 0xce..=0xd1 | 0xaa | 0xd2..=0xd6 | 0xa3 => 'e',
            0xd7 | 0xd8 | 0xdc..=0xde => 'i',
            0xdf | 0xe1..=0xe9 | 0xab | 0xac | 0xea..=0xee | 0xa4 | 0xa5 => 'o',
            0xef | 0xf1..=0xf9 | 0xad | 0xa6 => 'u',
            0xfa..=0xfe => 'y',
            _ => letter,
        })
        .collect()
}

/// VNI fonts: a base letter, then its marks as letters of their own.
fn vni(text: &str) -> String {
    let mut read = String::with_capacity(text.len());
    let mut after_vowel = false;
    for letter in text.chars().flat_map(char::to_lowercase) {
        let is_mark = "ùøûõïâáàåãäêéèúüë".contains(letter);
        if is_mark && after_vowel {
            continue;
        }
        let base = match letter {
            'ñ' => 'd',
            'ô' => 'o',
            'ö' => 'u',
            'æ' | 'ó' | 'ò' => 'i',
            'î' => 'y',
            other => other,
        };
        after_vowel = "aeouy".contains(base);
        read.push(base);
    }
    read
}

/// A piece of text between separators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Folded as a whole.
    pub joined: String,
    /// Folded, cut where capitals begin a new word (`ThoraxRoutine`).
    pub parts: Vec<String>,
    /// The Vietnamese marks of its letters.
    pub marks: String,
}

/// The pieces of a text: letters and digits, `?` for a lost letter, and `+C` or `C+` for contrast.
pub fn pieces(text: &str) -> Vec<Piece> {
    let letters: Vec<char> = text.nfc().collect();
    let mut found = Vec::new();
    let mut piece = String::new();
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| letters.get(before)).copied().unwrap_or(' ');
        let after = letters.get(at + 1).copied().unwrap_or(' ');
        let belongs = letter.is_alphanumeric() || matches!(letter, '?' | '\u{fffd}') || is_mark(letter);
        if belongs {
            piece.push(if letter == '\u{fffd}' { '?' } else { letter });
        } else if letter == '+' && is_contrast_mark(before, after, &piece, letters.get(at + 2)) {
            if piece.is_empty() || !piece.eq_ignore_ascii_case("c") {
                take(&mut piece, &mut found);
            }
            piece.push('+');
        } else {
            take(&mut piece, &mut found);
        }
    }
    take(&mut piece, &mut found);
    found
}

fn is_mark(letter: char) -> bool {
    unicode_normalization::char::is_combining_mark(letter)
}

/// `T1 +C`, `+GD`, `C+`: the plus sign says with contrast.
fn is_contrast_mark(before: char, after: char, piece: &str, second: Option<&char>) -> bool {
    let ends = |letter: Option<&char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
    let leads = !before.is_alphanumeric() && matches!(after, 'c' | 'C') && ends(second);
    let leads_gd =
        !before.is_alphanumeric() && matches!(after, 'g' | 'G') && second.is_some_and(|d| "dD".contains(*d));
    let follows = piece.eq_ignore_ascii_case("c") && !after.is_alphanumeric();
    leads || leads_gd || follows
}

/// The Vietnamese marks of a word, wherever they stand in it (`hoá`, `hóa`); đ counts as a mark.
fn marks(word: &str) -> String {
    if word.is_ascii() {
        return String::new();
    }
    word.to_lowercase().nfd().filter(|letter| is_mark(*letter) || *letter == 'đ').collect()
}

fn take(piece: &mut String, found: &mut Vec<Piece>) {
    if piece.chars().any(|letter| letter.is_alphanumeric() || letter == '+') {
        let joined = fold(piece);
        let parts = camel(piece).iter().map(|part| fold(part)).filter(|part| !part.is_empty()).collect();
        if !joined.is_empty() {
            found.push(Piece { joined, parts, marks: marks(piece) });
        }
    }
    piece.clear();
}

fn camel(piece: &str) -> Vec<String> {
    let letters: Vec<char> = piece.chars().collect();
    let mut parts = vec![String::new()];
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| letters.get(before));
        let after = letters.get(at + 1);
        let begins = letter.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || before.is_uppercase() && after.is_some_and(|after| after.is_lowercase())
            });
        if begins {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_text_is_among_the_alternatives_as_it_was() {
        let cases = [
            ("Chá»¥p ngá»±c tháº³ng", "CHUP NGUC THANG"),
            ("CT Cáº²NG CHÃ‚N PHáº¢I", "CT CANG CHAN PHAI"),
            ("Ngùc th¼ng", "NGUC THANG"),
            ("Ngöïc thaúng", "NGUC THANG"),
            ("g&#7889;i tr&#225;i", "GOI TRAI"),
        ];
        for (damaged, want) in cases {
            let found: Vec<String> = alternatives(damaged).iter().map(|text| fold(text)).collect();
            assert!(found.iter().any(|text| text == want), "{damaged}: {found:?}");
        }
    }

    #[test]
    fn pieces_are_cut_at_capitals_and_signs() {
        let joined = |text: &str| pieces(text).into_iter().map(|piece| piece.joined).collect::<Vec<_>>();
        assert_eq!(joined("T1 +C, C+ (P) a+b X??ng"), ["T1", "+C", "C+", "P", "A", "B", "X??NG"]);
        assert_eq!(pieces("ThoraxRoutine")[0].parts, ["THORAX", "ROUTINE"]);
        assert_eq!(pieces("LSpine")[0].parts, ["L", "SPINE"]);
    }
}
