//! From a typed query to SQL: which rows of a level match, in which order.
//!
//! Rows come newest study first. A key that picks out few studies (an identifier) drives the search. What is of many
//! (words of names, codes) is read from lists that have the same order, the rarest leading; without either, studies are
//! looked at from the newest on. Both go no further than a page needs, and no further than a window of studies. All that
//! a peer gave is bound, never part of the text.

mod conditions;
mod lists;
mod names;
mod slices;
mod sql;
#[cfg(test)]
pub(super) mod tests;

use crate::query::{Level, PageKey, PagePart, Query};
use conditions::Conditions;
use lists::List;
use slices::Slice;
use sql::Fragment;

pub(super) use sql::Bound;

use super::error::DbError;
use super::session::Session;
use super::sql::{Cell, Row};

/// Most studies that are looked at one by one.
const WINDOW: usize = 200_000;
/// The same where each of their series is looked at.
const WINDOW_SERIES: usize = 50_000;
/// The same where each of their instances is looked at.
const WINDOW_INSTANCES: usize = 5_000;
/// A driver that picks out more studies than this is none.
const RARE: i64 = 2_000;
/// How far lists are compared, to know which of them is rarest among the newest studies.
const COMPARED: usize = 1_000;

/// Rows that were found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Their ids and sort keys.
    pub rows: Vec<(i64, PageKey)>,
    /// Studies that were looked at, or entries of a list; about, and 0 where an index gave the rows.
    pub looked_at: usize,
    /// Whether studies before some day are left out.
    pub old_left_out: bool,
}

/// How a query is answered.
pub(super) struct Plan {
    level: Level,
    conditions: Conditions,
    after: Option<Fragment>,
    by: By,
}

/// What gives the studies that are looked at.
enum By {
    /// Nothing matches.
    Nothing,
    /// An index of studies, in their order or with few of them.
    Index,
    /// A selection of few.
    Few(Fragment),
    /// Lists; the first leads.
    Lists(Vec<List>),
    /// All of them, the newest first.
    Each,
}

/// Answers a query with the ids of rows. Looks into the index for how rare the words of names are.
pub(super) fn search(session: &Session<'_>, query: &Query) -> Result<Found, DbError> {
    let plan = Plan::of(session, query)?;
    match plan.by {
        By::Nothing => Ok(Found::default()),
        By::Lists(_) | By::Each => slices::search(session, &plan, query),
        By::Index | By::Few(_) => {
            let statement = plan.statement(None, (query.limit as usize, query.offset as usize));
            Ok(Found { rows: read(session, &statement)?, ..Found::default() })
        }
    }
}

fn read(session: &Session<'_>, statement: &Fragment) -> Result<Vec<(i64, PageKey)>, DbError> {
    session.rows(&statement.text, &statement.bound[..], |row| Ok((row.get(0)?, page_key(row)?)))
}

fn page_key(row: &Row<'_>) -> Result<PageKey, DbError> {
    let mut parts = Vec::with_capacity(6);
    for column in 1..row.columns() {
        parts.push(match row.cell(column)? {
            Cell::Integer(number) => PagePart::Number(number),
            _ => PagePart::Text(row.get(column)?),
        });
    }
    Ok(PageKey(parts))
}

impl Plan {
    fn of(session: &Session<'_>, query: &Query) -> Result<Plan, DbError> {
        let mut conditions = Conditions::of(query);
        let by = by(session, query, &mut conditions)?;
        let after = query.after.as_ref().map(|after| beyond(query.level, after)).transpose()?;
        Ok(Plan { level: query.level, conditions, after, by })
    }

    /// Most studies that are looked at.
    fn window(&self) -> usize {
        let (series, instance) = (&self.conditions.series, &self.conditions.instance);
        match self.level {
            _ if !instance.is_empty() => WINDOW_INSTANCES,
            Level::Instance => WINDOW_INSTANCES,
            _ if !series.is_empty() => WINDOW_SERIES,
            Level::Series => WINDOW_SERIES,
            Level::Patient | Level::Study => WINDOW,
        }
    }

    /// Gives what the study is sorted by with which a slice of about `step` studies ends; nothing where it has fewer.
    fn end(&self, slice: &Slice, step: usize) -> Fragment {
        if let By::Lists(lists) = &self.by
            && let Some(list) = lists.first()
        {
            return list.end(slice, step);
        }
        let mut all = Fragment::new("SELECT s.newest FROM study s WHERE ");
        all.append(&slice.on("s.newest")).raw(" ORDER BY s.newest DESC LIMIT 1 OFFSET ?");
        all.bound.push(Bound::Number(i64::try_from(step).unwrap_or(i64::MAX)));
        all
    }

