//! What each field of the header says, and what it says about how the examination was done.
//!
//! Knows the order of evidence: order and study text, then series and protocol, then views, then body part.

use std::collections::BTreeSet;

use super::reason;
use super::stated::{self, Told};

use crate::codes::facts::{Imaging, StudyFacts};
use crate::codes::outcome::Rules;
use crate::codes::reading::{Concept, Kind, Reading, Vocabulary};
use crate::dataset::fold::fold;

/// Series of one study that are read.
const SERIES_READ: usize = 256;
/// Ways of examining that a single series may add to what the order says.
const FROM_SERIES: [&str; 5] = ["tof", "bedside", "specific_agent", "cardiac_view", "arthrography"];

/// Ways of examining that series of computed tomography may show without being ordered.
const ANOTHER_EXAM: [&str; 3] = ["angio", "perfusion", "urogram"];

/// The fields, read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    /// Text and meaning of the codes of the order.
    pub(crate) order: Reading,
    /// Text of the order and study description, without the meaning of codes.
    pub(crate) written: Reading,
    /// Study description.
    pub(crate) study: Reading,
    parts: Vec<Reading>,
    /// The parts of order and study text between marks that may join examinations, hyphens and slashes too.
    pub(crate) pieces: Vec<Reading>,
    /// Whether order or study text has a mark or word that joins several examinations.
    pub(crate) lists: bool,
    /// What order and study text say about contrast in so many words.
    pub(crate) contrast: Told,
    /// Each series.
    pub(crate) series: Vec<Reading>,
    /// Protocol names.
    pub(crate) protocol: Reading,
    /// Body part.
    pub(crate) body: Reading,
    /// View positions.
    pub(crate) views: Reading,
    /// Contrast agent.
    pub(crate) agent: Reading,
}

/// One of several examinations that a text lists.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    pub(crate) regions: BTreeSet<Concept>,
    pub(crate) views: BTreeSet<Concept>,
    pub(crate) exams: BTreeSet<Concept>,
    /// Whether it names a kind of imaging of its own, and contrast.
    pub(crate) has_kind: bool,
    pub(crate) has_contrast: bool,
}

impl Evidence {
    pub(crate) fn read(facts: &StudyFacts, imaging: Imaging, rules: &Rules) -> Self {
        let vocabulary = &rules.vocabulary;
        let read = |text: &str| vocabulary.read_text(text, imaging);
        let told = |text: &str| reason::without(text, vocabulary, imaging, &rules.caution);
        let texts = [&facts.requested_procedure, &facts.study_description];
        let texts = texts.map(|text| rules.caution.without_names(text));
        let texts = reason::without_whole_reasons(texts, vocabulary, imaging, &rules.caution);
        let texts = texts.map(|text| reason::without_complaints(&text, vocabulary, imaging, &rules.caution));
        let [mut order, mut study] = [told(&texts[0]), told(&texts[1])];
        let series: Vec<Reading> =
            facts.series_descriptions.iter().take(SERIES_READ).map(|series| read(series)).collect();
        let views = facts.view_positions.iter().take(SERIES_READ).cloned().collect::<Vec<_>>().join(" ");
        let (views, body) = (read(&views), read(&facts.body_part));
        for field in [&mut order, &mut study] {
            field.found.retain(|concept, found| {
                let elsewhere = series.iter().chain([&views, &body]).any(|field| field.has(concept));
                elsewhere || !rules.caution.is_unsure(imaging, concept, &found.words)
            });
        }
        let mut written = order.clone();
        written.join(&study);
        facts.codes.iter().for_each(|code| order.join(&read(&code.meaning)));
        let mut protocol = Reading::default();
        facts.protocol_names.iter().take(SERIES_READ).for_each(|name| protocol.join(&read(name)));
        let pieces: Vec<Reading> =
            texts.iter().flat_map(|text| pieces(text)).take(SERIES_READ).map(|piece| read(&piece)).collect();
        let lists = texts.iter().any(|text| is_list(text));
        if lists {
            pieces.iter().for_each(|piece| add_listed(&mut study, piece, vocabulary));
        }
        let listed = &texts[usize::from(order.of_kind(vocabulary, Kind::Region).next().is_none())];
        let parts = listed.split([',', '+', ';', '&']).take(SERIES_READ).map(read).collect();
        Self {
            order,
            written,
            parts,
            pieces,
            lists,
            study,
            contrast: stated::joined(
                stated::read(&texts[0], vocabulary, imaging, &rules.caution),
                stated::read(&texts[1], vocabulary, imaging, &rules.caution),
            ),
            series,
            protocol,
            body,
            views,
            agent: read(&facts.contrast_agent),
        }
    }

