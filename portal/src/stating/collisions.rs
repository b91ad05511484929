//! `/api/v1/collisions`: what should be one person and clashes, until somebody finds out.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use indexer::archive::Archive;
use indexer::db::CollisionRow;
use indexer::query::GroupKey;
use indexer::statement::{Finding, Kind, State as Statement};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::{Request, uid};
use super::patients::{key_of, shown};
use super::{say, told, told_with};
use crate::Portal;
use crate::problem::Problem;

/// Most collisions of an answer.
const LIMIT_MAX: u32 = 100;

/// What is asked of the list.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    resolved: bool,
    limit: u32,
    /// The key of the collision after which the list goes on.
    after: Option<String>,
}

impl Default for Wanted {
    fn default() -> Self {
        Wanted { resolved: false, limit: LIMIT_MAX, after: None }
    }
}

/// Collisions that are open, or with `resolved=true` those that somebody resolved.
pub(super) async fn list(
    State(portal): State<Portal>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(wanted) = wanted.map_err(|error| Problem::Invalid("query", error.body_text()))?;
    let after = wanted.after.as_deref().map(|key| pair("after", key)).transpose()?;
    let answer = say(&portal.archive, move |archive| {
        let page = archive.db().collisions(!wanted.resolved, wanted.limit.min(LIMIT_MAX), after)?;
        let rows = page.rows.iter().map(|row| one(archive, row));
        let rows = rows.collect::<Result<Vec<Value>, Problem>>()?;
        let next = page.next.map(|(a, b)| format!("{a}-{b}"));
        Ok::<Value, Problem>(json!({ "collisions": rows, "next": next }))
    });
    Ok(Json(answer.await?))
}

fn one(archive: &Archive, row: &CollisionRow) -> Result<Value, Problem> {
    let key = format!("{}-{}", row.a, row.b);
    let stated = archive.db().subject(Kind::Collision, &key)?;
    let version = stated.as_ref().and_then(|stated| stated.version);
    let current = stated.and_then(|stated| stated.current);
    let finding = match current.as_ref().map(|statement| &statement.state) {
        Some(Statement::Collision(collision)) => Some(json!({
            "finding": collision.finding, "document": collision.document,
            "study": collision.study.as_ref().map(|study| study.as_str()),
        })),
        _ => None,
    };
    let said = current.map(|statement| told(&indexer::db::Stated { statement, version }));
    let mut persons = Vec::new();
    for (key, person) in [row.a, row.b].iter().zip(&row.persons) {
        persons.push(match person {
            Some(person) => shown(archive, person)?,
            None => json!({ "patient": key }),
        });
    }
    Ok(json!({
        "key": key, "open": row.open, "clashes": row.clashes, "persons": persons, "found": finding, "said": said,
    }))
}

/// The two patients of a collision's key.
fn pair(field: &'static str, key: &str) -> Result<(GroupKey, GroupKey), Problem> {
    let (a, b) = key
        .split_once('-')
        .ok_or_else(|| Problem::Invalid(field, "is not two patients' keys with - between them".into()))?;
    Ok((key_of(a)?, key_of(b)?))
}

/// Says what a collision was found to be.
pub(super) async fn resolve(
    State(portal): State<Portal>,
    Path(key): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let pair = pair("key", &key)?;
    let mut request = Request::read(&parts, &body)?;
    let finding: Option<Finding> = request.fields.one_of("finding")?;
    let finding = finding.ok_or_else(|| Problem::Invalid("finding", "is missing".into()))?;
    let document = request.text("document")?.unwrap_or_default().trim().to_owned();
    let based_on = request.basis()?;
    request.end()?;
    if finding == Finding::OnePerson && document.is_empty() {
        return Err(Problem::Invalid("document", "is missing: which document was seen".into()));
    }
    let more = json!({ "finding": finding, "document": document });
    let Request { who, why, key: id, .. } = request;
    let stated = say(&portal.archive, move |archive| {
        archive.resolve_collision(pair, (finding, document), (id, based_on), (who, why))
    });
    Ok((StatusCode::CREATED, Json(told_with(&stated.await?, more))))
}

/// Doubts that a study is of a patient: it stands alone until that is resolved.
pub(super) async fn open(
    State(portal): State<Portal>,
    parts: Parts,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let mut request = Request::read(&parts, &body)?;
    let patient = request.needed("patient")?;
    let patient: GroupKey = patient
        .parse()
        .map_err(|error: indexer::query::NotAKey| Problem::Invalid("patient", error.to_string()))?;
    let study = uid("study", &request.needed("study")?)?;
    request.end()?;
    let Request { who, why, key: id, .. } = request;
    let more = json!({ "patient": patient, "study": study.as_str(), "finding": Finding::Open });
    let stated =
        say(&portal.archive, move |archive| archive.open_collision(&patient, &study, id, (who, why)));
    Ok((StatusCode::CREATED, Json(told_with(&stated.await?, more))))
}
