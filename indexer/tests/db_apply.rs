//! What each kind of record becomes in the index.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod db_sample;
mod test_database;

use db_sample::{Fresh, SAMPLE, Sample, ask, everything, uid};
use indexer::db::{Applied, Batch, ConflictKind, Entry, FacilityId, Place, Scope};
use indexer::query::Level;
use indexer::statement::{DatedCode, Facility, HybridTime, State};
use serde_json::json;

fn kinds(fresh: &Fresh) -> Vec<ConflictKind> {
    fresh.db.conflicts(100, 0).unwrap().into_iter().map(|conflict| conflict.kind).collect()
}

#[test]
fn an_instance_is_new_once_then_duplicate_and_a_holding_of_each_facility() {
    let fresh = Fresh::new();
    let other =
        Sample { facility: 2, received_ms: SAMPLE.received_ms + 5, source: "stow:B@10.0.0.1", ..SAMPLE };
    assert_eq!(
        fresh.store(&[SAMPLE, SAMPLE, other.clone(), other]),
        [Applied::New, Applied::Duplicate, Applied::Holding, Applied::Duplicate]
    );
    let row = fresh.db.instance_by_digest(&SAMPLE.digest()).unwrap().unwrap();
    assert_eq!((row.facility, row.received_ms, row.served), (FacilityId(1), SAMPLE.received_ms, true));
    let holdings = fresh.db.holdings(row.id).unwrap();
    assert_eq!(holdings.iter().map(|h| h.facility.0).collect::<Vec<_>>(), [1, 2]);
    let totals = fresh.db.totals().unwrap();
    assert_eq!((totals.instances, totals.other_versions, totals.holdings, totals.patients), (1, 0, 2, 1));
}

#[test]
fn a_holding_before_its_instance_waits_for_it() {
    let fresh = Fresh::new();
    let pack = fresh.db.pack_id("a").unwrap();
    let other = Sample { facility: 2, received_ms: SAMPLE.received_ms + 5, ..SAMPLE };
    let entries = vec![other.holding(pack, 0), other.holding(pack, 0), SAMPLE.instance(pack, 100)];
    let applied = fresh.db.apply(&Batch { entries, checkpoints: vec![(pack, 900)], ..Batch::default() }).unwrap();
    assert_eq!(applied, [Applied::Holding, Applied::Holding, Applied::New]);
    let row = fresh.db.instance_by_digest(&SAMPLE.digest()).unwrap().unwrap();
    assert_eq!(fresh.db.holdings(row.id).unwrap().len(), 2);
    assert_eq!(fresh.db.checkpoint_of(pack).unwrap(), 900);
}

#[test]
fn a_checkpoint_never_goes_back_and_packs_keep_their_ids() {
    let fresh = Fresh::new();
    let pack = fresh.db.pack_id("a").unwrap();
    assert_ne!(fresh.db.pack_id("b").unwrap(), pack);
    assert_eq!(fresh.db.pack_id("a").unwrap(), pack);
    for to in [500, 300] {
        fresh.db.apply(&Batch { entries: Vec::new(), checkpoints: vec![(pack, to)], ..Batch::default() }).unwrap();
    }
    assert_eq!(fresh.db.checkpoint_of(pack).unwrap(), 500);
    fresh.db.background(&indexer::db::Job::PackSealed { pack, length: 700 }).unwrap();
    let row = &fresh.db.packs().unwrap()[0];
    assert_eq!((row.sealed, row.length, row.checkpoint), (true, 700, 500));
}

#[test]
fn versions_of_one_instance_are_told_apart_and_the_first_is_served() {
    let later = |ms| SAMPLE.received_ms + ms;
    let corrected = Sample { patient_id: "P2", received_ms: later(1), ..SAMPLE };
    let mixed_up =
        Sample { patient_id: "P3", received_ms: later(2), source: "dimse:CT2@192.0.2.8", ..SAMPLE };
    let repainted = Sample { bulk: 2, received_ms: later(3), ..SAMPLE };
    let fresh = Fresh::new();
    assert_eq!(
        fresh.store(&[SAMPLE, corrected.clone(), mixed_up.clone(), repainted.clone()]),
        [
            Applied::New,
            Applied::Version(ConflictKind::Correction),
            Applied::Version(ConflictKind::Identity),
            Applied::Version(ConflictKind::Content)
        ]
    );
    assert_eq!(kinds(&fresh), [ConflictKind::Identity, ConflictKind::Correction, ConflictKind::Content]);
    let studies = ask(&fresh.db, Level::Study, &[]);
    assert_eq!(studies[0].attributes["00100020"], json!({ "vr": "LO", "Value": ["P1"] }));
    assert_eq!(studies[0].attributes["00201208"]["Value"], json!([1]));
    assert!(studies[0].identity_conflict);
    let versions = fresh.db.versions(None, &SAMPLE.sop_uid()).unwrap();
    assert_eq!(versions.iter().map(|v| v.instance.served).collect::<Vec<_>>(), [true, false, false, false]);
    // The other way round: each arrival is earlier than the ones before.
    let backwards = Fresh::new();
    backwards.store(&[repainted, mixed_up, corrected, SAMPLE]);
    let strip =
        |text: String| text.lines().filter(|l| !l.starts_with("place")).collect::<Vec<_>>().join("\n");
    assert_eq!(strip(everything(&backwards.db)), strip(everything(&fresh.db)));
}

