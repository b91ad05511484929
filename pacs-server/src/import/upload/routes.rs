//! `/api/v1/imports`: beginning an import, its files one by one, how it is, its end, its report.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use indexer::archive::{StateError, StateErrorKind};
use indexer::db::FacilityId;
use indexer::principal::Principal;
use indexer::statement::{Evidence, Who};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::body::{self, Incoming};
use super::session::Session;
use super::unpack::{is_zip, unpack};
use super::{Shared, Uploads, job};
use crate::import::file::{self, FIRST, PIECE, fill};
use crate::import::intake::LocalPatient;
use crate::import::source::Source;
use crate::import::tally::FileOutcome;

/// Most bytes of the request that begins an import.
const BEGIN_BYTES: usize = 16 * 1024;
/// Most characters of what a file is called.
const PATH_CHARS: usize = 1024;
/// Most zip archives of one import: each is told of for as long as the import is.
const ZIPS: usize = 1000;
/// How long a file waits for its turn; after that its sender is asked to come again.
const TURN: Duration = Duration::from_secs(20);
/// Seconds after which a sender is asked to come again.
const AGAIN_SECONDS: &str = "3";
/// Bytes between two looks whether the disk has room for a zip archive.
const LOOK_BYTES: u64 = 64 * 1024 * 1024;

/// The routes, to be merged at the root.
pub fn router(uploads: Uploads) -> Router {
    Router::new()
        .route("/api/v1/imports", post(begin).layer(axum::extract::DefaultBodyLimit::max(BEGIN_BYTES)))
        .route("/api/v1/imports/{id}", get(status).delete(give_up))
        .route("/api/v1/imports/{id}/files", post(take).put(take))
        .route("/api/v1/imports/{id}/end", post(end))
        .route("/api/v1/imports/{id}/report.csv", get(report))
        .with_state(uploads.shared)
}

/// Why a request was not done.
enum Refused {
    /// There is no such import: it never was, or the server was started since.
    Unknown,
    /// It takes no files any more.
    Ended,
    /// Not now: why.
    Later(String),
    /// The request is wrong: which part of it, and why.
    Wrong(&'static str, String),
    /// The file did not come to its end.
    Broken,
    Failed,
}

impl From<StateError> for Refused {
    fn from(error: StateError) -> Refused {
        match error {
            StateError::Invalid(error) => Refused::Wrong(error.field, error.reason),
            error if error.kind() == StateErrorKind::Unavailable => Refused::Later(error.to_string()),
            error => {
                tracing::error!(%error, "an import");
                Refused::Failed
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let field = match &self {
            Refused::Wrong(field, _) => Some(*field),
            Refused::Broken => Some("body"),
            _ => None,
        };
        let (status, title) = match self {
            Refused::Unknown => (
                StatusCode::NOT_FOUND,
                "this import is not known; the server may have been started again. What was stored is stored: \
                 begin another import and send the files again"
                    .to_owned(),
            ),
            Refused::Ended => (StatusCode::CONFLICT, "this import has ended; begin another one".to_owned()),
            Refused::Later(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
            Refused::Wrong(_, why) => (StatusCode::BAD_REQUEST, why),
            Refused::Broken => (StatusCode::BAD_REQUEST, "the file did not come to its end; send it again".to_owned()),
            Refused::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "the server's log says why".to_owned()),
        };
        let body = json!({ "title": title, "status": status.as_u16(), "field": field }).to_string();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static(AGAIN_SECONDS));
        }
        (status, headers, body).into_response()
    }
}

/// What an import is for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    facility: Option<String>,
    issuer: Option<String>,
    source: Option<String>,
    /// The patient for whom the files were brought.
    patient: Option<LocalPatient>,
    /// Who imports, where nobody has to sign in.
    who: Option<String>,
}

