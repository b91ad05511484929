//! Character sets: from the bytes of a text element to Unicode (PS3.5 6.1, PS3.3 C.12.1.1.2).
//!
//! Knows the terms of Specific Character Set (0008,0005), what devices write instead of them, and ISO 2022 code
//! extensions. It may not know tags, data sets or what the text is for.
//!
//! Text is never refused. What is declared is believed as long as the bytes allow it; each departure is a [`TextNote`]:
//!
//! | declared | read as |
//! | --- | --- |
//! | nothing, `ISO_IR 6`, an unknown term | strict UTF-8, else the site default, else Latin-1 |
//! | `ISO_IR 192` | strict UTF-8, else the site default, else Latin-1 |
//! | `ISO_IR 100` (Latin-1) | UTF-8 if the whole value is valid UTF-8 with multi-byte sequences, else Latin-1 |
//! | another single-byte set | UTF-8 if the value is valid UTF-8 and holds what the set has no letter for, else the set |
//! | `GB18030`, `GBK` | GB18030, which contains GBK and GB 2312; on errors strict UTF-8 |
//! | ISO 2022 terms | G0 and G1 as designated, reset at each delimiter (PS3.5 6.1.2.5.3) |
//!
//! UTF-8 under a declared `ISO_IR 100` is common where software writes UTF-8 and leaves the template's declaration in
//! place (Vietnamese has no single-byte set at all). Latin-1 text that happens to be valid UTF-8 would have to consist
//! of pairs such as `Ã` and a symbol throughout, which no name or description does; so the bytes win. For other
//! single-byte sets such pairs are ordinary letters (two Thai consonants), so there the bytes win only where the set
//! has no letter for one of them. Bytes 80 to 9F of Latin-1 are read as Windows-1252, as devices mean them.

mod iso2022;
mod terms;

use std::borrow::Cow;

use encoding_rs::{EUC_KR, Encoding, GBK, SHIFT_JIS, WINDOWS_1252, WINDOWS_1258};
use unicode_normalization::UnicodeNormalization;

use iso2022::{CodeElement, Declared};
use terms::Term;

const ESC: u8 = 0x1b;

/// Which characters of a value are delimiters that end a code extension (PS3.5 6.1.2.5.3), by value representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiters {
    /// LT, ST, UT: one value, the backslash is text.
    None,
    /// LO, SH, UC: values are separated by a backslash.
    Values,
    /// PN: values, component groups (`=`) and components (`^`).
    PersonName,
}

impl Delimiters {
    fn contains(self, byte: u8) -> bool {
        match self {
            Self::None => false,
            Self::Values => byte == b'\\',
            Self::PersonName => matches!(byte, b'\\' | b'^' | b'='),
        }
    }
}

/// A departure from what the data set declares, met while its text was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TextNote {
    /// Bytes beyond ASCII with no character set declared.
    Undeclared = 1,
    /// UTF-8 although another character set is declared.
    Utf8Instead = 2,
    /// `ISO_IR 192` or an escape-coded set is declared, but the bytes are of another set.
    OtherInstead = 4,
    /// Specific Character Set holds a term nobody defined.
    UnknownTerm = 8,
    /// Bytes that the set has no character for; U+FFFD stands in their place.
    Undecodable = 16,
    /// An escape sequence that names no known set; it was left out.
    UnknownEscape = 32,
}

/// The departures met so far: a set of [`TextNote`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextNotes(u8);

impl TextNotes {
    /// Every note there is, for walking a set.
    pub const ALL: [TextNote; 6] = [
        TextNote::Undeclared,
        TextNote::Utf8Instead,
        TextNote::OtherInstead,
        TextNote::UnknownTerm,
        TextNote::Undecodable,
        TextNote::UnknownEscape,
    ];

    /// Adds `note`.
    pub fn add(&mut self, note: TextNote) {
        self.0 |= note as u8;
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: TextNotes) {
        self.0 |= other.0;
    }

    /// Whether `note` was met.
    pub fn has(self, note: TextNote) -> bool {
        self.0 & note as u8 != 0
    }

