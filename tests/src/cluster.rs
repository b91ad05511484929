//! Several servers over one index: a database on PostgreSQL and a bucket that they share, and what is asked of all of them.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use fixtures::bucket::{ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY, Service};
use fixtures::hostile::Pieces;
use fixtures::many::{Address, instance};
use fixtures::postgres;
use fixtures::studies::Instance;

use crate::dimse::{Association, contexts_for};
use crate::http::Http;
use crate::server::{Server, Setup};

/// The PostgreSQL server of a test program; each cluster has a database of its own.
static POSTGRES: Mutex<Option<postgres::Server>> = Mutex::new(None);

/// A database and a bucket that servers share, and the folder below which each has its own.
pub struct Cluster {
    folder: tempfile::TempDir,
    /// The bucket of those that have one.
    pub bucket: Service,
    url: String,
}

impl Cluster {
    /// An empty database and an empty bucket.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or away, or there is no port or folder.
    pub fn new() -> Result<Cluster> {
        let mut running = POSTGRES.lock().unwrap_or_else(PoisonError::into_inner);
        let server = match running.take() {
            Some(server) => running.insert(server),
            None => running.insert(postgres::Server::start().context("PostgreSQL")?),
        };
        let url = server.database().context("a database")?;
        Ok(Cluster { folder: tempfile::tempdir()?, bucket: Service::start()?, url })
    }

    /// A server with a data folder of its own whose packs stay open for `idle` seconds and go to the bucket.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn node(&self, writer: u32, idle: u32) -> Result<Setup> {
        Ok(self
            .beside(writer, idle)?
            .with("PACS_STORE__URL", &format!("s3://{BUCKET}/archive"))
            .with("PACS_STORE__ACK", "remote")
            .with("PACS_STORE__S3__ENDPOINT", &self.bucket.endpoint())
            .with("PACS_STORE__S3__REGION", "garage")
            .with("PACS_STORE__S3__ACCESS_KEY_ID", ACCESS_KEY_ID)
            .with("PACS_STORE__S3__SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
            .with("PACS_STORE__S3__ALLOW_HTTP", "true")
            .with("PACS_STORE__CACHE_BYTES", "0"))
    }

    /// One that keeps its packs on its own disk.
    ///
    /// # Errors
    /// As [`Cluster::node`].
    pub fn beside(&self, writer: u32, idle: u32) -> Result<Setup> {
        let folder = self.folder.path().join(format!("node-{writer}"));
        std::fs::create_dir_all(&folder)?;
        Ok(Setup::new(&folder)
            .with("PACS_DATABASE__URL", &self.url)
            .with("PACS_STORE__WRITER", &writer.to_string())
            .with("PACS_STORE__SEAL_IDLE_SECONDS", &idle.to_string()))
    }
}

/// Has a server acknowledge what is on its own disk and tell the others where it is reached.
///
/// # Errors
/// When there is no free port.
pub fn reached(node: Setup) -> Result<Setup> {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    Ok(node
        .with("PACS_STORE__ACK", "local")
        .with("PACS_HTTP__LISTEN", &port.to_string())
        .with("PACS_NODE__URL", &format!("http://{port}"))
        .with("PACS_NODE__ALLOW_HTTP", "true")
        .with("PACS_NODE__SECRET", "a-made-up-secret-of-32-characters"))
}

/// A study of two series.
#[must_use]
pub fn study(seed: u64, study: u64, images: u64) -> Vec<Instance> {
    (0..images).map(|number| instance(seed, Address { study, series: number % 2, number }, 20_000)).collect()
}

/// Sends by C-STORE until all is sent or nobody answers; what was acknowledged.
#[must_use]
pub fn c_store(address: SocketAddr, all: &[Instance]) -> Vec<Instance> {
    let contexts = contexts_for(all);
    let mut taken = Vec::new();
    let Ok(mut association) = Association::open(address, "MODALITY", "PACS", &contexts) else { return taken };
    for one in all {
        match association.store(&contexts, one) {
            Ok(response) if response.status == 0 => taken.push(one.clone()),
            _ => return taken,
        }
    }
    taken
}

/// The same by STOW-RS, a few at a time.
#[must_use]
pub fn stow(address: SocketAddr, all: &[Instance]) -> Vec<Instance> {
    let mut taken = Vec::new();
    for some in all.chunks(4) {
        let files: Vec<Pieces> = some.iter().map(|one| Pieces::default().then(one.file(), 1)).collect();
        match Http::new(address).stow(&files) {
            Ok(answer) if answer.status == 200 => taken.extend_from_slice(some),
            _ => return taken,
        }
    }
    taken
}

/// Reads all of it at a server, bit for bit.
///
/// # Errors
/// When one is not there or is another.
pub fn read_all<'a>(server: &Server, all: impl IntoIterator<Item = &'a Instance>) -> Result<()> {
    let mut web = server.web();
    for one in all {
        let found = web.instance(one).with_context(|| format!("{} was acknowledged", one.sop_instance))?;
        ensure!(found == one.data_set, "{} was altered", one.sop_instance);
    }
    Ok(())
}

/// Rows of a list of QIDO-RS.
///
/// # Errors
/// When there is no list.
pub fn rows(server: &Server, path: &str) -> Result<usize> {
    let answer = server.web().get_accepting(path, "application/dicom+json")?;
    if answer.status == 204 { Ok(0) } else { Ok(answer.json()?.as_array().context("no list")?.len()) }
}
