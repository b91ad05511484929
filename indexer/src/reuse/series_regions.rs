//! From the regions that series name in their own words to those that their study's codes are about.
//!
//! A description names a region in fewer words than a code (*abdomen* for abdomen and pelvis, *head* for the brain). Where
//! the series is of the family of one exam of its study it is a series of that exam.

use std::collections::BTreeSet;

use super::body_part;
use super::coverage::{effective_regions, is_named_by, near_any};
use super::policy::CoveragePolicy;
use super::prior::{ImageFacts, PriorExam, Source};
use super::techniques;

/// A word for several regions of which one series shows not all.
const COARSE: &str = "head";

fn regions_of(exam: &PriorExam, policy: &CoveragePolicy) -> BTreeSet<String> {
    let axes = techniques::axes(&exam.axes, exam.technique.as_deref(), &exam.codes);
    effective_regions(&body_part::in_words(axes, policy), policy)
}

/// Whether one of some regions is one of an exam's, or of its family.
pub(crate) fn names_region_of(told: &BTreeSet<String>, exam: &PriorExam, policy: &CoveragePolicy) -> bool {
    regions_of(exam, policy).iter().any(|region| near_any(region, told, policy))
}

/// The groups of images of a study with the regions that they cover: those that a series names, and those of the exam that
/// it is of. A series that may be of several exams names none. Where all series name regions that no exam has, the order's
/// code alone is not enough.
pub(crate) fn place_series(
    mut images: Vec<ImageFacts>,
    exams: &mut [PriorExam],
    policy: &CoveragePolicy,
) -> Vec<ImageFacts> {
    let regions: Vec<BTreeSet<String>> = exams.iter().map(|exam| regions_of(exam, policy)).collect();
    let known: Vec<&BTreeSet<String>> = regions.iter().filter(|regions| !regions.is_empty()).collect();
    if known.is_empty() {
        images.iter_mut().for_each(|row| row.regions.clear());
        return images;
    }
    let foreign = |row: &ImageFacts| {
        let near = |of: &&BTreeSet<String>| of.iter().any(|region| near_any(region, &row.regions, policy));
        !row.regions.is_empty() && !known.iter().any(near)
    };
    if !images.is_empty() && images.iter().all(foreign) {
        images.iter_mut().for_each(|row| row.regions.clear());
        for exam in exams.iter_mut().filter(|exam| exam.source == Source::Order) {
            exam.source = Source::Derived;
        }
        return images;
    }
    let enhanced = images.iter().any(|row| row.contrast == Some(true));
    for row in images.iter_mut().filter(|row| !row.regions.is_empty()) {
        let named = |of: &&&BTreeSet<String>| of.iter().any(|region| is_named_by(row, region));
        let near = |of: &&&BTreeSet<String>| of.iter().any(|region| near_any(region, &row.regions, policy));
        let mut of_exams: Vec<&BTreeSet<String>> = known.iter().filter(named).copied().collect();
        if of_exams.is_empty() {
            of_exams = known.iter().filter(near).copied().collect();
            of_exams.dedup();
            if of_exams.len() > 1 {
                row.regions.clear();
                continue;
            }
        }
        // The unenhanced part of an exam may be of a part of its regions: it covers what it names.
        if row.contrast == Some(false) && enhanced {
            row.regions.remove(COARSE);
            continue;
        }
        row.regions.extend(of_exams.into_iter().flatten().cloned());
    }
    images
}