    /// Whether nothing was met.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set as bits, as rows keep it.
    pub fn bits(self) -> u8 {
        self.0
    }
}

/// What a site's devices write when they declare nothing and it is not UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SiteDefault(Option<&'static Encoding>);

impl SiteDefault {
    /// No default: what is not UTF-8 is read as Latin-1.
    pub const NONE: Self = Self(None);

    /// The default of a given name: a defined term (`ISO_IR 166`) or an encoding's usual label (`windows-1258`).
    /// `None` for a name that is not known or names a set that needs escape sequences.
    pub fn named(name: &str) -> Option<Self> {
        match terms::parse(name.as_bytes()) {
            Term::Single(encoding) | Term::Whole(encoding) => Some(Self(Some(encoding))),
            Term::Utf8 | Term::Ascii => Some(Self::NONE),
            Term::Japanese13 => Some(Self(Some(SHIFT_JIS))),
            Term::Korean => Some(Self(Some(EUC_KR))),
            Term::Chinese => Some(Self(Some(GBK))),
            Term::Kanji | Term::Unknown => None,
        }
    }
}

/// The character sets in force for the text of one data set or sequence item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CharacterSets {
    plan: Plan,
    site: SiteDefault,
    unknown_term: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Plan {
    /// Default repertoire, or nothing that could be understood.
    Undeclared,
    Utf8,
    /// A multi-byte set without code extensions, decoded in one piece.
    Whole(&'static Encoding),
    /// Single-byte sets and ISO 2022.
    CodeElements(Declared),
}

impl Default for CharacterSets {
    fn default() -> Self {
        Self::undeclared(SiteDefault::NONE)
    }
}

impl CharacterSets {
    /// The default repertoire: Specific Character Set is absent or empty.
    pub fn undeclared(site: SiteDefault) -> Self {
        Self { plan: Plan::Undeclared, site, unknown_term: false }
    }

    /// The sets that the value field of Specific Character Set (0008,0005) declares.
    pub fn declared(value: &[u8], site: SiteDefault) -> Self {
        let mut terms = value.split(|&byte| byte == b'\\').take(16).map(terms::parse);
        let first = terms.next().unwrap_or(Term::Ascii);
        let rest: Vec<Term> = terms.collect();
        let all = || std::iter::once(first).chain(rest.iter().copied());
        let unknown_term = all().any(|term| term == Term::Unknown);
        let whole = all().find_map(|term| match term {
            Term::Utf8 => Some(Plan::Utf8),
            Term::Whole(encoding) => Some(Plan::Whole(encoding)),
            _ => None,
        });
        let plan = match whole {
            Some(plan) => plan,
            None if rest.is_empty() && matches!(first, Term::Ascii | Term::Unknown) => Plan::Undeclared,
            None => Plan::CodeElements(Declared::new(first, &rest)),
        };
        Self { plan, site, unknown_term }
    }

    /// The text of one value field, undivided. Values are split after decoding, because a backslash may be the second
    /// byte of a character.
    pub fn decode<'a>(&self, bytes: &'a [u8], delimiters: Delimiters, notes: &mut TextNotes) -> Cow<'a, str> {
        let plain = bytes.iter().all(|&byte| byte < 0x80 && byte != ESC);
        if plain && let Ok(text) = std::str::from_utf8(bytes) {
            return Cow::Borrowed(text);
        }
        if self.unknown_term {
            notes.add(TextNote::UnknownTerm);
        }
        match &self.plan {
            Plan::Undeclared if bytes.contains(&ESC) => {
                let declared = Declared::new(Term::Ascii, &[]);
                Cow::Owned(iso2022::decode(&declared, bytes, delimiters, self.site, notes))
            }
            Plan::Undeclared => {
                notes.add(TextNote::Undeclared);
                guess(bytes, self.site, notes)
            }
            Plan::Utf8 => match std::str::from_utf8(bytes) {
                Ok(text) => Cow::Borrowed(text),
                Err(_) => {
                    notes.add(TextNote::OtherInstead);
                    guess(bytes, self.site, notes)
                }
            },
            Plan::Whole(encoding) => whole(encoding, bytes, notes),
            Plan::CodeElements(declared) => match without_escapes(declared, bytes, notes) {
                Some(text) => text,
                None => Cow::Owned(iso2022::decode(declared, bytes, delimiters, self.site, notes)),
            },
        }
    }
}

