//! The table of examinations: what an examination with these regions, projections and ways is called in the
//! catalogue.
//!
//! Knows `techniques.tsv`; which technique of that name it is (detector class, field, contrast) is chosen here too.

use std::collections::BTreeSet;

use crate::codes::catalogue::name::{DetectorClass, Field};
use crate::codes::catalogue::{Catalogue, Technique};
use crate::codes::facts::Imaging;
use crate::codes::reading::vocabulary::content;
use crate::codes::reading::{Concept, Kind, Vocabulary};

const TECHNIQUES: &str = include_str!("../../../data/codes/techniques.tsv");

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Rule {
    imagings: Vec<&'static str>,
    whole: bool,
    needs: Vec<Concept>,
    without: Vec<Concept>,
    /// Techniques that all apply; each as names in order of choice.
    names: Vec<Vec<&'static str>>,
    /// A second candidate for a person.
    second: Option<&'static str>,
    contrast: Option<bool>,
}

/// Names of examinations that were chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Each with its alternatives in order.
    pub(crate) names: Vec<Vec<String>>,
    /// Candidates behind them.
    pub(crate) seconds: Vec<String>,
    /// Contrast of the examination where nothing else tells.
    pub(crate) contrast: Option<bool>,
    /// Regions that the chosen names are about.
    pub(crate) regions: BTreeSet<Concept>,
    /// A line that takes the whole examination was chosen.
    pub(crate) whole: bool,
    /// Regions that no name was found for.
    pub(crate) left: BTreeSet<Concept>,
}

/// Class of detector and field, and contrast, as far as known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) detector: Option<DetectorClass>,
    pub(crate) field: Option<Field>,
}

/// The table.
#[derive(Debug, Clone, Default)]
pub struct Table {
    rules: Vec<Rule>,
    problems: Vec<String>,
}

impl Table {
    /// The table that comes with the program, checked against the names of `catalogue`.
    pub fn built_in(vocabulary: &Vocabulary, catalogue: &Catalogue) -> Self {
        let mut table = Self::default();
        for line in content(TECHNIQUES) {
            let Some(rule) = rule(line) else {
                table.problems.push(line.to_owned());
                continue;
            };
            for concept in rule.needs.iter().chain(&rule.without) {
                if vocabulary.info(concept).is_none() {
                    table.problems.push(format!("{concept} is no concept: {line}"));
                }
            }
            let names = rule.names.iter().flatten().chain(&rule.second);
            for name in names {
                let known = rule
                    .imagings
                    .iter()
                    .any(|label| kinds(label).iter().any(|kind| !catalogue.family(*kind, name).is_empty()));
                if !known {
                    table.problems.push(format!("{name} is no name of the catalogue: {line}"));
                }
            }
            table.rules.push(rule);
        }
        table
    }

    /// What is wrong with the table, none when all is well.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Whether a region has a line of its own.
    pub(crate) fn knows(&self, imaging: Imaging, region: &str) -> bool {
        self.rules.iter().any(|rule| rule.is_for(imaging) && rule.needs.first() == Some(&region))
    }

    /// Whether every examination of that name has contrast.
    pub(crate) fn is_with_contrast(&self, name: &str) -> bool {
        let mut of_name =
            self.rules.iter().filter(|rule| rule.names.iter().flatten().any(|known| *known == name));
        of_name.clone().next().is_some() && of_name.all(|rule| rule.contrast == Some(true))
    }

    /// The names for the `regions` and `tags` of a study.
    pub(crate) fn choose(
        &self,
        imaging: Imaging,
        regions: &BTreeSet<Concept>,
        tags: &BTreeSet<Concept>,
        vocabulary: &Vocabulary,
    ) -> Chosen {
        let mut chosen = Chosen { left: regions.clone(), ..Chosen::default() };
        let has =
            |concept: &Concept, left: &BTreeSet<Concept>| left.contains(concept) || tags.contains(concept);
        let whole = self.best(imaging, true, vocabulary, &|concept| has(concept, regions));
        if let Some(rule) = whole {
            chosen.take(rule, vocabulary);
            chosen.regions = regions.clone();
            chosen.whole = true;
            chosen.left.clear();
            return chosen;
        }
        while let Some(rule) =
            self.best(imaging, false, vocabulary, &|concept| has(concept, &chosen.left)).cloned()
        {
            let before = chosen.left.len();
            chosen.take(&rule, vocabulary);
            if chosen.left.len() == before {
                break;
            }
        }
        chosen
    }

