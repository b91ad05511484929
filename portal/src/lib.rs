//! Pages and the interface of programs, `/api/v1`.
//!
//! This crate knows no SQL text, no DIMSE and no PS3.18; who asks was decided before a request gets here.

mod api;
mod page;
mod problem;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use indexer::archive::Archive;

/// Where this archive can be reached.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Application entity title.
    pub ae_title: String,
    /// Addresses and ports of the DIMSE listener.
    pub dimse: Vec<String>,
    /// Root of DICOMweb.
    pub dicom_web: String,
}

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct Portal {
    archive: Archive,
    addresses: Arc<Addresses>,
}

impl Portal {
    /// Pages over `archive`, which is reached at `addresses`.
    #[must_use]
    pub fn new(archive: Archive, addresses: Addresses) -> Portal {
        Portal { archive, addresses: Arc::new(addresses) }
    }
}

/// The routes, to be merged at the root.
pub fn router(portal: Portal) -> Router {
    Router::new()
        .route("/", get(page::state))
        .route("/api/v1/state", get(api::state))
        .route("/api/v1/peers", get(api::peers))
        .route("/api/v1/peers/unknown", get(api::unknown_peers))
        .route("/api/v1/clocks", get(api::clocks))
        .route("/api/v1/conflicts", get(api::conflicts))
        .route("/api/v1/unindexable", get(api::unindexable))
        .route("/api/v1/instances/{sop_instance}/versions", get(api::versions))
        .route("/api/v1/instances/{sop_instance}/versions/{digest}", get(api::version))
        .with_state(portal)
}
