//! Decisions to reuse whose grounds changed since: another version of a report counts now, an object of the study that was
//! its report is not served as it was, or another one came.

use storage_config::{ContentHash, Uid};

use super::list::{Stated, read, stated};
use crate::db::error::DbError;
use crate::db::session::Session;
use crate::db::sql::params;
use crate::statement::{Decision, Kind};

/// The condition on a decision `d`, the kind of reports being a parameter. From the few grounds of a decision to what
/// counts of them now: the other way round would go through all reports.
macro_rules! changed {
    ($kind:literal) => {
        concat!(
            "d.time >= 0 AND d.withdrawn = 0 AND d.choice <> 3 AND (EXISTS (SELECT 1 FROM decision_report p \
             CROSS JOIN subject r WHERE p.subject_row = d.subject_row AND r.kind = ",
            $kind,
            " AND r.key = p.report_key AND r.version <> p.version) \
             OR EXISTS (SELECT 1 FROM decision_document p WHERE p.subject_row = d.subject_row \
             AND NOT EXISTS (SELECT 1 FROM instance i WHERE i.digest = p.digest AND i.version = 0)) \
             OR EXISTS (SELECT 1 FROM decision_document p CROSS JOIN study s CROSS JOIN study_document n \
             CROSS JOIN instance i WHERE p.subject_row = d.subject_row AND s.study_uid = p.study_uid \
             AND n.study_row = s.id AND i.digest = n.digest AND i.version = 0 \
             AND NOT EXISTS (SELECT 1 FROM decision_document q WHERE q.subject_row = d.subject_row \
             AND q.digest = n.digest)))"
        )
    };
}
const FLAGGED: &str = concat!(
    "SELECT t.version, t.body FROM reuse_decision d JOIN subject u ON u.id = d.subject_row \
     JOIN statement t ON t.id = u.statement_row WHERE (?3 = -1 OR d.facility_id = ?3) AND ",
    changed!("?4"),
    " ORDER BY d.time DESC, d.subject_row LIMIT ?1 OFFSET ?2"
);
const COUNT: &str = concat!("SELECT count(*) FROM reuse_decision d WHERE ", changed!("?1"));
const SERVED: &str = "SELECT i.digest FROM study s JOIN series r ON r.study_row = s.id JOIN instance i \
     ON i.series_row = r.id AND i.sop_uid = ?2 AND i.version = 0 WHERE s.study_uid = ?1 ORDER BY i.id LIMIT 1";
const DOCUMENTS: &str = "SELECT i.sop_uid, i.digest FROM study s JOIN study_document n ON n.study_row = s.id \
     JOIN instance i ON i.digest = n.digest AND i.version = 0 WHERE s.study_uid = ?1 ORDER BY i.sop_uid";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[FLAGGED, COUNT, SERVED, DOCUMENTS];

/// An object that was a report of a decision's study, or has become one since, and is another one than was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentChanged {
    /// The study.
    pub study: Uid,
    /// SOP Instance UID.
    pub sop_instance: Uid,
    /// The digest of the version that was relied on; none of what came since.
    pub relied_on: Option<ContentHash>,
    /// The digest of the version that is served now; none where it is not served any more.
    pub now: Option<ContentHash>,
}

/// Decisions to reuse in force whose grounds changed, the latest first.
pub(super) fn decisions(
    session: &Session<'_>,
    facility: i64,
    (limit, offset): (u32, u32),
) -> Result<Vec<Stated>, DbError> {
    let params = params![limit, offset, facility, Kind::Report.number()];
    session.rows(FLAGGED, params, stated)?.into_iter().map(read).collect()
}

/// How many there are.
pub(in crate::db) fn count(session: &Session<'_>) -> Result<u64, DbError> {
    let count = session.row(COUNT, [Kind::Report.number()], |row| row.get::<_, i64>(0))?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

/// The digest of the version of an instance that is served in a study.
pub(in crate::db) fn served_digest(
    session: &Session<'_>,
    study: &Uid,
    sop_instance: &str,
) -> Result<Option<ContentHash>, DbError> {
    session.row(SERVED, params![study.as_str(), sop_instance], |row| Ok(ContentHash(row.get(0)?)))
}

/// What became of the objects that a decision relied on; what came since is told only where it relied on one.
pub(in crate::db) fn documents(
    session: &Session<'_>,
    decision: &Decision,
) -> Result<Vec<DocumentChanged>, DbError> {
    let mut changed = Vec::new();
    let mut studies: Vec<&Uid> = Vec::new();
    for relied in &decision.documents {
        let now = served_digest(session, &relied.study, relied.sop_instance.as_str())?;
        if now != Some(relied.digest) {
            changed.push(DocumentChanged {
                study: relied.study.clone(),
                sop_instance: relied.sop_instance.clone(),
                relied_on: Some(relied.digest),
                now,
            });
        }
        if !studies.contains(&&relied.study) {
            studies.push(&relied.study);
        }
    }
    for study in studies {
        let of_study = session.rows(DOCUMENTS, [study.as_str()], |row| {
            Ok((row.get::<_, String>(0)?, ContentHash(row.get(1)?)))
        })?;
        for (sop_instance, digest) in of_study {
            let was_seen =
                |seen: &crate::statement::DocumentRelied| seen.sop_instance.as_str() == sop_instance;
            if decision.documents.iter().any(was_seen) {
                continue;
            }
            let sop_instance = Uid::parse(&sop_instance).map_err(|_| DbError::Invalid("UID"))?;
            let study = study.clone();
            changed.push(DocumentChanged { study, sop_instance, relied_on: None, now: Some(digest) });
        }
    }
    Ok(changed)
}
