//! Which exam of its study a group of images is of.
//!
//! A study can be of several exams of different regions (a head without contrast medium and a chest with it). What a group
//! of images says then stands over the code only where it is known to be of that exam: it names the region, or nothing
//! else of the study can be it. A group that may be of several exams adds nothing to their codes.

use std::collections::BTreeSet;

use super::super::exam::{Contrast, ExamAxes, PLAIN, Side};
use super::super::policy::CoveragePolicy;
use super::super::prior::ImageFacts;
use super::need::{is_paired, modality_word};
use super::region::{effective_regions, names};
use super::{Exam, view};

/// How a group of images stands to an exam of its study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belongs {
    /// It is of the exam.
    Surely,
    /// It may also be of another exam.
    MayBe {
        /// Whether each exam of the study can have a group of its own.
        each_has_one: bool,
        /// Whether that holds without this group too: what is ordered may be more than the codes say.
        to_spare: bool,
    },
    /// It contradicts the codes of all exams: it is of one of them, and none knows of which.
    ContradictsAll,
    /// It is of another exam.
    No,
}

/// For each exam of a study, how each group of images stands to it.
pub(super) fn belonging(exams: &[Exam], images: &[ImageFacts], policy: &CoveragePolicy) -> Vec<Vec<Belongs>> {
    let regions: Vec<BTreeSet<String>> =
        exams.iter().map(|exam| effective_regions(&exam.axes, policy)).collect();
    let fits = Fits {
        contradicted: exams
            .iter()
            .map(|exam| images.iter().map(|row| contradicts(exam, row, policy)).collect())
            .collect(),
        named: regions
            .iter()
            .map(|regions| images.iter().map(|row| regions.iter().any(|one| names(row, one))).collect())
            .collect(),
        places: places(exams, &regions),
        told: images.iter().map(|row| !row.regions.is_empty()).collect(),
        elsewhere: exams.iter().map(|exam| exam.elsewhere.is_some()).collect(),
    };
    let each_has_one = fits.each_has_one(None);
    let of = |exam: usize| {
        (0..images.len()).map(|row| fits.belongs(exam, row, each_has_one)).collect::<Vec<Belongs>>()
    };
    (0..exams.len()).map(of).collect()
}

/// Tables by exam and group.
struct Fits {
    contradicted: Vec<Vec<bool>>,
    named: Vec<Vec<bool>>,
    /// The place of each exam: exams that share a region are of one place.
    places: Vec<usize>,
    told: Vec<bool>,
    elsewhere: Vec<bool>,
}

impl Fits {
    fn belongs(&self, exam: usize, row: usize, each_has_one: bool) -> Belongs {
        if self.elsewhere[exam] {
            return Belongs::No;
        }
        let others = || (0..self.places.len()).filter(|other| !self.elsewhere[*other]);
        if self.told[row] {
            // A region that no exam has is looked at by itself.
            let named_by_none = !others().any(|other| self.named[other][row]);
            return if self.named[exam][row] || named_by_none { Belongs::Surely } else { Belongs::No };
        }
        let mut apart = others().filter(|other| self.places[*other] != self.places[exam]).peekable();
        if apart.peek().is_none() {
            return Belongs::Surely;
        }
        if self.contradicted[exam][row] {
            let all = others().all(|other| self.contradicted[other][row]);
            return if all { Belongs::ContradictsAll } else { Belongs::No };
        }
        if apart.all(|other| self.contradicted[other][row]) {
            return Belongs::Surely;
        }
        Belongs::MayBe { each_has_one, to_spare: each_has_one && self.each_has_one(Some(row)) }
    }

