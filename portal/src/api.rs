//! `/api/v1`: what programs and the pages ask. Everything that touches the index or a pack runs off the threads that
//! serve sockets.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use indexer::archive::Archive;
use indexer::db::DbError;
use serde::Deserialize;
use serde_json::{Value, json};
use storage_config::{ContentHash, Uid};

use crate::Portal;
use crate::machines::Doors;
use crate::problem::{Asked, Problem};

/// Rows of a list when the request names no number, and at most.
const ROWS: u32 = 100;
const ROWS_MAX: u32 = 1000;

/// A stretch of a list.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Stretch {
    limit: Option<u32>,
    offset: Option<u32>,
    /// Of conflicts: those that somebody resolved.
    resolved: Option<bool>,
}

impl Stretch {
    pub(crate) fn bounds(&self) -> (u32, u32) {
        (self.limit.unwrap_or(ROWS).min(ROWS_MAX), self.offset.unwrap_or(0))
    }
}

/// Asks the index on a thread where waiting is allowed.
pub(crate) async fn ask<T: Send + 'static>(
    archive: &Archive,
    question: impl FnOnce(&Archive) -> Result<T, DbError> + Send + 'static,
) -> Result<T, Problem> {
    let archive = archive.clone();
    match tokio::task::spawn_blocking(move || question(&archive)).await {
        Ok(answer) => answer.map_err(Problem::failed),
        Err(error) => Err(Problem::failed(error)),
    }
}

pub(crate) async fn peers(State(portal): State<Portal>) -> Result<Json<Value>, Problem> {
    let peers = ask(&portal.archive, |archive| archive.db().peers()).await?;
    let doors = Doors::of(&portal);
    let rows = peers.into_iter().map(|p| {
        json!({
            "is_configured": doors.is_configured(&p.ae_title, &p.address),
            "is_allowed_here": doors.allowed_here(&p.ae_title, &p.address).is_some(),
            "ae_title": p.ae_title, "address": p.address, "last_echo_ms": time(p.echo_ms),
            "last_store_ms": time(p.store_ms), "last_error_ms": time(p.error_ms), "last_error": p.error,
        })
    });
    Ok(Json(rows.collect()))
}

/// Milliseconds since 1970, none for what never happened.
fn time(ms: i64) -> Option<i64> {
    (ms != 0).then_some(ms)
}

pub(crate) async fn unknown_peers(State(portal): State<Portal>) -> Result<Json<Value>, Problem> {
    let peers = ask(&portal.archive, |archive| archive.db().unknown_peers()).await?;
    let doors = Doors::of(&portal);
    let rows = peers.into_iter().map(|p| {
        json!({
            "ae_title": p.ae_title, "address": p.address, "called": p.called, "first_ms": p.first_ms,
            "last_ms": p.last_ms, "count": p.attempts, "called_is_ours": doors.is_ours(&p.called),
            "is_known": doors.is_known(&p.ae_title, &p.address),
        })
    });
    Ok(Json(rows.collect()))
}

pub(crate) async fn clocks(State(portal): State<Portal>) -> Result<Json<Value>, Problem> {
    let clocks = ask(&portal.archive, |archive| archive.db().machine_clocks(ROWS_MAX)).await?;
    let rows = clocks.into_iter().map(|c| {
        json!({
            "station": c.station, "device_serial": c.serial, "source": c.source,
            "first_ms": c.first_ms, "last_ms": c.last_ms, "instances": c.instances,
            "off_seconds_least": c.off_s.0, "off_seconds_most": c.off_s.1,
        })
    });
    Ok(Json(rows.collect()))
}

pub(crate) async fn conflicts(
    State(portal): State<Portal>,
    Asked(stretch): Asked<Stretch>,
) -> Result<Json<Value>, Problem> {
    let (limit, offset) = stretch.bounds();
    let resolved = stretch.resolved.unwrap_or(false);
    let rows = ask(&portal.archive, move |archive| match resolved {
        true => archive.db().resolved_conflicts(limit, offset),
        false => archive.db().conflicts(limit, offset),
    });
    let rows = rows.await?;
    let rows = rows.into_iter().map(|c| {
        json!({
            "kind": format!("{:?}", c.kind), "study": c.study_uid, "series": c.series_uid,
            "sop_instance": c.sop_instance, "digest": c.digest, "served": c.served,
            "patient_differs": c.patient_differs, "received_ms": c.received_ms,
            "resolved": c.resolved.map(|resolution| resolution.name()),
        })
    });
    Ok(Json(rows.collect()))
}

pub(crate) async fn unindexable(
    State(portal): State<Portal>,
    Asked(stretch): Asked<Stretch>,
) -> Result<Json<Value>, Problem> {
    let (limit, offset) = stretch.bounds();
    let rows = ask(&portal.archive, move |archive| archive.db().unindexable(limit, offset)).await?;
    // The pack's name stays here: its random part protects its records against forgery.
    Ok(Json(rows.into_iter().map(|u| json!({ "offset": u.place.offset, "reason": u.reason })).collect()))
}

fn uid(text: &str) -> Result<Uid, Problem> {
    Uid::parse(text).map_err(|e| Problem::Invalid("sop_instance", e.to_string()))
}

pub(crate) async fn versions(
    State(portal): State<Portal>,
    Path(sop_instance): Path<String>,
) -> Result<Json<Value>, Problem> {
    let sop = uid(&sop_instance)?;
    let rows = ask(&portal.archive, move |archive| archive.db().versions(None, &sop)).await?;
    if rows.is_empty() {
        return Err(Problem::NotFound("instance"));
    }
    let rows = rows.into_iter().map(|v| {
        let i = v.instance;
        json!({
            "digest": i.digest, "served": i.served, "study": i.study_uid, "series": i.series_uid,
            "transfer_syntax": i.transfer_syntax, "received_ms": i.received_ms, "notes": v.notes,
            "conflict": v.conflict.map(|c| format!("{c:?}")), "withdrawn": i.withdrawn,
            "href": (!i.withdrawn).then(|| format!("/api/v1/instances/{sop_instance}/versions/{}", i.digest)),
        })
    });
    Ok(Json(rows.collect()))
}

pub(crate) async fn version(
    State(portal): State<Portal>,
    Path((sop_instance, digest)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let sop = uid(&sop_instance)?;
    let digest: ContentHash =
        digest.parse().map_err(|_| Problem::Invalid("digest", "not 64 hexadecimal digits".into()))?;
    let row = ask(&portal.archive, move |archive| archive.db().instance_by_digest(&digest)).await?;
    let row = row.filter(|row| row.sop_instance == sop).ok_or(Problem::NotFound("version"))?;
    if row.withdrawn {
        return Err(Problem::Withdrawn);
    }
    let archive = portal.archive.clone();
    let (length, body) = dicomweb::instance_file(&archive, row).await.map_err(|_| Problem::Failed)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/dicom")),
        (header::CONTENT_LENGTH, HeaderValue::from(length)),
        // The digest names the bytes: they never change. They may be withdrawn, so nobody else may keep them.
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    Ok((headers, body).into_response())
}
