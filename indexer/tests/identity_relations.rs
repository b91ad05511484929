//! When two records are of one person: automatic links, candidates, collisions, and what is never offered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use indexer::identity::{
    Birth, Clash, Ground, Identifier, IdentifierEvidence, IdentifierKind, IdentityPolicy, PatientIdIs,
    Person, Relation, Said, Sex, Whose, is_placeholder, relate, same_name,
};
use indexer::reuse::Policy;
use indexer::reuse::prior::IdentityStatus;

fn policy() -> IdentityPolicy {
    Policy::shipped().unwrap().in_force("2026-11-21".parse().unwrap()).identity.clone()
}

fn person(issuer: &str, number: &str, name: &str, birth: &str, sex: Option<Sex>) -> Person {
    Person {
        issuer: Some(issuer.into()),
        hospital_number: Some(number.into()),
        patient_id_is: PatientIdIs::Patient,
        name: Some(name.into()),
        birth: Birth::read(birth),
        sex,
        ..Person::default()
    }
}

fn with(mut person: Person, kind: IdentifierKind, value: &str, evidence: IdentifierEvidence) -> Person {
    person.identifiers.push(Identifier { kind, value: value.into(), evidence, whose: Whose::Own });
    person
}

fn numbered(person: Person, value: &str) -> Person {
    with(person, IdentifierKind::PersonalNumber, value, IdentifierEvidence::OtherPatientIds)
}

fn status(one: &Person, other: &Person) -> Option<IdentityStatus> {
    let relation = relate(one, other, Said::Nothing, &policy());
    assert_eq!(relation.status(), relate(other, one, Said::Nothing, &policy()).status(), "it goes both ways");
    relation.status()
}

/// A made-up woman born on 17 March 1985; her number tells century, sex and year.
const NUMBER: &str = "001185012345";

fn an(issuer: &str, number: &str) -> Person {
    person(issuer, number, "NGUYỄN THỊ AN", "19850317", Some(Sex::Female))
}

#[test]
fn the_hospital_number_joins_where_it_is_a_patients() {
    let (one, other) = (an("01001", "P1"), an("01001", "P1"));
    assert_eq!(status(&one, &other), Some(IdentityStatus::SameHospitalNumber));
    let counter = Person { patient_id_is: PatientIdIs::Order, ..other.clone() };
    let stranger = Person { name: Some("TRAN VAN BINH".into()), sex: Some(Sex::Male), ..counter.clone() };
    assert_eq!(status(&one, &stranger), None, "a counter of orders never joins");
    let temporary = Person { temporary: true, ..other.clone() };
    assert_eq!(status(&one, &temporary), Some(IdentityStatus::Candidate), "a temporary number never joins");
    assert_eq!(status(&one, &an("79001", "P1")), Some(IdentityStatus::Candidate), "another issuer");
}

#[test]
fn a_clash_under_one_hospital_number_is_a_collision() {
    let one = an("01001", "P1");
    let clash = |other: &Person| relate(&one, other, Said::Nothing, &policy());
    let name = Person { name: Some("NGUYEN THI BE".into()), ..one.clone() };
    assert_eq!(clash(&name), Relation::Collision(vec![Clash::Name]));
    let birth = Person { birth: Birth::read("19850318"), ..one.clone() };
    assert_eq!(clash(&birth), Relation::Collision(vec![Clash::BirthDate]));
    let sex = Person { sex: Some(Sex::Male), ..one.clone() };
    assert_eq!(clash(&sex), Relation::Collision(vec![Clash::Sex]));
    let numbers = relate(
        &numbered(one.clone(), NUMBER),
        &numbered(one.clone(), "001185099999"),
        Said::Nothing,
        &policy(),
    );
    assert_eq!(numbers, Relation::Collision(vec![Clash::PersonalNumber]));
    let unmarked =
        Person { name: Some("nguyen thi^an".into()), birth: Birth::read("1985"), sex: None, ..one.clone() };
    assert_eq!(status(&one, &unmarked), Some(IdentityStatus::SameHospitalNumber), "less told is no clash");
}

