//! Sayings around one, and how they stand to each other: from one over all that joins it with others.
//!
//! How two sayings stand to each other is the business of [`crate::identity::relate`]; this module finds the sayings
//! that may stand to each other, and what people said of them. Nothing here is kept: what is said or stored next
//! counts at once.

use crate::db::sql::{Row, ToValue, Value, params};

use super::kin::{Kin, Member};
use super::record::{self, COUNTED, PersonRecord, persons, raw};
use crate::db::ahead::LookUp;
use crate::db::error::DbError;
use crate::db::session::Session;
use crate::identity::{
    Ground, IdentityRules, Person, Relation, Said, relate, says_the_same, without_numbers,
};
use crate::query::GroupKey;
use crate::reuse::prior::IdentityStatus;

/// Sayings that are looked at for one question at most.
pub(super) const RECORDS_MAX: usize = 256;
/// Orders under which one saying was made that are looked at.
const ORDERS_MAX: i64 = 32;

pub(super) const OF_NUMBER: &str = persons!("person p WHERE p.patient_key = ?1 ORDER BY p.key LIMIT ?2");
/// Without those that stand alone: nothing that they say joins them.
const TOGETHER: &str = persons!("person p WHERE p.patient_key = ?1 AND p.apart = '' ORDER BY p.key LIMIT ?2");
const WITH_VALUE: &str = persons!(
    "person_number n JOIN person p ON p.id = n.person_row WHERE n.value = ?1 ORDER BY p.id LIMIT ?2"
);
const STATED_VALUE: &str = "SELECT patient FROM stated_number WHERE value = ?1 LIMIT ?2";
const SAID: &str = "SELECT a, b, said, time, apart FROM patient_link WHERE a = ?1 \
     UNION ALL SELECT a, b, said, time, apart FROM patient_link WHERE b = ?1";
const ORDER_OF: &str = persons!(
    "exam_order o JOIN person p ON p.id = o.person_row WHERE o.accession = ?1 AND o.accession <> '' \
     AND o.facility_id = ?2 ORDER BY p.key LIMIT ?3"
);
const ORDERS: &str =
    "SELECT accession, facility_id FROM exam_order WHERE person_row = ?1 AND accession <> '' LIMIT ?2";
const UNDER_ORDER: &str =
    persons!("person p WHERE p.scope = ?1 AND p.scope <> '' AND p.facility_id = ?2 ORDER BY p.key LIMIT ?3");
/// What orders say under a number that counts orders.
const COUNTED_ORDERS: &str = persons!(
    "exam_order o JOIN person p ON p.id = o.person_row WHERE o.patient_id = ?1 AND o.patient_id <> '' \
     AND o.facility_id = ?2 AND p.scope <> '' ORDER BY p.key LIMIT ?3"
);
#[cfg(test)]
pub(super) const HOT: &[&str] =
    &[OF_NUMBER, TOGETHER, WITH_VALUE, STATED_VALUE, SAID, ORDER_OF, ORDERS, UNDER_ORDER, COUNTED_ORDERS];

/// What people said of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    a: GroupKey,
    b: GroupKey,
    said: i64,
    time: i64,
    doubts: bool,
}

impl Word {
    fn other(&self, keys: &[GroupKey]) -> Option<GroupKey> {
        match (keys.contains(&self.a), keys.contains(&self.b)) {
            (true, false) => Some(self.b),
            (false, true) => Some(self.a),
            _ => None,
        }
    }

    fn is_about(&self, one: &[GroupKey], other: &[GroupKey]) -> bool {
        one.contains(&self.a) && other.contains(&self.b) || one.contains(&self.b) && other.contains(&self.a)
    }
}

/// A saying that may be of one person with another; by the order under which a study was made, or in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Near {
    at: usize,
    by_order: bool,
}

pub(super) struct Graph<'s> {
    session: &'s Session<'s>,
    rules: &'s IdentityRules,
    records: Vec<PersonRecord>,
    /// What people said; none where it goes by what sayings say alone.
    words: Option<Vec<Word>>,
    near: Vec<Option<Vec<Near>>>,
    /// The row of a saying that no order names yet.
    new: Option<i64>,
}

