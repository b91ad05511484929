//! Metrics of this crate: requests, seconds and bytes by operation. No label holds peer text.

use std::future::Future;
use std::time::Instant;

use axum::response::{IntoResponse, Response};

use crate::error::Error;

/// Runs one request of `operation`: counts it by status and measures the time to the answer's head, which for a
/// store is when everything is durable and for a retrieve when its first bytes are read.
pub async fn request(
    operation: &'static str,
    work: impl Future<Output = Result<Response, Error>>,
) -> Response {
    let start = Instant::now();
    let response = work.await.unwrap_or_else(IntoResponse::into_response);
    let status = match response.status().as_u16() {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    metrics::counter!("dicomweb_requests_total", "operation" => operation, "status" => status).increment(1);
    metrics::histogram!("dicomweb_request_seconds", "operation" => operation)
        .record(start.elapsed().as_secs_f64());
    response
}

/// Counts bytes of a request's body.
pub fn received(bytes: usize) {
    metrics::counter!("dicomweb_received_bytes_total").increment(bytes as u64);
}

/// Counts bytes of an answer of `operation`.
pub fn sent(operation: &'static str, bytes: usize) {
    metrics::counter!("dicomweb_sent_bytes_total", "operation" => operation).increment(bytes as u64);
}

/// Counts instances of STOW-RS requests by what became of them.
pub fn instance(outcome: &'static str) {
    metrics::counter!("dicomweb_store_instances_total", "outcome" => outcome).increment(1);
}