    fn best(
        &self,
        imaging: Imaging,
        whole: bool,
        vocabulary: &Vocabulary,
        has: &dyn Fn(&Concept) -> bool,
    ) -> Option<&Rule> {
        let fits = |rule: &&Rule| {
            rule.whole == whole
                && rule.is_for(imaging)
                && rule.needs.iter().all(has)
                && !rule.without.iter().any(has)
        };
        let weight = |rule: &Rule| {
            let regions = rule.needs.iter().filter(|need| vocabulary.kind(need) == Kind::Region).count();
            (regions, rule.needs.len())
        };
        let mut best: Option<&Rule> = None;
        for rule in self.rules.iter().filter(fits) {
            if best.is_none_or(|best| weight(rule) > weight(best)) {
                best = Some(rule);
            }
        }
        best
    }
}

impl Rule {
    fn is_for(&self, imaging: Imaging) -> bool {
        self.imagings.iter().any(|label| imaging.label() == *label)
    }
}

impl Chosen {
    /// This choice with another of the same study.
    pub(crate) fn join(&mut self, other: Self) {
        for names in other.names {
            if !self.names.contains(&names) {
                self.names.push(names);
            }
        }
        self.seconds.extend(other.seconds);
        self.contrast = self.contrast.or(other.contrast);
        self.regions.extend(other.regions);
        self.left.extend(other.left);
        self.whole |= other.whole;
    }

    fn take(&mut self, rule: &Rule, vocabulary: &Vocabulary) {
        for names in &rule.names {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            if !self.names.contains(&names) {
                self.names.push(names);
            }
        }
        self.seconds.extend(rule.second.map(str::to_owned));
        self.contrast = self.contrast.or(rule.contrast);
        for need in rule.needs.iter().filter(|need| vocabulary.kind(need) == Kind::Region) {
            self.regions.insert(need);
            self.left.remove(need);
        }
    }
}

fn rule(line: &'static str) -> Option<Rule> {
    let [imagings, needs, names, contrast] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
    let mut parts = names.split(" | ");
    let all = parts.next()?;
    let needs: Vec<&'static str> = needs.split_whitespace().collect();
    Some(Rule {
        imagings: imagings.split_whitespace().collect(),
        whole: needs.contains(&"*"),
        needs: needs.iter().filter(|need| **need != "*" && !need.starts_with('!')).copied().collect(),
        without: needs.iter().filter_map(|need| need.strip_prefix('!')).collect(),
        names: all.split(" & ").map(|name| name.split(" / ").map(str::trim).collect()).collect(),
        second: parts.next().map(str::trim),
        contrast: match contrast.trim() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        },
    })
}

/// Kinds of imaging among whose techniques a name is looked for, own first.
pub(crate) fn kinds(label: &str) -> Vec<Imaging> {
    match label {
        "XR" => vec![Imaging::Xray, Imaging::Mammo, Imaging::Angio, Imaging::Unknown],
        "MG" => vec![Imaging::Mammo, Imaging::Xray],
        "XA" => vec![Imaging::Angio, Imaging::Xray, Imaging::Mammo, Imaging::Unknown],
        "CT" => vec![Imaging::Ct],
        "MR" => vec![Imaging::Mr],
        "US" => vec![Imaging::Us, Imaging::Unknown],
        _ => Vec::new(),
    }
}

/// The technique of a name for a machine and contrast, and whether the machine had to be assumed. None where the
/// catalogue has no such technique.
pub(crate) fn technique<'a>(
    catalogue: &'a Catalogue,
    imaging: Imaging,
    name: &str,
    machine: Machine,
    contrast: bool,
) -> Option<(&'a Technique, bool)> {
    let family = kinds(imaging.label()).into_iter().map(|kind| catalogue.family(kind, name));
    let mut family = family.into_iter().find(|family| !family.is_empty())?;
    // Where the list has the examination with that contrast for other machines, another contrast is no answer.
    let elsewhere = family.iter().any(|technique| technique.axes.contrast == Some(contrast));
    let mut assumed = false;
    if family.iter().any(|technique| technique.axes.detector.is_some()) {
        let lowest = family.iter().filter_map(|technique| technique.axes.detector).min();
        assumed |= machine.detector.is_none();
        let class = machine.detector.or(lowest);
        family.retain(|technique| technique.axes.detector == class);
    }
    if family.iter().any(|technique| technique.axes.field.is_some()) {
        let lowest = family.iter().filter_map(|technique| technique.axes.field).min();
        assumed |= machine.field.is_none();
        let class = machine.field.or(lowest);
        family.retain(|technique| technique.axes.field == class || technique.axes.field.is_none());
    }
    let exact = family.iter().position(|technique| technique.axes.contrast == Some(contrast));
    let neutral = family.iter().position(|technique| technique.axes.contrast.is_none());
    let only = (family.len() == 1 && !elsewhere).then_some(0);
    let at = exact.or(neutral).or(only)?;
    family.get(at).map(|technique| (*technique, assumed))
}
