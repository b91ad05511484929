//! How often a batch of rows waits for the server: counted, not timed. What a batch costs must not grow with its rows, so
//! that an index is made again in reasonable time also where the server is far.

use indexer::db::{Batch, Db, Entry, PackId, Place};
use indexer::statement::{HybridTime, State, Statement, Subject, Who};
use serde_json::json;
use storage_config::ContentHash;

use db_sample::{Fresh, SAMPLE, Sample, everything};

#[path = "../db_sample/mod.rs"]
mod db_sample;

fn text(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// A chest X-ray of somebody who was never here.
fn x_ray(number: u32) -> Sample {
    Sample {
        study: number,
        sop: number,
        bulk: number,
        patient_id: text(format!("P{number}")),
        name: text(format!("NGUYỄN^VĂN^{}", ["AN", "BÌNH", "CƯỜNG"][number as usize % 3])),
        accession: text(format!("A{number}")),
        modality: "DX",
        // The personal number in the header, and a clock that is wrong: nothing of that may cost more.
        other: text_of_number(number),
        performed: Some(("20240102", "101500")),
        ..SAMPLE
    }
}

fn text_of_number(number: u32) -> &'static [(&'static str, &'static str)] {
    Box::leak(Box::new([(text(format!("0790900{number:05}")), "CCCD")]))
}

/// The slice of a CT.
fn slice(study: u32, number: u32) -> Sample {
    let number = study * 10_000 + number;
    Sample { study, series: number % 3, sop: number, bulk: number, number: i64::from(number), ..SAMPLE }
}

fn entries(pack: PackId, samples: &[Sample]) -> Vec<Entry> {
    let at = |n: usize| 10_000 * n as u64;
    samples
        .iter()
        .enumerate()
        .flat_map(|(n, s)| [s.bulk(pack, at(n)), s.instance(pack, at(n) + 6000)])
        .collect()
}

/// Round trips of one batch.
fn cost(db: &Db, pack: PackId, entries: Vec<Entry>) -> u64 {
    let before = db.round_trips();
    db.apply(&Batch { entries, checkpoints: vec![(pack, 1)], ..Batch::default() }).unwrap();
    db.round_trips() - before
}

fn samples(of: impl Fn(u32) -> Sample, numbers: std::ops::Range<u32>) -> Vec<Sample> {
    numbers.map(of).collect()
}

#[test]
fn a_batch_of_new_studies_costs_a_bounded_number_of_round_trips() {
    let fresh = Fresh::new();
    let pack = fresh.db.pack_id("a").unwrap();
    // Statements are prepared once for a connection.
    cost(&fresh.db, pack, entries(pack, &samples(x_ray, 1..60)));
    let few = cost(&fresh.db, pack, entries(pack, &samples(x_ray, 100..140)));
    let many = cost(&fresh.db, pack, entries(pack, &samples(x_ray, 1000..1500)));
    println!("{few} round trips for 40 new studies, {many} for 500");
    assert!(few <= 70, "{few} round trips for 40 new studies");
    assert!(many <= 100, "{many} round trips for 500 new studies");
}

#[test]
fn a_new_study_alone_costs_few_round_trips() {
    let fresh = Fresh::new();
    let pack = fresh.db.pack_id("a").unwrap();
    for number in 1..4 {
        cost(&fresh.db, pack, entries(pack, &[x_ray(number)]));
    }
    let one = cost(&fresh.db, pack, entries(pack, &[x_ray(9)]));
    println!("{one} round trips for one new study");
    assert!(one <= 40, "{one} round trips for a new study");
}

#[test]
fn instances_of_known_studies_cost_nothing_each() {
    let fresh = Fresh::new();
    let pack = fresh.db.pack_id("a").unwrap();
    for first in [0, 100, 200] {
        cost(&fresh.db, pack, entries(pack, &samples(|n| slice(1, n), first..first + 90)));
    }
    let few = cost(&fresh.db, pack, entries(pack, &samples(|n| slice(1, n), 1000..1040)));
    let many = cost(&fresh.db, pack, entries(pack, &samples(|n| slice(1, n), 2000..2500)));
    println!("{few} round trips for 40 slices, {many} for 500");
    assert!(few <= 40 && many <= few + 2, "{few} round trips for 40 slices, {many} for 500");
}

