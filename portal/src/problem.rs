//! Errors as problem bodies (RFC 9457).

use axum::body::Body;
use axum::extract::{FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use indexer::db::DbError;
use serde::de::DeserializeOwned;

/// Where programs ask.
const PROGRAMS: &str = "/api/";
/// Most bytes of a refusal that is put into a problem body.
const REFUSAL_BYTES: usize = 4096;
/// Fields of queries, as problems name them.
const QUERY_FIELDS: [&str; 14] = [
    "limit",
    "offset",
    "resolved",
    "proposed",
    "since",
    "study",
    "accession",
    "facility",
    "placer_number",
    "filler_number",
    "patient_id",
    "ae_title",
    "address",
    "order",
];

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum Problem {
    /// A part of the request is wrong: its name and why.
    Invalid(&'static str, String),
    /// There is no such thing.
    NotFound(&'static str),
    /// It was there and was withdrawn.
    Withdrawn,
    /// It contradicts what is there or was said before: the field, if it is one, and why.
    Conflict(Option<&'static str>, String),
    /// Not now; the same request later will do.
    Unavailable(String),
    /// The archive failed; the log says more.
    Failed,
}

impl Problem {
    /// Logs `error` and hides it from the answer.
    pub(crate) fn failed(error: impl std::fmt::Display) -> Problem {
        tracing::error!(%error, "a request failed");
        Problem::Failed
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Problem {
        Problem::failed(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, title, field) = match self {
            Problem::Invalid(field, why) => (StatusCode::BAD_REQUEST, why, Some(field)),
            Problem::NotFound(what) => (StatusCode::NOT_FOUND, format!("there is no such {what}"), None),
            Problem::Withdrawn => (StatusCode::GONE, "this was withdrawn".into(), None),
            Problem::Conflict(field, why) => (StatusCode::CONFLICT, why, field),
            Problem::Unavailable(why) => (StatusCode::SERVICE_UNAVAILABLE, why, None),
            Problem::Failed => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the archive could not answer; its log says why".into(),
                None,
            ),
        };
        let body = serde_json::json!({ "title": title, "status": status.as_u16(), "field": field });
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
        }
        response
    }
}

/// The query of a request of a program; what is wrong with it is a problem that names the field.
pub(crate) struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asked<T>, Problem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Asked(asked)),
            Err(error) => {
                let text = error.body_text();
                let why = text.rsplit("query string: ").next().unwrap_or_default();
                // One that nobody knows names all the others.
                let fields = QUERY_FIELDS.into_iter().filter(|_| !why.contains("unknown field"));
                let named = { fields }.find(|name| {
                    why.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'))
                        || why.contains(&format!("`{name}`"))
                });
                Err(Problem::Invalid(named.unwrap_or("query"), why.to_owned()))
            }
        }
    }
}

/// Makes problem bodies of refusals that are none, such as those of a request that could not be read at all.
pub async fn told(request: Request, next: Next) -> Response {
    let of_programs = request.uri().path().starts_with(PROGRAMS);
    let response = next.run(request).await;
    let kind =
        response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let status = response.status();
    if !of_programs || !status.is_client_error() || kind.starts_with("application/problem+json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, REFUSAL_BYTES).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let field = match status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => None,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Some("Content-Type"),
        _ if text.contains("query") => Some("query"),
        _ if text.contains("path") || text.contains("URL") => Some("path"),
        _ => Some("body"),
    };
    let title = if text.is_empty() { status.canonical_reason().unwrap_or_default() } else { &text };
    let body = serde_json::json!({ "title": title, "status": status.as_u16(), "field": field }).to_string();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}
