//! How sure the mapper may be, and where it waits for a person: the numbers and words of `caution.tsv`.
//!
//! Knows the format of that file; it may not know what the words are compared with.

use std::collections::{BTreeMap, BTreeSet};

use crate::codes::facts::Imaging;
use crate::codes::outcome::Level;
use crate::codes::reading::vocabulary::content;
use crate::codes::reading::{Concept, Vocabulary};
use crate::dataset::fold::fold;

const CAUTION: &str = include_str!("../../../data/codes/caution.tsv");

/// A way of examining that must stand in the name of what was chosen.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    imagings: Vec<&'static str>,
    pub(crate) concept: Concept,
    /// Words of the catalogue, one of which tells the way.
    pub(crate) in_names: Vec<&'static str>,
}

impl Way {
    pub(crate) fn is_for(&self, imaging: Imaging) -> bool {
        self.imagings.contains(&imaging.label())
    }
}

/// Numbers and words of caution.
#[derive(Debug, Clone, Default)]
pub struct Caution {
    numbers: BTreeMap<(&'static str, &'static str), f64>,
    pub(crate) ways: Vec<Way>,
    /// Folded words after which a reason stands.
    pub(crate) reasons: Vec<Vec<&'static str>>,
    /// Folded words that begin a reason where they begin a bracket.
    pub(crate) illnesses: Vec<Vec<&'static str>>,
    /// Folded phrases that tell what a patient complains of.
    pub(crate) complaints: Vec<Vec<&'static str>>,
    /// Folded phrases that make a complaint or a finding of the part of a text that they stand in.
    pub(crate) felt: Vec<Vec<&'static str>>,
    /// Folded words that may stand beside a region in a list of examinations.
    items: BTreeSet<&'static str>,
    /// Folded phrases by which something is done only on a condition.
    pub(crate) conditions: Vec<Vec<&'static str>>,
    /// Concepts, the modalities and the words by which a text alone does not say them.
    pub(crate) unsure: Vec<(Vec<&'static str>, Concept, Vec<&'static str>)>,
    surnames: BTreeSet<&'static str>,
    middle_names: BTreeSet<&'static str>,
    /// Three words that read like a name and are none.
    no_persons: BTreeSet<&'static str>,
    /// Words of sentences about contrast, each with its part in them.
    pub(crate) said: BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// Body parts that say no more than a whole limb.
    pub(crate) whole_limbs: Vec<&'static str>,
    problems: Vec<String>,
}

/// Numbers without which nothing can be weighed.
const NUMBERS: [(&str, &str); 9] = [
    ("level", "facility"),
    ("level", "code"),
    ("level", "text"),
    ("level", "series"),
    ("level", "body_part"),
    ("gain", "agreed"),
    ("cost", "machine"),
    ("cost", "doubt"),
    ("assign", "from"),
];

impl Caution {
    /// The file that comes with the program, checked against the concepts of `vocabulary`.
    pub fn built_in(vocabulary: &Vocabulary) -> Self {
        let mut caution = Self::default();
        for line in content(CAUTION) {
            if caution.line(line, vocabulary).is_none() {
                caution.problems.push(line.to_owned());
            }
        }
        let missing = NUMBERS.iter().filter(|number| !caution.numbers.contains_key(*number));
        let missing: Vec<String> = missing.map(|(rule, of)| format!("no number for {rule} {of}")).collect();
        caution.problems.extend(missing);
        caution
    }

