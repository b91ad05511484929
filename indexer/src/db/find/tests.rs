//! What searches find against what a look at every study finds, and how much of the index they read for it.

use std::cell::Cell;
use std::cmp::Reverse;

use fixtures::rng::Rng;
use rusqlite::StatementStatus;

use super::{Found, search};
use crate::db::session::Session;
use crate::db::sql::params;
use crate::db::sqlite::{DbOptions, SqliteDb};
use crate::query::{Level, PageKey, PagePart, Query};

const NAME: u32 = 0x0010_0010;
const DATE: u32 = 0x0008_0020;
const MODALITIES: u32 = 0x0008_0061;
const ID: u32 = 0x0010_0020;
const SEED: u64 = 19;
const FAMILIES: [&str; 4] = ["NGUYEN", "TRAN", "LE", "NGUY"];
const GIVEN: [&str; 8] = ["AN", "ANH", "BINH", "HA", "VY", "LE", "LINH", "QUYEN"];
const CODES: [&str; 3] = ["18.149", "18.119", "18.15"];

thread_local! {
    /// Steps of SQLite's machine in this thread, over all statements: work that depends on no clock.
    static STEPS: Cell<i64> = const { Cell::new(0) };
}

/// Counts the steps of a statement that has ended.
pub(in crate::db) fn count_steps(statement: &rusqlite::Statement<'_>) {
    let steps = i64::from(statement.reset_status(StatementStatus::VmStep));
    STEPS.with(|all| all.set(all.get() + steps));
}

/// A study as it is looked for.
#[derive(Debug, Clone)]
struct Study {
    uid: String,
    newest: String,
    name: String,
    modality: &'static str,
    patient_id: String,
    code: Option<&'static str>,
}

fn made(rng: &mut Rng, n: u64) -> Study {
    let day =
        |rng: &mut Rng| format!("20{:02}{:02}{:02}", rng.below(25), 1 + rng.below(12), 1 + rng.below(28));
    let newest = match rng.below(20) {
        0 => String::new(),
        1 => day(rng),
        _ => day(rng) + ["070000", "081500", "235959"][rng.below(3) as usize],
    };
    let family = FAMILIES[rng.below(4) as usize];
    let mut words = vec![family, ["VAN", "THI"][rng.below(2) as usize], GIVEN[rng.below(8) as usize]];
    words.truncate(1 + rng.below(3) as usize);
    Study {
        uid: format!("1.2.{}", n * 7919 % 100_003),
        newest,
        name: words.join(" "),
        modality: ["CT", "MR", "DX"][rng.below(3) as usize],
        patient_id: format!("{}{n}", ["BN", "P"][rng.below(2) as usize]),
        code: CODES.get(rng.below(4) as usize).copied(),
    }
}

fn insert(session: &Session<'_>, study: &Study) {
    let sql = "INSERT INTO study (study_uid, newest, name_folded, modalities, patient_id, n_instances) \
         VALUES (?1, ?2, ?3, ?4, ?5, 1)";
    let modalities = format!("\\{}\\", study.modality);
    let values = params![study.uid, study.newest, study.name, modalities, study.patient_id];
    let row = session.insert(sql, values).unwrap();
    let listed = crate::db::word::Listed { name: study.name.clone(), newest: study.newest.clone() };
    crate::db::word::replace(session, row, &Default::default(), &listed).unwrap();
    // One value under two schemes is one study.
    for scheme in ["A", "B"] {
        let sql = "INSERT INTO study_code_value (study_row, newest, value, scheme) VALUES (?1, ?2, ?3, ?4)";
        if let Some(code) = study.code {
            session.execute(sql, params![row, study.newest, code, scheme]).unwrap();
        }
    }
}

