//! Who is one person over stored studies: automatic links, candidates, collisions, twins, doubts, and what people say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod db_sample;
mod test_database;

use db_sample::person::{
    CCCD, NUMBER, entry, evidenced, hers, key, link, offered, ordered, say, seen, statement,
};
use db_sample::{Fresh, Sample, everything, study_uid};
use indexer::db::{Batch, DbOptions, Entry};
use indexer::identity::{FacilityRule, IdentifierKind, IdentityRules, NumberIn};
use indexer::query::{GroupKey, Level, Query};
use indexer::reuse::prior::IdentityStatus;
use indexer::statement::{
    Collision, Finding, OrderedIdentifier, PatientLink, PatientNumbers, State, Statement,
};
use proptest::prelude::*;

fn find(fresh: &Fresh, n: u32, collision: Collision, based_on: Option<u64>) {
    say(fresh, statement(n, collision.key(), State::Collision(collision), based_on));
}

#[test]
fn the_personal_number_links_at_once_and_a_person_parts_again() {
    let fresh = Fresh::new();
    fresh.store(&[
        evidenced(hers(1, 1, "P1")),
        evidenced(hers(2, 2, "Q9")),
        hers(3, 2, "Q9"),
        hers(4, 3, "R1"),
    ]);
    let db = &fresh.db;
    for study in [1, 2, 3] {
        assert_eq!(seen(db, study), [1, 2, 3], "over the number, then over the hospital number");
    }
    assert_eq!(seen(db, 4), [4], "name and birth date alone join nobody");
    let kin = db.kin(&key(db, 1)).unwrap().unwrap();
    assert_eq!(kin.members[0].status, IdentityStatus::LinkedAutomatically);
    let numbers: Vec<GroupKey> =
        [1, 2].map(|study| db.person(&key(db, study)).unwrap().unwrap().number).to_vec();
    link(&fresh, 1, (numbers[0], numbers[1]), false, None);
    assert_eq!((seen(db, 1), seen(db, 2), seen(db, 3)), (vec![1], vec![2, 3], vec![2, 3]));
    let offers: Vec<GroupKey> = offered(db, 1).into_iter().map(|(key, _)| key).collect();
    assert_eq!(offers, [key(db, 4)], "who was parted is never offered again");
    // What comes under the parted number later is parted too, however it is spelled.
    fresh.store(&[evidenced(Sample { name: "AN NGUYEN THI", ..hers(5, 2, "Q9") })]);
    assert_eq!((seen(db, 1), seen(db, 5)), (vec![1], vec![2, 3, 5]));
    link(&fresh, 2, (numbers[0], numbers[1]), true, Some(1));
    assert_eq!(seen(db, 5), [1, 2, 3, 5]);
}

#[test]
fn what_is_no_proof_links_nobody() {
    const CARD: &[(&str, &str)] = &[("DN4018512345678", "BHYT")];
    const CARD_OF_TWELVE: &[(&str, &str)] = &[(NUMBER, "BHYT")];
    const BARE: &[(&str, &str)] = &[(NUMBER, "")];
    for (what, change) in [
        ("card", (|sample| Sample { other: CARD, ..sample }) as fn(Sample) -> Sample),
        ("card of 12", |sample| Sample { other: CARD_OF_TWELVE, ..sample }),
        ("no issuer", |sample| Sample { other: BARE, ..sample }),
        ("1 January", |sample| evidenced(Sample { birth_date: "19850101", ..sample })),
        ("no sex", |sample| evidenced(Sample { sex: "", ..sample })),
    ] {
        let fresh = Fresh::new();
        fresh.store(&[change(hers(1, 1, "P1")), change(hers(2, 2, "Q9"))]);
        assert_eq!(seen(&fresh.db, 1), [1], "{what}");
        assert_eq!(offered(&fresh.db, 1).len(), 1, "{what}: possibly the same person");
    }
    for (what, change) in [
        ("placeholder", (|sample| evidenced(Sample { name: "VO DANH", ..sample })) as fn(Sample) -> Sample),
        ("newborn", |sample| evidenced(Sample { name: "CB NGUYEN THI AN", ..sample })),
        ("a parent's number", |sample| evidenced(Sample { name: "BE AN", birth_date: "20240512", ..sample })),
    ] {
        let fresh = Fresh::new();
        fresh.store(&[change(hers(1, 1, "P1")), evidenced(hers(2, 2, "Q9"))]);
        assert_eq!(seen(&fresh.db, 1), [1], "{what}");
        assert_eq!(offered(&fresh.db, 1), [], "{what}");
        // Nor under one hospital number: it may be given to the next unknown person.
        fresh.store(&[change(hers(3, 1, "P1"))]);
        assert_eq!(seen(&fresh.db, 1) == [1], what != "a parent's number", "{what}");
    }
}

