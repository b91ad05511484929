//! A coded concept with its scheme and version, and the crosswalk between schemes.
//!
//! Knows the names of the schemes; it may not know which codes they have.

use serde::{Deserialize, Serialize};

/// Shared indicator codes of Decision 1227/QĐ-BYT (seven digits). The designator is this project's own.
pub const SCHEME_1227: &str = "99VN1227";
/// Insurance service codes `CC.KKKK.GGGG`. The designator is this project's own.
pub const SCHEME_SERVICE: &str = "99VNBHYT";
/// Techniques of Circular 23/2024/TT-BYT, `18.K`. The designator is this project's own.
pub const SCHEME_TECHNIQUE: &str = "99VNTT23";
/// LOINC, a reference and never the legal code (PS3.16 8).
pub const SCHEME_LOINC: &str = "LN";

/// A code of a scheme in one version of that scheme (PS3.3 8).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CodedConcept {
    /// Code Value as the list writes it.
    pub value: String,
    /// Coding Scheme Designator.
    pub scheme: String,
    /// The date of the list, `YYYY-MM-DD`, or empty where the list tells none.
    pub version: String,
}

/// How the target of a crosswalk compares with its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Equivalence {
    /// Both mean the same examinations.
    Equal,
    /// The target means more than the source.
    Wider,
    /// The target means less than the source.
    Narrower,
}

/// One pair of a crosswalk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The concept that is translated.
    pub from: CodedConcept,
    /// What it is translated to.
    pub to: CodedConcept,
    /// How `to` compares with `from`.
    pub equivalence: Equivalence,
    /// Who says so: the list, the decision, the person.
    pub source: String,
}

/// Pairs between schemes, many to many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crosswalk {
    links: Vec<Link>,
}

impl Crosswalk {
    /// Adds a pair; the same pair of the same source stands once.
    pub fn add(&mut self, link: Link) {
        if !self.links.contains(&link) {
            self.links.push(link);
        }
    }

    /// All pairs, in the order in which they were added.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// What `value` of `scheme` translates to, in both directions and in any version, with the equivalence seen from
    /// `value`.
    pub fn of(&self, scheme: &str, value: &str) -> Vec<(&CodedConcept, Equivalence, &str)> {
        let is = |concept: &CodedConcept| concept.scheme == scheme && concept.value == value;
        let mut found = Vec::new();
        for link in &self.links {
            if is(&link.from) {
                found.push((&link.to, link.equivalence, link.source.as_str()));
            } else if is(&link.to) {
                found.push((&link.from, link.equivalence.turned(), link.source.as_str()));
            }
        }
        found
    }
}

impl Equivalence {
    /// The same seen from the other side.
    #[must_use]
    pub fn turned(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::Wider => Self::Narrower,
            Self::Narrower => Self::Wider,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crosswalk_is_many_to_many_and_reads_both_ways() {
        let concept = |scheme: &str, value: &str| CodedConcept {
            value: value.to_owned(),
            scheme: scheme.to_owned(),
            version: String::new(),
        };
        let mut crosswalk = Crosswalk::default();
        for target in ["18.119", "18.120"] {
            let link = Link {
                from: concept(SCHEME_LOINC, "36643-5"),
                to: concept(SCHEME_TECHNIQUE, target),
                equivalence: Equivalence::Narrower,
                source: "made up".to_owned(),
            };
            crosswalk.add(link.clone());
            crosswalk.add(link);
        }
        assert_eq!(crosswalk.of(SCHEME_LOINC, "36643-5").len(), 2);
        assert_eq!(crosswalk.of(SCHEME_TECHNIQUE, "18.120")[0].1, Equivalence::Wider);
        assert!(crosswalk.of(SCHEME_LOINC, "18.120").is_empty());
    }
}