#[test]
fn the_same_source_may_correct_a_header_and_another_may_not_change_it_unseen() {
    let edited = Sample { description: "CLVT bụng", received_ms: SAMPLE.received_ms + 1, ..SAMPLE };
    let elsewhere = Sample { source: "stow:B@10.0.0.1", ..edited.clone() };
    for (other, kind) in [(edited, ConflictKind::Correction), (elsewhere, ConflictKind::Content)] {
        let fresh = Fresh::new();
        assert_eq!(fresh.store(&[SAMPLE, other]), [Applied::New, Applied::Version(kind)]);
        assert!(!ask(&fresh.db, Level::Study, &[])[0].identity_conflict);
        assert!(!fresh.db.conflicts(10, 0).unwrap()[0].patient_differs);
    }
}

#[test]
fn a_report_without_bulk_values_is_a_content_conflict_never_an_equal_picture() {
    let report = Sample { bulk: 0, ..SAMPLE };
    let other = Sample { patient_id: "P2", received_ms: SAMPLE.received_ms + 1, ..report.clone() };
    assert_eq!(Fresh::new().store(&[report, other]), [Applied::New, Applied::Version(ConflictKind::Content)]);
}

#[test]
fn one_sop_instance_under_two_studies_is_flagged_and_served_in_both() {
    let fresh = Fresh::new();
    let others: Vec<Sample> = (2..5).map(|study| Sample { study, ..SAMPLE }).collect();
    fresh.store(&[SAMPLE]);
    assert_eq!(fresh.store(&others), [Applied::New; 3]);
    assert_eq!(kinds(&fresh), [ConflictKind::SharedUid; 4]);
    assert_eq!(ask(&fresh.db, Level::Instance, &[(0x0008_0018, "1.2.4.1")]).len(), 4);
}

#[test]
fn a_study_that_names_two_patients_is_marked_and_absent_values_contradict_nothing() {
    let fresh = Fresh::new();
    let nameless = Sample { sop: 2, name: "", birth_date: "", rank: 1, bulk: 2, ..SAMPLE };
    let reordered =
        Sample { sop: 3, name: "AN NGUYEN VAN", bulk: 3, received_ms: SAMPLE.received_ms + 1, ..SAMPLE };
    fresh.store(&[SAMPLE, nameless, reordered]);
    assert_eq!(kinds(&fresh), []);
    let stranger =
        Sample { sop: 4, patient_id: "P9", bulk: 4, received_ms: SAMPLE.received_ms + 2, ..SAMPLE };
    fresh.store(&[stranger]);
    assert_eq!(kinds(&fresh), [ConflictKind::StudyPatients]);
    let studies = ask(&fresh.db, Level::Study, &[]);
    assert!(studies[0].identity_conflict);
    assert_eq!(studies[0].attributes["00100020"]["Value"], json!(["P1"]));
    assert_eq!(ask(&fresh.db, Level::Patient, &[]).len(), 1);
}

#[test]
fn the_number_alone_joins_no_patients() {
    let fresh = Fresh::new();
    fresh.store(&[
        SAMPLE,
        Sample { study: 2, sop: 2, ..SAMPLE },
        Sample { study: 3, sop: 3, facility: 2, ..SAMPLE },
        Sample { study: 4, sop: 4, issuer: "60152", ..SAMPLE },
        Sample { study: 5, sop: 5, issuer: "60152", facility: 2, ..SAMPLE },
        Sample { study: 6, sop: 6, scope: "A6", ..SAMPLE },
        Sample { study: 7, sop: 7, patient_id: "", ..SAMPLE },
        Sample { study: 8, sop: 8, patient_id: "", ..SAMPLE },
    ]);
    let patients = ask(&fresh.db, Level::Patient, &[]);
    let mut sizes: Vec<_> = patients.iter().map(|p| p.attributes["00201200"]["Value"][0].as_i64()).collect();
    sizes.sort();
    assert_eq!(sizes, [Some(1), Some(1), Some(1), Some(1), Some(2), Some(2)]);
    assert_eq!(ask(&fresh.db, Level::Study, &[(0x0010_0020, "P1")]).len(), 6);
    assert_eq!(ask(&fresh.db, Level::Study, &[(0x0010_0020, "P1"), (0x0010_0021, "60152")]).len(), 2);
}

