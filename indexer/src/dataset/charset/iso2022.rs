//! ISO 2022 code extensions: what escape sequences put into G0 and G1, and when it is undone (PS3.5 6.1.2.5).
//!
//! Codes 21 to 7E are read through G0, codes A0 to FF through G1. Line ends, page ends and other controls, and the
//! delimiters of the value representation, restore what the first declared term says. Inside a two-byte set in G0 the
//! delimiters cannot be recognised, as the standard says; writers must return to a single-byte set before them.

use encoding_rs::{EUC_JP, EUC_KR, Encoding, GBK, SHIFT_JIS};

use super::terms::{Term, by_final_byte};
use super::{Delimiters, ESC, SiteDefault, TextNote, TextNotes, guess, lossy};

/// A set that can stand in G0 or G1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeElement {
    /// ASCII, or JIS X 0201 romaji, whose yen sign and overline are kept as the backslash and tilde they are used as.
    Ascii,
    /// JIS X 0201 katakana.
    Katakana,
    /// A 96-character set (G1 only).
    Single(&'static Encoding),
    /// JIS X 0208.
    Kanji,
    /// JIS X 0212, the supplementary kanji.
    KanjiSupplement,
    /// KS X 1001 or GB 2312.
    Double(&'static Encoding),
}

impl CodeElement {
    /// The encoding that reads this set when its codes stand in A1 to FE.
    pub(super) fn encoding(self) -> Option<&'static Encoding> {
        match self {
            Self::Ascii => None,
            Self::Katakana => Some(SHIFT_JIS),
            Self::Single(encoding) | Self::Double(encoding) => Some(encoding),
            Self::Kanji | Self::KanjiSupplement => Some(EUC_JP),
        }
    }
}

/// What the terms of Specific Character Set say about G0 and G1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Declared {
    g1: Option<CodeElement>,
    extension_g1: Option<CodeElement>,
    kanji: bool,
}

impl Declared {
    pub(super) fn new(first: Term, rest: &[Term]) -> Self {
        let in_g1 = |term: &Term| match *term {
            Term::Single(encoding) => Some(CodeElement::Single(encoding)),
            Term::Japanese13 => Some(CodeElement::Katakana),
            Term::Korean => Some(CodeElement::Double(EUC_KR)),
            Term::Chinese => Some(CodeElement::Double(GBK)),
            _ => None,
        };
        // A two-byte set as the only or first term is against the standard, which wants a single-byte set there. It
        // still needs its escape sequence, so it counts as an extension.
        let g1 = in_g1(&first).filter(|set| !matches!(set, CodeElement::Double(_)));
        let mut extensions =
            std::iter::once(&first).chain(rest).filter_map(in_g1).filter(|&set| Some(set) != g1);
        let kanji = first == Term::Kanji || rest.contains(&Term::Kanji);
        Self { g1, extension_g1: extensions.next(), kanji }
    }

    /// What stands in G1 at the start of each value.
    pub(super) fn initial_g1(&self) -> Option<CodeElement> {
        self.g1
    }

    /// The first declared extension that would stand in G1.
    pub(super) fn extension_g1(&self) -> Option<CodeElement> {
        self.extension_g1
    }

    /// Whether JIS X 0208 or JIS X 0212 is declared.
    pub(super) fn has_kanji(&self) -> bool {
        self.kanji
    }
}

enum Escape {
    G0(CodeElement),
    G1(CodeElement),
    Unknown,
}

/// The sequence after ESC and the number of its bytes: intermediate bytes 20 to 2F, then a final byte 30 to 7E.
fn escape(after: &[u8]) -> (Escape, usize) {
    use CodeElement::{Ascii, Double, Kanji, KanjiSupplement, Katakana, Single};
    let known = match *after {
        [b'$', b')', b'C', ..] => Some((Escape::G1(Double(EUC_KR)), 3)),
        [b'$', b')', b'A', ..] => Some((Escape::G1(Double(GBK)), 3)),
        [b'$', b'(', b'D', ..] => Some((Escape::G0(KanjiSupplement), 3)),
        [b'$', b'(', b'B' | b'@', ..] => Some((Escape::G0(Kanji), 3)),
        [b'$', b'(', b'C', ..] => Some((Escape::G0(Double(EUC_KR)), 3)),
        [b'$', b'(', b'A', ..] => Some((Escape::G0(Double(GBK)), 3)),
        [b'$', b'B' | b'@', ..] => Some((Escape::G0(Kanji), 2)),
        [b'$', b'A', ..] => Some((Escape::G0(Double(GBK)), 2)),
        [b'(', b'B' | b'J', ..] => Some((Escape::G0(Ascii), 2)),
        [b'(', b'I', ..] => Some((Escape::G0(Katakana), 2)),
        [b')', b'I', ..] => Some((Escape::G1(Katakana), 2)),
        [b'-', set, ..] => by_final_byte(set).map(|encoding| (Escape::G1(Single(encoding)), 2)),
        _ => None,
    };
    known.unwrap_or_else(|| {
        let intermediate = after.iter().take_while(|byte| (0x20..0x30).contains(*byte)).count();
        let ends = after.get(intermediate).is_some_and(|byte| (0x30..0x7f).contains(byte));
        (Escape::Unknown, if ends { intermediate + 1 } else { 0 })
    })
}

