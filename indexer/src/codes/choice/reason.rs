//! What an order says beside the examination: words in brackets, and why it is done (`TD`, `nghi`, `sau mổ` ...).
//!
//! Knows how a reason stands in a text; the words that begin one are those of [`super::caution`]. A bracket may say more closely which part of the region is meant, but
//! neither names a further examination: `CT ngực (u gan)` is one of the chest.

use std::collections::BTreeSet;

use super::caution::Caution;
use crate::codes::facts::Imaging;
use crate::codes::reading::{Concept, Kind, Reading, Vocabulary};
use crate::dataset::fold::fold;

/// Regions that a bracket may take apart into several examinations.
const TAKEN_APART: [&str; 5] = ["spine", "limb", "upper_limb", "lower_limb", "joint"];
/// Interventions: what was done before is no examination of now.
const DONE_BEFORE: [&str; 7] =
    ["biopsy", "aspiration", "drainage", "ablation", "embolisation", "stent", "cement"];

/// What `text` says, without regions that only its reason names and that are no part of those before.
pub(super) fn without(text: &str, vocabulary: &Vocabulary, imaging: Imaging, caution: &Caution) -> Reading {
    let mut whole = vocabulary.read_text(text, imaging);
    let (outside, before) = (outside_brackets(text), before_reason(text, caution));
    // A bracket that tells an illness says why, and nothing about which part was examined.
    let of_bracket = usize::from(!tells_illness(text, caution));
    for (main, most_parts, of_bracket) in [(outside, of_bracket, true), (before, 0, false)] {
        let Some(main) = main else { continue };
        let main = vocabulary.read_text(&main, imaging);
        let side = |concept: &Concept| vocabulary.kind(concept) == Kind::Side;
        if main.found.keys().any(side) && (!of_bracket || has_remark(text)) {
            // The side of the examination stands with it; another one is that of a fall or a former operation.
            whole.found.retain(|concept, _| !side(concept) || main.has(concept));
        }
        let regions: BTreeSet<Concept> = main.of_kind(vocabulary, Kind::Region).collect();
        if regions.is_empty() {
            continue;
        }
        let is_part = |concept: &Concept| regions.iter().any(|region| vocabulary.is_within(concept, region));
        let parts = whole.of_kind(vocabulary, Kind::Region);
        let parts = parts.filter(|part| !regions.contains(part) && is_part(part)).count();
        let may = parts <= most_parts || regions.iter().any(|region| TAKEN_APART.contains(region));
        whole.found.retain(|concept, _| {
            let is_region = vocabulary.kind(concept) == Kind::Region;
            // A bone density that is asked about is no measurement of it, where a region was taken.
            let other = DONE_BEFORE.contains(concept) || vocabulary.kind(concept) == Kind::Outside;
            let before = other && !main.has(concept);
            !before && (!is_region || regions.contains(concept) || may && is_part(concept))
        });
    }
    whole
}

/// The text without the parts that tell a complaint, where another part names the examination: `tê tay (T) - MRI cột
/// sống cổ`. A complaint that nothing parts from the examination ends at the word for the kind of imaging.
pub(super) fn without_complaints(
    text: &str,
    vocabulary: &Vocabulary,
    imaging: Imaging,
    caution: &Caution,
) -> String {
    let names_region =
        |part: &str| vocabulary.read_text(part, imaging).of_kind(vocabulary, Kind::Region).next().is_some();
    let (complaints, others): (Vec<&str>, Vec<&str>) =
        parts(text).into_iter().partition(|part| is_complaint(part, vocabulary, imaging, caution));
    if !complaints.is_empty() {
        let others = others.join(", ");
        return if names_region(&others) { others } else { text.to_owned() };
    }
    if begins(&folded_words(text), &caution.complaints) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_kind = |word: &&str| names_kind(word, vocabulary, imaging);
        let exam = words.iter().position(is_kind).map(|at| words[at..].join(" "));
        return exam.filter(|exam| names_region(exam)).unwrap_or_else(|| text.to_owned());
    }
    text.to_owned()
}