type Reached = Vec<Option<(IdentityStatus, Vec<Ground>)>>;

fn rank(status: IdentityStatus) -> u8 {
    match status {
        IdentityStatus::SameHospitalNumber => 0,
        IdentityStatus::LinkedAutomatically => 1,
        _ => 2,
    }
}

/// Whether the two must not be taken for one, however they are joined with others.
fn parts(relation: &Relation) -> bool {
    matches!(
        relation,
        Relation::Collision(_)
            | Relation::NotListed(IdentityStatus::Unlinked | IdentityStatus::DifferentPerson)
    )
}

impl<'s> Graph<'s> {
    pub(super) fn of(
        session: &'s Session<'s>,
        rules: &'s IdentityRules,
        anchor: PersonRecord,
    ) -> Result<Graph<'s>, DbError> {
        Graph::begun(Graph { words: Some(Vec::new()), ..Graph::empty(session, rules) }, anchor)
    }

    /// Goes by what sayings say alone.
    pub(super) fn without_words(
        session: &'s Session<'s>,
        rules: &'s IdentityRules,
        anchor: PersonRecord,
    ) -> Result<Graph<'s>, DbError> {
        Graph::begun(Graph::empty(session, rules), anchor)
    }

    /// The same around a saying that just became a row.
    pub(super) fn of_new(
        session: &'s Session<'s>,
        rules: &'s IdentityRules,
        anchor: PersonRecord,
    ) -> Result<Graph<'s>, DbError> {
        Graph::begun(Graph { new: Some(anchor.row), ..Graph::empty(session, rules) }, anchor)
    }

    fn empty(session: &'s Session<'s>, rules: &'s IdentityRules) -> Graph<'s> {
        Graph { session, rules, records: Vec::new(), words: None, near: Vec::new(), new: None }
    }

    fn begun(mut graph: Graph<'s>, anchor: PersonRecord) -> Result<Graph<'s>, DbError> {
        graph.add(anchor)?;
        Ok(graph)
    }

    fn words(&self) -> &[Word] {
        self.words.as_deref().unwrap_or_default()
    }

    /// Takes a saying in, with what people said of it; its place.
    pub(super) fn add(&mut self, record: PersonRecord) -> Result<Option<usize>, DbError> {
        if let Some(at) = self.records.iter().position(|known| known.row == record.row) {
            return Ok(Some(at));
        }
        if self.records.len() >= RECORDS_MAX {
            return Ok(None);
        }
        if let Some(words) = &mut self.words {
            for key in names(&record) {
                for word in self.session.rows(SAID, [&key.as_bytes()[..]], word)? {
                    let word = word.ok_or(DbError::Invalid("patient key"))?;
                    if !words.contains(&word) {
                        words.push(word);
                    }
                }
            }
        }
        self.records.push(record);
        self.near.push(None);
        Ok(Some(self.records.len() - 1))
    }

    pub(super) fn add_row(&mut self, row: record::Raw) -> Result<Option<usize>, DbError> {
        let record = record::whole(self.session, row, self.rules)?;
        self.add(record)
    }

    fn said(&self, one: &PersonRecord, other: &PersonRecord) -> Said {
        let (one, other) = (names(one), names(other));
        let words: Vec<&Word> = self.words().iter().filter(|word| word.is_about(&one, &other)).collect();
        if words.iter().any(|word| word.said == 3) {
            return Said::CollisionOpen;
        }
        match words.iter().max_by_key(|word| (word.time, word.said)).map(|word| word.said) {
            Some(1 | 4) => Said::Confirmed,
            Some(_) => Said::Unlinked,
            None => Said::Nothing,
        }
    }

    /// Whether a person confirmed exactly these two, and not only their numbers.
    fn is_confirmed(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.records[one], &self.records[other]);
        let exact = |word: &Word| word.is_about(&[one.key], &[other.key]) && matches!(word.said, 1 | 4);
        self.said(one, other) == Said::Confirmed && self.words().iter().any(exact)
    }

    /// What became of the doubt for which a study stands alone: open, or found to be of somebody else.
    fn doubt(&self, record: &PersonRecord) -> Option<i64> {
        let of_it =
            self.words().iter().filter(|word| word.doubts && (word.a == record.key || word.b == record.key));
        of_it.map(|word| word.said).min().filter(|_| !record.apart.is_empty())
    }

    pub(super) fn relation(&self, one: usize, other: usize, by_order: bool) -> Relation {
        let (one, other) = (&self.records[one], &self.records[other]);
        let said = self.said(one, other);
        let mut relation = relate(&one.person, &other.person, said, &self.rules.policy);
        let by_order = by_order || one.has_counted_number_of(other);
        if by_order && said == Said::Nothing && !matches!(relation, Relation::Same(..)) {
            let of_order = Person {
                issuer: Some("order".into()),
                hospital_number: Some("order".into()),
                ..one.person.clone()
            };
            let made = Person {
                issuer: of_order.issuer.clone(),
                hospital_number: of_order.hospital_number.clone(),
                ..other.person.clone()
            };
            relation = relate(&of_order, &made, said, &self.rules.policy);
        }
        // A number of an order alone is one person's where name and birth date say so too.
        let of_order = by_order || is_bare_order(one) || is_bare_order(other);
        let by_number = matches!(relation, Relation::Same(IdentityStatus::SameHospitalNumber, _));
        if of_order && by_number && !says_the_same(&one.person, &other.person) {
            relation = without_numbers(&one.person, &other.person, &self.rules.policy);
        }
        let stands = |relation: &Relation| matches!(relation, Relation::Same(..) | Relation::Candidate(_));
        if said == Said::Nothing && stands(&relation) {
            match self.doubt(one).or_else(|| self.doubt(other)) {
                Some(3) => return Relation::Collision(Vec::new()),
                Some(_) => return Relation::NotListed(IdentityStatus::Unlinked),
                None => {}
            }
        }
        relation
    }

    /// The places of sayings that may be of one person with one.
    fn near(&mut self, at: usize) -> Result<Vec<Near>, DbError> {
        if let Some(known) = &self.near[at] {
            return Ok(known.clone());
        }
        let record = self.records[at].clone();
        let most = RECORDS_MAX as i64;
        let (mut rows, mut by_order) = (Vec::new(), Vec::new());
        for number in record.numbers.iter().filter(|_| record.apart.is_empty()) {
            rows.extend(self.session.rows(TOGETHER, params![&number.as_bytes()[..], most], raw)?);
        }
        for value in evidenced(&record.person) {
            rows.extend(self.session.rows(WITH_VALUE, params![value, most], raw)?);
            for key in
                self.session.rows(STATED_VALUE, params![value, most], |row| row.get::<_, Vec<u8>>(0))?
            {
                rows.extend(self.called(&key)?);
            }
        }
        let own = names(&record);
        let said: Vec<GroupKey> = self.words().iter().filter_map(|word| word.other(&own)).collect();
        for key in said {
            rows.extend(self.called(key.as_bytes())?);
        }
        if record.ordered_by_count {
            let of_number = params![record.patient_id, record.facility.0, most];
            rows.extend(self.session.rows(COUNTED_ORDERS, of_number, raw)?);
        }
        if let Some(accession) = record.scope.strip_prefix(COUNTED) {
            by_order.extend(self.session.rows(ORDER_OF, params![accession, record.facility.0, most], raw)?);
        }
        let orders = match self.new == Some(record.row) {
            true => Vec::new(),
            false => self.session.rows(ORDERS, params![record.row, ORDERS_MAX], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?))
            })?,
        };
        for (accession, facility) in orders {
            let scope = format!("order:{accession}");
            by_order.extend(self.session.rows(UNDER_ORDER, params![scope, facility, most], raw)?);
        }
        let mut near: Vec<Near> = Vec::new();
        for (rows, by_order) in [(by_order, true), (rows, false)] {
            for row in rows {
                let found = self.add_row(row)?.filter(|found| *found != at);
                near.extend(
                    found.filter(|at| near.iter().all(|near| near.at != *at)).map(|at| Near { at, by_order }),
                );
            }
        }
        self.near[at] = Some(near.clone());
        Ok(near)
    }

    pub(super) fn called(&self, key: &[u8]) -> Result<Vec<record::Raw>, DbError> {
        let key = GroupKey::from_bytes(key).ok_or(DbError::Invalid("patient key"))?;
        let one = self.session.row(persons!("person p WHERE p.key = ?1"), [&key.as_bytes()[..]], raw)?;
        match one {
            Some(one) => Ok(vec![one]),
            None => self.session.rows(OF_NUMBER, params![&key.as_bytes()[..], RECORDS_MAX as i64], raw),
        }
    }

    /// What is reached from the first saying over sayings that it is not parted from, without those in `banned`.
    fn reach(&mut self, banned: &[usize]) -> Result<Reached, DbError> {
        let mut reached: Reached = vec![Some((IdentityStatus::SameHospitalNumber, Vec::new()))];
        let mut queue = std::collections::VecDeque::from([0]);
        while let Some(at) = queue.pop_front() {
            let near = self.near(at)?;
            reached.resize(self.records.len(), None);
            let Some((so_far, _)) = reached[at].clone() else { continue };
            for Near { at: next, by_order } in near {
                let Relation::Same(status, grounds) = self.relation(at, next, by_order) else { continue };
                if next == 0 || banned.contains(&next) || (at != 0 && parts(&self.relation(0, next, false))) {
                    continue;
                }
                let status = if rank(status) > rank(so_far) { status } else { so_far };
                let better = reached[next].as_ref().is_none_or(|(known, _)| rank(status) < rank(*known));
                if better {
                    reached[next] = Some((status, grounds));
                    queue.push_back(next);
                }
            }
        }
        Ok(reached)
    }

    /// Those among what was reached that are parted from each other: nobody knows which of them is meant.
    fn parted_within(&self, reached: &Reached) -> Vec<usize> {
        let members: Vec<usize> = (1..reached.len()).filter(|at| reached[*at].is_some()).collect();
        let mut parted = Vec::new();
        for (n, one) in members.iter().enumerate() {
            for other in &members[n + 1..] {
                let differ = !agree(&self.records[*one].person, &self.records[*other].person);
                if (differ || self.has_word(*one, *other)) && parts(&self.relation(*one, *other, false)) {
                    parted.extend([*one, *other].into_iter().filter(|at| !self.is_confirmed(0, *at)));
                }
            }
        }
        parted.sort_unstable();
        parted.dedup();
        parted
    }

    fn has_word(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.records[one], &self.records[other]);
        self.said(one, other) != Said::Nothing || self.doubt(one).is_some() || self.doubt(other).is_some()
    }

    /// How a saying that is no candidate of any other stands to the first one, if nothing parts it from any of those
    /// that are there. It is not kept.
    pub(super) fn relation_to_all(&mut self, record: PersonRecord) -> Result<Option<Relation>, DbError> {
        let before = self.records.len();
        let Some(at) = self.add(record)? else { return Ok(None) };
        let parted = (1..before).any(|known| known != at && parts(&self.relation(known, at, false)));
        let relation = self.relation(0, at, false);
        self.records.truncate(before);
        self.near.truncate(before);
        Ok(Some(relation).filter(|_| !parted))
    }

    /// The places of what may be of one person with the first saying.
    pub(super) fn near_first(&mut self) -> Result<Vec<usize>, DbError> {
        Ok(self.near(0)?.into_iter().map(|near| near.at).collect())
    }

    pub(super) fn stands_together(&self, at: usize) -> bool {
        !self.records[at].stands_alone()
    }

    pub(super) fn key(&self, at: usize) -> GroupKey {
        self.records[at].key
    }

    pub(super) fn kin(mut self) -> Result<Kin, DbError> {
        let first = self.reach(&[])?;
        let banned = self.parted_within(&first);
        let reached = if banned.is_empty() { first } else { self.reach(&banned)? };
        let (mut members, mut clashing, mut open) = (Vec::new(), Vec::new(), Vec::new());
        for at in 1..self.records.len() {
            let record = &self.records[at];
            if let Some((status, grounds)) = reached.get(at).cloned().flatten() {
                members.push(Member { record: record.clone(), status, grounds });
                continue;
            }
            match self.relation(0, at, false) {
                Relation::Collision(clashes) => clashing.push((record.clone(), clashes)),
                _ if banned.contains(&at) => clashing.push((record.clone(), Vec::new())),
                Relation::Candidate(grounds) => open.push((record.clone(), grounds)),
                _ => {}
            }
        }
        members.sort_by(|one, other| {
            (rank(one.status), one.record.key).cmp(&(rank(other.status), other.record.key))
        });
        clashing.sort_by_key(|(record, _)| record.key);
        open.sort_by_key(|(record, _)| record.key);
        let parted = self.parted_by_people(&members);
        Ok(Kin { anchor: self.records.swap_remove(0), members, clashing, open, parted })
    }

    /// What people parted from the first saying or one that is of the same person by its number.
    fn parted_by_people(&self, members: &[Member]) -> Vec<GroupKey> {
        let mut own = names(&self.records[0]);
        let same = |member: &&Member| member.status == IdentityStatus::SameHospitalNumber;
        own.extend(members.iter().filter(same).flat_map(|member| names(&member.record)));
        let parted = self.words().iter().filter(|word| matches!(word.said, 2 | 5));
        parted.filter_map(|word| word.other(&own)).collect()
    }
}