#[test]
fn the_personal_number_links_with_full_birth_date_and_sex() {
    let one = numbered(an("01001", "P1"), NUMBER);
    let other = numbered(an("79001", "Q9"), NUMBER);
    assert_eq!(status(&one, &other), Some(IdentityStatus::LinkedAutomatically));
    let year = Person { birth: Birth::read("19850101"), ..other.clone() };
    assert_eq!(status(&one, &year), Some(IdentityStatus::Candidate), "1 January is a year only");
    assert_eq!(
        status(&year, &Person { issuer: Some("3".into()), ..year.clone() }),
        Some(IdentityStatus::Candidate)
    );
    let second = Person { birth: Birth::read("19850102"), ..other.clone() };
    assert_eq!(status(&one, &second), Some(IdentityStatus::Collision), "2 January is a day, and another");
    let no_sex = Person { sex: None, ..other.clone() };
    assert_eq!(status(&one, &no_sex), Some(IdentityStatus::Candidate));
    let temporary = Person { temporary: true, ..other.clone() };
    assert_eq!(status(&one, &temporary), Some(IdentityStatus::Candidate));
    let another_year = Person { birth: Birth::read("19860317"), ..other.clone() };
    assert_eq!(status(&one, &another_year), Some(IdentityStatus::Collision));
    let another_sex = Person { sex: Some(Sex::Male), ..other.clone() };
    assert_eq!(status(&one, &another_sex), Some(IdentityStatus::Collision));
    assert_eq!(
        status(&another_sex, &Person { issuer: Some("3".into()), ..another_sex.clone() }),
        Some(IdentityStatus::Candidate),
        "the number tells another sex than both records"
    );
    let renamed = Person { name: Some("LE THI HOA".into()), ..other };
    assert_eq!(status(&one, &renamed), Some(IdentityStatus::Collision), "never a silent merge");
}

#[test]
fn a_number_without_evidence_or_of_a_parent_links_nothing() {
    let one = numbered(an("01001", "P1"), NUMBER);
    let looks =
        with(an("79001", "Q9"), IdentifierKind::PersonalNumber, NUMBER, IdentifierEvidence::LooksLike);
    assert_eq!(status(&one, &looks), Some(IdentityStatus::Candidate), "by name and birth date alone");
    let child = |name: &str, issuer: &str| {
        numbered(person(issuer, name, name, "20240512", Some(Sex::Female)), NUMBER)
    };
    assert_eq!(
        child("NGUYEN THI AN", "01001").personal_numbers(14).count(),
        0,
        "the number tells another year"
    );
    assert_eq!(status(&one, &child("NGUYEN THI BONG", "79001")), None);
    let mut told = numbered(an("79001", "Q9"), NUMBER);
    told.identifiers[0].whose = Whose::Parent;
    assert_eq!(told.personal_numbers(14).count(), 0);
}

#[test]
fn digits_of_a_number_prove_nothing_against_who_says_that_it_is_the_persons_own() {
    // Digits that tell a woman born in 2045, and a man born in 1912.
    for number in ["012345678901", "079012345678"] {
        let born = |issuer: &str| person(issuer, "P1", "DO VAN MINH", "19990607", Some(Sex::Male));
        let header = numbered(born("01001"), number);
        let other = numbered(born("79001"), number);
        assert_eq!(status(&header, &other), Some(IdentityStatus::Candidate), "headers alone: {number}");
        let ordered = with(born("79001"), IdentifierKind::PersonalNumber, number, IdentifierEvidence::Order);
        assert_eq!(status(&header, &ordered), Some(IdentityStatus::LinkedAutomatically), "{number}");
        let mut parents = ordered.clone();
        parents.identifiers[0].whose = Whose::Parent;
        assert_eq!(status(&header, &parents), Some(IdentityStatus::Candidate), "{number}");
        let differs =
            with(born("79001"), IdentifierKind::PersonalNumber, "001099000001", IdentifierEvidence::Order);
        assert_eq!(status(&header, &differs), Some(IdentityStatus::DifferentPerson), "{number}");
    }
}

