//! What an avoided exam would have cost: by which list, and what is told where a code is open or a price unknown.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use indexer::codes::Catalogue;
use indexer::codes::catalogue::list::{Entry, ImportedList, ListKind};
use indexer::ledger::{Tariff, negated, payers};
use indexer::statement::{OrderedItem, Payment};

fn item(code: &str) -> OrderedItem {
    OrderedItem { code: code.into(), ..OrderedItem::default() }
}

/// A made-up list: no row of it is real.
fn list(
    kind: ListKind,
    facility: &str,
    version: &str,
    rows: &[(&str, Option<&str>, u64, Option<u64>)],
) -> ImportedList {
    let entry = |(code, service, film, no_film): &(&str, Option<&str>, u64, Option<u64>)| Entry {
        code: (*code).into(),
        name: "MADE UP".into(),
        service: service.map(str::to_owned),
        price_film_vnd: Some(*film),
        price_no_film_vnd: *no_film,
        ..Entry::default()
    };
    ImportedList {
        kind,
        version: version.into(),
        source: format!("made up {facility}"),
        facility: facility.into(),
        entries: rows.iter().map(entry).collect(),
    }
}

#[test]
fn the_national_price_holds_where_no_list_is_in_force() {
    let catalogue = Catalogue::built_in();
    let day = "2026-11-22".parse().unwrap();
    let tariff = Tariff::new(&catalogue, "01001", day);
    let line = tariff.line(&item("18.0149.0040"));
    assert_eq!((line.exam_vnd, line.film_vnd, line.lower_bound), (Some(452_400), Some(97_700), false));
    assert_eq!((line.code.as_str(), line.modality.as_str()), ("18.0149.0040", "CT"));
    assert_eq!(line.list, format!("national {}", catalogue.version()));
    assert!(!line.film_included && !line.name.is_empty());
    // A technique leaves the service code open: the lowest price, and that it is a bound.
    let open = tariff.line(&item("18.119"));
    assert_eq!((open.exam_vnd, open.lower_bound), (Some(45_700), true), "{open:?}");
    // What nobody knows stays unknown.
    let unknown = tariff.line(&item("CT-SO-NAO"));
    assert_eq!((unknown.exam_vnd, unknown.film_vnd, unknown.code.as_str()), (None, None, ""));
    assert_eq!(unknown.ordered, "CT-SO-NAO");
    // Without a price for no film, film may be part of the price, and that is told.
    let analogue = tariff.line(&item("18.0119.0012"));
    assert!(
        analogue.film_included && analogue.exam_vnd.is_some() && analogue.film_vnd.is_none(),
        "{analogue:?}"
    );
}

#[test]
fn the_list_of_the_facility_in_force_that_day_counts() {
    let code = "18.0149.0040";
    let lists = vec![
        list(ListKind::PriceList, "", "2026-01-01", &[(code, None, 500, Some(400))]),
        list(ListKind::PriceList, "01001", "2026-02-01", &[(code, None, 600, Some(450))]),
        list(ListKind::PriceList, "01001", "2026-06-01", &[(code, None, 700, Some(480))]),
        list(ListKind::PriceList, "01002", "2026-02-01", &[(code, None, 9, Some(8))]),
        list(ListKind::HospitalList, "01001", "2026-03-01", &[("CT1", Some(code), 650, None)]),
    ];
    let catalogue = Catalogue::built_in().with_lists(lists);
    let price = |facility: &str, day: &str, code: &str| {
        let line = Tariff::new(&catalogue, facility, day.parse().unwrap()).line(&item(code));
        (line.exam_vnd, line.film_vnd, line.list)
    };
    let told = |exam, film, list: &str| (Some(exam), Some(film), list.to_owned());
    assert_eq!(price("01001", "2026-02-01", code), told(450, 150, "made up 01001 2026-02-01"));
    assert_eq!(price("01001", "2026-05-31", code).0, Some(650), "the newest list that has it");
    assert_eq!(price("01001", "2026-06-01", code), told(480, 220, "made up 01001 2026-06-01"));
    assert_eq!(price("01002", "2026-06-01", code).0, Some(8));
    assert_eq!(price("01003", "2026-06-01", code), told(400, 100, "made up  2026-01-01"));
    assert_eq!(price("01001", "2025-12-31", code).0, Some(452_400), "before any list");
    assert_eq!(price("01001", "2026-07-01", "CT1").0, Some(650), "a code of its own");
    assert_eq!(price("01002", "2026-07-01", "CT1").0, None, "means nothing elsewhere");
}

#[test]
fn who_would_have_paid_adds_up_and_is_unknown_where_the_order_does_not_tell() {
    assert_eq!(payers(None, 452_400), None);
    let payment = Payment { insurance_percent: 80, copayment_percent: 15 };
    let split = payers(Some(payment), 452_401).unwrap();
    assert_eq!((split.insurance_vnd, split.copayment_vnd), (361_920, 67_860));
    assert_eq!(split.insurance_vnd + split.copayment_vnd + split.hospital_vnd, 452_401);
    let catalogue = Catalogue::built_in();
    let line = Tariff::new(&catalogue, "", "2026-11-22".parse().unwrap()).line(&item("18.0149.0040"));
    let back = negated(&negated(std::slice::from_ref(&line)));
    assert_eq!(back, std::slice::from_ref(&line));
    assert_eq!(negated(&[line])[0].exam_vnd, Some(-452_400));
}
