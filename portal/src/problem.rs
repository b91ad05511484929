//! Errors as problem bodies (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use indexer::db::DbError;

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