#[test]
fn twins_stay_two() {
    let twin = |number: &str, name: &str| person("01001", number, name, "20240512", Some(Sex::Male));
    let (one, other) = (twin("P1", "TRAN VAN AN"), twin("P2", "TRAN VAN ANH"));
    assert_eq!(status(&one, &other), None, "names differ by a letter");
    let parents = |person: Person| numbered(person, NUMBER);
    assert_eq!(
        status(&parents(one.clone()), &parents(other.clone())),
        None,
        "one number of the mother for both"
    );
    let card =
        |p: Person| with(p, IdentifierKind::InsuranceCard, "TE1010123456789", IdentifierEvidence::Order);
    assert_eq!(status(&card(one.clone()), &card(other.clone())), None, "one card for both");
    let own = numbered(twin("P1", "TRAN VAN AN"), "001224000001");
    let same_name = numbered(twin("P2", "TRAN VAN AN"), "001224000002");
    assert_eq!(
        status(&own, &same_name),
        Some(IdentityStatus::DifferentPerson),
        "own numbers tell them apart"
    );
}

#[test]
fn an_insurance_card_never_links() {
    let card =
        |p: Person| with(p, IdentifierKind::InsuranceCard, "DN4010123456789", IdentifierEvidence::Order);
    let (one, other) = (card(an("01001", "P1")), card(an("79001", "Q9")));
    assert_eq!(status(&one, &other), Some(IdentityStatus::Candidate));
    let borrowed = card(person("79001", "Q9", "LE VAN HAI", "19700203", Some(Sex::Male)));
    assert_eq!(status(&one, &borrowed), None);
}

#[test]
fn candidates_need_the_name_and_enough_beside_it() {
    let one = an("01001", "P1");
    let other = |birth: &str, sex| person("79001", "Q9", "An Nguyen Thi", birth, sex);
    assert_eq!(status(&one, &other("19850317", None)), Some(IdentityStatus::Candidate));
    assert_eq!(status(&one, &other("1985", Some(Sex::Female))), Some(IdentityStatus::Candidate));
    assert_eq!(status(&one, &other("1985", None)), None, "a year alone counts in part");
    assert_eq!(status(&one, &other("", Some(Sex::Female))), None);
    assert_eq!(status(&one, &other("1986", Some(Sex::Female))), None);
    assert_eq!(status(&one, &other("19850317", Some(Sex::Male))), None);
    let Relation::Candidate(grounds) = relate(&one, &other("19850317", None), Said::Nothing, &policy())
    else {
        panic!("a candidate");
    };
    assert_eq!(grounds, [Ground::Name, Ground::FullBirthDate]);
}

#[test]
fn what_people_said_stands_over_what_is_derived() {
    let (one, other) = (numbered(an("01001", "P1"), NUMBER), numbered(an("79001", "Q9"), NUMBER));
    let said = |said| relate(&one, &other, said, &policy()).status();
    assert_eq!(said(Said::Unlinked), Some(IdentityStatus::Unlinked));
    assert_eq!(said(Said::CollisionOpen), Some(IdentityStatus::Collision));
    let unknown = person("01001", "T1", "VO DANH 3", "", None);
    assert_eq!(
        relate(&one, &unknown, Said::Confirmed, &policy()).status(),
        Some(IdentityStatus::ConfirmedByPerson),
        "an unknown person can be recognised later"
    );
}

