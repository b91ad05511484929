//! Coverage: whether what is stored is what is ordered, axis by axis.
//!
//! An order is cut into *needs* (one region, one side, one view, with or without contrast medium). Each need looks for
//! the best *supply* among the exams and images of the studies; the worst need is the outcome. Knows axes and the
//! policy's vocabulary; it may not know patients, dates or verdicts.

mod belongs;
mod need;
mod promise;
mod region;
mod supply;
mod unenhanced;
mod view;

use std::collections::BTreeSet;

pub(super) use need::{Need, needs};
pub(super) use promise::{ViewSeen, promised_view, short_of_images};
pub(super) use region::{effective_regions, names as is_named_by, near_any, related};
pub(super) use supply::Finding;

use super::answer::{Outcome, Reason};
use super::exam::{Contrast, ExamAxes, Side};
use super::policy::CoveragePolicy;
use super::prior::{ImageFacts, Source};
use belongs::{Belongs, belonging};
use supply::{Seen, Supply, nothing, supply};

/// An exam of a study with the axes of its technique filled in.
#[derive(Debug, Clone)]
pub(super) struct Exam {
    pub(super) axes: ExamAxes,
    /// Whether coverage can rest on its code.
    pub(super) strong: bool,
    pub(super) evidence: Evidence,
    /// The modalities of the images, where the exam's is not among them: such an exam is not what is stored.
    pub(super) elsewhere: Option<String>,
}

/// Which axes are evidenced apart from the code, by sources that the policy takes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
    pub(super) region: bool,
    pub(super) side: bool,
    pub(super) view: bool,
    pub(super) contrast: bool,
}

impl Evidence {
    pub(super) fn of(found: &super::prior::AxisSources, taken: &BTreeSet<Source>) -> Evidence {
        let any = |sources: &BTreeSet<Source>| !sources.is_disjoint(taken);
        Evidence {
            region: any(&found.region),
            side: any(&found.side),
            view: any(&found.view),
            contrast: any(&found.contrast),
        }
    }
}

/// A study as coverage sees it.
#[derive(Debug, Clone)]
pub(super) struct Stored<'a> {
    pub(super) study: &'a str,
    pub(super) exams: Vec<Exam>,
    pub(super) images: &'a [ImageFacts],
    /// For each exam, how each group of images stands to it.
    belongs: Vec<Vec<Belongs>>,
}

impl<'a> Stored<'a> {
    pub(super) fn new(
        study: &'a str,
        exams: Vec<Exam>,
        images: &'a [ImageFacts],
        policy: &CoveragePolicy,
    ) -> Stored<'a> {
        let belongs = belonging(&exams, images, policy);
        Stored { study, exams, images, belongs }
    }

    /// The groups of images that are, or may be, of an exam.
    fn groups_of(&self, exam: usize) -> impl Iterator<Item = (&'a ImageFacts, Belongs)> + '_ {
        let belongs = self.belongs.get(exam).into_iter().flatten().copied();
        self.images.iter().zip(belongs).filter(|(_, belongs)| *belongs != Belongs::No)
    }
}

/// How studies cover an order.
#[derive(Debug, Clone)]
pub(super) struct Covered {
    pub(super) exact: bool,
    pub(super) findings: Vec<Finding>,
}

/// How a set of studies covers what is ordered. Without needs nothing was understood, and nothing is covered.
pub(super) fn cover(
    needs: &[Need],
    ordered: &[ExamAxes],
    stored: &[&Stored],
    policy: &CoveragePolicy,
) -> Covered {
    if needs.is_empty() {
        let unknown = Finding::new(Outcome::Unknown, Reason::OrderNotUnderstood, None);
        return Covered { exact: false, findings: vec![unknown] };
    }
    let mut findings: Vec<Finding> = Vec::new();
    let mut exact = true;
    for need in needs {
        let best = best_with_wider(need, stored, policy);
        exact &= best.exact;
        for finding in best.findings {
            if !findings.iter().any(|known| known.same(&finding)) {
                findings.push(finding);
            }
        }
    }
    exact &= !more_than_ordered(ordered, stored, policy);
    if findings.iter().all(|finding| finding.outcome == Outcome::Pass) {
        let reason = if exact { Reason::CoveredExactly } else { Reason::CoveredByWider };
        findings.push(Finding::new(Outcome::Pass, reason, None));
    }
    findings.extend(shown(stored));
    Covered { exact, findings }
}

/// How far one study covers a need, and whether exactly.
pub(super) fn cover_alone(need: &Need, stored: &Stored, policy: &CoveragePolicy) -> (Outcome, bool) {
    let best = best_with_wider(need, &[stored], policy);
    (best.outcome, best.exact)
}

/// The needs for the parts of wider regions that would cover a need together.
pub(super) fn parts_of(need: &Need, policy: &CoveragePolicy) -> Vec<Need> {
    let wider = region::wider(need, policy).flatten();
    wider.map(|part| Need { region: part.clone(), ..need.clone() }).collect()
}

