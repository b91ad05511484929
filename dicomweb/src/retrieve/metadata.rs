//! Metadata of a study, series or instance as DICOM JSON (PS3.18 10.4.1.1.2), compressed where the client takes that.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use indexer::archive::ReadError;

use super::{Asked, answer, json, unchanged};
use crate::DicomWeb;
use crate::archive::cut;
use crate::error::Error;
use crate::outgoing::{self, Cut};
use crate::path::Named;
use crate::reading;

/// Answers with the metadata of what `named` names.
///
/// # Errors
/// When nothing is visible under those identifiers, it cannot be read, or the client takes no JSON.
pub async fn metadata(web: &DicomWeb, named: Named, asked: &Asked) -> Result<Response, Error> {
    json(&asked.headers, asked.query.as_deref())?;
    let (base, gzip) = (web.base_for(named.patient), takes_gzip(&asked.headers));
    let found = reading::turn(&web.archive, move |archive| reading::metadata(archive, &named, &base)).await?;
    let form = if gzip { "metadata-gzip" } else { "metadata" };
    let etag = format!("\"{}-{form}\"", found.digest());
    let vary = HeaderValue::from_static("Accept, Accept-Encoding");
    if let Some(mut unchanged) = unchanged(asked, &etag) {
        unchanged.headers_mut().insert(header::VARY, vary);
        return Ok(unchanged);
    }
    let length = if gzip { found.gzip_length() } else { found.length() };
    let body = match gzip {
        _ if asked.head => Body::empty(),
        true => outgoing::body(asked.operation, Pieces(found.gzip())).await?,
        false => outgoing::body(asked.operation, Pieces(found.text())).await?,
    };
    let mut response = answer(body, "application/dicom+json", &etag, length)?;
    response.headers_mut().insert(header::VARY, vary);
    if gzip {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// The pieces of an answer as they are sent.
struct Pieces<I>(I);

impl<I: Iterator<Item = Result<Vec<u8>, ReadError>>> Iterator for Pieces<I> {
    type Item = Result<Bytes, Cut>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|piece| piece.map(Bytes::from).map_err(|error| cut(&error)))
    }
}

/// Whether a client takes gzip (RFC 9110 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let listed = headers.get_all(header::ACCEPT_ENCODING);
    let codings = listed.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let mut any = false;
    for coding in codings {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
        let refused = weight.parse::<f32>().is_ok_and(|q| q == 0.0);
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => {
                return !refused;
            }
            "*" => any = !refused,
            _ => {}
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (accepted, expected) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("*", true),
            ("identity", false),
            ("", false),
            ("gzip;q=0, *", false),
            ("deflate, *;q=0.0", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            assert_eq!(takes_gzip(&headers), expected, "{accepted}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
