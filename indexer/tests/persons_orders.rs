//! Who is no candidate because of somebody else of the group, and orders whose numbers count orders.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod db_sample;
mod test_database;

use db_sample::person::{NUMBER, evidenced, hers, key, link, offered, ordered, say, seen, statement};
use db_sample::{Fresh, Sample};
use indexer::db::DbOptions;
use indexer::identity::{FacilityRule, IdentityRules};
use indexer::statement::State;

#[test]
fn who_cannot_be_one_person_with_a_member_is_no_candidate() {
    const OTHER: &[(&str, &str)] = &[("001185099999", "CCCD")];
    let fresh = Fresh::new();
    fresh.store(&[
        hers(1, 1, "P1"),
        evidenced(hers(2, 1, "P1")),
        Sample { other: OTHER, ..hers(3, 3, "R1") },
        hers(4, 4, "S1"),
        evidenced(hers(5, 5, "T1")),
    ]);
    let db = &fresh.db;
    assert_eq!(seen(db, 1), [1, 2, 5]);
    // The saying of study 1 evidences no number; that of study 2, which is the same person's, does.
    assert_eq!(offered(db, 1).iter().map(|(key, _)| *key).collect::<Vec<_>>(), [key(db, 4)]);
    // Parted from a member that is linked by its number alone.
    let numbers = [4, 5].map(|study| db.person(&key(db, study)).unwrap().unwrap().number);
    link(&fresh, 1, (numbers[0], numbers[1]), false, None);
    assert_eq!(offered(db, 1), []);
}

#[test]
fn a_number_that_counts_orders_is_a_persons_only_with_name_and_birth_date() {
    let rule = FacilityRule { counts_orders: true, ..FacilityRule::default() };
    let mut rules = (*IdentityRules::shipped()).clone();
    rules.facilities.insert("01001".into(), rule);
    let fresh = Fresh::with(DbOptions { identity: rules.into(), ..DbOptions::default() });
    let code = indexer::statement::Facility {
        codes: vec![indexer::statement::DatedCode { code: "01001".into(), from: "00000000".into() }],
    };
    say(&fresh, statement(99, "1".into(), State::Facility(code), None));
    let counted = |study, accession, scope, name, birth_date| Sample {
        accession,
        scope,
        name,
        birth_date,
        ..hers(study, 1, "00000017")
    };
    fresh.store(&[
        counted(1, "A1", "order:A1", "NGUYEN THI AN", "19850317"),
        counted(2, "A2", "order:A2", "NGUYEN THI HOA", ""),
    ]);
    let db = &fresh.db;
    let order = |n, accession: &str, name: &str, birth_date: &str| {
        let mut made = ordered(1, "00000017", accession, NUMBER);
        made.patient.identifiers.clear();
        made.patient.name = name.into();
        made.patient.birth_date = birth_date.into();
        say(&fresh, statement(n, format!("o{n}"), State::Order(Box::new(made)), None));
        let kin = db.kin_of_order(&format!("o{n}")).unwrap().unwrap();
        let same = kin.members.iter().filter(|member| member.record.has_study).count();
        (usize::from(kin.anchor.has_study) + same, kin.clashing.len())
    };
    assert_eq!(order(1, "A1", "Nguyen Thi An", "1985-03-17"), (1, 0), "the study of this very order");
    assert_eq!(order(2, "B2", "Nguyen Thi An", "1985-03-17"), (1, 0), "the same person orders again");
    assert_eq!(
        order(3, "B3", "Nguyen Thi Hoa", ""),
        (0, 0),
        "the number was given to somebody else of that name"
    );
    assert_eq!(order(4, "B4", "", ""), (0, 0), "nobody");
    assert_eq!(order(5, "B5", "Tran Van Ba", "1970-02-03"), (0, 0), "a stranger, and no collision");
    assert_eq!((seen(db, 1), seen(db, 2)), (vec![1], vec![2]));
}
