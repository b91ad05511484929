//! DICOMweb: PS3.18 and nothing else, over an [`indexer::archive::Archive`].
//!
//! | resource | transaction | module |
//! | --- | --- | --- |
//! | `POST /studies`, `POST /studies/{study}` | Store (10.5) | [`store`] |
//! | `GET /studies`, `/series`, `/instances`, and below a study or series | Search (10.6) | [`search`] |
//! | `GET /studies/{study}`, `.../series/{series}`, `.../instances/{instance}`, `.../metadata` | Retrieve (10.4) | [`retrieve`] |
//! | `GET .../instances/{instance}/frames/{frames}`, `.../bulkdata/{number}` | Retrieve (10.4) | [`retrieve`] |
//! | `GET .../rendered`, `.../thumbnail` | Retrieve (10.4) | [`retrieve`], [`mod@pictures`] |
//!
//! The same below `/patients/{key}/dicom-web`, limited to one identity group: what is not that person's is not there.
//!
//! The crate knows no SQL, no DIMSE and no pages; who asks was decided before a request gets here. All calls into
//! the archive are in [`archive`] and [`reading`]. Whatever blocks (the index, the packs) runs off the threads that serve sockets.

mod archive;
mod error;
mod incoming;
mod measure;
pub mod media;
pub mod multipart;
mod outgoing;
mod path;
mod pictures;
mod reading;
mod retrieve;
mod search;
mod store;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use indexer::archive::Archive;
use indexer::db::InstanceRow;
use indexer::picture::Pictures;
use indexer::query::GroupKey;

pub use archive::Sender;
pub use error::{Error, Kind};

use pictures::Studio;

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct DicomWeb {
    archive: Archive,
    /// What stands before `/studies` in the addresses we give out.
    base: Arc<str>,
    /// Who sends when nothing in the request says so.
    sender: Sender,
    limits: Limits,
    /// Who draws; without one nothing is rendered but documents.
    studio: Option<Studio>,
}

/// Bounds of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Parts of one STOW-RS request.
    pub parts: u32,
    /// Bytes of one STOW-RS request; `None`: any. The archive bounds each instance.
    pub request_bytes: Option<u64>,
    /// Time without a byte of a request's body after which it is given up.
    pub idle: Duration,
    /// Rows of one QIDO-RS answer.
    pub page_rows: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { parts: 1_000_000, request_bytes: None, idle: Duration::from_secs(60), page_rows: 1000 }
    }
}

impl DicomWeb {
    /// The service over `archive`. `base` is the address under which the router is reached, from the
    /// configuration, never from a request: `/dicom-web` or `https://pacs.example.org/dicom-web`. `sender` stores
    /// when a request carries no [`Sender`] in its extensions.
    #[must_use]
    pub fn new(archive: Archive, base: &str, sender: Sender, limits: Limits) -> DicomWeb {
        DicomWeb { archive, base: base.trim_end_matches('/').into(), sender, limits, studio: None }
    }

    /// The same with pictures: rendered instances and thumbnails.
    #[must_use]
    pub fn with_pictures(self, pictures: Pictures) -> DicomWeb {
        DicomWeb { studio: Some(Studio::new(pictures)), ..self }
    }

    /// What stands before `/studies` in addresses given out below the path of `patient`.
    fn base_for(&self, patient: Option<GroupKey>) -> String {
        match patient {
            Some(key) => {
                let root = self.base.strip_suffix("/dicom-web").unwrap_or(&self.base);
                format!("{root}/patients/{key}/dicom-web")
            }
            None => self.base.to_string(),
        }
    }
}

