//! Retrieve transaction, WADO-RS (PS3.18 10.4): instances as stored, their metadata, frames and bulk values.
//!
//! An answer is a pure function of what it holds: its boundary and its ETag come from the digests of the instances,
//! so that a cache can ask whether it is still right (`private, no-cache`: a withdrawn image must not live on). No
//! instance holds its own digest, so none can hold the boundary of its own answer.

mod accept;
mod bulkdata;
mod drawing;
mod frames;
mod metadata;
mod related;
mod rendered;

use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use storage_config::Hasher;

use crate::DicomWeb;
use crate::archive::{self, Found};
use crate::error::Error;
use crate::measure;
use crate::outgoing;
use crate::path::Named;
use accept::Form;

pub use accept::json;

type PathParameters = Result<RawPathParams, RawPathParamsRejection>;

/// A handler of one route: the operation's name in metrics, and what it does.
macro_rules! handler {
    ($(#[$doc:meta])* $name:ident, $operation:literal, $work:path) => {
        $(#[$doc])*
        pub async fn $name(
            State(web): State<DicomWeb>,
            path: PathParameters,
            RawQuery(query): RawQuery,
            method: Method,
            headers: HeaderMap,
        ) -> Response {
            let request = Asked { query, head: method == Method::HEAD, headers, operation: $operation };
            measure::request($operation, async { $work(&web, Named::read(path)?, &request).await }).await
        }
    };
}

handler!(
    /// `GET /studies/{study}`.
    study, "retrieve_study", instances
);
handler!(
    /// `GET /studies/{study}/series/{series}`.
    series, "retrieve_series", instances
);
handler!(
    /// `GET /studies/{study}/series/{series}/instances/{instance}`.
    instance, "retrieve_instance", instances
);
handler!(
    /// `GET /studies/{study}/metadata`.
    study_metadata, "metadata_study", metadata::metadata
);
handler!(
    /// `GET /studies/{study}/series/{series}/metadata`.
    series_metadata, "metadata_series", metadata::metadata
);
handler!(
    /// `GET /studies/{study}/series/{series}/instances/{instance}/metadata`.
    instance_metadata, "metadata_instance", metadata::metadata
);

handler!(
    /// `GET /studies/{study}/series/{series}/instances/{instance}/frames/{frames}`.
    frames, "frames", frames::frames
);
handler!(
    /// `GET /studies/{study}/series/{series}/instances/{instance}/bulkdata/{number}`.
    bulkdata, "bulkdata", bulkdata::bulkdata
);
handler!(
    /// `GET .../rendered` of a study, series, instance or frames.
    rendered, "rendered", rendered::rendered
);
handler!(
    /// `GET .../thumbnail` of a study, series, instance or frame.
    thumbnail, "thumbnail", rendered::thumbnail
);

/// What a client asked besides the path.
struct Asked {
    query: Option<String>,
    head: bool,
    headers: HeaderMap,
    operation: &'static str,
}

/// Part 10 files, several as `multipart/related`, one also plain.
async fn instances(web: &DicomWeb, named: Named, asked: &Asked) -> Result<Response, Error> {
    let accepted = accept::instances(&asked.headers, asked.query.as_deref())?;
    let single = named.instance.is_some();
    let found = archive::instances(&web.archive, named).await?;
    let form = accepted.choose(single, &found)?;
    let tag = digest_of(&found);
    let etag = match form {
        Form::Single => format!("\"{tag}\""),
        Form::Related => format!("\"{tag}-related\""),
    };
    if let Some(unchanged) = unchanged(asked, &etag) {
        return Ok(unchanged);
    }
    let content_type = match form {
        Form::Single => related::part_type(&found[0]),
        Form::Related => related::content_type(&tag, "application/dicom"),
    };
    let length = Some(related::length(&tag, &found, form));
    let first = match &found[..] {
        [only] => Some(archive::open(&web.archive, only).await?),
        _ => None,
    };
    let body = if asked.head {
        Body::empty()
    } else {
        let parts = related::Parts::new(web.archive.clone(), tag, found, form, first);
        outgoing::body(asked.operation, parts).await?
    };
    answer(body, &content_type, &etag, length)
}

/// The instance's digest, or for several a digest of theirs; hexadecimal.
fn digest_of(found: &[Found]) -> String {
    if let [only] = found {
        return only.digest().to_string();
    }
    let mut hasher = Hasher::new();
    for one in found {
        hasher.update(&one.digest().0);
    }
    hasher.finish().to_string()
}

/// 304 when the client has this very answer (RFC 9110 13.1.2).
fn unchanged(asked: &Asked, etag: &str) -> Option<Response> {
    if is_unchanged(&asked.headers, etag) { not_modified(etag).ok() } else { None }
}

/// Whether If-None-Match names this answer.
fn is_unchanged(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH);
    let mut given = known.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let same = |given: &str| given == "*" || given.strip_prefix("W/").unwrap_or(given) == etag;
    given.any(|given| same(given.trim()))
}

fn not_modified(etag: &str) -> Result<Response, Error> {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    cache_headers(&mut response, etag)?;
    Ok(response)
}

fn answer(body: Body, content_type: &str, etag: &str, length: Option<u64>) -> Result<Response, Error> {
    let mut response = Response::new(body);
    cache_headers(&mut response, etag)?;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header_value(content_type)?);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(response)
}

fn cache_headers(response: &mut Response, etag: &str) -> Result<(), Error> {
    let fixed: [(HeaderName, &'static str); 2] =
        [(header::CACHE_CONTROL, "private, no-cache"), (header::VARY, "Accept")];
    let headers = response.headers_mut();
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.insert(header::ETAG, header_value(etag)?);
    Ok(())
}

/// A header of ours: digests, unique identifiers and literals, so it always is one.
fn header_value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|_| Error::Internal("a header could not be made"))
}