#[test]
fn images_speak_for_their_study_and_a_report_does_not_take_it_over() {
    let fresh = Fresh::new();
    let report = Sample { series: 2, sop: 9, rank: 1, modality: "SR", description: "", bulk: 0, ..SAMPLE };
    fresh.store(&[report.clone(), Sample { received_ms: SAMPLE.received_ms + 60_000, ..SAMPLE }]);
    fresh.store(&[Sample { sop: 10, received_ms: SAMPLE.received_ms + 120_000, ..report }]);
    let study = &ask(&fresh.db, Level::Study, &[])[0].attributes;
    assert_eq!(study["00081030"]["Value"], json!(["CLVT ngực"]));
    assert_eq!(study["00080061"]["Value"], json!(["CT", "SR"]));
    assert_eq!((&study["00201206"]["Value"], &study["00201208"]["Value"]), (&json!([2]), &json!([3])));
}

#[test]
fn a_machine_with_a_wrong_clock_is_told_of_and_an_import_is_not() {
    let fresh = Fresh::new();
    // Received 2026-11-21 10:00 at UTC+7.
    let received_ms = 1_795_230_000_000;
    let at = |sop, performed| Sample { sop, bulk: sop, received_ms, performed: Some(performed), ..SAMPLE };
    fresh.store(&[at(1, ("20261121", "095500")), at(2, ("20261119", "103000"))]);
    assert_eq!(fresh.db.machine_clocks(10).unwrap(), []);
    fresh.store(&[at(3, ("20261121", "113000")), at(4, ("20260101", "000000"))]);
    fresh.store(&[Sample { source: "import:disk", ..at(5, ("20010101", "000000")) }]);
    let clocks = fresh.db.machine_clocks(10).unwrap();
    assert_eq!((clocks.len(), clocks[0].instances, clocks[0].off_s.1), (1, 2, 5400));
    assert_eq!(clocks[0].station, "CT-ROOM-1");
}

#[test]
fn facility_statements_of_the_first_form_are_read_and_others_stay_visible() {
    let fresh = Fresh::new();
    let pack = fresh.db.pack_id("a").unwrap();
    let read = |json: serde_json::Value| {
        let mut body = vec![1, 0];
        body.extend(json.to_string().into_bytes());
        indexer::record::read_statement(&body)
    };
    let early = json!({ "type": "facility", "id": 1, "code": "60152", "from": "00000000", "time_ms": 7 });
    let statement = Box::new(read(early).unwrap());
    let mut later = (*statement).clone();
    later.id = "merged".into();
    (later.time, later.based_on) = (HybridTime::new(9, 0).unwrap(), Some(1));
    let codes = [("60152", "00000000"), ("60001", "20260101")];
    let codes = codes.map(|(code, from)| DatedCode { code: code.into(), from: from.into() }).to_vec();
    later.state = State::Facility(Facility { codes });
    let place = |offset| Place { pack, offset, length: 9 };
    let state = |offset, statement| Entry::Statement { place: place(offset), statement, later: false };
    let entries = vec![
        state(0, statement.clone()),
        state(0, statement),
        state(100, Box::new(later)),
        Entry::Unindexable { pack, offset: 500, reason: "no data set".into() },
    ];
    assert_eq!(fresh.db.apply(&Batch { entries, checkpoints: Vec::new(), ..Batch::default() }).unwrap(), [Applied::Noted; 4]);
    let codes: Vec<String> = fresh.db.facility_codes().unwrap().into_iter().map(|c| c.code).collect();
    assert_eq!(codes, ["60152", "60001"]);
    for other in [json!({ "type": "oracle" }), json!(7), json!({ "type": "facility", "id": -1, "code": "1" })]
    {
        assert!(read(other).is_err());
    }
    let places: Vec<u64> = fresh.db.unindexable(10, 0).unwrap().iter().map(|u| u.place.offset).collect();
    assert_eq!(places, [500]);
}

