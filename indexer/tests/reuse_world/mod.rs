//! Orders and priors by chance, much of them well.
use indexer::reuse::performed::StepFacts;
use indexer::reuse::prior::{
    CompletenessFacts, Expected, ExpectedSource, Holding, IdentityFacts, IdentityStatus, ImageFacts,
    IntegrityFacts, LicenceFacts, Lossy, Mark, PerformedFacts, PriorExam, QualityFacts, QualityMark,
    ReportStatus, ReportVersion, SeriesFacts, Signature, Source, Stamp, Verification, Withdrawal,
};
use indexer::reuse::{ExamAxes, Moment, Order, OrderedExam, Policy, Prior, Side};
use proptest::prelude::*;
use proptest::sample::select;

pub const TODAY: &str = "2026-11-21";

pub fn policy() -> Policy {
    let list = "\n[[version.window_list]]\nfrom = \"2026-11-01\"\nsource = \"made-up list\"\ndays = { \"18.149\" = 30, \"18.119\" = 20 }\n";
    let limit = "[version.lossy_ratio_limit]\nCT = 10.0";
    let text = indexer::reuse::policy::SHIPPED.replace("[version.lossy_ratio_limit]", limit) + list;
    Policy::from_toml(&text).unwrap()
}

/// A moment `hours` before the noon of today.
pub fn before(hours: i64) -> Moment {
    let noon: Moment = format!("{TODAY}T12:00:00+07:00").parse().unwrap();
    Moment { ms: noon.ms - hours * 3_600_000 }
}

pub fn any_order() -> impl Strategy<Value = Order> {
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
    let region = prop::option::weighted(0.3, select(vec!["brain", "chest", "knee", "face"]));
    let size = (select(vec![1u32, 1, 12, 200]), prop::option::weighted(0.3, select(vec![0u32, 120, 300])));
    let axes = (view, any::<Option<bool>>(), any::<Option<bool>>());
    (axes, region, size).prop_map(|((view, left, contrast), region, (images, extent_mm))| ImageFacts {
        images,
        extent_mm,
        regions: region.into_iter().map(str::to_owned).collect(),
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

fn any_steps() -> impl Strategy<Value = StepFacts> {
    let numbers = (select(vec![0u32, 10, 10, 10]), select(vec![3u32, 7, 10, 10, 10, 10]));
    let more = (0..2u32, 0..2u32, 0..2u32, prop::bool::weighted(0.1));
    (numbers, more).prop_map(|((expected, received), (in_progress, discontinued, unplaced, outdated))| {
        StepFacts {
            expected_images: expected,
            received_images: received.min(expected),
            in_progress,
            discontinued,
            unplaced_series: unplaced,
            outdated,
            ..StepFacts::default()
        }
    })
}

fn any_completeness() -> impl Strategy<Value = CompletenessFacts> {
    let received = prop::option::weighted(0.9, select(vec![4u32, 9, 10, 10, 10, 10]));
    let gaps = prop::option::weighted(0.9, select(vec![0u32, 0, 0, 0, 1]));
    let frames = prop::option::weighted(0.9, select(vec![0u32, 0, 0, 0, 0, 0, 1]));
    (received, any::<bool>(), gaps, frames, prop::option::weighted(0.4, any_steps())).prop_map(
        |(received_images, told, slice_gaps, undecodable_frames, steps)| {
            let expected = told.then_some(Expected { images: 10, source: ExpectedSource::Mpps });
            CompletenessFacts {
                received_images,
                expected: expected.into_iter().collect(),
                steps,
                slice_gaps,
                undecodable_frames,
                ..CompletenessFacts::default()
            }
        },
    )
}

/// A prior of which much is well, so that removing something can be seen.
pub fn any_prior() -> impl Strategy<Value = Prior> {
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
    (who, what, when, any_completeness(), rest).prop_map(|(who, what, when, completeness, rest)| {
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
            completeness,
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
