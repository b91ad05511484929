//! Store transaction, STOW-RS (PS3.18 10.5): Part 10 instances in, a result for each out.
//!
//! A request is read once, part by part, and nothing of it is kept but what the archive keeps. A part does not
//! wait for the one before it to be durable: results are collected in the order of the parts while later parts are
//! received, so that one connection fills the archive's commit groups. The answer is sent when every instance it
//! names is durable and indexed.
//!
//! An Accept header does not refuse a store: the answer is DICOM JSON whatever it says, because an image must not
//! be lost over the form of its receipt (RFC 9110 12.5.1 allows that).

mod receive;
mod report;

use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use storage_config::Uid;

pub use receive::PartResult;
pub use report::{Failure, StoredRow, WARNING_DIFFERS, reason};

use crate::DicomWeb;
use crate::archive::Sender;
use crate::error::{Error, RETRY_AFTER};
use crate::incoming::Incoming;
use crate::measure;
use crate::media;
use crate::multipart::Multipart;
use crate::path::Named;
use receive::{Framing, Receiver};
use report::{Report, Verdict};

/// `POST /studies`.
pub async fn any_study(State(web): State<DicomWeb>, request: Request) -> Response {
    measure::request("store", store(web, None, request)).await
}

/// `POST /studies/{study}`: only instances of that study are stored.
pub async fn one_study(
    State(web): State<DicomWeb>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response {
    let work = async { store(web, Named::read(path)?.study, request).await };
    measure::request("store", work).await
}

async fn store(web: DicomWeb, study: Option<Uid>, request: Request) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let sender = parts.extensions.get::<Sender>().unwrap_or(&web.sender).clone();
    let limits = web.limits;
    let mut incoming = Incoming::new(body, &parts.headers, limits.request_bytes, limits.idle);
    let outcome = match admit(&web, &parts.headers) {
        Ok(framing) => {
            let receiver = Receiver::new(web.archive.clone(), sender, study.clone(), limits.parts);
            receiver.run(framing, &mut incoming).await
        }
        Err(error) => Err(error),
    };
    incoming.linger();
    answer(&outcome?, &web.base, study.as_ref())
}

/// What can be told before a byte of the body is read.
fn admit(web: &DicomWeb, headers: &HeaderMap) -> Result<Framing, Error> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Error::MediaType("Content-Encoding is not taken: send the parts as they are".to_owned()));
    }
    let framing = framing(headers)?;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if let Some(limit) = web.limits.request_bytes
        && announced.is_some_and(|length| length > limit)
    {
        return Err(Error::TooLarge { limit, unit: "bytes" });
    }
    crate::archive::admits(&web.archive)?;
    Ok(framing)
}

/// How the body is to be read, from its Content-Type.
fn framing(headers: &HeaderMap) -> Result<Framing, Error> {
    let wanted = "Content-Type has to be multipart/related; type=\"application/dicom\"; boundary=..., or \
                  application/dicom for a single instance";
    let refused = || Error::MediaType(wanted.to_owned());
    let value = headers.get(header::CONTENT_TYPE).ok_or_else(refused)?;
    let media = value.to_str().ok().and_then(media::parse).ok_or_else(refused)?;
    match media.essence.as_str() {
        "application/dicom" => Ok(Framing::Single),
        "multipart/related" => {
            if media.parameter("type").is_some_and(|t| !t.trim().eq_ignore_ascii_case("application/dicom")) {
                return Err(refused());
            }
            let boundary = media.parameter("boundary").ok_or_else(|| missing_boundary("there is none"))?;
            let multipart = Multipart::new(boundary).map_err(|error| missing_boundary(&error.to_string()))?;
            Ok(Framing::Multipart(Box::new(multipart)))
        }
        _ => Err(refused()),
    }
}

fn missing_boundary(reason: &str) -> Error {
    Error::invalid("Content-Type; boundary", reason)
}

/// The answer by PS3.18 Table 10.5.3-1.
fn answer(report: &Report, base: &str, study: Option<&Uid>) -> Result<Response, Error> {
    let verdict = report.verdict();
    let status = match verdict {
        Verdict::AllStored => StatusCode::OK,
        Verdict::Mixed => StatusCode::ACCEPTED,
        Verdict::NoneStored => StatusCode::CONFLICT,
        Verdict::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = Response::new(Body::from(report.to_json(base, study)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/dicom+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if verdict == Verdict::NoRoom {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    Ok(response)
}
