//! Sayings that are possibly of the same person: offered, never joined.

use std::cmp::Reverse;

use crate::db::sql::params;

use super::graph::Graph;
use super::kin::{Kin, cards, is_nobody};
use super::record::{self, PersonRecord, persons, raw};
use crate::dataset::fold::{fold, words};
use crate::db::error::DbError;
use crate::db::row::sorted_words;
use crate::db::session::Session;
use crate::identity::{Ground, IdentityRules, Relation};

/// Candidates that are offered at most.
pub const CANDIDATES_MAX: usize = 20;
/// Sayings that are looked at by each way of looking.
const LOOKED_AT: i64 = 60;

const BORN: &str =
    persons!("person p WHERE p.birth_date = ?1 AND p.birth_date <> '' ORDER BY p.key LIMIT ?2");
const NAMED: &str = persons!(
    "person p WHERE p.name_sorted = ?1 AND p.name_sorted <> '' AND p.birth_year = ?2 ORDER BY p.key LIMIT ?3"
);
const BORN_AND_NAMED: &str = persons!(
    "person p WHERE p.name_sorted = ?1 AND p.name_sorted <> '' AND p.birth_date = ?2 ORDER BY p.key LIMIT ?3"
);
const WITH_CARD: &str = persons!(
    "person_number n JOIN person p ON p.id = n.person_row WHERE n.value = ?1 ORDER BY p.id LIMIT ?2"
);

/// Sayings of the studies that were brought for a number.
const BROUGHT: &str = persons!(
    "intake i JOIN intake_study b ON b.subject_row = i.subject_row JOIN study s ON s.study_uid = b.study_uid \
     JOIN person p ON p.id = s.person_row WHERE i.patient = ?1 ORDER BY p.key LIMIT ?2"
);

/// Numbers for which studies of a saying were brought.
const BROUGHT_FOR: &str = "SELECT DISTINCT i.patient FROM study s \
     JOIN intake_study b ON b.study_uid = s.study_uid JOIN intake i ON i.subject_row = b.subject_row \
     WHERE s.person_row = ?1 LIMIT ?2";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[BORN, NAMED, WITH_CARD, BROUGHT, BROUGHT_FOR];

/// A saying that is possibly of the same person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateRow {
    /// The saying.
    pub record: PersonRecord,
    /// What speaks for it.
    pub grounds: Vec<Ground>,
    /// The policy's points for that.
    pub points: u32,
}

/// Those that are possibly the person that `kin` is around, the most likely first; nobody who was parted from the
/// person or from anybody who is one person with it, clashes with one of them or is it already. The work is bounded: of very common names not all are looked at.
pub(in crate::db) fn candidates(
    session: &Session<'_>,
    kin: &Kin,
    rules: &IdentityRules,
) -> Result<Vec<CandidateRow>, DbError> {
    let anchor = &kin.anchor;
    if is_nobody(&anchor.person, rules) {
        return Ok(Vec::new());
    }
    let mut graph = Graph::of(session, rules, anchor.clone())?;
    for member in &kin.members {
        graph.add(member.record.clone())?;
    }
    let mut found: Vec<(PersonRecord, Vec<Ground>)> = Vec::new();
    for (record, grounds) in &kin.open {
        if graph.candidate(record.clone())?.is_some() {
            found.push((record.clone(), grounds.clone()));
        }
    }
    let taken = |record: &PersonRecord| {
        record.row == anchor.row
            || kin.members.iter().any(|member| member.record.row == record.row)
            || kin.clashing.iter().any(|(clashing, _)| clashing.row == record.row)
            || kin.parted.iter().any(|key| *key == record.key || record.numbers.contains(key))
    };
    for row in brought(session, anchor, &graph)? {
        let record = record::whole(session, row, rules)?;
        if taken(&record) || found.iter().any(|(known, _)| known.row == record.row) {
            continue;
        }
        // What clashes with the person's numbers is somebody else's whoever brought it; anything else is looked at.
        let mut grounds = match graph.relation_to_all(record.clone())? {
            Some(Relation::Candidate(grounds)) => grounds,
            Some(Relation::Unrelated) => Vec::new(),
            _ => continue,
        };
        grounds.push(Ground::Brought);
        found.push((record, grounds));
    }
    for row in look(session, anchor)? {
        let record = record::whole(session, row, rules)?;
        if taken(&record) || found.iter().any(|(known, _)| known.row == record.row) {
            continue;
        }
        if let Some(grounds) = graph.candidate(record.clone())? {
            found.push((record, grounds));
        }
    }
    let points =
        |grounds: &[Ground]| grounds.iter().filter_map(|ground| rules.policy.points.get(ground)).sum();
    let mut all: Vec<CandidateRow> = found
        .into_iter()
        .filter(|(record, _)| record.has_study && !taken(record))
        .map(|(record, grounds)| CandidateRow { points: points(&grounds), record, grounds })
        .collect();
    let order = |one: &CandidateRow| {
        (Reverse(one.grounds.contains(&Ground::Brought)), Reverse(one.points), one.record.key)
    };
    all.sort_by_key(order);
    // One number is offered once, by the saying that agrees best.
    let mut numbers = Vec::new();
    all.retain(|one| {
        !numbers.contains(&one.record.number) && {
            numbers.push(one.record.number);
            true
        }
    });
    all.truncate(CANDIDATES_MAX);
    Ok(all)
}

