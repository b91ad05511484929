//! The vocabulary: concepts, and the phrases that stand for them, from `data/codes`.
//!
//! Knows the format of these files; it may not know fields of a header.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::super::facts::Imaging;
use super::repair::pieces;

/// The name of a concept, a word of `concepts.tsv`.
pub type Concept = &'static str;

const CONCEPTS: &str = include_str!("../../../data/codes/concepts.tsv");
const PHRASES: &str = include_str!("../../../data/codes/vocabulary.tsv");
/// The date of the vocabulary, its version.
pub const VOCABULARY_VERSION: &str = "2026-11-22.4";

/// What kind of thing a concept is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A region of the body, or an examination that has its own.
    Region,
    /// A projection.
    View,
    /// A side of the body.
    Side,
    /// With or without contrast.
    Contrast,
    /// How the examination is done.
    Exam,
    /// A word for a modality.
    Modality,
    /// What is never an examination of a patient.
    Skip,
    /// Work of another chapter of the list.
    Outside,
    /// A known word that says nothing.
    Noise,
}

/// A region and its place among the others.
#[derive(Debug, Clone)]
pub(crate) struct Info {
    pub(crate) kind: Kind,
    pub(crate) zones: BTreeSet<&'static str>,
    pub(crate) paired: bool,
    pub(crate) parents: Vec<&'static str>,
}

/// What a phrase means for some modalities.
#[derive(Debug, Clone)]
pub(super) struct Meaning {
    pub(super) concepts: Vec<Concept>,
    only: Vec<&'static str>,
    pub(super) weak: bool,
    /// The marks of a single word for a region; empty where a word with other marks means the same.
    marks: String,
}

impl Meaning {
    /// Whether a word written with `marks` may be this one: some may be left out, but none may be another, as in `sơ`
    /// and `sọ`, which are one word without them.
    pub(super) fn may_be_written(&self, marks: &str) -> bool {
        self.marks.is_empty() || marks.chars().all(|mark| self.marks.contains(mark))
    }

    /// Whether the word has marks that tell it from others.
    pub(super) fn is_marked(&self) -> bool {
        !self.marks.is_empty()
    }

    pub(super) fn holds(&self, imaging: Imaging) -> bool {
        self.only.is_empty() || self.only.iter().any(|label| imaging.answers_to(label))
    }
}

/// A phrase, as words.
#[derive(Debug, Clone)]
pub(super) struct Phrase {
    pub(super) words: Vec<String>,
    pub(super) meanings: Vec<Meaning>,
}

/// Concepts and phrases.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    concepts: BTreeMap<Concept, Info>,
    pub(super) phrases: HashMap<String, Vec<Phrase>>,
    pub(super) words: HashSet<String>,
    pub(super) by_length: BTreeMap<usize, Vec<String>>,
    problems: Vec<String>,
}

impl Vocabulary {
    /// The vocabulary that comes with the program.
    pub fn built_in() -> Self {
        Self::read(CONCEPTS, PHRASES)
    }

    fn read(concepts: &'static str, phrases: &'static str) -> Self {
        let mut vocabulary = Self::default();
        for line in content(concepts) {
            match info(line) {
                Some((name, info)) => {
                    vocabulary.concepts.insert(name, info);
                }
                None => vocabulary.problems.push(line.to_owned()),
            }
        }
        for line in content(phrases) {
            vocabulary.line(line);
        }
        for phrase in vocabulary.phrases.values().flatten() {
            vocabulary.words.extend(phrase.words.iter().cloned());
        }
        let mut words: Vec<&String> = vocabulary.words.iter().collect();
        words.sort();
        for word in words {
            vocabulary.by_length.entry(word.len()).or_default().push(word.clone());
        }
        vocabulary
    }

    fn line(&mut self, line: &'static str) {
        let Some((tags, phrases)) = line.split_once('\t') else {
            self.problems.push(line.to_owned());
            return;
        };
        let (only, named): (Vec<_>, Vec<_>) = tags.split_whitespace().partition(|tag| tag.starts_with('@'));
        let only: Vec<&'static str> = only.into_iter().map(|tag| tag.trim_start_matches('@')).collect();
        let unknown = named.iter().find(|name| !self.concepts.contains_key(*name));
        if let Some(name) = unknown {
            self.problems.push(format!("{name} is no concept"));
        }
        for phrase in phrases.split(',').map(str::trim).filter(|phrase| !phrase.is_empty()) {
            let weak = phrase.ends_with('%');
            let any_order = phrase.starts_with('~');
            let text = phrase.trim_start_matches('~').trim_end_matches('%');
            let marks = match &pieces(text)[..] {
                [piece] if named.iter().any(|name| self.kind(name) == Kind::Region) => piece.marks.clone(),
                _ => String::new(),
            };
            let meaning = Meaning { concepts: named.clone(), only: only.clone(), weak, marks };
            let whole: Vec<String> = pieces(text).into_iter().map(|piece| piece.joined).collect();
            let split: Vec<String> = pieces(text).into_iter().flat_map(|piece| piece.parts).collect();
            if any_order {
                self.add(whole.iter().rev().cloned().collect(), meaning.clone());
            }
            if split != whole {
                self.add(split, meaning.clone());
            }
            self.add(whole, meaning);
        }
    }

    fn add(&mut self, words: Vec<String>, meaning: Meaning) {
        let Some(first) = words.first().cloned() else {
            self.problems.push(format!("an empty phrase of {:?}", meaning.concepts));
            return;
        };
        let phrases = self.phrases.entry(first).or_default();
        match phrases.iter_mut().find(|phrase| phrase.words == words) {
            Some(phrase) => phrase.meanings.push(meaning),
            None => phrases.push(Phrase { words, meanings: vec![meaning] }),
        }
    }

    /// What is wrong with the files, none when all is well.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The kind of a concept.
    pub fn kind(&self, concept: &str) -> Kind {
        self.concepts.get(concept).map_or(Kind::Noise, |info| info.kind)
    }

    pub(crate) fn info(&self, concept: &str) -> Option<&Info> {
        self.concepts.get(concept)
    }

    /// Whether `region` is a part of, or a special examination of, `of`.
    pub fn is_within(&self, region: &str, of: &str) -> bool {
        self.info(region).is_some_and(|info| info.parents.contains(&of))
    }

    /// Whether the region stands on both sides of the body.
    pub fn is_paired(&self, region: &str) -> bool {
        self.info(region).is_some_and(|info| info.paired)
    }
}

pub(crate) fn content(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty())
}

fn info(line: &'static str) -> Option<(Concept, Info)> {
    let columns: Vec<&'static str> = line.split('\t').collect();
    let kind = match *columns.get(1)? {
        "region" => Kind::Region,
        "view" => Kind::View,
        "side" => Kind::Side,
        "contrast" => Kind::Contrast,
        "exam" => Kind::Exam,
        "modality" => Kind::Modality,
        "skip" => Kind::Skip,
        "outside" => Kind::Outside,
        "noise" => Kind::Noise,
        _ => return None,
    };
    let list = |at: usize| {
        let cell = columns.get(at).copied().unwrap_or("-");
        cell.split_whitespace().filter(|word| *word != "-")
    };
    let info = Info {
        kind,
        zones: list(2).collect(),
        paired: columns.get(3) == Some(&"paired"),
        parents: list(4).collect(),
    };
    Some((columns[0], info))
}
