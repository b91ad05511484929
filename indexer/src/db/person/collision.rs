//! Pairs of sayings that clash under one number: noted when the later of the two comes, open until a person resolves
//! them.

use crate::db::sql::params;

use super::graph::{self, Graph};
use super::record::{self, PersonRecord};
use crate::db::error::DbError;
use crate::db::session::Session;
use crate::identity::{Clash, IdentityRules, Relation};
use crate::query::GroupKey;

const NOTE: &str = "INSERT INTO collision (a, b) VALUES (?1, ?2) ON CONFLICT (a, b) DO NOTHING";
const FORGET: &str = "DELETE FROM collision WHERE a = ?1 OR b = ?1";
const UNDER: &str = "SELECT id FROM person WHERE patient_key = ?1 ORDER BY key";
/// Pairs that nobody has resolved, and those that somebody opened.
const OPEN: &str = "SELECT c.a, c.b FROM collision c WHERE (c.a, c.b) > (?2, ?3) \
     AND NOT EXISTS (SELECT 1 FROM patient_link l WHERE l.a = c.a AND l.b = c.b AND l.said <> 3) \
     UNION SELECT l.a, l.b FROM patient_link l WHERE l.said = 3 AND (l.a, l.b) > (?2, ?3) ORDER BY 1, 2 LIMIT ?1";
const RESOLVED: &str = "SELECT l.a, l.b FROM patient_link l WHERE l.said IN (4, 5) AND (l.a, l.b) > (?2, ?3) ORDER BY 1, 2 LIMIT ?1";
const OF_PERSON: &str = "SELECT a, b FROM collision WHERE a = ?1 UNION SELECT a, b FROM collision WHERE b = ?1 \
     UNION SELECT a, b FROM patient_link WHERE a = ?1 AND said = 3 \
     UNION SELECT a, b FROM patient_link WHERE b = ?1 AND said = 3 LIMIT 64";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[UNDER, OF_PERSON];

/// A pair of sayings that clash, or clashed until a person resolved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollisionRow {
    /// The lesser key.
    pub a: GroupKey,
    /// The greater key.
    pub b: GroupKey,
    /// The two sayings, while there are studies or orders of them.
    pub persons: [Option<PersonRecord>; 2],
    /// In what they clash; empty where only a person's doubt opened it, or where it was resolved.
    pub clashes: Vec<Clash>,
    /// Whether it is open.
    pub open: bool,
}

/// A page of collisions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collisions {
    /// The collisions: fewer than asked for, or none, also where the list goes on.
    pub rows: Vec<CollisionRow>,
    /// The keys after which it goes on; none at its end.
    pub next: Option<(GroupKey, GroupKey)>,
}

/// Looks up at once what [`note_new`] asks of many sayings.
pub(super) fn look_ahead(session: &Session<'_>, new: &[PersonRecord]) -> Result<(), DbError> {
    let mut look_ups = vec![record::stated_ahead(new)];
    look_ups.extend(graph::near_ahead(new));
    session.look_ahead(&look_ups)
}

/// Notes with whom a saying clashes that just became a row.
pub(super) fn note_new(
    session: &Session<'_>,
    mut record: PersonRecord,
    rules: &IdentityRules,
) -> Result<(), DbError> {
    record::add_stated(session, &mut record)?;
    clashes(session, record.key, Graph::of_new(session, rules, record)?)
}

/// Notes with whom a saying clashes.
fn note(session: &Session<'_>, id: i64, rules: &IdentityRules) -> Result<(), DbError> {
    let Some(record) = record::by_id(session, id, rules)? else { return Ok(()) };
    // What stands alone clashes with nobody by what it says.
    if !record.apart.is_empty() {
        return Ok(());
    }
    clashes(session, record.key, Graph::without_words(session, rules, record)?)
}

fn clashes(session: &Session<'_>, key: GroupKey, graph: Graph<'_>) -> Result<(), DbError> {
    for other in graph.clashing()? {
        let (a, b) = (key.min(other), key.max(other));
        session.execute(NOTE, params![&a.as_bytes()[..], &b.as_bytes()[..]])?;
    }
    Ok(())
}

