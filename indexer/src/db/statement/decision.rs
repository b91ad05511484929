//! Decisions to reuse or to repeat, and what they relied on.

use crate::db::sql::params;
use storage_config::Uid;

use super::flagged;
use super::list::{Stated, read, stated};
use crate::db::entry::FacilityId;
use crate::db::error::DbError;
use crate::db::person;
use crate::db::session::Session;
use crate::identity::IdentityRules;
use crate::query::GroupKey;
use crate::reuse::Verdict;
use crate::statement::{Decision, HybridTime, ReuseChoice};

const SET: &str = "INSERT INTO reuse_decision (subject_row, time, order_key, facility_id, choice, verdict, withdrawn) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (subject_row) DO UPDATE SET time = excluded.time, \
     order_key = excluded.order_key, facility_id = excluded.facility_id, choice = excluded.choice, \
     verdict = excluded.verdict, withdrawn = excluded.withdrawn";
const CLEAR_REPORTS: &str = "DELETE FROM decision_report WHERE subject_row = ?1";
const CLEAR_DOCUMENTS: &str = "DELETE FROM decision_document WHERE subject_row = ?1";
const CLEAR_PATIENTS: &str = "DELETE FROM decision_patient WHERE subject_row = ?1";
const CLEAR_STUDIES: &str = "DELETE FROM decision_study WHERE subject_row = ?1";
const ADD_REPORT: &str = "INSERT INTO decision_report (report_key, subject_row, version) VALUES (?1, ?2, ?3) \
     ON CONFLICT (report_key, subject_row) DO NOTHING";
const ADD_DOCUMENT: &str = "INSERT INTO decision_document (subject_row, digest, study_uid) VALUES (?1, ?2, ?3) \
     ON CONFLICT (subject_row, digest) DO NOTHING";
const ADD_PATIENT: &str = "INSERT INTO decision_patient (patient, subject_row) VALUES (?1, ?2) \
     ON CONFLICT (patient, subject_row) DO NOTHING";
const ADD_STUDY: &str = "INSERT INTO decision_study (study_uid, subject_row) VALUES (?1, ?2) \
     ON CONFLICT (study_uid, subject_row) DO NOTHING";
/// Decisions under a condition on their rows `d`, the latest first.
macro_rules! decisions {
    ($condition:literal) => {
        concat!(
            "SELECT t.version, t.body FROM reuse_decision d JOIN subject u ON u.id = d.subject_row ",
            "JOIN statement t ON t.id = u.statement_row WHERE ",
            $condition,
            " ORDER BY d.time DESC, d.subject_row LIMIT ?1 OFFSET ?2"
        )
    };
}
const NEWEST: &str = decisions!("d.time >= 0 AND (?3 = -1 OR d.facility_id = ?3)");
const OF_ORDER: &str = decisions!("d.order_key = ?4 AND (?3 = -1 OR d.facility_id = ?3)");
const OF_STUDY: &str = decisions!(
    "d.subject_row IN (SELECT s.subject_row FROM decision_study s WHERE s.study_uid = ?4) \
     AND (?3 = -1 OR d.facility_id = ?3)"
);
/// Repeats that were decided although the answer was usable, of a stretch of time.
const REPEATS: &str = "SELECT t.version, t.body FROM reuse_decision d JOIN subject u ON u.id = d.subject_row \
     JOIN statement t ON t.id = u.statement_row WHERE d.time >= ?3 AND d.time < ?4 AND d.choice = 3 \
     AND d.withdrawn = 0 AND d.verdict IN ('usable', 'review') ORDER BY d.time, d.subject_row LIMIT ?1 OFFSET ?2";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[
    SET,
    CLEAR_REPORTS,
    CLEAR_DOCUMENTS,
    CLEAR_PATIENTS,
    CLEAR_STUDIES,
    NEWEST,
    OF_ORDER,
    OF_STUDY,
    REPEATS,
];

/// By what decisions are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecisionsBy {
    /// All of them.
    Newest,
    /// The order.
    Order(String),
    /// A study that was decided on.
    Study(Uid),
    /// Decisions to reuse in force that relied on a report of which another version counts now, or on an object of the
    /// study that is not served as it was, or beside which another one came.
    ReportChanged,
}

pub(super) fn apply(
    session: &Session<'_>,
    subject: i64,
    time: HybridTime,
    decision: &Decision,
) -> Result<(), DbError> {
    let choice = match decision.choice {
        ReuseChoice::Reuse => 1,
        ReuseChoice::ReuseWithSecondReading => 2,
        ReuseChoice::Repeat => 3,
    };
    let verdict = match decision.judged_by() {
        Some(Verdict::Usable) => "usable",
        Some(Verdict::Review) => "review",
        Some(Verdict::NotUsable) => "not_usable",
        Some(Verdict::NotApplicable) => "not_applicable",
        None => "",
    };
    let facility = decision.facility.unwrap_or(0);
    let withdrawn = i64::from(decision.withdrawn);
    let params = params![subject, time.packed(), decision.order, facility, choice, verdict, withdrawn];
    session.execute(SET, params)?;
    for clear in [CLEAR_REPORTS, CLEAR_DOCUMENTS, CLEAR_PATIENTS, CLEAR_STUDIES] {
        session.execute(clear, [subject])?;
    }
    for relied in &decision.reports {
        let version = i64::try_from(relied.version).map_err(|_| DbError::Range("version"))?;
        session.execute(ADD_REPORT, params![relied.report, subject, version])?;
    }
    for relied in &decision.documents {
        session.execute(ADD_DOCUMENT, params![subject, &relied.digest.0[..], relied.study.as_str()])?;
    }
    for patient in &decision.patients {
        session.execute(ADD_PATIENT, params![&patient.as_bytes()[..], subject])?;
    }
    for study in &decision.studies {
        session.execute(ADD_STUDY, params![study.as_str(), subject])?;
    }
    super::ledger::is_due(session, &decision.order)
}

