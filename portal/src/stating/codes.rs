//! `/api/v1/studies/{study}/codes` and `/api/v1/codes/review`: national codes of studies, and what people choose.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use indexer::archive::ChooseCodes;
use indexer::codes::coded::StudyCoding;
use indexer::db::Stated;
use indexer::statement::{Kind, State as Statement, StudyCode, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::{Request, uid};
use super::{say, told_with};
use crate::Portal;
use crate::api::ask;
use crate::problem::{Asked, Problem};

/// Rows of a list when the request names no number, and at most.
const ROWS: u32 = 100;
const ROWS_MAX: u32 = 1000;

/// What a study is coded as, and what a person chose.
pub(super) async fn one(
    State(portal): State<Portal>,
    Path(study): Path<String>,
) -> Result<Json<Value>, Problem> {
    let study = uid("study", &study)?;
    let asked = study.clone();
    let found = ask(&portal.archive, move |archive| {
        let db = archive.db();
        let row = db.subject(Kind::StudyCode, asked.as_str())?;
        Ok((db.has_study(&asked)?, db.coding(&asked)?, row))
    });
    let (known, coding, row) = found.await?;
    if !known {
        return Err(Problem::NotFound("study"));
    }
    let stated = row.and_then(|row| Some(Stated { version: row.version, statement: row.current? }));
    Ok(Json(json!({
        "study": study.as_str(),
        "coding": coding.as_ref().map(shown),
        "choice": stated.as_ref().map(chosen),
    })))
}

/// States what a study is.
pub(super) async fn choose(
    State(portal): State<Portal>,
    Path(study): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let study = uid("study", &study)?;
    let mut request = Request::read(&parts, &body)?;
    let based_on = request.basis()?;
    let techniques = request.texts("techniques")?;
    let service = request.text("service_code")?.filter(|code| !code.is_empty());
    let as_rule = request.yes("rule")?;
    let verdict = match request.text("outcome")?.as_deref() {
        None | Some("assigned") => Verdict::Assigned,
        Some("not_radiology") => Verdict::NotRadiology,
        Some("no_examination") => Verdict::NoExamination,
        Some("mapper") => Verdict::Mapper,
        Some(_) => {
            let reason = "is none of assigned, not_radiology, no_examination and mapper";
            return Err(Problem::Invalid("outcome", reason.into()));
        }
    };
    request.end()?;
    let Request { who, why, key: id, .. } = request;
    let choice = ChooseCodes { id, study, verdict, techniques, service, as_rule, based_on, who, why };
    let stated = say(&portal.archive, move |archive| archive.choose_codes(choice)).await?;
    Ok((StatusCode::CREATED, Json(chosen(&stated))))
}

/// Which studies that wait are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    limit: Option<u32>,
    /// The study after which the list goes on.
    after: Option<String>,
    /// Those that keep a code of which the lists in force would say something else.
    proposed: Option<bool>,
}

/// Studies that wait for a person, the latest first.
pub(super) async fn review(
    State(portal): State<Portal>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Value>, Problem> {
    let limit = wanted.limit.unwrap_or(ROWS).min(ROWS_MAX);
    let after = wanted.after.as_deref().map(|study| uid("after", study)).transpose()?;
    let proposed = wanted.proposed.unwrap_or(false);
    let waiting = ask(&portal.archive, move |archive| match proposed {
        true => archive.db().codes_proposed(limit, after.as_ref()),
        false => archive.db().codes_to_review(limit, after.as_ref()),
    });
    let waiting = waiting.await?;
    let rows = waiting.iter().map(|one| {
        json!({ "study": one.study.as_str(), "facility": one.facility.0, "coding": shown(&one.coding) })
    });
    Ok(Json(rows.collect()))
}

fn shown(coding: &StudyCoding) -> Value {
    json!({
        "outcome": coding.outcome,
        "source": coding.source,
        "techniques": coding.techniques,
        "service_code": coding.service,
        "service_candidates": coding.service_candidates,
        "confidence": coding.confidence,
        "candidates": coding.candidates,
        "contrast": coding.contrast,
        "laterality": coding.laterality,
        "machine_assumed": coding.machine_assumed,
        "evidence": coding.why,
        "codes": coding.codes,
        "name": coding.name,
        "version": coding.version,
        "proposed": coding.proposed,
        "chosen_by": coding.chosen_by,
        "chosen_ms": coding.chosen_ms,
    })
}

fn chosen(stated: &Stated) -> Value {
    let Statement::StudyCode(StudyCode { verdict, techniques, service }) = &stated.statement.state else {
        return Value::Null;
    };
    let choice = json!({
        "study": stated.statement.subject.key, "outcome": verdict, "techniques": techniques,
        "service_code": service,
    });
    told_with(stated, choice)
}