/// Looks again with whom the sayings under a number, or the one of a key, clash: something was stated of their numbers.
pub(in crate::db) fn look_again(
    session: &Session<'_>,
    key: &GroupKey,
    rules: &IdentityRules,
) -> Result<(), DbError> {
    let mut rows: Vec<i64> = session.rows(UNDER, [&key.as_bytes()[..]], |row| row.get(0))?;
    rows.extend(record::by_key(session, key, rules)?.map(|record| record.row));
    for row in rows {
        if let Some(record) = record::by_id(session, row, rules)? {
            session.execute(FORGET, [&record.key.as_bytes()[..]])?;
        }
        note(session, row, rules)?;
    }
    Ok(())
}

pub(super) fn forget(session: &Session<'_>, key: &[u8]) -> Result<(), DbError> {
    session.execute(FORGET, [key]).map(drop)
}

fn pair(row: &crate::db::sql::Row<'_>) -> Result<[Vec<u8>; 2], DbError> {
    Ok([row.get(0)?, row.get(1)?])
}

fn whole(session: &Session<'_>, pair: [Vec<u8>; 2], rules: &IdentityRules) -> Result<CollisionRow, DbError> {
    let [a, b] = pair.map(|bytes| GroupKey::from_bytes(&bytes));
    let (a, b) = a.zip(b).ok_or(DbError::Invalid("patient key"))?;
    let persons = [super::kin::anchor(session, &a, rules)?, super::kin::anchor(session, &b, rules)?];
    let relation = super::kin::relation(session, (&a, &b), rules)?;
    let (open, clashes) = match relation {
        Some(Relation::Collision(clashes)) => (true, clashes),
        _ => (false, Vec::new()),
    };
    Ok(CollisionRow { a, b, persons, clashes, open })
}

/// Collisions that are open, or those that a person resolved, by their keys, after a pair of keys.
pub(in crate::db) fn list(
    session: &Session<'_>,
    open: bool,
    (limit, after): (u32, Option<(GroupKey, GroupKey)>),
    rules: &IdentityRules,
) -> Result<Collisions, DbError> {
    let bytes = |key: fn(&(GroupKey, GroupKey)) -> &GroupKey| {
        after.as_ref().map_or(&[][..], |pair| &key(pair).as_bytes()[..])
    };
    let params = params![limit.saturating_add(1), bytes(|pair| &pair.0), bytes(|pair| &pair.1)];
    let mut pairs = session.rows(if open { OPEN } else { RESOLVED }, params, pair)?;
    let more = pairs.len() > limit as usize;
    pairs.truncate(limit as usize);
    let all = pairs.into_iter().map(|pair| whole(session, pair, rules)).collect::<Result<Vec<_>, _>>()?;
    let next = all.last().filter(|_| more).map(|row| (row.a, row.b));
    // Rules may have changed since a pair was noted.
    Ok(Collisions { rows: all.into_iter().filter(|row| row.open == open).collect(), next })
}

/// Open collisions of one saying.
pub(in crate::db) fn of_person(
    session: &Session<'_>,
    key: &GroupKey,
    rules: &IdentityRules,
) -> Result<Vec<CollisionRow>, DbError> {
    let pairs = session.rows(OF_PERSON, [&key.as_bytes()[..]], pair)?;
    let all = pairs.into_iter().map(|pair| whole(session, pair, rules)).collect::<Result<Vec<_>, _>>()?;
    Ok(all.into_iter().filter(|row| row.open).collect())
}

impl Graph<'_> {
    /// The sayings that clash with the first by what they say, whatever people said of them.
    fn clashing(mut self) -> Result<Vec<GroupKey>, DbError> {
        let mut keys = Vec::new();
        for at in self.near_first()? {
            if self.stands_together(at) && matches!(self.relation(0, at, false), Relation::Collision(_)) {
                keys.push(self.key(at));
            }
        }
        Ok(keys)
    }
}
