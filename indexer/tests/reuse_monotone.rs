//! Removing evidence that speaks for a prior never improves its verdict.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use indexer::reuse::prior::{
    CompletenessFacts, Expected, ExpectedSource, Holding, IdentityFacts, IdentityStatus, ImageFacts,
    IntegrityFacts, LicenceFacts, Lossy, Mark, PerformedFacts, PriorExam, QualityFacts, QualityMark,
    ReportStatus, ReportVersion, SeriesFacts, Signature, Source, Stamp, Verification, Withdrawal,
};
use indexer::reuse::{
    CheckName, Date, ExamAxes, Moment, Order, OrderedExam, Outcome, Policy, Prior, Side, Verdict, decide,
};
use proptest::prelude::*;
use proptest::sample::select;

const TODAY: &str = "2026-11-21";

fn policy() -> Policy {
    let list = "\n[[version.window_list]]\nfrom = \"2026-11-01\"\nsource = \"made-up list\"\ndays = { \"18.149\" = 30, \"18.119\" = 20 }\n";
    let limit = "[version.lossy_ratio_limit]\nCT = 10.0";
    let text = indexer::reuse::policy::SHIPPED.replace("[version.lossy_ratio_limit]", limit) + list;
    Policy::from_toml(&text).unwrap()
}

/// A moment `hours` before the noon of today.
fn before(hours: i64) -> Moment {
    let noon: Moment = format!("{TODAY}T12:00:00+07:00").parse().unwrap();
    Moment { ms: noon.ms - hours * 3_600_000 }
}

fn any_order() -> impl Strategy<Value = Order> {
    let exam = (
        select(vec!["18.149", "18.119", "18.119", "18.120", "18.150", "18.112", "18.153"]),
        any::<Option<bool>>(),
    );
    let exams = prop::collection::vec(exam, 1..3);
    (exams, any::<bool>(), any::<Option<bool>>()).prop_map(|(exams, urgent, changed)| Order {
        exams: exams
            .into_iter()
            .map(|(technique, left)| OrderedExam {
                technique: Some(technique.to_owned()),
                axes: ExamAxes { side: left.map(side), ..ExamAxes::default() },
                ..OrderedExam::default()
            })
            .collect(),
        urgency: if urgent { indexer::reuse::Urgency::Urgent } else { indexer::reuse::Urgency::Routine },
        clinical_state_changed: changed,
        ..Order::default()
    })
}

fn side(left: bool) -> Side {
    if left { Side::Left } else { Side::Right }
}

fn any_exam() -> impl Strategy<Value = PriorExam> {
    let technique =
        select(vec!["18.149", "18.119", "18.119", "18.120", "18.150", "18.112", "18.153", "18.155"]);
    let source = select(vec![Source::Order, Source::Person, Source::Header, Source::Derived]);
    (technique, source, any::<Option<bool>>(), any::<[bool; 4]>()).prop_map(
        |(technique, source, left, said)| {
            let of = |said: bool| if said { [Source::Header].into() } else { Default::default() };
            PriorExam {
                technique: Some(technique.to_owned()),
                codes: Vec::new(),
                source,
                axes: ExamAxes { side: left.map(side), ..ExamAxes::default() },
                evidenced: indexer::reuse::prior::AxisSources {
                    region: of(said[0]),
                    side: of(said[1]),
                    view: of(said[2]),
                    contrast: of(said[3]),
                },
                stamp: Stamp::default(),
            }
        },
    )
}

fn any_image() -> impl Strategy<Value = ImageFacts> {
    let view = prop::option::of(select(vec!["pa", "ap", "lateral", "ap_bedside"]));
    (view, any::<Option<bool>>(), any::<Option<bool>>()).prop_map(|(view, left, contrast)| ImageFacts {
        images: 1,
        view: view.map(str::to_owned),
        side: left.map(side),
        contrast,
        ..ImageFacts::default()
    })
}

fn any_series() -> impl Strategy<Value = SeriesFacts> {
    let verification =
        prop::option::weighted(0.9, (prop::bool::weighted(0.95), select(vec![2u64, 2, 2, 2, 2, 1])));
    let image_type = prop::option::weighted(
        0.9,
        select(vec!["ORIGINAL\\PRIMARY", "ORIGINAL\\PRIMARY", "DERIVED\\SECONDARY"]),
    );
    let lossy =
        (prop::option::weighted(0.9, prop::bool::weighted(0.2)), prop::option::of(select(vec![5.0, 20.0])));
    (verification, image_type, prop::option::weighted(0.9, prop::bool::weighted(0.1)), lossy, any::<bool>())
        .prop_map(|(verification, image_type, capture, (was_lossy, ratio), ct)| SeriesFacts {
            series: "1.2".into(),
            modality: Some(if ct { "CT" } else { "DX" }.into()),
            generation: 2,
            verification: verification.map(|(intact, generation)| Verification {
                intact,
                generation,
                at: before(10),
            }),
            image_type: image_type.map(str::to_owned),
            secondary_capture: capture.map(|capture| capture && !ct),
            lossy: was_lossy.filter(|was| *was).map(|_| Lossy { ratio }),
            was_lossy,
        })
}

