//! What people say about what is stored, under `/api/v1`: withdrawing and giving back, choosing a version, linking
//! patients, holding a study, choosing the codes of a study; and what other systems say: orders and reports.
//!
//! Each request becomes one statement. The header `Idempotency-Key` names it: the same request under the same key again
//! has the same answer and does nothing. Who says it is decided in [`who`] and nowhere else.

mod body;
pub(crate) mod choosing;
mod codes;
mod collisions;
mod decisions;
mod deliveries;
mod fields;
mod legal_hold;
mod orders;
mod patients;
mod quality;
mod reports;
mod reuse;
pub(crate) mod site;
mod unmet;
mod versions;
pub(crate) mod who;
mod withdrawals;

pub(crate) use body::Request;
pub(crate) use decisions::changed_grounds;
pub(crate) use deliveries::{own as own_deliveries, shown as delivery_shown};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler as _;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use indexer::archive::{Archive, StateError, StateErrorKind};
use indexer::db::Stated;
use serde_json::{Value, json};

use crate::Portal;
use crate::problem::Problem;

pub(crate) use patients::{key_of as key_of_patient, shown as person_shown};
pub(crate) use who::who_field;

/// Most bytes of a request.
const REQUEST_BYTES: usize = 64 * 1024;
/// Most bytes of a request with a report: its longest texts with every character escaped.
const REPORT_BYTES: usize = 256 * 1024;

/// The routes of this module.
pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/api/v1/withdrawals", get(withdrawals::list).post(withdrawals::withdraw))
        .route("/api/v1/withdrawals/sent-again", get(withdrawals::sent_again))
        .route("/api/v1/withdrawals/{id}", get(withdrawals::one))
        .route("/api/v1/withdrawals/{id}/restore", post(withdrawals::restore))
        .route("/conflicts/{study}", get(choosing::page))
        .route("/conflicts/{study}/{series}/{sop_instance}", post(choosing::choose))
        .route("/api/v1/conflicts/{study}/{series}/{sop_instance}/served", post(versions::serve))
        .route("/api/v1/patients/links", post(patients::link))
        .route("/api/v1/patients/unlinks", post(patients::unlink))
        .route("/api/v1/patients/{key}/links", get(patients::links))
        .route("/api/v1/patients/{key}/candidates", get(patients::candidates))
        .route("/api/v1/patients/{key}/identifiers", post(patients::numbers))
        .route("/api/v1/collisions", get(collisions::list).post(collisions::open))
        .route("/api/v1/collisions/{key}", post(collisions::resolve))
        .route("/api/v1/legal-holds", get(legal_hold::list))
        .route(
            "/api/v1/studies/{study}/legal-hold",
            get(legal_hold::one).post(legal_hold::set).delete(legal_hold::clear),
        )
        .route("/api/v1/studies/{study}/codes", get(codes::one).post(codes::choose))
        .route("/api/v1/studies/{study}/quality", get(quality::one).post(quality::mark))
        .route("/api/v1/codes/review", get(codes::review))
        .route("/api/v1/orders", get(orders::list).post(orders::take))
        .route("/api/v1/orders/{id}", get(orders::one).patch(orders::change))
        .route(
            "/api/v1/reports",
            get(reports::list).post(reports::take.layer(DefaultBodyLimit::max(REPORT_BYTES))),
        )
        .route("/api/v1/reconciliation", get(unmet::list))
        .route("/api/v1/reuse/check", post(reuse::check))
        .route("/api/v1/reuse/policy", get(reuse::policy))
        .route("/api/v1/reports/{id}", get(reports::one))
        .route("/api/v1/reuse/decisions", get(decisions::list).post(decisions::decide))
        .route("/api/v1/reuse/decisions/{id}", get(decisions::one).patch(decisions::withdraw))
        .route("/api/v1/deliveries", get(deliveries::list).post(deliveries::take))
        .route("/api/v1/deliveries/{id}", get(deliveries::one).patch(deliveries::withdraw))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES))
}

/// States something on a thread where waiting is allowed.
pub(crate) async fn say<T: Send + 'static, E: Into<Problem> + Send + 'static>(
    archive: &Archive,
    what: impl FnOnce(&Archive) -> Result<T, E> + Send + 'static,
) -> Result<T, Problem> {
    let archive = archive.clone();
    match tokio::task::spawn_blocking(move || what(&archive)).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(error) => Err(Problem::failed(error)),
    }
}

impl From<StateError> for Problem {
    fn from(error: StateError) -> Problem {
        match error {
            StateError::Invalid(error) => Problem::Invalid(error.field, error.reason),
            StateError::NotFound(what) => Problem::NotFound(what),
            StateError::Version { .. } => Problem::Conflict(Some("based_on"), error.to_string()),
            StateError::Exists(field) => Problem::Conflict(Some(field), error.to_string()),
            StateError::Conflicts(field, why) => Problem::Conflict(Some(field), why),
            StateError::IdTaken => Problem::Conflict(Some("Idempotency-Key"), error.to_string()),
            error if error.kind() == StateErrorKind::Unavailable => Problem::Unavailable(error.to_string()),
            error => Problem::failed(error),
        }
    }
}

/// The client's idempotency key.
fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::Invalid("Idempotency-Key", "is not plain text".into()))?;
    Ok(Some(text.to_owned()))
}

/// What every statement tells of itself.
pub(crate) fn told(stated: &Stated) -> Value {
    let statement = &stated.statement;
    json!({
        "id": statement.id, "subject": statement.subject.key, "version": stated.version,
        "superseded": stated.version.is_none(), "time_ms": statement.time.ms(),
        "who": statement.who, "why": statement.why,
    })
}

/// The same with what its kind adds.
pub(crate) fn told_with(stated: &Stated, more: Value) -> Value {
    let mut all = told(stated);
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all
}
