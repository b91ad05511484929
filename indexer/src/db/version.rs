//! Versions: instances of one (study, series, SOP Instance UID) that differ. One of them is served: the first.
//!
//! Which one, and what the others are against it, depends on the instances alone: by receive time, then digest.

use rusqlite::{Row, params};

use super::conflict;
use super::entry::Applied;
use super::error::DbError;
use super::session::Session;
use super::touched::{Placed, Precedence, Touched};

/// An instance that was just inserted, and what was there before.
pub(super) struct Versions<'e> {
    pub sop_uid: &'e str,
    pub new: Placed,
    pub other: Others,
}

/// What is known of a SOP Instance UID before an instance of it is inserted.
pub(super) struct Others {
    /// The one that is served in the same study and series.
    pub served: Option<Placed>,
    /// Whether another study or series has it.
    pub elsewhere: bool,
}

const FIRST: &str = "SELECT 1 FROM instance WHERE sop_uid = ?1 LIMIT 1";
const ELSEWHERE: &str =
    "SELECT 1 FROM instance WHERE sop_uid = ?1 AND (series_row < ?2 OR series_row > ?2) LIMIT 1";
const SERVED: &str = "SELECT id, study_row, series_row, study_variant_id, series_variant_id, rank, received_ms, \
     digest FROM instance WHERE sop_uid = ?1 AND series_row = ?2 AND version = 0";
const LEAST: &str = "SELECT id, study_row, series_row, study_variant_id, series_variant_id, rank, received_ms, \
     digest FROM instance WHERE sop_uid = ?1 AND series_row = ?2 ORDER BY received_ms, digest LIMIT 1";
const STEP_DOWN: &str = "UPDATE instance SET version = id WHERE id = ?1";
const SERVE: &str = "UPDATE instance SET version = 0 WHERE id = ?1";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[FIRST, ELSEWHERE, SERVED, LEAST, STEP_DOWN, SERVE];

/// What is known of a SOP Instance UID.
pub(super) fn others(session: &Session<'_>, sop_uid: &str, series: i64) -> Result<Others, DbError> {
    if session.row(FIRST, [sop_uid], |_| Ok(()))?.is_none() {
        return Ok(Others { served: None, elsewhere: false });
    }
    let elsewhere = session.row(ELSEWHERE, params![sop_uid, series], |_| Ok(()))?.is_some();
    let served = session.row(SERVED, params![sop_uid, series], placed)?;
    Ok(Others { served, elsewhere })
}

/// Gives a new row its place among the versions.
pub(super) fn place(
    session: &Session<'_>,
    versions: &Versions<'_>,
    touched: &mut Touched,
) -> Result<Applied, DbError> {
    let Versions { sop_uid, new, other } = versions;
    if other.elsewhere {
        conflict::note_shared(session, sop_uid, new.study, new.series)?;
    }
    let Some(served) = other.served else {
        touched.appears(new);
        return Ok(Applied::New);
    };
    session.execute(STEP_DOWN, [new.instance])?;
    let kind = if first(new) < first(&served) {
        serve(session, &served, new, sop_uid, touched)?;
        conflict::kind_of(session, served.instance, new.instance)?.kind
    } else {
        let against = conflict::kind_of(session, new.instance, served.instance)?;
        conflict::note_version(session, new, sop_uid, &served, &against)?;
        against.kind
    };
    Ok(Applied::Version(kind))
}

/// Looks again which version is served, after one came to be earlier than it was.
pub(super) fn decide_again(
    session: &Session<'_>,
    study: i64,
    series: i64,
    sop_uid: &str,
    touched: &mut Touched,
) -> Result<(), DbError> {
    let served = session.row(SERVED, params![sop_uid, series], placed)?;
    let least = session.row(LEAST, params![sop_uid, series], placed)?;
    let (Some(served), Some(least)) = (served, least) else { return Err(DbError::Invalid("version")) };
    if served.instance == least.instance {
        return conflict::compare_versions(session, study, series, sop_uid, &served);
    }
    serve(session, &served, &least, sop_uid, touched)
}

fn serve(
    session: &Session<'_>,
    old: &Placed,
    new: &Placed,
    sop_uid: &str,
    touched: &mut Touched,
) -> Result<(), DbError> {
    session.execute(STEP_DOWN, [old.instance])?;
    session.execute(SERVE, [new.instance])?;
    touched.disturbed(old);
    touched.appears(new);
    conflict::compare_versions(session, new.study, new.series, sop_uid, new)
}

/// The order of versions.
fn first(placed: &Placed) -> (i64, [u8; 32]) {
    (placed.precedence.received_ms, placed.precedence.digest)
}

fn placed(row: &Row<'_>) -> rusqlite::Result<Placed> {
    Ok(Placed {
        instance: row.get(0)?,
        study: row.get(1)?,
        series: row.get(2)?,
        study_variant: row.get(3)?,
        series_variant: row.get(4)?,
        precedence: Precedence { rank: row.get(5)?, received_ms: row.get(6)?, digest: row.get(7)? },
    })
}
