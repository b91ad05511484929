//! `/api/v1/reports`: what readers found. The newest version of a report counts; all are kept and listed.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use indexer::archive::Archive;
use indexer::db::{FacilityId, ReportsBy, Stated};
use indexer::reuse::prior::Signature;
use indexer::statement::{Kind, Report, State as Statement};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::{Request, uid};
use super::fields::Fields;
use super::site::{Codes, code, codes, of_token, resolve};
use super::{say, told_with};
use crate::Portal;
use crate::problem::{Asked, Problem};

/// Rows of a list when the request names no number, and at most.
const ROWS: u32 = 100;
const ROWS_MAX: u32 = 1000;
/// Versions of one report that are listed at most.
const VERSIONS_MAX: u32 = 1000;

/// Which reports are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    study: Option<String>,
    accession: Option<String>,
    facility: Option<String>,
    limit: Option<u32>,
    offset: Option<u32>,
}

pub(super) async fn take(
    State(portal): State<Portal>,
    parts: Parts,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let mut request = Request::read(&parts, &body)?;
    let based_on = request.basis()?;
    let study = request.uid("study")?;
    let Request { mut fields, who, why, key, .. } = request;
    let (report, facility) = read(&mut fields)?;
    let token = of_token(&parts);
    let answer = say(&portal.archive, move |archive| {
        let facility = resolve(archive, "facility", facility.as_deref(), token)?;
        let report = Report { facility, study, ..report };
        let stated = archive.report((key, based_on), report, who, why)?;
        shown(archive, &stated, &codes(archive.db())?)
    });
    Ok((StatusCode::CREATED, Json(answer.await?)))
}

pub(super) async fn one(
    State(portal): State<Portal>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let answer = say(&portal.archive, move |archive| {
        let db = archive.db();
        let row = db.subject(Kind::Report, &id)?;
        let current = row.and_then(|row| Some(Stated { version: row.version, statement: row.current? }));
        let current = current.ok_or(Problem::NotFound("report"))?;
        let codes = codes(db)?;
        let mut answer = shown(archive, &current, &codes)?;
        let versions = db.versions_of(Kind::Report, &id, VERSIONS_MAX)?;
        let versions: Vec<Value> = versions.iter().map(|stated| version(stated, &codes)).collect();
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("versions".into(), json!(versions));
        }
        Ok::<Value, Problem>(answer)
    });
    Ok(Json(answer.await?))
}

pub(super) async fn list(
    State(portal): State<Portal>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Value>, Problem> {
    let by = match (&wanted.study, wanted.accession) {
        (Some(study), _) => ReportsBy::Study(uid("study", study)?),
        (None, Some(accession)) => ReportsBy::Accession(accession),
        (None, None) => ReportsBy::Newest,
    };
    let rows = say(&portal.archive, move |archive| {
        let facility = resolve(archive, "facility", wanted.facility.as_deref(), None)?.map(FacilityId);
        let limit = wanted.limit.unwrap_or(ROWS).min(ROWS_MAX);
        let rows = archive.db().reports(&by, facility, limit, wanted.offset.unwrap_or(0))?;
        let codes = codes(archive.db())?;
        rows.iter().map(|stated| shown(archive, stated, &codes)).collect::<Result<Value, Problem>>()
    });
    Ok(Json(rows.await?))
}

/// Reads a report but for its study, and the code of the facility that reports.
fn read(fields: &mut Fields) -> Result<(Report, Option<String>), Problem> {
    let told: Option<Signature> = fields.one_of("signature")?;
    let report = Report {
        facility: None,
        number: fields.words("report_number")?,
        study: None,
        accession: fields.words("accession")?,
        description: fields.text("description")?.unwrap_or_default(),
        conclusion: fields.text("conclusion")?.unwrap_or_default(),
        status: fields.one_of("status")?.ok_or_else(|| Problem::Invalid("status", "is missing".into()))?,
        reader: fields.words("reader")?,
        practice_certificate: fields.words("practice_certificate")?,
        signed_at: fields.one_of("signed_at")?,
        signature: Signature::NotTold,
    };
    // This archive has not verified it, whatever the source did: it is kept as declared.
    let signature = match told {
        Some(Signature::Verified | Signature::Declared) => Signature::Declared,
        None if report.signed_at.is_some() => Signature::Declared,
        told => told.unwrap_or_default(),
    };
    let facility = fields.text("facility")?;
    fields.end("body")?;
    Ok((Report { signature, ..report }, facility))
}

/// A report with the studies that it is about.
fn shown(archive: &Archive, stated: &Stated, codes: &Codes) -> Result<Value, Problem> {
    let Statement::Report(report) = &stated.statement.state else { return Ok(Value::Null) };
    let facility = FacilityId(report.facility.unwrap_or(0));
    let studies = match &report.study {
        Some(study) => vec![study.clone()],
        None => archive.db().studies_under(facility, &report.accession)?,
    };
    let mut answer = version(stated, codes);
    let standing = archive.report_standing(stated, &studies)?;
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("studies".into(), json!(studies));
        answer.insert("second_opinion".into(), json!(standing.second_opinion));
        answer.insert("second_reading_of".into(), json!(standing.second_reading_of));
    }
    Ok(answer)
}

/// A version of a report in the fields of a request.
fn version(stated: &Stated, codes: &Codes) -> Value {
    let Statement::Report(report) = &stated.statement.state else { return Value::Null };
    let Ok(mut fields) = serde_json::to_value(report) else { return Value::Null };
    if let Some(fields) = fields.as_object_mut() {
        fields.remove("facility");
        if let Some(number) = fields.remove("number") {
            fields.insert("report_number".into(), number);
        }
        if let Some(code) = code(codes, report.facility) {
            fields.insert("facility".into(), json!(code));
        }
        fields.insert("report".into(), json!(stated.statement.subject.key));
    }
    told_with(stated, fields)
}
