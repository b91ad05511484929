//! Evidence on studies as rows: which wait to be examined, what is read for that, what was found.

use crate::db::sql::{Row, params};
use serde_json::{Map, Value};
use storage_config::{ContentHash, Uid};

use super::Db;
use super::error::DbError;
use super::row::NO_NUMBER;
use super::session::{Session, signed, unsigned};
use super::statement::step_versions;
use crate::evidence::{Evidence, documents};

/// Series of a study that are examined.
const SERIES_MAX: i64 = 512;
/// Instances of a study that are examined.
const INSTANCES_MAX: i64 = 20_000;

/// A study as it is examined.
#[derive(Debug, Clone, PartialEq)]
pub struct ExaminedStudy {
    /// Its generation.
    pub generation: u64,
    /// The sum of the generations of its series: what was found holds as long as it stays.
    pub state: u64,
    /// Its series that are served, by series number.
    pub series: Vec<ExaminedSeries>,
    /// Instances that are served.
    pub instances: u64,
}

/// A series as it is examined, attributes as DICOM JSON (PS3.18 F).
#[derive(Debug, Clone, PartialEq)]
pub struct ExaminedSeries {
    /// Series Instance UID.
    pub uid: Uid,
    /// Modality (0008,0060), empty where there is none.
    pub modality: String,
    /// What it says of its study.
    pub study: Map<String, Value>,
    /// What it says of itself.
    pub attributes: Map<String, Value>,
    /// Its instances, by instance number.
    pub instances: Vec<ExaminedInstance>,
    /// Whether those are all.
    pub whole: bool,
}

/// An instance as it is examined.
#[derive(Debug, Clone, PartialEq)]
pub struct ExaminedInstance {
    /// Its digest.
    pub digest: ContentHash,
    /// SOP Instance UID.
    pub sop_instance: Uid,
    /// SOP Class UID.
    pub sop_class: String,
    /// Transfer Syntax UID.
    pub transfer_syntax: String,
    /// Whether it is a picture, and not something made from pictures.
    pub is_picture: bool,
    /// When it first came, in milliseconds since 1970-01-01 UTC.
    pub received_ms: i64,
    /// Instance Number (0020,0013).
    pub number: Option<i64>,
    /// Number of Frames (0028,0008), where its header names one.
    pub frames: Option<u32>,
    /// What it says of itself.
    pub attributes: Map<String, Value>,
}

/// What was found in a study, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct EvidenceRow {
    /// The sum of the generations of its series that were looked at.
    pub state: u64,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// Version of the rules.
    pub rule: String,
    /// What was found.
    pub evidence: Evidence,
}

const CHANGED: &str = "SELECT study_uid FROM study WHERE generation > examined_generation AND changed_ms <= ?1 \
     ORDER BY changed_ms LIMIT ?2";
const OLDER: &str = "SELECT s.study_uid FROM study_evidence e JOIN study s ON s.id = e.study_row \
     WHERE e.rule < ?1 LIMIT ?2";
const LATER: &str = "SELECT s.study_uid FROM study_evidence e JOIN study s ON s.id = e.study_row \
     WHERE e.rule > ?1 LIMIT ?2";
const STUDY: &str = "SELECT s.id, s.generation, s.n_instances FROM study s WHERE s.study_uid = ?1";
const STATE: &str = "SELECT CAST(coalesce(sum(generation), 0) AS BIGINT) FROM series WHERE study_row = ?1";
const SERIES: &str = "SELECT r.id, r.series_uid, r.modality, r.n_instances, u.json, v.json \
     FROM series r JOIN instance i ON i.id = r.winner_id JOIN series_variant v ON v.id = r.variant_id \
     JOIN study_variant u ON u.id = i.study_variant_id WHERE r.study_row = ?1 AND r.n_instances > 0 \
     ORDER BY r.series_number, r.series_uid LIMIT ?2";
const INSTANCES: &str = "SELECT digest, sop_uid, sop_class, transfer_syntax, rank, received_ms, instance_number, \
     frames, json FROM instance WHERE series_row = ?1 AND version = 0 ORDER BY instance_number LIMIT ?2";
