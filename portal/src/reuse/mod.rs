//! `/reuse?order=ID`: is there a usable prior for an order? Any hospital system opens it by its address.
//!
//! The page asks the same check as `POST /api/v1/reuse/check` and shows what a doctor needs to decide on one screen of a
//! phone: nothing scrolls, every button has a key, what decides stands first. What is judged is the business of
//! `indexer::reuse`; this module only shows.

mod page;
mod panels;
mod post;
mod prior;
mod reasons;
mod words;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use indexer::archive::{
    Archive, Asked, ReportStanding, ReuseAnswer, StateError, StateErrorKind, StoreError, answer_name,
};
use indexer::db::{DecisionsBy, FacilityId, ReportsBy, Stated};
use indexer::principal::Principal;
use indexer::query::{Level, Match, Query as Wanted, QueryRow};
use indexer::statement::{Decision, LedgerEvent, Order, Reversal, State as Statement};
use serde::Deserialize;
use storage_config::Uid;

use crate::frame::{Failure, Frame, Place};
use crate::language::Language;
use crate::problem::Problem;
use crate::sign_in::Who;
use crate::stating::changed_grounds;
use crate::stating::site::concerns;
use crate::{FORM_BYTES, Portal};

/// Most studies of priors whose rows are read.
const STUDIES_MAX: usize = 200;

/// Reports of one study that are looked at.
const REPORTS_MAX: u32 = 50;

/// Second readings and opinions that are shown.
const OTHERS_MAX: usize = 5;

/// The report of a prior, and what others read.
type Read = (Option<Stated>, Vec<(Stated, ReportStanding)>);

/// The routes of this module.
pub(crate) fn routes() -> Router<Portal> {
    Router::new().route("/reuse", get(show).post(post::said)).layer(DefaultBodyLimit::max(FORM_BYTES))
}

/// Which order, and which of its priors.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Address {
    order: String,
    /// Counts from 0, best first.
    prior: Option<usize>,
}

impl Address {
    /// The address of another prior of the same order.
    fn of(&self, prior: usize) -> String {
        let prior = if prior == 0 { String::new() } else { format!("&prior={prior}") };
        format!("/reuse?order={}{prior}", crate::html::percent(&self.order))
    }
}

/// What the page shows.
struct Shown {
    order: Order,
    answer: ReuseAnswer,
    /// Rows of the studies that may be named.
    rows: Vec<QueryRow>,
    /// The newest report of the prior that is shown, where it may be shown.
    report: Option<Stated>,
    /// Second readings and opinions on it, the newest first.
    others: Vec<(Stated, ReportStanding)>,
    /// Which prior is shown.
    at: usize,
    ordering_facility: String,
    /// Names the answer, so that nobody decides about another one than was shown.
    name: String,
    /// The latest decision about the order.
    decision: Option<Stated>,
    /// Whether another report counts now than the decision relied on.
    amended: bool,
    /// Why the ledger took the avoided exam back, where it did.
    reversed: Option<Reversal>,
}

impl Shown {
    /// The row of a study.
    fn row(&self, study: &str) -> Option<&QueryRow> {
        self.rows.iter().find(|row| row.study_uid.as_str() == study)
    }
}

fn read(archive: &Archive, id: &str, at: usize) -> Result<Shown, StateError> {
    let (order, _) = archive.ordered(id)?;
    let answer = archive.reuse_check(&Asked::Order(id.to_owned()))?;
    let db = archive.db();
    let priors = &answer.decision.priors;
    let at = at.min(priors.len().saturating_sub(1));
    let named = priors.iter().flat_map(|prior| &prior.studies);
    let others = answer.decision.other_exams.iter().filter(|other| other.pictures).map(|other| &other.study);
    let uids: Vec<Uid> =
        named.chain(others).take(STUDIES_MAX).filter_map(|uid| Uid::parse(uid).ok()).collect();
    let mut query = Wanted::new(Level::Study);
    query.limit = STUDIES_MAX as u32;
    query.keys.push(Match::StudyUid(uids.clone()));
    let rows = if uids.is_empty() { Vec::new() } else { db.query(&query)?.rows };
    let (report, others) = match priors.get(at).filter(|prior| prior.report) {
        Some(prior) => reports(&answer, archive, &prior.studies)?,
        None => Default::default(),
    };
    let name = answer_name(&answer)?;
    let decision = db.decisions(&DecisionsBy::Order(id.to_owned()), None, 1, 0)?.pop();
    let amended = match decision.as_ref().map(|stated| &stated.statement.state) {
        Some(Statement::ReuseDecision(decision)) => report_changed(archive, decision)?,
        _ => false,
    };
    let reversed = reversed(&db.ledger_of_order(id)?.0);
    let codes = db.facility_codes()?;
    let code = order.facility.and_then(|number| codes.iter().rfind(|code| code.facility.0 == number));
    let ordering_facility = code.map(|code| code.code.clone()).unwrap_or_default();
    Ok(Shown {
        order,
        answer,
        rows,
        report,
        others,
        at,
        ordering_facility,
        name,
        decision,
        amended,
        reversed,
    })
}

