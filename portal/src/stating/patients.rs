//! `/api/v1/patients`: which patients are one person.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use indexer::archive::{Basis, Said};
use indexer::query::{GroupKey, Level, Match, Query};
use indexer::statement::{PatientLink, State as Statement};
use serde_json::{Value, json};
use storage_config::Uid;

use super::body::Request;
use super::{say, told_with};
use crate::Portal;
use crate::api::ask;
use crate::problem::Problem;

pub(super) async fn link(
    State(portal): State<Portal>,
    parts: Parts,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    state(&portal, &parts, &body, true).await
}

pub(super) async fn unlink(
    State(portal): State<Portal>,
    parts: Parts,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    state(&portal, &parts, &body, false).await
}

async fn state(
    portal: &Portal,
    parts: &Parts,
    body: &Bytes,
    linked: bool,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let mut request = Request::read(parts, body)?;
    let (a, b) = (request.needed("a")?, request.needed("b")?);
    let based_on: Basis = request.basis()?;
    request.end()?;
    let (a, b) = (patient(portal, "a", a).await?, patient(portal, "b", b).await?);
    let link = PatientLink::between(a, b, linked);
    let Request { who, why, key: id, .. } = request;
    let said = Said { id, key: link.key(), state: Statement::PatientLink(link), based_on, who, why };
    let stated = say(&portal.archive, move |archive| archive.state(said)).await?;
    Ok((StatusCode::CREATED, Json(told_with(&stated, json!({ "a": a, "b": b, "linked": linked })))))
}

/// A patient by its key, or by the Study Instance UID of one of its studies.
async fn patient(portal: &Portal, field: &'static str, named: String) -> Result<GroupKey, Problem> {
    if let Ok(key) = named.parse() {
        return Ok(key);
    }
    let study = Uid::parse(&named)
        .map_err(|_| Problem::Invalid(field, "is neither a patient's key nor a Study Instance UID".into()))?;
    let mut query = Query::new(Level::Study);
    query.keys.push(Match::StudyUid(vec![study]));
    query.limit = 1;
    let rows = ask(&portal.archive, move |archive| archive.db().query(&query)).await?.rows;
    let key = rows.first().and_then(|row| row.patient);
    key.ok_or(Problem::NotFound(if field == "a" { "study a" } else { "study b" }))
}

/// The patients that are one person with a patient.
pub(super) async fn links(
    State(portal): State<Portal>,
    Path(key): Path<String>,
) -> Result<Json<Value>, Problem> {
    let key: GroupKey =
        key.parse().map_err(|error: indexer::query::NotAKey| Problem::Invalid("key", error.to_string()))?;
    let keys = ask(&portal.archive, move |archive| archive.db().linked_patients(key)).await?;
    Ok(Json(json!({ "patients": keys })))
}
