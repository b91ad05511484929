//! `pacs-server serve`: opens the archive, starts the listeners, waits for the end, stops in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use codecs::worker::Pool;
use indexer::archive::{Archive, KeepVerified, ReuseSite, SiteLicence};
use indexer::codes::Catalogue;
use indexer::db::FacilityId;
use indexer::picture::Pictures;
use portal::sign_in::Gate;
use portal::upkeep::Upkeep;
use portal::views::ViewLog;
use storage_config::Config;
use storage_config::config::Facility;
use storage_config::operator::{AllowedPeers, Backups};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::dimse::{DimseConfig, DimseServer, KnownPeer, KnownPeers};
use crate::http::{Guard, HttpServer, KnownToken, Tls};
use crate::import::upload::{self, Uploads};
use crate::peer_log::PeerLog;
use crate::{control, decode_worker, http, setup, telemetry};

/// How often what peers did is written down.
const PEER_LOG: Duration = Duration::from_secs(2);

/// Threads that wait for disks on behalf of HTTP. A thread keeps for a while what its work once needed: a crowd of
/// readers must find a queue here, not a thread for each. More than `dicomweb` gives to the bodies of answers, and than
/// there are pictures at a time, so that neither waits for the other.
const BLOCKING_THREADS: usize = 32;

/// Runs the archive until SIGTERM or SIGINT.
///
/// # Errors
/// When the data folder is in use, the archive cannot be opened or an address cannot be bound.
pub fn run(config: Config) -> Result<()> {
    raise_descriptor_limit();
    let metrics = telemetry::metrics();
    let (archive, lock) = setup::open_archive(&config)?;
    let people = People::open(&config).inspect_err(|_| archive.close())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("net")
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .context("the runtime cannot be started")?;
    let served = runtime.block_on(serve(&config, &archive, &people, metrics));
    runtime.shutdown_timeout(Duration::from_secs(1));
    people.views.close();
    archive.close();
    drop(lock);
    served
}

async fn serve(
    config: &Config,
    archive: &Archive,
    people: &People,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
) -> Result<()> {
    let facilities = Facilities::of(config, archive)?;
    code_studies(config, archive)?;
    let pool = Arc::new(decode_worker::pool(&config.decode));
    answer_reuse(config, archive, pool.clone())?;
    archive.keep_ledger().context("the ledger")?;
    keep_verified(config, archive)?;
    let peer_log = Arc::new(PeerLog::default());
    let dimse = {
        let log = peer_log.clone();
        let on_peer: crate::dimse::OnPeer = Arc::new(move |event| log.note(&event, setup::now_ms()));
        DimseServer::bind(&dimse_config(config, &facilities), Arc::new(archive.clone()), on_peer)
            .context("the DIMSE listener")?
    };
    let allowed = allowed_peers(config, archive, &facilities, dimse.known_peers())?;
    let uploads = Uploads::new(archive, config).context("the folder of imports")?;
    let web = HttpServer::bind(config.http.listen, config.http.limits, people.tls.clone())
        .await
        .with_context(|| format!("HTTP on {}", config.http.listen))?;
    let (http_at, dimse_at) = (web.address()?, dimse.addresses().to_vec());
    let upkeep = Upkeep::new(archive, config.verify, config.retention);
    let portal = portal(config, (archive, people), &dimse_at, http_at)
        .with_allowed_peers(allowed)
        .with_upkeep(upkeep.clone());
    let pictures = Pictures::new(archive.clone(), pool);
    let router =
        routes(config, (archive, people), metrics.clone(), &facilities, (portal, &uploads, pictures))
            .merge(http::internal(config));
    let (stop, stopped) = watch::channel(false);
    let control = control::Server::start(&config.data_dir, config, archive, people.gate.clone())
        .context("the control socket")?;
    let web = tokio::spawn(web.run(router, stopped.clone()));
    let dimse = tokio::spawn(dimse.run(until(stopped)));
    tokio::spawn(telemetry::keep_up(metrics));
    people.tls.clone().map(|tls| tokio::spawn(http::keep_up(tls)));
    tokio::spawn(keep_peer_log(peer_log.clone(), archive.clone()));
    // Before anybody hears that it is ready: a signal that nobody listens for ends the process where it stands.
    let signals = Signals::listen()?;
    announce(config, &dimse_at, http_at);

    signals.any().await;
    tracing::info!("stopping: stores under way may end");
    stop.send_replace(true);
    let drained = dimse.await.context("the DIMSE listener")?;
    tracing::info!(?drained, "DIMSE has stopped");
    web.await.context("the HTTP listener")?;
    uploads.stop();
    upkeep.stop();
    control.stop();
    peer_log.flush(archive);
    Ok(())
}

