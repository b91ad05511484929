//! Identity, withdrawal, quality, licence, and the clinical state that the orderer answers for.

use super::super::answer::{CheckName, Outcome, Reason};
use super::super::coverage::effective_regions;
use super::super::exam::ExamAxes;
use super::super::policy::{Floor, PolicyVersion};
use super::super::prior::{Holding, IdentityStatus, Mark, Prior, Withdrawal};
use super::super::techniques;
use super::{Case, Found, Member};

/// What the identity of a prior allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Standing {
    /// It is not listed at all.
    NotListed,
    /// The check fails.
    Failed,
    /// Nobody has confirmed it.
    Unknown,
    /// The same person.
    Confirmed,
}

/// The standing of an identity.
pub(in super::super) fn standing(status: IdentityStatus) -> Standing {
    match status {
        IdentityStatus::SameHospitalNumber
        | IdentityStatus::LinkedAutomatically
        | IdentityStatus::ConfirmedByPerson => Standing::Confirmed,
        IdentityStatus::Candidate => Standing::Unknown,
        IdentityStatus::Collision => Standing::Failed,
        IdentityStatus::Unlinked | IdentityStatus::DifferentPerson | IdentityStatus::PlaceholderName => {
            Standing::NotListed
        }
    }
}

/// The line of each study's identity.
pub(super) fn identity(members: &[&Member]) -> Vec<Found> {
    let of = |member: &&Member| {
        let facts = &member.prior.identity;
        let (outcome, reason) = match facts.status {
            IdentityStatus::SameHospitalNumber => (Outcome::Pass, Reason::IdentityHospitalNumber),
            IdentityStatus::LinkedAutomatically => (Outcome::Pass, Reason::IdentityPersonalNumber),
            IdentityStatus::ConfirmedByPerson => (Outcome::Pass, Reason::IdentityConfirmed),
            IdentityStatus::Candidate => (Outcome::Unknown, Reason::IdentityCandidate),
            // What is not listed does not come here; a collision is the careful reading.
            _ => (Outcome::Fail, Reason::IdentityCollision),
        };
        let line = Found::new(CheckName::Identity, outcome, reason).of(member.prior, &facts.stamp);
        if facts.grounds.is_empty() { line } else { line.with("grounds", facts.grounds.join(", ")) }
    };
    members.iter().map(of).collect()
}

/// The withdrawal for the safety of patients, by any facility.
pub(super) fn safety_withdrawal<'a>(
    prior: &'a Prior,
    policy: &PolicyVersion,
) -> Option<(&'a str, &'a Withdrawal)> {
    let of = |holding: &'a Holding| Some((holding.facility.as_str(), holding.withdrawn.as_ref()?));
    prior.holdings.iter().filter_map(of).find(|(_, made)| policy.safety_reasons.contains(&made.reason))
}

/// Whether a study counts as withdrawn: no holding is left, or a facility withdrew it for the safety of patients.
pub(in super::super) fn is_withdrawn(prior: &Prior, policy: &PolicyVersion) -> bool {
    prior.holdings.iter().all(|holding| holding.withdrawn.is_some())
        || safety_withdrawal(prior, policy).is_some()
}

/// Readers' marks, else the technical floors.
pub(super) fn quality(case: &Case, members: &[&Member]) -> Vec<Found> {
    members.iter().flat_map(|member| quality_of(case, member)).collect()
}

fn quality_of(case: &Case, member: &Member) -> Vec<Found> {
    let (prior, facts) = (member.prior, &member.prior.quality);
    let found =
        |outcome, reason| Found::new(CheckName::QualityFloor, outcome, reason).of(prior, &facts.stamp);
    // Of marks made at one moment the worst counts.
    let newest = facts.marks.iter().max_by_key(|mark| (mark.at, std::cmp::Reverse(mark.mark)));
    if let Some(mark) = newest {
        let (outcome, reason) = match mark.mark {
            Mark::Adequate => (Outcome::Pass, Reason::MarkedAdequate),
            Mark::Limited => (Outcome::Fail, Reason::MarkedLimited),
            Mark::NonDiagnostic => (Outcome::Fail, Reason::MarkedNonDiagnostic),
        };
        let stamp = super::Stamp { at: Some(mark.at), rule: None };
        let line = Found::new(CheckName::QualityFloor, outcome, reason).of(prior, &stamp);
        return vec![line.with("reader", mark.reader.clone().unwrap_or_default())];
    }
    let mut lines = Vec::new();
    for floor in case.policy.floors.iter().filter(|floor| applies(floor, case)) {
        let line = match facts.values.get(&floor.value) {
            None => found(Outcome::Unknown, Reason::FloorValueNotTold),
            Some(value) => {
                let met = floor.at_least.is_none_or(|least| *value >= least)
                    && floor.at_most.is_none_or(|most| *value <= most);
                let (outcome, reason) =
                    if met { (Outcome::Pass, Reason::FloorMet) } else { (Outcome::Fail, Reason::BelowFloor) };
                found(outcome, reason).with("value", *value)
            }
        };
        let line = floor.at_least.into_iter().fold(line, |line, least| line.with("at_least", least));
        let line = floor.at_most.into_iter().fold(line, |line, most| line.with("at_most", most));
        lines.push(line.with("name", floor.value.as_str()));
    }
    if lines.is_empty() {
        lines.push(found(Outcome::Unknown, Reason::NoFloor));
    }
    lines
}

fn applies(floor: &Floor, case: &Case) -> bool {
    let policy = &case.policy.coverage;
    let of_axes = |axes: &ExamAxes| {
        let word = axes.modality.as_ref().map(|word| policy.modality_words.get(word).unwrap_or(word));
        word == Some(&floor.modality)
            && (floor.regions.is_empty() || !effective_regions(axes, policy).is_disjoint(&floor.regions))
    };
    case.order.exams.iter().zip(&case.ordered).any(|(exam, axes)| {
        let technique = techniques::technique(exam.technique.as_deref(), &exam.codes);
        let named = technique.is_some_and(|technique| floor.techniques.contains(&technique));
        of_axes(axes) && (floor.techniques.is_empty() || named)
    })
}

/// The licence of the facility of each study.
pub(super) fn licence(members: &[&Member]) -> Vec<Found> {
    let of = |member: &&Member| {
        let facts = &member.prior.licence;
        let (outcome, reason) = match facts.licensed {
            Some(true) => (Outcome::Pass, Reason::Licensed),
            Some(false) => (Outcome::Fail, Reason::NotLicensed),
            None => (Outcome::Unknown, Reason::LicenceUnknown),
        };
        let line = Found::new(CheckName::Licence, outcome, reason).of(member.prior, &facts.stamp);
        line.with("facility", member.prior.facility.clone().unwrap_or_default())
    };
    members.iter().map(of).collect()
}

/// The answer of the orderer, where it was asked or has to be.
pub(super) fn clinical_state(case: &Case) -> Vec<Found> {
    let found = |outcome, reason| vec![Found::new(CheckName::ClinicalState, outcome, reason)];
    match case.order.clinical_state_changed {
        Some(true) => found(Outcome::Fail, Reason::ClinicalStateHasChanged),
        Some(false) => found(Outcome::Pass, Reason::ClinicalStateUnchanged),
        None if case.order.urgency.is_urgent() => found(Outcome::Unknown, Reason::ClinicalStateNotAsked),
        None => Vec::new(),
    }
}
