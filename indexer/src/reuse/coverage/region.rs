//! Regions: which one an exam has when its technique leaves it open, what lies inside of what, what is listed together.

use std::collections::BTreeSet;

use super::super::answer::Outcome;
use super::super::exam::ExamAxes;
use super::super::policy::CoveragePolicy;
use super::super::prior::ImageFacts;
use super::need::{Need, Wanted, WantedContrast, modality_word};

/// A region that is not told.
const UNTOLD: &str = "?";

/// The regions of an exam. A region that the technique leaves open is written with the body part (`joint/knee`), or is
/// the body part itself (`any`); without one it ends in `?`.
pub(in super::super) fn effective_regions(exam: &ExamAxes, policy: &CoveragePolicy) -> BTreeSet<String> {
    let body_part = exam.body_part.as_deref().unwrap_or(UNTOLD);
    let of = |region: &String| match region.as_str() {
        "any" => body_part.to_owned(),
        open if policy.open_regions.contains(open) => format!("{open}/{body_part}"),
        region => region.to_owned(),
    };
    let mut regions: BTreeSet<String> = exam.regions.iter().map(of).collect();
    if regions.is_empty() {
        regions.extend(exam.body_part.clone());
    }
    regions
}

/// Whether a region is left open.
pub(super) fn is_untold(region: &str) -> bool {
    region.ends_with(UNTOLD)
}

/// Whether one of the regions that are there is the needed one.
pub(super) fn region_outcome(needed: &str, there: &BTreeSet<String>) -> Outcome {
    let base = |region: &str| region.split('/').next().map(str::to_owned);
    let open = |one: &str, other: &str| {
        one == UNTOLD || other == UNTOLD || (is_untold(one) || is_untold(other)) && base(one) == base(other)
    };
    if there.contains(needed) && !is_untold(needed) {
        Outcome::Pass
    } else if there.is_empty() || there.iter().any(|there| open(needed, there)) {
        Outcome::Unknown
    } else {
        Outcome::Fail
    }
}

/// Whether a group of images names a region among those it covers; a body part names the region that it fills.
pub(in super::super) fn names(row: &ImageFacts, region: &str) -> bool {
    let part = region.split('/').next_back().unwrap_or(region);
    row.regions.contains(region) || row.regions.contains(part)
}

/// Whether one of some regions is the same as another, or of its family.
pub(in super::super) fn near_any<'a>(
    region: &str,
    others: impl IntoIterator<Item = &'a String>,
    policy: &CoveragePolicy,
) -> bool {
    others.into_iter().any(|other| near(region, other, policy))
}

/// The sets of wider regions that cover what is needed.
pub(super) fn wider<'a>(
    need: &'a Need,
    policy: &'a CoveragePolicy,
) -> impl Iterator<Item = &'a BTreeSet<String>> + 'a {
    let without =
        need.contrast == Wanted::This(WantedContrast::Without) || need.contrast == Wanted::NotCompared;
    policy
        .contains
        .iter()
        .filter(move |rule| {
            rule.narrower == need.region
                && rule.modalities.contains(&need.modality)
                && (without || !rule.only_without_contrast)
        })
        .map(|rule| &rule.wider)
}

/// Whether a stored exam is listed beside the ordered one: same modality, and the same region or family. What is not
/// known does not tell apart.
pub(in super::super) fn related(ordered: &ExamAxes, stored: &ExamAxes, policy: &CoveragePolicy) -> bool {
    let word = |exam: &ExamAxes| exam.modality.as_deref().map(|word| modality_word(word, policy).to_owned());
    if let (Some(ordered), Some(stored)) = (word(ordered), word(stored))
        && ordered != stored
    {
        return false;
    }
    let (ordered, stored) = (effective_regions(ordered, policy), effective_regions(stored, policy));
    if ordered.is_empty() || stored.is_empty() {
        return true;
    }
    ordered.iter().any(|one| stored.iter().any(|other| near(one, other, policy)))
}

fn near(one: &str, other: &str, policy: &CoveragePolicy) -> bool {
    let parts = |region: &str| region.split('/').next_back().map_or_else(String::new, str::to_owned);
    let (part, other_part) = (parts(one), parts(other));
    let contained = |narrower: &str, wider: &str| {
        policy.contains.iter().any(|rule| rule.narrower == narrower && rule.wider.contains(wider))
    };
    let family = |family: &BTreeSet<String>| family.contains(&part) && family.contains(&other_part);
    one == other
        || part == other_part
        || part == UNTOLD
        || other_part == UNTOLD
        || contained(one, other)
        || contained(other, one)
        || policy.related.iter().any(family)
}