/// Has what is stored read again from now on.
fn keep_verified(config: &Config, archive: &Archive) -> Result<()> {
    let how = KeepVerified {
        bytes_per_second: config.verify.bytes_per_second,
        every_days: config.verify.every_days,
        quiet: Duration::from_secs(u64::from(config.study.quiet_seconds)),
    };
    archive.keep_verified(how).context("verification")
}

/// Has studies given their national codes from now on, by the built-in catalogue and the imported lists.
fn code_studies(config: &Config, archive: &Archive) -> Result<()> {
    let lists = crate::catalogue::load(&config.data_dir).context("the imported lists of codes")?;
    let quiet = Duration::from_secs(u64::from(config.study.quiet_seconds));
    archive.code_studies(Catalogue::built_in().with_lists(lists), quiet).context("the codes of studies")
}

/// Has studies examined for the reuse check from now on, and tells it of this site.
fn answer_reuse(config: &Config, archive: &Archive, pool: Arc<Pool>) -> Result<()> {
    let licence = |facility: &Facility| {
        let modalities = facility.modalities.iter().cloned().collect();
        (facility.code.clone(), SiteLicence { licensed: facility.licensed, modalities })
    };
    let policy = setup::policy(config)?;
    setup::keep_policy(config, &policy)?;
    archive.answer_reuse_for(ReuseSite {
        name: config.dimse.ae_title.to_string(),
        policy,
        licences: config.facility.iter().map(licence).collect(),
    });
    let quiet = Duration::from_secs(u64::from(config.study.quiet_seconds));
    archive.examine_studies(pool, quiet).context("the evidence of studies")
}

/// Who may ask over HTTP, and what is noted of it.
struct People {
    gate: Arc<Gate>,
    views: ViewLog,
    tls: Option<Arc<Tls>>,
}

impl People {
    fn open(config: &Config) -> Result<People> {
        let accounts = setup::accounts(config)?;
        setup::somebody_signs_in(config, &accounts)?;
        let tls = Tls::load(config)?;
        let secure = tls.is_some() || config.http.public_url.starts_with("https://");
        let gate = Arc::new(Gate::new(accounts, config.sign_in, secure));
        let views = ViewLog::open(&config.data_dir).context("the log of views")?;
        Ok(People { gate, views, tls })
    }
}

fn routes(
    config: &Config,
    (archive, people): (&Archive, &People),
    metrics: metrics_exporter_prometheus::PrometheusHandle,
    facilities: &Facilities,
    (portal, uploads, pictures): (portal::Portal, &Uploads, Pictures),
) -> axum::Router {
    let sender =
        dicomweb::Sender { facility: FacilityId(0), source: "stow:open".into(), patient_id_is_order: false };
    let limits = dicomweb::Limits {
        parts: config.http.limits.parts,
        request_bytes: None,
        idle: Duration::from_secs(config.http.limits.idle_seconds),
        page_rows: config.http.limits.page_rows,
    };
    let base = format!("{}/dicom-web", config.http.public_url.trim_end_matches('/'));
    let dicom_web = dicomweb::DicomWeb::new(archive.clone(), &base, sender, limits).with_pictures(pictures);
    let viewer = portal::viewer::Viewer::new(config.http.viewer_dir.clone(), config.dimse.ae_title.as_str())
        .with_patients_of(archive.clone());
    let pages = portal::router(portal).merge(upload::router(uploads.clone()));
    let guard =
        Guard::new(config, facilities.tokens.clone(), people.gate.clone()).with_views(people.views.clone());
    http::router(archive, metrics, dicom_web, (pages, viewer), guard)
}

/// The pages over `archive`, with what they tell of this site.
fn portal(
    config: &Config,
    (archive, people): (&Archive, &People),
    dimse_at: &[SocketAddr],
    http_at: SocketAddr,
) -> portal::Portal {
    let addresses = portal::Addresses {
        ae_title: config.dimse.ae_title.to_string(),
        dimse: dimse_at.iter().map(ToString::to_string).collect(),
        dicom_web: format!("{}/dicom-web", http_url(config, http_at)),
    };
    let machines = config.peer.iter().map(|peer| portal::Machine {
        ae_title: peer.ae_title.to_string(),
        address: String::from(peer.address.clone()),
    });
    portal::Portal::new(archive.clone(), addresses)
        .with_packs_in(config.packs_dir())
        .with_machines(machines.collect())
        .with_gate(people.gate.clone())
        .with_views(people.views.clone())
        .with_further_titles(config.dimse.also_ae_titles.clone())
        .with_quiet_seconds(config.study.quiet_seconds)
        .with_backups(Backups::new(&config.data_dir))
}

