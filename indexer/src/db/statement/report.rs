//! Reports: found by study and by accession number, with all their versions.

use crate::db::sql::params;
use storage_config::Uid;

use super::list::{Stated, read, stated};
use crate::db::entry::FacilityId;
use crate::db::error::DbError;
use crate::db::session::Session;
use crate::statement::{HybridTime, Kind, Report};

const SET: &str = "INSERT INTO report (subject_row, time, facility_id, accession, study_uid) \
     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (subject_row) DO UPDATE SET time = excluded.time, \
     facility_id = excluded.facility_id, accession = excluded.accession, study_uid = excluded.study_uid";
const NEWEST: &str = "SELECT t.version, t.body FROM report o JOIN subject u ON u.id = o.subject_row \
     JOIN statement t ON t.id = u.statement_row WHERE o.time >= 0 AND (?3 = -1 OR o.facility_id = ?3) \
     ORDER BY o.time DESC, o.subject_row LIMIT ?1 OFFSET ?2";
const BY_ACCESSION: &str = "SELECT t.version, t.body FROM report o JOIN subject u ON u.id = o.subject_row \
     JOIN statement t ON t.id = u.statement_row WHERE o.accession = ?4 AND o.accession <> '' \
     AND (?3 = -1 OR o.facility_id = ?3) ORDER BY o.time DESC, o.subject_row LIMIT ?1 OFFSET ?2";
/// Reports that name a study, and those of an accession number under which their facility has it.
const OF_STUDY: &str = "SELECT t.version, t.body, o.time AS at FROM report o JOIN subject u ON u.id = o.subject_row \
     JOIN statement t ON t.id = u.statement_row WHERE o.study_uid = ?1 AND o.study_uid <> '' \
     UNION ALL SELECT t.version, t.body, o.time FROM study s JOIN report o ON o.accession = s.accession \
     AND o.accession <> '' JOIN subject u ON u.id = o.subject_row JOIN statement t ON t.id = u.statement_row \
     WHERE s.study_uid = ?1 AND o.study_uid = '' AND EXISTS (SELECT 1 FROM series r JOIN instance i \
     ON i.series_row = r.id AND i.version = 0 JOIN holding h ON h.instance_id = i.id AND h.hidden = 0 \
     WHERE r.study_row = s.id AND h.facility_id = o.facility_id) ORDER BY at DESC LIMIT ?2 OFFSET ?3";
const VERSIONS: &str = "SELECT t.version, t.body FROM subject u JOIN statement t ON t.subject_row = u.id \
     WHERE u.kind = ?1 AND u.key = ?2 ORDER BY t.time DESC, t.writer DESC, t.name DESC LIMIT ?3";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[SET, NEWEST, BY_ACCESSION, OF_STUDY, VERSIONS];

/// By what reports are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportsBy {
    /// All of them.
    Newest,
    /// Accession Number.
    Accession(String),
    /// The study that they are about.
    Study(Uid),
}

pub(super) fn apply(
    session: &Session<'_>,
    subject: i64,
    time: HybridTime,
    report: &Report,
) -> Result<(), DbError> {
    let study = report.study.as_ref().map_or("", Uid::as_str);
    let facility = report.facility.unwrap_or(0);
    session.add(SET, params![subject, time.packed(), facility, report.accession.trim(), study])
}

/// Current reports, the latest first. The facility is not asked for reports of a study.
pub(in crate::db) fn reports(
    session: &Session<'_>,
    by: &ReportsBy,
    facility: Option<FacilityId>,
    (limit, offset): (u32, u32),
) -> Result<Vec<Stated>, DbError> {
    let facility = facility.map_or(-1, |facility| i64::from(facility.0));
    let rows = match by {
        ReportsBy::Newest => session.rows(NEWEST, params![limit, offset, facility], stated),
        ReportsBy::Accession(accession) => {
            session.rows(BY_ACCESSION, params![limit, offset, facility, accession.trim()], stated)
        }
        ReportsBy::Study(study) => session.rows(OF_STUDY, params![study.as_str(), limit, offset], stated),
    };
    rows?.into_iter().map(read).collect()
}

/// All that was said of a subject, superseded or not, the latest first.
pub(in crate::db) fn versions(
    session: &Session<'_>,
    kind: Kind,
    key: &str,
    limit: u32,
) -> Result<Vec<Stated>, DbError> {
    session.rows(VERSIONS, params![kind.number(), key, limit], stated)?.into_iter().map(read).collect()
}
