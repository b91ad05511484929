//! `/api/v1/studies/{study}/quality`: what a reader says the pictures of a study are worth. The newest mark counts; all
//! are kept and listed.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use indexer::archive::Said;
use indexer::db::Stated;
use indexer::statement::{Kind, QualityMark, State as Statement};
use serde_json::{Value, json};

use super::body::{Request, uid};
use super::{say, told_with};
use crate::Portal;
use crate::api::ask;
use crate::problem::Problem;

/// Marks of one study that are listed at most.
const MARKS_MAX: u32 = 1000;

/// The mark that counts, and all that were made.
pub(super) async fn one(
    State(portal): State<Portal>,
    Path(study): Path<String>,
) -> Result<Json<Value>, Problem> {
    let study = uid("study", &study)?;
    let asked = study.clone();
    let found = ask(&portal.archive, move |archive| {
        let db = archive.db();
        let key = asked.as_str();
        let row = db.subject(Kind::QualityMark, key)?;
        Ok((db.has_study(&asked)?, row, db.versions_of(Kind::QualityMark, key, MARKS_MAX)?))
    });
    let (known, row, all) = found.await?;
    if !known {
        return Err(Problem::NotFound("study"));
    }
    let current = row.and_then(|row| Some(Stated { version: row.version, statement: row.current? }));
    Ok(Json(json!({
        "study": study.as_str(),
        "mark": current.as_ref().map(shown),
        "marks": all.iter().map(shown).collect::<Vec<Value>>(),
    })))
}

/// States a mark. The reader is the one who says it, unless the request names another.
pub(super) async fn mark(
    State(portal): State<Portal>,
    Path(study): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let study = uid("study", &study)?;
    let mut request = Request::read(&parts, &body)?;
    let based_on = request.basis()?;
    let mark = request.fields.one_of("mark")?.ok_or_else(|| Problem::Invalid("mark", "is missing".into()))?;
    let reader = request.text("reader")?.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    request.end()?;
    let Request { who, why, key: id, .. } = request;
    let state =
        Statement::QualityMark(QualityMark { mark, reader: reader.unwrap_or_else(|| who.name.clone()) });
    let said = Said { id, key: study.to_string(), state, based_on, who, why };
    let stated = say(&portal.archive, move |archive| archive.state(said));
    Ok((StatusCode::CREATED, Json(shown(&stated.await?))))
}

fn shown(stated: &Stated) -> Value {
    let Statement::QualityMark(QualityMark { mark, reader }) = &stated.statement.state else {
        return Value::Null;
    };
    let made = json!({ "study": stated.statement.subject.key, "mark": mark, "reader": reader });
    told_with(stated, made)
}
