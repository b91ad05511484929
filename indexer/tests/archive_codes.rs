//! National codes of stored studies: given when a study went quiet, again when it changes, outweighed by people, made
//! again after rules or the index changed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod archive_world;
mod test_database;

use std::time::{Duration, Instant};

use archive_world::{World, store};
use fixtures::edited::replace;
use fixtures::studies::{Instance, Options, Scale, demo};
use fixtures::writer::keyword as k;
use indexer::archive::{Archive, Basis, ChooseCodes, StateErrorKind};
use indexer::codes::catalogue::list::{Entry, ImportedList, ListKind};
use indexer::codes::coded::{Source, StudyCoding};
use indexer::codes::{Catalogue, Outcome};
use indexer::query::{Level, Query, QueryRow};
use indexer::statement::{Evidence, Order, OrderedItem, Verdict, Who};
use storage_config::Uid;

/// The head CT of the demo studies.
fn head_ct() -> Vec<Instance> {
    let all = demo(Options::new(7, Scale::Small)).filter(|one| one.path.contains("so-nao"));
    let all: Vec<Instance> = all.collect();
    let first = all[0].study.clone();
    all.into_iter().filter(|one| one.study == first).collect()
}

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

fn store_all(archive: &Archive, all: &[Instance]) {
    for one in all {
        store(archive, 1, one).unwrap();
    }
}

