//! What each field of the header says, and what it says about how the examination was done.
//!
//! Knows the order of evidence: order and study text, then series and protocol, then views, then body part.

use std::collections::BTreeSet;

use super::reason;

use crate::codes::facts::{Imaging, StudyFacts};
use crate::codes::reading::{Concept, Kind, Reading, Vocabulary};
use crate::dataset::fold::fold;

/// Series of one study that are read.
const SERIES_READ: usize = 256;
/// Ways of examining that a single series may add to what the order says.
const FROM_SERIES: [&str; 5] = ["tof", "bedside", "specific_agent", "cardiac_view", "arthrography"];

/// Ways of examining that series of computed tomography may show without being ordered.
const ANOTHER_EXAM: [&str; 2] = ["angio", "perfusion"];

/// The fields, read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    /// Text and meaning of the codes of the order.
    pub(crate) order: Reading,
    /// Study description.
    pub(crate) study: Reading,
    parts: Vec<Reading>,
    /// Whether order or study text has a mark or word that joins several examinations.
    pub(crate) lists: bool,
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

impl Evidence {
    pub(crate) fn read(facts: &StudyFacts, imaging: Imaging, vocabulary: &Vocabulary) -> Self {
        let read = |text: &str| vocabulary.read_text(text, imaging);
        let told = |text: &str| reason::without(text, vocabulary, imaging);
        let mut order = told(&facts.requested_procedure);
        facts.codes.iter().for_each(|code| order.join(&read(&code.meaning)));
        let mut protocol = Reading::default();
        facts.protocol_names.iter().take(SERIES_READ).for_each(|name| protocol.join(&read(name)));
        let listed = if order.of_kind(vocabulary, Kind::Region).next().is_some() {
            &facts.requested_procedure
        } else {
            &facts.study_description
        };
        let parts = listed.split([',', '+', ';', '&']).take(SERIES_READ).map(read).collect();
        let lists = [&facts.requested_procedure, &facts.study_description].iter().any(|text| is_list(text));
        Self {
            order,
            parts,
            lists,
            study: told(&facts.study_description),
            series: facts.series_descriptions.iter().take(SERIES_READ).map(|series| read(series)).collect(),
            protocol,
            body: read(&facts.body_part),
            views: vocabulary.read_text(
                &facts.view_positions.iter().take(SERIES_READ).cloned().collect::<Vec<_>>().join(" "),
                imaging,
            ),
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

    /// The parts of a text that lists several examinations: regions and projections of each. A part without a region
    /// belongs to the one before.
    pub(crate) fn parts(&self, vocabulary: &Vocabulary) -> Vec<(BTreeSet<Concept>, BTreeSet<Concept>)> {
        let mut parts: Vec<(BTreeSet<Concept>, BTreeSet<Concept>)> = Vec::new();
        for reading in &self.parts {
            let regions: BTreeSet<Concept> = reading.of_kind(vocabulary, Kind::Region).collect();
            let views = reading.of_kind(vocabulary, Kind::View);
            match parts.last_mut() {
                Some((_, last)) if regions.is_empty() => last.extend(views),
                _ => parts.push((regions, views.collect())),
            }
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

    /// Modalities that order and study text name, none of which is `imaging`.
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
            if !named.is_empty() && !guided && !named.iter().any(|named| fits(named)) {
                return named.first().copied();
            }
        }
        None
    }
}

/// Whether a text may name several examinations side by side. A hyphen or slash within short words (`X-quang`, `T-N`,
/// `AP/LAT`) joins none.
fn is_list(text: &str) -> bool {
    const JOINED_WORD_LETTERS: usize = 3;
    let joins = |word: &str| matches!(fold(word).as_str(), "VA" | "AND" | "VOI" | "KEM");
    let letters = |part: &str, last: bool| {
        let part = part.chars().map(|letter| letter.is_alphanumeric());
        let run: Vec<bool> = if last { part.rev().collect() } else { part.collect() };
        run.into_iter().take_while(|letter| *letter).count()
    };
    let splits = |(at, _): (usize, &str)| {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let (before, after) = (letters(before, true), letters(after, false));
        before == 0 || after == 0 || before.min(after) >= JOINED_WORD_LETTERS
    };
    text.contains([',', '+', ';', '&', '|'])
        || text.split_whitespace().any(joins)
        || text.match_indices(['-', '/']).any(splits)
}