/// Order and study text, of which one that tells nothing but a reason is left out where the other names an examination:
/// what was done before, or is suspected, is not what is done now.
pub(super) fn without_whole_reasons(
    [order, study]: [String; 2],
    vocabulary: &Vocabulary,
    imaging: Imaging,
    caution: &Caution,
) -> [String; 2] {
    let is_reason = |text: &str| is_whole_reason(text, vocabulary, imaging, caution);
    let names_examination = |text: &str| {
        let read = vocabulary.read_text(text, imaging);
        let says = |kind: Kind| read.of_kind(vocabulary, kind).next().is_some();
        says(Kind::Region) && (says(Kind::Modality) || says(Kind::View) || is_taken(text))
    };
    match (is_reason(&order), is_reason(&study)) {
        (true, false) if names_examination(&study) => [String::new(), study],
        (false, true) if names_examination(&order) => [order, String::new()],
        _ => [order, study],
    }
}

/// Whether a text begins with a reason, an illness or a complaint and says nothing of how a picture is taken.
fn is_whole_reason(text: &str, vocabulary: &Vocabulary, imaging: Imaging, caution: &Caution) -> bool {
    let words = folded_words(text);
    let read = vocabulary.read_text(text, imaging);
    let says = |kind: &Kind| read.of_kind(vocabulary, *kind).next().is_some();
    let begins_so = [&caution.reasons, &caution.illnesses, &caution.complaints];
    begins_so.iter().any(|phrases| begins(&words, phrases))
        && ![Kind::Modality, Kind::View, Kind::Contrast].iter().any(says)
        && !is_taken(text)
}

/// Whether a text has the verb for taking pictures.
fn is_taken(text: &str) -> bool {
    folded_words(text).iter().any(|word| word == "CHUP")
}

/// Whether a part of a text tells a complaint, and names no kind of imaging.
fn is_complaint(part: &str, vocabulary: &Vocabulary, imaging: Imaging, caution: &Caution) -> bool {
    let words = folded_words(part);
    let told =
        begins(&words, &caution.complaints) || (0..words.len()).any(|at| begins(&words[at..], &caution.felt));
    told && !names_kind(part, vocabulary, imaging)
}

fn names_kind(text: &str, vocabulary: &Vocabulary, imaging: Imaging) -> bool {
    vocabulary.read_text(text, imaging).of_kind(vocabulary, Kind::Modality).next().is_some()
}

/// The parts of a text between marks, hyphens and slashes only where blanks stand around them.
fn parts(text: &str) -> Vec<&str> {
    text.split([',', ';', ':', '|', '+'])
        .flat_map(|part| part.split(" - "))
        .flat_map(|part| part.split(" / "))
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

/// The text without what stands in brackets, where anything does.
fn outside_brackets(text: &str) -> Option<String> {
    let mut depth = 0_usize;
    let mut outside = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => {
                depth = depth.saturating_sub(1);
                outside.push(' ');
            }
            letter if depth == 0 => outside.push(letter),
            _ => {}
        }
    }
    (outside.len() < text.len()).then_some(outside)
}

/// Whether a bracket holds more than one word: a side alone is no remark.
fn has_remark(text: &str) -> bool {
    let mut brackets = text.split(['(', '[']).skip(1).filter_map(|inside| inside.split([')', ']']).next());
    brackets.any(|inside| inside.split_whitespace().nth(1).is_some())
}

/// The text before a reason, where one begins.
fn before_reason(text: &str, caution: &Caution) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let folded = folded_words(text);
    let begins_here =
        |at: &usize| begins(&folded[*at..], &caution.reasons) || begins(&folded[*at..], &caution.complaints);
    (0..words.len()).find(begins_here).map(|at| words[..at].join(" "))
}

/// Whether a bracket begins with a reason or an illness.
fn tells_illness(text: &str, caution: &Caution) -> bool {
    text.split(['(', '[']).skip(1).any(|inside| {
        let inside = folded_words(inside);
        begins(&inside, &caution.reasons) || begins(&inside, &caution.illnesses)
    })
}

/// The words of a text, folded, each without its marks of punctuation.
fn folded_words(text: &str) -> Vec<String> {
    let letters = |word: &str| fold(word).chars().filter(|letter| letter.is_alphanumeric()).collect();
    text.split_whitespace().map(letters).collect()
}

fn begins(words: &[String], phrases: &[Vec<&'static str>]) -> bool {
    phrases
        .iter()
        .any(|phrase| words.len() >= phrase.len() && words.iter().zip(phrase).all(|(word, of)| word == of))
}
