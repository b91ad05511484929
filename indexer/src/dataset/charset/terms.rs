//! The terms of Specific Character Set (0008,0005), as defined and as devices misspell them (PS3.3 C.12.1.1.2).

use encoding_rs::{
    EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6,
    ISO_8859_7, ISO_8859_8, ISO_8859_8_I, ISO_8859_15, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_874,
    WINDOWS_1252, WINDOWS_1254, X_USER_DEFINED,
};

/// What one term stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// The default repertoire: empty, `ISO_IR 6`, `ISO 2022 IR 6`.
    Ascii,
    /// ASCII in G0 and a 96-character set in G1.
    Single(&'static Encoding),
    /// JIS X 0201: `ISO_IR 13`, `ISO 2022 IR 13`, `ISO 2022 IR 14`.
    Japanese13,
    /// JIS X 0208 and JIS X 0212: `ISO 2022 IR 87`, `ISO 2022 IR 159`.
    Kanji,
    /// KS X 1001: `ISO 2022 IR 149`.
    Korean,
    /// GB 2312: `ISO 2022 IR 58`.
    Chinese,
    /// `ISO_IR 192`.
    Utf8,
    /// A multi-byte set without escape sequences: `GB18030`, `GBK`, and others that are not DICOM's.
    Whole(&'static Encoding),
    /// Nothing known.
    Unknown,
}

/// Reads one term; spaces, underscores, hyphens and case do not matter.
pub(super) fn parse(term: &[u8]) -> Term {
    let key: String = term
        .iter()
        .take(64)
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(|&byte| char::from(byte.to_ascii_uppercase()))
        .collect();
    if key.is_empty() {
        return if term.iter().all(|&byte| matches!(byte, 0 | b' ')) { Term::Ascii } else { Term::Unknown };
    }
    let registration = ["ISO2022IR", "ISOIR", "IR"].iter().find_map(|prefix| key.strip_prefix(prefix));
    if let Some(term) = registration.and_then(|number| number.parse().ok()).and_then(registered) {
        return term;
    }
    if let Some(part) = key.strip_prefix("ISO8859").and_then(|part| part.parse().ok()) {
        return iso_8859(part);
    }
    match key.as_str() {
        "ASCII" | "USASCII" | "ISO646" | "ANSI" => Term::Ascii,
        "ISO10646" | "ISO106461" | "UNICODE" | "UNICODE11UTF8" | "UTF8" => Term::Utf8,
        "GB18030" | "GB180302000" | "GB180302005" => Term::Whole(GB18030),
        "GBK" | "GB2312" | "CP936" => Term::Whole(GBK),
        "EUCKR" | "CP949" | "UHC" | "KSC5601" => Term::Whole(EUC_KR),
        _ => labelled(&key, term),
    }
}

/// Terms by their number in the International Register of coded character sets.
fn registered(number: u16) -> Option<Term> {
    Some(match number {
        6 => Term::Ascii,
        13 | 14 => Term::Japanese13,
        58 => Term::Chinese,
        87 | 159 => Term::Kanji,
        149 => Term::Korean,
        192 => Term::Utf8,
        _ => Term::Single(single_byte(number)?),
    })
}

/// The 96-character sets by register number. Thai, Turkish and Latin-1 use the Windows supersets.
fn single_byte(number: u16) -> Option<&'static Encoding> {
    Some(match number {
        100 => WINDOWS_1252,
        101 => ISO_8859_2,
        109 => ISO_8859_3,
        110 => ISO_8859_4,
        126 => ISO_8859_7,
        127 => ISO_8859_6,
        138 => ISO_8859_8,
        144 => ISO_8859_5,
        148 => WINDOWS_1254,
        166 => WINDOWS_874,
        203 => ISO_8859_15,
        _ => return None,
    })
}

fn iso_8859(part: u16) -> Term {
    let number = match part {
        1 => 100,
        2 => 101,
        3 => 109,
        4 => 110,
        5 => 144,
        6 => 127,
        7 => 126,
        8 => 138,
        9 => 148,
        11 => 166,
        15 => 203,
        _ => return Term::Unknown,
    };
    single_byte(number).map_or(Term::Unknown, Term::Single)
}

/// The final byte of a sequence that designates a 96-character set to G1 (`ESC - F`).
pub(super) fn by_final_byte(byte: u8) -> Option<&'static Encoding> {
    single_byte(match byte {
        b'A' => 100,
        b'B' => 101,
        b'C' => 109,
        b'D' => 110,
        b'F' => 126,
        b'G' => 127,
        b'H' => 138,
        b'L' => 144,
        b'M' => 148,
        b'T' => 166,
        b'b' => 203,
        _ => return None,
    })
}

/// Names from outside the standard: `windows-1258`, `CP1252`, `Shift_JIS`, `Big5`.
fn labelled(key: &str, term: &[u8]) -> Term {
    let digits = ["WINDOWS", "WIN", "CP", "XCP"].iter().find_map(|prefix| key.strip_prefix(prefix));
    let label = match digits {
        Some(digits) => format!("windows-{digits}"),
        None => String::from_utf8_lossy(term).trim_matches([' ', '\0']).to_ascii_lowercase(),
    };
    let found = Encoding::for_label(label.as_bytes())
        .or_else(|| Encoding::for_label(label.replace(['_', ' '], "-").as_bytes()))
        .or_else(|| Encoding::for_label(key.to_ascii_lowercase().as_bytes()));
    match found {
        None => Term::Unknown,
        Some(encoding) if encoding == UTF_8 => Term::Utf8,
        Some(encoding) if encoding == ISO_2022_JP => Term::Kanji,
        Some(encoding) if [UTF_16LE, UTF_16BE, REPLACEMENT, X_USER_DEFINED].contains(&encoding) => {
            Term::Unknown
        }
        Some(encoding) if encoding == ISO_8859_8_I => Term::Single(ISO_8859_8),
        Some(encoding) if encoding.is_single_byte() => Term::Single(encoding),
        Some(encoding) => Term::Whole(encoding),
    }
}
