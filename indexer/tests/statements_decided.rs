//! What counts of a subject follows from the set of statements about it: in whatever order they come, however they are
//! cut into batches, decided at once or later, the index says what a look at all of them says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod db_sample;
mod test_database;

use std::collections::BTreeMap;

use db_sample::Fresh;
use indexer::db::{Batch, Entry, Place};
use indexer::statement::fold::decide;
use indexer::statement::{
    HybridTime, Kind, LegalHold, PerformedSeries, PerformedStep, ScheduledFor, State, Statement,
    StatementError, StepStatus, Subject, Who,
};
use proptest::prelude::*;
use storage_config::{ContentHash, Uid};

/// From this number on the subjects are performed procedure steps, below it legal holds.
const STEPS: u8 = 3;

/// A step as a device tells it at a time: for which study, and of which series, changes with the time.
fn step(ms: u64) -> PerformedStep {
    let uid = |text: String| Uid::parse(&text).unwrap();
    let status = [StepStatus::InProgress, StepStatus::Completed, StepStatus::Discontinued];
    PerformedStep {
        source: "dimse:CT1@127.0.0.1".into(),
        status: status[ms as usize % 3],
        scheduled: vec![ScheduledFor { study: uid(format!("1.9.{}", ms % 2)), accession: String::new() }],
        series: vec![PerformedSeries {
            series: uid(format!("1.8.{ms}")),
            images: (0..ms).map(|n| uid(format!("1.7.{n}"))).collect(),
            documents: Vec::new(),
        }],
        ..PerformedStep::default()
    }
}

fn statement(id: &str, subject: u8, (ms, n, writer): (u64, u16, u32), based_on: Option<u64>) -> Statement {
    let held = ms.is_multiple_of(2);
    let state = match subject {
        STEPS.. => State::PerformedStep(Box::new(step(ms))),
        _ => State::LegalHold(LegalHold { held }),
    };
    Statement {
        id: id.into(),
        writer,
        time: HybridTime::new(ms, n).unwrap(),
        subject: Subject { kind: state.kind(), key: format!("1.2.{subject}") },
        based_on,
        state,
        who: Who::system(),
        why: String::new(),
        asked: ContentHash::of(id.as_bytes()),
    }
}

fn any_statements() -> impl Strategy<Value = Vec<Statement>> {
    let one = (0..2 * STEPS, 1..6u64, 0..2u16, 1..3u32, prop::option::of(1..4u64));
    prop::collection::vec(one, 1..24).prop_map(|all| {
        let make = |(n, (study, ms, count, writer, based_on)): (usize, _)| {
            statement(&format!("s{n}"), study, (ms, count, writer), based_on)
        };
        all.into_iter().enumerate().map(make).collect()
    })
}

/// What the index says after it was given the statements, some of them twice.
fn told(all: &[Statement], order: &[usize], cuts: &[(u8, bool)]) -> BTreeMap<String, (u64, String)> {
    let fresh = Fresh::new();
    let pack = fresh.db.pack_id("a").unwrap();
    let mut at = 0;
    for (count, later) in cuts.iter().cycle() {
        let end = (at + usize::from(*count) + 1).min(order.len());
        // The last one of the batch before comes again.
        let entries = order[at.saturating_sub(1)..end].iter().map(|n| Entry::Statement {
            place: Place { pack, offset: *n as u64, length: 1 },
            statement: Box::new(all[*n].clone()),
            later: *later,
        });
        let batch = Batch { entries: entries.collect(), checkpoints: Vec::new(), ..Batch::default() };
        fresh.db.apply(&batch).unwrap();
        at = end;
        if at == order.len() {
            break;
        }
    }
    fresh.db.decide_statements().unwrap();
    let mut told = BTreeMap::new();
    for study in 0..3 {
        let key = format!("1.2.{study}");
        let Some(row) = fresh.db.subject(Kind::LegalHold, &key).unwrap() else { continue };
        let Some(current) = row.current else { continue };
        let State::LegalHold(LegalHold { held }) = current.state else { panic!("another kind") };
        let uid = Uid::parse(&key).unwrap();
        assert_eq!(fresh.db.is_held(&uid).unwrap(), held);
        let listed = fresh.db.legal_holds(10, 0).unwrap();
        assert_eq!(
            listed.iter().any(|stated| stated.statement.subject.key == key),
            held,
            "what follows from it"
        );
        told.insert(key, (row.version.unwrap(), current.id));
    }
    steps_told(&fresh, &mut told);
    for statement in all {
        assert_eq!(fresh.db.statement(&statement.id).unwrap().unwrap().statement, *statement);
    }
    told
}

