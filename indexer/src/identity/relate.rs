//! How two records stand to each other.

use serde::{Deserialize, Serialize};

use super::name::{is_placeholder, same_name};
use super::person::{PatientIdIs, Person, Sex};
use super::{Birth, IdentityPolicy};
use crate::reuse::prior::IdentityStatus;

/// What speaks for one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// Same issuer and hospital number.
    HospitalNumber,
    /// Same evidenced personal number.
    PersonalNumber,
    /// Same name.
    Name,
    /// Same birth date, to the day.
    FullBirthDate,
    /// Same year of birth; more is not known of one.
    BirthYear,
    /// Same sex.
    Sex,
    /// Same insurance card: it adds to a name, it never links.
    InsuranceCard,
    /// A person confirmed it.
    Confirmed,
}

/// What speaks against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clash {
    /// Other name.
    Name,
    /// Other birth date.
    BirthDate,
    /// Other sex.
    Sex,
    /// Other evidenced personal number.
    PersonalNumber,
}

/// What people said about a pair; the latest statement counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Nothing.
    #[default]
    Nothing,
    /// One person, with the document seen.
    Confirmed,
    /// Two persons: unlinked.
    Unlinked,
    /// A collision is open.
    CollisionOpen,
}

/// How two records stand to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// One person.
    Same(IdentityStatus, Vec<Ground>),
    /// Possibly one person: offered, not confirmed.
    Candidate(Vec<Ground>),
    /// What should be one person clashes; the clashes are empty where a person opened the collision.
    Collision(Vec<Clash>),
    /// Never offered.
    NotListed(IdentityStatus),
    /// Nothing speaks for one person.
    Unrelated,
}

impl Relation {
    /// The status that the decision reads; unrelated records have none.
    #[must_use]
    pub fn status(&self) -> Option<IdentityStatus> {
        match self {
            Relation::Same(status, _) | Relation::NotListed(status) => Some(*status),
            Relation::Candidate(_) => Some(IdentityStatus::Candidate),
            Relation::Collision(_) => Some(IdentityStatus::Collision),
            Relation::Unrelated => None,
        }
    }
}

/// How two records stand to each other, by what people said, then identifiers, then name, birth date and sex.
#[must_use]
pub fn relate(one: &Person, other: &Person, said: Said, policy: &IdentityPolicy) -> Relation {
    match said {
        Said::Unlinked => return Relation::NotListed(IdentityStatus::Unlinked),
        Said::CollisionOpen => return Relation::Collision(Vec::new()),
        Said::Confirmed => {
            return Relation::Same(IdentityStatus::ConfirmedByPerson, vec![Ground::Confirmed]);
        }
        Said::Nothing => {}
    }
    let placeholder =
        |person: &Person| person.name.as_deref().is_some_and(|name| is_placeholder(name, policy));
    if placeholder(one) || placeholder(other) {
        return Relation::NotListed(IdentityStatus::PlaceholderName);
    }
    let clashes = clashes(one, other, policy);
    let temporary = one.temporary || other.temporary;
    if !temporary && same_hospital_number(one, other) {
        if !clashes.is_empty() {
            return Relation::Collision(clashes);
        }
        return Relation::Same(IdentityStatus::SameHospitalNumber, vec![Ground::HospitalNumber]);
    }
    if differ(one, other) {
        return Relation::NotListed(IdentityStatus::DifferentPerson);
    }
    if let Some(number) = shared_personal_number(one, other, policy) {
        return by_personal_number(one, other, number, clashes, temporary);
    }
    by_points(one, other, &clashes, policy)
}

fn same_hospital_number(one: &Person, other: &Person) -> bool {
    let key = |person: &Person| {
        let told = |text: &Option<String>| {
            text.as_deref().map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned)
        };
        let is_patient = person.patient_id_is == PatientIdIs::Patient;
        told(&person.issuer).zip(told(&person.hospital_number)).filter(|_| is_patient)
    };
    key(one).is_some_and(|one| Some(one) == key(other))
}

/// Whether each has evidenced numbers and none of them is the other's: two people, whatever else agrees.
fn differ(one: &Person, other: &Person) -> bool {
    let has = |person: &Person| person.evidenced_numbers().next().is_some();
    has(one)
        && has(other)
        && !one.evidenced_numbers().any(|own| other.evidenced_numbers().any(|it| it == own))
}