    /// Gives a row id and then the sort keys of each row that matches, of a slice or of all studies.
    fn statement(&self, slice: Option<&Slice>, (limit, offset): (usize, usize)) -> Fragment {
        let (columns, order) = sorted_by(self.level);
        let mut all = Fragment::new(&format!("SELECT {columns} FROM "));
        let whole = Slice::default();
        let slice = slice.unwrap_or(&whole);
        let driver = match &self.by {
            By::Few(few) => Some(few.clone()),
            By::Lists(lists) => lists.split_first().map(|(first, others)| first.select(others, slice)),
            _ => None,
        };
        if let Some(driver) = &driver {
            all.raw("(SELECT DISTINCT study_row FROM (").append(driver).raw(") d) k CROSS JOIN ");
        }
        let (tables, joined) = joined(self.level);
        all.raw(tables).raw(" WHERE ").raw(joined);
        if driver.is_some() {
            all.raw("s.id = k.study_row AND ");
        }
        all.raw("s.n_instances > 0");
        if !self.conditions.study.is_empty() {
            all.raw(" AND ").append(&self.conditions.study);
        }
        let dated = self.conditions.moments.is_some();
        match &self.by {
            By::Each => {
                all.raw(" AND ").append(&slice.on("s.newest"));
            }
            // True of all: tells the planner to go along the index that gives the order.
            By::Index if !self.conditions.selective && !dated => {
                all.raw(" AND s.newest >= ''");
            }
            _ => {}
        }
        below(&mut all, self.level, &self.conditions);
        if self.level == Level::Patient {
            all.raw(NEWEST_OF_PATIENT);
        }
        if let Some(after) = &self.after {
            all.raw(" AND ").append(after);
        }
        all.raw(" ORDER BY ").raw(order).raw(" LIMIT ? OFFSET ?");
        let number = |n: usize| Bound::Number(i64::try_from(n).unwrap_or(i64::MAX));
        all.bound.extend([number(limit), number(offset)]);
        all
    }

    /// The statements of the first slice, or the one of all studies; for tests of what SQLite makes of them.
    #[cfg(test)]
    pub(super) fn statements(
        session: &Session<'_>,
        query: &Query,
    ) -> Result<Vec<(String, Vec<Bound>)>, DbError> {
        let plan = Plan::of(session, query)?;
        let slice = Slice::of(query, plan.conditions.moments.clone());
        let all = match &plan.by {
            By::Nothing => Vec::new(),
            By::Index | By::Few(_) => vec![plan.statement(None, (25, 0))],
            By::Lists(_) | By::Each => vec![plan.end(&slice, 100), plan.statement(Some(&slice), (25, 0))],
        };
        Ok(all.into_iter().map(|one| (one.text, one.bound)).collect())
    }
}

/// What gives the studies that are looked at.
fn by(session: &Session<'_>, query: &Query, conditions: &mut Conditions) -> Result<By, DbError> {
    if conditions.selective {
        return Ok(By::Index);
    }
    if let Some(few) = rarest(session, conditions)? {
        return Ok(By::Few(few));
    }
    let whole = Slice::of(query, conditions.moments.clone());
    let mut lists: Vec<(Option<String>, List)> = Vec::new();
    for asked in conditions.lists.drain(..) {
        let Some(list) = List::of(session, &asked)? else { continue };
        if list.is_empty() {
            return Ok(By::Nothing);
        }
        lists.push((None, list));
    }
    if lists.len() > 1 {
        for (reaches, list) in &mut lists {
            let end = list.end(&whole, COMPARED);
            *reaches = session.row(&end.text, &end.bound[..], |row| row.get(0))?.flatten();
        }
        // So many entries of the rarest reach the furthest back.
        lists.sort_by(|(one, _), (other, _)| one.cmp(other));
    }
    Ok(match lists.is_empty() {
        false => By::Lists(lists.into_iter().map(|(_, list)| list).collect()),
        true if conditions.looks_at_each => By::Each,
        true => By::Index,
    })
}

/// A patient stands where its newest study stands.
const NEWEST_OF_PATIENT: &str = " AND NOT EXISTS (SELECT 1 FROM study o WHERE o.patient_row = s.patient_row \
     AND o.n_instances > 0 AND (o.newest > s.newest OR (o.newest = s.newest AND o.study_uid < s.study_uid)))";