fn with_studies(count: u64, test: impl FnOnce(&Session<'_>, Vec<Study>)) {
    let folder = tempfile::tempdir().unwrap();
    let db = SqliteDb::open(&folder.path().join("index.sqlite"), DbOptions::default()).unwrap();
    eprintln!("seed {SEED}");
    let mut rng = Rng::new(SEED);
    let mut all: Vec<Study> = (0..count).map(|n| made(&mut rng, n)).collect();
    db.write(|session| {
        all.iter().for_each(|study| insert(session, study));
        Ok(())
    })
    .unwrap();
    all.sort_by_key(|study| (Reverse(study.newest.clone()), study.uid.clone()));
    db.read(|session| {
        test(session, all);
        Ok(())
    })
    .unwrap();
}

fn query(keys: &[(u32, &str)], fuzzy: bool, code: Option<&str>) -> Query {
    let mut query = Query::new(Level::Study);
    for (tag, value) in keys {
        assert!(query.key(*tag, value).unwrap());
    }
    if let Some(code) = code {
        assert!(query.key_within(0x0008_1032, 0x0008_0100, code).unwrap());
    }
    query.fuzzy = fuzzy;
    query
}

fn uids(found: &Found) -> Vec<String> {
    let uid = |key: &PageKey| match &key.0[1] {
        PagePart::Text(uid) => uid.clone(),
        PagePart::Number(_) => unreachable!("a UID is a text"),
    };
    found.rows.iter().map(|(_, key)| uid(key)).collect()
}

/// All pages of a query: by key, and those that are passed over by number.
fn pages(session: &Session<'_>, query: &Query, limit: u32) -> Vec<String> {
    let (mut all, mut query) = (Vec::new(), Query { limit, ..query.clone() });
    loop {
        let found = search(session, &query).unwrap();
        assert!(!found.old_left_out);
        let by_number = Query { after: None, offset: all.len() as u32, ..query.clone() };
        assert_eq!(uids(&search(session, &by_number).unwrap()), uids(&found), "{query:?}");
        all.extend(uids(&found));
        if found.rows.len() < limit as usize {
            return all;
        }
        query.after = found.rows.last().map(|(_, key)| key.clone());
    }
}

fn has_word(name: &str, start: &str) -> bool {
    name.split(' ').any(|word| word.starts_with(start))
}

#[test]
fn lists_find_what_a_look_at_every_study_finds_in_the_same_order() {
    type Matches = fn(&Study) -> bool;
    let cases: [(Query, Matches); 14] = [
        (query(&[(NAME, "NGUYEN*")], false, None), |s| has_word(&s.name, "NGUYEN")),
        (query(&[(NAME, "NGUYEN VAN*")], false, None), |s| {
            s.name.split(' ').any(|w| w == "NGUYEN") && has_word(&s.name, "VAN")
        }),
        (query(&[(NAME, "nguyen an")], true, None), |s| {
            has_word(&s.name, "NGUYEN") && has_word(&s.name, "AN")
        }),
        (query(&[(NAME, "quyen thi le")], true, None), |s| {
            has_word(&s.name, "QUYEN") && has_word(&s.name, "THI") && has_word(&s.name, "LE")
        }),
        (query(&[(NAME, "TRAN VAN AN")], false, None), |s| s.name == "TRAN VAN AN"),
        (query(&[(NAME, "*YEN*")], false, None), |s| s.name.contains("YEN")),
        (query(&[(NAME, "N?UY*")], false, None), |s| s.name.starts_with("NGUY")),
        (query(&[(NAME, "NOBODY")], true, None), |_| false),
        (query(&[(NAME, "ha")], true, Some("18.149")), |s| {
            has_word(&s.name, "HA") && s.code == Some("18.149")
        }),
        (query(&[], false, Some("18.119")), |s| s.code == Some("18.119")),
        (query(&[], false, Some("18.1*")), |s| s.code.is_some()),
        (query(&[(MODALITIES, "CT"), (DATE, "20100101-20150630")], false, Some("18.119")), |s| {
            s.code == Some("18.119")
                && s.modality == "CT"
                && ("20100101".."201507").contains(&s.newest.as_str())
        }),
        (query(&[(NAME, "LE"), (DATE, "-20091231")], true, None), |s| {
            has_word(&s.name, "LE") && !s.newest.is_empty() && s.newest.as_str() < "20100101"
        }),
        (query(&[(ID, "BN*"), (MODALITIES, "MR")], false, None), |s| {
            s.patient_id.starts_with("BN") && s.modality == "MR"
        }),
    ];
    with_studies(4_000, |session, all| {
        for (query, matches) in &cases {
            let expected: Vec<String> =
                all.iter().filter(|study| matches(study)).map(|study| study.uid.clone()).collect();
            for limit in [7, 101, 5_000] {
                assert_eq!(pages(session, query, limit), expected, "{query:?}");
            }
        }
    });
}

/// Steps for a first page of each search.
fn steps(session: &Session<'_>, searches: &[Query]) -> Vec<i64> {
    let one = |query: &Query| {
        STEPS.with(|all| all.set(0));
        search(session, &Query { limit: 25, ..query.clone() }).unwrap();
        STEPS.with(Cell::get)
    };
    searches.iter().map(one).collect()
}

#[test]
fn a_first_page_costs_the_same_however_many_studies_there_are() {
    let searches = [
        query(&[(NAME, "NGUYEN*")], false, None),
        query(&[(NAME, "nguyen van an")], true, None),
        query(&[(NAME, "N")], true, None),
        query(&[(NAME, "NOBODY")], true, None),
        query(&[], false, Some("18.149")),
        query(&[(NAME, "thi"), (MODALITIES, "MR")], true, Some("18.149")),
        query(&[(MODALITIES, "CT")], false, None),
    ];
    let mut few = Vec::new();
    with_studies(2_000, |session, _| few = steps(session, &searches));
    with_studies(20_000, |session, _| {
        let many = steps(session, &searches);
        eprintln!("{few:?} {many:?}");
        for ((query, few), many) in searches.iter().zip(&few).zip(many) {
            assert!(many < few * 3 / 2 + 500, "{few} and then {many} steps: {query:?}");
        }
    });
}

#[test]
fn a_search_that_finds_nothing_reads_the_rarest_list_and_no_studies() {
    with_studies(20_000, |session, all| {
        let both = |study: &&Study| has_word(&study.name, "QUYEN") && has_word(&study.name, "VY");
        assert_eq!(all.iter().filter(both).count(), 0);
        let rarest = all.iter().filter(|study| has_word(&study.name, "QUYEN")).count() as i64;
        let found = steps(session, &[query(&[(NAME, "quyen vy")], true, None)]);
        eprintln!("{rarest} entries, {found:?} steps");
        assert!(found[0] < rarest * 60, "{found:?} steps for {rarest} entries");
    });
}
