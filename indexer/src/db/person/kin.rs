//! Who is one person: the identity group around a saying, and what clashes with it.

use crate::db::sql::params;

use super::graph::{Graph, OF_NUMBER, RECORDS_MAX};
use super::record::{self, PersonRecord, raw};
use crate::db::error::DbError;
use crate::db::session::Session;
use crate::identity::{Clash, Ground, IdentifierKind, IdentityRules, Person, Relation, is_placeholder};
use crate::query::{GroupKey, IdentityGroup};
use crate::reuse::prior::IdentityStatus;

const NEWEST: &str = "SELECT s.newest, s.study_uid FROM study s WHERE s.person_row = ?1 \
     ORDER BY s.newest DESC, s.study_uid LIMIT 1";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[NEWEST];

/// A saying that is of the person who was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The saying.
    pub record: PersonRecord,
    /// How it is known.
    pub status: IdentityStatus,
    /// What speaks for it.
    pub grounds: Vec<Ground>,
}

/// The sayings around one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kin {
    /// The one that was asked for.
    pub anchor: PersonRecord,
    /// Those of the same person, without the anchor.
    pub members: Vec<Member>,
    /// Those that should be and clash; without clashes where a person opened the collision.
    pub clashing: Vec<(PersonRecord, Vec<Clash>)>,
    /// Sayings under one of the person's numbers that only may be of the person.
    pub open: Vec<(PersonRecord, Vec<Ground>)>,
    /// Keys of sayings and numbers that people parted from the person.
    pub parted: Vec<GroupKey>,
}

/// The saying that a key names: its own, or, of those under a number, the one with the newest study.
pub(in crate::db) fn anchor(
    session: &Session<'_>,
    key: &GroupKey,
    rules: &IdentityRules,
) -> Result<Option<PersonRecord>, DbError> {
    if let Some(record) = record::by_key(session, key, rules)? {
        return Ok(Some(record));
    }
    let mut newest: Option<((String, std::cmp::Reverse<String>), record::Raw)> = None;
    for row in session.rows(OF_NUMBER, params![&key.as_bytes()[..], RECORDS_MAX as i64], raw)? {
        let when =
            session.row(NEWEST, [row.row()], |row| Ok((row.get(0)?, std::cmp::Reverse(row.get(1)?))))?;
        let when = when.unwrap_or((String::new(), std::cmp::Reverse(String::new())));
        if newest.as_ref().is_none_or(|(known, _)| when > *known) {
            newest = Some((when, row));
        }
    }
    newest.map(|(_, row)| record::whole(session, row, rules)).transpose()
}

/// Who is one person with a saying, and who clashes with it.
pub(in crate::db) fn kin(
    session: &Session<'_>,
    anchor: PersonRecord,
    rules: &IdentityRules,
) -> Result<Kin, DbError> {
    Graph::of(session, rules, anchor)?.kin()
}

/// The same around what a key names; none where it names nobody.
pub(in crate::db) fn around(
    session: &Session<'_>,
    key: &GroupKey,
    rules: &IdentityRules,
) -> Result<Option<Kin>, DbError> {
    anchor(session, key, rules)?.map(|anchor| kin(session, anchor, rules)).transpose()
}

/// The people that `keys` name with all that are one person with them, as one group; keys that name nobody add nobody.
/// None where nobody with a study is left.
pub(in crate::db) fn group(
    session: &Session<'_>,
    keys: &[GroupKey],
    rules: &IdentityRules,
) -> Result<Option<IdentityGroup>, DbError> {
    let mut rows = Vec::new();
    for key in keys {
        let Some(kin) = around(session, key, rules)? else { continue };
        let all = kin.members.iter().map(|member| &member.record).chain([&kin.anchor]);
        rows.extend(all.filter(|record| record.has_study).map(|record| record.row));
    }
    rows.sort_unstable();
    rows.dedup();
    Ok(Some(rows).filter(|rows| !rows.is_empty()).map(IdentityGroup::of_rows))
}

/// The keys of all sayings that are of one person with what a key names, the key itself first.
pub(in crate::db) fn keys_of(
    session: &Session<'_>,
    key: &GroupKey,
    rules: &IdentityRules,
) -> Result<Vec<GroupKey>, DbError> {
    let mut keys = vec![*key];
    if let Some(kin) = around(session, key, rules)? {
        let all = kin.members.iter().map(|member| &member.record).filter(|record| record.has_study);
        for record in all {
            let known = record.numbers.contains(key) || keys.contains(&record.key);
            keys.extend((!known).then_some(record.key));
        }
    }
    Ok(keys)
}

/// How two sayings stand to each other.
pub(in crate::db) fn relation(
    session: &Session<'_>,
    (a, b): (&GroupKey, &GroupKey),
    rules: &IdentityRules,
) -> Result<Option<Relation>, DbError> {
    let (Some(one), Some(other)) = (anchor(session, a, rules)?, anchor(session, b, rules)?) else {
        return Ok(None);
    };
    let mut graph = Graph::of(session, rules, one)?;
    Ok(graph.add(other)?.map(|other| graph.relation(0, other, false)))
}

/// Insurance cards of a person, as they are looked for.
pub(super) fn cards(person: &Person) -> Vec<String> {
    let cards = person.identifiers.iter().filter(|it| it.kind == IdentifierKind::InsuranceCard);
    cards.map(|card| super::plain(&card.value)).collect()
}

/// Whether a saying stands for nobody.
pub(super) fn is_nobody(person: &Person, rules: &IdentityRules) -> bool {
    person.name.as_deref().is_none_or(|name| is_placeholder(name, &rules.policy))
}
