//! Entries of the ledger: in their chains, by order, and summed up.

use crate::db::sql::params;
use storage_config::ContentHash;

use super::list::{Stated, read, stated};
use crate::db::entry::FacilityId;
use crate::db::error::DbError;
use crate::db::session::{Session, unsigned};
use crate::ledger::Posted;
use crate::ledger::chain::Head;
use crate::statement::{LedgerEntry, LedgerEvent};

const SET: &str = "INSERT INTO ledger_entry (subject_row, writer, count, hash, event, round, order_key, day) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (subject_row) DO UPDATE SET hash = excluded.hash, \
     event = excluded.event, round = excluded.round, order_key = excluded.order_key, day = excluded.day";
const CLEAR: &str = "DELETE FROM ledger_line WHERE subject_row = ?1";
const ADD: &str = "INSERT INTO ledger_line (subject_row, n, day, month, facility_id, modality, code, is_film, sign, \
     of_order, exam_vnd, film_vnd, offered_vnd, lower_bound, unpriced) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
const HEADS: &str = "SELECT e.writer, e.count, e.hash FROM ledger_entry e WHERE e.count = \
     (SELECT max(m.count) FROM ledger_entry m WHERE m.writer = e.writer) AND e.writer >= 0 ORDER BY e.writer";
const HEAD: &str =
    "SELECT writer, count, hash FROM ledger_entry WHERE writer = ?1 ORDER BY count DESC LIMIT 1";
const OF_ORDER: &str = "SELECT t.version, t.body FROM ledger_entry e JOIN subject u ON u.id = e.subject_row \
     JOIN statement t ON t.id = u.statement_row WHERE e.order_key = ?1 ORDER BY e.writer, e.count";
const OF_DAYS: &str = "SELECT t.version, t.body FROM ledger_entry e JOIN subject u ON u.id = e.subject_row \
     JOIN statement t ON t.id = u.statement_row WHERE e.day >= ?3 AND e.day <= ?4 \
     AND (?5 = -1 OR EXISTS (SELECT 1 FROM ledger_line l WHERE l.subject_row = e.subject_row AND l.facility_id = ?5)) \
     ORDER BY e.day, e.writer, e.count LIMIT ?1 OFFSET ?2";
const MARK: &str = "INSERT INTO ledger_due (order_key, noted) VALUES (?1, 1) \
     ON CONFLICT (order_key) DO UPDATE SET noted = ledger_due.noted + 1";
const DUE: &str = "SELECT order_key, noted FROM ledger_due WHERE order_key >= '' ORDER BY order_key LIMIT ?1";
const DONE: &str = "DELETE FROM ledger_due WHERE order_key = ?1 AND noted = ?2";
const MARK_ALL: &str = "INSERT INTO ledger_due (order_key, noted) SELECT DISTINCT d.order_key, 1 FROM reuse_decision d \
     WHERE d.time >= ?1 ON CONFLICT (order_key) DO UPDATE SET noted = ledger_due.noted + 1";
/// Sums by a column, of a stretch of days.
macro_rules! sums {
    ($by:literal) => {
        concat!(
            "SELECT ",
            $by,
            ", sum(of_order * (1 - is_film)), sum(sign * (1 - is_film)), ",
            "sum(CASE WHEN sign < 0 AND is_film = 0 THEN 1 ELSE 0 END), sum(exam_vnd), sum(film_vnd), ",
            "sum(offered_vnd), sum(lower_bound * sign), sum(unpriced * sign), ",
            "sum(CASE WHEN sign < 0 THEN exam_vnd + film_vnd ELSE 0 END) ",
            "FROM ledger_line WHERE day >= ?1 AND day <= ?2 AND (?3 = -1 OR facility_id = ?3) GROUP BY ",
            $by,
            " ORDER BY ",
            $by
        )
    };
}
/// A film was handed over for the order, whatever else was.
const FILM_HANDED_OVER: &str = "SELECT CAST(coalesce(sum(l.offered_vnd - l.film_vnd), 0) AS BIGINT) FROM ledger_line l \
     JOIN ledger_entry e ON e.subject_row = l.subject_row WHERE l.day >= ?1 AND l.day <= ?2 \
     AND (?3 = -1 OR l.facility_id = ?3) AND EXISTS (SELECT 1 FROM delivery d WHERE d.order_key = e.order_key \
     AND d.order_key <> '' AND d.withdrawn = 0 AND d.mode = 1)";
