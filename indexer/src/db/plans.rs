//! How SQLite answers the hot statements: by an index each, so that the cost of a store or a search does not grow
//! with the archive.

use super::session::Session;
use super::sqlite::{DbOptions, SqliteDb};
use super::{
    bulk, coding, conflict, content, evidence, find, holding, instance, object, pack, patient, person, prior,
    removal, retrieve, series, show, showing, statement,
};
use super::{study, verified, version, visible, word};
use crate::query::{Level, Query};

fn with_database(test: impl FnOnce(&Session<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    let db = SqliteDb::open(&folder.path().join("index.sqlite"), DbOptions::default()).unwrap();
    db.read(|session| {
        test(session);
        Ok(())
    })
    .unwrap();
}

fn plan(session: &Session<'_>, sql: &str, bound: &[find::Bound]) -> Vec<String> {
    let explained = format!("EXPLAIN QUERY PLAN {sql}");
    session.rows(&explained, bound, |row| row.get(3)).unwrap()
}

/// Steps that read a whole table or build an index for one statement.
fn slow<'p>(plan: &'p [String]) -> Vec<&'p str> {
    let is_slow = |step: &&'p str| {
        (step.starts_with("SCAN") && *step != "SCAN CONSTANT ROW" && !step.starts_with("SCAN k"))
            || step.contains("AUTOMATIC")
    };
    plan.iter().map(String::as_str).filter(is_slow).collect()
}

#[test]
fn statements_of_storing_and_retrieving_use_indexes() {
    with_database(|session| {
        let hot = [
            bulk::HOT,
            &coding::hot(),
            conflict::HOT,
            content::HOT,
            evidence::HOT,
            holding::HOT,
            instance::HOT,
            object::HOT,
            pack::HOT,
            patient::HOT,
            &person::hot(),
            &prior::hot(),
            removal::HOT,
            retrieve::HOT,
            series::HOT,
            show::HOT,
            showing::HOT,
            study::HOT,
            version::HOT,
            verified::HOT,
            visible::HOT,
            &statement::hot(),
            word::HOT,
        ];
        for sql in hot.into_iter().flatten() {
            let last = (1..30).rev().find(|n| sql.contains(&format!("?{n}"))).unwrap_or(0);
            let plan = plan(session, sql, &vec![find::Bound::Number(0); last]);
            assert!(slow(&plan).is_empty(), "{sql}\n{plan:#?}");
        }
    });
}

/// The statements of a search, each with its plan.
fn planned(session: &Session<'_>, query: &Query) -> Vec<(String, Vec<String>)> {
    let statements = find::Plan::statements(session, query).unwrap();
    statements
        .into_iter()
        .map(|(sql, bound)| {
            let plan = plan(session, &sql, &bound);
            (sql, plan)
        })
        .collect()
}

fn compiled(session: &Session<'_>, level: Level, keys: &[(u32, &str)]) -> Vec<(String, Vec<String>)> {
    let mut query = Query::new(level);
    for (tag, value) in keys {
        assert!(query.key(*tag, value).unwrap());
    }
    planned(session, &query)
}

#[test]
fn searches_with_an_identifier_or_by_date_use_an_index() {
    with_database(|session| {
        for level in [Level::Patient, Level::Study, Level::Series, Level::Instance] {
            for key in [
                (0x0020_000D, "1.2.3"),
                (0x0020_000E, "1.2.3"),
                (0x0008_0018, "1.2.3"),
                (0x0010_0020, "P1"),
                (0x0008_0050, "A1"),
                (0x0008_0020, "20260101-20260131"),
            ] {
                for (sql, plan) in compiled(session, level, &[key]) {
                    assert!(slow(&plan).is_empty(), "{sql}\n{plan:#?}");
                }
            }
        }
    });
}

#[test]
fn the_newest_studies_come_in_order_of_an_index_and_are_not_sorted() {
    with_database(|session| {
        for (level, keys) in [
            (Level::Study, &[][..]),
            (Level::Study, &[(0x0010_0020, "P1")]),
            (Level::Study, &[(0x0008_0061, "CT\\MR"), (0x0008_1030, "*x*")]),
            (Level::Study, &[(0x0008_0020, "20260101-")]),
            (Level::Series, &[(0x0008_0060, "CT")]),
            (Level::Instance, &[(0x0008_0060, "CT")]),
        ] {
            for (sql, plan) in compiled(session, level, keys) {
                let by_index = plan
                    .iter()
                    .any(|step| step.contains("study_newest") || step.contains("study_patient_id"));
                let whole_sort = plan.iter().any(|step| step == "USE TEMP B-TREE FOR ORDER BY");
                assert!(by_index && !whole_sort, "{sql}\n{plan:#?}");
            }
        }
    });
}

#[test]
fn a_code_is_looked_up_and_studies_that_wait_are_listed_by_index() {
    with_database(|session| {
        let mut query = Query::new(Level::Study);
        assert!(query.key_within(0x0008_1032, 0x0008_0100, "18.149").unwrap());
        for (sql, plan) in planned(session, &query) {
            assert!(plan.iter().any(|step| step.contains("study_code_found")), "{sql}\n{plan:#?}");
            assert!(slow(&plan).is_empty(), "{sql}\n{plan:#?}");
        }
        assert!(!query.key_within(0x0040_0275, 0x0008_0100, "18.149").unwrap());
    });
}

/// Steps by which a list is read: sought, in the order of its index.
#[test]
fn a_name_is_looked_up_in_the_lists_of_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let db = SqliteDb::open(&folder.path().join("index.sqlite"), DbOptions::default()).unwrap();
    db.write(|session| {
        ["NGUYEN", "VAN", "VANG"]
            .iter()
            .try_for_each(|word| session.execute("INSERT INTO word (text) VALUES (?1)", [*word]).map(drop))
    })
    .unwrap();
    let check = |session: &Session<'_>| {
        for level in [Level::Patient, Level::Study, Level::Series, Level::Instance] {
            for (name, fuzzy) in [("NGUYEN VAN*", false), ("nguyen va", true), ("VAN", false)] {
                let mut query = Query::new(level);
                assert!(query.key(0x0010_0010, name).unwrap());
                query.fuzzy = fuzzy;
                let statements = planned(session, &query);
                assert_eq!(statements.len(), 2);
                for (sql, plan) in statements {
                    let listed =
                        |step: &&String| step.contains("study_word") || step.starts_with("SEARCH k ");
                    let sought = plan.iter().filter(listed).all(|step| step.starts_with("SEARCH"));
                    assert!(sought && plan.iter().any(|step| listed(&step)), "{sql}\n{plan:#?}");
                    assert!(slow(&plan).is_empty(), "{sql}\n{plan:#?}");
                }
            }
        }
        Ok(())
    };
    db.read(check).unwrap();
}
