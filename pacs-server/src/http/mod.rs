//! The HTTP listener: one port for DICOMweb, pages, the interface of programs, health and metrics.
//!
//! Connections are bounded in number, headers in size and time, silence in time. Who may do what is decided in
//! [`guard`] before a request reaches a router, by the table in [`need`].

mod body;
mod guard;
mod internal;
mod io;
mod listener;
mod need;
mod tls;
mod viewed;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use indexer::archive::Archive;
use metrics_exporter_prometheus::PrometheusHandle;

pub(crate) use guard::{Guard, KnownToken};
pub(crate) use internal::router as internal;
pub(crate) use listener::HttpServer;
pub(crate) use tls::{Tls, keep_up};

/// What health and metrics are read from.
#[derive(Clone)]
struct Operation {
    archive: Archive,
    metrics: PrometheusHandle,
}

/// All routes of the archive behind `guard`.
pub(crate) fn router(
    archive: &Archive,
    metrics: PrometheusHandle,
    dicom_web: dicomweb::DicomWeb,
    (pages, viewer): (Router, portal::viewer::Viewer),
    guard: Guard,
) -> Router {
    let operation = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(Operation { archive: archive.clone(), metrics: metrics.clone() });
    // Metrics name machines: they are for whoever may see the state of the system.
    let figures = Router::new()
        .route("/metrics", get(show_metrics))
        .with_state(Operation { archive: archive.clone(), metrics });
    Router::new()
        .nest("/dicom-web", dicomweb::router(dicom_web.clone()))
        .merge(dicomweb::patient_router(dicom_web))
        .merge(pages.layer(axum::middleware::from_fn(portal::problem::told)))
        .merge(portal::viewer::router(viewer))
        .merge(figures)
        .layer(axum::middleware::from_fn_with_state(Arc::new(guard), guard::check))
        .merge(operation)
}

/// 200 when stores are taken, else 503 with the reason.
async fn ready(State(operation): State<Operation>) -> Response {
    match operation.archive.refuses() {
        None => format!("ready, index in {}\n", operation.archive.db().kind()).into_response(),
        Some(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

async fn show_metrics(State(operation): State<Operation>) -> Response {
    let Operation { archive, metrics } = operation;
    // Totals are read from the index; a scrape must not hold a thread that serves sockets.
    let totals = tokio::task::spawn_blocking(move || archive.db().totals()).await;
    if let Ok(Ok(totals)) = totals {
        for (level, n) in
            [("studies", totals.studies), ("series", totals.series), ("instances", totals.instances)]
        {
            metrics::gauge!("archive_holds", "level" => level).set(n as f64);
        }
        for (kind, n) in [
            ("bulk", totals.damaged_copies),
            ("record", totals.damaged_records),
            ("unindexable", totals.unindexable),
        ] {
            metrics::gauge!("archive_damaged", "kind" => kind).set(n as f64);
        }
        let further = totals.conflicts.saturating_sub(totals.identity_conflicts);
        for (kind, n) in [("identity", totals.identity_conflicts), ("other", further)] {
            metrics::gauge!("archive_conflicts", "kind" => kind).set(n as f64);
        }
    }
    let text = metrics.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
