//! Notes of backups: the archive does not make them, it says how long ago the last one was.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use storage_config::operator::{BackupNote, Backups};

use crate::Portal;
use crate::calendar::now_ms;
use crate::machines::{back, body};
use crate::problem::Problem;

/// What is said of a backup.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[serde(default)]
    label: String,
}

fn backups(portal: &Portal) -> Result<std::sync::Arc<Backups>, Problem> {
    portal.site.backups.clone().ok_or(Problem::NotFound("list of backups"))
}

/// GET `/api/v1/backups`: the notes, the latest first.
pub(crate) async fn list(State(portal): State<Portal>) -> Result<Json<Value>, Problem> {
    let backups = backups(&portal)?;
    let notes = tokio::task::spawn_blocking(move || backups.all()).await;
    let notes = notes.map_err(Problem::failed)?.map_err(Problem::failed)?;
    Ok(Json(notes.iter().map(shown).collect()))
}

/// POST `/api/v1/backups`: notes one.
pub(crate) async fn note(State(portal): State<Portal>, request: Request) -> Result<Response, Problem> {
    let backups = backups(&portal)?;
    let (wanted, form) = body::<Wanted>(request).await?;
    let noted = tokio::task::spawn_blocking(move || backups.note(&wanted.label, now_ms())).await;
    let noted = noted.map_err(Problem::failed)?.map_err(Problem::failed)?;
    Ok(if form { back("/state") } else { (StatusCode::CREATED, Json(shown(&noted))).into_response() })
}

fn shown(note: &BackupNote) -> Value {
    json!({ "at_ms": note.at_ms, "label": note.label })
}