/// The machines that were allowed on the pages, in force for the listener from now on, whatever changes.
fn allowed_peers(
    config: &Config,
    archive: &Archive,
    facilities: &Facilities,
    known: KnownPeers,
) -> Result<AllowedPeers> {
    let allowed = AllowedPeers::open(&config.data_dir)?;
    let (archive, configured) = (archive.clone(), facilities.peers.clone());
    allowed.tell(move |peers| {
        let further = peers.iter().filter_map(|peer| {
            let facility = match &peer.facility {
                Some(code) => archive.facility(code),
                None => Ok(FacilityId(0)),
            };
            let facility = facility
                .inspect_err(|error| tracing::error!(%error, ae = %peer.ae_title, "a machine is left out"))
                .ok()?;
            Some(KnownPeer {
                ae_title: peer.ae_title.clone(),
                address: peer.address.clone(),
                facility,
                patient_id_is: peer.patient_id_is,
            })
        });
        // Those of the configuration first: of several that fit a caller the first one counts.
        known.replace(configured.iter().cloned().chain(further));
    });
    Ok(allowed)
}

/// Facilities of the configuration with their internal numbers.
struct Facilities {
    peers: Vec<KnownPeer>,
    tokens: Vec<KnownToken>,
}

impl Facilities {
    fn of(config: &Config, archive: &Archive) -> Result<Facilities> {
        for facility in &config.facility {
            archive.facility(&facility.code).with_context(|| format!("facility {}", facility.code))?;
        }
        let number = |code: &Option<String>| match code {
            Some(code) => archive.facility(code).with_context(|| format!("facility {code}")),
            None => Ok(FacilityId(0)),
        };
        let peers = config
            .peer
            .iter()
            .map(|peer| {
                Ok(KnownPeer {
                    ae_title: peer.ae_title.clone(),
                    address: peer.address.clone(),
                    facility: number(&peer.facility)?,
                    patient_id_is: peer.patient_id_is,
                })
            })
            .collect::<Result<_>>()?;
        let tokens = config
            .token
            .iter()
            .map(|token| {
                Ok(KnownToken {
                    sha256: token.sha256,
                    name: token.name.clone(),
                    facility: number(&token.facility)?,
                    roles: token.roles.clone(),
                })
            })
            .collect::<Result<_>>()?;
        Ok(Facilities { peers, tokens })
    }
}

fn dimse_config(config: &Config, facilities: &Facilities) -> DimseConfig {
    let dimse = &config.dimse;
    DimseConfig {
        listen: std::iter::once(dimse.listen).chain(dimse.also_listen.iter().copied()).collect(),
        ae_titles: std::iter::once(dimse.ae_title.clone())
            .chain(dimse.also_ae_titles.iter().cloned())
            .collect(),
        accept: config.dimse_accept(),
        peers: facilities.peers.clone(),
        default_facility: FacilityId(0),
        limits: dimse.limits,
    }
}

async fn keep_peer_log(log: Arc<PeerLog>, archive: Archive) {
    let mut every = tokio::time::interval(PEER_LOG);
    loop {
        every.tick().await;
        log.flush(&archive);
    }
}

async fn until(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The signals that stop a server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Signals> {
        let terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
        Ok(Signals { terminate, interrupt })
    }

    async fn any(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn http_url(config: &Config, at: SocketAddr) -> String {
    match config.http.public_url.trim_end_matches('/') {
        "" if config.http_is_encrypted() => format!("https://{at}"),
        "" => format!("http://{at}"),
        url => url.to_owned(),
    }
}

#[expect(clippy::print_stdout, reason = "the start-up message of a foreground process")]
fn announce(config: &Config, dimse: &[SocketAddr], http: SocketAddr) {
    let url = http_url(config, http);
    println!("The archive is ready.\n");
    for at in dimse {
        println!("  modalities send to   {at}  AE title {}", config.dimse.ae_title);
    }
    println!("  DICOMweb             {url}/dicom-web");
    println!("  pages                {url}/\n");
    println!("Data folder {}. Stop with Ctrl-C or SIGTERM.", config.data_dir.display());
}

/// One descriptor a connection: the usual soft limit of 1,024 would be the first to give.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