#[test]
fn more_pictures_of_known_patients_cost_nothing_each() {
    let fresh = Fresh::new();
    let pack = fresh.db.pack_id("a").unwrap();
    let again = |study: u32| {
        move |number: u32| Sample {
            study: study + number,
            sop: study + number,
            bulk: study + number,
            ..x_ray(number)
        }
    };
    cost(&fresh.db, pack, entries(pack, &samples(x_ray, 1..400)));
    cost(&fresh.db, pack, entries(pack, &samples(again(10_000), 1..100)));
    let many = cost(&fresh.db, pack, entries(pack, &samples(again(20_000), 1..400)));
    println!("{many} round trips for 400 new studies of known patients");
    assert!(many <= 80, "{many} round trips for 400 new studies of known patients");
}

fn order(pack: PackId, number: u64) -> Entry {
    let state: State = serde_json::from_value(json!({ "kind": "order", "state": {
        "facility": 1, "placer_number": format!("PL-{number}"), "accession": format!("A-{number}"),
        "patient": { "patient_id": format!("P-{}", number / 8), "name": "TRAN VAN AN", "birth_date": "19700101", "sex": "M" },
        "exams": [{ "code": "18.0149.0040", "name": "CT", "contrast": "without" }],
        "requested_at": "2026-01-02T08:00:00+07:00", "ordered_by": "BS. Mẫu", "status": "requested",
    } }))
    .unwrap();
    let statement = Statement {
        id: format!("{number:032x}"),
        writer: 1,
        time: HybridTime::new(1_767_225_600_000 + number, 0).unwrap(),
        subject: Subject { kind: state.kind(), key: format!("order-{number}") },
        based_on: None,
        state,
        who: Who::system(),
        why: String::new(),
        asked: ContentHash::of(b"asked"),
    };
    let place = Place { pack, offset: number * 100, length: 9 };
    Entry::Statement { place, statement: Box::new(statement), later: true }
}

#[test]
fn statements_that_are_replayed_cost_nothing_each() {
    let fresh = Fresh::new();
    let pack = fresh.db.pack_id("a").unwrap();
    let mut costs = Vec::new();
    for orders in [0..200, 1000..1040, 2000..2500] {
        let entries = orders.map(|number| order(pack, number)).collect();
        let noted = cost(&fresh.db, pack, entries);
        let before = fresh.db.round_trips();
        fresh.db.decide_statements().unwrap();
        costs.push((noted, fresh.db.round_trips() - before));
    }
    println!("round trips to note and to decide 40 and 500 orders: {:?}", &costs[1..]);
    assert!(costs[1].0 <= 20 && costs[1].1 <= 60, "{costs:?} for 40 orders");
    assert!(costs[2].0 <= 25 && costs[2].1 <= 80, "{costs:?} for 500 orders");
}

/// People who are taken for one, or clash, in all ways that one batch may bring together.
fn crowd(number: u32) -> Sample {
    let pick = |of: &'static [&'static str], by: u32| of[(number / by) as usize % of.len()];
    let others: [&'static [(&str, &str)]; 4] = [
        &[],
        &[("079090000011", "CCCD")],
        &[("079090000011", ""), ("079090000022", "CCCD")],
        &[("079090000022", "CCCD")],
    ];
    Sample {
        study: number / 2,
        series: number % 3,
        sop: number % 61,
        bulk: number % 53,
        patient_id: pick(&["P1", "P2", "079090000011", ""], 3),
        issuer: pick(&["", "", "01001"], 5),
        name: pick(&["Nguyễn^Văn^An", "AN NGUYEN VAN", "TRAN THI BE", "VO DANH", ""], 7),
        birth_date: pick(&["19900101", "19900215", ""], 4),
        sex: pick(&["M", "F"], 11),
        other: others[number as usize / 6 % 4],
        description: pick(&["", "ngực"], 2),
        received_ms: SAMPLE.received_ms + i64::from(number * 37 % 101),
        facility: number % 3,
        scope: pick(&["", "", "", "order:A1"], 9),
        performed: Some(("20240102", "101500")).filter(|_| number.is_multiple_of(2)),
        ..SAMPLE
    }
}

#[test]
fn many_at_once_become_what_they_become_one_by_one() {
    let all = samples(crowd, 0..180);
    let shown = |size: usize| {
        let fresh = Fresh::new();
        let pack = fresh.db.pack_id("a").unwrap();
        for some in entries(pack, &all).chunks(size) {
            fresh.db.apply(&Batch { entries: some.to_vec(), ..Batch::default() }).unwrap();
        }
        everything(&fresh.db)
    };
    let alone = shown(1);
    assert!(alone.contains("collisions [\"("), "nobody clashes: the test shows nothing");
    for size in [360, 50] {
        let (mut one, mut other) = (alone.lines(), shown(size));
        let other: Vec<&str> = std::mem::take(&mut other).leak().lines().collect();
        for line in other {
            assert_eq!(one.next(), Some(line), "in batches of {size}");
        }
        assert_eq!(one.next(), None);
    }
}
