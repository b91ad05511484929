//! Headers that keep a page from being turned against its reader: nothing runs or loads but our own files, nobody
//! frames us, and no address of ours is told to another site.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

/// Only our own scripts and styles, none of them inline: a name that is markup stays a name even if escaping failed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Not no-referrer: forms would be posted with the Origin "null", as if from a foreign page.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Adds the headers.
pub(crate) async fn headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