const BY_MONTH: &str = sums!("month");
const BY_FACILITY: &str = sums!("facility_id");
const BY_MODALITY: &str = sums!("modality");
const BY_CODE: &str = sums!("code");

#[cfg(test)]
pub(super) const HOT: &[&str] = &[SET, CLEAR, HEAD, OF_ORDER, OF_DAYS, DUE, DONE, BY_MONTH, FILM_HANDED_OVER];

/// By what the ledger is summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerBy {
    /// The month of the entry, `YYYY-MM`.
    Month,
    /// The facility that ordered, by its internal number.
    Facility,
    /// The modality.
    Modality,
    /// The service code.
    Code,
}

/// A sum of the ledger; amounts in dong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerSum {
    /// What it is the sum of: month, facility, modality, code.
    pub key: String,
    /// Orders that count, those that were taken back left out.
    pub orders: i64,
    /// Exams of these orders.
    pub exams: i64,
    /// Exams that were taken back.
    pub exams_reversed: i64,
    /// Confirmed price without film.
    pub exam_vnd: i64,
    /// Confirmed film part.
    pub film_vnd: i64,
    /// Film part of exams that count, whether or not a hand-over tells that no film was made.
    pub offered_film_vnd: i64,
    /// Exams whose price is the lowest of several possible ones.
    pub lower_bound: i64,
    /// Exams without a price.
    pub unpriced: i64,
    /// What was taken back, as a negative amount; it is left out of the confirmed amounts already.
    pub reversed_vnd: i64,
}

pub(super) fn apply(session: &Session<'_>, subject: i64, entry: &LedgerEntry) -> Result<(), DbError> {
    let count = i64::try_from(entry.count).map_err(|_| DbError::Range("count"))?;
    let (event, day) = (entry.event.number(), entry.day.to_string());
    let hash = entry.hash;
    let params = params![subject, entry.writer, count, &hash.0, event, entry.round, entry.order, day];
    session.execute(SET, params)?;
    session.execute(CLEAR, [subject])?;
    let is_film = matches!(entry.event, LedgerEvent::FilmAvoided | LedgerEvent::FilmReversed);
    let sign = if entry.event.reverses() { -1 } else { 1 };
    let month = day.get(..7).unwrap_or_default();
    for (n, line) in (0_i64..).zip(&entry.lines) {
        let of_order = if n == 0 { sign } else { 0 };
        let (exam, film) = (line.exam_vnd.unwrap_or(0), line.film_vnd.unwrap_or(0));
        let (exam_vnd, film_vnd, offered) = if is_film { (0, film, 0) } else { (exam, 0, film) };
        let (lower, unpriced) =
            if is_film { (false, false) } else { (line.lower_bound, line.exam_vnd.is_none()) };
        session.execute(
            ADD,
            params![
                subject,
                n,
                day,
                month,
                entry.facility,
                line.modality,
                line.code,
                i64::from(is_film),
                sign,
                of_order,
                exam_vnd,
                film_vnd,
                offered,
                i64::from(lower),
                i64::from(unpriced)
            ],
        )?;
    }
    Ok(())
}

/// Notes that an order is to be looked at.
pub(super) fn is_due(session: &Session<'_>, order: &str) -> Result<(), DbError> {
    session.execute(MARK, [order]).map(drop)
}

/// Notes that all orders with decisions since `since` (a packed time) are to be looked at.
pub(in crate::db) fn all_due(session: &Session<'_>, since: i64) -> Result<(), DbError> {
    session.execute(MARK_ALL, [since]).map(drop)
}

