//! Statements as rows: what was said, which of it counts, and what follows from it in other rows.
//!
//! What counts is decided per subject from all its statements, so that the order in which they are applied makes no
//! difference. What follows is made by one apply function per kind, from the subject's current state alone.

mod assigned;
mod code;
mod decision;
mod delivery;
mod flagged;
mod intake;
mod ledger;
mod legal_hold;
mod link;
mod list;
mod order;
mod performed;
mod removal;
mod report;
mod served;
mod unmet;
mod withdrawal;

use std::collections::HashMap;

use crate::db::sql::{ToValue, Value, params};

use super::ahead::LookUp;
use super::error::DbError;
use super::facility;
use super::session::Session;
use super::touched::Touched;
use crate::statement::fold::Fold;
use crate::statement::{State, Statement};

pub(super) use assigned::{core as assigned_core, of_study as assigned_codes};
pub use decision::DecisionsBy;
pub(super) use decision::{decisions, repeats, study_coded};
pub use delivery::DeliveriesBy;
pub(super) use delivery::{deliveries, film_billed, without_film};
pub use flagged::DocumentChanged;
pub(super) use flagged::{count as flagged, documents as changed_documents, served_digest};
pub(super) use intake::{newest as intakes, of_study as intakes_of_study};
pub use ledger::{LedgerBy, LedgerSum};
pub(super) use ledger::{
    all_due, due as ledger_due, film_handed_over, head_of as ledger_head_of, heads as ledger_heads,
    looked_at, newest_of_days as ledger_newest, of_days as ledger_of_days, of_order as ledger_of_order,
    posted, sums as ledger_sums,
};
pub use list::{RejectedArrival, Stated, SubjectRow};
pub(super) use list::{arrived_after_rejection, by_id, legal_holds, of_kind, subject, withdrawals};
pub(super) use list::{read as read_stated, stated as stated_row};
pub use order::OrdersBy;
pub(super) use order::{of_study as orders_of_study, orders, studies_under};
pub(super) use performed::versions_of_study as step_versions;
pub use performed::{StepVersions, StudySteps};
pub use report::ReportsBy;
pub(super) use report::{reports, versions};
pub use unmet::{NotAPlace, StudyWithoutOrder, Unmet, UnmetAfter};
pub(super) use unmet::{orders as orders_without_images, studies as studies_without_order};
pub(super) use withdrawal::{coverable, covered_ahead, is_covered};

const FIND: &str = "SELECT id FROM subject WHERE kind = ?1 AND key = ?2";
const INSERT_SUBJECT: &str = "INSERT INTO subject (kind, key) VALUES (?1, ?2)";
const INSERT: &str = "INSERT INTO statement (subject_row, time, writer, name, based_on, body) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (subject_row, time, writer, name) DO NOTHING";
const UNDECIDED_OF: &str = "SELECT id, time, writer, name, based_on FROM statement \
     WHERE subject_row = ?1 AND version IS NULL ORDER BY time, writer, name";
const ALL_OF: &str = "SELECT id, based_on FROM statement WHERE subject_row = ?1 ORDER BY time, writer, name";
const DECIDED_AFTER: &str = "SELECT 1 FROM statement WHERE subject_row = ?1 \
     AND (time, writer, name) > (?2, ?3, ?4) AND version IS NOT NULL LIMIT 1";
const SUBJECT: &str = "SELECT version, statement_row FROM subject WHERE id = ?1";
const SET_VERSION: &str = "UPDATE statement SET version = ?2 WHERE id = ?1";
const SET_CURRENT: &str = "UPDATE subject SET version = ?2, statement_row = ?3 WHERE id = ?1";
const BODY: &str = "SELECT body FROM statement WHERE id = ?1";
const CURRENT_BODY: &str =
    "SELECT t.body FROM subject u JOIN statement t ON t.id = u.statement_row WHERE u.id = ?1";
const UNDECIDED: &str = "SELECT DISTINCT subject_row FROM statement WHERE version IS NULL AND subject_row > ?1 \
     ORDER BY subject_row LIMIT ?2";