/// Rows of what was brought for the person, and of whom the person's own studies were brought for.
fn brought(
    session: &Session<'_>,
    anchor: &PersonRecord,
    graph: &Graph<'_>,
) -> Result<Vec<record::Raw>, DbError> {
    let mut rows = Vec::new();
    let numbers =
        session.rows(BROUGHT_FOR, params![anchor.row, LOOKED_AT], |row| row.get::<_, Vec<u8>>(0))?;
    for number in numbers {
        rows.extend(graph.called(&number)?);
    }
    for number in &anchor.numbers {
        rows.extend(session.rows(BROUGHT, params![&number.as_bytes()[..], LOOKED_AT], raw)?);
    }
    Ok(rows)
}

/// Rows that may be of the person.
fn look(session: &Session<'_>, anchor: &PersonRecord) -> Result<Vec<record::Raw>, DbError> {
    let person = &anchor.person;
    let folded = fold(person.name.as_deref().unwrap_or_default());
    let sorted = sorted_words(&folded);
    let mut rows = Vec::new();
    if let Some(date) = person.full_birth_date() {
        let (year, month, day) = date.parts();
        let date = format!("{year:04}{month:02}{day:02}");
        rows.extend(session.rows(BORN_AND_NAMED, params![sorted, date, LOOKED_AT], raw)?);
        rows.extend(session.rows(BORN, params![date, 4 * LOOKED_AT], raw)?);
    }
    if let Some(year) = person.birth.year() {
        rows.extend(session.rows(NAMED, params![sorted, year, LOOKED_AT], raw)?);
        let all: Vec<&str> = words(&sorted).collect();
        for left_out in 0..all.len().min(8) {
            let some = all.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, word)| *word);
            let some: Vec<&str> = some.collect();
            if some.len() > 1 {
                rows.extend(session.rows(NAMED, params![some.join(" "), year, LOOKED_AT], raw)?);
            }
        }
    }
    for card in cards(person) {
        rows.extend(session.rows(WITH_CARD, params![card, LOOKED_AT], raw)?);
    }
    Ok(rows)
}

impl Graph<'_> {
    /// What speaks for a saying that is possibly of the same person; none where it is not, or where it cannot be of one
    /// person with somebody who is.
    fn candidate(&mut self, record: PersonRecord) -> Result<Option<Vec<Ground>>, DbError> {
        let relation = self.relation_to_all(record)?;
        Ok(match relation {
            Some(Relation::Candidate(grounds)) => Some(grounds),
            _ => None,
        })
    }
}
