//! Ways of examining that must stand in the name of a technique: vessels are no plain examination of their region.
//!
//! Knows words of the catalogue's names; what was chosen otherwise is not looked at again.

use std::collections::BTreeSet;

use super::{Case, list};
use crate::codes::choice::regions::Regions;
use crate::codes::choice::rules::Chosen;
use crate::codes::facts::Imaging;
use crate::codes::outcome::Line;
use crate::codes::reading::Concept;

/// Ways of examining that make it another examination, each with the words of which the catalogue's name has one.
const WAYS_IN_NAMES: [(&[Imaging], Concept, &[&str]); 10] = [
    (&[Imaging::Ct, Imaging::Mr], "angio", &["MACH"]),
    (&[Imaging::Ct], "perfusion", &["TUOI MAU", "HUYET DONG"]),
    (&[Imaging::Ct, Imaging::Mr], "arthrography", &["O KHOP", "NOI KHOP"]),
    (&[Imaging::Mr], "functional", &["CHUC NANG"]),
    (&[Imaging::Mr], "defecation", &["SAN CHAU"]),
    (&[Imaging::Us], "doppler", &["DOPPLER", "MACH"]),
    (&[Imaging::Us], "elastography", &["DAN HOI"]),
    (&[Imaging::Us], "transvaginal", &["AM DAO", "THAI"]),
    (&[Imaging::Us], "transrectal", &["TRUC TRANG"]),
    (&[Imaging::Us], "transoesophageal", &["THUC QUAN"]),
];

impl Case<'_> {
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
            chosen.names.iter().flatten().any(|name| words.iter().any(|word| name.contains(word)))
        };
        let is_another = |way: Concept| {
            self.chosen(regions, &tags.iter().chain([&way]).copied().collect()).names != chosen.names
        };
        let ways = WAYS_IN_NAMES.iter().filter(|(imagings, ..)| imagings.contains(&self.imaging));
        for (_, way, _) in ways.filter(|(.., words)| !chosen.names.is_empty() && !told(words)) {
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
}
