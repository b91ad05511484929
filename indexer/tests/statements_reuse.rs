//! Decisions, hand-overs and entries of the ledger: what follows from a set of statements is the same in whatever order
//! they come, however they are cut into batches, and however often.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod db_sample;
mod test_database;

use db_sample::Fresh;
use indexer::db::{Batch, DecisionsBy, DeliveriesBy, Entry, LedgerBy, Place, Stated};
use indexer::reuse::prior::{ReportStatus, Signature};
use indexer::reuse::{Moment, Verdict};
use indexer::statement::{
    BilledPrice, Decision, DecisionReason, Delivery, DeliveryMode, DocumentRelied, HybridTime, Kind,
    LedgerEntry, LedgerEvent, LedgerLine, NO_ENTRY, OrderStatus, Report, ReportRelied, ReuseChoice, Seen,
    State, Statement, Subject, Who,
};
use proptest::prelude::*;
use storage_config::ContentHash;

const SUBJECTS: u8 = 3;

fn decision(subject: u8, turn: u64) -> Decision {
    Decision {
        order: format!("order-{}", subject % 2),
        facility: Some(u32::from(subject)),
        choice: if turn.is_multiple_of(3) { ReuseChoice::Repeat } else { ReuseChoice::Reuse },
        withdrawn: turn.is_multiple_of(2),
        order_before: OrderStatus::Requested,
        studies: vec!["1.2.3".parse().unwrap()],
        reasons: vec![DecisionReason::TooOld],
        text: String::new(),
        seen: Seen {
            best: None,
            verdict: Some(Verdict::Review),
            today: "2026-11-22".parse().unwrap(),
            order_version: turn,
            answer: "a".into(),
            evidence: serde_json::json!({ "listed": [] }),
        },
        reports: vec![ReportRelied { report: "number:0:r".into(), version: 1 }],
        documents: documents(subject),
        patients: Vec::new(),
    }
}

/// Decisions of one subject relied on an object that is not here.
fn documents(subject: u8) -> Vec<DocumentRelied> {
    let gone = DocumentRelied {
        study: "1.2.3".parse().unwrap(),
        sop_instance: "1.2.3.4".parse().unwrap(),
        digest: ContentHash([7; 32]),
    };
    if subject == 2 { vec![gone] } else { Vec::new() }
}

fn delivery(subject: u8, turn: u64) -> Delivery {
    Delivery {
        facility: None,
        order: format!("order-{}", subject % 2),
        study: Some(format!("1.2.{subject}").parse().unwrap()),
        mode: if turn.is_multiple_of(3) { DeliveryMode::Film } else { DeliveryMode::LinkOrQr },
        recipient: String::new(),
        delivered_at: Moment { ms: 1 },
        proof: String::new(),
        price: Some(if turn.is_multiple_of(2) { BilledPrice::WithFilm } else { BilledPrice::WithoutFilm }),
        withdrawn: turn.is_multiple_of(5),
    }
}

fn entry(subject: u8, turn: u64) -> LedgerEntry {
    let day = "2026-11-22".parse().unwrap();
    let back = turn.is_multiple_of(2);
    let amount = if back { -100 } else { 100 } * i64::try_from(turn).unwrap();
    let line = LedgerLine { code: format!("c{subject}"), exam_vnd: Some(amount), ..LedgerLine::default() };
    LedgerEntry {
        writer: 1,
        count: u64::from(subject) + 1,
        previous: NO_ENTRY,
        event: if back { LedgerEvent::ExamReversed } else { LedgerEvent::ExamAvoided },
        round: 1,
        order: format!("order-{}", subject % 2),
        decision: "d".into(),
        reversal: None,
        because: String::new(),
        entered_ms: 1,
        day,
        priced_on: day,
        facility: 1,
        facility_code: String::new(),
        performed_by: String::new(),
        machine: String::new(),
        episode: String::new(),
        ordered_by: String::new(),
        decided_by: "x".into(),
        studies: Vec::new(),
        lines: vec![line.clone(), line],
        payers: None,
        dose: None,
        hash: NO_ENTRY,
    }
    .sealed()
}

fn report(turn: u64) -> Report {
    Report {
        facility: None,
        number: "r".into(),
        study: None,
        accession: "A".into(),
        description: String::new(),
        conclusion: "c".into(),
        status: if turn.is_multiple_of(2) { ReportStatus::Amended } else { ReportStatus::Final },
        reader: String::new(),
        practice_certificate: String::new(),
        signed_at: None,
        signature: Signature::NotTold,
    }
}

type Drawn = (u8, u8, u64, u16, Option<u64>);

