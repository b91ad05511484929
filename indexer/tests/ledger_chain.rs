//! A chain of entries tells when one of them was changed, dropped, put in or moved; that its end was cut off it tells
//! where a later head is known.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use indexer::ledger::chain::{Break, Head, verify};
use indexer::statement::{LedgerEntry, LedgerEvent, LedgerLine, NO_ENTRY};
use proptest::prelude::*;
use storage_config::ContentHash;

fn entry(writer: u32, count: u64, previous: ContentHash, amount: i64) -> LedgerEntry {
    let day = "2026-11-22".parse().unwrap();
    let line = LedgerLine {
        code: "18.0149.0040".into(),
        exam_vnd: Some(amount),
        film_vnd: Some(97_700),
        list: "made up \"list\"\n".into(),
        ..LedgerLine::default()
    };
    LedgerEntry {
        writer,
        count,
        previous,
        event: LedgerEvent::ExamAvoided,
        round: 1,
        order: format!("order-{count}"),
        decision: "d".into(),
        reversal: None,
        because: String::new(),
        entered_ms: 1_795_000_000_000,
        day,
        priced_on: day,
        facility: 1,
        facility_code: "01001".into(),
        performed_by: "01002".into(),
        machine: "CT-Đ1".into(),
        episode: "LK".into(),
        ordered_by: "BS. Hạnh".into(),
        decided_by: "BS. Lê".into(),
        studies: vec!["1.2.3".parse().unwrap()],
        lines: vec![line],
        payers: None,
        dose: None,
        hash: NO_ENTRY,
    }
    .sealed()
}

fn chain(writer: u32, amounts: &[i64]) -> Vec<LedgerEntry> {
    let mut all: Vec<LedgerEntry> = Vec::new();
    for (count, amount) in (1..).zip(amounts) {
        let previous = all.last().map_or(NO_ENTRY, |entry| entry.hash);
        all.push(entry(writer, count, previous, *amount));
    }
    all
}

fn heads(all: &[LedgerEntry]) -> Vec<Head> {
    verify(all, &[], None).0
}

/// The canonical text of an entry and its hash: programs of others compute them from docs/FORMAT.md.
#[test]
fn the_canonical_text_and_the_hash_of_an_entry_stay_what_they_are() {
    let first = entry(1, 1, NO_ENTRY, 452_400);
    let text = first.canonical();
    assert!(text.starts_with("{\"because\":\"\"") || text.starts_with("{\"count\":1,"), "{text}");
    assert!(!text.contains("\"hash\"") && text.contains("\"machine\":\"CT-Đ1\""), "{text}");
    assert!(text.contains("made up \\\"list\\\"\\n"), "{text}");
    let names: Vec<usize> =
        ["\"count\"", "\"day\"", "\"decision\"", "\"event\"", "\"order\"", "\"round\"", "\"writer\""]
            .iter()
            .map(|name| text.find(name).unwrap())
            .collect();
    assert!(names.is_sorted(), "{text}");
    let mut bytes = b"ledger-entry/1\0".to_vec();
    bytes.extend_from_slice(text.as_bytes());
    assert_eq!(first.hash, ContentHash::of(&bytes));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_whole_chain_is_whole(
        amounts in prop::collection::vec(-5_000_000..5_000_000i64, 0..20),
        others in prop::collection::vec(0..1000i64, 0..5),
    ) {
        let mut all = chain(1, &amounts);
        all.extend(chain(2, &others));
        let (found, breaks) = verify(&all, &[], None);
        prop_assert_eq!(&breaks, &[]);
        for given in &all {
            prop_assert_eq!(verify(&all, &found, Some(given.hash)).1, []);
        }
    }

    #[test]
    fn an_edit_a_drop_an_insertion_and_another_order_are_seen(
        amounts in prop::collection::vec(0..5_000_000i64, 2..20),
        at in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
    ) {
        let whole = chain(1, &amounts);
        let (at, other) = (at.index(whole.len()), other.index(whole.len()));

        let mut edited = whole.clone();
        edited[at].lines[0].exam_vnd = Some(-1);
        prop_assert!(!verify(&edited, &[], None).1.is_empty());
        // With a hash that fits the edit, the next one tells, or the head.
        edited[at] = edited[at].clone().sealed();
        prop_assert!(!verify(&edited, &heads(&whole), None).1.is_empty());
        if at + 1 < whole.len() {
            prop_assert!(!verify(&edited, &[], None).1.is_empty());
        }

        let mut dropped = whole.clone();
        dropped.remove(at);
        prop_assert!(!verify(&dropped, &heads(&whole), None).1.is_empty());
        if at + 1 < whole.len() {
            prop_assert!(!verify(&dropped, &[], None).1.is_empty());
        }

        let mut inserted = whole.clone();
        let previous = at.checked_sub(1).map_or(NO_ENTRY, |before| whole[before].hash);
        inserted.insert(at, entry(1, at as u64 + 1, previous, 7));
        prop_assert!(!verify(&inserted, &[], None).1.is_empty());

        if at != other {
            let mut moved = whole.clone();
            moved.swap(at, other);
            prop_assert!(!verify(&moved, &[], None).1.is_empty());
            // Also where their numbers are exchanged.
            let (one, two) = (moved[at].count, moved[other].count);
            (moved[at].count, moved[other].count) = (two, one);
            prop_assert!(!verify(&moved, &[], None).1.is_empty());
        }
    }

    #[test]
    fn a_tail_that_was_cut_off_is_seen_with_the_head(
        amounts in prop::collection::vec(0..5_000_000i64, 1..20),
        keep in any::<prop::sample::Index>(),
    ) {
        let whole = chain(1, &amounts);
        let keep = keep.index(whole.len());
        let cut = &whole[..keep];
        prop_assert_eq!(verify(cut, &[], None).1, [], "nobody can see it without a head");
        let last = whole.last().unwrap();
        let unknown = Break::HeadUnknown { head: last.hash };
        prop_assert_eq!(verify(cut, &[], Some(last.hash)).1, [unknown]);
        let known = heads(&whole);
        let lost = Break::Cut { writer: 1, count: whole.len() as u64, entries: keep as u64 };
        prop_assert_eq!(verify(cut, &known, None).1, [lost]);
    }
}
