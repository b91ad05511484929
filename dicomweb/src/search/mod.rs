//! Search transaction, QIDO-RS (PS3.18 10.6).
//!
//! What is asked is read in [`parameters`], matched by the archive, and answered in [`answer`]. A key that is
//! understood and cannot be matched is ignored and named in a Warning header (PS3.18 8.3.4.6); an attribute that
//! does not exist is an error, because a mistyped key would otherwise return every study.

mod answer;
mod index;
pub mod parameters;

use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use crate::DicomWeb;
use crate::error::Error;
use crate::measure;
use crate::path::Named;
use crate::retrieve;
use parameters::Search;

/// Rows of which level a search returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Studies.
    Study,
    /// Series.
    Series,
    /// Instances.
    Instance,
}

type PathParameters = Result<RawPathParams, RawPathParamsRejection>;

/// A handler of one route: the level of its rows.
macro_rules! handler {
    ($(#[$doc:meta])* $name:ident, $operation:literal, $level:expr) => {
        $(#[$doc])*
        pub async fn $name(
            State(web): State<DicomWeb>,
            path: PathParameters,
            RawQuery(query): RawQuery,
            headers: HeaderMap,
        ) -> Response {
            let query = query.unwrap_or_default();
            let work = async { search(&web, $level, Named::read(path)?, &query, &headers).await };
            measure::request($operation, work).await
        }
    };
}

handler!(
    /// `GET /studies`.
    studies, "search_studies", Level::Study
);
handler!(
    /// `GET /studies/{study}/series`.
    study_series, "search_series", Level::Series
);
handler!(
    /// `GET /series`.
    all_series, "search_series", Level::Series
);
handler!(
    /// `GET /studies/{study}/instances`.
    study_instances, "search_instances", Level::Instance
);
handler!(
    /// `GET /studies/{study}/series/{series}/instances`.
    series_instances, "search_instances", Level::Instance
);
handler!(
    /// `GET /instances`.
    all_instances, "search_instances", Level::Instance
);

async fn search(
    web: &DicomWeb,
    level: Level,
    named: Named,
    query: &str,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    retrieve::json(headers, Some(query))?;
    let mut search = Search::read(query, web.limits.page_rows)?;
    let mut ignored = std::mem::take(&mut search.ignored);
    let base = web.base_for(named.patient);
    let found = index::search(&web.archive, level, named, search).await?;
    ignored.extend(found.ignored);
    let body =
        answer::json(found.rows, &base).map_err(|_| Error::Internal("the answer could not be written"))?;
    measure::sent("search", body.len());
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/dicom+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !ignored.is_empty() {
        warn(headers, &format!("these keys are not supported and were ignored: {}", ignored.join(", ")));
    }
    if found.more {
        warn(headers, "there may be additional results that can be requested");
    }
    if found.old_left_out {
        warn(
            headers,
            "old studies were left out because the keys match too many; add a date or an identifier",
        );
    }
    Ok(response)
}

/// Adds a Warning (RFC 7234 5.5, PS3.18 8.3.4.6). `text` is ours: words, and tags as hexadecimal digits.
fn warn(headers: &mut HeaderMap, text: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("299 dicom-web \"{text}\"")) {
        headers.append(header::WARNING, value);
    }
}
