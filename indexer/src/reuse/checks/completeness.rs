//! Completeness: gaps, frames that do not decode, fewer images than expected, views that the code promises.

use std::collections::BTreeSet;

use super::super::answer::{CheckName, Outcome, Reason};
use super::super::coverage::{Stored, ViewSeen, promised_view, short_of_images};
use super::super::prior::ExpectedSource;
use super::{Case, Found, Member};

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
    let mut lines = Vec::new();
    let expected = facts.expected.iter().max_by_key(|expected| expected.images);
    lines.push(match (facts.received_images, expected) {
        (_, None) => found(Outcome::Unknown, Reason::ExpectedNotTold),
        (None, Some(_)) => found(Outcome::Unknown, Reason::ReceivedNotCounted),
        (Some(received), Some(expected)) => {
            let part = u64::from(received) * 100;
            let (outcome, reason) = if received >= expected.images {
                (Outcome::Pass, Reason::ReceivedAll)
            } else if part < u64::from(expected.images) * case.policy.received_below_percent {
                (Outcome::Fail, Reason::ReceivedBelowHalf)
            } else {
                (Outcome::Fail, Reason::ReceivedFewer)
            };
            let source = match expected.source {
                ExpectedSource::Mpps => "mpps",
                ExpectedSource::Sender => "sender",
            };
            found(outcome, reason)
                .with("received", received)
                .with("expected", expected.images)
                .with("source", source)
        }
    });
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