/// What looking for whoever is near asks of many sayings.
pub(super) fn near_ahead(records: &[PersonRecord]) -> [LookUp<'_>; 3] {
    let most = || Value::Integer(RECORDS_MAX as i64);
    let numbers = records.iter().flat_map(|record| &record.numbers);
    let values: Vec<_> = records
        .iter()
        .flat_map(|record| evidenced(&record.person))
        .map(|value| vec![Value::Text(value.into()), most()])
        .collect();
    [
        LookUp::once(TOGETHER, numbers.map(|number| vec![number.as_bytes().to_value(), most()]).collect()),
        LookUp::once(WITH_VALUE, values.clone()),
        LookUp::once(STATED_VALUE, values),
    ]
}

/// Says that a saying has a number by now.
pub(super) fn has_value(session: &Session<'_>, value: &str) {
    session.is_changed(WITH_VALUE, params![value, RECORDS_MAX as i64]);
}

/// Personal numbers by which others are looked for.
fn evidenced(person: &Person) -> Vec<String> {
    let mut numbers: Vec<String> = person.evidenced_numbers().map(str::to_owned).collect();
    numbers.sort();
    numbers.dedup();
    numbers
}

/// Whether two say the same, so that they cannot clash.
fn agree(one: &Person, other: &Person) -> bool {
    one.name == other.name
        && one.birth == other.birth
        && one.sex == other.sex
        && one.identifiers == other.identifiers
}

/// Whether it is what an order alone says under a number that counts orders.
fn is_bare_order(record: &PersonRecord) -> bool {
    record.ordered_by_count && !record.has_study
}

/// The keys under which people may have spoken of a saying.
fn names(record: &PersonRecord) -> Vec<GroupKey> {
    let mut names = record.numbers.clone();
    names.push(record.key);
    names
}

fn word(row: &Row<'_>) -> Result<Option<Word>, DbError> {
    let keys = [row.get::<_, Vec<u8>>(0)?, row.get(1)?].map(|bytes| GroupKey::from_bytes(&bytes));
    let (said, time, apart): (i64, i64, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
    Ok(match keys {
        [Some(a), Some(b)] => Some(Word { a, b, said, time, doubts: !apart.is_empty() }),
        _ => None,
    })
}
