//! Views that a code promises, looked for in the images.

use super::super::exam::Side;
use super::super::policy::CoveragePolicy;
use super::need::modality_word;
use super::region::effective_regions;
use super::{Exam, Stored, view};

/// Whether a promised view is among the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ViewSeen {
    /// Views of this modality are not compared.
    NotCompared,
    /// An image has it.
    Seen,
    /// Images do not tell their view, or tell it less exactly: one of them may be it.
    MayBe,
    /// All images tell another view.
    Missing,
}

/// Looks for a view that `exam` promises in the images of studies of the same region; of each side where it promises
/// both.
pub(in super::super) fn promised_view<'a>(
    exam: &Exam,
    promised: &str,
    stored: impl Iterator<Item = &'a Stored<'a>>,
    policy: &CoveragePolicy,
) -> ViewSeen {
    let modality = exam.axes.modality.as_deref().map(|word| modality_word(word, policy));
    if !modality.is_some_and(|word| policy.view_modalities.contains(word)) {
        return ViewSeen::NotCompared;
    }
    let regions = effective_regions(&exam.axes, policy);
    let sides: &[Option<Side>] = match exam.axes.side {
        Some(Side::Both) => &[Some(Side::Left), Some(Side::Right)],
        _ => &[None],
    };
    let same_region = |study: &&Stored| {
        let mut exams = study.exams.iter();
        exams.any(|other| !effective_regions(&other.axes, policy).is_disjoint(&regions))
    };
    let rows: Vec<_> = stored.filter(same_region).flat_map(|study| study.images).collect();
    if rows.is_empty() {
        return ViewSeen::MayBe;
    }
    let seen_on = |side: &Option<Side>| {
        let on_side = rows.iter().filter(|row| {
            side.is_none() || row.side.is_none() || row.side == *side || row.side == Some(Side::Both)
        });
        let seen = on_side.map(|row| match row.view.as_deref() {
            None => ViewSeen::MayBe,
            Some(stated) if view::is_a(stated, promised, policy) => ViewSeen::Seen,
            Some(stated) if view::is_a(promised, stated, policy) => ViewSeen::Seen,
            Some(_) => ViewSeen::Missing,
        });
        seen.fold(ViewSeen::Missing, better)
    };
    sides.iter().map(seen_on).fold(ViewSeen::Seen, worse)
}

fn rank(seen: ViewSeen) -> u8 {
    match seen {
        ViewSeen::Missing => 0,
        ViewSeen::MayBe => 1,
        ViewSeen::Seen => 2,
        ViewSeen::NotCompared => 3,
    }
}

fn better(one: ViewSeen, other: ViewSeen) -> ViewSeen {
    if rank(one) >= rank(other) { one } else { other }
}

fn worse(one: ViewSeen, other: ViewSeen) -> ViewSeen {
    if rank(one) <= rank(other) { one } else { other }
}
