//! Bulk values (PS3.18 10.4.1.1.5), and encapsulated documents as they are (10.4.1.1.3: what is no image is rendered by
//! showing it).

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use indexer::archive::BulkReader;
use indexer::db::InstanceRow;

use super::accept::{self, Form};
use super::{Asked, answer, related, unchanged};
use crate::DicomWeb;
use crate::archive::cut;
use crate::error::Error;
use crate::outgoing::{self, Cut};
use crate::path::Named;
use crate::reading;

const OCTETS: &str = "application/octet-stream";
const PDF: &str = "application/pdf";
/// A document comes from a peer: it is shown, and may do nothing else in the name of this server.
const CONFINED: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

/// Answers with one bulk value.
///
/// # Errors
/// When there is no such value, it cannot be read, or no form of it is accepted.
pub async fn bulkdata(web: &DicomWeb, named: Named, asked: &Asked) -> Result<Response, Error> {
    let part = named.part.clone().unwrap_or_default();
    let digits = part.len() < 10 && part.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| part.parse::<usize>().ok()).flatten();
    let number = number.ok_or(Error::NotFound("the instance has no such bulk value"))?;
    let ranges = accept::ranges_of(&asked.headers, asked.query.as_deref())?;
    let (row, value) =
        reading::turn(&web.archive, move |archive| reading::bulk(archive, &named, number)).await?;
    let own = media_type(&value);
    let (form, media_type) = ranges.bulk(own)?;
    let name = format!("bulk-{number}-{}", media_type.rsplit('/').next().unwrap_or_default());
    send(asked, &row, value, (form, media_type), &name).await
}

/// An encapsulated PDF as its own rendered form.
///
/// # Errors
/// When the instance holds no PDF, it cannot be read, or a PDF is not accepted.
pub async fn document(web: &DicomWeb, named: Named, asked: &Asked) -> Result<Response, Error> {
    let ranges = accept::ranges_of(&asked.headers, asked.query.as_deref())?;
    let (row, value) = reading::turn(&web.archive, move |archive| reading::document(archive, &named)).await?;
    let document = value.filter(|value| media_type(value) == PDF);
    let document =
        document.ok_or_else(|| Error::NotAcceptable("the instance has no rendered form".to_owned()))?;
    ranges.document(PDF)?;
    let mut response = send(asked, &row, document, (Form::Single, PDF), "rendered").await?;
    response.headers_mut().insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("inline"));
    Ok(response)
}

/// What a value is sent as. Of the types that a peer may claim for a document only this one is repeated: the others could
/// be a page or a program to a browser.
fn media_type(value: &BulkReader) -> &'static str {
    let is_pdf = value.document_type().is_some_and(|own| own.eq_ignore_ascii_case(PDF));
    if is_pdf { PDF } else { OCTETS }
}

async fn send(
    asked: &Asked,
    row: &InstanceRow,
    value: BulkReader,
    (form, media_type): (Form, &'static str),
    name: &str,
) -> Result<Response, Error> {
    let tag = row.digest.to_string();
    let etag = match form {
        Form::Single => format!("\"{tag}-{name}\""),
        Form::Related => format!("\"{tag}-{name}-related\""),
    };
    if let Some(unchanged) = unchanged(asked, &etag) {
        return Ok(unchanged);
    }
    let (content_type, head, tail) = match form {
        Form::Single => (media_type.to_owned(), String::new(), String::new()),
        Form::Related => (
            related::content_type(&tag, media_type),
            related::part_head(&tag, media_type, true),
            related::tail(&tag),
        ),
    };
    let length = value.len() + (head.len() + tail.len()) as u64;
    let body = if asked.head {
        Body::empty()
    } else {
        outgoing::body(asked.operation, Value { head, value: Some(value), held: None, tail }).await?
    };
    let mut response = answer(body, &content_type, &etag, Some(length))?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, CONFINED);
    Ok(response)
}

/// A value on its way out. A chunk is held back until the next one is read, so that the last one goes out only after the
/// whole was verified.
struct Value {
    head: String,
    /// None at the end.
    value: Option<BulkReader>,
    held: Option<Bytes>,
    tail: String,
}

impl Iterator for Value {
    type Item = Result<Bytes, Cut>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.head.is_empty() {
            return Some(Ok(std::mem::take(&mut self.head).into()));
        }
        while let Some(value) = &mut self.value {
            match value.next_chunk() {
                Ok(Some(chunk)) => {
                    if let Some(before) = self.held.replace(Bytes::from(chunk)) {
                        return Some(Ok(before));
                    }
                }
                Ok(None) => self.value = None,
                Err(error) => {
                    (self.value, self.held, self.tail) = (None, None, String::new());
                    return Some(Err(cut(&error)));
                }
            }
        }
        if let Some(last) = self.held.take() {
            return Some(Ok(last));
        }
        (!self.tail.is_empty()).then(|| Ok(std::mem::take(&mut self.tail).into()))
    }
}
