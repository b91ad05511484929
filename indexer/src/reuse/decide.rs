//! The decision itself: which priors are listed, in which sets, with which verdict, in which order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::answer::{
    Answer, Check, CheckName, Effect, Listed, OtherExam, Outcome, Question, ShortReason, Verdict,
    WhyNotApplicable,
};
use super::checks::{Case, Member, Standing, believed, checks, is_withdrawn, standing};
use super::coverage::{Evidence, Exam, Stored, needs, related};
use super::day::Date;
use super::exam::ExamAxes;
use super::order::{Order, OrderedExam};
use super::policy::{Policy, PolicyVersion};
use super::prior::{Prior, PriorExam};
use super::techniques::TechniqueAxes;
use super::{body_part, techniques, visit};

/// Answers an order from what is known about the patient's studies, by the policy in force on `today`.
///
/// It reads no clock and no store: the same arguments give the same answer. Removing evidence that speaks for a prior
/// never improves that prior's verdict.
#[must_use]
pub fn decide(order: &Order, priors: &[Prior], policy: &Policy, today: Date) -> Answer {
    let policy = policy.in_force(today);
    let ordered: Vec<ExamAxes> = order.exams.iter().map(|exam| axes_of_ordered(exam, policy)).collect();
    let needs = needs(&ordered, &policy.coverage);
    let case = Case { order, ordered, needs, policy, today };
    let not_applicable = why_not_applicable(&case);
    let offered = priors.iter().filter(|prior| standing(prior.identity.status) != Standing::NotListed);
    let members: Vec<Member> = offered.map(|prior| member(prior, policy)).collect();
    let (near, other): (Vec<Member>, Vec<Member>) =
        members.into_iter().partition(|member| is_near(member, &case));
    let mut listed = visits(&case, near, not_applicable.is_some());
    listed.sort_by_key(ranking);
    let mut other_exams: Vec<OtherExam> = other.iter().map(|member| other_exam(member, &case)).collect();
    other_exams.sort_by(|one, other| {
        (Reverse(one.performed), &one.study).cmp(&(Reverse(other.performed), &other.study))
    });
    let asked = order.urgency.is_urgent() && order.clinical_state_changed.is_none();
    Answer {
        order: order.id.clone(),
        verdict: listed.first().map(|first| first.verdict),
        found_nothing: listed.is_empty(),
        not_applicable,
        must_ask: asked.then_some(Question::ClinicalStateChanged),
        priors: listed,
        other_exams,
        archives: order.archives.clone(),
        today,
        policy: policy.id.clone(),
    }
}

fn axes_of_ordered(exam: &OrderedExam, policy: &PolicyVersion) -> ExamAxes {
    let axes = techniques::axes(&exam.axes, exam.technique.as_deref(), &exam.codes);
    body_part::in_words(axes, &policy.coverage)
}

fn why_not_applicable(case: &Case) -> Option<WhyNotApplicable> {
    let rules = &case.policy.not_applicable;
    if rules.purposes.contains(&case.order.purpose) {
        return Some(WhyNotApplicable::Purpose(case.order.purpose));
    }
    let words = &case.policy.coverage.modality_words;
    let dynamic = |(exam, axes): (&OrderedExam, &ExamAxes)| {
        let technique = techniques::technique(exam.technique.as_deref(), &exam.codes);
        let by_technique = technique.filter(|technique| rules.techniques.contains(technique));
        let word = axes.modality.as_ref().map(|modality| words.get(modality).unwrap_or(modality));
        let by_modality = word.filter(|word| rules.modalities.contains(*word)).cloned();
        let by_kind = axes.kind.clone().filter(|kind| rules.kinds.contains(kind));
        let procedure = techniques::technique(exam.technique.as_deref(), &exam.codes).filter(|technique| {
            matches!(techniques::of_technique(technique),
                Some(TechniqueAxes::NotComparable(why)) if rules.not_comparable.contains(why))
        });
        by_technique.or(by_modality).or(by_kind).or(procedure)
    };
    case.order.exams.iter().zip(&case.ordered).find_map(dynamic).map(WhyNotApplicable::AlwaysDynamic)
}

