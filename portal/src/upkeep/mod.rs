//! `/api/v1/verifications`, `/api/v1/compactions` and `/api/v1/packs`: what is stored is read again, or given back room,
//! because somebody asks; the same as the commands `verify` and `compact` do in a running server.
//!
//! A job runs behind its answer, one of each kind at a time, and is asked for until the server ends: what it found is in
//! the rows, what it removed is a statement with who and why.

mod job;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use indexer::archive::{Archive, CompactJob, VerifyJob};
use indexer::statement::Who;
use serde_json::{Value, json};
use storage_config::config::{Retention, Verify};

use crate::Portal;
use crate::api::ask;
use crate::problem::Problem;
use crate::stating::Request;
pub(crate) use job::{Job, Kind};

/// Jobs that are remembered.
const JOBS: usize = 50;

/// What runs, and what ran, of this kind of work. Cheap to clone.
#[derive(Clone)]
pub struct Upkeep {
    shared: Arc<Shared>,
}

struct Shared {
    archive: Archive,
    verify: Verify,
    retention: Retention,
    jobs: Mutex<Vec<Arc<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Upkeep {
    /// Work on `archive` as the configuration allows it.
    #[must_use]
    pub fn new(archive: &Archive, verify: Verify, retention: Retention) -> Upkeep {
        let (jobs, threads) = (Mutex::default(), Mutex::default());
        Upkeep { shared: Arc::new(Shared { archive: archive.clone(), verify, retention, jobs, threads }) }
    }

    /// Has what runs end after what is under way, and waits until it has.
    pub fn stop(&self) {
        self.jobs().iter().for_each(|job| job.stop.store(true, Ordering::Release));
        let threads =
            std::mem::take(&mut *self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a verification or compaction ended with a panic");
            }
        }
    }

    fn jobs(&self) -> MutexGuard<'_, Vec<Arc<Job>>> {
        self.shared.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What runs or ran of a kind, the latest first.
    pub(crate) fn of(&self, kind: Kind) -> Vec<Arc<Job>> {
        self.jobs().iter().rev().filter(|job| job.kind == kind).cloned().collect()
    }

    /// Begins a job, unless one of its kind runs.
    fn begin(
        &self,
        (kind, asked): (Kind, Value),
        (who, why): (Who, String),
        work: impl FnOnce(&Archive, &Job) -> Result<Value, String> + Send + 'static,
    ) -> Result<Arc<Job>, Problem> {
        let mut jobs = self.jobs();
        if jobs.iter().any(|job| job.kind == kind && job.runs()) {
            return Err(Problem::Conflict(None, format!("a {} runs already", kind.name())));
        }
        let id = jobs.iter().map(|job| job.id).max().unwrap_or(0) + 1;
        let job = Arc::new(Job::new(id, (kind, asked), (who, why)));
        let (mine, archive) = (job.clone(), self.shared.archive.clone());
        let thread = std::thread::Builder::new().name(kind.name().into()).spawn(move || {
            let result = work(&archive, &mine);
            tracing::info!(kind = mine.kind.name(), ok = result.is_ok(), "a job ended");
            mine.end(result);
        });
        let thread = thread.map_err(Problem::failed)?;
        tracing::info!(kind = kind.name(), who = %job.who.name, by = ?job.who.by, asked = %job.asked, "a job begins");
        let mut threads = self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        jobs.push(job.clone());
        while jobs.len() > JOBS {
            jobs.remove(0);
        }
        Ok(job)
    }
}

/// The routes of this module.
pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/api/v1/verifications", get(verifications).post(verify))
        .route("/api/v1/verifications/{id}", get(verification).delete(stop_verification))
        .route("/api/v1/compactions", get(compactions).post(compact))
        .route("/api/v1/compactions/{id}", get(compaction).delete(stop_compaction))
        .route("/api/v1/packs", get(packs))
}

fn upkeep(portal: &Portal) -> Result<Upkeep, Problem> {
    portal.site.upkeep.clone().ok_or(Problem::NotFound("upkeep of this archive"))
}

fn begun(job: &Job) -> Response {
    let href = format!("/api/v1/{}s/{}", job.kind.name(), job.id);
    (StatusCode::ACCEPTED, [(header::LOCATION, href)], Json(job.told())).into_response()
}

/// POST `/api/v1/verifications`.
async fn verify(State(portal): State<Portal>, parts: Parts, body: Bytes) -> Result<Response, Problem> {
    let upkeep = upkeep(&portal)?;
    let mut request = Request::read(&parts, &body)?;
    let sample_percent = request.fields.percent("sample_percent")?;
    if sample_percent == Some(0) {
        return Err(Problem::Invalid("sample_percent", "is no whole number from 1 to 100".into()));
    }
    let (pack, study) = (request.text("pack")?, request.uid("study")?);
    let from_start = request.yes("from_start")?;
    request.end()?;
    if study.is_some() && (pack.is_some() || sample_percent.is_some()) {
        return Err(Problem::Invalid("study", "cannot be asked for together with a pack or a sample".into()));
    }
    let asked = json!({
        "sample_percent": sample_percent, "pack": pack, "study": study, "from_start": from_start,
    });
    let rate = Some(upkeep.shared.verify.bytes_per_second).filter(|rate| *rate > 0);
    let job = VerifyJob { sample_percent, bytes_per_second: rate, pack, study, against: None, from_start };
    let said = (request.who, request.why);
    let begun_job = upkeep.begin((Kind::Verification, asked), said, move |archive, mine| {
        let stop = || mine.stop.load(Ordering::Acquire);
        let report = archive.verify(&job, &stop, &mut |progress| mine.tell(json!(progress)));
        report.map(|report| json!(report)).map_err(|error| error.to_string())
    })?;
    Ok(begun(&begun_job))
}