fn statement(n: usize, (kind, subject, ms, count, based_on): Drawn) -> Statement {
    let (state, key) = match kind {
        0 => (State::ReuseDecision(Box::new(decision(subject, ms))), format!("d{subject}")),
        1 => (State::Delivery(Box::new(delivery(subject, ms))), format!("h{subject}")),
        2 => {
            let entry = entry(subject, ms);
            let key = entry.key();
            (State::LedgerEntry(Box::new(entry)), key)
        }
        _ => (State::Report(Box::new(report(ms))), "number:0:r".to_owned()),
    };
    let id = format!("s{n}");
    Statement {
        writer: 1,
        time: HybridTime::new(ms, count).unwrap(),
        subject: Subject { kind: state.kind(), key },
        based_on,
        state,
        who: Who::system(),
        why: String::new(),
        asked: ContentHash::of(id.as_bytes()),
        id,
    }
}

/// Everything that the index says after it was given the statements, some of them twice.
fn told(all: &[Statement], order: &[usize], cuts: &[(u8, bool)]) -> String {
    let fresh = Fresh::new();
    let db = &fresh.db;
    let pack = db.pack_id("a").unwrap();
    let mut at = 0;
    for (count, later) in cuts.iter().cycle() {
        let end = (at + usize::from(*count) + 1).min(order.len());
        // The last one of the batch before comes again.
        let entries = order[at.saturating_sub(1)..end].iter().map(|n| Entry::Statement {
            place: Place { pack, offset: *n as u64, length: 1 },
            statement: Box::new(all[*n].clone()),
            later: *later,
        });
        db.apply(&Batch { entries: entries.collect(), checkpoints: Vec::new(), ..Batch::default() }).unwrap();
        at = end;
        if at == order.len() {
            break;
        }
    }
    db.decide_statements().unwrap();
    // Rows of equal time come in the order of their numbers, which is that of arrival.
    let sorted = |rows: Vec<Stated>| {
        let mut rows: Vec<_> = rows.into_iter().map(|row| (row.statement.subject.key, row.version)).collect();
        rows.sort();
        rows
    };
    let decided = [DecisionsBy::Newest, DecisionsBy::Order("order-0".into()), DecisionsBy::ReportChanged]
        .map(|by| sorted(db.decisions(&by, None, 100, 0).unwrap()));
    let handed =
        [DeliveriesBy::Newest, DeliveriesBy::Order("order-1".into()), DeliveriesBy::FilmBilledWithoutFilm]
            .map(|by| sorted(db.deliveries(&by, 100, 0).unwrap()));
    let sums = [LedgerBy::Month, LedgerBy::Code]
        .map(|by| db.ledger_sums(by, None, ("2000-01-01", "2100-01-01")).unwrap());
    let ledger = sorted(db.ledger_entries(None, ("2000-01-01", "2100-01-01"), 100, 0).unwrap());
    let due: Vec<String> = db.ledger_due(100).unwrap().into_iter().map(|(order, _)| order).collect();
    let counts = (
        db.decisions_with_changed_report().unwrap(),
        db.film_billed_without_film().unwrap(),
        db.handed_over_without_film("order-0").unwrap(),
        db.ledger_heads().unwrap(),
    );
    for row in db.decisions(&DecisionsBy::Newest, None, 100, 0).unwrap() {
        assert!(matches!(row.statement.state, State::ReuseDecision(_)));
        let known = db.subject(Kind::ReuseDecision, &row.statement.subject.key).unwrap().unwrap();
        assert_eq!(known.version, row.version);
    }
    format!("{decided:#?} {handed:#?} {sums:#?} {ledger:#?} {due:#?} {counts:#?}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_arrival_gives_one_state(
        drawn in prop::collection::vec((0..4u8, 0..SUBJECTS, 1..8u64, 0..3u16, prop::option::of(1..3u64)), 1..24),
        keys in prop::collection::vec(any::<u32>(), 24),
        cuts in prop::collection::vec((0..5u8, any::<bool>()), 1..6),
    ) {
        let all: Vec<Statement> = drawn.into_iter().enumerate().map(|(n, one)| statement(n, one)).collect();
        for one in &all {
            one.check().unwrap();
            let text = one.to_json().unwrap();
            prop_assert_eq!(&Statement::from_json(text.as_bytes()).unwrap(), one);
        }
        let mut order: Vec<usize> = (0..all.len()).collect();
        let first = told(&all, &order, &cuts);
        order.sort_by_key(|n| keys[*n]);
        prop_assert_eq!(&told(&all, &order, &[(0, false)]), &first);
        order.reverse();
        prop_assert_eq!(&told(&all, &order, &cuts), &first);
    }
}
