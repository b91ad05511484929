//! Withdrawals: which holdings are hidden.
//!
//! A withdrawal covers a holding until the facility gets the instance again; one for patient safety covers all
//! holdings for good.

use crate::db::sql::{Row, Value, params};
use storage_config::{ContentHash, Uid};

use crate::db::ahead::LookUp;
use crate::db::entry::FacilityId;
use crate::db::error::DbError;
use crate::db::session::Session;
use crate::db::touched::Touched;
use crate::db::visible;
use crate::statement::{HybridTime, Reason, Withdrawal};

/// Stands for all facilities.
const EVERYBODY: i64 = -1;

const DIGESTS: &str = "SELECT digest FROM withdrawn WHERE subject_row = ?1";
const CLEAR: &str = "DELETE FROM withdrawn WHERE subject_row = ?1";
const COVER: &str = "INSERT INTO withdrawn (digest, subject_row, facility_id, through_ms, safety) \
     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (digest, subject_row) DO NOTHING";
const NOTE: &str = "INSERT INTO withdrawal (subject_row, time, study_uid) VALUES (?1, ?2, ?3) \
     ON CONFLICT (subject_row) DO UPDATE SET time = excluded.time, study_uid = excluded.study_uid";
const IS_COVERED: &str = "SELECT 1 FROM withdrawn WHERE digest = ?1 LIMIT 1";
/// Instances of a study that a withdrawal would hide, with their latest arrival: served ones, then the others.
macro_rules! coverable {
    ($served:literal) => {
        concat!(
            "SELECT i.digest, max(h.last_ms) FROM study s JOIN series r ON r.study_row = s.id ",
            "JOIN instance i ON i.series_row = r.id AND i.version ",
            $served,
            " 0 JOIN holding h ON h.instance_id = i.id AND h.hidden = 0 WHERE s.study_uid = ?1 ",
            "AND (?2 = '' OR r.series_uid = ?2) AND (?3 = '' OR i.sop_uid = ?3) ",
            "AND (?4 = -1 OR h.facility_id = ?4) GROUP BY i.id LIMIT ?5"
        )
    };
}
const COVERABLE: [&str; 2] = [coverable!("="), coverable!("<>")];

#[cfg(test)]
pub(super) const HOT: &[&str] = &[DIGESTS, CLEAR, IS_COVERED, COVERABLE[0], COVERABLE[1]];

pub(super) fn apply(
    session: &Session<'_>,
    subject: i64,
    time: HybridTime,
    state: &Withdrawal,
    touched: &mut Touched,
) -> Result<(), DbError> {
    let mut digests = session.rows(DIGESTS, [subject], |row| Ok(ContentHash(row.get(0)?)))?;
    session.execute(CLEAR, [subject])?;
    session.execute(NOTE, params![subject, time.packed(), state.study.as_str()])?;
    if !state.restored {
        let safety = state.reason == Reason::PatientSafety;
        let facility = state.facility.filter(|_| !safety).map_or(EVERYBODY, i64::from);
        for digest in &state.instances {
            session.execute(COVER, params![&digest.0[..], subject, facility, state.through_ms, safety])?;
        }
        digests.extend(&state.instances);
    }
    digests.sort_unstable();
    digests.dedup();
    for digest in &digests {
        visible::look_again(session, digest, touched)?;
    }
    Ok(())
}

/// Which of many instances no withdrawal names.
pub(in crate::db) fn covered_ahead(digests: Vec<Vec<Value<'_>>>) -> LookUp<'_> {
    LookUp::once(IS_COVERED, digests)
}

/// Whether any withdrawal in force names an instance.
pub(in crate::db) fn is_covered(session: &Session<'_>, digest: &ContentHash) -> Result<bool, DbError> {
    Ok(session.row(IS_COVERED, [&digest.0[..]], |_| Ok(()))?.is_some())
}

/// What a withdrawal from a study, a series or an instance would hide: digests in order, and the latest arrival of
/// any. At most `limit` served and as many other versions.
pub(in crate::db) fn coverable(
    session: &Session<'_>,
    (study, series, sop_instance): (&Uid, Option<&Uid>, Option<&Uid>),
    facility: Option<FacilityId>,
    limit: usize,
) -> Result<(Vec<ContentHash>, i64), DbError> {
    let text = |uid: Option<&Uid>| uid.map_or(String::new(), ToString::to_string);
    let facility = facility.map_or(EVERYBODY, |facility| i64::from(facility.0));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (mut digests, mut last_ms) = (Vec::new(), i64::MIN);
    for sql in COVERABLE {
        let params = params![study.as_str(), text(series), text(sop_instance), facility, limit];
        let found = |row: &Row<'_>| Ok((ContentHash(row.get(0)?), row.get::<_, i64>(1)?));
        for (digest, last) in session.rows(sql, params, found)? {
            digests.push(digest);
            last_ms = last_ms.max(last);
        }
    }
    digests.sort_unstable();
    Ok((digests, last_ms))
}
