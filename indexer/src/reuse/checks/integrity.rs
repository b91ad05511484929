//! Integrity: verified by hash, original, decodable, not compressed beyond the limit, not withdrawn.

use super::super::answer::{CheckName, Outcome, Reason};
use super::super::policy::PolicyVersion;
use super::super::prior::{Prior, SeriesFacts, Stamp};
use super::standing::{is_withdrawn, safety_withdrawal};
use super::{Case, Found, Member};

/// Lines of each study.
pub(super) fn lines(case: &Case, members: &[&Member]) -> Vec<Found> {
    members.iter().flat_map(|member| of(case.policy, member.prior)).collect()
}

fn of(policy: &PolicyVersion, prior: &Prior) -> Vec<Found> {
    let stamp = &prior.integrity.stamp;
    let found = |outcome, reason| Found::new(CheckName::Integrity, outcome, reason).of(prior, stamp);
    let mut lines = Vec::new();
    if let Some((facility, withdrawal)) = safety_withdrawal(prior, policy) {
        let line = Found::new(CheckName::Integrity, Outcome::Fail, Reason::WithdrawnForSafety);
        let stamp = Stamp { at: withdrawal.at, rule: None };
        lines.push(line.of(prior, &stamp).with("facility", facility));
    } else if is_withdrawn(prior, policy) {
        lines.push(found(Outcome::Fail, Reason::Withdrawn));
    }
    let series = &prior.integrity.series;
    if series.is_empty() {
        lines.push(found(Outcome::Unknown, Reason::NoSeries));
    }
    lines.extend(verified(prior));
    lines.extend(original(policy, prior));
    let counted = &prior.completeness;
    let sampled = counted.tried_frames.zip(counted.all_frames).filter(|(tried, all)| tried < all);
    lines.push(match (counted.undecodable_frames, sampled) {
        (Some(0), None) => found(Outcome::Pass, Reason::FramesDecode),
        // Nothing is claimed of frames that nobody tried.
        (Some(0), Some((tried, all))) => {
            found(Outcome::Pass, Reason::SampledFramesDecode).with("tried", tried).with("frames", all)
        }
        (Some(frames), _) => found(Outcome::Fail, Reason::FramesDoNotDecode).with("frames", frames),
        (None, _) => found(Outcome::Unknown, Reason::DecodingNotExamined),
    });
    // Pictures of pictures are not the exam: how they are compressed says nothing about it.
    let exam_series = series.iter().filter(|series| is_original(series, policy) != Some(false));
    lines.extend(exam_series.map(|series| lossy(policy, prior, series)));
    lines
}

/// One line for all series that agree, one for each that does not.
fn verified(prior: &Prior) -> Vec<Found> {
    let mut lines = Vec::new();
    let mut oldest = None;
    for series in &prior.integrity.series {
        let at = series.verification.as_ref().map(|verification| verification.at);
        let stamp = Stamp { at, rule: None };
        let found = |outcome, reason| {
            let line = Found::new(CheckName::Integrity, outcome, reason).of(prior, &stamp);
            line.with("series", series.series.as_str())
        };
        match &series.verification {
            None => lines.push(found(Outcome::Unknown, Reason::NotVerified)),
            Some(made) if made.generation != series.generation => {
                lines.push(found(Outcome::Unknown, Reason::ChangedSinceVerification));
            }
            Some(made) if !made.intact => lines.push(found(Outcome::Fail, Reason::HashMismatch)),
            Some(made) => oldest = Some(oldest.map_or(made.at, |at| made.at.min(at))),
        }
    }
    if let Some(at) = oldest.filter(|_| lines.is_empty()) {
        let line = Found::new(CheckName::Integrity, Outcome::Pass, Reason::Verified);
        let day = at.to_string();
        lines.push(line.of(prior, &Stamp { at: Some(at), rule: None }).with("at", day));
    }
    lines
}

fn original(policy: &PolicyVersion, prior: &Prior) -> Option<Found> {
    let series = &prior.integrity.series;
    let best = series.iter().map(|series| match is_original(series, policy) {
        Some(true) => (Outcome::Pass, Reason::OriginalSeries),
        None => (Outcome::Unknown, Reason::OriginalityUnknown),
        Some(false) => (Outcome::Fail, Reason::NoOriginalSeries),
    });
    let (outcome, reason) = best.max_by_key(|(outcome, _)| *outcome)?;
    Some(Found::new(CheckName::Integrity, outcome, reason).of(prior, &prior.integrity.stamp))
}

/// Whether a series is one of the device's own: Image Type begins with ORIGINAL (or MIXED, PS3.3 C.8.16.1), or with
/// `DERIVED\PRIMARY` for the modalities of the policy; no secondary capture and no localiser.
pub(super) fn is_original(series: &SeriesFacts, policy: &PolicyVersion) -> Option<bool> {
    if series.secondary_capture == Some(true) {
        return Some(false);
    }
    let image_type = series.image_type.as_deref()?.to_uppercase();
    let values: Vec<&str> = image_type.split('\\').map(str::trim).collect();
    if values.iter().skip(2).any(|value| policy.not_an_exam_image_types.contains(*value)) {
        return Some(false);
    }
    let derived_counts = || {
        let modality = series.modality.as_deref();
        modality.is_some_and(|modality| policy.derived_primary_is_original.contains(modality))
    };
    let by_type = match (values.first().copied(), values.get(1).copied()) {
        (Some("ORIGINAL" | "MIXED"), _) => true,
        (Some("DERIVED"), Some("PRIMARY")) => derived_counts(),
        (Some("DERIVED"), _) => false,
        _ => return None,
    };
    if by_type && series.secondary_capture.is_none() { None } else { Some(by_type) }
}

fn lossy(policy: &PolicyVersion, prior: &Prior, series: &SeriesFacts) -> Found {
    let found = |outcome, reason| {
        let line = Found::new(CheckName::Integrity, outcome, reason).of(prior, &prior.integrity.stamp);
        line.with("series", series.series.as_str())
    };
    match (series.was_lossy, &series.lossy) {
        (Some(false), None) => found(Outcome::Pass, Reason::NotLossy),
        (None, None) => found(Outcome::Unknown, Reason::LossyNotExamined),
        (_, lossy) => {
            let ratio = lossy.as_ref().and_then(|lossy| lossy.ratio).filter(|ratio| ratio.is_finite());
            let limit = series.modality.as_ref().and_then(|modality| policy.lossy_ratio_limit.get(modality));
            match (ratio, limit) {
                (None, _) => found(Outcome::Unknown, Reason::LossyRatioNotTold),
                (Some(ratio), None) => found(Outcome::Unknown, Reason::LossyNoLimit).with("ratio", ratio),
                (Some(ratio), Some(limit)) => {
                    let (outcome, reason) = if ratio > *limit {
                        (Outcome::Fail, Reason::LossyBeyondLimit)
                    } else {
                        (Outcome::Pass, Reason::LossyWithinLimit)
                    };
                    found(outcome, reason).with("ratio", ratio).with("limit", *limit)
                }
            }
        }
    }
}
