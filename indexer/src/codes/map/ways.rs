//! Ways of examining that must stand in the name of a technique: vessels are no plain examination of their region.
//!
//! Knows the ways of [`crate::codes::choice::caution`]; what was chosen otherwise is not looked at again.

use std::collections::BTreeSet;

use super::{Case, list};
use crate::codes::catalogue::Technique;
use crate::codes::choice::regions::Regions;
use crate::codes::choice::rules::Chosen;
use crate::codes::facts::Imaging;
use crate::codes::outcome::Line;
use crate::codes::reading::{Concept, Kind, Reading};

/// Ways that make an examination an intervention with techniques of its own.
const INTERVENTIONS: [&str; 10] = [
    "biopsy",
    "aspiration",
    "drainage",
    "ablation",
    "embolisation",
    "stent",
    "balloon",
    "thrombectomy",
    "cement",
    "valve_implant",
];

/// Interventions of which each has techniques of its own and none is a step of another.
const ENDS: [&str; 4] = ["biopsy", "aspiration", "drainage", "ablation"];

/// Regions that one picture shows together: of a newborn, and of the pelvis.
const ONE_PICTURE: [&[&str]; 2] = [&["chest", "lung", "abdomen", "babygram"], &["pelvic_ring", "hip"]];

impl Case<'_> {
    /// An intervention that what was chosen does not tell, or two of them side by side.
    pub(super) fn not_that_intervention(
        &self,
        chosen: &Chosen,
        tags: &BTreeSet<Concept>,
        is_named: bool,
    ) -> Option<Line> {
        let line = |what: String| Some(Line { about: "intervention", what });
        let ends: Vec<&str> = ENDS.iter().filter(|end| tags.contains(**end)).copied().collect();
        if ends.len() > 1 && self.evidence.lists && !is_named {
            return line(format!("one of {} was done, or several", ends.join(", ")));
        }
        // The picture of a region is not what was done to it.
        let way = INTERVENTIONS.iter().find(|way| tags.contains(*way) && !chosen.whole && !is_named)?;
        line(format!("no technique for {way}"))
    }

    /// A way of examining that none of the chosen names tells, though order or study text names it, or series show it
    /// and there is such an examination of these regions.
    pub(super) fn not_in_the_name(
        &self,
        chosen: &Chosen,
        regions: &Regions,
        tags: &BTreeSet<Concept>,
    ) -> Option<Line> {
        let text = self.evidence.text();
        let series = self.evidence.only_in_series(&self.rules.vocabulary);
        let told = |words: &[&str]| {
            let has = |name: &String, word: &&str| format!(" {name} ").contains(&format!(" {word} "));
            chosen.names.iter().flatten().any(|name| words.iter().any(|word| has(name, word)))
        };
        let is_another = |way: Concept| {
            self.chosen(regions, &tags.iter().chain([&way]).copied().collect()).names != chosen.names
        };
        let ways = self.rules.caution.ways.iter().filter(|way| way.is_for(self.imaging));
        for way in ways.filter(|way| !chosen.names.is_empty() && !told(&way.in_names)) {
            let way = way.concept;
            let of = list(&regions.found);
            if text.has(way) {
                return Some(Line { about: "examination", what: format!("no technique for {way} of {of}") });
            }
            if self.imaging == Imaging::Ct && series.contains(way) && is_another(way) {
                return Some(Line {
                    about: "conflict",
                    what: format!("series show {way} of {of}, not ordered"),
                });
            }
        }
        None
    }

    /// Whether a text lists whole examinations, of which some have a word of contrast and others none.
    fn contrast_of_some_parts(&self) -> bool {
        let parts = self.evidence.parts(&self.rules.vocabulary);
        let mut whole = parts.iter().filter(|part| part.has_kind && !part.regions.is_empty());
        whole.clone().any(|part| part.has_contrast) && whole.any(|part| !part.has_contrast)
    }

    /// Whether the pictures are those of fluoroscopy, and nothing says which plain film they may be.
    fn is_screening_alone(&self) -> bool {
        let evidence = &self.evidence;
        let is_view =
            |reading: &Reading| reading.of_kind(&self.rules.vocabulary, Kind::View).next().is_some();
        let fields = [&evidence.order, &evidence.study, &evidence.protocol, &evidence.views];
        self.facts.modality.trim().eq_ignore_ascii_case("RF")
            && !fields.into_iter().chain(&evidence.series).any(is_view)
            && !evidence.text().has("xray")
    }

    /// A contrast that the chosen examination cannot have: vessels without, a plain film with.
    pub(super) fn against_contrast(&self, chosen: &Chosen, techniques: &[&Technique]) -> Option<Line> {
        let of =
            || techniques.iter().filter_map(|technique| technique.names.first()).cloned().collect::<Vec<_>>();
        let line = |what: &str| Line { about: "contrast", what: format!("{what}: {}", of().join(", ")) };
        let depends = |technique: &&Technique| technique.axes.contrast.is_some();
        let together = ONE_PICTURE.iter().any(|of| chosen.regions.iter().all(|region| of.contains(region)));
        if self.imaging == Imaging::Xray
            && self.facts.images.is_some_and(|images| chosen.regions.len() > images as usize && !together)
        {
            return Some(Line { about: "images", what: "fewer than examinations".to_owned() });
        }
        match self.imaging {
            Imaging::Ct | Imaging::Mr if self.contrast.open && techniques.iter().any(depends) => {
                Some(Line { about: "contrast", what: "asked for or told in two ways".to_owned() })
            }
            Imaging::Ct | Imaging::Mr
                if techniques.len() > 1 && (self.contrast.differs || self.contrast_of_some_parts()) =>
            {
                Some(Line { about: "contrast", what: "one region with, another without".to_owned() })
            }
            Imaging::Ct | Imaging::Mr
                if self.contrast.told == Some(false) && chosen.contrast == Some(true) =>
            {
                let both = |technique: &&Technique| technique.axes.contrast == Some(false);
                (!techniques.iter().all(both)).then(|| line("told to be without, which there is not"))
            }
            Imaging::Ct if self.contrast.told == Some(true) && chosen.contrast == Some(false) => {
                let both = |technique: &&Technique| technique.axes.contrast == Some(true);
                (!techniques.iter().all(both)).then(|| line("told to be with, which there is not"))
            }
            Imaging::Xray
                if self.contrast.acquired
                    && self.contrast.told == Some(true)
                    && chosen.contrast != Some(true) =>
            {
                Some(line("contrast was given, which there is not"))
            }
            Imaging::Xray if self.is_screening_alone() && chosen.contrast != Some(true) && !chosen.whole => {
                Some(line("looked through without a projection, which is no plain film"))
            }
            Imaging::Xray if self.evidence.text().has("contrast_study") && chosen.contrast != Some(true) => {
                Some(line("told to be with, which there is not"))
            }
            _ => None,
        }
    }
}
