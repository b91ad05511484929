//! What an order says beside the examination: words in brackets, and why it is done (`TD`, `nghi`, `sau mổ` ...).
//!
//! Knows the words that begin a reason. A bracket may say more closely which part of the region is meant, but
//! neither names a further examination: `CT ngực (u gan)` is one of the chest.

use std::collections::BTreeSet;

use crate::codes::facts::Imaging;
use crate::codes::reading::{Concept, Kind, Reading, Vocabulary};
use crate::dataset::fold::fold;

/// Words after which a reason stands, folded.
const REASON_BEGINS: [&[&str]; 23] = [
    &["TD"],
    &["THEO", "DOI"],
    &["NGHI"],
    &["CD"],
    &["CHAN", "DOAN"],
    &["LY", "DO"],
    &["SAU", "MO"],
    &["HAU", "PHAU"],
    &["TIEN", "SU"],
    &["RULE", "OUT"],
    &["DI", "CAN"],
    &["POST", "OP"],
    &["SAU"],
    &["AFTER"],
    &["K"],
    &["U"],
    &["UNG", "THU"],
    &["VIEM"],
    &["SOI"],
    &["BN"],
    &["KHOA"],
    &["BV"],
    &["TS"],
];

/// Regions that a bracket may take apart into several examinations.
const TAKEN_APART: [&str; 5] = ["spine", "limb", "upper_limb", "lower_limb", "joint"];
/// Interventions: what was done before is no examination of now.
const DONE_BEFORE: [&str; 7] =
    ["biopsy", "aspiration", "drainage", "ablation", "embolisation", "stent", "cement"];

/// What `text` says, without regions that only its reason names and that are no part of those before.
pub(super) fn without(text: &str, vocabulary: &Vocabulary, imaging: Imaging) -> Reading {
    let mut whole = vocabulary.read_text(text, imaging);
    let (outside, before) = (outside_brackets(text), before_reason(text));
    for (main, most_parts) in [(outside, 1), (before, 0)] {
        let Some(main) = main else { continue };
        let main = vocabulary.read_text(&main, imaging);
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
            let before = DONE_BEFORE.contains(concept) && !main.has(concept);
            !before && (!is_region || regions.contains(concept) || may && is_part(concept))
        });
    }
    whole
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

/// The text before a reason, where one begins.
fn before_reason(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let folded: Vec<String> = words
        .iter()
        .map(|word| fold(word).chars().filter(|letter| letter.is_alphanumeric()).collect())
        .collect();
    let begins = |at: &usize| {
        REASON_BEGINS.iter().any(|reason| {
            folded.len() >= at + reason.len()
                && folded[*at..].iter().zip(*reason).all(|(word, of)| word == of)
        })
    };
    (0..words.len()).find(begins).map(|at| words[..at].join(" "))
}