/// POST `/api/v1/compactions`: says what would be removed unless it is asked with `dry_run` false.
async fn compact(State(portal): State<Portal>, parts: Parts, body: Bytes) -> Result<Response, Problem> {
    let upkeep = upkeep(&portal)?;
    let mut request = Request::read(&parts, &body)?;
    let dry_run = request.fields.flag("dry_run")?.unwrap_or(true);
    request.end()?;
    if !dry_run && request.why.trim().is_empty() {
        return Err(Problem::Invalid("why", "is missing: what is removed cannot be given back".into()));
    }
    let Retention { min_years, grace_days, compact_percent } = upkeep.shared.retention;
    let rate = Some(upkeep.shared.verify.bytes_per_second).filter(|rate| *rate > 0);
    let job = CompactJob {
        dry_run,
        min_years,
        grace_days,
        percent: compact_percent,
        bytes_per_second: rate,
        who: request.who.name.clone(),
        why: request.why.clone(),
    };
    let asked = json!({ "dry_run": dry_run, "min_years": min_years, "grace_days": grace_days });
    let said = (request.who, request.why);
    let begun_job = upkeep.begin((Kind::Compaction, asked), said, move |archive, mine| {
        let report = archive.compact(&job, &|| mine.stop.load(Ordering::Acquire));
        report.map(|report| json!(report)).map_err(|error| error.to_string())
    })?;
    Ok(begun(&begun_job))
}

async fn verifications(State(portal): State<Portal>) -> Result<Json<Value>, Problem> {
    Ok(Json(upkeep(&portal)?.of(Kind::Verification).iter().map(|job| job.told()).collect()))
}

async fn compactions(State(portal): State<Portal>) -> Result<Json<Value>, Problem> {
    Ok(Json(upkeep(&portal)?.of(Kind::Compaction).iter().map(|job| job.told()).collect()))
}

fn found(portal: &Portal, kind: Kind, id: &str) -> Result<Arc<Job>, Problem> {
    let jobs = upkeep(portal)?.of(kind);
    jobs.into_iter().find(|job| job.id.to_string() == id).ok_or(Problem::NotFound(kind.name()))
}

async fn verification(State(portal): State<Portal>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(found(&portal, Kind::Verification, &id)?.told()))
}

async fn compaction(State(portal): State<Portal>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(found(&portal, Kind::Compaction, &id)?.told()))
}

async fn stop_verification(
    State(portal): State<Portal>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    stop(found(&portal, Kind::Verification, &id)?.as_ref())
}

async fn stop_compaction(
    State(portal): State<Portal>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    stop(found(&portal, Kind::Compaction, &id)?.as_ref())
}

/// Asks a job to end after what is under way.
fn stop(job: &Job) -> Result<Json<Value>, Problem> {
    job.stop.store(true, Ordering::Release);
    Ok(Json(job.told()))
}

/// What is known of a pack. Packs go by their number: the random part of a name protects its records against forgery.
pub(crate) struct PackSeen {
    pub number: i64,
    pub sealed: bool,
    pub bytes: u64,
    /// When its last pass ended; 0 for never.
    pub verified_ms: i64,
    /// Damaged stretches that it found.
    pub damaged: u64,
    /// Whether a pass is under way, and where it is, in bytes.
    pub place: u64,
}

/// The packs that are there, by number.
pub(crate) fn packs_seen(archive: &Archive) -> Result<Vec<PackSeen>, indexer::db::DbError> {
    let verified = archive.db().packs_verified()?;
    let packs = archive.db().packs()?.into_iter().filter(|pack| !pack.removed).map(|pack| {
        let pass = verified.iter().find(|pass| pass.name == pack.name);
        PackSeen {
            number: pack.id.0,
            sealed: pack.sealed,
            bytes: pack.length.max(pack.checkpoint),
            verified_ms: pass.map_or(0, |pass| pass.at_ms),
            damaged: pass.map_or(0, |pass| pass.damaged.max(pass.found)),
            place: pass.map_or(0, |pass| pass.place),
        }
    });
    Ok(packs.collect())
}

/// GET `/api/v1/packs`.
async fn packs(State(portal): State<Portal>) -> Result<Json<Value>, Problem> {
    let packs = ask(&portal.archive, packs_seen).await?;
    let rows = packs.into_iter().map(|pack| {
        json!({
            "pack": pack.number, "sealed": pack.sealed, "bytes": pack.bytes, "damaged": pack.damaged,
            "verified_at_ms": (pack.verified_ms > 0).then_some(pack.verified_ms), "verifying_at": pack.place,
        })
    });
    Ok(Json(rows.collect()))
}