/// The best supply of a need: by its own region, or by wider regions all of which are there.
fn best_with_wider(need: &Need, stored: &[&Stored], policy: &CoveragePolicy) -> Supply {
    let mut best = best_direct(need, stored, policy);
    for wider in region::wider(need, policy) {
        if best.outcome == Outcome::Pass && best.exact {
            break;
        }
        let parts: Vec<Supply> = wider
            .iter()
            .map(|part| best_direct(&Need { region: part.clone(), ..need.clone() }, stored, policy))
            .collect();
        let outcome = parts.iter().map(|part| part.outcome).min().unwrap_or(Outcome::Fail);
        if outcome > best.outcome {
            let findings = parts.into_iter().flat_map(|part| part.findings).collect();
            best = Supply { outcome, exact: false, agreeing: 0, findings };
        }
    }
    best
}

fn best_direct(need: &Need, stored: &[&Stored], policy: &CoveragePolicy) -> Supply {
    let mut best: Option<Supply> = None;
    for study in stored {
        for (at, exam) in study.exams.iter().enumerate() {
            let short = short_of_images(exam, stored, policy).is_some();
            for found in supplies(need, study, at, short, policy) {
                if best.as_ref().is_none_or(|best| found.rank() > best.rank()) {
                    best = Some(found);
                }
            }
        }
    }
    best.unwrap_or_else(|| nothing(stored.first().map(|study| study.study)))
}

/// What an exam of a study supplies: by each group of images that is or may be of it, else by its code alone.
fn supplies(need: &Need, study: &Stored, at: usize, short: bool, policy: &CoveragePolicy) -> Vec<Supply> {
    let Some(exam) = study.exams.get(at) else { return Vec::new() };
    let enhanced = study.groups_of(at).map(|(row, _)| row).filter(|row| row.contrast == Some(true));
    let enhanced: Vec<&ImageFacts> = enhanced.collect();
    let by = |row: Option<&ImageFacts>| {
        supply(&Seen { need, exam, row, study: study.study, short, enhanced: &enhanced }, policy)
    };
    let mut found: Vec<Supply> = Vec::new();
    for (row, belongs) in study.groups_of(at) {
        let by_row = by(Some(row));
        found.push(match belongs {
            Belongs::No | Belongs::Surely => by_row,
            Belongs::ContradictsAll => by_row.at_best_unknown(need, study.study),
            Belongs::MayBe { each_has_one, to_spare } => {
                let by_code = by(None);
                match by_row.outcome > by_code.outcome {
                    true if to_spare => by_row.at_best_unknown(need, study.study),
                    true => by_code,
                    false if each_has_one => by_row,
                    false => by_row.at_best_unknown(need, study.study),
                }
            }
        });
    }
    if found.is_empty() {
        let by_code = by(None);
        // Pictures are known, and none of them is of this exam.
        let known = !study.images.is_empty() && exam.elsewhere.is_none();
        found.push(if known { by_code.at_best_unknown(need, study.study) } else { by_code });
    }
    found
}

/// Whether the studies hold regions, views, sides or contrast medium that nobody ordered: they are wider than the order.
fn more_than_ordered(ordered: &[ExamAxes], stored: &[&Stored], policy: &CoveragePolicy) -> bool {
    let wanted: BTreeSet<String> = ordered.iter().flat_map(|exam| effective_regions(exam, policy)).collect();
    let views: BTreeSet<&String> = ordered.iter().flat_map(|exam| &exam.views).collect();
    let near = |one: &str, other: &str| view::is_a(one, other, policy) || view::is_a(other, one, policy);
    let other_view = |there: &String| !views.is_empty() && !views.iter().any(|wanted| near(there, wanted));
    let one_side = ordered.iter().all(|exam| matches!(exam.side, Some(Side::Left | Side::Right)));
    let without = ordered.iter().all(|exam| exam.contrast == Some(Contrast::Without));
    stored.iter().any(|study| {
        let here = study.exams.iter().filter(|exam| exam.elsewhere.is_none());
        let mut exams = here.map(|exam| &exam.axes);
        let more = |axes: &ExamAxes| {
            effective_regions(axes, policy).iter().any(|region| !wanted.contains(region))
                || axes.views.iter().any(other_view)
                || one_side && axes.side == Some(Side::Both)
                || without && axes.contrast.is_some_and(|there| there != Contrast::Without)
        };
        exams.any(more) || study.images.iter().any(|row| row.view.as_ref().is_some_and(other_view))
    })
}

/// Detector rows and field strength: shown, never compared.
fn shown<'a>(stored: &'a [&'a Stored]) -> impl Iterator<Item = Finding> + 'a {
    stored.iter().flat_map(|study| {
        study.exams.iter().take(1).flat_map(|exam| {
            let rows = exam.axes.detector_rows.map(|rows| {
                Finding::new(Outcome::Pass, Reason::DetectorRows, Some(study.study))
                    .with("rows", u32::from(rows))
            });
            let field = exam.axes.field_strength_tesla.map(|tesla| {
                Finding::new(Outcome::Pass, Reason::FieldStrength, Some(study.study))
                    .with("tesla", f64::from(tesla))
            });
            rows.into_iter().chain(field)
        })
    })
}
