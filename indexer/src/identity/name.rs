//! Names: whether two are one, and whether one stands for nobody.

use super::IdentityPolicy;
use crate::dataset::fold::{fold, words};

/// Words after a placeholder that make no name of it.
const AFTER_PLACEHOLDER: [&str; 8] = ["NAM", "NU", "SO", "KHOA", "CHUA", "RO", "MALE", "FEMALE"];

/// Whether two names are one: the same words in any order or without spaces, or all words of the one, at least two,
/// within the other. Marks, case and the caret do not count. Names that are not told are never one.
#[must_use]
pub fn same_name(one: &str, other: &str) -> bool {
    let (one, other) = (fold(one), fold(other));
    let sorted = |text: &str| {
        let mut list: Vec<String> = words(text).map(str::to_owned).collect();
        list.sort();
        list
    };
    let (one_words, other_words) = (sorted(&one), sorted(&other));
    if one_words.is_empty() || other_words.is_empty() {
        return false;
    }
    let joined = |text: &str| text.replace(' ', "");
    let (few, many) = if one_words.len() <= other_words.len() {
        (&one_words, &other_words)
    } else {
        (&other_words, &one_words)
    };
    one_words == other_words || joined(&one) == joined(&other) || few.len() >= 2 && within(few, many)
}

/// Whether each word of a sorted list is in another, as often.
fn within(few: &[String], many: &[String]) -> bool {
    let mut left = many.iter();
    few.iter().all(|word| left.any(|other| other == word))
}

/// Whether a name stands for nobody: an unknown person, a newborn named after the mother, a test.
///
/// A name that is written with marks is compared with its marks, so that somebody of the family Võ is not taken for a
/// *vô danh*.
#[must_use]
pub fn is_placeholder(name: &str, policy: &IdentityPolicy) -> bool {
    let folded = fold(name);
    let marked = spelled(name);
    let has_marks = !marked.is_ascii();
    let form = |entry: &String| if has_marks { spelled(entry) } else { fold(entry) };
    let text = if has_marks { &marked } else { &folded };
    let says_nothing = |rest: &str| {
        words(rest).all(|word| {
            word.chars().all(|letter| letter.is_ascii_digit() || letter == '#')
                || word.chars().any(|letter| letter.is_ascii_digit())
                || AFTER_PLACEHOLDER.contains(&fold(word).as_str())
        })
    };
    let whole = |entry: &String| {
        let entry = form(entry);
        let rest = text.strip_prefix(entry.as_str());
        rest.is_some_and(|rest| {
            (rest.is_empty() || rest.starts_with([' ', '-', '_', '#', '('])) && says_nothing(rest)
        })
    };
    let begins = |entry: &String| {
        let entry = form(entry);
        text.strip_prefix(entry.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '.', '-', '_']))
    };
    let word = |entry: &String| {
        let entry = fold(entry);
        let letters = |word: &&str| {
            let bare = word.trim_matches(|letter: char| !letter.is_alphabetic());
            bare == entry
        };
        words(&folded).any(|word| letters(&word))
    };
    let only_digits = !folded.is_empty() && folded.chars().all(|letter| !letter.is_alphabetic());
    only_digits
        || policy.placeholder_names.iter().any(whole)
        || policy.placeholder_beginnings.iter().any(begins)
        || policy.placeholder_words.iter().any(word)
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