/// A study with its exams made ready: axes of the techniques filled in, the modality of the images where no code says one.
fn member<'a>(prior: &'a Prior, policy: &PolicyVersion) -> Member<'a> {
    let words = &policy.coverage.modality_words;
    let word = |modality: &String| words.get(modality).unwrap_or(modality).clone();
    let of_images: BTreeSet<String> = prior.modalities.iter().map(word).collect();
    let exam = |exam: &PriorExam| {
        let mut axes = techniques::axes(&exam.axes, exam.technique.as_deref(), &exam.codes);
        let told = axes.modality.as_ref().map(word);
        // A code of another modality than the images have is not what is stored: it fails, and is not mended.
        let elsewhere = told.as_ref().is_some_and(|told| !of_images.is_empty() && !of_images.contains(told));
        if told.is_none() && of_images.len() == 1 {
            axes.modality = of_images.first().cloned();
        }
        let coded = exam.technique.is_some() || !exam.codes.is_empty();
        Exam {
            axes: body_part::in_words(axes, &policy.coverage),
            strong: coded && policy.code_sources.contains(&exam.source),
            evidence: Evidence::of(&exam.evidenced, &policy.axis_sources),
            elsewhere: elsewhere.then(|| of_images.iter().cloned().collect::<Vec<_>>().join(", ")),
        }
    };
    let exams = prior.exams.iter().map(exam).collect();
    Member { prior, stored: Stored::new(&prior.study, exams, &prior.images, &policy.coverage) }
}

/// Whether a study is listed as a prior, not folded under other exams. What is not known is no reason to fold.
fn is_near(member: &Member, case: &Case) -> bool {
    let policy = &case.policy.coverage;
    if case.needs.is_empty() {
        return true;
    }
    let near = |axes: &ExamAxes| case.ordered.iter().any(|ordered| related(ordered, axes, policy));
    let of_modality = |axes: &ExamAxes, modality: &String| {
        near(&ExamAxes { modality: Some(modality.clone()), ..axes.clone() })
    };
    let exams = &member.stored.exams;
    if exams.is_empty() {
        let modalities = &member.prior.modalities;
        let any = modalities.iter().any(|modality| of_modality(&ExamAxes::default(), modality));
        return modalities.is_empty() || any;
    }
    if exams.iter().all(|exam| exam.elsewhere.is_some()) {
        // No code fits the images: by what they are or by what is said of them it may be asked for.
        let modalities = &member.prior.modalities;
        return exams.iter().any(|exam| {
            near(&exam.axes) || modalities.iter().any(|modality| of_modality(&exam.axes, modality))
        });
    }
    exams.iter().filter(|exam| exam.elsewhere.is_none()).any(|exam| near(&exam.axes))
}

fn other_exam(member: &Member, case: &Case) -> OtherExam {
    let prior = member.prior;
    let at = believed(prior, case.policy, case.today);
    OtherExam {
        study: prior.study.clone(),
        facility: prior.facility.clone(),
        performed: at.map(|at| at.day(case.policy.utc_offset_minutes)),
        pictures: standing(prior.identity.status) == Standing::Confirmed && !is_withdrawn(prior, case.policy),
    }
}

/// The priors: from each visit the set that answers best, then what is left of it, until all are listed.
fn visits(case: &Case, near: Vec<Member>, not_applicable: bool) -> Vec<Listed> {
    let mut listed = Vec::new();
    let (withdrawn, mut left): (Vec<Member>, Vec<Member>) =
        near.into_iter().partition(|member| is_withdrawn(member.prior, case.policy));
    listed.extend(withdrawn.iter().map(|member| list(case, &[member], not_applicable)));
    left.sort_by(|one, other| {
        (one.prior.performed.at, &one.prior.study).cmp(&(other.prior.performed.at, &other.prior.study))
    });
    for group in visit::groups(case, left) {
        listed.extend(of_group(case, group, not_applicable));
    }
    listed
}

/// The lines of studies that belong together. What covers nothing of the order beside a line of its visit is named in
/// that line and has none of its own.
fn of_group(case: &Case, group: Vec<Member>, not_applicable: bool) -> Vec<Listed> {
    let mut listed: Vec<Listed> = Vec::new();
    let mut taken: Vec<&Member> = Vec::new();
    let made = |set: &[usize]| {
        let members: Vec<&Member> = set.iter().filter_map(|at| group.get(*at)).collect();
        list(case, &members, not_applicable)
    };
    let mut candidates = visit::Candidates::of(case, &group);
    let mut known: BTreeMap<Vec<usize>, Listed> = BTreeMap::new();
    loop {
        let sets = candidates.sets();
        known.retain(|set, _| candidates.has(set));
        for set in &sets {
            known.entry(set.clone()).or_insert_with(|| made(set));
        }
        let of_sets = known.iter().filter(|(set, _)| sets.contains(*set));
        let best = of_sets.min_by(|one, other| preference(one.1).cmp(&preference(other.1)));
        let Some(set) = best.map(|(set, _)| set.clone()) else { break };
        let Some(best) = known.remove(&set) else { break };
        candidates.take(&set);
        let of_set: Vec<&Member> = set.iter().filter_map(|at| group.get(*at)).collect();
        let beside = of_set.iter().all(|one| taken.iter().any(|other| visit::together(case, one, other)));
        match listed.first_mut().filter(|_| beside && !covers(&best)) {
            Some(first) => first.same_visit.extend(best.studies),
            None => {
                listed.push(best);
                taken.extend(of_set);
            }
        }
    }
    listed
}