/// Strict UTF-8, else the site default if it has a character for every byte, else Latin-1, which always has.
fn guess<'a>(bytes: &'a [u8], site: SiteDefault, notes: &mut TextNotes) -> Cow<'a, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    if let Some(encoding) = site.0
        && let Some(text) = strict(encoding, bytes)
    {
        return text;
    }
    lossy(WINDOWS_1252, bytes, notes)
}

/// Text in a multi-byte set that needs no escape sequences.
fn whole<'a>(encoding: &'static Encoding, bytes: &'a [u8], notes: &mut TextNotes) -> Cow<'a, str> {
    if let Some(text) = strict(encoding, bytes) {
        return text;
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        notes.add(TextNote::Utf8Instead);
        return Cow::Borrowed(text);
    }
    lossy(encoding, bytes, notes)
}

/// Text without escape sequences where sets of ISO 2022 are declared: the cases in which bytes and declaration may
/// disagree. `None` leaves the value to the state machine.
fn without_escapes<'a>(declared: &Declared, bytes: &'a [u8], notes: &mut TextNotes) -> Option<Cow<'a, str>> {
    if bytes.contains(&ESC) {
        return None;
    }
    match declared.initial_g1() {
        Some(CodeElement::Single(encoding)) => {
            let text = std::str::from_utf8(bytes).ok();
            let known = strict(encoding, bytes);
            let c1 = bytes.iter().any(|byte| (0x80..0xa0).contains(byte));
            if text.is_some() && (encoding == WINDOWS_1252 || c1 || known.is_none()) {
                notes.add(TextNote::Utf8Instead);
                return text.map(Cow::Borrowed);
            }
            known
        }
        Some(CodeElement::Katakana) if bytes.iter().all(|b| matches!(b, 0..0x80 | 0xa1..=0xdf)) => {
            strict(SHIFT_JIS, bytes)
        }
        Some(CodeElement::Katakana) => {
            let (text, note) = match std::str::from_utf8(bytes) {
                Ok(text) => (Some(Cow::Borrowed(text)), TextNote::Utf8Instead),
                Err(_) => (strict(SHIFT_JIS, bytes), TextNote::OtherInstead),
            };
            notes.add(note);
            text
        }
        Some(_) => None,
        None => {
            // Nothing is in G1 until an escape sequence puts it there, yet some writers leave the sequence out.
            notes.add(TextNote::OtherInstead);
            let extension = declared.extension_g1().and_then(CodeElement::encoding);
            extension
                .and_then(|encoding| strict(encoding, bytes))
                .or_else(|| std::str::from_utf8(bytes).ok().map(Cow::Borrowed))
                .or_else(|| declared.has_kanji().then(|| strict(SHIFT_JIS, bytes)).flatten())
        }
    }
}

/// The text if `encoding` has a character for every byte.
fn strict<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    Some(compose(encoding, text))
}

fn lossy<'a>(encoding: &'static Encoding, bytes: &'a [u8], notes: &mut TextNotes) -> Cow<'a, str> {
    let (text, replaced) = encoding.decode_without_bom_handling(bytes);
    if replaced {
        notes.add(TextNote::Undecodable);
    }
    compose(encoding, text)
}

/// Windows-1258 writes a letter and its tone as two characters for want of room; the composed letters are what is meant.
fn compose<'a>(encoding: &'static Encoding, text: Cow<'a, str>) -> Cow<'a, str> {
    if encoding == WINDOWS_1258 { Cow::Owned(text.nfc().collect()) } else { text }
}

#[cfg(test)]
mod tests;