/// Waits until a study is coded as `holds` says.
fn coded(archive: &Archive, study: &str, holds: impl Fn(&StudyCoding) -> bool) -> StudyCoding {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let coding = archive.db().coding(&uid(study)).unwrap();
        match coding {
            Some(coding) if holds(&coding) => return coding,
            other => assert!(Instant::now() < until, "it never came: {other:?}"),
        }
        // A look at a database on a server costs others their turn.
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn studies(archive: &Archive, code: Option<&str>) -> Vec<QueryRow> {
    let mut query = Query::new(Level::Study);
    if let Some(code) = code {
        assert!(query.key_within(0x0008_1032, 0x0008_0100, code).unwrap());
    }
    archive.db().query(&query).unwrap().rows
}

fn codes_of(row: &QueryRow) -> Vec<(String, String)> {
    let items = row.attributes.get("00081032").and_then(|codes| codes["Value"].as_array().cloned());
    let text = |item: &serde_json::Value, tag: &str| item[tag]["Value"][0].as_str().unwrap().to_owned();
    items.unwrap_or_default().iter().map(|item| (text(item, "00080102"), text(item, "00080100"))).collect()
}

fn choose(study: &str, techniques: &[&str]) -> ChooseCodes {
    ChooseCodes {
        id: None,
        study: uid(study),
        verdict: Verdict::Assigned,
        techniques: techniques.iter().map(|&code| code.to_owned()).collect(),
        service: None,
        as_rule: false,
        based_on: Basis::Current,
        who: Who { name: "BS. Lê Thị Hạnh".into(), by: Evidence::Claimed },
        why: "a test".into(),
    }
}

/// The same objects as another study whose text is `description`.
fn described(all: &[Instance], number: u32, description: &str) -> Vec<Instance> {
    let changed = |one: &Instance| {
        let study = format!("{}.{number}", one.study);
        let sop_instance = format!("{}.{number}", one.sop_instance);
        let changes = [
            (k::STUDY_INSTANCE_UID, study.clone()),
            (k::SOP_INSTANCE_UID, sop_instance.clone()),
            (k::STUDY_DESCRIPTION, description.to_owned()),
            (k::SERIES_DESCRIPTION, String::new()),
            (k::PROTOCOL_NAME, String::new()),
            (k::BODY_PART_EXAMINED, String::new()),
        ];
        let data_set = replace(&one.data_set, one.syntax, &changes).unwrap();
        Instance { study, sop_instance, data_set, ..one.clone() }
    };
    all.iter().map(changed).collect()
}

#[test]
fn a_study_that_went_quiet_gets_its_code_and_is_found_by_it() {
    let mut world = World::new(1);
    let archive = world.start().unwrap().clone();
    let all = head_ct();
    let study = all[0].study.clone();
    store_all(&archive, &all[..all.len() - 1]);
    let waiting = |before| archive.db().studies_to_code("x", before, 10).unwrap();
    assert!(waiting(0).is_empty(), "something came after that");
    assert_eq!(waiting(i64::MAX), [uid(&study)]);
    let facts = archive.study_facts(&uid(&study)).unwrap().unwrap();
    assert_eq!(facts.modality, "CT");
    assert!(archive.study_facts(&uid("1.2.3")).unwrap().is_none());

    archive.code_studies(Catalogue::built_in(), Duration::ZERO).unwrap();
    let coding = coded(&archive, &study, |coding| coding.outcome == Outcome::Assigned);
    println!("{facts:?}\n{coding:?}");
    assert_eq!(coding.techniques.len(), 1);
    assert!(!coding.why.is_empty() && !coding.name.is_empty());
    let technique = coding.techniques[0].clone();
    let rows = studies(&archive, Some(&technique));
    assert_eq!(rows.len(), 1);
    assert!(codes_of(&rows[0]).contains(&("99VNTT23".to_owned(), technique.clone())));
    assert_eq!(rows[0].exam.as_ref().unwrap().name, coding.name);
    let item = &rows[0].attributes["00081032"]["Value"][0];
    assert!(item["00080104"]["Value"][0].as_str().unwrap().chars().count() <= 64);
    assert_eq!(rows[0].attributes["00080110"]["Value"][0]["00080102"]["Value"][0], "99VNTT23");
    assert!(studies(&archive, Some("18.99999")).is_empty());
    assert_eq!(studies(&archive, Some("18.*")).len(), 1);

    // What comes later is looked at too, and what is read again was not fed by the own answer.
    store_all(&archive, &all[all.len() - 1..]);
    let until = Instant::now() + Duration::from_secs(60);
    while !archive.db().studies_to_code(&coding.version, i64::MAX, 10).unwrap().is_empty() {
        assert!(Instant::now() < until, "it was not done again");
        std::thread::yield_now();
    }
    let codes = archive.study_facts(&uid(&study)).unwrap().unwrap().codes;
    assert!(codes.iter().all(|code| code.scheme != "99VNTT23"), "{codes:?}");
}

#[test]
fn a_persons_choice_wins_and_outlives_the_index() {
    let mut world = World::new(2);
    let archive = world.start().unwrap().clone();
    let all = head_ct();
    let study = all[0].study.clone();
    store_all(&archive, &all);
    archive.code_studies(Catalogue::built_in(), Duration::ZERO).unwrap();
    let first = coded(&archive, &study, |coding| coding.outcome == Outcome::Assigned);
    let refused = |choice| archive.choose_codes(choice).unwrap_err().kind();
    assert_eq!(refused(choose(&study, &["18.99999"])), StateErrorKind::Invalid);
    assert_eq!(refused(choose(&study, &[])), StateErrorKind::Invalid);
    assert_eq!(refused(choose("1.2.3", &["18.119"])), StateErrorKind::NotFound);
    let foreign =
        ChooseCodes { service: Some("18.0119.0028".into()), ..choose(&study, &first_technique(&first)) };
    assert_eq!(refused(foreign), StateErrorKind::Invalid, "a service of another technique");

    archive.choose_codes(choose(&study, &["18.0119"])).unwrap();
    let chosen = archive.db().coding(&uid(&study)).unwrap().unwrap();
    assert_eq!((chosen.source, chosen.techniques.as_slice()), (Source::Person, &["18.119".to_owned()][..]));
    assert_eq!(chosen.chosen_by.as_deref(), Some("BS. Lê Thị Hạnh"));
    assert_eq!(studies(&archive, Some("18.119")).len(), 1);
    assert!(studies(&archive, Some(&first.techniques[0])).is_empty());
    world.stop();

    let archive = world.start().unwrap().clone();
    archive.rebuild(&mut |_, _| {}).unwrap();
    assert!(archive.db().coding(&uid(&study)).unwrap().is_none(), "the rebuild kept rows");
    archive.code_studies(Catalogue::built_in(), Duration::ZERO).unwrap();
    let again = coded(&archive, &study, |coding| coding.source == Source::Person);
    assert_eq!(again.techniques, chosen.techniques);
    assert_eq!(again.chosen_ms, chosen.chosen_ms);
    // Taken back, the mapper decides.
    archive.choose_codes(ChooseCodes { verdict: Verdict::Mapper, ..choose(&study, &[]) }).unwrap();
    let back = archive.db().coding(&uid(&study)).unwrap().unwrap();
    assert_eq!(back.techniques, first.techniques);
}

fn first_technique(coding: &StudyCoding) -> Vec<&str> {
    coding.techniques.iter().map(String::as_str).take(1).collect()
}

#[test]
fn a_choice_becomes_a_rule_of_the_facility() {
    let mut world = World::new(3);
    let archive = world.start().unwrap().clone();
    let all = head_ct();
    let one = described(&all[..2], 1, "GOI KHAM DAC BIET 7");
    let other = described(&all[..2], 2, "GÓI KHÁM ĐẶC BIỆT 7");
    store_all(&archive, &one);
    archive.code_studies(Catalogue::built_in(), Duration::ZERO).unwrap();
    coded(&archive, &one[0].study, |coding| coding.outcome == Outcome::Review);
    let review = archive.db().codes_to_review(10, None).unwrap();
    assert_eq!(review.len(), 1);
    assert_eq!(review[0].study, uid(&one[0].study));
    assert!(studies(&archive, None)[0].exam.as_ref().unwrap().waits);
    let known = coded_head();
    archive.choose_codes(ChooseCodes { as_rule: true, ..choose(&one[0].study, &[&known]) }).unwrap();
    store_all(&archive, &other);
    let ruled = coded(&archive, &other[0].study, |coding| coding.source == Source::Rule);
    assert_eq!(ruled.techniques, [known]);
    // Another facility has not said so.
    let elsewhere = described(&all[..2], 3, "GOI KHAM DAC BIET 7");
    for one in &elsewhere {
        store(&archive, 2, one).unwrap();
    }
    coded(&archive, &elsewhere[0].study, |coding| coding.outcome == Outcome::Review);
}

/// The technique that the mapper gives the head CT.
fn coded_head() -> String {
    let mut world = World::new(4);
    let archive = world.start().unwrap().clone();
    let all = head_ct();
    store_all(&archive, &all);
    archive.code_studies(Catalogue::built_in(), Duration::ZERO).unwrap();
    coded(&archive, &all[0].study, |coding| coding.outcome == Outcome::Assigned).techniques[0].clone()
}

/// A list with one made-up row: no code of Decision 1227 is known here.
fn made_up_list(technique: &str) -> ImportedList {
    let technique = Some(technique.to_owned());
    let entry = Entry { code: "9990007".into(), name: "MADE UP".into(), technique, ..Entry::default() };
    ImportedList {
        kind: ListKind::Decision1227,
        version: "2026-01-01".into(),
        source: "made up".into(),
        facility: String::new(),
        entries: vec![entry],
    }
}

#[test]
fn a_list_that_comes_while_the_archive_runs_adds_codes_and_takes_none() {
    let mut world = World::new(5);
    let archive = world.start().unwrap().clone();
    let all = head_ct();
    let study = all[0].study.clone();
    store_all(&archive, &all);
    assert!(!archive.use_catalogue(Catalogue::built_in()), "studies are not coded yet");
    archive.code_studies(Catalogue::built_in(), Duration::ZERO).unwrap();
    let first = coded(&archive, &study, |coding| coding.outcome == Outcome::Assigned);

    let list = made_up_list(&first.techniques[0]);
    assert!(archive.use_catalogue(Catalogue::built_in().with_lists(vec![list])));
    let second = coded(&archive, &study, |coding| coding.codes.len() > first.codes.len());
    assert_eq!((&second.techniques, &second.version), (&first.techniques, &first.version));
    assert!(second.codes.starts_with(&first.codes), "what it got is as it was");
    assert_eq!(second.proposed, None);
    let rows = studies(&archive, Some("9990007"));
    assert_eq!(rows.len(), 1);
    assert!(codes_of(&rows[0]).contains(&("99VN1227".to_owned(), "9990007".to_owned())));
    assert_eq!(archive.db().codes_waiting().unwrap(), (0, 0));
    // It is looked at once by each list, not for ever.
    let until = Instant::now() + Duration::from_secs(60);
    let version = indexer::codes::version(&archive.catalogue().unwrap());
    while !archive.db().studies_to_code(&version, i64::MAX, 10).unwrap().is_empty() {
        assert!(Instant::now() < until, "it is looked at again and again");
        std::thread::yield_now();
    }
}

#[test]
fn an_order_says_what_a_study_is() {
    let mut world = World::new(6);
    let archive = world.start().unwrap().clone();
    let all = head_ct();
    let one: Vec<Instance> = described(&all[..2], 1, "GOI KHAM DAC BIET 7")
        .into_iter()
        .map(|one| {
            let changes = [(k::ACCESSION_NUMBER, "AC77".to_owned())];
            Instance { data_set: replace(&one.data_set, one.syntax, &changes).unwrap(), ..one }
        })
        .collect();
    store_all(&archive, &one);
    archive.code_studies(Catalogue::built_in(), Duration::ZERO).unwrap();
    let study = &one[0].study;
    coded(&archive, study, |coding| coding.outcome == Outcome::Review);
    let known = coded_head();
    let exam = OrderedItem { code: known.clone(), scheme: "99VNTT23".into(), ..OrderedItem::default() };
    let order = Order { facility: Some(1), accession: "AC77".into(), exams: vec![exam], ..Order::default() };
    let who = Who { name: "HIS".into(), by: Evidence::Token };
    archive.order(None, order, who, String::new()).unwrap();
    let coding = coded(&archive, study, |coding| coding.outcome == Outcome::Assigned);
    assert_eq!((coding.techniques, coding.source), (vec![known], Source::Code));
}

/// A hospital's own list with one made-up row.
fn own_list(version: &str, technique: &str) -> ImportedList {
    let technique = Some(technique.to_owned());
    let entry = Entry { code: "MADE-UP-7".into(), name: "MADE UP".into(), technique, ..Entry::default() };
    ImportedList {
        kind: ListKind::HospitalList,
        version: version.into(),
        source: "made up".into(),
        facility: "01001".into(),
        entries: vec![entry],
    }
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn ordered(archive: &Archive, accession: &str) {
    let exam = OrderedItem { code: "MADE-UP-7".into(), scheme: "9901001".into(), ..OrderedItem::default() };
    let order =
        Order { facility: Some(1), accession: accession.into(), exams: vec![exam], ..Order::default() };
    let who = Who { name: "HIS".into(), by: Evidence::Token };
    archive.order(None, order, who, String::new()).unwrap();
}

#[test]
fn a_study_keeps_code_and_version_when_the_index_is_made_again_under_another_list() {
    let mut world = World::new(7);
    let archive = world.start().unwrap().clone();
    let studies: Vec<Vec<Instance>> = (1..=3_u32)
        .map(|number| {
            let renamed = |one: Instance| {
                let changes = [(k::ACCESSION_NUMBER, format!("AC{number}"))];
                Instance { data_set: replace(&one.data_set, one.syntax, &changes).unwrap(), ..one }
            };
            described(&head_ct(), number, "GOI KHAM DAC BIET 7").into_iter().map(renamed).collect()
        })
        .collect();
    for (number, study) in (1..=2).zip(&studies) {
        ordered(&archive, &format!("AC{number}"));
        store_all(&archive, &study[..2]);
    }
    let old = Catalogue::built_in().with_lists(vec![own_list("2026-01-01", "18.149")]);
    archive.code_studies(old, Duration::ZERO).unwrap();
    let assigned = |coding: &StudyCoding| coding.outcome == Outcome::Assigned;
    let before: Vec<StudyCoding> =
        studies[..2].iter().map(|study| coded(&archive, &study[0].study, assigned)).collect();
    assert_eq!(before[0].techniques, ["18.149"]);
    let is_stated = |archive: &Archive| archive.db().unstated_codes(1).unwrap().is_empty();
    wait_until("the codes are stated", || is_stated(&archive));
    let round = |archive: &Archive, study: &str| {
        archive.db().assigned_codes(&uid(study)).unwrap().map(|codes| codes.round)
    };
    assert_eq!(round(&archive, &studies[0][0].study), Some(1), "stated once, though it was looked at again");
    world.stop();

    // The index is made again, and another list is in force by now.
    let archive = world.start().unwrap().clone();
    archive.rebuild(&mut |_, _| {}).unwrap();
    assert!(archive.db().coding(&uid(&studies[0][0].study)).unwrap().is_none(), "nothing is left in rows");
    let lists = vec![own_list("2026-06-01", "18.150")];
    archive.code_studies(Catalogue::built_in().with_lists(lists), Duration::ZERO).unwrap();
    for (study, before) in studies[..2].iter().zip(&before) {
        let after = coded(&archive, &study[0].study, assigned);
        assert_eq!((&after.techniques, &after.version), (&before.techniques, &before.version));
        assert_eq!(after.codes, before.codes);
        assert_eq!(after.proposed.unwrap().techniques, ["18.150"], "what the new list says is proposed");
    }
    wait_until("all is stated", || is_stated(&archive));
    assert_eq!(round(&archive, &studies[0][0].study), Some(1), "the same is not stated again");
    // What comes now is coded by the new list: a study of its own, and one of which more images come.
    ordered(&archive, "AC3");
    store_all(&archive, &studies[2][..2]);
    let new = coded(&archive, &studies[2][0].study, assigned);
    assert_eq!(new.techniques, ["18.150"]);
    store_all(&archive, &studies[0][2..]);
    let more = coded(&archive, &studies[0][0].study, |coding| coding.techniques == ["18.150"]);
    assert_ne!(more.version, before[0].version);
    wait_until("the change is stated", || round(&archive, &studies[0][0].study) == Some(2));
    // And again: the last word counts.
    world.stop();
    let archive = world.start().unwrap().clone();
    archive.rebuild(&mut |_, _| {}).unwrap();
    let lists = vec![own_list("2026-01-01", "18.149")];
    archive.code_studies(Catalogue::built_in().with_lists(lists), Duration::ZERO).unwrap();
    let last = coded(&archive, &studies[0][0].study, assigned);
    assert_eq!((last.techniques, last.version), (more.techniques, more.version));
    let kept = coded(&archive, &studies[1][0].study, assigned);
    assert_eq!((&kept.techniques, &kept.version), (&before[1].techniques, &before[1].version));
}