fn any_report() -> impl Strategy<Value = ReportVersion> {
    let status = prop::option::weighted(
        0.9,
        select(vec![
            ReportStatus::Final,
            ReportStatus::Final,
            ReportStatus::Final,
            ReportStatus::Amended,
            ReportStatus::Draft,
            ReportStatus::Cancelled,
        ]),
    );
    let signature = select(vec![
        Signature::Declared,
        Signature::Verified,
        Signature::Declared,
        Signature::Unsigned,
        Signature::NotTold,
    ]);
    (1..3u32, status, prop::bool::weighted(0.9), signature, select(vec!["R1", "R2"])).prop_map(
        |(version, status, reader, signature, report)| ReportVersion {
            report: report.to_owned(),
            version,
            status,
            reader: reader.then(|| "reader".to_owned()),
            signature,
            stamp: Stamp::default(),
        },
    )
}

/// A prior of which much is well, so that removing something can be seen.
fn any_prior() -> impl Strategy<Value = Prior> {
    let status = select(vec![
        IdentityStatus::SameHospitalNumber,
        IdentityStatus::ConfirmedByPerson,
        IdentityStatus::LinkedAutomatically,
        IdentityStatus::Candidate,
    ]);
    let who = (status, prop::option::of(select(vec!["LK1", "LK2"])), prop::bool::weighted(0.9));
    let what = (prop::collection::vec(any_exam(), 1..3), prop::collection::vec(any_image(), 0..3));
    let when = (
        prop::option::of(select(vec![1i64, 20, 26, 300, 700, 9_000])),
        prop::option::weighted(0.9, Just(true)),
    );
    let counted = (
        prop::option::weighted(0.9, select(vec![4u32, 9, 10, 10, 10, 10])),
        any::<bool>(),
        prop::option::weighted(0.9, select(vec![0u32, 0, 0, 0, 1])),
        prop::option::weighted(0.9, select(vec![0u32, 0, 0, 0, 0, 0, 1])),
    );
    let rest = (
        prop::collection::vec(any_series(), 1..3),
        prop::collection::vec(any_report(), 1..3),
        prop::option::of(select(vec![
            Mark::Adequate,
            Mark::Adequate,
            Mark::Adequate,
            Mark::Limited,
            Mark::NonDiagnostic,
        ])),
        any::<Option<bool>>(),
        prop::collection::vec(prop::option::weighted(0.1, Just("duplicate")), 1..3),
    );
    (who, what, when, counted, rest).prop_map(|(who, what, when, counted, rest)| {
        let (series, reports, mark, licensed, holdings) = rest;
        Prior {
            study: String::new(),
            facility: who.2.then(|| "01001".to_owned()),
            episode: who.1.map(str::to_owned),
            patient_group: Some("G1".into()),
            identity: IdentityFacts { status: who.0, grounds: Vec::new(), stamp: Stamp::default() },
            modalities: Default::default(),
            exams: what.0,
            images: what.1,
            performed: PerformedFacts {
                at: when.0.map(before),
                clock_believable: when.1,
                stamp: Stamp::default(),
            },
            completeness: CompletenessFacts {
                received_images: counted.0,
                expected: counted
                    .1
                    .then_some(Expected { images: 10, source: ExpectedSource::Mpps })
                    .into_iter()
                    .collect(),
                slice_gaps: counted.2,
                undecodable_frames: counted.3,
                ..CompletenessFacts::default()
            },
            integrity: IntegrityFacts { series, stamp: Stamp::default() },
            holdings: holdings
                .into_iter()
                .map(|reason| Holding {
                    facility: "01001".into(),
                    withdrawn: reason.map(|reason| Withdrawal { reason: reason.into(), at: None }),
                })
                .collect(),
            reports,
            quality: QualityFacts {
                marks: mark
                    .map(|mark| QualityMark { mark, reader: None, at: before(5) })
                    .into_iter()
                    .collect(),
                ..QualityFacts::default()
            },
            licence: LicenceFacts { licensed, ..LicenceFacts::default() },
        }
    })
}

/// What a removal needs to know: how the prior stands now, because the same value can speak for or against.
struct Now<'a> {
    outcome: &'a dyn Fn(CheckName) -> Option<Outcome>,
}

impl Now<'_> {
    fn fails(&self, name: CheckName) -> bool {
        (self.outcome)(name) == Some(Outcome::Fail)
    }
}

