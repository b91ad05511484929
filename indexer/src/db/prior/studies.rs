//! Studies as priors: their series, who holds them, and those that were withdrawn.

use crate::db::sql::{Row, params};
use serde_json::{Map, Value};
use storage_config::Uid;

use crate::db::entry::FacilityId;
use crate::db::error::DbError;
use crate::db::session::{Session, unsigned};
use crate::db::statement::{Stated, read_stated, stated_row};
use crate::query::GroupKey;

/// Series of a study that are looked at.
const SERIES_MAX: i64 = 256;

/// A study as the check sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct PriorStudy {
    /// Study Instance UID.
    pub study: Uid,
    /// Counts visible changes of the study, within one life of the index.
    pub generation: u64,
    /// The facility from which it came first.
    pub facility: FacilityId,
    /// Accession Number (0008,0050), empty where there is none.
    pub accession: String,
    /// Instances that are served.
    pub instances: u64,
    /// The sum of the generations of its series, by which evidence is known to be about what is served now.
    pub state: u64,
    /// What the header says of patient and study, as DICOM JSON (PS3.18 F).
    pub attributes: Map<String, Value>,
    /// Its series of which something is served.
    pub series: Vec<PriorSeries>,
    /// Who holds it, and whether anything of that is visible.
    pub holders: Vec<HolderRow>,
}

/// A series of a prior.
#[derive(Debug, Clone, PartialEq)]
pub struct PriorSeries {
    /// Series Instance UID.
    pub series: String,
    /// Modality (0008,0060), empty where there is none.
    pub modality: String,
    /// Counts visible changes of the series, within one life of the index.
    pub generation: u64,
    /// Instances that are served.
    pub instances: u64,
    /// SOP Class UID of the instance that speaks for it.
    pub sop_class: String,
    /// Whether it is a picture, and not something made from pictures.
    pub is_picture: bool,
}

/// A facility that holds a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HolderRow {
    /// The facility.
    pub facility: FacilityId,
    /// Whether any of its holdings is visible.
    pub visible: bool,
}

const OF_PATIENT: &str = "SELECT s.id, s.study_uid, s.generation, i.facility_id, s.accession, s.n_instances, v.json \
     FROM person p JOIN study s ON s.person_row = p.id JOIN instance i ON i.id = s.winner_id \
     JOIN study_variant v ON v.id = s.variant_id WHERE p.key = ?1 ORDER BY s.newest DESC, s.study_uid LIMIT ?2";
/// Studies without a winner have nothing that is served.
const WITHDRAWN: &str = "SELECT s.id, s.study_uid, s.generation, min(i.facility_id), max(v.accession), 0, max(v.json) \
     FROM person p JOIN study s ON s.person_row = p.id AND s.winner_id IS NULL \
     JOIN series r ON r.study_row = s.id JOIN instance i ON i.series_row = r.id AND i.version <> 0 \
     JOIN study_variant v ON v.id = i.study_variant_id WHERE p.key = ?1 \
     GROUP BY s.id, s.study_uid, s.generation ORDER BY s.id DESC LIMIT ?2";
const SERIES: &str = "SELECT r.series_uid, r.modality, r.generation, r.n_instances, i.sop_class, i.rank \
     FROM series r JOIN instance i ON i.id = r.winner_id WHERE r.study_row = ?1 AND r.n_instances > 0 \
     ORDER BY r.series_number, r.series_uid LIMIT ?2";
/// By the instances that speak for series: a facility that sent the series has them.
const HOLDERS: &str = "SELECT h.facility_id, min(h.hidden) FROM series r JOIN holding h ON h.instance_id = r.winner_id \
     WHERE r.study_row = ?1 AND r.n_instances > 0 GROUP BY h.facility_id ORDER BY h.facility_id";
const HOLDERS_OF: &str = "SELECT DISTINCT h.facility_id FROM study s JOIN series r ON r.study_row = s.id \
     JOIN holding h ON h.instance_id = r.winner_id AND h.hidden = 0 WHERE s.study_uid = ?1 AND r.n_instances > 0 \
     ORDER BY h.facility_id";
const HIDDEN_HOLDERS: &str = "SELECT DISTINCT h.facility_id FROM series r JOIN instance i ON i.series_row = r.id \
     AND i.version <> 0 JOIN holding h ON h.instance_id = i.id WHERE r.study_row = ?1 ORDER BY h.facility_id";
