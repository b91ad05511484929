//! Folding of names for matching: `NGUYỄN^Văn An`, `nguyen van an` and their decomposed spellings become one text.
//!
//! Knows Unicode and how Vietnamese names are written; it may not know where the text comes from. The folded form is
//! for comparing only: it is never stored in an object and never shown.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// The folded form: canonical decomposition with marks off, đ as d, upper case, and `^`, `,`, `=`, backslash, control
/// characters and runs of space as one space; nothing at the ends. Equal for NFC and NFD of one text, and idempotent.
///
/// Marks that make another letter in their script rather than accent one (Thai vowels, the Japanese voicing mark,
/// Indic signs) stay: without them different names would fall together.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    if text.is_ascii() {
        for byte in text.bytes() {
            push(&mut folded, char::from(byte.to_ascii_uppercase()));
        }
    } else {
        for letter in
            text.chars().filter(|&letter| !is_unseen(letter)).nfd().filter(|&letter| !is_accent(letter))
        {
            match latin(letter) {
                Some(replaced) => replaced.chars().for_each(|letter| push(&mut folded, letter)),
                None => letter.to_uppercase().for_each(|letter| push(&mut folded, letter)),
            }
        }
    }
    folded.truncate(folded.trim_end_matches(' ').len());
    folded
}

/// The words of a folded text, in order.
pub fn words(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(' ').filter(|word| !word.is_empty())
}

fn push(folded: &mut String, letter: char) {
    let separates = matches!(letter, '^' | ',' | '=' | '\\') || letter.is_whitespace() || letter.is_control();
    if !separates {
        folded.push(letter);
    } else if !folded.is_empty() && !folded.ends_with(' ') {
        folded.push(' ');
    }
}

fn is_accent(letter: char) -> bool {
    matches!(canonical_combining_class(letter), 1 | 10..=36 | 200..) && is_combining_mark(letter)
}

/// Zero-width spaces and joiners, direction marks, soft hyphens.
fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}')
}

/// Letters that do not decompose. Eth and the African D are what some keyboards give for Đ.
fn latin(letter: char) -> Option<&'static str> {
    Some(match letter {
        'đ' | 'Đ' | 'ð' | 'Ð' | 'ɖ' | 'Ɖ' => "D",
        'ł' | 'Ł' => "L",
        'ø' | 'Ø' => "O",
        'ħ' | 'Ħ' => "H",
        'æ' | 'Æ' => "AE",
        'œ' | 'Œ' => "OE",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_name_in_all_its_spellings() {
        let want = "NGUYEN VAN DUC";
        for name in [
            "NGUYỄN^VĂN^ĐỨC",
            "Nguyễn Văn Đức",
            "nguyễn, văn  đức",
            "nguyen van duc",
            "  NGUYEN^VAN^DUC^^ ",
            "Nguyễn\u{a0}Văn Ðức",
            "Nguyê\u{303}n Va\u{306}n Đư\u{301}c",
            "Nguye\u{302}\u{303}n\tVa\u{306}n\nđu\u{31b}\u{301}c",
            "NGUYỄN=VĂN\\ĐỨC",
        ] {
            assert_eq!(fold(name), want, "{name:?}");
        }
        assert_eq!(words(want).collect::<Vec<_>>(), ["NGUYEN", "VAN", "DUC"]);
        assert_eq!(words(&fold("^ ,= ")).count(), 0);
    }

    #[test]
    fn other_scripts_keep_their_letters() {
        assert_eq!(fold("Wałęsa^Łukasz"), "WALESA LUKASZ");
        assert_eq!(fold("Straße"), "STRASSE");
        assert_eq!(fold("Çavuşoğlu^İbrahim"), "CAVUSOGLU IBRAHIM");
        assert_eq!(fold("Αθήνα"), fold("ΑΘΗΝΑ"));
        assert_eq!(fold("Юрий"), fold("ЮРИЙ"));
        assert_ne!(fold("が"), fold("か"));
        assert_ne!(fold("กิน"), fold("กน"));
        assert_eq!(fold("홍^길동"), fold("홍 길동"));
        assert_eq!(fold("an*h?"), "AN*H?", "wildcards of a query survive");
    }

    proptest! {
        #[test]
        fn fold_is_canonical_and_idempotent(text in "\\PC{0,24}") {
            let folded = fold(&text);
            prop_assert_eq!(&folded, &fold(&text.nfd().collect::<String>()));
            prop_assert_eq!(&folded, &fold(&text.nfc().collect::<String>()));
            prop_assert_eq!(&folded, &fold(&folded));
            prop_assert_eq!(words(&folded).collect::<Vec<_>>().join(" "), folded);
        }
    }
}
