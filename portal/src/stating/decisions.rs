//! `/api/v1/reuse/decisions`: whether a stored exam stands in for an ordered one, as a doctor decided.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use indexer::archive::{Archive, Decide, Shown};
use indexer::db::{DecisionsBy, DocumentChanged, FacilityId, Stated};
use indexer::reuse::Verdict;
use indexer::statement::{Decision, DecisionReason, Kind, ReuseChoice, State as Statement};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::{Request, uid};
use super::site::{Codes, code, codes, concerns, of_token, resolve};
use super::{say, told_with};
use crate::Portal;
use crate::problem::Problem;

/// Rows of a list when the request names no number, and at most.
const ROWS: u32 = 100;
const ROWS_MAX: u32 = 1000;
/// Versions of one decision that are listed at most.
const VERSIONS_MAX: u32 = 1000;

/// Which decisions are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    order: Option<String>,
    study: Option<String>,
    facility: Option<String>,
    /// `report_amended`: those that relied on a report, or an object that is one, of which another version counts now.
    flagged: Option<String>,
    limit: Option<u32>,
    offset: Option<u32>,
}

pub(super) async fn decide(
    State(portal): State<Portal>,
    parts: Parts,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let mut request = Request::read(&parts, &body)?;
    let word = request.needed("decision")?;
    if word == "withdrawn" {
        let decision = request.needed("withdraws")?;
        return Ok((StatusCode::CREATED, Json(take_back(&portal, &parts, decision, request).await?)));
    }
    let choice = match word.as_str() {
        "reuse" => ReuseChoice::Reuse,
        "reuse_with_second_reading" => ReuseChoice::ReuseWithSecondReading,
        "repeat" => ReuseChoice::Repeat,
        _ => {
            let why = "is none of reuse, reuse_with_second_reading, repeat, withdrawn";
            return Err(Problem::Invalid("decision", why.into()));
        }
    };
    let order = request.needed("order")?;
    let mut studies = request.texts("studies")?;
    studies.extend(request.text("study")?.filter(|study| !study.is_empty()));
    let studies = studies.iter().map(|study| uid("studies", study)).collect::<Result<Vec<_>, _>>()?;
    let reasons = request.texts("reasons")?;
    let mut reasons = reasons.iter().map(|name| reason(name)).collect::<Result<Vec<_>, _>>()?;
    reasons.sort_unstable();
    reasons.dedup();
    let text = request.text("text")?.unwrap_or_default();
    let verdict = shown_verdict(&request.needed("verdict")?)?;
    let shown = Shown { verdict, answer: request.text("answer_version")? };
    request.end()?;
    let Request { who, why, key: id, names_person: by_person, .. } = request;
    let token = of_token(&parts);
    let decide = Decide { id, order, choice, studies, reasons, text, shown, who, by_person, why };
    let answer = say(&portal.archive, move |archive| {
        let (order, _) = archive.ordered(&decide.order)?;
        own_facility(token, order.facility)?;
        let stated = archive.decide(decide)?;
        told(archive, &stated, &codes(archive.db())?)
    });
    Ok((StatusCode::CREATED, Json(answer.await?)))
}

pub(super) async fn withdraw(
    State(portal): State<Portal>,
    Path(id): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let mut request = Request::read(&parts, &body)?;
    if request.needed("decision")? != "withdrawn" {
        let why = "can only become withdrawn; another decision is a new one";
        return Err(Problem::Invalid("decision", why.into()));
    }
    Ok(Json(take_back(&portal, &parts, id, request).await?))
}

async fn take_back(
    portal: &Portal,
    parts: &Parts,
    decision: String,
    mut request: Request,
) -> Result<Value, Problem> {
    let basis = request.basis()?;
    request.end()?;
    let Request { who, why, key, names_person, .. } = request;
    let token = of_token(parts);
    let answer = say(&portal.archive, move |archive| {
        own_facility(token, archive.decision(&decision)?.0.facility)?;
        let stated = archive.withdraw_decision(&decision, (key, basis), (who, names_person), why)?;
        told(archive, &stated, &codes(archive.db())?)
    });
    answer.await
}

fn own_facility(token: Option<FacilityId>, of: Option<u32>) -> Result<(), Problem> {
    if !concerns(token, of) {
        return Err(Problem::Invalid("order", "is not of the facility that the token acts for".into()));
    }
    Ok(())
}

fn reason(name: &str) -> Result<DecisionReason, Problem> {
    let names = || DecisionReason::ALL.map(DecisionReason::name).join(", ");
    DecisionReason::of_name(name)
        .ok_or_else(|| Problem::Invalid("reasons", format!("are some of {}", names())))
}

fn shown_verdict(word: &str) -> Result<Option<Verdict>, Problem> {
    if word == "found_nothing" {
        return Ok(None);
    }
    let why = "is none of usable, review, not_usable, not_applicable, found_nothing";
    let read = serde_json::from_value(Value::String(word.to_owned()));
    read.map(Some).map_err(|_| Problem::Invalid("verdict", why.into()))
}

pub(super) async fn one(
    State(portal): State<Portal>,
    Path(id): Path<String>,
    parts: Parts,
) -> Result<Json<Value>, Problem> {
    let token = of_token(&parts);
    let answer = say(&portal.archive, move |archive| {
        let (decision, stated) = archive.decision(&id)?;
        if !concerns(token, decision.facility) {
            return Err(Problem::NotFound("decision"));
        }
        let codes = codes(archive.db())?;
        let mut answer = told(archive, &stated, &codes)?;
        let versions = archive.db().versions_of(Kind::ReuseDecision, &id, VERSIONS_MAX)?;
        let versions: Vec<Value> = versions.iter().map(|stated| shown(stated, &codes)).collect();
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("versions".into(), json!(versions));
        }
        Ok::<Value, Problem>(answer)
    });
    Ok(Json(answer.await?))
}