/// The routes, to be nested at the path of `base`.
pub fn router(state: DicomWeb) -> Router {
    Router::new()
        .route("/studies", read_and_store(search::studies, store::any_study))
        .route("/studies/{study}", read_and_store(retrieve::study, store::one_study))
        .route("/studies/{study}/metadata", read_only(retrieve::study_metadata))
        .route("/studies/{study}/series", read_only(search::study_series))
        .route("/studies/{study}/instances", read_only(search::study_instances))
        .route("/studies/{study}/series/{series}", read_only(retrieve::series))
        .route("/studies/{study}/series/{series}/metadata", read_only(retrieve::series_metadata))
        .route("/studies/{study}/series/{series}/instances", read_only(search::series_instances))
        .route("/studies/{study}/series/{series}/instances/{instance}", read_only(retrieve::instance))
        .route(
            "/studies/{study}/series/{series}/instances/{instance}/metadata",
            read_only(retrieve::instance_metadata),
        )
        .route(
            "/studies/{study}/series/{series}/instances/{instance}/frames/{part}",
            read_only(retrieve::frames),
        )
        .route(
            "/studies/{study}/series/{series}/instances/{instance}/bulkdata/{part}",
            read_only(retrieve::bulkdata),
        )
        .merge(pictures())
        .route("/series", read_only(search::all_series))
        .route("/instances", read_only(search::all_instances))
        .fallback(|| async { Error::NotFound("there is no such resource") })
        // A body is streamed; each part and the whole have limits of their own.
        .layer(DefaultBodyLimit::disable())
        .with_state(state)
}

/// Pictures of studies, series, instances and frames.
fn pictures() -> Router<DicomWeb> {
    const SHOWN: [&str; 4] = [
        "/studies/{study}",
        "/studies/{study}/series/{series}",
        "/studies/{study}/series/{series}/instances/{instance}",
        "/studies/{study}/series/{series}/instances/{instance}/frames/{part}",
    ];
    SHOWN.into_iter().fold(Router::new(), |routes, path| {
        routes
            .route(&format!("{path}/rendered"), read_only(retrieve::rendered))
            .route(&format!("{path}/thumbnail"), read_only(retrieve::thumbnail))
    })
}

/// The routes below `/patients/{patient}/dicom-web`, to be merged at the root: the same resources, limited to the
/// identity group of the patient that the key names ([`indexer::query::QueryRow::patient`]). Addresses given out there
/// stay there.
pub fn patient_router(state: DicomWeb) -> Router {
    Router::new().nest("/patients/{patient}/dicom-web", router(state))
}

/// A resource that is read; axum answers HEAD from the same handler.
fn read_only<T: 'static>(read: impl Handler<T, DicomWeb>) -> MethodRouter<DicomWeb> {
    get(read).fallback(|method: Method| async move { other_method(&method, "GET, HEAD, OPTIONS") })
}

/// A resource that is read and stored to.
fn read_and_store<T: 'static, U: 'static>(
    read: impl Handler<T, DicomWeb>,
    store: impl Handler<U, DicomWeb>,
) -> MethodRouter<DicomWeb> {
    get(read)
        .post(store)
        .fallback(|method: Method| async move { other_method(&method, "GET, HEAD, POST, OPTIONS") })
}

/// The answer to OPTIONS and to methods that a resource does not have.
fn other_method(method: &Method, allowed: &'static str) -> Response {
    if *method == Method::OPTIONS {
        return (StatusCode::NO_CONTENT, [(header::ALLOW, HeaderValue::from_static(allowed))])
            .into_response();
    }
    Error::Method(allowed).into_response()
}

/// A stored instance as a file of PS3.10: its length in bytes and the bytes. For faces beside this one that hand
/// out an instance, served or not.
///
/// # Errors
/// When its bytes cannot be read.
pub async fn instance_file(archive: &Archive, row: InstanceRow) -> Result<(u64, Body), Error> {
    let found = archive::Found::from(row);
    let length = found.part10_length();
    let archive = archive.clone();
    let opened = tokio::task::spawn_blocking(move || found.open(&archive)).await;
    match opened {
        Ok(Ok(file)) => Ok((length, outgoing::body("version", file).await?)),
        _ => Err(Error::Internal("what is stored could not be read; the archive's log says more")),
    }
}
