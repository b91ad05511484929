//! Names: whether two are one, and whether one stands for nobody.

use std::sync::OnceLock;

use super::IdentityPolicy;
use crate::dataset::fold::{fold, words};

/// Words after a placeholder that make no name of it.
const AFTER_PLACEHOLDER: [&str; 12] =
    ["NAM", "NU", "TRAI", "GAI", "SO", "KHOA", "CHUA", "RO", "MALE", "FEMALE", "CC", "TEN"];
/// A phrase without spaces is looked for as one word from so many letters on: shorter ones are names.
const JOINED_LETTERS: usize = 6;

/// Whether two names are one person's: the same words in the same order or without spaces, with the given name first or
/// last, or with words between family and given name left out. Marks, case and the caret do not count. The order of the
/// other words does: *Trần Minh Anh* and *Trần Anh Minh* are two children. Names that are not told are never one.
#[must_use]
pub fn same_name(one: &str, other: &str) -> bool {
    let (one, other) = (fold(one), fold(other));
    let (one_words, other_words): (Vec<&str>, Vec<&str>) = (words(&one).collect(), words(&other).collect());
    if one_words.is_empty() || other_words.is_empty() {
        return false;
    }
    let joined = |text: &str| text.replace(' ', "");
    if joined(&one) == joined(&other) {
        return true;
    }
    let (few, many) = if one_words.len() <= other_words.len() {
        (one_words, other_words)
    } else {
        (other_words, one_words)
    };
    turned(&few).iter().any(|few| few.len() >= 2 && left_out(few, &many))
}

/// A name as it is told, and with its last word first or its first word last.
fn turned<'a>(name: &[&'a str]) -> [Vec<&'a str>; 3] {
    let (mut given_first, mut family_last) = (name.to_vec(), name.to_vec());
    given_first.rotate_right(1);
    family_last.rotate_left(1);
    [name.to_vec(), given_first, family_last]
}

/// Whether the one is the other with words left out, but not the first nor the last: those tell family and person.
fn left_out(few: &[&str], many: &[&str]) -> bool {
    let mut left = many.iter();
    few.first() == many.first()
        && few.last() == many.last()
        && few.iter().all(|word| left.any(|other| other == word))
}

/// The policy's lists of names in words, made when they are first asked for. They follow from the lists, so that two
/// policies differ in nothing by them.
#[derive(Debug, Clone, Default)]
pub(super) struct Lists(OnceLock<Phrases>);

impl PartialEq for Lists {
    fn eq(&self, _: &Lists) -> bool {
        true
    }
}

impl Eq for Lists {}

#[derive(Debug, Clone)]
struct Phrases {
    names: Vec<Phrase>,
    beginnings: Vec<Phrase>,
    anywhere: Vec<Phrase>,
    prefixes: Vec<Phrase>,
    words: Vec<String>,
}

#[derive(Debug, Clone)]
struct Phrase {
    words: Vec<Word>,
    /// Its words as one, where that is long enough to be looked for.
    joined: Option<Word>,
}

impl Phrase {
    fn of(entry: &str) -> Phrase {
        let words = tokens(entry);
        let joined = |of: fn(&Word) -> &String| words.iter().map(of).cloned().collect::<String>();
        let whole =
            Word { folded: joined(|word| &word.folded), marked: joined(|word| &word.marked), number: false };
        let long = whole.folded.len() >= JOINED_LETTERS && words.len() > 1;
        Phrase { joined: long.then_some(whole), words }
    }
}

impl Lists {
    fn of<'a>(&'a self, policy: &IdentityPolicy) -> &'a Phrases {
        let list = |entries: &[String]| entries.iter().map(|entry| Phrase::of(entry)).collect();
        self.0.get_or_init(|| Phrases {
            names: list(&policy.placeholder_names),
            beginnings: list(&policy.placeholder_beginnings),
            anywhere: list(&policy.placeholder_phrases),
            prefixes: list(&policy.placeholder_prefixes),
            words: policy.placeholder_words.iter().map(|word| fold(word)).collect(),
        })
    }
}

/// A word of a name: its letters, in upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    folded: String,
    /// With its marks.
    marked: String,
    /// A number, or a short word with digits: it names nobody.
    number: bool,
}

impl Word {
    /// Whether it is a word of a list. Written with marks it has to have the same ones, so that somebody of the family
    /// Võ is not taken for a *vô danh*.
    fn is(&self, other: &Word) -> bool {
        if self.marked.is_ascii() { self.folded == other.folded } else { self.marked == other.marked }
    }
}

/// The words of a name: what stands between letters and digits parts them, whatever it is, and digits are left out.
fn tokens(name: &str) -> Vec<Word> {
    let spelled = spelled(name);
    let chunks = spelled.split(|letter: char| !letter.is_alphanumeric()).filter(|chunk| !chunk.is_empty());
    let word = |chunk: &str| {
        let marked: String = chunk.chars().filter(|letter| letter.is_alphabetic()).collect();
        Word {
            folded: fold(&marked),
            number: marked.chars().count() < 2 && marked.len() < chunk.len(),
            marked,
        }
    };
    chunks.map(word).collect()
}

fn starts_with(name: &[Word], phrase: &[Word]) -> bool {
    !phrase.is_empty()
        && name.len() >= phrase.len()
        && name.iter().zip(phrase).all(|(one, other)| one.is(other))
}

/// How many words of a name a phrase takes up at its beginning, where it stands there in words or as one word.
fn taken(name: &[Word], phrase: &Phrase) -> Option<usize> {
    if starts_with(name, &phrase.words) {
        return Some(phrase.words.len());
    }
    let (first, joined) = (name.first()?, phrase.joined.as_ref()?);
    first.is(joined).then_some(1)
}

/// Whether a name stands for nobody: an unknown person, a newborn named after the mother, a test.
#[must_use]
pub fn is_placeholder(name: &str, policy: &IdentityPolicy) -> bool {
    let all = tokens(name);
    if all.iter().all(|word| word.number || word.folded.is_empty()) {
        // Digits and signs alone are no name; nothing at all is none that anybody gave.
        return !fold(name).is_empty();
    }
    let lists = policy.lists.of(policy);
    let says_nothing = |rest: &[Word]| {
        rest.iter().all(|word| word.number || AFTER_PLACEHOLDER.contains(&word.folded.as_str()))
    };
    let whole = |name: &[Word]| {
        lists.names.iter().any(|entry| taken(name, entry).is_some_and(|taken| says_nothing(&name[taken..])))
    };
    let begins = |name: &[Word]| lists.beginnings.iter().any(|entry| taken(name, entry).is_some());
    let anywhere = |name: &[Word]| {
        (0..name.len()).any(|at| lists.anywhere.iter().any(|phrase| taken(&name[at..], phrase).is_some()))
    };
    // What stands before a name says whom it is of: a patient, a newborn, a boy.
    let mut rest = &all[..];
    loop {
        if whole(rest) || begins(rest) {
            return true;
        }
        let next = lists.prefixes.iter().filter_map(|prefix| taken(rest, prefix)).max();
        match next.filter(|taken| *taken < rest.len()) {
            Some(taken) => rest = &rest[taken..],
            None => break,
        }
    }
    anywhere(&all) || all.iter().any(|word| lists.words.contains(&word.folded))
}

/// Upper case with marks, composed, separators as one space.
pub(crate) fn spelled(name: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    let upper: String = name
        .nfc()
        .flat_map(char::to_uppercase)
        .map(|letter| if letter == '^' { ' ' } else { letter })
        .collect();
    upper.split_whitespace().collect::<Vec<_>>().join(" ")
}