pub(super) async fn list(
    State(portal): State<Portal>,
    parts: Parts,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let token = of_token(&parts);
    let Query(wanted) = wanted.map_err(|error| Problem::Invalid("query", error.body_text()))?;
    let by = match (&wanted.order, &wanted.study, wanted.flagged.as_deref()) {
        (Some(order), _, _) => DecisionsBy::Order(order.clone()),
        (None, Some(study), _) => DecisionsBy::Study(uid("study", study)?),
        (None, None, Some("report_amended")) => DecisionsBy::ReportChanged,
        (None, None, Some(_)) => return Err(Problem::Invalid("flagged", "is not report_amended".into())),
        (None, None, None) => DecisionsBy::Newest,
    };
    let rows = say(&portal.archive, move |archive| {
        let db = archive.db();
        let facility = resolve(archive, "facility", wanted.facility.as_deref(), token)?.map(FacilityId);
        let limit = wanted.limit.unwrap_or(ROWS).min(ROWS_MAX);
        let rows = db.decisions(&by, facility, limit, wanted.offset.unwrap_or(0))?;
        let codes = codes(db)?;
        rows.iter().map(|stated| told(archive, stated, &codes)).collect::<Result<Value, Problem>>()
    });
    Ok(Json(rows.await?))
}

/// A decision with what happened to what it relied on.
fn told(archive: &Archive, stated: &Stated, codes: &Codes) -> Result<Value, Problem> {
    let mut answer = shown(stated, codes);
    let Statement::ReuseDecision(decision) = &stated.statement.state else { return Ok(answer) };
    let changed = changed_grounds(archive, decision)?;
    let (order, _) = archive.ordered(&decision.order)?;
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("flagged".into(), json!(changed.flag()));
        answer.insert("reports_changed".into(), json!(changed.reports));
        answer.insert("documents_changed".into(), json!(changed.documents));
        answer.insert("order_status".into(), json!(order.status));
    }
    Ok(answer)
}

/// What a decision in force relied on and is another one now.
pub(crate) struct Changed {
    /// Reports of which another version counts.
    pub reports: Vec<Value>,
    /// Structured reports and encapsulated PDFs that are not served as they were, and those that came beside them.
    pub documents: Vec<Value>,
}

impl Changed {
    /// The word by which decisions are flagged.
    pub(crate) fn flag(&self) -> Option<&'static str> {
        (!self.reports.is_empty() || !self.documents.is_empty()).then_some("report_amended")
    }
}

/// Reports and objects that a decision in force relied on and of which another version counts now.
pub(crate) fn changed_grounds(archive: &Archive, decision: &Decision) -> Result<Changed, Problem> {
    if !decision.reuses() {
        return Ok(Changed { reports: Vec::new(), documents: Vec::new() });
    }
    let documents = archive.db().changed_documents(decision)?;
    Ok(Changed {
        reports: changed_reports(archive, decision)?,
        documents: documents.iter().map(changed_document).collect(),
    })
}

fn changed_document(changed: &DocumentChanged) -> Value {
    let what = match (changed.relied_on, changed.now) {
        (Some(_), None) => "withdrawn",
        (Some(_), Some(_)) => "other_version",
        (None, _) => "added",
    };
    json!({
        "study": changed.study, "sop_instance": changed.sop_instance, "change": what,
        "relied_on": changed.relied_on, "now": changed.now,
    })
}

fn changed_reports(archive: &Archive, decision: &Decision) -> Result<Vec<Value>, Problem> {
    let mut changed = Vec::new();
    for relied in &decision.reports {
        let row = archive.db().subject(Kind::Report, &relied.report)?;
        let now = row.as_ref().and_then(|row| row.version);
        if now == Some(relied.version) {
            continue;
        }
        let status = row.and_then(|row| row.current).and_then(|current| match current.state {
            Statement::Report(report) => Some(report.status),
            _ => None,
        });
        changed.push(json!({
            "report": relied.report, "relied_on": relied.version, "now": now, "status": status,
        }));
    }
    Ok(changed)
}

/// A version of a decision.
fn shown(stated: &Stated, codes: &Codes) -> Value {
    let Statement::ReuseDecision(decision) = &stated.statement.state else { return Value::Null };
    let word = if decision.withdrawn { json!("withdrawn") } else { json!(decision.choice) };
    let doubt = decision.reasons.contains(&DecisionReason::DoubtAboutPerson);
    let more = json!({
        "decision_id": stated.statement.subject.key,
        "decision": word,
        "choice": decision.choice,
        "withdrawn": decision.withdrawn,
        "order": decision.order,
        "ordering_facility": code(codes, decision.facility),
        "studies": decision.studies,
        "reasons": decision.reasons,
        "text": decision.text,
        "verdict": decision.seen.verdict,
        "answer_verdict": decision.seen.best,
        "answer_version": decision.seen.answer,
        "today": decision.seen.today,
        "order_version": decision.seen.order_version,
        "evidence": decision.seen.evidence,
        "reports": decision.reports,
        "documents": decision.documents,
        "doubt_about_person": doubt,
        "record": format!("/reuse/record?decision={}", stated.statement.subject.key),
    });
    told_with(stated, more)
}
