//! Hand-overs, and what does not fit to them.

use crate::db::sql::params;
use storage_config::Uid;

use super::list::{Stated, read, stated};
use crate::db::error::DbError;
use crate::db::session::Session;
use crate::statement::{BilledPrice, Delivery, HybridTime};

const SET: &str = "INSERT INTO delivery (subject_row, time, order_key, study_uid, mode, with_film, withdrawn) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (subject_row) DO UPDATE SET time = excluded.time, \
     order_key = excluded.order_key, study_uid = excluded.study_uid, mode = excluded.mode, \
     with_film = excluded.with_film, withdrawn = excluded.withdrawn";
/// Hand-overs under a condition on their rows `d`, the latest first.
macro_rules! deliveries {
    ($condition:literal) => {
        concat!(
            "SELECT t.version, t.body FROM delivery d JOIN subject u ON u.id = d.subject_row ",
            "JOIN statement t ON t.id = u.statement_row WHERE ",
            $condition,
            " ORDER BY d.time DESC, d.subject_row LIMIT ?1 OFFSET ?2"
        )
    };
}
const NEWEST: &str = deliveries!("d.time >= 0");
const OF_ORDER: &str = deliveries!("d.order_key = ?3 AND d.order_key <> ''");
const OF_STUDY: &str = deliveries!("d.study_uid = ?3 AND d.study_uid <> ''");
/// The price with film was billed, and no film was handed over for that order or study.
const FILM_BILLED: &str = deliveries!(
    "d.time >= 0 AND d.with_film = 1 AND d.withdrawn = 0 AND d.mode <> 1 \
     AND NOT EXISTS (SELECT 1 FROM delivery f WHERE f.order_key = d.order_key AND f.order_key <> '' \
     AND f.withdrawn = 0 AND f.mode = 1) \
     AND NOT EXISTS (SELECT 1 FROM delivery f WHERE f.study_uid = d.study_uid AND f.study_uid <> '' \
     AND f.withdrawn = 0 AND f.mode = 1)"
);
const COUNT_FILM_BILLED: &str = "SELECT count(*) FROM delivery d WHERE d.time >= 0 AND d.with_film = 1 \
     AND d.withdrawn = 0 AND d.mode <> 1 \
     AND NOT EXISTS (SELECT 1 FROM delivery f WHERE f.order_key = d.order_key AND f.order_key <> '' \
     AND f.withdrawn = 0 AND f.mode = 1) \
     AND NOT EXISTS (SELECT 1 FROM delivery f WHERE f.study_uid = d.study_uid AND f.study_uid <> '' \
     AND f.withdrawn = 0 AND f.mode = 1)";
const WITHOUT_FILM: &str = "SELECT count(*), sum(CASE WHEN mode = 1 THEN 1 ELSE 0 END) FROM delivery \
     WHERE order_key = ?1 AND order_key <> '' AND withdrawn = 0";

#[cfg(test)]
pub(super) const HOT: &[&str] =
    &[SET, NEWEST, OF_ORDER, OF_STUDY, FILM_BILLED, COUNT_FILM_BILLED, WITHOUT_FILM];

/// By what hand-overs are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveriesBy {
    /// All of them.
    Newest,
    /// The order.
    Order(String),
    /// The study.
    Study(Uid),
    /// The price with film was billed, and no film was handed over.
    FilmBilledWithoutFilm,
}

pub(super) fn apply(
    session: &Session<'_>,
    subject: i64,
    time: HybridTime,
    delivery: &Delivery,
) -> Result<(), DbError> {
    let with_film = match delivery.price {
        Some(BilledPrice::WithFilm) => 1,
        Some(BilledPrice::WithoutFilm) => 0,
        None => -1,
    };
    let order = delivery.order.trim();
    let study = delivery.study.as_ref().map_or("", Uid::as_str);
    let (mode, withdrawn) = (delivery.mode.number(), i64::from(delivery.withdrawn));
    session.execute(SET, params![subject, time.packed(), order, study, mode, with_film, withdrawn])?;
    if order.is_empty() { Ok(()) } else { super::ledger::is_due(session, order) }
}

/// Hand-overs, the latest first.
pub(in crate::db) fn deliveries(
    session: &Session<'_>,
    by: &DeliveriesBy,
    (limit, offset): (u32, u32),
) -> Result<Vec<Stated>, DbError> {
    let rows = match by {
        DeliveriesBy::Newest => session.rows(NEWEST, params![limit, offset], stated),
        DeliveriesBy::Order(order) => session.rows(OF_ORDER, params![limit, offset, order], stated),
        DeliveriesBy::Study(study) => session.rows(OF_STUDY, params![limit, offset, study.as_str()], stated),
        DeliveriesBy::FilmBilledWithoutFilm => session.rows(FILM_BILLED, params![limit, offset], stated),
    };
    rows?.into_iter().map(read).collect()
}

/// How many hand-overs [`DeliveriesBy::FilmBilledWithoutFilm`] finds.
pub(in crate::db) fn film_billed(session: &Session<'_>) -> Result<u64, DbError> {
    let count = session.row(COUNT_FILM_BILLED, [], |row| row.get::<_, i64>(0))?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

/// Whether the result of an order was handed over, and never on film.
pub(in crate::db) fn without_film(session: &Session<'_>, order: &str) -> Result<bool, DbError> {
    let counts = session.row(WITHOUT_FILM, [order], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or(0)))
    })?;
    Ok(counts.is_some_and(|(all, films)| all > 0 && films == 0))
}