/// What the index says of the steps: their current state, and to which studies it belongs.
fn steps_told(fresh: &Fresh, told: &mut BTreeMap<String, (u64, String)>) {
    let studies = ["1.9.0", "1.9.1"].map(|study| Uid::parse(study).unwrap());
    for number in STEPS..2 * STEPS {
        let key = format!("1.2.{number}");
        let Some(row) = fresh.db.subject(Kind::PerformedStep, &key).unwrap() else { continue };
        let Some(current) = row.current else { continue };
        let State::PerformedStep(state) = &current.state else { panic!("another kind") };
        assert_eq!(**state, step(current.time.ms() as u64));
        for study in &studies {
            let of_study = fresh.db.step_versions_of_study(study).unwrap();
            let named = state.studies().contains(study).then_some(row.version.unwrap());
            assert_eq!(of_study.get(&key).copied(), named, "what follows from it");
        }
        told.insert(key, (row.version.unwrap(), current.id));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_arrival_gives_one_state(
        all in any_statements(),
        keys in prop::collection::vec(any::<u32>(), 24),
        cuts in prop::collection::vec((0..5u8, any::<bool>()), 1..6),
    ) {
        let decided: BTreeMap<String, (u64, String)> = decide(&all)
            .into_iter()
            .map(|(subject, decided)| (subject.key, (decided.version, decided.current.id.clone())))
            .collect();
        let mut order: Vec<usize> = (0..all.len()).collect();
        prop_assert_eq!(&told(&all, &order, &cuts), &decided);
        order.sort_by_key(|n| keys[*n]);
        prop_assert_eq!(&told(&all, &order, &cuts), &decided);
        let shuffled: Vec<Statement> = order.iter().chain(&order).map(|n| all[*n].clone()).collect();
        let again = decide(&shuffled);
        for (subject, decided) in decide(&all) {
            prop_assert_eq!(decided.version, again[&subject].version);
            let ids = |lost: &[&Statement]| lost.iter().map(|s| s.id.clone()).collect::<Vec<_>>();
            prop_assert_eq!(ids(&decided.superseded), ids(&again[&subject].superseded));
        }
    }
}

/// Two nodes say different things on the same version; the one that was said first counts, also when it comes last, and
/// what was said on top of the loser counts by its number.
#[test]
fn one_that_was_said_earlier_and_comes_later_wins_in_the_same_way_everywhere() {
    let all = [
        statement("first", 1, (10, 0, 1), None),
        statement("late", 1, (20, 0, 2), Some(1)),
        statement("loser", 1, (21, 0, 1), Some(1)),
        statement("next", 1, (30, 0, 1), Some(2)),
    ];
    let expected = BTreeMap::from([("1.2.1".to_owned(), (3, "next".to_owned()))]);
    for order in [[0, 1, 2, 3], [0, 2, 3, 1], [3, 2, 1, 0]] {
        assert_eq!(told(&all, &order, &[(0, false)]), expected);
    }
    let subject = &all[0].subject;
    let lost: Vec<&str> = decide(&all)[subject].superseded.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(lost, ["loser"]);
}

#[test]
fn a_statement_reads_back_and_one_that_cannot_be_is_refused() {
    let good = statement("a.b:C-1_2", 1, (10, 3, 1), Some(4));
    let text = good.to_json().unwrap();
    assert_eq!(Statement::from_json(text.as_bytes()).unwrap(), good);
    let field = |text: String| {
        let StatementError { field, .. } = Statement::from_json(text.as_bytes()).unwrap_err();
        field
    };
    for (from, to, wrong) in [
        ("a.b:C-1_2", "", "Idempotency-Key"),
        ("a.b:C-1_2", "a b", "Idempotency-Key"),
        ("\"based_on\":4", "\"based_on\":0", "based_on"),
        ("\"name\":\"archive\"", "\"name\":\" \"", "who"),
        ("1.2.1", "1.2.01x", "subject"),
        ("legal_hold", "oracle", "statement"),
        ("\"held\":true", "\"held\":7", "statement"),
    ] {
        assert!(text.contains(from), "{text}");
        assert_eq!(field(text.replace(from, to)), wrong, "{from} -> {to}");
    }
}