#[test]
fn a_facilitys_rule_makes_numbers_personal_or_temporary() {
    let rule = FacilityRule {
        personal_number_in: vec![NumberIn::PatientId, NumberIn::OtherPatientIds],
        temporary_ids: vec!["CC".into()],
        ..FacilityRule::default()
    };
    let mut rules = (*IdentityRules::shipped()).clone();
    rules.facilities.insert("01001".into(), rule);
    let fresh = Fresh::with(DbOptions { identity: rules.into(), ..DbOptions::default() });
    let code = indexer::statement::Facility {
        codes: vec![indexer::statement::DatedCode { code: "01001".into(), from: "00000000".into() }],
    };
    say(&fresh, statement(9, "1".into(), State::Facility(code), None));
    fresh.store(&[
        hers(1, 1, NUMBER),
        evidenced(hers(2, 2, "Q9")),
        Sample { other: &[(NUMBER, "")], ..hers(3, 1, "P7") },
        evidenced(hers(4, 1, "CC01")),
        hers(5, 1, "CC01"),
    ]);
    assert_eq!(seen(&fresh.db, 1), [1, 2, 3]);
    assert_eq!((seen(&fresh.db, 4), seen(&fresh.db, 5)), (vec![4], vec![5]));
    // The facility is the issuer of its numbers, named or not.
    fresh.store(&[Sample { issuer: "01001", ..hers(6, 2, "P7") }]);
    assert_eq!(seen(&fresh.db, 6), [1, 2, 3, 6]);
}

#[test]
fn a_clash_under_one_number_parts_the_studies_until_it_is_resolved() {
    let fresh = Fresh::new();
    let other =
        |study| Sample { name: "TRẦN VĂN BA", birth_date: "19700203", sex: "M", ..hers(study, 1, "P1") };
    fresh.store(&[hers(1, 1, "P1"), other(2), hers(3, 1, "P1"), evidenced(hers(4, 2, "Q9"))]);
    let db = &fresh.db;
    assert_eq!((seen(db, 1), seen(db, 2), seen(db, 3)), (vec![1, 3], vec![2], vec![1, 3]));
    let open = db.collisions(true, 10, None).unwrap().rows;
    assert_eq!((open.len(), open[0].clashes.len()), (1, 3), "name, birth date, sex");
    // Somebody of whom less is told may be either of the two: none of them is shown.
    fresh.store(&[Sample { name: "", birth_date: "", sex: "", ..hers(5, 1, "P1") }]);
    assert_eq!(seen(db, 5), [5]);
    let (a, b) = (open[0].a, open[0].b);
    find(&fresh, 1, Collision::between(a, b, Finding::DifferentPersons), None);
    assert_eq!((seen(db, 2), db.collisions(true, 10, None).unwrap().rows.len()), (vec![2, 5], 0));
    find(&fresh, 2, Collision::between(a, b, Finding::OnePerson), Some(1));
    assert_eq!(seen(db, 2), [1, 2, 3, 5], "a correction");
    find(&fresh, 3, Collision::between(a, b, Finding::Open), Some(2));
    assert_eq!((seen(db, 2), db.collisions(true, 10, None).unwrap().rows.len()), (vec![2, 5], 1));
    assert_eq!(db.collisions(false, 10, None).unwrap().rows.len(), 0);
}

