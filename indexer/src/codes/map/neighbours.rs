//! Whether the series show what was ordered where both lie in one part of the body: the clavicle is no shoulder, the
//! sinuses are no brain.
//!
//! Knows techniques of regions; regions of different parts of the body are compared in [`crate::codes::choice::regions`].

use std::collections::BTreeSet;

use super::{Case, list};
use crate::codes::choice::rules::Chosen;
use crate::codes::facts::Imaging;
use crate::codes::outcome::Line;
use crate::codes::reading::{Concept, Kind, Reading};

impl Case<'_> {
    /// Order or study text against the series, where no series shows a region of the text and both have techniques
    /// of their own.
    pub(super) fn against_neighbours(&self, tags: &BTreeSet<Concept>) -> Option<Line> {
        let text = self.own(&self.evidence.text())?;
        let series = self.own(&self.evidence.all_series()).or_else(|| self.own(&self.evidence.protocol))?;
        let vocabulary = &self.rules.vocabulary;
        let related = |one: &Concept, other: &Concept| {
            one == other || vocabulary.is_within(one, other) || vocabulary.is_within(other, one)
        };
        if text.iter().any(|one| series.iter().any(|other| related(one, other))) {
            return None;
        }
        let names = |regions: &BTreeSet<Concept>| {
            let chosen = self.rules.table.choose(self.imaging, regions, tags, vocabulary);
            chosen.names.into_iter().flatten().collect::<BTreeSet<String>>()
        };
        let (ordered, taken) = (names(&text), names(&series));
        let what = || format!("order or study says {}, but series says {}", list(&text), list(&series));
        // All joints have one technique, and are still different joints.
        let joints = text.union(&series).all(|region| vocabulary.is_within(region, "joint"));
        let contradict = joints || !ordered.is_empty() && !taken.is_empty() && ordered.is_disjoint(&taken);
        contradict.then(|| Line { about: "conflict", what: what() })
    }

    /// The regions of a field that have examinations, none where it names none or the whole body.
    fn own(&self, field: &Reading) -> Option<BTreeSet<Concept>> {
        let vocabulary = &self.rules.vocabulary;
        let regions = field.of_kind(vocabulary, Kind::Region);
        let own: BTreeSet<Concept> =
            regions.filter(|region| self.rules.table.knows(self.imaging, region)).collect();
        let anywhere =
            |region: &Concept| vocabulary.info(region).is_some_and(|info| info.zones.contains("*"));
        (!own.is_empty() && !own.iter().any(anywhere)).then_some(own)
    }

    /// A part of a list that adds a region which nothing else shows, with words that an examination does not need: it may
    /// be where it hurts (`khuỷu, đau lan cẳng tay`).
    pub(super) fn strange_item(&self, chosen: &Chosen) -> Option<Line> {
        let vocabulary = &self.rules.vocabulary;
        let named = |piece: &&Reading| piece.of_kind(vocabulary, Kind::Region).next().is_some();
        if chosen.names.len() < 2 || self.evidence.pieces.iter().filter(named).count() < 2 {
            return None;
        }
        if self.evidence.text().has("whole_body") {
            // `đa chấn thương` is the whole body, and why parts of it are examined.
            let what = format!("the whole body or parts of it: {}", list(&chosen.regions));
            return Some(Line { about: "region", what });
        }
        let shown: BTreeSet<Concept> =
            [&self.evidence.all_series(), &self.evidence.protocol, &self.evidence.body]
                .into_iter()
                .flat_map(|field| field.of_kind(vocabulary, Kind::Region).collect::<Vec<_>>())
                .collect();
        let is_shown = |region: &Concept| {
            let around =
                |other: &Concept| vocabulary.is_within(region, other) || vocabulary.is_within(other, region);
            shown.contains(region) || shown.iter().any(around)
        };
        let strange = self.evidence.pieces.iter().find(|piece| {
            let regions: Vec<Concept> = piece.of_kind(vocabulary, Kind::Region).collect();
            let views = piece.of_kind(vocabulary, Kind::View).next().is_some();
            !regions.is_empty()
                && !views
                && !regions.iter().any(is_shown)
                && regions.iter().any(|region| chosen.regions.contains(region))
                && piece.has_words_beside(vocabulary, &|word| self.rules.caution.is_of_item(word))
        })?;
        let what = format!("{} may be no examination of its own", strange.words.join(" "));
        Some(Line { about: "region", what })
    }

    /// A mammogram whose text names a region that is no breast.
    pub(super) fn is_no_breast(&self) -> Option<Line> {
        let text: BTreeSet<Concept> =
            self.evidence.text().of_kind(&self.rules.vocabulary, Kind::Region).collect();
        let is_breast = |region: &Concept| self.rules.table.knows(self.imaging, region);
        let other = self.imaging == Imaging::Mammo && !text.is_empty() && !text.iter().any(is_breast);
        other.then(|| Line {
            about: "conflict",
            what: format!("text says {}, the pictures are MG", list(&text)),
        })
    }
}
