//! Reading a text: the words in it are covered by phrases of the vocabulary, longest first.
//!
//! Knows phrases; it may not know which field the text comes from.

use std::collections::{BTreeMap, BTreeSet};

use super::repair::{alternatives, pieces};
use super::spelling;
use super::vocabulary::{Concept, Kind, Meaning, Phrase, Vocabulary};
use crate::codes::facts::Imaging;
use crate::dataset::fold::fold;

/// Words that deny what follows, and verbs that may stand between.
const DENIERS: [&str; 6] = ["KHONG", "KO", "KHG", "NO", "WITHOUT", "SANS"];
const DENIED_VERBS: [&str; 5] = ["CO", "DUNG", "LAM", "KEM", "CAN"];

/// A concept that was found, with the words that stand for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The words, as they were understood.
    pub words: String,
    /// Whether it counts only where nothing stronger of its kind is there.
    pub weak: bool,
    /// Whether all that stands for it is one word that only its marks tell from others, written with them or not.
    pub marked: bool,
}

/// What a text says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Concepts.
    pub found: BTreeMap<Concept, Found>,
    /// Words of three letters and more that the vocabulary does not have.
    pub unknown: Vec<String>,
    /// Words of three letters and more that the vocabulary has, but not as they stand here.
    pub stray: Vec<String>,
    /// All words, as they were understood.
    pub words: Vec<String>,
    covered: usize,
}

impl Reading {
    /// Whether the text says `concept`.
    pub fn has(&self, concept: &str) -> bool {
        self.found.contains_key(concept)
    }

    /// The concepts of a kind.
    pub fn of_kind<'a>(
        &'a self,
        vocabulary: &'a Vocabulary,
        kind: Kind,
    ) -> impl Iterator<Item = Concept> + 'a {
        self.found.keys().copied().filter(move |concept| vocabulary.kind(concept) == kind)
    }

    /// Whether every word stands for something other than noise.
    pub(crate) fn says_nothing_else(&self, vocabulary: &Vocabulary) -> bool {
        !self.has_words_beside(vocabulary, &|_| false)
    }

    /// Whether a word neither stands for something other than noise nor `may` be there.
    pub(crate) fn has_words_beside(&self, vocabulary: &Vocabulary, may: &dyn Fn(&str) -> bool) -> bool {
        let telling = self.found.iter().filter(|(concept, _)| vocabulary.kind(concept) != Kind::Noise);
        let told: BTreeSet<&str> = telling.flat_map(|(_, found)| found.words.split(' ')).collect();
        self.words.iter().any(|word| !told.contains(word.as_str()) && !may(word))
    }

    /// This reading with what `other` says.
    pub fn join(&mut self, other: &Self) {
        for (concept, found) in &other.found {
            self.found.entry(concept).or_insert_with(|| found.clone());
        }
        self.unknown.extend(other.unknown.iter().cloned());
        self.stray.extend(other.stray.iter().cloned());
        self.words.extend(other.words.iter().cloned());
    }
}

impl Vocabulary {
    /// Reads `text` as words of a header of `imaging`. Of the ways to read damaged text the one wins that leaves the
    /// least unknown.
    pub fn read_text(&self, text: &str, imaging: Imaging) -> Reading {
        let mut best: Option<(i64, Reading)> = None;
        for text in alternatives(text) {
            let reading = self.read_plain(&text, imaging);
            let unknown: usize = reading.unknown.iter().map(String::len).sum();
            let score = i64::try_from(reading.covered).unwrap_or(0) - 2 * i64::try_from(unknown).unwrap_or(0);
            if best.as_ref().is_none_or(|(best, _)| score > *best) {
                best = Some((score, reading));
            }
        }
        best.map(|(_, reading)| reading).unwrap_or_default()
    }

    fn read_plain(&self, text: &str, imaging: Imaging) -> Reading {
        let mut reading = Reading::default();
        let mut marks = Vec::new();
        for piece in pieces(text) {
            let (words, known) = spelling::words(self, &piece);
            // What was spelt otherwise has no marks of its own.
            let as_written = words.len() == 1 && words.first() == Some(&piece.joined);
            marks.extend(words.iter().map(|_| if as_written { piece.marks.clone() } else { String::new() }));
            if !known {
                reading.unknown.extend(words.iter().filter(|word| word.len() >= 3).cloned());
            }
            reading.words.extend(words);
        }
        let words = std::mem::take(&mut reading.words);
        let mut covered = vec![false; words.len()];
        let found = self.cover(&words, &marks, imaging);
        let denied = self.denied(text, &words, &marks, &found, imaging);
        for (at, phrase) in found {
            covered[at..at + phrase.words.len()].fill(true);
            let text = words[at..at + phrase.words.len()].join(" ");
            reading.covered += text.len();
            if denied.contains(&at) {
                continue;
            }
            for meaning in meanings(phrase, &marks[at], imaging) {
                let marked = meaning.is_marked();
                for concept in &meaning.concepts {
                    let found = reading.found.entry(concept).or_insert_with(|| Found {
                        words: text.clone(),
                        weak: meaning.weak,
                        marked,
                    });
                    found.weak &= meaning.weak;
                    found.marked &= marked;
                }
            }
        }
        let stray = words.iter().zip(&covered).filter(|(word, covered)| {
            !**covered && word.len() >= 3 && word.bytes().all(|byte| byte.is_ascii_alphabetic())
        });
        reading.stray =
            stray.map(|(word, _)| word.clone()).filter(|word| !reading.unknown.contains(word)).collect();
        reading.words = words;
        self.drop_weak(&mut reading);
        reading
    }

