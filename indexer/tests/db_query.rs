//! Queries as peers ask them: PS3.4 C.2.2.2 matching, order, pages.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod db_sample;
mod test_database;

use db_sample::{Fresh, SAMPLE, Sample, ask};
use indexer::query::{Level, Query, QueryError};
use proptest::prelude::*;
use serde_json::json;

const NAMES: [&str; 9] = [
    "Nguyễn^Văn^An",
    "NGUYEN^THI^HOA",
    "Trần^Văn^Đức",
    "LE^AN",
    "Vy",
    "Hà^Lê^Vy",
    "DOE^JOHN",
    "100%^_A[B]",
    "Nguye\u{302}\u{303}n\u{306}^An^Bi\u{300}nh",
];

/// Study n has name n, day n of the month, accession number `ACC-n`.
fn names() -> Fresh {
    let fresh = Fresh::new();
    const DATES: [&str; 9] = [
        "20260101", "20260102", "20260103", "20260104", "20260105", "20260106", "20260107", "20260108",
        "20260109",
    ];
    const IDS: [&str; 9] = ["P0", "P1", "P2", "P3", "P4", "P5", "P6", "P%", "P_"];
    const ACCESSIONS: [&str; 9] =
        ["ACC-0", "ACC-1", "ACC-2", "ACC-3", "ACC-4", "ACC-5", "ACC_6", "ACC%7", ""];
    let samples: Vec<Sample> = (0..9)
        .map(|n| Sample {
            study: n as u32,
            sop: n as u32,
            bulk: n as u32 + 1,
            name: NAMES[n],
            date: DATES[n],
            patient_id: IDS[n],
            accession: ACCESSIONS[n],
            modality: if n % 3 == 0 { "MR" } else { "CT" },
            description: if n % 2 == 0 { "CLVT sọ não" } else { "X-quang ngực thẳng" },
            ..SAMPLE
        })
        .collect();
    fresh.store(&samples);
    fresh
}

fn found(fresh: &Fresh, keys: &[(u32, &str)], fuzzy: bool) -> Vec<u32> {
    let mut query = Query::new(Level::Study);
    query.fuzzy = fuzzy;
    for (tag, value) in keys {
        query.key(*tag, value).unwrap();
    }
    let rows = fresh.db.query(&query).unwrap().rows;
    let mut studies: Vec<u32> = rows.iter().map(|row| row.study_uid.as_str()[6..].parse().unwrap()).collect();
    studies.sort_unstable();
    studies
}

