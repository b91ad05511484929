//! The side of the body that was examined: text before series before Laterality; a conflict gives none.
//!
//! Knows which regions are paired.

use std::collections::BTreeSet;

use super::evidence::Evidence;
use crate::codes::facts::StudyFacts;
use crate::codes::reading::{Concept, Kind, Reading, Vocabulary};

/// A side of the body (PS3.3 C.7.3.1.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Left.
    Left,
    /// Right.
    Right,
    /// Both.
    Both,
}

impl Side {
    /// `L`, `R` or `B`.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Left => "L",
            Self::Right => "R",
            Self::Both => "B",
        }
    }
}

/// The side, where a region has one and the fields agree on it.
pub(crate) fn of(
    facts: &StudyFacts,
    evidence: &Evidence,
    regions: &BTreeSet<Concept>,
    vocabulary: &Vocabulary,
) -> Option<Side> {
    if !regions.iter().any(|region| vocabulary.is_paired(region)) {
        return None;
    }
    if are_of_different_regions(evidence, vocabulary) {
        return None;
    }
    let tag = match facts.laterality.trim().to_ascii_uppercase().as_str() {
        "L" | "LEFT" => Some(Side::Left),
        "R" | "RIGHT" => Some(Side::Right),
        "B" | "BOTH" | "BILATERAL" => Some(Side::Both),
        _ => None,
    };
    let order = said(&evidence.order);
    let study = said(&evidence.study);
    let mut series = Reading::default();
    evidence.series.iter().chain([&evidence.protocol]).for_each(|field| series.join(field));
    let series = said(&series);
    let told: Vec<Side> = [order, study, series, tag].into_iter().flatten().collect();
    let first = *told.first()?;
    let against = told.iter().any(|side| *side != first && *side != Side::Both);
    match first {
        // Pictures of both sides come one after the other: a tag of one of them says nothing against both.
        Side::Both => Some(Side::Both),
        _ if against => None,
        _ => Some(first),
    }
}

/// Whether order and study text list one region of the left and another of the right: neither is examined on both sides.
fn are_of_different_regions(evidence: &Evidence, vocabulary: &Vocabulary) -> bool {
    let sided = |side: &str| {
        let pieces = evidence.pieces.iter().filter(|piece| piece.has(side));
        pieces.flat_map(|piece| piece.of_kind(vocabulary, Kind::Region)).collect::<BTreeSet<Concept>>()
    };
    let (left, right) = (sided("left"), sided("right"));
    !left.is_empty() && !right.is_empty() && left.is_disjoint(&right)
}

fn said(reading: &Reading) -> Option<Side> {
    if reading.has("both") || reading.has("left") && reading.has("right") {
        Some(Side::Both)
    } else if reading.has("left") {
        Some(Side::Left)
    } else if reading.has("right") {
        Some(Side::Right)
    } else {
        None
    }
}