const STATE: &str = "SELECT CAST(coalesce(sum(generation), 0) AS BIGINT) FROM series WHERE study_row = ?1";
const IS_HELD: &str = "SELECT 1 FROM study s JOIN series r ON r.study_row = s.id JOIN instance i \
     ON i.series_row = r.id AND i.version = 0 JOIN holding h ON h.instance_id = i.id AND h.hidden = 0 \
     WHERE s.study_uid = ?1 AND h.facility_id = ?2 LIMIT 1";
const WITHDRAWALS: &str = "SELECT t.version, t.body FROM withdrawal w JOIN subject u ON u.id = w.subject_row \
     JOIN statement t ON t.id = u.statement_row WHERE w.study_uid = ?1 ORDER BY w.time DESC LIMIT ?2";

#[cfg(test)]
pub(super) const HOT: &[&str] =
    &[OF_PATIENT, WITHDRAWN, SERIES, HOLDERS, HOLDERS_OF, HIDDEN_HOLDERS, IS_HELD, STATE, WITHDRAWALS];

type Raw = (i64, [String; 3], u64, u32, u64);

fn raw(row: &Row<'_>) -> Result<Raw, DbError> {
    let texts: [String; 3] = [row.get(1)?, row.get(4)?, row.get(6)?];
    Ok((row.get(0)?, texts, unsigned(row, 2)?, row.get(3)?, unsigned(row, 5)?))
}

pub(super) fn of_patient(
    session: &Session<'_>,
    key: &GroupKey,
    limit: u32,
) -> Result<Vec<PriorStudy>, DbError> {
    let rows = session.rows(OF_PATIENT, params![&key.as_bytes()[..], limit], raw)?;
    rows.into_iter().map(|row| whole(session, row, false)).collect()
}

pub(super) fn withdrawn(
    session: &Session<'_>,
    key: &GroupKey,
    limit: u32,
) -> Result<Vec<PriorStudy>, DbError> {
    let rows = session.rows(WITHDRAWN, params![&key.as_bytes()[..], limit], raw)?;
    rows.into_iter().map(|row| whole(session, row, true)).collect()
}

fn whole(session: &Session<'_>, row: Raw, withdrawn: bool) -> Result<PriorStudy, DbError> {
    let (id, [study, accession, json], generation, facility, instances) = row;
    let series = session.rows(SERIES, params![id, SERIES_MAX], |row| {
        Ok(PriorSeries {
            series: row.get(0)?,
            modality: row.get(1)?,
            generation: unsigned(row, 2)?,
            instances: unsigned(row, 3)?,
            sop_class: row.get(4)?,
            is_picture: row.get::<_, i64>(5)? == 0,
        })
    })?;
    let holders = if withdrawn {
        let hidden = |row: &Row<'_>| Ok(HolderRow { facility: FacilityId(row.get(0)?), visible: false });
        session.rows(HIDDEN_HOLDERS, [id], hidden)?
    } else {
        let holder = |row: &Row<'_>| {
            Ok(HolderRow { facility: FacilityId(row.get(0)?), visible: row.get::<_, i64>(1)? == 0 })
        };
        session.rows(HOLDERS, [id], holder)?
    };
    Ok(PriorStudy {
        study: Uid::parse(&study).map_err(|_| DbError::Invalid("UID"))?,
        generation,
        facility: FacilityId(facility),
        accession,
        instances,
        state: session.row(STATE, [id], |row| unsigned(row, 0))?.unwrap_or(0),
        attributes: serde_json::from_str(&json).map_err(|_| DbError::Invalid("attributes"))?,
        series,
        holders,
    })
}

pub(super) fn is_held(session: &Session<'_>, facility: FacilityId, study: &Uid) -> Result<bool, DbError> {
    Ok(session.row(IS_HELD, params![study.as_str(), facility.0], |_| Ok(()))?.is_some())
}

pub(super) fn holders(session: &Session<'_>, study: &Uid) -> Result<Vec<FacilityId>, DbError> {
    session.rows(HOLDERS_OF, [study.as_str()], |row| Ok(FacilityId(row.get(0)?)))
}

pub(super) fn withdrawals(session: &Session<'_>, study: &Uid, limit: u32) -> Result<Vec<Stated>, DbError> {
    session
        .rows(WITHDRAWALS, params![study.as_str(), limit], stated_row)?
        .into_iter()
        .map(read_stated)
        .collect()
}
