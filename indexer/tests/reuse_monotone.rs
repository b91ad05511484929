//! Removing evidence that speaks for a prior never improves its verdict.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod reuse_world;

use indexer::reuse::prior::{
    Holding, IdentityStatus, Lossy, Mark, ReportStatus, ReportVersion, SeriesFacts, Signature, Source,
    Verification,
};
use indexer::reuse::{CheckName, Date, Order, Outcome, Policy, Prior, Verdict, decide};
use proptest::prelude::*;
use reuse_world::{TODAY, any_order, any_prior, before, policy};

/// What a removal needs to know: how the prior stands now, because the same value can speak for or against.
struct Now<'a> {
    outcome: &'a dyn Fn(CheckName) -> Option<Outcome>,
    /// Whether another prior is of another episode: that speaks against being one visit with it.
    apart: bool,
}

impl Now<'_> {
    fn fails(&self, name: CheckName) -> bool {
        (self.outcome)(name) == Some(Outcome::Fail)
    }
}

/// A way of removing evidence, which says whether there was something to remove.
type Removal = (&'static str, fn(&mut Prior, &Now) -> bool);

/// Every way of removing evidence that speaks for a prior.
fn removals() -> Vec<Removal> {
    [of_person_and_exam(), of_images_and_time(), of_bytes(), of_report_and_rest()].concat()
}

fn set<T: PartialEq>(place: &mut T, value: T) -> bool {
    let changed = *place != value;
    *place = value;
    changed
}

fn of_person_and_exam() -> Vec<Removal> {
    vec![
        ("identity is a candidate", |p, _| set(&mut p.identity.status, IdentityStatus::Candidate)),
        ("identity is a collision", |p, _| set(&mut p.identity.status, IdentityStatus::Collision)),
        ("facility", |p, _| p.facility.take().is_some()),
        ("episode", |p, now| !now.apart && p.episode.take().is_some()),
        // A code that promises views speaks against a prior without them too: only its source is weakened.
        ("source of codes", |p, _| {
            p.exams.iter_mut().fold(false, |any, e| any | set(&mut e.source, Source::Derived))
        }),
        ("evidenced regions", |p, _| {
            p.exams.iter_mut().fold(false, |any, e| any | set(&mut e.evidenced.region, Default::default()))
        }),
        ("evidenced sides", |p, _| {
            p.exams.iter_mut().fold(false, |any, e| any | set(&mut e.evidenced.side, Default::default()))
        }),
        ("evidenced views", |p, _| {
            p.exams.iter_mut().fold(false, |any, e| any | set(&mut e.evidenced.view, Default::default()))
        }),
        ("evidenced contrast", |p, _| {
            p.exams.iter_mut().fold(false, |any, e| any | set(&mut e.evidenced.contrast, Default::default()))
        }),
    ]
}

fn of_images_and_time() -> Vec<Removal> {
    vec![
        // A side, view or contrast in the images that contradicts the code or leaves it in doubt speaks against.
        ("images", |p, now| {
            (now.outcome)(CheckName::Coverage) == Some(Outcome::Pass)
                && !now.fails(CheckName::Completeness)
                && p.images.pop().is_some()
        }),
        ("views of images", |p, now| {
            let well = !now.fails(CheckName::Coverage) && !now.fails(CheckName::Completeness);
            well && (now.outcome)(CheckName::Coverage) == Some(Outcome::Pass)
                && p.images.iter_mut().fold(false, |any, i| any | i.view.take().is_some())
        }),
        ("sides of images", |p, now| {
            (now.outcome)(CheckName::Coverage) == Some(Outcome::Pass)
                && !now.fails(CheckName::Completeness)
                && p.images.iter_mut().fold(false, |any, i| any | i.side.take().is_some())
        }),
        ("contrast of images", |p, now| {
            (now.outcome)(CheckName::Coverage) == Some(Outcome::Pass)
                && p.images.iter_mut().fold(false, |any, i| any | i.contrast.take().is_some())
        }),
        // A time that is too old speaks against; one that lowers nothing speaks for.
        ("believable clock", |p, now| {
            let old = p.performed.at.is_none_or(|at| at.ms < before(365 * 24).ms);
            !now.fails(CheckName::Age) && !old && set(&mut p.performed.clock_believable, None)
        }),
        ("performed time", |p, now| {
            let old = p.performed.at.is_none_or(|at| at.ms < before(365 * 24).ms);
            !now.fails(CheckName::Age) && !old && p.performed.at.take().is_some()
        }),
    ]
}

fn of_bytes() -> Vec<Removal> {
    vec![
        ("received count", |p, now| {
            !now.fails(CheckName::Completeness) && p.completeness.received_images.take().is_some()
        }),
        ("expected count", |p, now| {
            !now.fails(CheckName::Completeness) && p.completeness.expected.pop().is_some()
        }),
        ("what devices told", |p, now| {
            !now.fails(CheckName::Completeness) && p.completeness.steps.take().is_some()
        }),
        ("a picture that a device told of", |p, _| {
            let steps = p.completeness.steps.as_mut();
            steps.is_some_and(|it| {
                let less = it.received_images.saturating_sub(1);
                set(&mut it.received_images, less)
            })
        }),
        ("no gaps", |p, _| p.completeness.slice_gaps == Some(0) && set(&mut p.completeness.slice_gaps, None)),
        ("frames decode", |p, _| {
            p.completeness.undecodable_frames == Some(0) && set(&mut p.completeness.undecodable_frames, None)
        }),
        ("verification", |p, _| {
            let intact = |s: &SeriesFacts| s.verification.as_ref().is_some_and(|v| v.intact);
            p.integrity
                .series
                .iter_mut()
                .filter(|s| intact(s))
                .fold(false, |any, s| any | s.verification.take().is_some())
        }),
        ("generation of the verification", |p, _| {
            let intact = |s: &&mut SeriesFacts| {
                s.verification.as_ref().is_some_and(|v| v.intact && v.generation == s.generation)
            };
            p.integrity.series.iter_mut().filter(intact).fold(false, |_, s| {
                s.generation += 1;
                true
            })
        }),
        ("original image type", |p, _| {
            let original =
                |s: &&mut SeriesFacts| s.image_type.as_deref().is_some_and(|t| t.starts_with("ORIGINAL"));
            p.integrity
                .series
                .iter_mut()
                .filter(original)
                .fold(false, |any, s| any | s.image_type.take().is_some())
        }),
        ("no secondary capture", |p, _| {
            let known = |s: &&mut SeriesFacts| s.secondary_capture == Some(false);
            p.integrity
                .series
                .iter_mut()
                .filter(known)
                .fold(false, |any, s| any | s.secondary_capture.take().is_some())
        }),
        ("not lossy", |p, _| {
            let not = |s: &&mut SeriesFacts| s.was_lossy == Some(false);
            p.integrity.series.iter_mut().filter(not).fold(false, |any, s| any | s.was_lossy.take().is_some())
        }),
        ("ratio within the limit", |p, _| {
            let within = |s: &&mut SeriesFacts| s.lossy.as_ref().is_some_and(|l| l.ratio == Some(5.0));
            p.integrity.series.iter_mut().filter(within).fold(false, |_, s| {
                s.lossy = Some(Lossy { ratio: None });
                true
            })
        }),
    ]
}

fn of_report_and_rest() -> Vec<Removal> {
    vec![
        ("holding", |p, _| {
            let before = p.holdings.len();
            p.holdings.retain(|holding| holding.withdrawn.is_some());
            p.holdings.len() < before
        }),
        ("valid report", |p, now| {
            let passes = (now.outcome)(CheckName::Report) == Some(Outcome::Pass);
            let approved =
                |r: &ReportVersion| matches!(r.status, Some(ReportStatus::Final | ReportStatus::Amended));
            let before = p.reports.len();
            p.reports.retain(|report| !(passes && approved(report)));
            p.reports.len() < before
        }),
        ("status of a valid report", |p, now| {
            (now.outcome)(CheckName::Report) == Some(Outcome::Pass)
                && p.reports.iter_mut().fold(false, |any, r| any | r.status.take().is_some())
        }),
        ("reader", |p, _| p.reports.iter_mut().fold(false, |any, r| any | r.reader.take().is_some())),
        ("signature", |p, _| {
            p.reports.iter_mut().fold(false, |any, r| any | set(&mut r.signature, Signature::NotTold))
        }),
        ("signature verified", |p, _| {
            let verified = |r: &&mut ReportVersion| r.signature == Signature::Verified;
            p.reports
                .iter_mut()
                .filter(verified)
                .fold(false, |any, r| any | set(&mut r.signature, Signature::Declared))
        }),
        ("adequate mark", |p, _| {
            let before = p.quality.marks.len();
            p.quality.marks.retain(|mark| mark.mark != Mark::Adequate);
            p.quality.marks.len() < before
        }),
        ("licence", |p, _| p.licence.licensed == Some(true) && set(&mut p.licence.licensed, None)),
    ]
}

/// The verdict of the line in which a study stands, alone or with its visit; not listed is the worst.
fn verdict_of(answer: &indexer::reuse::Answer, study: &str) -> Option<Verdict> {
    let named = |s: &&indexer::reuse::answer::Listed| s.studies.iter().any(|it| it == study);
    answer.priors.iter().find(named).map(|listed| listed.verdict)
}

thread_local! {
    /// Verdicts that were seen, and removals that lowered one: a property over nothing would hold too.
    static SEEN: std::cell::RefCell<std::collections::BTreeMap<String, u32>> = std::cell::RefCell::default();
}

fn seen(what: String) {
    SEEN.with_borrow_mut(|seen| *seen.entry(what).or_default() += 1);
}

/// A prior of which some parts are put right, so that usable ones are seen as well.
fn mended(mut prior: Prior, mends: &[bool], order: &Order) -> Prior {
    if mends[0] {
        prior.integrity.series.truncate(1);
        for series in &mut prior.integrity.series {
            series.verification = Some(Verification { intact: true, generation: 2, at: before(10) });
            series.image_type = Some("ORIGINAL\\PRIMARY".into());
            (series.secondary_capture, series.was_lossy, series.lossy) = (Some(false), Some(false), None);
        }
    }
    if mends[1] {
        prior.reports.truncate(1);
        for report in &mut prior.reports {
            (report.status, report.reader) = (Some(ReportStatus::Final), Some("reader".into()));
            report.signature = Signature::Declared;
        }
    }
    if mends[2] {
        let facts = &mut prior.completeness;
        (facts.received_images, facts.slice_gaps, facts.undecodable_frames) = (Some(10), Some(0), Some(0));
    }
    if mends[3] {
        prior.exams.truncate(1);
        for (exam, ordered) in prior.exams.iter_mut().zip(&order.exams) {
            exam.technique.clone_from(&ordered.technique);
            exam.axes.side = ordered.axes.side;
        }
    }
    if mends[4] {
        prior.images.clear();
        prior.quality.marks.clear();
    }
    if mends[5] {
        prior.identity.status = IdentityStatus::SameHospitalNumber;
        prior.holdings = vec![Holding { facility: "01001".into(), withdrawn: None }];
    }
    prior
}

/// Whether two priors that are both of known episodes are of different ones, one of them this.
fn apart(priors: &[Prior], at: usize) -> bool {
    let own = priors[at].episode.as_ref();
    own.is_some_and(|own| priors.iter().any(|other| other.episode.as_ref().is_some_and(|other| other != own)))
}

fn check(order: &Order, priors: &mut [Prior]) -> Result<(), TestCaseError> {
    let (policy, today): (Policy, Date) = (policy(), TODAY.parse().unwrap());
    for (at, prior) in priors.iter_mut().enumerate() {
        prior.study = format!("S{at}");
    }
    let answer = decide(order, priors, &policy, today);
    seen(format!("{:?}", answer.verdict));
    for at in 0..priors.len() {
        let study = priors[at].study.clone();
        let alone = decide(order, &priors[at..=at], &policy, today);
        let checks = alone.priors.first().map(|listed| listed.checks.clone()).unwrap_or_default();
        let outcome =
            |name: CheckName| checks.iter().find(|check| check.name == name).map(|check| check.outcome);
        for (what, remove) in removals() {
            let mut less = priors.to_vec();
            if !remove(&mut less[at], &Now { outcome: &outcome, apart: apart(priors, at) }) {
                continue;
            }
            let after = decide(order, &less, &policy, today).verdict;
            let before = answer.verdict;
            prop_assert!(
                after <= before,
                "without {what} of {study} the answer goes from {before:?} to {after:?}"
            );
            let after = verdict_of(&decide(order, &less[at..=at], &policy, today), &study);
            let before = verdict_of(&alone, &study);
            prop_assert!(after <= before, "without {what} {study} goes from {before:?} to {after:?}");
            if after < before {
                seen(what.to_owned());
            }
        }
    }
    Ok(())
}

#[test]
fn removing_evidence_never_improves() {
    let config = ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let mends = prop::collection::vec(prop::bool::weighted(0.85), 6);
    let strategy = (any_order(), prop::collection::vec((any_prior(), mends), 1..4));
    runner
        .run(&strategy, |(order, priors)| {
            let mut priors: Vec<Prior> =
                priors.into_iter().map(|(prior, mends)| mended(prior, &mends, &order)).collect();
            check(&order, &mut priors)
        })
        .unwrap();
    let seen = SEEN.take();
    println!("{seen:?}");
    for verdict in ["Some(Usable)", "Some(Review)", "Some(NotUsable)"] {
        assert!(seen.get(verdict).is_some_and(|count| *count > 20), "{verdict} was hardly seen: {seen:?}");
    }
    let lowering = removals().iter().filter(|(what, _)| seen.contains_key(*what)).count();
    assert!(lowering >= 20, "few removals lowered a verdict: {seen:?}");
}