    /// Order and study text together.
    pub(crate) fn text(&self) -> Reading {
        let mut text = self.order.clone();
        text.join(&self.study);
        text
    }

    /// All series together.
    pub(crate) fn all_series(&self) -> Reading {
        let mut all = Reading::default();
        self.series.iter().for_each(|series| all.join(series));
        all
    }

    /// How the examination was done: text and protocol, and of the series what a single one may add. Where no text
    /// names a region, the series say it all.
    pub(crate) fn exams(&self, vocabulary: &Vocabulary) -> BTreeSet<Concept> {
        let text = self.text();
        let silent = text.of_kind(vocabulary, Kind::Region).next().is_none();
        let mut exams: BTreeSet<Concept> = text.of_kind(vocabulary, Kind::Exam).collect();
        exams.extend(self.protocol.of_kind(vocabulary, Kind::Exam));
        let series = self.all_series();
        let added =
            series.of_kind(vocabulary, Kind::Exam).filter(|exam| silent || FROM_SERIES.contains(exam));
        exams.extend(added);
        exams.extend(self.agent.of_kind(vocabulary, Kind::Exam).filter(|exam| FROM_SERIES.contains(exam)));
        exams
    }

    /// Ways that the series show and neither text nor protocol tells, each of which makes another examination.
    pub(crate) fn only_in_series(&self, vocabulary: &Vocabulary) -> BTreeSet<Concept> {
        let (text, series) = (self.text(), self.all_series());
        let shown = series.of_kind(vocabulary, Kind::Exam).filter(|exam| ANOTHER_EXAM.contains(exam));
        shown.filter(|exam| !text.has(exam) && !self.protocol.has(exam)).collect()
    }

    /// Projections: of the first field that names any. One picture has not the two projections that were ordered:
    /// where its own is among them, it is that one.
    ///
    /// View positions alone do not say which of `regions` they belong to.
    pub(crate) fn projections(
        &self,
        vocabulary: &Vocabulary,
        images: Option<u32>,
        regions: usize,
    ) -> BTreeSet<Concept> {
        let (text, series) = (self.text(), self.all_series());
        let fields = [&text, &series, &self.protocol, &self.views];
        let fields = if regions > 1 { &fields[..3] } else { &fields[..] };
        let views = fields.iter().map(|field| field.of_kind(vocabulary, Kind::View).collect::<BTreeSet<_>>());
        let named = views.into_iter().find(|views| !views.is_empty()).unwrap_or_default();
        let seen: BTreeSet<Concept> = self.views.of_kind(vocabulary, Kind::View).collect();
        if images == Some(1) && named.len() > 1 && seen.len() == 1 && seen.is_subset(&named) {
            return seen;
        }
        named
    }