async fn begin(
    State(shared): State<Arc<Shared>>,
    who: Option<Extension<Principal>>,
    Json(wanted): Json<Wanted>,
) -> Result<Response, Refused> {
    // A machine that acts for a facility stores for no other one.
    let signed_in = who.as_ref().and_then(|Extension(who)| match who {
        Principal::Person { .. } | Principal::Machine { .. } => Some(who.who().to_owned()),
        _ => None,
    });
    let own = who.as_ref().map(|Extension(who)| who.facility()).filter(|own| *own != FacilityId(0));
    let given = |text: Option<String>| text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let mut job = job(given(wanted.facility), given(wanted.issuer), given(wanted.source));
    job.patient = wanted.patient.map(|patient| LocalPatient {
        facility: given(patient.facility),
        issuer: given(patient.issuer),
        patient_id: patient.patient_id.trim().to_owned(),
    });
    let says = speaker(who.as_ref().map(|Extension(who)| who), given(wanted.who), job.patient.is_some())?;
    job.check_labels().map_err(|error| {
        let why = error.to_string();
        let fields = [("patient's number", "patient.patient_id"), ("patient's facility", "patient.facility")];
        let named =
            fields.into_iter().chain([("facility", "facility"), ("issuer", "issuer"), ("source", "source")]);
        let field = named.clone().find(|(words, _)| why.contains(words)).map(|(_, field)| field);
        Refused::Wrong(field.unwrap_or("body"), why)
    })?;
    // The label is what somebody wrote; who brought the files stands beside it and cannot be claimed.
    if let Some(name) = signed_in {
        let label = job.source.map(|label| format!("{label} ")).unwrap_or_default();
        job.source = Some(format!("{label}by {name}"));
    }
    let session = tokio::task::spawn_blocking(move || {
        let facility = match &job.facility {
            None => own.unwrap_or(FacilityId(0)),
            Some(code) => {
                let codes = shared.archive.db().facility_codes().map_err(|error| {
                    tracing::error!(%error, "an import was not begun");
                    Refused::Failed
                })?;
                let known = codes.iter().rfind(|known| known.code == *code);
                let known = known.map(|known| known.facility);
                // A disc may come from a hospital that never sent anything.
                let known = match (known, &job.patient) {
                    (Some(known), _) => known,
                    (None, Some(_)) if own.is_none() && is_national(code) => shared.archive.facility(code)?,
                    _ => return Err(Refused::Wrong("facility", "no such facility".to_owned())),
                };
                if own.is_some_and(|own| own != known) {
                    return Err(Refused::Wrong("facility", "the token acts for another facility".to_owned()));
                }
                known
            }
        };
        let session = Session::new(&shared.archive, facility, (job, says))?.ok_or(Refused::Failed)?;
        Ok(shared.begin(session))
    });
    let session = session.await.map_err(|_| Refused::Failed)??;
    let href = format!("/api/v1/imports/{}", session.id());
    let body = Json(json!({ "id": session.id(), "href": href }));
    Ok((StatusCode::CREATED, [(header::LOCATION, href)], body).into_response())
}

/// Who takes in what is brought for a patient: who signed in, else who the request claims.
fn speaker(who: Option<&Principal>, claimed: Option<String>, needed: bool) -> Result<Option<Who>, Refused> {
    match (who, claimed) {
        _ if !needed => Ok(None),
        (Some(Principal::Person { account, .. }), _) => {
            Ok(Some(Who { name: account.clone(), by: Evidence::Account }))
        }
        (Some(Principal::Machine { name, .. }), claimed) => {
            let name = claimed.map_or_else(|| name.clone(), |user| format!("{name} for {user}"));
            Ok(Some(Who { name, by: Evidence::Token }))
        }
        (_, Some(name)) => Ok(Some(Who { name, by: Evidence::Claimed })),
        (_, None) => Err(Refused::Wrong("who", "say who takes in what was brought".to_owned())),
    }
}

