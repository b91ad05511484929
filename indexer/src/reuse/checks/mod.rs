//! The checks beside coverage. Each turns evidence of a set of studies into lines; none knows the verdict, only what
//! the policy says that a line does to it.

mod age;
mod completeness;
mod integrity;
mod report;
mod standing;

use std::collections::BTreeMap;

use super::answer::{Check, CheckName, Effect, Line, Outcome, Reason, Value};
use super::coverage::{Need, Stored, cover};
use super::day::Date;
use super::exam::ExamAxes;
use super::order::Order;
use super::policy::PolicyVersion;
use super::prior::{Prior, Stamp};

pub(super) use age::believed;
pub(super) use standing::{Standing, is_withdrawn, standing};

/// What is asked, made ready once for all priors.
pub(super) struct Case<'a> {
    pub(super) order: &'a Order,
    pub(super) ordered: Vec<ExamAxes>,
    pub(super) needs: Vec<Need>,
    pub(super) policy: &'a PolicyVersion,
    pub(super) today: Date,
}

/// A study with its exams made ready.
pub(super) struct Member<'a> {
    pub(super) prior: &'a Prior,
    pub(super) stored: Stored<'a>,
}

/// A line in the making.
struct Found {
    check: CheckName,
    outcome: Outcome,
    reason: Reason,
    values: BTreeMap<String, Value>,
    study: Option<String>,
    stamp: Stamp,
}

impl Found {
    fn new(check: CheckName, outcome: Outcome, reason: Reason) -> Found {
        Found { check, outcome, reason, values: BTreeMap::new(), study: None, stamp: Stamp::default() }
    }

    fn of(mut self, prior: &Prior, stamp: &Stamp) -> Found {
        self.study = Some(prior.study.clone());
        self.stamp = stamp.clone();
        self
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Found {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    fn line(self, policy: &PolicyVersion) -> Line {
        let effects = &policy.effects;
        let of_outcome = match self.outcome {
            Outcome::Fail => effects.fail.get(&self.check),
            Outcome::Unknown => effects.unknown.get(&self.check),
            Outcome::Pass => None,
        };
        let effect = effects.reasons.get(&self.reason).or(of_outcome).copied().unwrap_or(Effect::Shown);
        Line {
            reason: self.reason,
            outcome: self.outcome,
            effect,
            values: self.values,
            study: self.study,
            at: self.stamp.at,
            rule: self.stamp.rule,
        }
    }
}

/// All checks of a set of studies, in the fixed order of [`CheckName`], and whether the set is exactly what is ordered.
pub(super) fn checks(case: &Case, members: &[&Member]) -> (Vec<Check>, bool) {
    let stored: Vec<&Stored> = members.iter().map(|member| &member.stored).collect();
    let covered = cover(&case.needs, &case.ordered, &stored, &case.policy.coverage);
    let coverage = covered.findings.into_iter().map(|finding| {
        let stamp = members
            .iter()
            .find(|member| Some(&member.prior.study) == finding.study.as_ref())
            .and_then(|member| member.prior.exams.first())
            .map(|exam| exam.stamp.clone())
            .unwrap_or_default();
        Found {
            check: CheckName::Coverage,
            outcome: finding.outcome,
            reason: finding.reason,
            values: finding.values,
            study: finding.study,
            stamp,
        }
    });
    let found = [
        (CheckName::Identity, standing::identity(members)),
        (CheckName::Coverage, coverage.collect()),
        (CheckName::Integrity, integrity::lines(case, members)),
        (CheckName::Completeness, completeness::lines(case, members)),
        (CheckName::Report, report::lines(case, members)),
        (CheckName::QualityFloor, standing::quality(case, members)),
        (CheckName::Age, age::lines(case, members)),
        (CheckName::Licence, standing::licence(members)),
        (CheckName::ClinicalState, standing::clinical_state(case)),
    ];
    let made = found.into_iter().filter(|(_, found)| !found.is_empty());
    (made.map(|(name, found)| check(name, found, case.policy)).collect(), covered.exact)
}

/// The worst that a study alone does to the verdict apart from what it covers.
pub(super) fn worst_beside_coverage(case: &Case, member: &Member) -> Effect {
    let (checks, _) = checks(case, &[member]);
    let others = checks.iter().filter(|check| check.name != CheckName::Coverage);
    others.map(|check| check.effect).max().unwrap_or(Effect::Shown)
}

fn check(name: CheckName, found: Vec<Found>, policy: &PolicyVersion) -> Check {
    let mut lines: Vec<Line> = found.into_iter().map(|found| found.line(policy)).collect();
    lines.sort_by_key(|line| (std::cmp::Reverse(line.effect), line.outcome, line.reason));
    Check {
        name,
        outcome: lines.iter().map(|line| line.outcome).min().unwrap_or(Outcome::Unknown),
        effect: lines.iter().map(|line| line.effect).max().unwrap_or(Effect::Shown),
        at: lines.iter().filter_map(|line| line.at).min(),
        lines,
        rule: policy.id.clone(),
    }
}
