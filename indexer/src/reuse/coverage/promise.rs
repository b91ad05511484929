//! Views that a code promises, looked for in the images.

use std::collections::BTreeSet;

use super::super::exam::Side;
use super::super::policy::CoveragePolicy;
use super::super::prior::ImageFacts;
use super::belongs::matched;
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
    let rows: Vec<_> = stored.flat_map(|study| rows_of(study, &regions, policy)).collect();
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

/// The groups of a study that are or may be of its exams of some regions.
fn rows_of<'a>(
    study: &Stored<'a>,
    regions: &BTreeSet<String>,
    policy: &CoveragePolicy,
) -> Vec<&'a ImageFacts> {
    let same = |at: &usize| {
        let exam = study.exams.get(*at);
        exam.is_some_and(|exam| !effective_regions(&exam.axes, policy).is_disjoint(regions))
    };
    let exams: Vec<usize> = (0..study.exams.len()).filter(same).collect();
    let is_of = |row: &&ImageFacts| {
        exams.iter().any(|exam| study.groups_of(*exam).any(|(other, _)| std::ptr::eq(other, *row)))
    };
    study.images.iter().filter(is_of).collect()
}

/// The views that the codes of a region promise, where they are more than there are images for them: an image is of one
/// view, so that one whose view nobody told cannot be all that are promised.
pub(in super::super) fn short_of_images(
    exam: &Exam,
    stored: &[&Stored],
    policy: &CoveragePolicy,
) -> Option<BTreeSet<String>> {
    let modality = exam.axes.modality.as_deref().map(|word| modality_word(word, policy));
    if exam.axes.views.is_empty() || !modality.is_some_and(|word| policy.view_modalities.contains(word)) {
        return None;
    }
    let regions = effective_regions(&exam.axes, policy);
    let rows: Vec<&ImageFacts> = stored.iter().flat_map(|study| rows_of(study, &regions, policy)).collect();
    if rows.is_empty() {
        return None;
    }
    let sides: &[Option<Side>] = match exam.axes.side {
        Some(Side::Both) => &[Some(Side::Left), Some(Side::Right)],
        Some(Side::Left) => &[Some(Side::Left)],
        Some(Side::Right) => &[Some(Side::Right)],
        None => &[None],
    };
    let meets = |one: Option<Side>, other: Option<Side>| {
        one.is_none()
            || other.is_none()
            || one == other
            || one == Some(Side::Both)
            || other == Some(Side::Both)
    };
    let same = |other: &&Exam| {
        other.elsewhere.is_none() && !effective_regions(&other.axes, policy).is_disjoint(&regions)
    };
    let exams: Vec<&Exam> = stored.iter().flat_map(|study| &study.exams).filter(same).collect();
    let short_on = |side: &Option<Side>| {
        let of_side = exams.iter().filter(|other| meets(other.axes.side, *side));
        let promised: BTreeSet<&String> = of_side.flat_map(|other| &other.axes.views).collect();
        let rows: Vec<&&ImageFacts> = rows.iter().filter(|row| meets(row.side, *side)).collect();
        let can = |view: &str, row: &ImageFacts| {
            row.view
                .as_deref()
                .is_none_or(|told| view::is_a(told, view, policy) || view::is_a(view, told, policy))
        };
        let takes: Vec<Vec<usize>> = promised
            .iter()
            .map(|view| {
                (0..rows.len()).filter(|at| rows.get(*at).is_some_and(|row| can(view, row))).collect()
            })
            .collect();
        let times: Vec<usize> = rows.iter().map(|row| row.images.max(1) as usize).collect();
        (matched(&takes, &times) < takes.len()).then(|| promised.into_iter().cloned().collect())
    };
    sides.iter().find_map(short_on)
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