#[test]
fn one_personal_number_of_two_people_is_a_collision() {
    let fresh = Fresh::new();
    fresh.store(&[evidenced(hers(1, 1, "P1")), evidenced(Sample { name: "LE THI HOA", ..hers(2, 2, "Q9") })]);
    assert_eq!(seen(&fresh.db, 1), [1]);
    assert_eq!(fresh.db.collisions(true, 10, None).unwrap().rows.len(), 1);
}

#[test]
fn twins_are_two() {
    let fresh = Fresh::new();
    let twin = |study, patient_id, name| Sample {
        name,
        birth_date: "20240512",
        sex: "M",
        other: &[(NUMBER, "CCCD"), ("TE1010123456789", "BHYT")],
        ..hers(study, 1, patient_id)
    };
    fresh.store(&[twin(1, "P1", "TRAN VAN AN"), twin(2, "P2", "TRAN VAN ANH"), twin(3, "P1", "TRẦN VĂN AN")]);
    let db = &fresh.db;
    assert_eq!(
        (seen(db, 1), seen(db, 2)),
        (vec![1, 3], vec![2]),
        "one number and card of the mother for both"
    );
    assert_eq!((offered(db, 1), offered(db, 2)), (vec![], vec![]), "not even offered");
    assert_eq!(db.collisions(true, 10, None).unwrap().rows, []);
    // One twin under the other's number.
    fresh.store(&[twin(4, "P1", "TRAN VAN ANH")]);
    assert_eq!((seen(db, 1), seen(db, 4)), (vec![1, 3], vec![4]));
    assert_eq!(db.collisions(true, 10, None).unwrap().rows.len(), 2, "with both spellings");
}

#[test]
fn a_counter_of_orders_joins_nobody_but_its_order_tells_the_person() {
    let fresh = Fresh::new();
    let counted = |study, accession, scope| Sample { accession, scope, ..hers(study, 1, "00000017") };
    fresh.store(&[
        counted(1, "A1", "order:A1"),
        counted(2, "A2", "order:A2"),
        evidenced(hers(3, 2, "Q9")),
        hers(4, 1, "P1"),
    ]);
    let db = &fresh.db;
    assert_eq!((seen(db, 1), seen(db, 2)), (vec![1], vec![2]));
    let order = |n, accession| {
        let state = State::Order(Box::new(ordered(1, "P1", accession, NUMBER)));
        say(&fresh, statement(n, format!("o{n}"), state, None));
    };
    order(1, "A1");
    assert_eq!(seen(db, 1), [1, 3, 4], "by the order's number at the hospital, and by its personal number");
    assert_eq!(seen(db, 3), [1, 3, 4]);
    assert_eq!(seen(db, 2), [2]);
}

#[test]
fn a_person_evidences_a_number_and_takes_it_back() {
    let fresh = Fresh::new();
    fresh.store(&[hers(1, 1, "P1"), evidenced(hers(2, 2, "Q9"))]);
    let patient = fresh.db.person(&key(&fresh.db, 1)).unwrap().unwrap().number;
    let numbers = |n, value: &[&str], based_on| {
        let identifiers = value.iter().map(|value| OrderedIdentifier {
            kind: IdentifierKind::PersonalNumber,
            value: (*value).into(),
            whose: Default::default(),
        });
        let state = PatientNumbers { identifiers: identifiers.collect(), document: "CCCD".into() };
        say(&fresh, statement(n, patient.to_string(), State::PatientNumbers(state), based_on));
    };
    numbers(1, &[NUMBER], None);
    assert_eq!((seen(&fresh.db, 1), seen(&fresh.db, 2)), (vec![1, 2], vec![1, 2]));
    numbers(2, &[], Some(1));
    assert_eq!((seen(&fresh.db, 1), seen(&fresh.db, 2)), (vec![1], vec![2]));
}