fn covers(listed: &Listed) -> bool {
    let failed = |check: &&Check| check.name == CheckName::Coverage && check.outcome == Outcome::Fail;
    !listed.checks.iter().any(|check| failed(&check))
}

/// Which set of a visit is taken: the best verdict, then exactly what is ordered, then the fewest reasons against it,
/// then the most studies.
fn preference(listed: &Listed) -> impl Ord + use<> {
    let against = listed.reasons.iter().filter(|reason| reason.effect > Effect::Shown).count();
    let studies = listed.studies.clone();
    (
        Reverse(listed.verdict),
        Reverse(listed.exact),
        against,
        Reverse(studies.len()),
        Reverse(listed.performed),
        studies,
    )
}

/// A set of studies with its checks and verdict.
fn list(case: &Case, members: &[&Member], not_applicable: bool) -> Listed {
    let (checks, exact) = checks(case, members);
    let worst = |name: Option<CheckName>| {
        let of = checks.iter().filter(|check| name.is_none_or(|name| check.name == name));
        of.map(|check| check.effect).max().unwrap_or(Effect::Shown)
    };
    let withdrawn = members.iter().any(|member| is_withdrawn(member.prior, case.policy));
    let standing = members.iter().map(|member| standing(member.prior.identity.status)).min();
    // A collision is shown as not usable whatever is ordered: it may be another person.
    let collides = standing.is_none_or(|standing| standing <= Standing::Failed);
    let verdict = match worst(None) {
        _ if not_applicable && !collides => Verdict::NotApplicable,
        Effect::NotUsable => Verdict::NotUsable,
        Effect::Review => Verdict::Review,
        Effect::Shown => Verdict::Usable,
    };
    let days = members.iter().map(|member| {
        believed(member.prior, case.policy, case.today).map(|at| at.day(case.policy.utc_offset_minutes))
    });
    // A set is as old as its oldest study; one whose time is not known makes that of the set unknown.
    let performed: Option<Date> = days.collect::<Option<Vec<Date>>>().and_then(|days| days.into_iter().min());
    let confirmed = standing == Some(Standing::Confirmed);
    let mut reasons: Vec<ShortReason> = Vec::new();
    for (name, line) in checks.iter().flat_map(|check| check.lines.iter().map(|line| (check.name, line))) {
        if line.outcome != Outcome::Pass || line.effect > Effect::Shown {
            let known =
                reasons.iter().any(|known| known.reason == line.reason && known.values == line.values);
            if !known {
                let (reason, values) = (line.reason, line.values.clone());
                reasons.push(ShortReason { check: name, reason, effect: line.effect, values });
            }
        }
    }
    // Worst first; of one effect in the order of the codes, which begins with withdrawal and identity.
    reasons.sort_by_key(|reason| (Reverse(reason.effect), reason.reason));
    Listed {
        studies: members.iter().map(|member| member.prior.study.clone()).collect(),
        facility: members.first().and_then(|member| member.prior.facility.clone()),
        verdict,
        exact,
        confirmed,
        pictures: confirmed && !withdrawn,
        report: confirmed && !withdrawn,
        performed,
        days_ago: performed.map(|day| case.today.days_since(day)),
        reasons,
        checks,
        same_visit: Vec::new(),
    }
}

/// By verdict, confirmed before candidate, exact before wider, newer first; then by name, so that it is one order.
fn ranking(listed: &Listed) -> impl Ord + use<> {
    // Under an order to which the decision does not apply, withdrawn priors come after those that can be looked at.
    let withdrawn = listed.confirmed && !listed.pictures;
    (
        Reverse(listed.verdict),
        Reverse(listed.confirmed),
        withdrawn,
        Reverse(listed.exact),
        Reverse(listed.performed),
        listed.studies.clone(),
    )
}