const BODIES: &str = "SELECT id, body FROM statement WHERE version IS NULL AND subject_row >= ?1 AND subject_row <= ?2 \
     AND length(body) <= ?3 LIMIT ?4";
/// Longest body that is read ahead, in letters, and how many are: they are in memory together, and of one subject there may
/// be any number.
const READ_AHEAD: u32 = 8 << 10;
const READ_AHEAD_MAX: u32 = 4096;
/// Statements that are applied together: those that were read ahead, and others, of which each may be long.
const APPLIED: usize = 1024;
const APPLIED_LONG: usize = 128;

#[cfg(test)]
pub(super) fn hot() -> Vec<&'static str> {
    let own = [
        FIND,
        UNDECIDED,
        BODIES,
        UNDECIDED_OF,
        ALL_OF,
        DECIDED_AFTER,
        SUBJECT,
        SET_VERSION,
        SET_CURRENT,
        BODY,
        CURRENT_BODY,
    ];
    [
        &own[..],
        assigned::HOT,
        code::HOT,
        decision::HOT,
        delivery::HOT,
        flagged::HOT,
        intake::HOT,
        ledger::HOT,
        list::HOT,
        withdrawal::HOT,
        served::HOT,
        link::HOT,
        legal_hold::HOT,
        order::HOT,
        performed::HOT,
        removal::HOT,
        report::HOT,
        unmet::HOT,
    ]
    .concat()
}

/// The subjects of many statements.
pub(super) fn subjects_ahead(statements: &[&Statement]) -> LookUp<'static> {
    let key = |statement: &&Statement| {
        let kind = Value::Integer(statement.subject.kind.number());
        vec![kind, statement.subject.key.to_value().into_owned()]
    };
    LookUp::while_found(FIND, statements.iter().map(key).collect())
}

/// Takes a statement in. Unless it is left for `later`, what counts is decided at the end of the batch.
pub(super) fn note(
    session: &Session<'_>,
    statement: &Statement,
    later: bool,
    touched: &mut Touched,
) -> Result<(), DbError> {
    let key = params![statement.subject.kind.number(), statement.subject.key];
    let subject = match session.row(FIND, key, |row| row.get(0))? {
        Some(id) => id,
        None => {
            let id = session.insert_one_of_many("subject", INSERT_SUBJECT, key)?;
            session.found(FIND, key, id);
            id
        }
    };
    let body = statement.to_json().map_err(|_| DbError::Invalid("statement"))?;
    let params = params![
        subject,
        statement.time.packed(),
        statement.writer,
        statement.id,
        statement.based_on.map(|version| version as i64),
        body,
    ];
    if later {
        return session.add(INSERT, params);
    }
    if session.execute(INSERT, params)? > 0 {
        touched.subjects.insert(subject);
    }
    Ok(())
}

/// Subjects behind `after` with statements that were left for later, in order and at most `limit`.
pub(super) fn undecided(session: &Session<'_>, after: i64, limit: u32) -> Result<Vec<i64>, DbError> {
    session.rows(UNDECIDED, params![after, limit], |row| row.get(0))
}

/// Subjects that are to be decided, in order.
#[derive(Default)]
pub(super) struct Page {
    pub subjects: Vec<i64>,
    /// Statements of theirs that were read before, by id; whatever is not here is read when it is wanted.
    read: HashMap<i64, Statement>,
}

/// Subjects behind `after` with statements that were left for later, at most `limit`, and those statements unless they are
/// long.
pub(super) fn page(session: &Session<'_>, after: i64, limit: u32) -> Result<Page, DbError> {
    let subjects = undecided(session, after, limit)?;
    let (Some(first), Some(last)) = (subjects.first(), subjects.last()) else { return Ok(Page::default()) };
    let bodies = session.rows(BODIES, params![first, last, READ_AHEAD, READ_AHEAD_MAX], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    })?;
    let mut read = HashMap::with_capacity(bodies.len());
    // One that cannot be read is met again where it counts.
    for (id, body) in bodies {
        read.extend(read_body(Some(body)).ok().map(|statement| (id, statement)));
    }
    Ok(Page { subjects, read })
}