#[test]
fn candidates_are_ranked_and_confirmed_by_a_person() {
    let fresh = Fresh::new();
    fresh.store(&[
        hers(1, 1, "P1"),
        Sample { name: "An Nguyen Thi", ..hers(2, 2, "Q9") },
        Sample { name: "NGUYEN AN", sex: "", ..hers(3, 3, "R1") },
        Sample { birth_date: "19850101", ..hers(4, 4, "S1") },
        Sample { birth_date: "19860101", ..hers(5, 4, "S2") },
        Sample { name: "NGUYEN THI BINH", ..hers(6, 4, "S3") },
    ]);
    let db = &fresh.db;
    let offers = offered(db, 1);
    let keys: Vec<GroupKey> = offers.iter().map(|(key, _)| *key).collect();
    assert_eq!((keys[0], keys.len()), (key(db, 2), 3), "{offers:?}");
    assert!(keys.contains(&key(db, 3)) && keys.contains(&key(db, 4)), "{offers:?}");
    link(&fresh, 1, (keys[0], key(db, 1)), true, None);
    assert_eq!((seen(db, 1), offered(db, 1).len()), (vec![1, 2], 2));
    link(&fresh, 2, (key(db, 3), key(db, 1)), false, None);
    assert_eq!((seen(db, 1), offered(db, 1).len()), (vec![1, 2], 1));
    // Very common names are looked at up to a bound.
    let many: Vec<Sample> = (10..200).map(|study| hers(study, study, "P1")).collect();
    fresh.store(&many);
    assert_eq!(offered(db, 1).len(), indexer::db::CANDIDATES_MAX);
}

#[test]
fn a_doubted_study_stands_alone_until_it_is_found_to_be_of_the_person() {
    let fresh = Fresh::new();
    fresh.store(&[
        hers(1, 1, "P1"),
        hers(2, 1, "P1"),
        evidenced(hers(3, 1, "P1")),
        evidenced(hers(4, 2, "Q9")),
    ]);
    let db = &fresh.db;
    assert_eq!(seen(db, 2), [1, 2, 3, 4]);
    let (whole, alone) = db.keys_of_study(&study_uid(2)).unwrap().unwrap();
    assert_eq!(whole, key(db, 1), "one saying");
    let doubt =
        |finding| Collision { study: Some(study_uid(2)), ..Collision::between(whole, alone, finding) };
    find(&fresh, 1, doubt(Finding::Open), None);
    assert_eq!((seen(db, 1), seen(db, 2), seen(db, 4)), (vec![1, 3, 4], vec![2], vec![1, 3, 4]));
    assert_eq!((key(db, 2), db.collisions(true, 10, None).unwrap().rows.len()), (alone, 1));
    find(&fresh, 2, doubt(Finding::DifferentPersons), Some(1));
    assert_eq!((seen(db, 1), seen(db, 2)), (vec![1, 3, 4], vec![2]));
    assert_eq!((offered(db, 2), db.collisions(true, 10, None).unwrap().rows), (vec![], vec![]));
    find(&fresh, 3, doubt(Finding::OnePerson), Some(2));
    assert_eq!(seen(db, 2), [1, 2, 3, 4]);
}

/// Studies of few people under few numbers, so that they meet in all ways.
fn any_study() -> impl Strategy<Value = Sample> {
    let who = prop::sample::select(vec!["NGUYỄN THỊ AN", "AN NGUYEN THI", "LE THI HOA", "VO DANH", ""]);
    let born = prop::sample::select(vec!["19850317", "19850101", "19700203", ""]);
    let other = prop::sample::select(vec![CCCD, &[], &[(NUMBER, "")], &[("001185099999", "CCCD")]]);
    let under = (prop::sample::select(vec!["P1", "P2"]), 1..3u32, prop::sample::select(vec!["", "order:A1"]));
    (1..7u32, who, born, prop::sample::select(vec!["F", "M", ""]), other, under).prop_map(
        |(study, name, birth_date, sex, other, (patient_id, facility, scope))| Sample {
            name,
            birth_date,
            sex,
            other,
            scope,
            ..hers(study, facility, patient_id)
        },
    )
}