#[test]
fn names_match_by_folded_words_in_any_order() {
    let fresh = names();
    for (value, fuzzy, want) in [
        ("NGUYEN^VAN^AN", false, &[0][..]),
        ("an nguyễn, văn", false, &[0]),
        ("NGUYEN AN", false, &[]),
        ("NGUYEN AN", true, &[0, 8]),
        ("ngu", true, &[0, 1, 8]),
        ("Nguyễn*", false, &[0, 1, 8]),
        ("*an*", false, &[0, 2, 3, 8]),
        ("*van an*", false, &[0]),
        ("*đức*", false, &[2]),
        ("*duc", false, &[2]),
        ("Vy", false, &[4]),
        ("Vy*", false, &[4, 5]),
        ("vy", true, &[4, 5]),
        ("LE^*", false, &[3, 5]),
        ("D?E*", false, &[6]),
        ("NGUYEN*HOA", false, &[1]),
        ("100%*", false, &[7]),
        ("%", true, &[]),
        ("_*", false, &[7]),
        ("*[B]*", false, &[7]),
        ("*", false, &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("^", false, &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("", false, &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("'; DROP TABLE study; --", false, &[]),
    ] {
        assert_eq!(found(&fresh, &[(0x0010_0010, value)], fuzzy), want, "{value:?} fuzzy {fuzzy}");
    }
}

#[test]
fn texts_dates_and_lists_match_as_the_standard_says() {
    let fresh = names();
    for (keys, want) in [
        (&[(0x0008_0050, "ACC-1")][..], &[1][..]),
        (&[(0x0008_0050, "acc-1")], &[]),
        (&[(0x0008_0050, "ACC_*")], &[6]),
        (&[(0x0008_0050, "ACC?1")], &[1]),
        (&[(0x0008_0050, "*%*")], &[7]),
        (&[(0x0008_0050, "*-*")], &[0, 1, 2, 3, 4, 5]),
        (&[(0x0010_0020, "P%")], &[7]),
        (&[(0x0010_0020, "P_")], &[8]),
        (&[(0x0010_0020, "P*")], &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (&[(0x0008_0020, "20260103")], &[2]),
        (&[(0x0008_0020, "20260103-20260105")], &[2, 3, 4]),
        (&[(0x0008_0020, "20260108-")], &[7, 8]),
        (&[(0x0008_0020, "-20260102")], &[0, 1]),
        (&[(0x0008_0020, "20260103"), (0x0008_0030, "10-11")], &[2]),
        (&[(0x0008_0020, "20260103"), (0x0008_0030, "1015")], &[2]),
        (&[(0x0008_0020, "20260103"), (0x0008_0030, "-101459")], &[]),
        (&[(0x0008_0020, "20260103-20260105"), (0x0008_0030, "1100-0900")], &[3]),
        (&[(0x0008_0030, "10")], &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (&[(0x0008_0030, "11-")], &[]),
        (&[(0x0008_0061, "MR")], &[0, 3, 6]),
        (&[(0x0008_0061, "MR,US"), (0x0008_0020, "20260104-")], &[3, 6]),
        (&[(0x0008_0061, "MR\\CT")], &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (&[(0x0008_0061, "M_")], &[]),
        (&[(0x0008_0060, "MR")], &[0, 3, 6]),
        (&[(0x0008_1030, "*nguc*")], &[1, 3, 5, 7]),
        (&[(0x0008_1030, "CLVT Sọ Não")], &[0, 2, 4, 6, 8]),
        (&[(0x0020_000D, "1.2.3.4\\1.2.3.5,9.9")], &[4, 5]),
        (&[(0x0020_000E, "1.2.3.4.1")], &[4]),
        (&[(0x0008_0018, "1.2.4.7")], &[7]),
        (&[(0x0008_0018, "1.2.4.7"), (0x0008_0060, "MR")], &[]),
        (&[(0x0008_0016, "1.2.840.10008.5.1.4.1.1.2"), (0x0010_0020, "P3")], &[3]),
        (&[(0x0010_0030, "19700101"), (0x0020_0013, "1"), (0x0020_0011, "1")], &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ] {
        assert_eq!(found(&fresh, keys, false), want, "{keys:X?}");
    }
}

#[test]
fn rows_of_each_level_carry_what_is_computed() {
    let fresh = names();
    let row = &ask(&fresh.db, Level::Series, &[(0x0020_000D, "1.2.3.4")])[0];
    assert_eq!(row.attributes["00201209"], json!({ "vr": "IS", "Value": [1] }));
    assert_eq!(row.attributes["0020000D"]["Value"], json!(["1.2.3.4"]));
    assert!(!row.attributes.contains_key("00100010"));
    let mut query = Query::new(Level::Instance);
    query.with_parents = true;
    query.key(0x0020_000D, "1.2.3.4").unwrap();
    let row = &fresh.db.query(&query).unwrap().rows[0];
    for (tag, value) in [
        ("00100010", json!([{ "Alphabetic": "Vy" }])),
        ("00080060", json!(["CT"])),
        ("0020000E", json!(["1.2.3.4.1"])),
        ("00080018", json!(["1.2.4.4"])),
        ("00083002", json!(["1.2.840.10008.1.2.1"])),
    ] {
        assert_eq!(row.attributes[tag]["Value"], value, "{tag}");
    }
    let patient = &ask(&fresh.db, Level::Patient, &[(0x0010_0020, "P4")])[0];
    assert_eq!(patient.attributes["00201200"]["Value"], json!([1]));
    assert!(!patient.attributes.contains_key("00080020"));
}

#[test]
fn values_that_cannot_be_are_refused_and_unsupported_keys_are_told() {
    let mut query = Query::new(Level::Study);
    for (tag, value) in [
        (0x0020_000D, "1.2.x"),
        (0x0008_0020, "yesterday"),
        (0x0008_0020, "-"),
        (0x0008_0030, "25"),
        (0x0020_0011, "one"),
        (0x0008_0060, "C*"),
    ] {
        assert_eq!(query.key(tag, value), Err(QueryError::Value(tag)), "{value}");
    }
    for (tag, value) in [
        (0x0010_0020, "x".repeat(10_000)),
        (0x0010_0020, "*a".repeat(13)),
        (0x0010_0010, "?".repeat(13)),
        (0x0020_000D, vec!["1"; 1001].join("\\")),
    ] {
        assert_eq!(query.key(tag, &value), Err(QueryError::TooMuch(tag)), "{}", &value[..20]);
    }
    assert_eq!(query.key(0x0010_0020, &"*".repeat(100)), Ok(true));
    assert_eq!(query.key(0x0009_0010, "x"), Ok(false));
    assert!(query.keys.is_empty());
}

#[test]
fn pages_by_number_and_by_key_are_the_whole_in_order() {
    let fresh = names();
    fresh.store(&[
        Sample { study: 3, sop: 33, bulk: 33, number: 2, rank: 1, ..SAMPLE },
        Sample { study: 3, series: 2, sop: 34, bulk: 34, series_number: 0, rank: 1, ..SAMPLE },
        Sample { study: 20, sop: 35, bulk: 35, date: "20260104", time: "101500", patient_id: "", ..SAMPLE },
        Sample { study: 21, sop: 36, bulk: 36, date: "", ..SAMPLE },
    ]);
    for level in [Level::Patient, Level::Study, Level::Series, Level::Instance] {
        let whole = fresh.db.query(&Query::new(level)).unwrap();
        assert_eq!(whole.next, None);
        let mut by_key = Query { limit: 2, ..Query::new(level) };
        let mut by_number = by_key.clone();
        let (mut keyed, mut numbered) = (Vec::new(), Vec::new());
        loop {
            let page = fresh.db.query(&by_key).unwrap();
            keyed.extend(page.rows);
            numbered.extend(fresh.db.query(&by_number).unwrap().rows);
            by_number.offset += 2;
            let Some(next) = page.next else { break };
            by_key.after = Some(serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap());
        }
        assert_eq!(keyed, whole.rows, "{level:?}");
        assert_eq!(numbered, whole.rows, "{level:?}");
    }
    let newest = ask(&fresh.db, Level::Study, &[]);
    assert_eq!(newest[0].study_uid.as_str(), "1.2.3.8");
    assert_eq!(newest.last().unwrap().study_uid.as_str(), "1.2.3.21");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if crate::test_database::is_postgres() { 8 } else { 40 }, failure_persistence: None, ..ProptestConfig::default() })]

    /// What peers write is data: any text is matched literally, `*` and `?` apart, and nothing fails.
    #[test]
    fn any_text_is_matched_literally(
        ids in prop::collection::vec("[a%_!\\[\\]'\"ÀĐ-]{1,4}", 1..6),
        pattern in "[a%_!\\[\\]'\"ÀĐ*?-]{1,5}",
    ) {
        let fresh = Fresh::new();
        let ids: Vec<&'static str> = ids.into_iter().map(|id| &*id.leak()).collect();
        let samples: Vec<Sample> = (0..ids.len())
            .map(|n| Sample { study: n as u32, sop: n as u32, patient_id: ids[n], accession: ids[n], ..SAMPLE })
            .collect();
        fresh.store(&samples);
        let want: Vec<u32> =
            (0..ids.len()).filter(|n| matches(&pattern, ids[*n])).map(|n| n as u32).collect();
        prop_assert_eq!(&found(&fresh, &[(0x0010_0020, &pattern)], false), &want);
        prop_assert_eq!(&found(&fresh, &[(0x0008_0050, &pattern)], false), &want);
    }
}

/// Wildcard matching as the standard defines it, the plain way.
fn matches(pattern: &str, text: &str) -> bool {
    let mut letters = pattern.chars();
    match letters.next() {
        None => text.is_empty(),
        Some('*') => {
            let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.any(|at| matches(letters.as_str(), &text[at..]))
        }
        Some(letter) => {
            let mut rest = text.chars();
            rest.next().is_some_and(|found| letter == '?' || found == letter)
                && matches(letters.as_str(), rest.as_str())
        }
    }
}
