//! `/api/v1/studies/{study}/legal-hold`: studies of which nothing may be removed.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use indexer::archive::Said;
use indexer::db::Stated;
use indexer::statement::{Kind, LegalHold, State as Statement};
use serde_json::{Value, json};

use super::body::{Request, uid};
use super::{say, told_with};
use crate::Portal;
use crate::api::{Stretch, ask};
use crate::problem::{Asked, Problem};

pub(super) async fn set(
    State(portal): State<Portal>,
    Path(study): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    Ok((StatusCode::CREATED, Json(state(&portal, &study, &parts, &body, true).await?)))
}

pub(super) async fn clear(
    State(portal): State<Portal>,
    Path(study): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    Ok(Json(state(&portal, &study, &parts, &body, false).await?))
}

async fn state(
    portal: &Portal,
    study: &str,
    parts: &Parts,
    body: &Bytes,
    held: bool,
) -> Result<Value, Problem> {
    let study = uid("study", study)?;
    let mut request = Request::read(parts, body)?;
    let based_on = request.basis()?;
    request.end()?;
    let Request { who, why, key: id, .. } = request;
    let state = Statement::LegalHold(LegalHold { held });
    let said = Said { id, key: study.to_string(), state, based_on, who, why };
    let stated = say(&portal.archive, move |archive| archive.state(said)).await?;
    Ok(shown(&stated))
}

pub(super) async fn one(
    State(portal): State<Portal>,
    Path(study): Path<String>,
) -> Result<Json<Value>, Problem> {
    let study = uid("study", &study)?;
    let row =
        ask(&portal.archive, move |archive| archive.db().subject(Kind::LegalHold, study.as_str())).await?;
    let row = row.and_then(|row| Some(Stated { version: row.version, statement: row.current? }));
    row.map(|stated| Json(shown(&stated))).ok_or(Problem::NotFound("legal hold"))
}

pub(super) async fn list(
    State(portal): State<Portal>,
    Asked(stretch): Asked<Stretch>,
) -> Result<Json<Value>, Problem> {
    let (limit, offset) = stretch.bounds();
    let rows = ask(&portal.archive, move |archive| archive.db().legal_holds(limit, offset)).await?;
    Ok(Json(rows.iter().map(shown).collect()))
}

fn shown(stated: &Stated) -> Value {
    let Statement::LegalHold(LegalHold { held }) = stated.statement.state else { return Value::Null };
    told_with(stated, json!({ "study": stated.statement.subject.key, "held": held }))
}