impl Page {
    /// Subjects of which nothing was read before.
    pub(super) fn of(subjects: Vec<i64>) -> Page {
        Page { subjects, ..Page::default() }
    }
}

/// What of a subject is not decided yet, and what counts of it so far.
struct Undecided {
    subject: i64,
    /// Id of the statement, and the version it was based on.
    new: Vec<(i64, Option<i64>)>,
    /// Time, writer and name of the first of them.
    first: (i64, u32, String),
    version: i64,
    counted: Option<i64>,
}

/// Decides what counts of subjects, and applies it where that changed.
pub(super) fn settle(session: &Session<'_>, page: Page, touched: &mut Touched) -> Result<(), DbError> {
    let Page { subjects, mut read } = page;
    session.look_ahead(&[LookUp::of_rows(UNDECIDED_OF, &subjects), LookUp::of_rows(SUBJECT, &subjects)])?;
    let mut undecided = Vec::with_capacity(subjects.len());
    for subject in &subjects {
        undecided.extend(new_of(session, *subject)?);
    }
    let first = |it: &Undecided| {
        let (time, writer, name) = &it.first;
        let own = |value: &dyn ToValue| value.to_value().into_owned();
        vec![own(&it.subject), own(time), own(writer), own(name)]
    };
    session.look_ahead(&[LookUp::once(DECIDED_AFTER, undecided.iter().map(first).collect())])?;
    let mut changed = Vec::with_capacity(undecided.len());
    for it in undecided {
        changed.extend(decide(session, &it)?.map(|statement| (it.subject, statement)));
    }
    let (short, long): (Vec<_>, Vec<_>) = changed.into_iter().partition(|(_, id)| read.contains_key(id));
    for together in short.chunks(APPLIED).chain(long.chunks(APPLIED_LONG)) {
        apply_all(session, together, &mut read, touched)?;
    }
    Ok(())
}

