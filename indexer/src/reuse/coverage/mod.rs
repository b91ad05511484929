//! Coverage: whether what is stored is what is ordered, axis by axis.
//!
//! An order is cut into *needs* (one region, one side, one view, with or without contrast medium). Each need looks for
//! the best *supply* among the exams and images of the studies; the worst need is the outcome. Knows axes and the
//! policy's vocabulary; it may not know patients, dates or verdicts.

mod need;
mod promise;
mod region;
mod supply;
mod view;

use std::collections::BTreeSet;

pub(super) use need::{Need, needs};
pub(super) use promise::{ViewSeen, promised_view};
pub(super) use region::{effective_regions, related};
pub(super) use supply::Finding;

use super::answer::{Outcome, Reason};
use super::exam::{Contrast, ExamAxes, Side};
use super::policy::CoveragePolicy;
use super::prior::{ImageFacts, Source};
use supply::{Supply, nothing, supply};

/// An exam of a study with the axes of its technique filled in.
#[derive(Debug, Clone)]
pub(super) struct Exam {
    pub(super) axes: ExamAxes,
    /// Whether coverage can rest on its code.
    pub(super) strong: bool,
    pub(super) evidence: Evidence,
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
        for exam in &study.exams {
            let rows = study.images.iter().map(Some);
            let none = study.images.is_empty().then_some(None);
            for row in rows.chain(none) {
                let found = supply(need, exam, row, study.study, policy);
                if best.as_ref().is_none_or(|best| found.rank() > best.rank()) {
                    best = Some(found);
                }
            }
        }
    }
    best.unwrap_or_else(|| nothing(stored.first().map(|study| study.study)))
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
        let mut exams = study.exams.iter().map(|exam| &exam.axes);
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
