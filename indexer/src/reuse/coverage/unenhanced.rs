//! Whether an unenhanced series beside an enhanced one covers its region.

use super::super::answer::Outcome;
use super::super::exam::{Contrast, PLAIN};
use super::super::policy::CoveragePolicy;
use super::super::prior::ImageFacts;
use super::Exam;
use super::need::Need;
use super::region::{effective_regions, names};

/// Whether it does. `enhanced`: the enhanced groups of the same exam.
pub(super) fn covers(
    row: &ImageFacts,
    enhanced: &[&ImageFacts],
    exam: &Exam,
    need: &Need,
    policy: &CoveragePolicy,
) -> Outcome {
    let rules = &policy.unenhanced;
    let is_the_exam = exam.axes.contrast == Some(Contrast::Without) && exam.axes.kind() == PLAIN;
    if !rules.modalities.contains(&need.modality) || is_the_exam && enhanced.is_empty() {
        return Outcome::Pass;
    }
    // A number of images that nobody told says nothing against it.
    if (1..rules.min_images).contains(&row.images) || row.extent_mm.is_some_and(|mm| mm < rules.min_extent_mm)
    {
        return Outcome::Fail;
    }
    if names(row, &need.region) {
        return Outcome::Pass;
    }
    let widest = enhanced.iter().filter_map(|row| row.extent_mm).max();
    let reaches = row
        .extent_mm
        .zip(widest)
        .map(|(mm, widest)| u64::from(mm) * 100 >= u64::from(widest) * u64::from(rules.extent_percent));
    // Of several regions nobody knows which it covers where it tells neither its region nor how far it reaches.
    let one_region = effective_regions(&exam.axes, policy).len() <= 1;
    if reaches.unwrap_or(one_region) { Outcome::Pass } else { Outcome::Unknown }
}

/// Whether a series that names a region reaches far enough to be all of it.
pub(super) fn reaches(row: &ImageFacts, region: &str, policy: &CoveragePolicy) -> bool {
    let least = policy.unenhanced.region_extent_mm.get(region);
    row.extent_mm.zip(least).is_none_or(|(mm, least)| mm >= *least)
}
