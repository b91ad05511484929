//! The whole way from the facts of a study to its techniques.
//!
//! Order of evidence: a choice of a person for the facility, a valid national code, order and study text, series and
//! protocol names, projections and agent, body part. What contradicts itself waits for a person.

mod machines;
mod neighbours;
mod ordered;
mod ways;

use std::collections::BTreeSet;

use super::catalogue::{Catalogue, Technique};
use super::choice::contrast::{self, Contrast};
use super::choice::evidence::Evidence;
use super::choice::regions::{self, Contradiction, Regions};
use super::choice::rules::{Chosen, Machine, kinds, technique};
use super::choice::{detector, side};
use super::facts::{Imaging, StudyFacts};
use super::outcome::{Candidate, Level, Line, Mapping, Outcome, Rules};
use super::reading::{Concept, Kind};

/// Regions with several examinations: where one of them stands beside another region, one examination is not known.
const PARTS_NOT_TOLD: [&str; 3] = ["spine", "upper_limb", "lower_limb"];

/// What is known of one study while it is mapped.
pub(super) struct Case<'a> {
    pub(super) facts: &'a StudyFacts,
    pub(super) catalogue: &'a Catalogue,
    pub(super) rules: &'a Rules,
    pub(super) imaging: Imaging,
    pub(super) evidence: Evidence,
    pub(super) contrast: Contrast,
    pub(super) machine: Machine,
}

/// What an examination was found to be, before it is weighed.
pub(super) struct Finding<'a> {
    pub(super) techniques: Vec<&'a Technique>,
    pub(super) seconds: Vec<&'a Technique>,
    /// The same examinations on machines of other classes, where the header does not tell the machine.
    pub(super) others: Vec<(Machine, &'a Technique)>,
    pub(super) level: Level,
    pub(super) agreed: bool,
    pub(super) assumed: bool,
    pub(super) contrast: bool,
    pub(super) regions: BTreeSet<Concept>,
    /// Why a person has to decide, though it is known what may be chosen.
    pub(super) held: Option<Line>,
    /// Doubts, each of which costs confidence.
    pub(super) doubts: Vec<Line>,
    pub(super) why: Vec<Line>,
}

/// Maps the facts of a study to techniques of the catalogue.
pub fn map(facts: &StudyFacts, catalogue: &Catalogue, rules: &Rules) -> Mapping {
    let imaging = Imaging::of(&facts.modality);
    let modality = facts.modality.trim().to_owned();
    match imaging {
        Imaging::Document => return Mapping::none(Outcome::NoExamination, "modality", modality),
        Imaging::Outside => return Mapping::none(Outcome::OtherChapter, "modality", modality),
        _ => {}
    }
    let evidence = Evidence::read(facts, imaging, rules);
    if let Some(words) = evidence.is_no_examination(&rules.vocabulary) {
        return Mapping::none(Outcome::NoExamination, "words", words);
    }
    let localisers = facts.image_types.iter().filter(|kind| kind.to_ascii_uppercase().contains("LOCALIZER"));
    if !facts.image_types.is_empty() && localisers.count() == facts.image_types.len() {
        return Mapping::none(Outcome::NoExamination, "image type", "localisers only".to_owned());
    }
    if let Some(words) = evidence.outside() {
        return Mapping::none(Outcome::OtherChapter, "words", words);
    }
    if imaging == Imaging::Unknown {
        return Mapping::none(Outcome::Review, "modality", format!("{modality:?} tells nothing"));
    }
    let contrast = contrast::told(facts, &evidence);
    let machine =
        Machine { detector: detector::class(facts).map(|(class, _)| class), field: detector::field(facts) };
    let case = Case { facts, catalogue, rules, imaging, evidence, contrast, machine };
    case.map()
}

