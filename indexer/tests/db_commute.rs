//! Rows are a function of the set of records: order between packs, cuts into batches and replays change nothing.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod db_sample;
mod test_database;

use db_sample::{Fresh, SAMPLE, Sample, everything};
use indexer::db::{Batch, Entry, Place};
use indexer::statement::{
    HybridTime, Reason, Resolution, ServedVersion, State, Statement, Subject, Who, Withdrawal, sop_key,
};
use proptest::prelude::*;
use storage_config::ContentHash;

/// A record of one of three packs: some content, and how it came.
#[derive(Debug, Clone)]
struct Record {
    pack: usize,
    kind: u8,
    came: (i64, u32, &'static str),
}

fn any_content() -> impl Strategy<Value = Sample> {
    let where_to = (1..3u32, 1..3u32, 1..5u32);
    let who = (prop::sample::select(vec!["P1", "P2", ""]), prop::sample::select(vec!["", "60152"]));
    let name = prop::sample::select(vec!["Nguyễn^Văn^An", "TRAN THI BE", "", "VO DANH"]);
    let what = (prop::sample::select(vec!["CT", "SR"]), prop::sample::select(vec!["", "ngực"]), 0..3u32);
    (where_to, who, name, what, 0..2u8).prop_map(
        |((study, series, sop), (patient_id, issuer), name, (modality, description, bulk), rank)| Sample {
            study,
            series,
            sop,
            patient_id,
            issuer,
            name,
            modality,
            description,
            bulk,
            rank,
            number: i64::from(sop),
            date: if bulk == 0 { "" } else { "20261121" },
            time: "090000",
            ..SAMPLE
        },
    )
}

fn any_records() -> impl Strategy<Value = Vec<(Record, Sample)>> {
    let came = (0..4i64, 1..4u32, prop::sample::select(vec!["dimse:CT1", "stow:HIS"]));
    let record = (0..3usize, any::<prop::sample::Index>(), 0..9u8, came);
    (prop::collection::vec(any_content(), 1..8), prop::collection::vec(record, 1..24)).prop_map(
        |(contents, records)| {
            let of = |(pack, content, kind, came): (usize, prop::sample::Index, u8, _)| {
                let content = content.index(contents.len());
                (Record { pack, kind, came }, contents[content].clone())
            };
            records.into_iter().map(of).collect()
        },
    )
}

/// Entries per pack in append order. The same instance by the same arrival is one record, so that the place that is
/// shown is not a matter of chance.
fn packs(fresh: &Fresh, records: &[(Record, Sample)]) -> Vec<Vec<Entry>> {
    let ids: Vec<_> = ["a", "b", "c"].iter().map(|name| fresh.db.pack_id(name).unwrap()).collect();
    let mut packs = vec![Vec::new(), Vec::new(), Vec::new()];
    let mut seen = std::collections::HashSet::new();
    for (number, (Record { pack, kind, came }, sample)) in records.iter().enumerate() {
        let offset = 1000 * packs[*pack].len() as u64;
        let (later, facility, source) = *came;
        let sample = Sample { received_ms: SAMPLE.received_ms + later, facility, source, ..sample.clone() };
        let arrival = (sample.digest(), *came);
        packs[*pack].push(match kind {
            0 => sample.bulk(ids[*pack], offset),
            1 => sample.holding(ids[*pack], offset),
            6..=8 => {
                let statement = Box::new(statement(records, number));
                let place = Place { pack: ids[*pack], offset, length: 9 };
                Entry::Statement { place, statement, later: number.is_multiple_of(4) }
            }
            _ if !seen.insert(arrival) => sample.holding(ids[*pack], offset),
            _ => sample.instance(ids[*pack], offset),
        });
    }
    packs
}

/// What a record of a kind from 6 on states: withdrawals that take turns on three subjects, or a choice of a version.
fn statement(records: &[(Record, Sample)], number: usize) -> Statement {
    let (Record { kind, came, .. }, sample) = &records[number];
    let (later, facility, _) = *came;
    let state = if *kind == 8 {
        let same = |other: &&(Record, Sample)| {
            let key = |s: &Sample| (s.study, s.series, s.sop);
            key(&other.1) == key(sample) && other.1.digest() != sample.digest() && other.0.came.0 > 1
        };
        let others = records.iter().filter(same).map(|other| other.1.digest()).collect();
        let resolution = if later == 0 { Resolution::MixUp } else { Resolution::Correction };
        State::ServedVersion(ServedVersion { digest: sample.digest(), others, resolution })
    } else {
        let instances = records.iter().skip(number).step_by(2).map(|other| other.1.digest()).collect();
        let safety = facility == 3;
        State::Withdrawal(Withdrawal {
            restored: number.is_multiple_of(5),
            study: sample.study_uid(),
            instances,
            facility: (!safety && *kind == 6).then_some(facility),
            through_ms: SAMPLE.received_ms + later,
            reason: if safety { Reason::PatientSafety } else { Reason::Quality },
            text: String::new(),
        })
    };
    let key = match *kind {
        8 => sop_key(&sample.study_uid(), &sample.series_uid(), &sample.sop_uid()),
        _ => format!("w{}", number % 3),
    };
    let statement = Statement {
        id: format!("s{number}"),
        writer: facility,
        time: HybridTime::new(later.unsigned_abs(), 0).unwrap(),
        subject: Subject { kind: state.kind(), key },
        based_on: [None, Some(1)][number / 3 % 2],
        state,
        who: Who::system(),
        why: String::new(),
        asked: ContentHash::of(b"asked"),
    };
    statement.check().unwrap();
    statement
}

/// Applies the packs interleaved as `choices` say, in batches, now and then starting again at an earlier record.
fn apply(records: &[(Record, Sample)], choices: &[(u8, u8, u8)]) -> String {
    let fresh = Fresh::new();
    let packs = packs(&fresh, records);
    let mut at = [0; 3];
    let mut choices = choices.iter().cycle();
    while (0..3).any(|pack| at[pack] < packs[pack].len()) {
        let Some((pack, count, back)) = choices.next() else { break };
        let mut entries = Vec::new();
        for step in 0..usize::from(*count) + 1 {
            let pack = (usize::from(*pack) + step) % 3;
            if *back == 0 && at[pack] > 0 {
                at[pack] -= 1;
            }
            if let Some(entry) = packs[pack].get(at[pack]) {
                entries.push(entry.clone());
                at[pack] += 1;
            }
        }
        // A pack that is always set back would never end.
        let forward: Vec<Entry> = (0..3).filter_map(|pack| packs[pack].get(at[pack]).cloned()).collect();
        (0..3).for_each(|pack| at[pack] = (at[pack] + 1).min(packs[pack].len()));
        entries.extend(forward);
        fresh.db.apply(&Batch { entries, checkpoints: Vec::new(), ..Batch::default() }).unwrap();
    }
    fresh.db.decide_statements().unwrap();
    let shown = everything(&fresh.db);
    if !crate::test_database::is_postgres() {
        check_integrity(&fresh.path());
    }
    shown
}

/// Counts and references that the index keeps must be what its rows say.
fn check_integrity(path: &std::path::Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(one("SELECT count(*) FROM pragma_foreign_key_check"), 0, "dangling references");
    for wrong in [
        "SELECT count(*) FROM series r WHERE n_instances <> \
         (SELECT count(*) FROM instance i WHERE i.series_row = r.id AND version = 0)",
        "SELECT count(*) FROM study s WHERE n_instances <> \
         (SELECT count(*) FROM instance i WHERE i.study_row = s.id AND version = 0)",
        "SELECT count(*) FROM (SELECT 1 FROM instance GROUP BY series_row, sop_uid \
         HAVING sum(version = 0) <> max(hidden = 0))",
        "SELECT count(*) FROM instance i WHERE hidden <> NOT EXISTS \
         (SELECT 1 FROM holding h WHERE h.instance_id = i.id AND h.hidden = 0)",
        "SELECT count(*) FROM instance WHERE hidden = 1 AND version = 0",
        "SELECT count(*) FROM patient p WHERE NOT EXISTS (SELECT 1 FROM study WHERE patient_row = p.id)",
        "SELECT (SELECT count(*) FROM instance) <> (SELECT sum(instances) FROM pack)",
        "SELECT (SELECT count(*) FROM holding) <> (SELECT sum(holdings) FROM pack)",
        "SELECT (SELECT count(*) FROM bulk_location) <> (SELECT sum(bulk_copies) FROM pack)",
    ] {
        assert_eq!(one(wrong), 0, "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if crate::test_database::is_postgres() { 24 } else { 192 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_batches_and_replays_do_not_matter(
        records in any_records(),
        choices in prop::collection::vec((0..3u8, 0..9u8, 0..4u8), 1..12),
    ) {
        let straight = apply(&records, &[(0, 0, 9)]);
        let shuffled = apply(&records, &choices);
        let (mut one, mut other) = (straight.lines(), shuffled.lines());
        while let (Some(one), Some(other)) = (one.next(), other.next()) {
            prop_assert_eq!(one, other);
        }
        prop_assert_eq!(one.next(), other.next());
    }
}