    /// Places of phrases for a way of examining or a kind of imaging that the word before denies (`không dùng sonde`,
    /// `no CTA`), and of that word, which says nothing else then. A mark between them parts them: `không, 3D` is without
    /// contrast, and three-dimensional.
    fn denied(
        &self,
        text: &str,
        words: &[String],
        marks: &[String],
        found: &[(usize, &Phrase)],
        imaging: Imaging,
    ) -> BTreeSet<usize> {
        let text = fold(&text.replace(',', ";"));
        let within = |at: usize| {
            let long = found.iter().filter(|(_, phrase)| phrase.words.len() > 1);
            long.map(|(from, phrase)| *from..*from + phrase.words.len()).any(|places| places.contains(&at))
        };
        let is = |list: &[&str], at: usize| !within(at) && list.contains(&words[at].as_str());
        let mut denied = BTreeSet::new();
        for (at, phrase) in found.iter().filter(|(at, _)| *at > 0) {
            let by = if *at > 1 && is(&DENIED_VERBS, at - 1) { at - 2 } else { at - 1 };
            let kinds: Vec<Kind> = meanings(phrase, &marks[*at], imaging)
                .flat_map(|meaning| &meaning.concepts)
                .map(|concept| self.kind(concept))
                .collect();
            let way = |kind: &Kind| matches!(kind, Kind::Exam | Kind::Modality);
            let is_way =
                kinds.iter().any(way) && kinds.iter().all(|kind| way(kind) || *kind == Kind::Contrast);
            if is_way && is(&DENIERS, by) && text.contains(&words[by..=*at].join(" ")) {
                denied.extend([by, *at]);
            }
        }
        denied
    }

    fn drop_weak(&self, reading: &mut Reading) {
        let strong: Vec<Kind> =
            reading.found.iter().filter(|(_, found)| !found.weak).map(|(c, _)| self.kind(c)).collect();
        reading.found.retain(|concept, found| !found.weak || !strong.contains(&self.kind(concept)));
    }

    /// Phrases that cover `words` best, with their places: long phrases count more than many short ones.
    fn cover<'a>(
        &'a self,
        words: &'a [String],
        marks: &[String],
        imaging: Imaging,
    ) -> Vec<(usize, &'a Phrase)> {
        let mut best: Vec<(usize, Option<&Phrase>)> = vec![(0, None); words.len() + 1];
        for at in (0..words.len()).rev() {
            best[at] = (best[at + 1].0, None);
            for phrase in self.starting(&words[at]) {
                let length = phrase.words.len();
                let fits = words.len() - at >= length
                    && phrase.words.iter().zip(&words[at..]).all(|(known, word)| same(known, word))
                    && meanings(phrase, &marks[at], imaging).next().is_some();
                let score = if fits { best[at + length].0 + 4 * length * length } else { 0 };
                if fits && score > best[at].0 {
                    best[at] = (score, Some(phrase));
                }
            }
        }
        let mut found = Vec::new();
        let mut at = 0;
        while at < words.len() {
            match best[at].1 {
                Some(phrase) => {
                    found.push((at, phrase));
                    at += phrase.words.len();
                }
                None => at += 1,
            }
        }
        found
    }

    fn starting<'a>(&'a self, word: &'a str) -> Box<dyn Iterator<Item = &'a Phrase> + 'a> {
        if word.contains('?') {
            let mut firsts: Vec<&String> = self.phrases.keys().filter(|first| same(first, word)).collect();
            firsts.sort();
            Box::new(firsts.into_iter().filter_map(|first| self.phrases.get(first)).flatten())
        } else {
            Box::new(self.phrases.get(word).into_iter().flatten())
        }
    }
}

/// What a phrase means for a modality, where its first word is written with `marks`.
fn meanings<'a>(
    phrase: &'a Phrase,
    marks: &'a str,
    imaging: Imaging,
) -> impl Iterator<Item = &'a Meaning> + 'a {
    phrase.meanings.iter().filter(move |meaning| meaning.holds(imaging) && meaning.may_be_written(marks))
}

/// Whether `word`, in which a run of `?` stands for as many letters or fewer, is `known`.
fn same(known: &str, word: &str) -> bool {
    if !word.contains('?') {
        return known == word;
    }
    let letters = word.bytes().filter(|byte| *byte != b'?').count();
    letters * 2 >= known.len() && letters >= 2 && same_from(known.as_bytes(), word.as_bytes())
}

fn same_from(known: &[u8], word: &[u8]) -> bool {
    match word.first() {
        None => known.is_empty(),
        Some(b'?') => {
            let lost = word.iter().take_while(|byte| **byte == b'?').count();
            let most = lost.min(3).min(known.len());
            (1..=most).any(|letters| same_from(&known[letters..], &word[lost..]))
        }
        Some(letter) => known.first() == Some(letter) && same_from(&known[1..], &word[1..]),
    }
}
