//! Report: a newest version that is approved, names its reader and is signed.

use std::collections::BTreeMap;

use super::super::answer::{CheckName, Outcome, Reason};
use super::super::prior::{Prior, ReportStatus, ReportVersion, Signature, Stamp};
use super::{Case, Found, Member};

/// Lines of each study.
pub(super) fn lines(case: &Case, members: &[&Member]) -> Vec<Found> {
    members.iter().map(|member| of(case, member.prior)).collect()
}

/// The line of the study's best report, unless one is cancelled and none is valid.
fn of(case: &Case, prior: &Prior) -> Found {
    let mut newest: BTreeMap<&str, &ReportVersion> = BTreeMap::new();
    for version in &prior.reports {
        let known = newest.entry(version.report.as_str()).or_insert(version);
        if version.version > known.version {
            *known = version;
        }
    }
    let cancelled = newest.values().find(|version| version.status == Some(ReportStatus::Cancelled));
    let judged = newest.values().map(|version| (judge(version, case.policy.signature), *version));
    let best = judged.max_by_key(|((outcome, _), _)| *outcome);
    let line =
        |outcome, reason, stamp: &Stamp| Found::new(CheckName::Report, outcome, reason).of(prior, stamp);
    match (best, cancelled) {
        (Some(((Outcome::Pass, reason), version)), _) => {
            let reader = version.reader.clone().unwrap_or_default();
            line(Outcome::Pass, reason, &version.stamp).with("reader", reader)
        }
        (_, Some(version)) => line(Outcome::Fail, Reason::ReportCancelled, &version.stamp),
        (Some(((outcome, reason), version)), None) => line(outcome, reason, &version.stamp),
        (None, None) => line(Outcome::Unknown, Reason::ReportNone, &Stamp::default()),
    }
}

fn judge(version: &ReportVersion, least: Signature) -> (Outcome, Reason) {
    match version.status {
        None => return (Outcome::Unknown, Reason::ReportStatusNotTold),
        Some(ReportStatus::Draft) => return (Outcome::Fail, Reason::ReportDraft),
        Some(ReportStatus::Cancelled) => return (Outcome::Fail, Reason::ReportCancelled),
        Some(ReportStatus::Final | ReportStatus::Amended) => {}
    }
    let unsigned = version.signature == Signature::Unsigned;
    if !unsigned && version.reader.as_deref().is_none_or(|reader| reader.trim().is_empty()) {
        return (Outcome::Fail, Reason::ReportReaderMissing);
    }
    match version.signature {
        Signature::Unsigned => (Outcome::Fail, Reason::ReportUnsigned),
        Signature::NotTold => (Outcome::Unknown, Reason::ReportSignatureNotTold),
        Signature::Verified => (Outcome::Pass, Reason::ReportSignedVerified),
        Signature::Declared if least == Signature::Verified => {
            (Outcome::Unknown, Reason::ReportSignatureNotVerified)
        }
        Signature::Declared => (Outcome::Pass, Reason::ReportSignedDeclared),
    }
}