const SET: &str = "INSERT INTO study_evidence (study_row, state, time_ms, rule, body) VALUES (?1, ?2, ?3, ?4, ?5) \
     ON CONFLICT (study_row) DO UPDATE SET state = excluded.state, time_ms = excluded.time_ms, \
     rule = excluded.rule, body = excluded.body";
const CLEAR: &str = "DELETE FROM study_evidence WHERE study_row = ?1";
const CLEAR_DOCUMENTS: &str = "DELETE FROM study_document WHERE study_row = ?1";
const ADD_DOCUMENT: &str = "INSERT INTO study_document (study_row, digest) SELECT i.study_row, i.digest \
     FROM instance i WHERE i.sop_uid = ?2 AND i.study_row = ?1 AND i.version = 0 \
     ON CONFLICT (study_row, digest) DO NOTHING";
const EXAMINED: &str = "UPDATE study SET examined_generation = ?2 WHERE id = ?1 AND examined_generation < ?2";
const OF_STUDY: &str = "SELECT e.state, e.time_ms, e.rule, e.body FROM study s JOIN study_evidence e \
     ON e.study_row = s.id WHERE s.study_uid = ?1";
const MARK: &str = "UPDATE study SET examined_generation = 0 WHERE study_uid = ?1";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[
    CHANGED,
    OLDER,
    LATER,
    STUDY,
    STATE,
    INSTANCES,
    CLEAR,
    CLEAR_DOCUMENTS,
    ADD_DOCUMENT,
    EXAMINED,
    OF_STUDY,
    MARK,
];

impl Db {
    /// Studies that wait to be examined: changed ones of which nothing came since `quiet_before_ms` (milliseconds since
    /// 1970-01-01 UTC), then those that were examined by other rules; at most `limit`.
    ///
    /// # Errors
    /// When the database fails, as all below.
    pub fn studies_to_examine(
        &self,
        rule: &str,
        quiet_before_ms: i64,
        limit: u32,
    ) -> Result<Vec<Uid>, DbError> {
        self.read(|session| to_examine(session, rule, quiet_before_ms, limit))
    }

    /// A study with the instances that are examined; none where nothing was ever stored of it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn study_to_examine(&self, study: &Uid) -> Result<Option<ExaminedStudy>, DbError> {
        self.read_snapshot(|session| of_study(session, study))
    }

    /// Keeps what was found in a study at a generation, in the place of what was found before; without evidence nothing
    /// of the study is served. Where something was said of its performed procedure steps that the evidence does not know,
    /// the study waits to be examined again.
    ///
    /// # Errors
    /// When the database fails; nothing is changed then.
    pub fn set_evidence(
        &self,
        study: &Uid,
        generation: u64,
        found: Option<&EvidenceRow>,
    ) -> Result<(), DbError> {
        self.write(|session| set(session, study, generation, found))
    }

    /// What was found in a study.
    ///
    /// # Errors
    /// When the database fails.
    pub fn evidence(&self, study: &Uid) -> Result<Option<EvidenceRow>, DbError> {
        self.read(|session| found(session, study))
    }

    /// Has a study examined again.
    ///
    /// # Errors
    /// When the database fails.
    pub fn examine_again(&self, study: &Uid) -> Result<(), DbError> {
        self.write(|session| session.execute(MARK, [study.as_str()]).map(drop))
    }
}

fn uid(text: &str) -> Result<Uid, DbError> {
    Uid::parse(text).map_err(|_| DbError::Invalid("UID"))
}

fn object(json: &str) -> Result<Map<String, Value>, DbError> {
    serde_json::from_str(json).map_err(|_| DbError::Invalid("attributes"))
}

fn to_examine(
    session: &Session<'_>,
    rule: &str,
    quiet_before_ms: i64,
    limit: u32,
) -> Result<Vec<Uid>, DbError> {
    let text = |row: &Row<'_>| row.get::<_, String>(0);
    let mut waiting = session.rows(CHANGED, params![quiet_before_ms, limit], text)?;
    for sql in [OLDER, LATER] {
        let left = limit.saturating_sub(waiting.len() as u32);
        if left > 0 {
            waiting.extend(session.rows(sql, params![rule, left], text)?);
        }
    }
    waiting.iter().map(|text| uid(text)).collect()
}

