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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;
    use crate::reuse::Policy;
    use crate::reuse::exam::ExamAxes;
    use crate::reuse::prior::{AxisSources, Stamp};

    fn exam(technique: &str) -> PriorExam {
        PriorExam {
            technique: Some(technique.to_owned()),
            codes: Vec::new(),
            source: Source::Order,
            axes: ExamAxes::default(),
            evidenced: AxisSources::default(),
            stamp: Stamp::default(),
        }
    }

    fn row(regions: &[&str], contrast: Option<bool>) -> ImageFacts {
        let regions = regions.iter().map(|region| (*region).to_owned()).collect();
        ImageFacts { images: 100, regions, contrast, ..ImageFacts::default() }
    }

    fn placed(images: Vec<ImageFacts>, exams: &mut [PriorExam]) -> Vec<String> {
        let policy = Policy::shipped().unwrap();
        let rows = place_series(images, exams, &policy.latest().coverage);
        rows.into_iter().map(|row| row.regions.into_iter().collect::<Vec<_>>().join(",")).collect()
    }

    #[test]
    fn a_series_is_of_the_exam_of_its_family() {
        let mut both = [exam("18.149"), exam("18.192")];
        let rows = placed(vec![row(&["head"], None), row(&["chest"], None), row(&[], None)], &mut both);
        assert_eq!(rows, ["brain,head", "chest", ""]);
        // Abdomen, of abdomen and pelvis.
        assert_eq!(placed(vec![row(&["abdomen"], None)], &mut [exam("18.220")]), ["abdomen,pelvis"]);
        // A head may be the brain or the face.
        assert_eq!(placed(vec![row(&["head"], None)], &mut [exam("18.149"), exam("18.155")]), [""]);
    }

    #[test]
    fn an_unenhanced_series_beside_an_enhanced_one_covers_what_it_names() {
        let rows = vec![row(&["coronary_arteries"], Some(true)), row(&["chest"], Some(false))];
        assert_eq!(placed(rows, &mut [exam("18.198")]), ["coronary_arteries", "chest"]);
        let rows = vec![row(&["head"], Some(true)), row(&["head"], Some(false))];
        assert_eq!(placed(rows, &mut [exam("18.153")]), ["brain,head", ""]);
    }

    #[test]
    fn an_order_whose_region_no_series_names_is_not_enough() {
        let mut exams = [exam("18.149")];
        assert_eq!(placed(vec![row(&["chest"], None)], &mut exams), [""]);
        assert_eq!(exams[0].source, Source::Derived);
        let mut exams = [exam("18.149")];
        assert_eq!(placed(vec![row(&["chest"], None), row(&[], None)], &mut exams), ["chest", ""]);
        assert_eq!(exams[0].source, Source::Order);
    }
}