/// A number of both. Where one says that it is that person's own, the digits of it do not make it the guardian's of the
/// other.
fn shared_personal_number<'a>(one: &'a Person, other: &Person, policy: &IdentityPolicy) -> Option<&'a str> {
    let years = policy.guardian_years;
    let counts =
        |person: &Person, number: &str| person.personal_numbers(years).any(|theirs| theirs == number);
    one.evidenced_numbers().find(|number| {
        other.evidenced_numbers().any(|theirs| theirs == *number)
            && (says_own(one, other, number) || (counts(one, number) && counts(other, number)))
    })
}

fn says_own(one: &Person, other: &Person, number: &str) -> bool {
    one.says_own(number) || other.says_own(number)
}

/// The automatic link, and what an equal number is without it. A number that tells another year or sex than both
/// records proves nothing where nobody says that it is the person's own.
fn by_personal_number(
    one: &Person,
    other: &Person,
    number: &str,
    clashes: Vec<Clash>,
    temporary: bool,
) -> Relation {
    if !clashes.is_empty() {
        return Relation::Collision(clashes);
    }
    let sex = one.sex.is_some() && one.sex == other.sex;
    let mut grounds = vec![Ground::PersonalNumber];
    grounds.extend(agreeing(one, other));
    let proves = says_own(one, other, number) || (one.agrees_with(number) && other.agrees_with(number));
    if one.birth.agrees_fully(other.birth) && sex && proves && !temporary {
        Relation::Same(IdentityStatus::LinkedAutomatically, grounds)
    } else {
        Relation::Candidate(grounds)
    }
}

/// Whether two say the same name and the same full birth date, so that an order's number may be taken for a person's.
pub(crate) fn says_the_same(one: &Person, other: &Person) -> bool {
    let names = one.name.as_deref().zip(other.name.as_deref());
    names.is_some_and(|(one, other)| same_name(one, other)) && one.birth.agrees_fully(other.birth)
}

/// How two stand to each other where their numbers say nothing.
pub(crate) fn without_numbers(one: &Person, other: &Person, policy: &IdentityPolicy) -> Relation {
    by_points(one, other, &clashes(one, other, policy), policy)
}

/// Possibly one person: the name agrees, and enough beside it.
fn by_points(one: &Person, other: &Person, clashes: &[Clash], policy: &IdentityPolicy) -> Relation {
    let mut grounds: Vec<Ground> = agreeing(one, other).collect();
    if one.insurance_cards().any(|card| other.insurance_cards().any(|theirs| theirs == card)) {
        grounds.push(Ground::InsuranceCard);
    }
    let points: u32 = grounds.iter().filter_map(|ground| policy.points.get(ground)).sum();
    if clashes.is_empty() && grounds.contains(&Ground::Name) && points >= policy.candidate_points {
        Relation::Candidate(grounds)
    } else {
        Relation::Unrelated
    }
}

fn agreeing(one: &Person, other: &Person) -> impl Iterator<Item = Ground> {
    let name =
        one.name.as_deref().zip(other.name.as_deref()).is_some_and(|(one, other)| same_name(one, other));
    let full = one.birth.agrees_fully(other.birth);
    let year = !full
        && !one.birth.clashes(other.birth)
        && one.birth != Birth::Unknown
        && other.birth != Birth::Unknown;
    let sex = one.sex.is_some() && one.sex == other.sex;
    let found =
        [(name, Ground::Name), (full, Ground::FullBirthDate), (year, Ground::BirthYear), (sex, Ground::Sex)];
    found.into_iter().filter_map(|(holds, ground)| holds.then_some(ground))
}

fn clashes(one: &Person, other: &Person, policy: &IdentityPolicy) -> Vec<Clash> {
    let told =
        |person: &Person| person.name.clone().filter(|name| !crate::dataset::fold::fold(name).is_empty());
    let name = told(one).zip(told(other)).is_some_and(|(one, other)| !same_name(&one, &other));
    let sex = match (one.sex, other.sex) {
        (Some(one), Some(other)) => one != other && one != Sex::Other && other != Sex::Other,
        _ => false,
    };
    let has = |person: &Person| person.personal_numbers(policy.guardian_years).next().is_some();
    let numbers = has(one) && has(other) && shared_personal_number(one, other, policy).is_none();
    let found = [
        (name, Clash::Name),
        (one.birth.clashes(other.birth), Clash::BirthDate),
        (sex, Clash::Sex),
        (numbers, Clash::PersonalNumber),
    ];
    found.into_iter().filter_map(|(holds, clash)| holds.then_some(clash)).collect()
}