fn sorted_by(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::Patient | Level::Study => ("s.id, s.newest, s.study_uid", "s.newest DESC, s.study_uid"),
        Level::Series => (
            "r.id, s.newest, s.study_uid, r.series_number, r.series_uid",
            "s.newest DESC, s.study_uid, r.series_number, r.series_uid",
        ),
        Level::Instance => (
            "i.id, s.newest, s.study_uid, r.series_number, r.series_uid, i.instance_number, i.sop_uid",
            "s.newest DESC, s.study_uid, r.series_number, r.series_uid, i.instance_number, i.sop_uid",
        ),
    }
}

/// The tables of a level. They are joined from the study down, whatever the planner thinks of it: keys on levels
/// below pick out studies first, and the order is that of studies.
fn joined(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::Patient | Level::Study => ("study s", ""),
        Level::Series => ("study s CROSS JOIN series r", "r.study_row = s.id AND r.n_instances > 0 AND "),
        Level::Instance => (
            "study s CROSS JOIN series r CROSS JOIN instance i",
            "r.study_row = s.id AND r.n_instances > 0 AND i.series_row = r.id AND i.version = 0 AND ",
        ),
    }
}

/// Conditions on series and instances: on the row itself, or on at least one below it.
fn below(all: &mut Fragment, level: Level, conditions: &Conditions) {
    const INSTANCES: &str =
        "EXISTS (SELECT 1 FROM instance i WHERE i.series_row = r.id AND i.version = 0 AND ";
    const SERIES: &str = "EXISTS (SELECT 1 FROM series r WHERE r.study_row = s.id AND r.n_instances > 0 AND ";
    let (series, instance) = (&conditions.series, &conditions.instance);
    match level {
        Level::Instance => {
            all.push(series);
            all.push(instance);
        }
        Level::Series => {
            all.push(series);
            if !instance.is_empty() {
                all.raw(" AND ").raw(INSTANCES).append(instance).raw(")");
            }
        }
        Level::Patient | Level::Study => {
            if series.is_empty() && instance.is_empty() {
                return;
            }
            all.raw(" AND ").raw(SERIES);
            match (series.is_empty(), instance.is_empty()) {
                (false, true) => all.append(series),
                (true, _) => all.raw(INSTANCES).append(instance).raw(")"),
                (false, false) => all.append(series).raw(" AND ").raw(INSTANCES).append(instance).raw(")"),
            };
            all.raw(")");
        }
    }
}

/// What lies after a row in the order of its level.
fn beyond(level: Level, after: &PageKey) -> Result<Fragment, DbError> {
    let columns: &[&str] = match level {
        Level::Patient | Level::Study => &["s.newest", "s.study_uid"],
        Level::Series => &["s.newest", "s.study_uid", "r.series_number", "r.series_uid"],
        Level::Instance => {
            &["s.newest", "s.study_uid", "r.series_number", "r.series_uid", "i.instance_number", "i.sop_uid"]
        }
    };
    let bound: Vec<Bound> = after
        .0
        .iter()
        .map(|part| match part {
            PagePart::Number(number) => Bound::Number(*number),
            PagePart::Text(text) => Bound::Text(text.clone()),
        })
        .collect();
    if bound.len() != columns.len() {
        return Err(DbError::Range("page key"));
    }
    let mut all = Fragment::new("s.newest <= ? AND (");
    all.bound.push(bound[0].clone());
    for (at, (column, value)) in columns.iter().zip(&bound).enumerate() {
        let sign = if at == 0 { "<" } else { ">" };
        all.raw(&format!("{column} {sign} ?"));
        all.bound.push(value.clone());
        if at + 1 < columns.len() {
            all.raw(&format!(" OR ({column} = ? AND ("));
            all.bound.push(value.clone());
        }
    }
    all.raw(&")".repeat(2 * columns.len() - 1));
    Ok(all)
}

/// The driver that picks out the fewest studies, if one picks out few.
fn rarest(session: &Session<'_>, conditions: &mut Conditions) -> Result<Option<Fragment>, DbError> {
    let mut best: Option<(i64, Fragment)> = None;
    for driver in conditions.drivers.drain(..) {
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM ({}) d LIMIT {}) c", driver.text, RARE + 1);
        let bound = &driver.bound[..];
        let count: i64 = session.row(&sql, bound, |row| row.get(0))?.unwrap_or(0);
        if count <= RARE && best.as_ref().is_none_or(|(least, _)| count < *least) {
            best = Some((count, driver));
        }
    }
    Ok(best.map(|(_, driver)| driver))
}
