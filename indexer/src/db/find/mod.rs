//! From a typed query to SQL: which rows of a level match, in which order.
//!
//! Rows come newest study first. A key that picks out few studies (an identifier, a rare word of a name) drives the
//! search; without one, studies are looked at from the newest on, and no further than a window of them. All that
//! a peer gave is bound, never part of the text.

mod conditions;
mod names;
mod sql;

use crate::query::{Level, PageKey, PagePart, Query};
use conditions::Conditions;
use sql::Fragment;

pub(super) use sql::Bound;

use super::error::DbError;
use super::session::Session;

/// Most studies that are looked at one by one.
const WINDOW: i64 = 200_000;
/// The same where each of their series is looked at.
const WINDOW_SERIES: i64 = 50_000;
/// The same where each of their instances is looked at.
const WINDOW_INSTANCES: i64 = 5_000;
/// A driver that picks out more studies than this is none.
const RARE: i64 = 2_000;

/// A query as SQL.
pub(super) struct Compiled {
    /// Gives a row id and then the sort keys of each row.
    pub sql: String,
    /// What is bound, in order.
    pub bound: Vec<Bound>,
    /// Whether studies before some day are left out.
    pub old_left_out: bool,
}

const LAST_ID: &str = "SELECT coalesce(max(id), 0) FROM study";

/// Turns a query into SQL. Looks into the index for how rare the words of names are.
pub(super) fn compile(session: &Session<'_>, query: &Query) -> Result<Compiled, DbError> {
    let mut conditions = Conditions::of(query);
    let driver = rarest(session, &mut conditions)?;
    let mut study = Fragment::new("s.n_instances > 0");
    study.push(&conditions.study);
    let mut old_left_out = false;
    if driver.is_none()
        && !conditions.selective
        && conditions.looks_at_each
        && let Some(oldest) = window(session, query, &conditions)?
    {
        study.and("s.newest >= ?", [Bound::Text(oldest)]);
        old_left_out = true;
    }
    if driver.is_none() && !conditions.selective && conditions.dates.is_empty() {
        // True of all: tells the planner to go along the index that gives the order.
        study.and("s.newest >= ''", []);
    }
    let (columns, order) = sorted_by(query.level);
    let mut all = Fragment::new(&format!("SELECT {columns} FROM "));
    if let Some(driver) = &driver {
        all.raw("(SELECT DISTINCT study_row FROM (").append(driver).raw(") d) k CROSS JOIN ");
    }
    let (tables, joined) = joined(query.level);
    all.raw(tables).raw(" WHERE ").raw(joined);
    if driver.is_some() {
        all.raw("s.id = k.study_row AND ");
    }
    all.append(&study);
    below(&mut all, query.level, &conditions);
    if query.level == Level::Patient {
        all.raw(NEWEST_OF_PATIENT);
    }
    if let Some(after) = &query.after {
        all.raw(" AND ").append(&beyond(query.level, after)?);
    }
    all.raw(" ORDER BY ").raw(order).raw(" LIMIT ? OFFSET ?");
    all.bound.extend([Bound::Number(i64::from(query.limit)), Bound::Number(i64::from(query.offset))]);
    Ok(Compiled { sql: all.text, bound: all.bound, old_left_out })
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
    if conditions.selective {
        return Ok(None);
    }
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

/// The sort key of the oldest study that is looked at, if there are older ones.
fn window(session: &Session<'_>, query: &Query, conditions: &Conditions) -> Result<Option<String>, DbError> {
    let window = match query.level {
        _ if !conditions.instance.is_empty() => WINDOW_INSTANCES,
        Level::Instance => WINDOW_INSTANCES,
        _ if !conditions.series.is_empty() => WINDOW_SERIES,
        Level::Series => WINDOW_SERIES,
        Level::Patient | Level::Study => WINDOW,
    };
    if session.row(LAST_ID, [], |row| row.get::<_, i64>(0))?.unwrap_or(0) <= window {
        return Ok(None);
    }
    let mut all = Fragment::new("SELECT s.newest FROM study s WHERE s.n_instances >= 0");
    all.push(&conditions.dates);
    if let Some(PagePart::Text(newest)) = query.after.as_ref().and_then(|after| after.0.first()) {
        all.and("s.newest <= ?", [Bound::Text(newest.clone())]);
    }
    all.raw(" ORDER BY s.newest DESC LIMIT 1 OFFSET ?");
    all.bound.push(Bound::Number(window));
    session.row(&all.text, &all.bound[..], |row| row.get(0))
}