fn of_study(session: &Session<'_>, study: &Uid) -> Result<Option<ExaminedStudy>, DbError> {
    let found = session.row(STUDY, [study.as_str()], |row| {
        Ok((row.get::<_, i64>(0)?, unsigned(row, 1)?, unsigned(row, 2)?))
    })?;
    let Some((id, generation, instances)) = found else { return Ok(None) };
    let state = session.row(STATE, [id], |row| unsigned(row, 0))?.unwrap_or(0);
    let rows = session.rows(SERIES, params![id, SERIES_MAX], |row| {
        let texts: [String; 4] = [row.get(1)?, row.get(2)?, row.get(4)?, row.get(5)?];
        Ok((row.get::<_, i64>(0)?, texts, unsigned(row, 3)?))
    })?;
    let mut left = INSTANCES_MAX;
    let mut series = Vec::with_capacity(rows.len());
    for (row, [series_uid, modality, study, attributes], count) in rows {
        let instances = session.rows(INSTANCES, params![row, left], instance)?;
        let instances: Vec<ExaminedInstance> =
            instances.into_iter().map(checked).collect::<Result<_, _>>()?;
        left -= instances.len() as i64;
        series.push(ExaminedSeries {
            uid: uid(&series_uid)?,
            modality,
            study: object(&study)?,
            attributes: object(&attributes)?,
            whole: instances.len() as u64 == count,
            instances,
        });
    }
    Ok(Some(ExaminedStudy { generation, state, series, instances }))
}

type RawInstance = (ContentHash, [String; 4], bool, i64, i64, Option<u32>);

fn instance(row: &Row<'_>) -> Result<RawInstance, DbError> {
    let texts: [String; 4] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(8)?];
    let is_picture = row.get::<_, i64>(4)? == 0;
    Ok((ContentHash(row.get(0)?), texts, is_picture, row.get(5)?, row.get(6)?, row.get(7)?))
}

fn checked(raw: RawInstance) -> Result<ExaminedInstance, DbError> {
    let (digest, [sop, sop_class, transfer_syntax, json], is_picture, received_ms, number, frames) = raw;
    Ok(ExaminedInstance {
        digest,
        sop_instance: uid(&sop)?,
        sop_class,
        transfer_syntax,
        is_picture,
        received_ms,
        number: Some(number).filter(|number| *number != NO_NUMBER),
        frames,
        attributes: object(&json)?,
    })
}

fn set(
    session: &Session<'_>,
    study: &Uid,
    generation: u64,
    found: Option<&EvidenceRow>,
) -> Result<(), DbError> {
    let row = session.row(STUDY, [study.as_str()], |row| row.get::<_, i64>(0))?;
    let Some(row) = row else { return Ok(()) };
    session.execute(CLEAR_DOCUMENTS, [row])?;
    match found {
        Some(found) => {
            let body = serde_json::to_string(&found.evidence).map_err(|_| DbError::Invalid("evidence"))?;
            let state = signed(found.state, "generation")?;
            session.execute(SET, params![row, state, found.time_ms, found.rule, body])?;
            let objects = found.evidence.reports.iter().filter_map(|of| documents::sop_instance(&of.report));
            for sop_instance in objects {
                session.execute(ADD_DOCUMENT, params![row, sop_instance])?;
            }
        }
        None => {
            session.execute(CLEAR, [row])?;
        }
    }
    if let Some(found) = found
        && found.evidence.steps.of != step_versions(session, study.as_str())?
    {
        // A device said something while the study was looked at: it goes on waiting.
        return Ok(());
    }
    session.execute(EXAMINED, params![row, signed(generation, "generation")?]).map(drop)
}

fn found(session: &Session<'_>, study: &Uid) -> Result<Option<EvidenceRow>, DbError> {
    let found = session.row(OF_STUDY, [study.as_str()], |row| {
        Ok((unsigned(row, 0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
    })?;
    let Some((state, time_ms, rule, body)) = found else { return Ok(None) };
    let evidence = serde_json::from_str(&body).map_err(|_| DbError::Invalid("evidence"))?;
    Ok(Some(EvidenceRow { state, time_ms, rule, evidence }))
}