/// What people and systems say of these studies: decided beforehand, so that it is the same in every order.
fn statements(fresh: &Fresh, kinds: &[(u8, prop::sample::Index, prop::sample::Index)]) -> Vec<Statement> {
    let mut query = Query::new(Level::Study);
    query.limit = 100;
    let rows = fresh.db.query(&query).unwrap().rows;
    let mut all = Vec::new();
    for (n, (kind, one, other)) in kinds.iter().enumerate() {
        let n = n as u32 + 1;
        let (one, other) = (one.get(&rows), other.get(&rows));
        let (a, b) = (one.patient.unwrap(), other.patient.unwrap());
        let numbers = [a, b].map(|key| fresh.db.person(&key).unwrap().unwrap().number);
        match kind {
            0 | 1 if a != b => {
                let link = PatientLink::between(a, b, *kind == 0);
                all.push(statement(n, link.key(), State::PatientLink(link), None));
            }
            2 if numbers[0] != numbers[1] => {
                let link = PatientLink::between(numbers[0], numbers[1], n.is_multiple_of(2));
                all.push(statement(n, link.key(), State::PatientLink(link), None));
            }
            3 => {
                let (whole, alone) = fresh.db.keys_of_study(&one.study_uid).unwrap().unwrap();
                if whole != alone {
                    let finding =
                        [Finding::Open, Finding::DifferentPersons, Finding::OnePerson][n as usize % 3];
                    let study = Some(one.study_uid.clone());
                    let doubt = Collision { study, ..Collision::between(whole, alone, finding) };
                    all.push(statement(n, doubt.key(), State::Collision(doubt), None));
                }
            }
            4 => {
                let order = ordered(1, "P1", "A1", [NUMBER, "001185099999"][n as usize % 2]);
                all.push(statement(n, format!("o{n}"), State::Order(Box::new(order)), None));
            }
            _ => {
                let identifiers = vec![OrderedIdentifier {
                    kind: IdentifierKind::PersonalNumber,
                    value: NUMBER.into(),
                    whose: Default::default(),
                }];
                let state = PatientNumbers { identifiers, document: String::new() };
                all.push(statement(n, numbers[0].to_string(), State::PatientNumbers(state), None));
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn links_and_collisions_do_not_depend_on_the_order_of_arrival(
        studies in prop::collection::vec(any_study(), 2..7),
        kinds in prop::collection::vec((0..6u8, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..6),
        order in prop::collection::vec(any::<u32>(), 16),
    ) {
        // No two come at the same moment: of one object that comes twice, that tells which copy is shown.
        let studies: Vec<Sample> =
            (0..).zip(studies).map(|(n, one)| Sample { received_ms: one.received_ms + n, ..one }).collect();
        let first = Fresh::new();
        first.store(&studies);
        let said = statements(&first, &kinds);
        for statement in &said {
            say(&first, statement.clone());
        }
        let second = Fresh::new();
        let pack = second.db.pack_id("a").unwrap();
        let at = |n: usize| 1000 * n as u64;
        let mut entries: Vec<Entry> =
            studies.iter().enumerate().map(|(n, sample)| sample.instance(pack, at(n))).collect();
        entries.extend(said.into_iter().map(|statement| entry(&second, statement)));
        let mut shuffled: Vec<(u32, Entry)> =
            entries.into_iter().enumerate().map(|(n, entry)| (order[n % order.len()].rotate_left(n as u32), entry)).collect();
        shuffled.sort_by_key(|(place, _)| *place);
        for (_, entry) in shuffled {
            second.db.apply(&Batch { entries: vec![entry], checkpoints: Vec::new(), ..Batch::default() }).unwrap();
        }
        let (one, other) = (everything(&first.db), everything(&second.db));
        for (one, other) in one.lines().zip(other.lines()) {
            prop_assert_eq!(one, other);
        }
    }
}