    fn line(&mut self, line: &'static str, vocabulary: &Vocabulary) -> Option<()> {
        let [rule, imagings, of, value] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
        let phrases = || value.split(',').map(str::trim).filter(|phrase| !phrase.is_empty());
        let words = || phrases().map(|phrase| phrase.split(' ').collect());
        match rule {
            "level" | "gain" | "cost" | "assign" => {
                let number = value.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number))?;
                self.numbers.insert((rule, of), number);
            }
            "way" => {
                vocabulary.info(of)?;
                let imagings = imagings.split_whitespace().collect();
                self.ways.push(Way { imagings, concept: of, in_names: phrases().collect() });
            }
            "reason" => self.reasons.extend(words()),
            "illness" => self.illnesses.extend(words()),
            "complaint" => self.complaints.extend(words()),
            "condition" => self.conditions.extend(words()),
            "item" => self.items.extend(phrases()),
            "felt" => self.felt.extend(words()),
            "said" => self.said.entry(of).or_default().extend(phrases()),
            "unsure" => {
                vocabulary.info(of)?;
                self.unsure.push((imagings.split_whitespace().collect(), of, phrases().collect()));
            }
            "name" if of == "surname" => self.surnames.extend(phrases()),
            "name" if of == "no_person" => self.no_persons.extend(phrases()),
            "name" => self.middle_names.extend(phrases()),
            "body" => self.whole_limbs.extend(phrases()),
            _ => return None,
        }
        Some(())
    }

    /// What is wrong with the file, none when all is well.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Whether order or study text alone does not say `concept` by `words`.
    pub(crate) fn is_unsure(&self, imaging: Imaging, concept: &str, words: &str) -> bool {
        let holds = |(labels, of, by): &(Vec<&str>, Concept, Vec<&str>)| {
            labels.contains(&imaging.label()) && *of == concept && by.contains(&words)
        };
        self.unsure.iter().any(holds)
    }

    /// The text without names of persons: surname, middle name and the word behind it.
    pub(crate) fn without_names(&self, text: &str) -> String {
        let words: Vec<&str> = text.split_whitespace().collect();
        let folded: Vec<String> = words.iter().map(|word| fold(word)).collect();
        let mut kept: Vec<&str> = Vec::new();
        let mut at = 0;
        while at < words.len() {
            let is_name = self.surnames.contains(folded[at].trim_start_matches('('))
                && folded.get(at + 1).is_some_and(|word| self.middle_names.contains(word.as_str()))
                && !folded
                    .get(at..at + 3)
                    .is_some_and(|three| self.no_persons.contains(three.join(" ").as_str()));
            if is_name {
                // A mark behind the name stays, it may part examinations.
                let end = words.get(at + 2).and_then(|word| word.chars().last());
                kept.extend(end.filter(|end| !end.is_alphanumeric()).map(|end| match end {
                    ')' => ")",
                    _ => ",",
                }));
                at += 3;
            } else {
                kept.push(words[at]);
                at += 1;
            }
        }
        kept.join(" ")
    }

    /// Whether `word` may stand beside a region in a list of examinations.
    pub(crate) fn is_of_item(&self, word: &str) -> bool {
        self.items.contains(word) || word.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Whether `word` has that part in a sentence about contrast.
    pub(crate) fn says(&self, part: &str, word: &str) -> bool {
        self.said.get(part).is_some_and(|words| words.contains(word))
    }

    /// How sure an answer of that evidence is, from 0 to 1.
    pub(crate) fn level(&self, level: Level) -> f64 {
        let name = match level {
            Level::Facility => "facility",
            Level::Code => "code",
            Level::Text => "text",
            Level::Series => "series",
            Level::BodyPart => "body_part",
        };
        self.number("level", name)
    }

    /// What agreement of another field adds.
    pub(crate) fn agreement(&self) -> f64 {
        self.number("gain", "agreed")
    }

    /// What each doubt takes away.
    pub(crate) fn doubt(&self) -> f64 {
        self.number("cost", "doubt")
    }

    /// What a machine that the header does not tell takes away.
    pub(crate) fn unknown_machine(&self) -> f64 {
        self.number("cost", "machine")
    }

    /// From what on techniques are assigned.
    pub(crate) fn assign_from(&self) -> f64 {
        self.number("assign", "from")
    }

    fn number(&self, rule: &'static str, of: &'static str) -> f64 {
        self.numbers.get(&(rule, of)).copied().unwrap_or(0.0)
    }
}