/// Decisions, the latest first.
pub(in crate::db) fn decisions(
    session: &Session<'_>,
    by: &DecisionsBy,
    facility: Option<FacilityId>,
    (limit, offset): (u32, u32),
) -> Result<Vec<Stated>, DbError> {
    let facility = facility.map_or(-1, |facility| i64::from(facility.0));
    let rows = match by {
        DecisionsBy::Newest => session.rows(NEWEST, params![limit, offset, facility], stated),
        DecisionsBy::Order(order) => session.rows(OF_ORDER, params![limit, offset, facility, order], stated),
        DecisionsBy::Study(study) => {
            session.rows(OF_STUDY, params![limit, offset, facility, study.as_str()], stated)
        }
        DecisionsBy::ReportChanged => return flagged::decisions(session, facility, (limit, offset)),
    };
    rows?.into_iter().map(read).collect()
}

/// Repeats although a prior was usable or to be reviewed, decided from `from` to before `to` (packed times).
pub(in crate::db) fn repeats(
    session: &Session<'_>,
    (from, to): (i64, i64),
    (limit, offset): (u32, u32),
) -> Result<Vec<Stated>, DbError> {
    session.rows(REPEATS, params![limit, offset, from, to], stated)?.into_iter().map(read).collect()
}

const MARK_BY_ORDER: &str = "INSERT INTO ledger_due (order_key, noted) SELECT DISTINCT d.order_key, 1 FROM reuse_decision d \
     WHERE d.order_key = ?1 ON CONFLICT (order_key) DO UPDATE SET noted = ledger_due.noted + 1";
const MARK_BY_REPORT: &str = "INSERT INTO ledger_due (order_key, noted) SELECT DISTINCT d.order_key, 1 FROM decision_report p \
     JOIN reuse_decision d ON d.subject_row = p.subject_row WHERE p.report_key = ?1 \
     ON CONFLICT (order_key) DO UPDATE SET noted = ledger_due.noted + 1";
const MARK_BY_PATIENT: &str = "INSERT INTO ledger_due (order_key, noted) SELECT DISTINCT d.order_key, 1 FROM decision_patient p \
     JOIN reuse_decision d ON d.subject_row = p.subject_row \
     WHERE p.patient = ?1 OR p.patient IN (SELECT k.key FROM person k WHERE k.patient_key = ?1) \
     ON CONFLICT (order_key) DO UPDATE SET noted = ledger_due.noted + 1";
const MARK_BY_STUDY: &str = "INSERT INTO ledger_due (order_key, noted) SELECT DISTINCT d.order_key, 1 FROM study s \
     JOIN person k ON k.id = s.person_row JOIN person o ON o.patient_key = k.patient_key \
     JOIN decision_patient p ON p.patient IN (o.key, o.patient_key) \
     JOIN reuse_decision d ON d.subject_row = p.subject_row WHERE s.study_uid = ?1 \
     ON CONFLICT (order_key) DO UPDATE SET noted = ledger_due.noted + 1";

/// Something was said of an order: it is looked at where a decision is about it.
pub(super) fn order_changed(session: &Session<'_>, order: &str) -> Result<(), DbError> {
    session.add(MARK_BY_ORDER, [order])
}

/// Something was said of a report: orders whose decisions relied on it are looked at.
pub(super) fn report_changed(session: &Session<'_>, report: &str) -> Result<(), DbError> {
    session.add(MARK_BY_REPORT, [report])
}

/// Something was said of a patient: orders with decisions about studies of the patient are looked at.
pub(super) fn patient_changed(session: &Session<'_>, patient: &GroupKey) -> Result<(), DbError> {
    session.execute(MARK_BY_PATIENT, [&patient.as_bytes()[..]]).map(drop)
}

/// A study was given its codes: orders with decisions about other studies of its person are looked at.
pub(in crate::db) fn study_coded(
    session: &Session<'_>,
    study: &Uid,
    rules: &IdentityRules,
) -> Result<(), DbError> {
    session.execute(MARK_BY_STUDY, [study.as_str()])?;
    let Some((key, _)) = person::keys_of_study(session, study.as_str())? else { return Ok(()) };
    let Some(kin) = person::around(session, &key, rules)? else { return Ok(()) };
    // Whoever is one person with the study's: also those of whom only an order speaks.
    for member in &kin.members {
        patient_changed(session, &member.record.key)?;
        patient_changed(session, &member.record.number)?;
    }
    Ok(())
}
