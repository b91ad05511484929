//! Performed procedure steps: found by the studies that they name and by the series that they made.
//!
//! Whether what a step names is here is looked at when the study is examined; what is said of a step has its studies
//! wait for that again.

use std::collections::{BTreeMap, BTreeSet};

use crate::db::sql::params;
use storage_config::Uid;

use super::list::{Stated, read, stated};
use crate::db::Db;
use crate::db::error::DbError;
use crate::db::session::{Session, unsigned};
use crate::statement::{HybridTime, PerformedStep, State};

const SET: &str = "INSERT INTO performed_step (subject_row, time, facility_id) VALUES (?1, ?2, ?3) \
     ON CONFLICT (subject_row) DO UPDATE SET time = excluded.time, facility_id = excluded.facility_id";
const CLEAR_STUDIES: &str = "DELETE FROM performed_study WHERE subject_row = ?1";
const CLEAR_SERIES: &str = "DELETE FROM performed_series WHERE subject_row = ?1";
const ADD_STUDY: &str = "INSERT INTO performed_study (study_uid, subject_row) VALUES (?1, ?2) \
     ON CONFLICT (study_uid, subject_row) DO NOTHING";
const ADD_SERIES: &str = "INSERT INTO performed_series (series_uid, subject_row) VALUES (?1, ?2) \
     ON CONFLICT (series_uid, subject_row) DO NOTHING";
/// Studies of a step wait to be examined again, also those that it named before and names no more.
const MARK_STUDIES: &str = "UPDATE study SET examined_generation = 0 WHERE study_uid IN \
     (SELECT study_uid FROM performed_study WHERE subject_row = ?1)";
const MARK_SERIES: &str = "UPDATE study SET examined_generation = 0 WHERE id IN (SELECT r.study_row \
     FROM performed_series p JOIN series r ON r.series_uid = p.series_uid WHERE p.subject_row = ?1)";
/// Steps of a study under what is selected of them; those of a facility that has nothing of the study are somebody
/// else's business.
macro_rules! of_study {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM (SELECT subject_row FROM performed_study WHERE study_uid = ?1 UNION SELECT q.subject_row ",
            "FROM study z JOIN series r ON r.study_row = z.id JOIN performed_series q ON q.series_uid = r.series_uid ",
            "WHERE z.study_uid = ?1) known JOIN performed_step p ON p.subject_row = known.subject_row ",
            "JOIN subject u ON u.id = p.subject_row JOIN statement t ON t.id = u.statement_row ",
            "WHERE p.facility_id = 0 OR EXISTS (SELECT 1 FROM study s JOIN series r ON r.study_row = s.id ",
            "JOIN instance i ON i.series_row = r.id AND i.version = 0 JOIN holding h ON h.instance_id = i.id ",
            "AND h.hidden = 0 WHERE s.study_uid = ?1 AND h.facility_id = p.facility_id) ",
            "ORDER BY p.time DESC, u.key LIMIT ?2"
        )
    };
}
const OF_STUDY: &str = of_study!("t.version, t.body");
const VERSIONS: &str = of_study!("u.key, u.version");
const HOMES: &str = "SELECT s.study_uid FROM series r JOIN study s ON s.id = r.study_row \
     WHERE r.series_uid = ?1 AND r.n_instances > 0 ORDER BY s.study_uid";
const SERVED: &str = "SELECT i.sop_uid FROM study s JOIN series r ON r.study_row = s.id \
     JOIN instance i ON i.series_row = r.id AND i.version = 0 WHERE s.study_uid = ?1";

#[cfg(test)]
pub(super) const HOT: &[&str] =
    &[CLEAR_STUDIES, CLEAR_SERIES, MARK_STUDIES, MARK_SERIES, OF_STUDY, VERSIONS, HOMES, SERVED];

/// Steps of one study that are looked at, the latest first.
const STEPS_MAX: u32 = 50;

/// SOP Instance UIDs of steps with the version that counts of each.
pub type StepVersions = BTreeMap<String, u64>;

pub(super) fn apply(
    session: &Session<'_>,
    subject: i64,
    time: HybridTime,
    step: &PerformedStep,
) -> Result<(), DbError> {
    mark(session, subject)?;
    session.execute(SET, params![subject, time.packed(), step.facility])?;
    session.execute(CLEAR_STUDIES, [subject])?;
    session.execute(CLEAR_SERIES, [subject])?;
    for study in step.studies() {
        session.execute(ADD_STUDY, params![study.as_str(), subject])?;
    }
    for made in &step.series {
        session.execute(ADD_SERIES, params![made.series.as_str(), subject])?;
    }
    mark(session, subject)
}

fn mark(session: &Session<'_>, subject: i64) -> Result<(), DbError> {
    session.execute(MARK_STUDIES, [subject])?;
    session.execute(MARK_SERIES, [subject]).map(drop)
}

/// The steps of a study and which version of each counts.
pub(in crate::db) fn versions_of_study(session: &Session<'_>, study: &str) -> Result<StepVersions, DbError> {
    let rows =
        session.rows(VERSIONS, params![study, STEPS_MAX], |row| Ok((row.get(0)?, unsigned(row, 1)?)))?;
    Ok(rows.into_iter().collect())
}

/// A study beside what devices say they made of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StudySteps {
    /// What is said of the steps, the latest first.
    pub steps: Vec<Stated>,
    /// For each series of a step, the studies under which something of it is served.
    pub homes: BTreeMap<Uid, BTreeSet<Uid>>,
    /// SOP Instance UIDs of all that is served of the study; empty where there is no step.
    pub served: BTreeSet<Uid>,
}

impl Db {
    /// The performed procedure steps of a study as they stand, the latest first; at most 50.
    ///
    /// # Errors
    /// When the database fails, as all below.
    pub fn steps_of_study(&self, study: &Uid) -> Result<Vec<Stated>, DbError> {
        self.read(|session| of_study(session, study))
    }

    /// The same by name and version.
    ///
    /// # Errors
    /// When the database fails.
    pub fn step_versions_of_study(&self, study: &Uid) -> Result<StepVersions, DbError> {
        self.read(|session| versions_of_study(session, study.as_str()))
    }

    /// The steps of a study with all that is needed to tell what of them is here.
    ///
    /// # Errors
    /// When the database fails.
    pub fn study_beside_steps(&self, study: &Uid) -> Result<StudySteps, DbError> {
        self.read_snapshot(|session| beside(session, study))
    }
}

fn of_study(session: &Session<'_>, study: &Uid) -> Result<Vec<Stated>, DbError> {
    session.rows(OF_STUDY, params![study.as_str(), STEPS_MAX], stated)?.into_iter().map(read).collect()
}

fn beside(session: &Session<'_>, study: &Uid) -> Result<StudySteps, DbError> {
    let steps = of_study(session, study)?;
    if steps.is_empty() {
        return Ok(StudySteps::default());
    }
    let mut homes = BTreeMap::new();
    for stated in &steps {
        let State::PerformedStep(step) = &stated.statement.state else { continue };
        for made in &step.series {
            if !homes.contains_key(&made.series) {
                homes.insert(made.series.clone(), uids(session, HOMES, &made.series)?);
            }
        }
    }
    Ok(StudySteps { homes, served: uids(session, SERVED, study)?, steps })
}

fn uids(session: &Session<'_>, sql: &str, of: &Uid) -> Result<BTreeSet<Uid>, DbError> {
    let rows = session.rows(sql, [of.as_str()], |row| row.get::<_, String>(0))?;
    rows.iter().map(|uid| Uid::parse(uid).map_err(|_| DbError::Invalid("UID"))).collect()
}