#[test]
fn bulk_values_have_copies_and_damaged_ones_are_not_offered() {
    let fresh = Fresh::new();
    let (a, b) = (fresh.db.pack_id("a").unwrap(), fresh.db.pack_id("b").unwrap());
    let hash = SAMPLE.bulk_hash();
    let entries = vec![SAMPLE.bulk(a, 0), SAMPLE.bulk(b, 64), SAMPLE.bulk(a, 0)];
    fresh.db.apply(&Batch { entries, checkpoints: Vec::new(), ..Batch::default() }).unwrap();
    let place = |pack, offset| Place { pack, offset, length: 5000 };
    fresh.db.background(&indexer::db::Job::BulkDamaged { hash, place: place(a, 0) }).unwrap();
    let copies = fresh.db.bulk_locations(&hash).unwrap();
    assert_eq!((copies[0].place, copies[0].damaged), (place(b, 64), false));
    assert_eq!((copies[1].place, copies[1].damaged, copies.len()), (place(a, 0), true, 2));
    let known = fresh.db.known(&SAMPLE.digest(), FacilityId(1), &[hash, SAMPLE.digest()]).unwrap();
    assert_eq!(
        (known.instance, known.held, known.bulk),
        (false, false, vec![vec![place(b, 64)], Vec::new()])
    );
    assert_eq!(fresh.db.totals().unwrap().bulk_copies, 2);
}

#[test]
fn retrieval_goes_by_series_and_instance_number_in_pages() {
    let fresh = Fresh::new();
    let mut samples = Vec::new();
    for (series, number) in [(2, 1), (1, 2), (1, 1), (2, 2), (1, 2)] {
        let sop = 90 - samples.len() as u32;
        let (series_number, bulk) = (i64::from(series), sop);
        samples.push(Sample { series, series_number, number, sop, bulk, ..SAMPLE });
    }
    fresh.store(&samples);
    let scope = Scope { study: SAMPLE.study_uid(), series: None, instance: None };
    let all = fresh.db.instances_of(&scope, None, 100).unwrap();
    let at = |row: &indexer::db::InstanceRow| row.sop_instance.as_str().to_owned();
    let order: Vec<String> = all.iter().map(at).collect();
    assert_eq!(order, ["1.2.4.88", "1.2.4.86", "1.2.4.89", "1.2.4.90", "1.2.4.87"]);
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = fresh.db.instances_of(&scope, after.as_ref(), 2).unwrap();
        paged.extend(page.iter().map(at));
        after = page.last().map(indexer::db::InstanceRow::after);
        if page.len() < 2 {
            break;
        }
    }
    assert_eq!(paged, order);
    let series = Scope { series: Some(uid("1.2.3.1.2")), ..scope.clone() };
    assert_eq!(fresh.db.instances_of(&series, None, 100).unwrap().len(), 2);
    let one = Scope { instance: Some(uid("1.2.4.90")), ..series };
    assert_eq!(fresh.db.instances_of(&one, None, 100).unwrap().len(), 1);
    assert_eq!(fresh.db.series_of(&SAMPLE.study_uid()).unwrap()[0].instances, 3);
    assert_eq!(fresh.db.frame_table(all[0].id).unwrap(), Some(vec![7; 12]));
}

#[test]
fn a_visible_change_raises_the_generation_of_its_series_and_a_duplicate_does_not() {
    let fresh = Fresh::new();
    let generation = || fresh.db.series_of(&SAMPLE.study_uid()).unwrap()[0].generation;
    fresh.store(&[SAMPLE]);
    let first = generation();
    fresh.store(&[SAMPLE, Sample { facility: 2, received_ms: SAMPLE.received_ms + 1, ..SAMPLE }]);
    assert_eq!(generation(), first);
    fresh.store(&[Sample { sop: 2, bulk: 2, ..SAMPLE }]);
    assert!(generation() > first);
}

#[test]
fn a_wiped_index_is_filled_again_with_the_same() {
    let fresh = Fresh::new();
    fresh
        .db
        .background(&indexer::db::Job::UnknownPeer {
            ae_title: "X".into(),
            address: "192.0.2.1".into(),
            called: "PACS".into(),
            at_ms: 5,
        })
        .unwrap();
    let samples = [SAMPLE, Sample { study: 2, sop: 2, ..SAMPLE }];
    fresh.store(&samples);
    let before = everything(&fresh.db);
    fresh.db.wipe().unwrap();
    assert_eq!(fresh.db.totals().unwrap(), Default::default());
    assert_eq!(fresh.db.packs().unwrap(), []);
    fresh.store(&samples);
    assert_eq!(everything(&fresh.db), before);
    assert_eq!(fresh.db.unknown_peers().unwrap().len(), 1);
}