/// Names that stand for nobody.
const NOBODY: &[&str] = &[
    "VO DANH",
    "vô danh",
    "VÔ DANH 12",
    "VO DANH NAM",
    "KHONG TEN",
    "CAP CUU",
    "CAP CUU 01",
    "Cấp cứu",
    "CB NGUYEN THI AN",
    "CB. LE THI BE",
    "CON BA TRAN THI C",
    "Con bà Hoa",
    "TEST",
    "TEST^PATIENT",
    "NGUYEN VAN TEST",
    "TEST01",
    "Phantom QC",
    "TRE SO SINH",
    "12345",
    "UNKNOWN",
    "BENH NHAN VO DANH",
    "BN VÔ DANH",
    "VO DANH (NAM)",
    "VO_DANH",
    "VODANH",
    "VO DANH1",
    "Nam vô danh 2",
    "BE GAI CON BA LAN",
    "BÉ TRAI CON BÀ LAN",
    "CB:LAN",
    "C/B LAN",
    "CB1 LE THI HOA",
    "CON BÀ: LAN",
    "SS CON BA LAN",
    "BN CAP CUU",
    "CAPCUU 01",
    "BN NAM CAP CUU 3",
    "KHÔNG CÓ TÊN",
    "CHUA CO TEN",
    "TEST_CT",
    "BE GAI",
    "BN 12",
];
/// Names of people.
const SOMEBODY: &[&str] = &[
    "VÕ DANH TÙNG",
    "Võ Danh",
    "VO DANH TUNG",
    "NGUYEN THI TESTA",
    "CBA",
    "LE VAN CUU",
    "NGUYEN VAN BE",
    "AN",
    "NAM",
    "LE THI BE BA",
    "NGUYEN VO DANH",
    "TRẦN VÕ DANH",
    "NGUYEN DANH VO",
    "NGUYỄN VĂN CẤP",
    "LE CAP",
    "BE NGUYEN VAN AN",
    "BN NGUYEN VAN AN",
    "HO SINH",
    "PHAM VAN CON",
    "CAO BA LAN",
    "TRAN SO",
    "KHONG THI RO",
    "BUI THI NA",
    "NGUYEN TEN",
    "",
];

#[test]
fn placeholder_names_stand_for_nobody() {
    let policy = policy();
    for name in NOBODY {
        assert!(is_placeholder(name, &policy), "{name}");
    }
    for name in SOMEBODY {
        assert!(!is_placeholder(name, &policy), "{name}");
    }
    let nobody = |issuer: &str| person(issuer, "P1", "CAP CUU", "19850317", Some(Sex::Female));
    assert_eq!(status(&nobody("01001"), &nobody("01001")), Some(IdentityStatus::PlaceholderName));
    assert_eq!(status(&nobody("01001"), &an("79001", "Q9")), Some(IdentityStatus::PlaceholderName));
}

#[test]
fn names_and_birth_dates_are_compared_as_people_write_them() {
    assert!(same_name("NGUYỄN^VĂN^AN", "Nguyen Van An"));
    assert!(same_name("NGUYEN VANAN", "NGUYEN VAN AN"));
    assert!(same_name("NGUYEN AN", "NGUYEN VAN AN"));
    assert!(same_name("ĐỖ THỊ ĐÀO", "do thi dao"));
    assert!(same_name("AN NGUYEN THI", "NGUYEN THI AN"), "the given name first");
    assert!(same_name("THI AN^NGUYEN", "NGUYEN THI AN"), "the family name last");
    assert!(same_name("AN NGUYEN", "NGUYEN THI AN"));
    assert!(!same_name("TRẦN MINH ANH", "TRẦN ANH MINH"), "twins");
    assert!(!same_name("TRAN MINH", "TRAN MINH ANH"), "another given name");
    for (one, other) in [("AN", "NGUYEN VAN AN"), ("", ""), ("", "AN"), ("NGUYEN VAN AN", "NGUYEN VAN BA")] {
        assert!(!same_name(one, other), "{one} {other}");
    }
    assert_eq!(Birth::read("19850101"), Birth::Year(1985));
    assert_eq!(Birth::read("19850000"), Birth::Year(1985));
    assert_eq!(Birth::read("198503"), Birth::Year(1985));
    assert_eq!(Birth::read("1985"), Birth::Year(1985));
    assert!(matches!(Birth::read("1985-01-02"), Birth::Full(_)));
    for text in ["", "0000", "19851399", "hai"] {
        assert_eq!(Birth::read(text), Birth::Unknown, "{text}");
    }
}
