//! Versions: instances of one (study, series, SOP Instance UID) that differ. One of them is served: the one that
//! somebody chose, else the first.
//!
//! Which one, and what the others are against it, depends on the instances and on what was stated of them alone: by
//! receive time, then digest, of those that are visible.

use crate::db::sql::{Row, Value, params};

use super::ahead::LookUp;
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
const BEST: &str = "SELECT id, study_row, series_row, study_variant_id, series_variant_id, rank, received_ms, \
     digest FROM instance i WHERE sop_uid = ?1 AND series_row = ?2 AND hidden = 0 ORDER BY NOT EXISTS \
     (SELECT 1 FROM version_choice c WHERE c.digest = i.digest AND c.served = 1), received_ms, digest LIMIT 1";
const IS_CHOSEN: &str = "SELECT 1 FROM version_choice WHERE digest IN (?1, ?2) AND served = 1 LIMIT 1";
const STEP_DOWN: &str = "UPDATE instance SET version = id WHERE id = ?1";
const SERVE: &str = "UPDATE instance SET version = 0 WHERE id = ?1";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[FIRST, ELSEWHERE, SERVED, BEST, IS_CHOSEN, STEP_DOWN, SERVE];

/// Which of many SOP Instance UIDs are new.
pub(super) fn first_ahead(uids: Vec<Vec<Value<'_>>>) -> LookUp<'_> {
    LookUp::once(FIRST, uids)
}

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
    step_down(session, new.instance)?;
    let digests = params![&new.precedence.digest[..], &served.precedence.digest[..]];
    let chosen = session.row(IS_CHOSEN, digests, |_| Ok(()))?.is_some();
    let kind = if chosen {
        decide_again(session, new.study, new.series, sop_uid, touched)?;
        conflict::kind_of(session, new.instance, served.instance)?.kind
    } else if first(new) < first(&served) {
        serve(session, &served, new, sop_uid, touched)?;
        conflict::kind_of(session, served.instance, new.instance)?.kind
    } else {
        let against = conflict::kind_of(session, new.instance, served.instance)?;
        conflict::note_version(session, new, sop_uid, &served, &against)?;
        against.kind
    };
    Ok(Applied::Version(kind))
}

/// Takes an instance out of what is served.
pub(super) fn step_down(session: &Session<'_>, instance: i64) -> Result<(), DbError> {
    session.execute(STEP_DOWN, [instance]).map(drop)
}

/// Looks again which version is served, after one came to be earlier than it was, one was hidden or shown again, or
/// one was chosen.
pub(super) fn decide_again(
    session: &Session<'_>,
    study: i64,
    series: i64,
    sop_uid: &str,
    touched: &mut Touched,
) -> Result<(), DbError> {
    let served = session.row(SERVED, params![sop_uid, series], placed)?;
    let best = session.row(BEST, params![sop_uid, series], placed)?;
    match (served, best) {
        (Some(served), Some(best)) if served.instance == best.instance => {
            conflict::compare_versions(session, study, series, sop_uid, Some(&served))
        }
        (Some(served), Some(best)) => serve(session, &served, &best, sop_uid, touched),
        (Some(served), None) => {
            step_down(session, served.instance)?;
            touched.disturbed(&served);
            conflict::compare_versions(session, study, series, sop_uid, None)?;
            conflict::note_unshared(session, sop_uid, study, series)
        }
        (None, Some(best)) => {
            session.execute(SERVE, [best.instance])?;
            touched.appears(&best);
            if session.row(ELSEWHERE, params![sop_uid, series], |_| Ok(()))?.is_some() {
                conflict::note_shared(session, sop_uid, study, series)?;
            }
            conflict::compare_versions(session, study, series, sop_uid, Some(&best))
        }
        (None, None) => Ok(()),
    }
}

fn serve(
    session: &Session<'_>,
    old: &Placed,
    new: &Placed,
    sop_uid: &str,
    touched: &mut Touched,
) -> Result<(), DbError> {
    step_down(session, old.instance)?;
    session.execute(SERVE, [new.instance])?;
    touched.disturbed(old);
    touched.appears(new);
    conflict::compare_versions(session, new.study, new.series, sop_uid, Some(new))
}

/// The order of versions.
fn first(placed: &Placed) -> (i64, [u8; 32]) {
    (placed.precedence.received_ms, placed.precedence.digest)
}

fn placed(row: &Row<'_>) -> Result<Placed, DbError> {
    Ok(Placed {
        instance: row.get(0)?,
        study: row.get(1)?,
        series: row.get(2)?,
        study_variant: row.get(3)?,
        series_variant: row.get(4)?,
        precedence: Precedence { rank: row.get(5)?, received_ms: row.get(6)?, digest: row.get(7)? },
    })
}
