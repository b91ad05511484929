//! What can go wrong with a request, as meanings, and the one table that turns meanings into HTTP status codes.
//!
//! Answers are problem details (RFC 9457). They name the field and say what was wrong with it; peer text appears
//! only as a JSON string in the body, never in a header. What failed inside is logged, not told.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Characters of peer text that a problem repeats, at most.
const QUOTED_MAX: usize = 80;

/// Why a request was not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A part of the path, a query parameter or a header cannot be understood.
    #[error("{reason}")]
    Invalid {
        /// Name of the field as the standard or the client writes it.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// The body cannot be understood.
    #[error("{0}")]
    Body(String),
    /// Nothing visible has these identifiers, or the path is none of ours.
    #[error("{0}")]
    NotFound(&'static str),
    /// The resource has other methods.
    #[error("the resource has these methods: {0}")]
    Method(&'static str),
    /// What is stored is in no form that the client accepts.
    #[error("{0}")]
    NotAcceptable(String),
    /// The request's body has a form that is not taken.
    #[error("{0}")]
    MediaType(String),
    /// The request is larger than the configuration allows.
    #[error("the request is larger than {limit} {unit}")]
    TooLarge {
        /// The limit.
        limit: u64,
        /// What it counts.
        unit: &'static str,
    },
    /// The client was silent for too long.
    #[error("no byte of the request arrived for {seconds} seconds")]
    Silent {
        /// The limit.
        seconds: u64,
    },
    /// Not now; trying again later will help.
    #[error("{0}")]
    Unavailable(&'static str),
    /// Stored bytes are damaged, or a defect of this program. Details are in the log.
    #[error("{0}")]
    Internal(&'static str),
}

/// The kinds of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request cannot be understood.
    Invalid,
    /// There is nothing.
    NotFound,
    /// Wrong method.
    Method,
    /// No acceptable form.
    NotAcceptable,
    /// The request's form is not taken.
    MediaType,
    /// Over a limit.
    TooLarge,
    /// Too slow.
    Silent,
    /// Not now.
    Unavailable,
    /// Our fault.
    Internal,
}

impl Error {
    /// A query parameter, path segment or header `field` that cannot be understood.
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Invalid { field: field.into(), reason: reason.into() }
    }

    /// What kind of error this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Error::Invalid { .. } | Error::Body(_) => Kind::Invalid,
            Error::NotFound(_) => Kind::NotFound,
            Error::Method(_) => Kind::Method,
            Error::NotAcceptable(_) => Kind::NotAcceptable,
            Error::MediaType(_) => Kind::MediaType,
            Error::TooLarge { .. } => Kind::TooLarge,
            Error::Silent { .. } => Kind::Silent,
            Error::Unavailable(_) => Kind::Unavailable,
            Error::Internal(_) => Kind::Internal,
        }
    }
}

impl Kind {
    /// The table of this crate: status code, title of the problem, and name in metrics.
    #[must_use]
    pub fn code(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Kind::Invalid => (StatusCode::BAD_REQUEST, "The request cannot be understood", "invalid"),
            Kind::NotFound => (StatusCode::NOT_FOUND, "Not found", "not_found"),
            Kind::Method => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", "method"),
            Kind::NotAcceptable => {
                (StatusCode::NOT_ACCEPTABLE, "Not available in an accepted form", "not_acceptable")
            }
            Kind::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", "media_type"),
            Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Too large", "too_large"),
            Kind::Silent => (StatusCode::REQUEST_TIMEOUT, "Too slow", "silent"),
            Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Not available now", "unavailable"),
            Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error", "internal"),
        }
    }
}

/// Seconds a client is asked to wait before it tries again (`Retry-After`).
pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("30");

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, title, name) = self.kind().code();
        metrics::counter!("dicomweb_errors_total", "kind" => name).increment(1);
        let mut problem = serde_json::Map::new();
        problem.insert("title".into(), title.into());
        problem.insert("status".into(), status.as_u16().into());
        problem.insert("detail".into(), self.to_string().into());
        if let Error::Invalid { field, .. } = &self {
            problem.insert("field".into(), shortened(field).into());
        }
        let body = serde_json::Value::Object(problem).to_string();
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match &self {
            Error::Unavailable(_) => drop(headers.insert(header::RETRY_AFTER, RETRY_AFTER)),
            Error::Method(allowed) => drop(headers.insert(header::ALLOW, HeaderValue::from_static(allowed))),
            _ => {}
        }
        response
    }
}

/// Peer text cut to what a message may repeat.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(QUOTED_MAX) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_field_and_repeats_little_of_it() {
        let error = Error::invalid("x".repeat(1000), "unknown");
        assert_eq!(error.kind(), Kind::Invalid);
        let response = error.into_response();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(shortened(&"ă".repeat(100)).chars().count(), QUOTED_MAX + 3);
    }
}
