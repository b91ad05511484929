//! Pages and the interface of programs, `/api/v1`.
//!
//! Pages are HTML that the server makes; a small script keeps the study list fresh and gives it keys, and nothing
//! needs it. This crate knows no SQL text, no DIMSE and no PS3.18; who asks was decided before a request gets here.

pub mod accounts;
mod api;
mod arrival;
mod assets;
mod backups;
mod calendar;
mod collisions;
mod damage;
mod download;
mod figures;
mod form;
mod frame;
mod html;
mod import;
mod intakes;
mod language;
mod ledger;
mod list;
mod machines;
mod openapi;
mod persons;
pub mod problem;
mod reconciliation;
mod reuse;
mod review;
mod search;
mod security;
mod shown;
pub mod sign_in;
pub mod spreadsheet;
mod state;
mod stating;
mod study;
mod terms;
pub mod upkeep;
pub mod viewer;
pub mod views;
mod words;
mod zip;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use indexer::archive::Archive;
use storage_config::AeTitle;
use storage_config::config::Study;
use storage_config::operator::{AllowedPeers, Backups};

use arrival::Arrivals;
use search::Searches;
use sign_in::Gate;
use upkeep::Upkeep;
use views::ViewLog;

/// Most bytes of a posted form.
const FORM_BYTES: usize = 16 * 1024;

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

/// A machine that the configuration knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its application entity title.
    pub ae_title: String,
    /// Where it calls from, as the configuration has it.
    pub address: String,
}

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct Portal {
    archive: Archive,
    addresses: Arc<Addresses>,
    site: Arc<Site>,
    memory: Arc<Memory>,
}

/// What is known of the site beside its archive.
#[derive(Clone)]
struct Site {
    packs_dir: Option<PathBuf>,
    machines: Vec<Machine>,
    further_titles: Vec<AeTitle>,
    quiet_seconds: u32,
    allowed: Option<Arc<AllowedPeers>>,
    backups: Option<Arc<Backups>>,
    gate: Option<Arc<Gate>>,
    views: Option<ViewLog>,
    upkeep: Option<Upkeep>,
}

impl Default for Site {
    fn default() -> Site {
        Site {
            packs_dir: None,
            machines: Vec::new(),
            further_titles: Vec::new(),
            quiet_seconds: Study::default().quiet_seconds,
            allowed: None,
            backups: None,
            gate: None,
            views: None,
            upkeep: None,
        }
    }
}

/// What pages remember from one request to the next.
#[derive(Default)]
struct Memory {
    searches: Searches,
    arrivals: Arrivals,
}

impl Portal {
    /// Pages over `archive`, which is reached at `addresses`.
    #[must_use]
    pub fn new(archive: Archive, addresses: Addresses) -> Portal {
        Portal {
            archive,
            addresses: Arc::new(addresses),
            site: Arc::new(Site::default()),
            memory: Arc::new(Memory::default()),
        }
    }

    /// With the folder of the packs, whose disk's free space and growth the state page tells.
    #[must_use]
    pub fn with_packs_in(mut self, packs_dir: PathBuf) -> Portal {
        Arc::make_mut(&mut self.site).packs_dir = Some(packs_dir);
        self
    }

    /// With further AE titles that this archive answers to.
    #[must_use]
    pub fn with_further_titles(mut self, titles: Vec<AeTitle>) -> Portal {
        Arc::make_mut(&mut self.site).further_titles = titles;
        self
    }

    /// With the seconds without a new instance after which a study counts as received.
    #[must_use]
    pub fn with_quiet_seconds(mut self, seconds: u32) -> Portal {
        Arc::make_mut(&mut self.site).quiet_seconds = seconds;
        self
    }

    /// With the list of machines that people allow on the pages.
    #[must_use]
    pub fn with_allowed_peers(mut self, allowed: AllowedPeers) -> Portal {
        Arc::make_mut(&mut self.site).allowed = Some(Arc::new(allowed));
        self
    }

    /// With the notes of backups.
    #[must_use]
    pub fn with_backups(mut self, backups: Backups) -> Portal {
        Arc::make_mut(&mut self.site).backups = Some(Arc::new(backups));
        self
    }

    /// With the machines of the configuration, so that one that never sent anything is told of too.
    #[must_use]
    pub fn with_machines(mut self, machines: Vec<Machine>) -> Portal {
        Arc::make_mut(&mut self.site).machines = machines;
        self
    }

    /// With people who sign in, and the pages for it.
    #[must_use]
    pub fn with_gate(mut self, gate: Arc<Gate>) -> Portal {
        Arc::make_mut(&mut self.site).gate = Some(gate);
        self
    }

    /// With verification and compaction for whoever may ask for them.
    #[must_use]
    pub fn with_upkeep(mut self, upkeep: Upkeep) -> Portal {
        Arc::make_mut(&mut self.site).upkeep = Some(upkeep);
        self
    }

    /// With the log of who looked at what, and the page that shows it.
    #[must_use]
    pub fn with_views(mut self, views: ViewLog) -> Portal {
        Arc::make_mut(&mut self.site).views = Some(views);
        self
    }
}

/// The routes, to be merged at the root.
pub fn router(portal: Portal) -> Router {
    let pages = Router::new()
        .route("/", get(list::list))
        .route("/search", post(list::search).layer(DefaultBodyLimit::max(FORM_BYTES)))
        .route("/studies/{uid}/download.zip", get(download::download))
        .route("/state", get(state::state))
        .route("/damaged", get(damage::page))
        .route("/import", get(import::page))
        .route("/language/{tag}", get(language::choose))
        .route("/assets/{name}", get(assets::asset));
    let programs = Router::new()
        .route("/api/v1/state", get(state::told))
        .merge(operators())
        .route("/api/v1/clocks", get(api::clocks))
        .route("/api/v1/conflicts", get(api::conflicts))
        .route("/api/v1/unindexable", get(api::unindexable))
        .route("/api/v1/damaged", get(damage::list))
        .route("/api/v1/instances/{sop_instance}/versions", get(api::versions))
        .route("/api/v1/instances/{sop_instance}/versions/{digest}", get(api::version));
    let mut all = pages.merge(programs).merge(stating::routes());
    all = all
        .merge(review::routes())
        .merge(reconciliation::routes())
        .merge(collisions::routes())
        .merge(intakes::routes())
        .merge(upkeep::routes())
        .merge(study::routes())
        .merge(reuse::routes())
        .merge(openapi::routes())
        .merge(ledger::routes());
    if portal.site.gate.is_some() {
        all = all.merge(sign_in::router());
    }
    if portal.site.views.is_some() {
        all = all.merge(views::router());
    }
    all.layer(axum::middleware::map_response(security::headers)).with_state(portal)
}

/// What operators see of machines and backups, and what they say of them.
fn operators() -> Router<Portal> {
    let peers = get(api::peers).post(machines::allow).delete(machines::forget);
    Router::new()
        .route("/api/v1/peers", peers)
        .route("/api/v1/peers/unknown", get(api::unknown_peers))
        .route("/api/v1/peers/allowed", get(machines::allowed))
        .route("/api/v1/peers/forget", post(machines::forget_posted))
        .route("/api/v1/backups", get(backups::list).post(backups::note))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
}
