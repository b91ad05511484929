//! Completeness: gaps, frames that do not decode, fewer images than expected, views that the code promises.

use std::collections::BTreeSet;

use super::super::answer::{CheckName, Outcome, Reason};
use super::super::coverage::{Stored, ViewSeen, promised_view, short_of_images};
use super::super::performed::StepFacts;
use super::super::prior::ExpectedSource;
use super::{Case, Found, Member};

/// The name of a device's own word as a source.
const MPPS: &str = "mpps";

/// Lines of each study, and of the views that the set promises together.
pub(super) fn lines(case: &Case, members: &[&Member]) -> Vec<Found> {
    let mut lines: Vec<Found> = members.iter().flat_map(|member| counted(case, member)).collect();
    lines.extend(views(case, members));
    lines
}

fn counted(case: &Case, member: &Member) -> Vec<Found> {
    let facts = &member.prior.completeness;
    let found =
        |outcome, reason| Found::new(CheckName::Completeness, outcome, reason).of(member.prior, &facts.stamp);
    let mut lines = steps(case, member);
    let exact = facts.steps.as_ref().is_some_and(StepFacts::is_exact);
    // What an order passes on of the device is not needed where the device tells it itself.
    let told = facts.expected.iter().filter(|it| !(exact && it.source == ExpectedSource::Mpps));
    match (facts.received_images, told.max_by_key(|expected| expected.images)) {
        (_, None) if exact => {}
        (_, None) => lines.push(found(Outcome::Unknown, Reason::ExpectedNotTold)),
        (None, Some(_)) => lines.push(found(Outcome::Unknown, Reason::ReceivedNotCounted)),
        (Some(received), Some(expected)) => {
            let source = match expected.source {
                ExpectedSource::Mpps => MPPS,
                ExpectedSource::Sender => "sender",
            };
            let (outcome, reason) = compared(case, received, expected.images);
            lines.push(
                found(outcome, reason)
                    .with("received", received)
                    .with("expected", expected.images)
                    .with("source", source),
            );
        }
    }
    lines.push(match facts.slice_gaps {
        Some(0) => found(Outcome::Pass, Reason::NoGaps),
        Some(gaps) => found(Outcome::Fail, Reason::SliceGaps).with("gaps", gaps),
        None => found(Outcome::Unknown, Reason::GapsNotExamined),
    });
    match facts.undecodable_frames {
        Some(0) => {}
        Some(frames) => lines.push(found(Outcome::Fail, Reason::UndecodableFrames).with("frames", frames)),
        None => lines.push(found(Outcome::Unknown, Reason::DecodingNotExamined)),
    }
    if facts.duplicate_positions > 0 {
        let duplicates = found(Outcome::Pass, Reason::DuplicatePositions);
        lines.push(duplicates.with("images", facts.duplicate_positions));
    }
    lines
}

/// What was received beside what was expected.
fn compared(case: &Case, received: u32, expected: u32) -> (Outcome, Reason) {
    if received >= expected {
        (Outcome::Pass, Reason::ReceivedAll)
    } else if u64::from(received) * 100 < u64::from(expected) * case.policy.received_below_percent {
        (Outcome::Fail, Reason::ReceivedBelowHalf)
    } else {
        (Outcome::Fail, Reason::ReceivedFewer)
    }
}

/// What devices say of the study themselves.
fn steps(case: &Case, member: &Member) -> Vec<Found> {
    let Some(steps) = &member.prior.completeness.steps else { return Vec::new() };
    let found =
        |outcome, reason| Found::new(CheckName::Completeness, outcome, reason).of(member.prior, &steps.stamp);
    if steps.outdated {
        return vec![found(Outcome::Unknown, Reason::StepsNotExamined)];
    }
    let mut lines = Vec::new();
    if steps.is_exact() {
        let (outcome, reason) = compared(case, steps.received_images, steps.expected_images);
        let mut line = found(outcome, reason)
            .with("received", steps.received_images)
            .with("expected", steps.expected_images)
            .with("source", MPPS);
        if !steps.missing.is_empty() {
            line = line.with("missing", steps.missing.join(", "));
        }
        for short in &steps.short_series {
            let counts = format!("{}/{}", short.received, short.expected);
            line = line.with(&format!("series {}", short.series), counts);
        }
        if steps.missing_documents > 0 {
            line = line.with("missing_documents", steps.missing_documents);
        }
        lines.push(line);
    }
    if steps.in_progress > 0 {
        lines.push(found(Outcome::Unknown, Reason::StepInProgress).with("steps", steps.in_progress));
    }
    if steps.discontinued > 0 {
        let line = found(Outcome::Unknown, Reason::StepDiscontinued).with("steps", steps.discontinued);
        lines.push(line.with("why", steps.discontinued_why.as_str()));
    }
    if steps.unplaced_series > 0 {
        let line = found(Outcome::Unknown, Reason::StepSeriesUnplaced);
        lines.push(line.with("series", steps.unplaced_series));
    }
    lines
}

/// Views that a code of the set promises and no image of the set can be.
fn views(case: &Case, members: &[&Member]) -> Vec<Found> {
    let mut told: BTreeSet<(String, String)> = BTreeSet::new();
    let mut lines = Vec::new();
    let stored: Vec<&Stored> = members.iter().map(|member| &member.stored).collect();
    for member in members {
        let exams = member.stored.exams.iter().zip(&member.prior.exams);
        for (exam, prior_exam) in exams.filter(|(exam, _)| exam.elsewhere.is_none()) {
            let before = lines.len();
            for view in &exam.axes.views {
                let all = members.iter().map(|member| &member.stored);
                let (reason, outcome) = match promised_view(exam, view, all, &case.policy.coverage) {
                    ViewSeen::Seen | ViewSeen::NotCompared => continue,
                    ViewSeen::MayBe => (Reason::PromisedViewNotEvidenced, Outcome::Unknown),
                    ViewSeen::Missing => (Reason::PromisedViewMissing, Outcome::Fail),
                };
                if told.insert((member.prior.study.clone(), view.clone())) {
                    let found = Found::new(CheckName::Completeness, outcome, reason);
                    lines.push(found.of(member.prior, &prior_exam.stamp).with("view", view.as_str()));
                }
            }
            let missing = |found: &Found| found.reason == Reason::PromisedViewMissing;
            let short = short_of_images(exam, &stored, &case.policy.coverage);
            // Fewer images than views: one of them is missing, whichever it is.
            if let Some(views) = short.filter(|_| !lines.iter().skip(before).any(missing)) {
                let views = views.into_iter().collect::<Vec<_>>().join(", ");
                if told.insert((member.prior.study.clone(), views.clone())) {
                    let found =
                        Found::new(CheckName::Completeness, Outcome::Fail, Reason::PromisedViewMissing);
                    lines.push(found.of(member.prior, &prior_exam.stamp).with("view", views));
                }
            }
        }
    }
    lines
}