fn report_changed(archive: &Archive, decision: &Decision) -> Result<bool, StateError> {
    let changed = changed_grounds(archive, decision)
        .map_err(|problem| StateError::Store(StoreError::Internal(format!("{problem:?}"))))?;
    Ok(changed.flag().is_some())
}

/// Why the last entry of an order's exam takes it back; none where it counts.
fn reversed(entries: &[Stated]) -> Option<Reversal> {
    let mut of_exam = entries.iter().filter_map(|stated| match &stated.statement.state {
        Statement::LedgerEntry(entry) => match entry.event {
            LedgerEvent::ExamAvoided | LedgerEvent::ExamReversed => Some(entry),
            LedgerEvent::FilmAvoided | LedgerEvent::FilmReversed => None,
        },
        _ => None,
    });
    of_exam.next_back().and_then(|entry| entry.reversal)
}

/// The newest of the reports that count, and what others read: second readings also where they count.
fn reports(answer: &ReuseAnswer, archive: &Archive, studies: &[String]) -> Result<Read, StateError> {
    let (mut newest, mut others) = Read::default();
    for study in studies.iter().filter_map(|study| Uid::parse(study).ok()) {
        let seen = answer.studies.iter().find(|seen| seen.study == study.as_str());
        let counts = |key: &str| seen.is_some_and(|seen| seen.reports.iter().any(|report| report.id == key));
        for found in archive.db().reports(&ReportsBy::Study(study.clone()), None, REPORTS_MAX, 0)? {
            let standing = archive.report_standing(&found, std::slice::from_ref(&study))?;
            if standing.second_reading_of.is_some() || standing.second_opinion {
                others.push((found, standing));
            } else if newest.is_none() && counts(&found.statement.subject.key) {
                newest = Some(found);
            }
        }
    }
    others.truncate(OTHERS_MAX);
    Ok((newest, others))
}

/// What is said above the page: a status and a text, nothing where all is well.
type Notice = Option<(StatusCode, String)>;

async fn show(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
    Query(address): Query<Address>,
) -> Result<Response, Failure> {
    shown(&portal, language, &who, &address, None).await
}

async fn shown(
    portal: &Portal,
    language: Language,
    who: &Who,
    address: &Address,
    notice: Notice,
) -> Result<Response, Failure> {
    let (archive, id, at) = (portal.archive.clone(), address.order.clone(), address.prior.unwrap_or(0));
    let token = who.principal.as_ref().map(Principal::facility).filter(|own| *own != FacilityId(0));
    let read = tokio::task::spawn_blocking(move || {
        if !concerns(token, archive.ordered(&id)?.0.facility) {
            return Err(StateError::NotFound("order"));
        }
        read(&archive, &id, at)
    });
    let read = read.await;
    let shown = match read.map_err(Problem::failed).map_err(Failure::of(language))? {
        Ok(shown) => shown,
        Err(error) if error.kind() == StateErrorKind::NotFound => {
            return Err(Failure::no_such(language, words::words(language).no_order));
        }
        Err(error) => return Err(Failure::of(language)(Problem::failed(error))),
    };
    let status = notice.as_ref().map_or(StatusCode::OK, |(status, _)| *status);
    let content = page::content(language, who, address, &shown, notice.as_ref());
    let here = address.of(shown.at);
    let title = words::words(language).title;
    let frame = Frame::new(portal, language, Place::Reuse, title, &here).asked_by(who);
    Ok(frame.answering(status, &content))
}