    /// The parts of a text that lists several examinations: regions of each, its projections, and how it was done. A
    /// part without a region belongs to the one before; one that names no kind of imaging is done as the others.
    pub(crate) fn parts(&self, vocabulary: &Vocabulary) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        let mut shared: BTreeSet<Concept> = BTreeSet::new();
        for reading in &self.parts {
            let of = |kind: Kind| reading.of_kind(vocabulary, kind).collect::<BTreeSet<_>>();
            let part = Part {
                regions: of(Kind::Region),
                views: of(Kind::View),
                exams: of(Kind::Exam),
                has_kind: !of(Kind::Modality).is_empty() || reading.has("angio"),
                has_contrast: reading.has("with"),
            };
            shared.extend(part.exams.iter().copied());
            match parts.last_mut() {
                Some(last) if part.regions.is_empty() => {
                    last.views.extend(part.views);
                    last.exams.extend(part.exams);
                }
                _ => parts.push(part),
            }
        }
        for part in parts.iter_mut().filter(|part| !part.has_kind) {
            part.exams.extend(shared.iter().copied());
        }
        parts
    }

    /// Whether nothing was received that is an examination of a patient, with the words that say so.
    pub(crate) fn is_no_examination(&self, vocabulary: &Vocabulary) -> Option<String> {
        let text = self.text();
        let says = |reading: &Reading, concepts: &[&str]| {
            let found = reading.found.iter().find(|(concept, _)| concepts.contains(concept));
            found.map(|(_, found)| found.words.clone())
        };
        let told = says(&text, &["test", "paper"]).or_else(|| says(&self.protocol, &["test"]));
        if told.is_some() {
            return told;
        }
        let skipped = |reading: &Reading| {
            let skip = reading.of_kind(vocabulary, Kind::Skip).next().is_some();
            // A localiser or a page of doses with the name of the exam is still one; a test with a region is a test.
            skip && (reading.of_kind(vocabulary, Kind::Exam).next().is_none() || reading.has("test"))
        };
        let all = !self.series.is_empty() && self.series.iter().all(skipped);
        if all {
            return Some(
                self.series.iter().flat_map(|series| series.words.clone()).collect::<Vec<_>>().join(" "),
            );
        }
        let named = text.of_kind(vocabulary, Kind::Region).next().is_some();
        if named { None } else { says(&text, &["dose_page", "localiser"]) }
    }

    /// Words of another chapter of the list in order, study text or protocol.
    pub(crate) fn outside(&self) -> Option<String> {
        let fields = [&self.order, &self.study, &self.protocol];
        fields.iter().find_map(|field| field.found.get("outside_work").map(|found| found.words.clone()))
    }

    /// A modality that order or study text names and that is not `imaging`, be it alone or beside the own one: two
    /// orders in one text are not one examination.
    pub(crate) fn other_modality(&self, imaging: Imaging, vocabulary: &Vocabulary) -> Option<Concept> {
        let fits = |named: Concept| match imaging {
            Imaging::Xray | Imaging::Mammo => matches!(named, "xray" | "mammo"),
            Imaging::Angio => matches!(named, "dsa" | "xray"),
            Imaging::Ct => named == "ct",
            Imaging::Mr => named == "mr",
            Imaging::Us => named == "us",
            _ => true,
        };
        for field in [&self.order, &self.study] {
            let named: Vec<Concept> = field.of_kind(vocabulary, Kind::Modality).collect();
            // Under its guidance: another modality beside the own one is no contradiction.
            let guided = field.has("biopsy") || field.has("drainage") || field.has("aspiration");
            if let Some(other) = named.iter().find(|named| !guided && !fits(named)) {
                return Some(other);
            }
        }
        None
    }
}

/// Adds regions of a part of a list that weak words name, where the part says nothing else: in `SN, CSC` both are meant.
fn add_listed(text: &mut Reading, piece: &Reading, vocabulary: &Vocabulary) {
    let placed = |concept: &str| vocabulary.info(concept).is_some_and(|info| !info.zones.contains("*"));
    let weak = piece.found.iter().filter(|(concept, found)| {
        let is_region = vocabulary.kind(concept) == Kind::Region && placed(concept);
        found.weak && is_region && piece.says_nothing_else(vocabulary)
    });
    for (concept, found) in weak {
        text.found.entry(concept).or_insert_with(|| found.clone());
    }
}

/// Letters that the shorter side of a hyphen or slash must have to join examinations and no parts of a word (`X-quang`,
/// `T-N`, `AP/LAT`).
const JOINED_WORD_LETTERS: usize = 3;

/// Whether a text may name several examinations side by side.
fn is_list(text: &str) -> bool {
    let joins = |word: &str| matches!(fold(word).as_str(), "VA" | "AND" | "VOI" | "KEM");
    text.contains([',', '+', ';', '&', '|'])
        || text.split_whitespace().any(joins)
        || text.match_indices(['-', '/']).any(|(at, _)| splits(text, at))
}

/// Whether the hyphen or slash at `at` joins whole words.
fn splits(text: &str, at: usize) -> bool {
    let letters = |part: &str, last: bool| {
        let part = part.chars().map(|letter| letter.is_alphanumeric());
        let run: Vec<bool> = if last { part.rev().collect() } else { part.collect() };
        run.into_iter().take_while(|letter| *letter).count()
    };
    let (before, after) = (letters(&text[..at], true), letters(&text[at + 1..], false));
    before == 0 || after == 0 || before.min(after) >= JOINED_WORD_LETTERS
}

/// The parts of a text between marks that join examinations.
fn pieces(text: &str) -> Vec<String> {
    let marks = text.char_indices().filter(|(at, letter)| match letter {
        ',' | '+' | ';' | '&' | '|' => true,
        '-' | '/' => splits(text, *at),
        _ => false,
    });
    let mut found = Vec::new();
    let mut from = 0;
    for (at, _) in marks {
        found.push(text[from..at].to_owned());
        from = at + 1;
    }
    found.push(text[from..].to_owned());
    found
}