    /// Whether each place can have a group of its own, `without` a group.
    fn each_has_one(&self, without: Option<usize>) -> bool {
        let places: BTreeSet<usize> = (0..self.places.len())
            .filter(|exam| !self.elsewhere[*exam])
            .map(|exam| self.places[exam])
            .collect();
        let of = |place: usize| (0..self.places.len()).filter(move |exam| self.places[*exam] == place);
        let rows = self.told.len();
        // A place that a group names needs no other.
        let open = places.iter().filter(|place| {
            !of(**place).any(|exam| (0..rows).any(|row| self.told[row] && self.named[exam][row]))
        });
        let takes: Vec<Vec<usize>> = open
            .map(|place| {
                let can = |row: &usize| {
                    Some(*row) != without
                        && !self.told[*row]
                        && of(*place).any(|exam| !self.contradicted[exam][*row])
                };
                (0..rows).filter(can).collect()
            })
            .collect();
        matched(&takes, &vec![1; rows]) == takes.len()
    }
}

/// The place of each exam.
fn places(exams: &[Exam], regions: &[BTreeSet<String>]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..exams.len()).collect();
    for one in 0..exams.len() {
        for other in 0..one {
            if !regions[one].is_disjoint(&regions[other]) {
                let (from, to) = (places[one], places[other]);
                places.iter_mut().filter(|place| **place == from).for_each(|place| *place = to);
            }
        }
    }
    places
}

/// Whether what a group says of itself is not what the code of an exam says.
fn contradicts(exam: &Exam, row: &ImageFacts, policy: &CoveragePolicy) -> bool {
    let axes = &exam.axes;
    let word = |word: &String| modality_word(word, policy).to_owned();
    let modality = row
        .modality
        .as_ref()
        .zip(axes.modality.as_ref())
        .is_some_and(|(one, other)| word(one) != word(other));
    modality
        || side_differs(axes, row, policy)
        || view_differs(axes, row, policy)
        || medium_differs(axes, row)
        || {
            let covers =
                |kind: &str| policy.kind_covers.get(axes.kind()).is_some_and(|kinds| kinds.contains(kind));
            row.kind.as_deref().is_some_and(|kind| kind != PLAIN && kind != axes.kind() && !covers(kind))
        }
}

fn side_differs(axes: &ExamAxes, row: &ImageFacts, policy: &CoveragePolicy) -> bool {
    let paired = axes
        .paired
        .unwrap_or_else(|| effective_regions(axes, policy).iter().any(|region| is_paired(region, policy)));
    let differ = |one: Side, other: Side| one != other && one != Side::Both && other != Side::Both;
    paired && axes.side.zip(row.side).is_some_and(|(one, other)| differ(one, other))
}

fn view_differs(axes: &ExamAxes, row: &ImageFacts, policy: &CoveragePolicy) -> bool {
    let near = |one: &str, other: &str| view::is_a(one, other, policy) || view::is_a(other, one, policy);
    let told = row.view.as_deref().filter(|_| !axes.views.is_empty());
    told.is_some_and(|told| !axes.views.iter().any(|promised| near(told, promised)))
}

/// An unenhanced group of an exam with contrast medium is no contradiction.
fn medium_differs(axes: &ExamAxes, row: &ImageFacts) -> bool {
    axes.contrast == Some(Contrast::Without) && row.contrast == Some(true)
}

/// How many of `takes` get one of what they can take, where each thing can be had `times` often: the most that is possible.
pub(super) fn matched(takes: &[Vec<usize>], times: &[usize]) -> usize {
    let mut holders: Vec<Vec<usize>> = vec![Vec::new(); times.len()];
    let mut count = 0;
    for one in 0..takes.len() {
        let mut seen = vec![false; times.len()];
        count += usize::from(place(one, takes, times, &mut holders, &mut seen));
    }
    count
}

fn place(
    one: usize,
    takes: &[Vec<usize>],
    times: &[usize],
    holders: &mut [Vec<usize>],
    seen: &mut [bool],
) -> bool {
    for &thing in &takes[one] {
        if std::mem::replace(&mut seen[thing], true) {
            continue;
        }
        if holders[thing].len() < times[thing] {
            holders[thing].push(one);
            return true;
        }
        for at in 0..holders[thing].len() {
            let holder = holders[thing][at];
            if place(holder, takes, times, holders, seen) {
                holders[thing][at] = one;
                return true;
            }
        }
    }
    false
}
