//! `/api/v1/patients`: which patients are one person, who may be, and which numbers people evidence.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use indexer::archive::{Archive, Basis, LinkPatients, Said};
use indexer::db::{FacilityId, PersonRecord};
use indexer::query::{GroupKey, Level, Match, NotAKey, Query};
use indexer::statement::{PatientNumbers, State as Statement};
use serde_json::{Value, json};
use storage_config::Uid;

use super::body::Request;
use super::orders::identifier;
use super::{say, told_with};
use crate::Portal;
use crate::api::ask;
use crate::problem::Problem;

/// Studies that are named of a person who is shown beside another one.
const STUDIES_MAX: u32 = 20;

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
    let document = request.text("document")?.unwrap_or_default().trim().to_owned();
    let based_on: Basis = request.basis()?;
    request.end()?;
    let (a, b) = (patient(portal, "a", a).await?, patient(portal, "b", b).await?);
    let link = LinkPatients { a, b, linked, document: document.clone() };
    let Request { who, why, key: id, .. } = request;
    let stated =
        say(&portal.archive, move |archive| archive.link_patients(link, (id, based_on), (who, why))).await?;
    let more = json!({ "a": a, "b": b, "linked": linked, "document": document });
    Ok((StatusCode::CREATED, Json(told_with(&stated, more))))
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

/// A patient's key in a path.
pub(crate) fn key_of(key: &str) -> Result<GroupKey, Problem> {
    key.parse().map_err(|error: NotAKey| Problem::Invalid("key", error.to_string()))
}

/// The patients that are one person with a patient, and how that is known.
pub(super) async fn links(
    State(portal): State<Portal>,
    Path(key): Path<String>,
) -> Result<Json<Value>, Problem> {
    let key = key_of(&key)?;
    let answer = say(&portal.archive, move |archive| {
        let db = archive.db();
        let keys = db.linked_patients(key)?;
        let kin = db.kin(&key)?;
        let members = kin.iter().flat_map(|kin| &kin.members).filter(|member| member.record.has_study);
        let members: Vec<Value> = members
            .map(|member| {
                json!({
                    "patient": member.record.key, "status": member.status, "grounds": member.grounds,
                })
            })
            .collect();
        let clashing: Vec<Value> = kin
            .iter()
            .flat_map(|kin| &kin.clashing)
            .map(|(record, clashes)| json!({ "patient": record.key, "clashes": clashes }))
            .collect();
        Ok::<Value, Problem>(json!({ "patients": keys, "members": members, "clashing": clashing }))
    });
    Ok(Json(answer.await?))
}

/// Who is possibly the same person, not confirmed, the most likely first: identities, neither pictures nor reports.
pub(super) async fn candidates(
    State(portal): State<Portal>,
    Path(key): Path<String>,
) -> Result<Json<Value>, Problem> {
    let key = key_of(&key)?;
    let answer = say(&portal.archive, move |archive| {
        let db = archive.db();
        let kin = db.kin(&key)?.ok_or(Problem::NotFound("patient"))?;
        let candidates = db.candidates(&kin)?;
        let candidates = candidates.iter().map(|candidate| {
            let mut all = shown(archive, &candidate.record)?;
            all["grounds"] = json!(candidate.grounds);
            all["points"] = json!(candidate.points);
            Ok::<Value, Problem>(all)
        });
        let candidates: Vec<Value> = candidates.collect::<Result<_, _>>()?;
        let patient = shown(archive, &kin.anchor)?;
        Ok::<Value, Problem>(json!({ "patient": patient, "candidates": candidates }))
    });
    Ok(Json(answer.await?))
}

/// An identity to be held against another one.
pub(crate) fn shown(archive: &Archive, record: &PersonRecord) -> Result<Value, Problem> {
    let db = archive.db();
    let codes = if record.facility == FacilityId(0) { Vec::new() } else { db.facility_codes()? };
    let code = codes.iter().rfind(|code| code.facility == record.facility).map(|code| &code.code);
    let studies = db.studies_of_person(&record.key, STUDIES_MAX)?;
    Ok(json!({
        "patient": record.key, "patient_id": record.patient_id, "issuer": record.issuer, "facility": code,
        "name": record.person.name, "birth_date": record.birth_date, "sex": record.person.sex,
        "identifiers": record.person.identifiers,
        "studies": studies.iter().map(Uid::as_str).collect::<Vec<_>>(),
    }))
}

/// Says which numbers are a patient's: all of them, with the document that was seen.
pub(super) async fn numbers(
    State(portal): State<Portal>,
    Path(key): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let key = key_of(&key)?;
    let mut request = Request::read(&parts, &body)?;
    let identifiers = request.fields.objects("identifiers", identifier)?;
    let document = request.text("document")?.unwrap_or_default().trim().to_owned();
    let based_on = request.basis()?;
    request.end()?;
    let more = json!({ "patient": key, "identifiers": identifiers, "document": document });
    let state = Statement::PatientNumbers(PatientNumbers { identifiers, document });
    let Request { who, why, key: id, .. } = request;
    let said = Said { id, key: key.to_string(), state, based_on, who, why };
    let stated = say(&portal.archive, move |archive| archive.state(said)).await?;
    Ok((StatusCode::CREATED, Json(told_with(&stated, more))))
}
