//! Files that come in one by one over HTTP: dropped on a page, or sent by a program.
//!
//! An import is begun, gets its files, and is ended; meanwhile and afterwards it tells how many were stored and why
//! others were refused, as the command line does. A file goes the way of any other import; what is not finished is
//! sent again, since everything is deduplicated. Zip archives are kept in a file without a name, read behind the
//! answer, and nothing of them is ever written under a name of theirs.
//!
//! Imports live in memory: after a restart they are unknown, and what was stored stays stored.

mod body;
mod csv;
mod routes;
mod session;
#[cfg(test)]
mod tests;
mod unpack;
mod zip;
mod zip_directory;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indexer::archive::Archive;
use storage_config::Config;
use storage_config::config::{ScanLimits, UploadLimits};
use tokio::sync::Semaphore;

pub use routes::router;

use super::{Cancel, ImportJob, Patience};
use session::Session;

/// What all imports over HTTP share. Cheap to clone.
#[derive(Clone)]
pub struct Uploads {
    shared: Arc<Shared>,
}

struct Shared {
    archive: Archive,
    /// Where files without a name are kept.
    folder: PathBuf,
    scan: ScanLimits,
    limits: UploadLimits,
    /// Longest silence of who sends a file.
    idle: Duration,
    patience: Patience,
    /// Set when the server stops.
    stop: Cancel,
    files: Arc<Semaphore>,
    zips: Arc<Semaphore>,
    imports: Mutex<HashMap<String, Arc<Session>>>,
    unpacking: Mutex<Vec<JoinHandle<()>>>,
}

impl Uploads {
    /// Imports into `archive`, whose data folder is that of `config`.
    ///
    /// # Errors
    /// When the folder for files that are under way cannot be made.
    pub fn new(archive: &Archive, config: &Config) -> std::io::Result<Uploads> {
        use std::os::unix::fs::DirBuilderExt;
        let folder = config.data_dir.join("import");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let limits = config.upload;
        let shared = Shared {
            archive: archive.clone(),
            folder,
            scan: config.scan,
            limits,
            idle: Duration::from_secs(config.http.limits.idle_seconds),
            patience: Patience::default(),
            stop: Cancel::new(),
            files: Arc::new(Semaphore::new(limits.files as usize)),
            zips: Arc::new(Semaphore::new(limits.zips as usize)),
            imports: Mutex::default(),
            unpacking: Mutex::default(),
        };
        Ok(Uploads { shared: Arc::new(shared) })
    }

    /// Has zip archives that are being read stop after the files under way, and waits until they have.
    pub fn stop(&self) {
        self.shared.stop.set();
        let threads = std::mem::take(&mut *self.shared.unpacking());
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("reading a zip archive ended with a panic");
            }
        }
    }
}

impl Shared {
    fn imports(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.imports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unpacking(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.unpacking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An import that was begun and not forgotten.
    fn import(&self, id: &str) -> Option<Arc<Session>> {
        let found = self.imports().get(id).cloned();
        found.inspect(|session| session.touch())
    }

    /// Begins an import; the longest unused one is forgotten where there are too many.
    fn begin(&self, session: Session) -> Arc<Session> {
        let session = Arc::new(session);
        let mut imports = self.imports();
        if imports.len() >= self.limits.imports as usize {
            let idle = imports.values().filter(|one| !one.is_busy());
            let oldest = idle.min_by_key(|one| one.touched()).map(|one| one.id().to_owned());
            oldest.and_then(|id| imports.remove(&id));
        }
        imports.insert(session.id().to_owned(), session.clone());
        session
    }

    /// Waits, but not when the server stops. False then.
    fn pause(&self, cancel: &Cancel, length: Duration) -> bool {
        let until = Instant::now() + length;
        while Instant::now() < until {
            if self.stop.is_set() || cancel.is_set() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }
}

/// The job that an import over HTTP stands for: it has options and no paths.
fn job(facility: Option<String>, issuer: Option<String>, source: Option<String>) -> ImportJob {
    ImportJob {
        paths: Vec::new(),
        dry_run: false,
        facility,
        issuer,
        source,
        threads: None,
        resume: false,
        patient: None,
        who: None,
    }
}