impl Case<'_> {
    fn map(&self) -> Mapping {
        let found = match self.chosen_by_a_person() {
            Some(finding) => Ok(finding),
            None => match self.ordered() {
                Err(line) => Err(line),
                Ok(Some(finding)) => Ok(finding),
                Ok(None) => self.read(),
            },
        };
        match found {
            Ok(finding) => self.weigh(finding),
            Err(line) => {
                let mut mapping = Mapping::none(Outcome::Review, line.about, line.what);
                mapping.contrast = self.contrast.told;
                mapping
            }
        }
    }

    /// From what is written in the header.
    fn read(&self) -> Result<Finding<'_>, Line> {
        if let Some(named) = self.evidence.other_modality(self.imaging, &self.rules.vocabulary) {
            let what = format!("text says {named}, the pictures are {}", self.facts.modality.trim());
            return Err(Line { about: "conflict", what });
        }
        let coarse = |region: &str| !self.rules.table.knows(self.imaging, region);
        let mut regions = regions::resolve(&self.evidence, self.rules, &coarse).map_err(conflict)?;
        if let Some(open) =
            PARTS_NOT_TOLD.iter().find(|of| regions.found.len() > 1 && regions.found.contains(*of))
        {
            return Err(Line { about: "region", what: format!("which part of {open} is not told") });
        }
        let mut tags = self.evidence.exams(&self.rules.vocabulary);
        tags.extend(self.evidence.projections(
            &self.rules.vocabulary,
            self.facts.images,
            regions.found.len(),
        ));
        tags.insert(if self.contrast.told == Some(true) { "with" } else { "without" });
        if let Some(trimester) = self.trimester() {
            tags.insert(trimester);
            regions.found.insert("fetus");
            regions.level = regions.level.min(Level::Text);
        }
        if let Some(line) = self.against_neighbours(&tags).or_else(|| self.is_no_breast()) {
            return Err(line);
        }
        let mut chosen = self.done(&regions, &tags);
        let needs_no_region = self.chosen(&Regions::default(), &tags).names == chosen.names;
        if !chosen.names.is_empty() && (regions.found.is_empty() || chosen.whole && needs_no_region) {
            // Ways of examining that need no region come from texts only.
            regions.level = Level::Text;
        }
        let plain =
            self.rules.table.choose(self.imaging, &regions.found, &BTreeSet::new(), &self.rules.vocabulary);
        // A name that stands for the same regions without what else the text says is no closer one.
        let named =
            self.name_in_the_text(&chosen).filter(|name| !plain.names.iter().flatten().any(|of| of == name));
        if let Some(name) = &named {
            chosen.names = vec![vec![name.clone()]];
            chosen.left.clear();
            regions.level = Level::Text;
        }
        if let Some(line) = self.not_that_intervention(&chosen, &tags, named.is_some()) {
            return Err(line);
        }
        if regions.level == Level::BodyPart && !self.body_part_is_enough(&regions, &tags) {
            return Err(Line { about: "region", what: "the body part alone does not say enough".to_owned() });
        }
        let not_known = self.not_in_the_name(&chosen, &regions, &tags);
        if let Some(line) = not_known.or_else(|| self.strange_item(&chosen)) {
            return Err(line);
        }
        if regions.accidental && !(chosen.whole && needs_no_region) {
            let what = format!("one short word says {}, the body part another", list(&regions.found));
            return Err(Line { about: "region", what });
        }
        if regions.unlisted && chosen.regions.len() > 1 && chosen.names.len() > 1 {
            let what = format!("the text does not list {}", list(&regions.found));
            return Err(Line { about: "region", what });
        }
        self.techniques_of(&chosen, &regions, &tags, named)
    }

    /// What the table says. What a text says was done outweighs a body part, which is often left over.
    fn done(&self, regions: &Regions, tags: &BTreeSet<Concept>) -> Chosen {
        let chosen = self.chosen(regions, tags);
        if regions.level != Level::BodyPart || !chosen.whole {
            return chosen;
        }
        let done = self.chosen(&Regions::default(), tags);
        if done.whole { Chosen { regions: chosen.regions, ..done } } else { chosen }
    }

    /// What the table says; where a text lists several examinations, each with its own projections and ways.
    fn chosen(&self, regions: &Regions, tags: &BTreeSet<Concept>) -> Chosen {
        let vocabulary = &self.rules.vocabulary;
        let choose = |regions: &BTreeSet<Concept>, tags: &BTreeSet<Concept>| {
            self.rules.table.choose(self.imaging, regions, tags, vocabulary)
        };
        let parts = self.evidence.parts(vocabulary);
        let its_own = match self.imaging {
            Imaging::Xray => Kind::View,
            Imaging::Ct | Imaging::Mr => Kind::Exam,
            _ => return choose(&regions.found, tags),
        };
        if parts.len() < 2 {
            return choose(&regions.found, tags);
        }
        let listed: BTreeSet<Concept> = parts.iter().flat_map(|part| &part.exams).copied().collect();
        let mut chosen = Chosen::default();
        for part in parts {
            let within = |region: &&Concept| {
                part.regions.contains(*region)
                    || part.regions.iter().any(|of| vocabulary.is_within(region, of))
            };
            let found: BTreeSet<Concept> = regions.found.iter().filter(within).copied().collect();
            let told = if its_own == Kind::View { part.views } else { part.exams };
            let others = tags.iter().filter(|tag| {
                vocabulary.kind(tag) != its_own || its_own == Kind::Exam && !listed.contains(*tag)
            });
            chosen.join(choose(&found, &others.copied().chain(told).collect()));
        }
        chosen
    }

    fn techniques_of(
        &self,
        chosen: &Chosen,
        regions: &Regions,
        tags: &BTreeSet<Concept>,
        named: Option<String>,
    ) -> Result<Finding<'_>, Line> {
        if chosen.names.is_empty() {
            let what = if regions.found.is_empty() {
                "no region is named"
            } else {
                "no technique for what is named"
            };
            return Err(Line { about: "region", what: format!("{what} ({})", list(&regions.found)) });
        }
        let contrast = self.contrast.told.or(chosen.contrast).unwrap_or(false);
        let contrast = match self.imaging {
            Imaging::Ct | Imaging::Mr => contrast,
            _ => chosen.contrast.unwrap_or(false),
        };
        let mut finding = Finding {
            techniques: Vec::new(),
            seconds: Vec::new(),
            others: Vec::new(),
            held: None,
            level: regions.level,
            agreed: regions.agreed,
            assumed: false,
            contrast,
            regions: chosen.regions.clone(),
            doubts: Vec::new(),
            why: vec![self.why_regions(regions, tags)],
        };
        finding
            .why
            .extend(named.map(|name| Line { about: "name", what: format!("the text has the name {name}") }));
        for names in &chosen.names {
            let found = names.iter().find_map(|name| self.technique(name, contrast));
            let Some((technique, assumed)) = found else {
                let what =
                    format!("the catalogue has no {} for this machine and contrast", names.join(" or "));
                return Err(Line { about: "catalogue", what });
            };
            finding.assumed |= assumed;
            if !finding.techniques.iter().any(|known| known.code == technique.code) {
                finding.techniques.push(technique);
            }
        }
        finding.held = self.against_contrast(chosen, &finding.techniques);
        let seconds = chosen.seconds.iter().filter_map(|name| self.technique(name, contrast));
        finding.seconds = seconds.map(|(technique, _)| technique).collect();
        if finding.held.is_some() {
            let otherwise = chosen.names.iter().flatten().filter_map(|name| self.technique(name, !contrast));
            finding.seconds.extend(otherwise.map(|(technique, _)| technique));
        }
        if finding.assumed {
            finding.others = self.of_other_machines(chosen, contrast);
        }
        finding.doubts = self.doubts(chosen, regions);
        Ok(finding)
    }

    /// What of the regions has no technique, and words beside a body part that nobody understands.
    fn doubts(&self, chosen: &Chosen, regions: &Regions) -> Vec<Line> {
        let mut doubts = Vec::new();
        let left: BTreeSet<Concept> = chosen
            .left
            .iter()
            .filter(|region| self.rules.table.knows(self.imaging, region))
            .copied()
            .collect();
        if !left.is_empty() {
            doubts.push(Line { about: "region", what: format!("no technique for {}", list(&left)) });
        }
        // A health check takes the chest: whom it is for is no part of the examination.
        let checked = regions.found == BTreeSet::from(["chest"]) && self.evidence.text().has("health_check");
        if regions.level == Level::BodyPart && !checked {
            let text = self.evidence.text();
            let unknown: Vec<String> = text.unknown.iter().chain(&text.stray).take(8).cloned().collect();
            if !unknown.is_empty() {
                doubts.push(Line { about: "words", what: format!("not understood: {}", unknown.join(" ")) });
            }
        }
        doubts
    }

    fn technique(&self, name: &str, contrast: bool) -> Option<(&Technique, bool)> {
        technique(self.catalogue, self.imaging, name, self.machine, contrast)
    }

    /// Weeks of a pregnancy, where an ultrasound text counts them.
    fn trimester(&self) -> Option<Concept> {
        if self.imaging != Imaging::Us {
            return None;
        }
        let words = self.evidence.text().words;
        let weeks = words.windows(2).find_map(|pair| {
            let counts = matches!(pair[1].as_str(), "TUAN" | "WEEK" | "WEEKS" | "WKS" | "W");
            pair[0].parse::<u32>().ok().filter(|weeks| counts && (3..=43).contains(weeks))
        })?;
        let text = format!("{}{}", self.facts.requested_procedure, self.facts.study_description);
        // `< 14 weeks` ends before the fourteenth.
        let below = text.split('<').skip(1).any(|rest| rest.trim_start().starts_with(&weeks.to_string()));
        let weeks = if below { weeks - 1 } else { weeks };
        Some(match weeks {
            ..=13 => "trimester1",
            14..=27 => "trimester2",
            _ => "trimester3",
        })
    }

    /// A name of the catalogue that stands in the text word by word, longer than what was chosen.
    fn name_in_the_text(&self, chosen: &Chosen) -> Option<String> {
        if chosen.names.len() > 1 {
            return None;
        }
        let contains = |text: &[String], name: &str| {
            let name: Vec<&str> = name.split(' ').collect();
            text.windows(name.len())
                .any(|window| window.iter().zip(&name).all(|(a, b)| a == b))
                .then_some(name.len())
        };
        let fields = [&self.evidence.order.words, &self.evidence.study.words];
        let longest_in = |name: &str| fields.iter().filter_map(|text| contains(text, name)).max();
        let chosen_words =
            chosen.names.iter().flatten().filter_map(|name| longest_in(name)).max().unwrap_or(0);
        let least = if chosen.names.is_empty() { 2 } else { 4.max(chosen_words + 1) };
        let kinds = kinds(self.imaging.label());
        let stems = kinds.iter().flat_map(|kind| self.catalogue.stems(*kind));
        let found = stems.filter_map(|stem| Some((longest_in(stem)?, stem)));
        let (words, stem) = found.max_by_key(|(words, stem)| (*words, std::cmp::Reverse(*stem)))?;
        let same =
            chosen.names.iter().flatten().any(|name| format!(" {name} ").contains(&format!(" {stem} ")));
        (words >= least && !same).then(|| stem.to_owned())
    }

    /// A body part alone says which head examination it was only with its projections.
    fn body_part_is_enough(&self, regions: &Regions, tags: &BTreeSet<Concept>) -> bool {
        let head = regions.found.iter().any(|region| matches!(*region, "skull" | "head" | "face" | "sinus"));
        match self.imaging {
            Imaging::Xray => !head || tags.contains("frontal") && tags.contains("lateral"),
            Imaging::Us | Imaging::Angio => false,
            Imaging::Mammo => true,
            _ => !regions.found.contains("neck"),
        }
    }

    fn why_regions(&self, regions: &Regions, tags: &BTreeSet<Concept>) -> Line {
        let field = match regions.level {
            Level::Text => "order or study text",
            Level::Series => "series or protocol",
            _ => "body part",
        };
        let agreed = if regions.agreed { ", agreed by other fields" } else { "" };
        let tags: BTreeSet<Concept> =
            tags.iter().filter(|tag| self.rules.vocabulary.kind(tag) != Kind::Contrast).copied().collect();
        let how = if tags.is_empty() { String::new() } else { format!("; {}", list(&tags)) };
        Line { about: "region", what: format!("{}{how} from {field}{agreed}", list(&regions.found)) }
    }

    fn weigh(&self, mut finding: Finding<'_>) -> Mapping {
        let caution = &self.rules.caution;
        let mut confidence = caution.level(finding.level);
        if finding.agreed {
            confidence += caution.agreement();
        }
        if finding.assumed {
            confidence -= caution.unknown_machine();
            let what =
                "not told by the header: the lowest class stands for the technique, the service stays open";
            finding.why.push(Line { about: "machine", what: what.to_owned() });
        }
        confidence -= caution.doubt() * finding.doubts.len() as f64;
        let laterality = side::of(self.facts, &self.evidence, &finding.regions, &self.rules.vocabulary);
        finding.why.push(self.why_contrast(finding.contrast));
        finding.why.append(&mut finding.doubts);
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut offer = |technique: &Technique, confidence: f64| {
            if !candidates.iter().any(|known| known.technique == technique.code) {
                candidates.push(Candidate { technique: technique.code.clone(), confidence });
            }
        };
        finding.techniques.iter().for_each(|technique| offer(technique, confidence));
        finding.others.iter().for_each(|(_, technique)| offer(technique, confidence * 0.8));
        finding.seconds.iter().for_each(|technique| offer(technique, confidence * 0.6));
        let assigned = confidence >= self.rules.assign_from && finding.held.is_none();
        finding.why.extend(finding.held.take());
        let techniques: Vec<String> =
            finding.techniques.iter().map(|technique| technique.code.clone()).collect();
        let services = self.services(&finding);
        Mapping {
            outcome: if assigned { Outcome::Assigned } else { Outcome::Review },
            techniques: if assigned { techniques } else { Vec::new() },
            candidates,
            level: Some(finding.level),
            confidence,
            contrast: (!self.contrast.open).then_some(finding.contrast),
            laterality,
            // A machine that is not told leaves the service open, however few there are.
            service: services
                .first()
                .filter(|_| assigned && services.len() == 1 && !finding.assumed)
                .cloned(),
            service_candidates: services,
            machine_assumed: finding.assumed,
            why: finding.why,
        }
    }

    fn why_contrast(&self, contrast: bool) -> Line {
        let with = if contrast { "with" } else { "without" };
        let from = match (self.contrast.told, self.contrast.acquired) {
            (Some(told), true) if told == contrast => "as acquired",
            (Some(told), false) if told == contrast => "as ordered",
            _ => "as such examinations are, no trace of another",
        };
        Line { about: "contrast", what: format!("{with}, {from}") }
    }
}

fn conflict(contradiction: Contradiction) -> Line {
    Line { about: "conflict", what: format!("{}, but {}", contradiction.one, contradiction.other) }
}

fn list(concepts: &BTreeSet<Concept>) -> String {
    concepts.iter().copied().collect::<Vec<_>>().join(", ")
}