/// Whether a text has the form of a facility's national code (MA_CSKCB).
fn is_national(code: &str) -> bool {
    code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

async fn status(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Response, Refused> {
    let session = shared.import(&id).ok_or(Refused::Unknown)?;
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((headers, Json(session.status())).into_response())
}

async fn end(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Response, Refused> {
    let session = shared.import(&id).ok_or(Refused::Unknown)?;
    let noting = session.clone();
    tokio::task::spawn_blocking(move || noting.note()).await.map_err(|_| Refused::Failed)??;
    session.end();
    Ok(Json(session.status()).into_response())
}

async fn give_up(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Response, Refused> {
    let session = shared.import(&id).ok_or(Refused::Unknown)?;
    session.cancel.set();
    session.end();
    Ok(Json(session.status()).into_response())
}

async fn report(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Response, Refused> {
    let session = shared.import(&id).ok_or(Refused::Unknown)?;
    let headers: [(HeaderName, &str); 4] = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"import.csv\""),
        (header::CACHE_CONTROL, "private, no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, super::csv::csv(&session.status().report)).into_response())
}

#[derive(Debug, Deserialize)]
struct Named {
    #[serde(default)]
    path: String,
}

/// What became of a file.
#[derive(Debug, Serialize)]
struct Told {
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

async fn take(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(named): Query<Named>,
    body: Body,
) -> Result<Response, Refused> {
    let session = shared.import(&id).ok_or(Refused::Unknown)?;
    if session.is_ended() {
        return Err(Refused::Ended);
    }
    if let Some(error) = shared.archive.refuses() {
        return Err(Refused::Later(error.to_string()));
    }
    let turn = tokio::time::timeout(TURN, shared.files.clone().acquire_owned()).await;
    let turn =
        turn.ok().and_then(Result::ok).ok_or_else(|| Refused::Later("too many files at once".to_owned()))?;
    let path: String = named.path.chars().take(PATH_CHARS).collect();
    let (outlet, incoming) = body::pair();
    let (idle, limit) = (shared.idle, shared.limits.zip_bytes.max(shared.scan.instance_bytes));
    let (reading_shared, reading) = (shared.clone(), session.clone());
    let (tell, read) = tokio::sync::oneshot::channel();
    // Not a thread that all answers share: this one waits for a peer, who may be slow on purpose.
    let thread = std::thread::Builder::new().name("upload".into()).spawn(move || {
        let taken = take_one(&reading_shared, &reading, path, incoming);
        drop(turn);
        // Who hung up is not told.
        let _ = tell.send(taken);
    });
    thread.map_err(|_| Refused::Later("no thread is free".to_owned()))?;
    let bytes = outlet.pump(body, limit, idle).await;
    session.received(bytes);
    let (status, told) = read.await.map_err(|_| Refused::Failed)??;
    Ok((status, Json(told)).into_response())
}

/// Reads one file and stores what it is.
fn take_one(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    path: String,
    mut incoming: Incoming,
) -> Result<(StatusCode, Told), Refused> {
    let busy = session.busy();
    let mut piece = vec![0; PIECE];
    let first = fill(&mut incoming, &mut piece[..FIRST]).map_err(|_| Refused::Broken)?;
    if is_zip(&piece[..first]) {
        return keep_zip(shared, session, path, &piece[..first], incoming);
    }
    let broken = incoming.broken();
    let source = Source::Stream(Box::new(incoming), shared.folder.clone());
    let outcome = file::take_in(source, first, (session.target(), shared.scan), &mut piece);
    let outcome = outcome.map_err(Refused::Later)?;
    if broken.load(Ordering::Acquire) && matches!(outcome, FileOutcome::Refused(_)) {
        return Err(Refused::Broken);
    }
    session.count(&path, &outcome);
    drop(busy);
    Ok((StatusCode::OK, told(outcome)))
}

fn told(outcome: FileOutcome) -> Told {
    use indexer::archive::Outcome;
    let word = match &outcome {
        FileOutcome::Stored { stored, .. } => match stored.outcome {
            Outcome::New => "stored",
            Outcome::Version => "version",
            Outcome::Duplicate | Outcome::Holding => "duplicate",
        },
        FileOutcome::Readable => "readable",
        FileOutcome::NotDicom => "not_dicom",
        FileOutcome::Dicomdir => "dicomdir",
        FileOutcome::Refused(_) => "refused",
    };
    let reason = match outcome {
        FileOutcome::Refused(reason) => Some(reason),
        _ => None,
    };
    Told { outcome: word, reason }
}

/// Keeps a zip archive and has it read behind the answer.
fn keep_zip(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    path: String,
    first: &[u8],
    mut incoming: Incoming,
) -> Result<(StatusCode, Told), Refused> {
    if session.zips() >= ZIPS {
        return Err(Refused::Wrong(
            "body",
            format!("an import takes {ZIPS} zip archives; begin another one"),
        ));
    }
    let turn = shared.zips.clone().try_acquire_owned();
    let turn = turn.map_err(|_| Refused::Later("other zip archives are being read".to_owned()))?;
    let kept = keep(shared, first, &mut incoming).map_err(|error| match error {
        Some(why) => Refused::Later(why),
        None => Refused::Broken,
    })?;
    let (behind, of) = (shared.clone(), session.clone());
    let (begun, begins) = std::sync::mpsc::channel();
    let work = move |turn: OwnedSemaphorePermit| {
        let busy = of.busy();
        // Before the answer: who asks right after it must not find the import at its end.
        let _ = begun.send(());
        unpack(&behind, &of, &path, kept);
        drop(busy);
        drop(turn);
    };
    let thread = std::thread::Builder::new().name("import-zip".into()).spawn(move || work(turn));
    let thread = thread.map_err(|error| {
        tracing::warn!(%error, "a zip archive was not read");
        Refused::Later("the server is busy".to_owned())
    })?;
    let _ = begins.recv();
    let mut unpacking = shared.unpacking();
    unpacking.retain(|thread| !thread.is_finished());
    unpacking.push(thread);
    Ok((StatusCode::ACCEPTED, Told { outcome: "zip", reason: None }))
}

/// Copies a zip archive into a file without a name. The error says why it has to come later, or nothing where the
/// sender broke off.
fn keep(shared: &Shared, first: &[u8], incoming: &mut Incoming) -> Result<File, Option<String>> {
    let wrong = |error: io::Error| Some(format!("a zip archive cannot be kept: {error}"));
    let mut kept = tempfile::tempfile_in(&shared.folder).map_err(wrong)?;
    kept.write_all(first).map_err(wrong)?;
    let mut piece = vec![0; PIECE];
    let mut until_look = LOOK_BYTES;
    loop {
        let length = fill(incoming, &mut piece).map_err(|_| None)?;
        kept.write_all(&piece[..length]).map_err(wrong)?;
        if length < piece.len() {
            return Ok(kept);
        }
        until_look = until_look.saturating_sub(length as u64);
        if until_look == 0 {
            until_look = LOOK_BYTES;
            if let Some(error) = shared.archive.refuses() {
                return Err(Some(error.to_string()));
            }
        }
    }
}
