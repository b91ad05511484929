//! `/intakes`: what was brought from elsewhere, who the pictures name beside the patient they were brought for, and the
//! word of a person who saw a document. Programs have the same under `/api/v1/intakes`.

mod page;
mod post;
pub(crate) mod words;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, http::StatusCode};
use indexer::archive::{Archive, BroughtIs, IntakeSeen, StateError};
use indexer::db::{FacilityId, Stated};
use indexer::statement::{Intake, State as Statement};
use serde_json::{Value, json};

use crate::api::{Stretch, ask};
use crate::frame::Failure;
use crate::language::Language;
use crate::persons::{Codes, codes};
use crate::problem::{Asked, Problem};
use crate::sign_in::Who;
use crate::stating::{Request, key_of_patient, person_shown, say, told, told_with};
use crate::{FORM_BYTES, Portal};

pub(crate) use page::by;
pub(crate) use words::words;

/// Imports of a page.
const ROWS: u32 = 50;

/// The routes of this module.
pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/intakes", get(list))
        .route("/intakes/{id}", get(one).post(post::said))
        .route("/api/v1/intakes", get(told_list))
        .route("/api/v1/intakes/{id}", get(told_one))
        .route("/api/v1/intakes/{id}/persons/{key}", post(confirm))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
}

/// What an import says, where it was for a patient.
pub(crate) fn of(stated: &Stated) -> Option<&Intake> {
    match &stated.statement.state {
        Statement::Intake(intake) => Some(intake),
        _ => None,
    }
}

/// The code of a facility by its number.
pub(crate) fn code(codes: &Codes, number: u32) -> &str {
    codes.get(&FacilityId(number)).map_or("", String::as_str)
}

async fn list(State(portal): State<Portal>, language: Language, who: Who) -> Result<Response, Failure> {
    let (rows, codes) = ask(&portal.archive, |archive| {
        Ok((
            listed(archive, ROWS, 0).map_err(|_| indexer::db::DbError::Invalid("intake"))?,
            codes(archive.db())?,
        ))
    })
    .await
    .map_err(Failure::of(language))?;
    Ok(page::list(&portal, language, &who, &rows, &codes))
}

/// Imports with all that is known of them, the latest first.
fn listed(archive: &Archive, limit: u32, offset: u32) -> Result<Vec<IntakeSeen>, StateError> {
    let rows = archive.db().intakes(limit, offset)?;
    rows.iter().map(|stated| archive.intake(&stated.statement.subject.key)).collect()
}

async fn one(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    shown(&portal, language, &who, &id, None).await
}

async fn shown(
    portal: &Portal,
    language: Language,
    who: &Who,
    id: &str,
    refused: Option<(StatusCode, String)>,
) -> Result<Response, Failure> {
    let wanted = id.to_owned();
    let read = say(&portal.archive, move |archive| {
        let seen = archive.intake(&wanted)?;
        Ok::<_, Problem>((seen, codes(archive.db())?))
    });
    match read.await {
        Ok((seen, codes)) => Ok(page::one(portal, language, who, (&seen, &codes), refused)),
        Err(Problem::NotFound(_)) => Err(Failure::no_such(language, words(language).no_such)),
        Err(problem) => Err(Failure::of(language)(problem)),
    }
}

/// GET `/api/v1/intakes`.
async fn told_list(
    State(portal): State<Portal>,
    Asked(stretch): Asked<Stretch>,
) -> Result<Json<Value>, Problem> {
    let (limit, offset) = stretch.bounds();
    let rows = say(&portal.archive, move |archive| {
        let codes = codes(archive.db())?;
        let rows = archive.db().intakes(limit, offset)?;
        Ok::<_, Problem>(rows.iter().filter_map(|row| summary(row, &codes)).collect::<Vec<Value>>())
    });
    Ok(Json(Value::Array(rows.await?)))
}

fn summary(stated: &Stated, codes: &Codes) -> Option<Value> {
    let intake = of(stated)?;
    let more = json!({
        "intake": stated.statement.subject.key, "origin": code(codes, intake.origin), "label": intake.label,
        "patient": {
            "facility": code(codes, intake.facility), "issuer": intake.issuer, "patient_id": intake.patient_id,
        },
        "studies": intake.studies,
    });
    Some(told_with(stated, more))
}

/// GET `/api/v1/intakes/{id}`.
async fn told_one(State(portal): State<Portal>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let answer = say(&portal.archive, move |archive| {
        let seen = archive.intake(&id)?;
        let mut all = summary(&seen.stated, &codes(archive.db())?).ok_or(Problem::NotFound("intake"))?;
        let here = seen.patients.iter().map(|person| person_shown(archive, person));
        all["here"] = Value::Array(here.collect::<Result<_, Problem>>()?);
        let mut persons = Vec::new();
        for brought in &seen.brought {
            persons.push(json!({
                "person": person_shown(archive, &brought.person)?, "standing": brought.standing,
                "patient": brought.patient, "clashes": brought.clashes, "studies": brought.studies, "said": brought.said.as_ref().map(told),
            }));
        }
        all["persons"] = Value::Array(persons);
        all["withdrawn"] = json!(seen.gone);
        Ok::<_, Problem>(all)
    });
    Ok(Json(answer.await?))
}

/// POST `/api/v1/intakes/{id}/persons/{key}`: that somebody who was brought is the patient, or is not.
async fn confirm(
    State(portal): State<Portal>,
    Path((id, key)): Path<(String, String)>,
    parts: axum::http::request::Parts,
    body: axum::body::Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let person = key_of_patient(&key)?;
    let mut request = Request::read(&parts, &body)?;
    let linked = request.fields.flag("linked")?;
    let linked = linked.ok_or_else(|| Problem::Invalid("linked", "is missing".into()))?;
    let document = request.text("document")?.unwrap_or_default().trim().to_owned();
    let patient = request.text("patient")?.map(|key| key_of_patient(&key)).transpose()?;
    let based_on = request.basis()?;
    request.end()?;
    if linked && document.is_empty() {
        return Err(Problem::Invalid("document", "is missing: which document was seen".into()));
    }
    let more = json!({ "linked": linked, "document": document });
    let is = BroughtIs { intake: id, person, patient, linked, document };
    let Request { who, why, key, .. } = request;
    let stated =
        say(&portal.archive, move |archive| archive.confirm_brought(is, (key, based_on), (who, why)));
    Ok((StatusCode::CREATED, Json(told_with(&stated.await?, more))))
}