/// Orders that are to be looked at, and how often that was noted.
pub(in crate::db) fn due(session: &Session<'_>, limit: u32) -> Result<Vec<(String, i64)>, DbError> {
    session.rows(DUE, [limit], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Takes the note of an order away, unless it was made again meanwhile.
pub(in crate::db) fn looked_at(session: &Session<'_>, order: &str, noted: i64) -> Result<(), DbError> {
    session.execute(DONE, params![order, noted]).map(drop)
}

fn head(row: &crate::db::sql::Row<'_>) -> Result<Head, DbError> {
    Ok(Head { writer: row.get(0)?, count: unsigned(row, 1)?, head: ContentHash(row.get(2)?) })
}

/// The heads of all chains.
pub(in crate::db) fn heads(session: &Session<'_>) -> Result<Vec<Head>, DbError> {
    session.rows(HEADS, [], head)
}

/// The head of a chain.
pub(in crate::db) fn head_of(session: &Session<'_>, writer: u32) -> Result<Option<Head>, DbError> {
    session.row(HEAD, [writer], head)
}

/// The entries of an order.
pub(in crate::db) fn of_order(session: &Session<'_>, order: &str) -> Result<Vec<Stated>, DbError> {
    session.rows(OF_ORDER, [order], stated)?.into_iter().map(read).collect()
}

/// Entries of a stretch of days (`YYYY-MM-DD`), both included, in the order in which they were made.
pub(in crate::db) fn of_days(
    session: &Session<'_>,
    facility: Option<FacilityId>,
    (from, to): (&str, &str),
    (limit, offset): (u32, u32),
) -> Result<Vec<Stated>, DbError> {
    session
        .rows(OF_DAYS, params![limit, offset, from, to, number(facility)], stated)?
        .into_iter()
        .map(read)
        .collect()
}

/// Sums of a stretch of days, both included.
pub(in crate::db) fn sums(
    session: &Session<'_>,
    by: LedgerBy,
    facility: Option<FacilityId>,
    (from, to): (&str, &str),
) -> Result<Vec<LedgerSum>, DbError> {
    let sql = match by {
        LedgerBy::Month => BY_MONTH,
        LedgerBy::Facility => BY_FACILITY,
        LedgerBy::Modality => BY_MODALITY,
        LedgerBy::Code => BY_CODE,
    };
    session.rows(sql, params![from, to, number(facility)], |row| {
        let key = match by {
            LedgerBy::Facility => row.get::<_, i64>(0)?.to_string(),
            _ => row.get(0)?,
        };
        Ok(LedgerSum {
            key,
            orders: row.get(1)?,
            exams: row.get(2)?,
            exams_reversed: row.get(3)?,
            exam_vnd: row.get(4)?,
            film_vnd: row.get(5)?,
            offered_film_vnd: row.get(6)?,
            lower_bound: row.get(7)?,
            unpriced: row.get(8)?,
            reversed_vnd: row.get(9)?,
        })
    })
}

/// The film part of exams for which a film was handed over.
pub(in crate::db) fn film_handed_over(
    session: &Session<'_>,
    facility: Option<FacilityId>,
    (from, to): (&str, &str),
) -> Result<i64, DbError> {
    let sum = session.row(FILM_HANDED_OVER, params![from, to, number(facility)], |row| row.get(0))?;
    Ok(sum.unwrap_or(0))
}

/// A facility as conditions have it: -1 for all.
fn number(facility: Option<FacilityId>) -> i64 {
    facility.map_or(-1, |facility| i64::from(facility.0))
}

/// What was entered of an order.
pub(in crate::db) fn posted(entries: &[Stated]) -> Vec<Posted> {
    let one = |stated: &Stated| match &stated.statement.state {
        crate::statement::State::LedgerEntry(entry) => {
            Some(Posted { event: entry.event, round: entry.round, decision: entry.decision.clone() })
        }
        _ => None,
    };
    entries.iter().filter_map(one).collect()
}