/// Bytes gathered for one decoder. Every decoder used here reads ASCII as ASCII, so ASCII joins any run.
struct Runs<'n> {
    text: String,
    bytes: Vec<u8>,
    /// `None`: no set is known for the run's bytes.
    encoding: Option<&'static Encoding>,
    site: SiteDefault,
    notes: &'n mut TextNotes,
}

impl Runs<'_> {
    fn ascii(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn coded(&mut self, encoding: Option<&'static Encoding>, bytes: &[u8]) {
        if self.encoding != encoding && !self.bytes.is_empty() {
            self.flush();
        }
        self.encoding = encoding;
        self.bytes.extend_from_slice(bytes);
    }

    fn undecodable(&mut self) {
        self.flush();
        self.notes.add(TextNote::Undecodable);
        self.text.push(char::REPLACEMENT_CHARACTER);
    }

    fn flush(&mut self) {
        if self.bytes.is_ascii() {
            self.text.extend(self.bytes.iter().map(|&byte| char::from(byte)));
        } else if let Some(encoding) = self.encoding {
            let text = lossy(encoding, &self.bytes, self.notes);
            self.text.push_str(&text);
        } else {
            self.notes.add(TextNote::OtherInstead);
            let text = guess(&self.bytes, self.site, self.notes);
            self.text.push_str(&text);
        }
        self.bytes.clear();
    }
}

/// The state while one value field is read.
struct Machine<'d, 'n> {
    declared: &'d Declared,
    delimiters: Delimiters,
    g0: CodeElement,
    g1: Option<CodeElement>,
    /// What reads codes that stand outside any designation. Writers that designate G1 once and rely on it beyond the
    /// next delimiter are common in Korea, so it is the set designated last, and at first the declared extension.
    stray: Option<CodeElement>,
    runs: Runs<'n>,
}

impl Machine<'_, '_> {
    fn reset(&mut self) {
        self.g0 = CodeElement::Ascii;
        self.g1 = self.declared.g1;
    }

    /// Takes what follows ESC and returns the number of its bytes.
    fn designate(&mut self, after: &[u8]) -> usize {
        let (sequence, length) = escape(after);
        match sequence {
            Escape::G0(set) => self.g0 = set,
            Escape::G1(set) => (self.g1, self.stray) = (Some(set), Some(set)),
            Escape::Unknown => self.runs.notes.add(TextNote::UnknownEscape),
        }
        length
    }

    /// Takes a code of 80 to FF.
    fn high(&mut self, byte: u8) {
        let encoding = self.g1.or(self.stray).and_then(CodeElement::encoding);
        self.runs.coded(encoding.or_else(|| self.declared.kanji.then_some(SHIFT_JIS)), &[byte]);
    }

    /// Takes a code of 20 to 7E; returns whether the next byte was taken with it.
    fn low(&mut self, byte: u8, next: Option<u8>) -> bool {
        let double =
            matches!(self.g0, CodeElement::Kanji | CodeElement::KanjiSupplement | CodeElement::Double(_));
        if double
            && byte != b' '
            && let Some(second @ 0x21..0x7f) = next
        {
            let codes = [0x8f, byte | 0x80, second | 0x80];
            let from = if self.g0 == CodeElement::KanjiSupplement { 0 } else { 1 };
            self.runs.coded(self.g0.encoding(), &codes[from..]);
            return true;
        }
        if self.delimiters.contains(byte) {
            self.reset();
            self.runs.ascii(byte);
        } else if self.g0 == CodeElement::Katakana && (0x21..0x60).contains(&byte) {
            self.runs.coded(Some(SHIFT_JIS), &[byte | 0x80]);
        } else if double && byte != b' ' {
            self.runs.undecodable();
        } else {
            self.runs.ascii(byte);
        }
        false
    }
}

/// Decodes one value field; escape sequences are honoured whether or not their sets were declared.
pub(super) fn decode(
    declared: &Declared,
    bytes: &[u8],
    delimiters: Delimiters,
    site: SiteDefault,
    notes: &mut TextNotes,
) -> String {
    let runs = Runs {
        text: String::with_capacity(bytes.len()),
        bytes: Vec::with_capacity(bytes.len()),
        encoding: None,
        site,
        notes,
    };
    let (g0, g1, stray) = (CodeElement::Ascii, declared.g1, declared.extension_g1);
    let mut machine = Machine { declared, delimiters, g0, g1, stray, runs };
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        let taken = match *byte {
            ESC => machine.designate(after),
            control @ (0x00..0x20 | 0x7f) => {
                machine.reset();
                machine.runs.ascii(control);
                0
            }
            code @ 0x80.. => {
                machine.high(code);
                0
            }
            code => usize::from(machine.low(code, after.first().copied())),
        };
        rest = after.get(taken..).unwrap_or_default();
    }
    machine.runs.flush();
    machine.runs.text
}
