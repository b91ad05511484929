//! Choices of national codes, and rules of facilities that came of them. Studies that they may change are marked for the
//! mapper; it does the rest.

use crate::db::sql::params;

use crate::codes::Outcome;
use crate::db::coding;
use crate::db::error::DbError;
use crate::db::session::Session;
use crate::statement::{CodeRule, Statement, StudyCode, Verdict};

const CHOOSE: &str = "INSERT INTO code_choice (study_uid, subject_row, verdict, techniques, service, who, time_ms) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (study_uid) DO UPDATE SET verdict = excluded.verdict, \
     techniques = excluded.techniques, service = excluded.service, who = excluded.who, time_ms = excluded.time_ms";
const FORGET: &str = "DELETE FROM code_choice WHERE study_uid = ?1";
const MARK: &str = "UPDATE study SET generation = generation + 1 WHERE study_uid = ?1";
const SET_RULE: &str = "INSERT INTO code_rule (subject_row, facility_id, modality, code, text, techniques, who) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (subject_row) DO UPDATE SET \
     techniques = excluded.techniques, who = excluded.who";
const DROP_RULE: &str = "DELETE FROM code_rule WHERE subject_row = ?1";
const MARK_BASIS: &str = "UPDATE study SET generation = generation + 1 WHERE id IN (SELECT study_row FROM study_code \
     WHERE facility_id = ?1 AND basis = ?2 AND basis <> '')";
const MARK_REVIEW: &str = "UPDATE study SET generation = generation + 1 WHERE id IN (SELECT study_row FROM study_code \
     WHERE outcome = 2 AND facility_id = ?1)";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[FORGET, MARK, DROP_RULE, MARK_BASIS];

pub(super) fn choose(
    session: &Session<'_>,
    subject: i64,
    statement: &Statement,
    state: &StudyCode,
) -> Result<(), DbError> {
    let study = &statement.subject.key;
    let outcome = match state.verdict {
        Verdict::Assigned => Some(Outcome::Assigned),
        Verdict::NotRadiology => Some(Outcome::OtherChapter),
        Verdict::NoExamination => Some(Outcome::NoExamination),
        Verdict::Mapper => None,
    };
    match outcome {
        Some(outcome) => session.execute(
            CHOOSE,
            params![
                study,
                subject,
                coding::number(outcome),
                state.techniques.join("|"),
                state.service.as_deref().unwrap_or_default(),
                statement.who.name,
                statement.time.ms(),
            ],
        )?,
        None => session.execute(FORGET, [study])?,
    };
    session.execute(MARK, [study]).map(drop)
}

pub(super) fn rule(
    session: &Session<'_>,
    subject: i64,
    statement: &Statement,
    state: &CodeRule,
) -> Result<(), DbError> {
    if state.techniques.is_empty() {
        session.execute(DROP_RULE, [subject])?;
    } else {
        let techniques = state.techniques.join("|");
        let who = &statement.who.name;
        let params =
            params![subject, state.facility, state.modality, state.code, state.text, techniques, who];
        session.execute(SET_RULE, params)?;
    }
    session.execute(MARK_BASIS, params![state.facility, state.text])?;
    if state.code.is_empty() { Ok(()) } else { session.execute(MARK_REVIEW, [state.facility]).map(drop) }
}