/// Every way of removing evidence that speaks for a prior. Each returns whether there was something to remove.
fn removals() -> Vec<(&'static str, fn(&mut Prior, &Now) -> bool)> {
    fn set<T: PartialEq>(place: &mut T, value: T) -> bool {
        let changed = *place != value;
        *place = value;
        changed
    }
    vec![
        ("identity is a candidate", |p, _| set(&mut p.identity.status, IdentityStatus::Candidate)),
        ("identity is a collision", |p, _| set(&mut p.identity.status, IdentityStatus::Collision)),
        ("facility", |p, _| p.facility.take().is_some()),
        ("episode", |p, _| p.episode.take().is_some()),
        // A code that promises views speaks against a prior without them too: only its source is weakened.
        ("source of codes", |p, _| {
            p.exams.iter_mut().fold(false, |any, e| set(&mut e.source, Source::Derived) || any)
        }),
        ("evidenced regions", |p, _| {
            p.exams.iter_mut().fold(false, |any, e| set(&mut e.evidenced.region, Default::default()) || any)
        }),
        ("evidenced sides", |p, _| {
            p.exams.iter_mut().fold(false, |any, e| set(&mut e.evidenced.side, Default::default()) || any)
        }),
        ("evidenced views", |p, _| {
            p.exams.iter_mut().fold(false, |any, e| set(&mut e.evidenced.view, Default::default()) || any)
        }),
        ("evidenced contrast", |p, _| {
            p.exams.iter_mut().fold(false, |any, e| set(&mut e.evidenced.contrast, Default::default()) || any)
        }),
        // A side or contrast in the images that contradicts the code, or a view that fails, speaks against.
        ("images", |p, now| {
            !now.fails(CheckName::Coverage) && !now.fails(CheckName::Completeness) && p.images.pop().is_some()
        }),
        ("views of images", |p, now| {
            let well = !now.fails(CheckName::Coverage) && !now.fails(CheckName::Completeness);
            well && (now.outcome)(CheckName::Coverage) == Some(Outcome::Pass)
                && p.images.iter_mut().fold(false, |any, i| i.view.take().is_some() || any)
        }),
        ("sides of images", |p, now| {
            (now.outcome)(CheckName::Coverage) == Some(Outcome::Pass)
                && !now.fails(CheckName::Completeness)
                && p.images.iter_mut().fold(false, |any, i| i.side.take().is_some() || any)
        }),
        ("contrast of images", |p, now| {
            (now.outcome)(CheckName::Coverage) == Some(Outcome::Pass)
                && p.images.iter_mut().fold(false, |any, i| i.contrast.take().is_some() || any)
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
        ("received count", |p, now| {
            !now.fails(CheckName::Completeness) && p.completeness.received_images.take().is_some()
        }),
        ("expected count", |p, now| {
            !now.fails(CheckName::Completeness) && p.completeness.expected.pop().is_some()
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
                .fold(false, |any, s| s.verification.take().is_some() || any)
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
                .fold(false, |any, s| s.image_type.take().is_some() || any)
        }),
        ("no secondary capture", |p, _| {
            let known = |s: &&mut SeriesFacts| s.secondary_capture == Some(false);
            p.integrity
                .series
                .iter_mut()
                .filter(known)
                .fold(false, |any, s| s.secondary_capture.take().is_some() || any)
        }),
        ("not lossy", |p, _| {
            let not = |s: &&mut SeriesFacts| s.was_lossy == Some(false);
            p.integrity
                .series
                .iter_mut()
                .filter(not)
                .fold(false, |any, s| s.was_lossy.take().is_some() || any)
        }),
        ("ratio within the limit", |p, _| {
            let within = |s: &&mut SeriesFacts| s.lossy.as_ref().is_some_and(|l| l.ratio == Some(5.0));
            p.integrity.series.iter_mut().filter(within).fold(false, |_, s| {
                s.lossy = Some(Lossy { ratio: None });
                true
            })
        }),
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
                && p.reports.iter_mut().fold(false, |any, r| r.status.take().is_some() || any)
        }),
        ("reader", |p, _| p.reports.iter_mut().fold(false, |any, r| r.reader.take().is_some() || any)),
        ("signature", |p, _| {
            p.reports.iter_mut().fold(false, |any, r| set(&mut r.signature, Signature::NotTold) || any)
        }),
        ("signature verified", |p, _| {
            let verified = |r: &&mut ReportVersion| r.signature == Signature::Verified;
            p.reports
                .iter_mut()
                .filter(verified)
                .fold(false, |any, r| set(&mut r.signature, Signature::Declared) || any)
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
            if !remove(&mut less[at], &Now { outcome: &outcome }) {
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