fn new_of(session: &Session<'_>, subject: i64) -> Result<Option<Undecided>, DbError> {
    let (mut first, mut new) = (None, Vec::new());
    let rows = session.rows(UNDECIDED_OF, [subject], |row| {
        let order: (i64, u32, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((row.get::<_, i64>(0)?, order, row.get::<_, Option<i64>>(4)?))
    })?;
    for (id, order, based_on) in rows {
        first.get_or_insert(order);
        new.push((id, based_on));
    }
    let Some(first) = first else { return Ok(None) };
    let (version, counted) = session
        .row(SUBJECT, [subject], |row| Ok((row.get(0)?, row.get(1)?)))?
        .ok_or(DbError::Invalid("subject"))?;
    Ok(Some(Undecided { subject, new, first, version, counted }))
}

/// Decides what counts of a subject: the statement, where it is another one than before.
fn decide(session: &Session<'_>, undecided: &Undecided) -> Result<Option<i64>, DbError> {
    let Undecided { subject, new, first: (time, writer, name), version, counted } = undecided;
    let in_between = session.row(DECIDED_AFTER, params![subject, time, writer, name], |_| Ok(()))?.is_some();
    let (mut fold, to_decide) = if in_between {
        // One came that was said before others that were decided: all of them are decided again.
        let all = session.rows(ALL_OF, [*subject], |row| Ok((row.get(0)?, row.get(1)?)))?;
        (Fold::default(), all)
    } else {
        let known = u64::try_from(*version).ok().filter(|version| *version > 0);
        (Fold::from(known), new.clone())
    };
    let mut current = (*version, *counted);
    for (id, based_on) in to_decide {
        let based_on = based_on.and_then(|version| u64::try_from(version).ok());
        let made = fold.take(based_on).map(|version| version as i64);
        session.add(SET_VERSION, params![id, made.unwrap_or(0)])?;
        if let Some(made) = made {
            current = (made, Some(id));
        }
    }
    if current == (*version, *counted) {
        return Ok(None);
    }
    session.add(SET_CURRENT, params![subject, current.0, current.1])?;
    Ok(current.1)
}

/// Applies statements that came to count, each with its subject.
fn apply_all(
    session: &Session<'_>,
    changed: &[(i64, i64)],
    read: &mut HashMap<i64, Statement>,
    touched: &mut Touched,
) -> Result<(), DbError> {
    let ids = changed.iter().map(|(_, statement)| *statement);
    let ids: Vec<i64> = ids.filter(|statement| !read.contains_key(statement)).collect();
    session.look_ahead(&[LookUp::of_rows(BODY, &ids)])?;
    let mut statements = Vec::with_capacity(changed.len());
    for (subject, id) in changed {
        let statement = match read.remove(id) {
            Some(statement) => statement,
            None => read_body(session.row(BODY, [*id], |row| row.get(0))?)?,
        };
        statements.push((*subject, statement));
    }
    // In whatever order they are applied, the outcome is the same. What changes what others look up comes first.
    let (alike, others): (Vec<_>, Vec<_>) = statements.into_iter().partition(|(_, statement)| {
        matches!(statement.state, State::Order(_) | State::Report(_) | State::QualityMark(_))
    });
    others.iter().try_for_each(|(subject, statement)| apply(session, *subject, statement, touched))?;
    order::look_ahead(session, &alike, &touched.rules)?;
    alike.iter().try_for_each(|(subject, statement)| apply(session, *subject, statement, touched))?;
    session.forget_ahead();
    Ok(())
}

/// Applies the current statements of subjects again whose rows follow from something that has changed.
pub(super) fn apply_again(session: &Session<'_>, touched: &mut Touched) -> Result<(), DbError> {
    while let Some(subject) = touched.again.pop_first() {
        let body = session.row(CURRENT_BODY, [subject], |row| row.get(0))?;
        apply(session, subject, &read_body(body)?, touched)?;
    }
    Ok(())
}

fn read_body(body: Option<String>) -> Result<Statement, DbError> {
    let body = body.ok_or(DbError::Invalid("subject"))?;
    Statement::from_json(body.as_bytes()).map_err(|_| DbError::Invalid("statement"))
}

/// Makes other rows what the current statement of a subject says. A kind's function looks at this statement and at
/// instances, never at other statements.
fn apply(
    session: &Session<'_>,
    subject: i64,
    statement: &Statement,
    touched: &mut Touched,
) -> Result<(), DbError> {
    match &statement.state {
        State::Facility(state) => facility::apply(session, &statement.subject.key, state, touched),
        State::Withdrawal(state) => withdrawal::apply(session, subject, statement.time, state, touched),
        State::ServedVersion(state) => served::apply(session, subject, state, touched),
        State::PatientLink(state) => {
            link::apply(session, subject, statement.time, state)?;
            [state.a, state.b].iter().try_for_each(|patient| decision::patient_changed(session, patient))
        }
        State::Collision(state) => {
            link::collide(session, subject, statement.time, state, touched)?;
            [state.a, state.b].iter().try_for_each(|patient| decision::patient_changed(session, patient))
        }
        State::PatientNumbers(state) => {
            link::numbers(session, subject, &statement.subject.key, state, touched)
        }
        State::LegalHold(state) => legal_hold::apply(session, subject, &statement.subject.key, state),
        State::CodesAssigned(state) => assigned::apply(session, subject, state),
        State::StudyCode(state) => code::choose(session, subject, statement, state),
        State::CodeRule(state) => code::rule(session, subject, statement, state),
        State::Order(state) => {
            order::apply(session, subject, statement, state, &touched.rules)?;
            // An open order that nobody decided about has nothing to do with the ledger.
            decision::order_changed(session, &statement.subject.key)
        }
        State::Report(state) => {
            report::apply(session, subject, statement.time, state)?;
            decision::report_changed(session, &statement.subject.key)
        }
        State::ReuseDecision(state) => decision::apply(session, subject, statement.time, state),
        State::Delivery(state) => delivery::apply(session, subject, statement.time, state),
        State::LedgerEntry(state) => ledger::apply(session, subject, state),
        // The subject is the study: its current statement is all there is to look up.
        State::QualityMark(_) => Ok(()),
        State::Removal(state) => removal::apply(session, subject, state),
        State::Intake(state) => intake::apply(session, subject, statement.time, state),
        State::PerformedStep(state) => performed::apply(session, subject, statement.time, state),
    }
}
