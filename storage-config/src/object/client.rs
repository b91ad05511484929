//! A service that is reached over the network, through `object_store`.
//!
//! The library is asynchronous. It runs on a small runtime of its own; callers hand a request over and wait for the
//! answer, so that they may be any thread.

use std::future::Future;
use std::ops::Range;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{
    Attribute, AttributeValue, Attributes, GetOptions, ObjectStore, ObjectStoreExt, PutMultipartOptions,
    PutOptions,
};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::{About, Effort, Listed, ObjectError, service};
use crate::config::{Bucket, Service, Store};
use crate::hash::ContentHash;

/// Threads of the runtime.
const THREADS: usize = 2;
/// Name of the note that keeps an object's SHA-256.
const NOTE: &str = "sha256";

impl Effort {
    /// Tries after the first one, how long these may begin, how long one may take, how long all of it may take.
    pub(super) fn budget(self) -> (usize, Duration, Duration, Duration) {
        let seconds = Duration::from_secs;
        match self {
            Effort::Quick => (6, seconds(4), seconds(8), seconds(12)),
            Effort::Patient => (10, seconds(60), seconds(120), seconds(300)),
        }
    }
}

/// The client of one bucket.
pub struct Client {
    runtime: Option<Runtime>,
    quick: Box<dyn ObjectStore>,
    patient: Box<dyn ObjectStore>,
    prefix: Path,
    service: Service,
    /// What to say with an error where nobody said who we are.
    nameless: Option<String>,
    address: String,
    stopping: watch::Sender<bool>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of `bucket` by the settings of its service. Nothing is sent yet.
    ///
    /// # Errors
    /// `Settings` where the settings make no client; `Away` where no thread can be started.
    pub fn new(bucket: &Bucket, settings: &Store) -> Result<Client, ObjectError> {
        let runtime = runtime()?;
        let prefix = Path::parse(&bucket.prefix).map_err(|error| ObjectError::Settings(error.to_string()))?;
        // The library may ask for a runtime while it is made.
        let inside = runtime.enter();
        let quick = service::store(bucket, settings, Effort::Quick)?;
        let patient = service::store(bucket, settings, Effort::Patient)?;
        drop(inside);
        Ok(Client {
            quick,
            patient,
            service: bucket.service,
            nameless: service::nameless(bucket, settings),
            runtime: Some(runtime),
            prefix,
            stopping: watch::Sender::new(false),
            address: format!("{}://{}/{}", bucket.service.scheme(), bucket.name, bucket.prefix),
        })
    }

    /// A client of another server of the same archive, at `url`, for reading its packs. Nothing is sent yet.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn of_node(url: &str, secret: &str) -> Result<Client, ObjectError> {
        let runtime = runtime()?;
        let inside = runtime.enter();
        let (quick, patient) = (service::node(url, secret)?, service::node(url, secret)?);
        drop(inside);
        Ok(Client {
            quick,
            patient,
            service: Service::S3,
            nameless: None,
            runtime: Some(runtime),
            prefix: Path::default(),
            stopping: watch::Sender::new(false),
            address: url.to_owned(),
        })
    }

    pub(super) fn put(
        &self,
        key: &str,
        bytes: Bytes,
        sha256: ContentHash,
        effort: Effort,
    ) -> Result<(), ObjectError> {
        let options = PutOptions { attributes: noted(sha256), ..PutOptions::default() };
        let path = self.path(key);
        let put = self.store(effort).put_opts(&path, bytes.into(), options);
        self.wait(key, effort, put).map(drop)
    }

    pub(super) fn read(&self, key: &str, range: Range<u64>, effort: Effort) -> Result<Bytes, ObjectError> {
        let path = self.path(key);
        self.wait(key, effort, self.store(effort).get_range(&path, range))
    }

    pub(super) fn about(&self, key: &str, effort: Effort) -> Result<Option<About>, ObjectError> {
        let path = self.path(key);
        let options = GetOptions { head: true, ..GetOptions::default() };
        let found = match self.wait(key, effort, self.store(effort).get_opts(&path, options)) {
            Ok(found) => found,
            Err(ObjectError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let note = found.attributes.get(&Attribute::Metadata(NOTE.into()));
        let sha256 = note.and_then(|note| note.as_ref().parse().ok());
        Ok(Some(About { length: found.meta.size, sha256 }))
    }

    pub(super) fn list(&self, folder: &str, effort: Effort) -> Result<Vec<Listed>, ObjectError> {
        let path = self.path(folder);
        let listing = self.store(effort).list(Some(&path)).try_collect::<Vec<_>>();
        let found = self.wait(folder, effort, listing)?;
        let below = |path: &Path| {
            let mut parts = path.prefix_match(&self.prefix)?.map(|part| part.as_ref().to_owned());
            let first = parts.next()?;
            Some(parts.fold(first, |key, part| key + "/" + &part))
        };
        let listed = found
            .iter()
            .filter_map(|meta| below(&meta.location).map(|key| Listed { key, length: meta.size }));
        Ok(listed.collect())
    }

    pub(super) fn delete(&self, key: &str, effort: Effort) -> Result<(), ObjectError> {
        let path = self.path(key);
        match self.wait(key, effort, self.store(effort).delete(&path)) {
            Err(ObjectError::Missing { .. }) => Ok(()),
            result => result,
        }
    }

    pub(super) fn put_parts(
        &self,
        key: &str,
        sha256: ContentHash,
        effort: Effort,
        next: &mut dyn FnMut() -> Result<Bytes, ObjectError>,
    ) -> Result<(), ObjectError> {
        let options = PutMultipartOptions { attributes: noted(sha256), ..PutMultipartOptions::default() };
        let path = self.path(key);
        let mut upload = self.wait(key, effort, self.store(effort).put_multipart_opts(&path, options))?;
        let sent = (|| {
            loop {
                let bytes = next()?;
                if bytes.is_empty() {
                    return self.wait(key, effort, upload.complete()).map(drop);
                }
                self.wait(key, effort, upload.put_part(bytes.into()))?;
            }
        })();
        if sent.is_err() {
            // Parts that stay behind cost room until the bucket's own rules remove them; they are never an object.
            let _ = self.wait(key, Effort::Quick, upload.abort());
        }
        sent
    }

    /// Whether the service compares the hash of each body with what it was told. The others take what comes.
    pub(super) fn verifies_bodies(&self) -> bool {
        self.service == Service::S3
    }

    pub(super) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    fn store(&self, effort: Effort) -> &dyn ObjectStore {
        match effort {
            Effort::Quick => &*self.quick,
            Effort::Patient => &*self.patient,
        }
    }

    fn path(&self, key: &str) -> Path {
        key.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// Adds to an error what an operator can do about it.
    fn with_advice(&self, error: ObjectError) -> ObjectError {
        let with = |reason: String| match &self.nameless {
            Some(advice) => format!("{reason} ({advice})"),
            None => reason,
        };
        match error {
            ObjectError::Refused { reason } => ObjectError::Refused { reason: with(reason) },
            ObjectError::Away { reason } => ObjectError::Away { reason: with(reason) },
            error => error,
        }
    }

    /// Runs a request on the runtime and waits for its end, at most as long as the effort allows.
    fn wait<T: Send>(
        &self,
        key: &str,
        effort: Effort,
        request: impl Future<Output = object_store::Result<T>> + Send,
    ) -> Result<T, ObjectError> {
        let (_, _, _, all) = effort.budget();
        let Some(runtime) = &self.runtime else { return Err(ObjectError::Stopped) };
        let waited = std::thread::scope(|scope| {
            // A thread of its own: a caller may already be inside another runtime, which must not be entered twice.
            let inside = tokio::runtime::Handle::try_current().is_ok();
            let mut stopping = self.stopping.subscribe();
            let ended = async move {
                tokio::select! {
                    result = tokio::time::timeout(all, request) => Some(result),
                    _ = stopping.wait_for(|stop| *stop) => None,
                }
            };
            let wait = || runtime.block_on(ended);
            if inside {
                let (tell, told) = mpsc::channel();
                scope.spawn(move || drop(tell.send(wait())));
                told.recv().ok().flatten()
            } else {
                wait()
            }
        });
        match waited {
            Some(Ok(result)) => result.map_err(|error| self.with_advice(meaning(key, error))),
            Some(Err(_)) => Err(ObjectError::Away { reason: format!("no answer within {all:?}") }),
            None => Err(ObjectError::Stopped),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A runtime must not be waited for from inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A runtime for one client.
fn runtime() -> Result<Runtime, ObjectError> {
    // Another part of the process may have chosen already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("objects")
        .enable_all()
        .build()
        .map_err(|error| ObjectError::Away { reason: error.to_string() })
}

fn noted(sha256: ContentHash) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::Metadata(NOTE.into()), AttributeValue::from(sha256.to_string()));
    attributes.insert(Attribute::ContentType, AttributeValue::from("application/octet-stream"));
    attributes
}

/// What an error of the library means here.
fn meaning(key: &str, error: object_store::Error) -> ObjectError {
    use object_store::Error as E;
    match error {
        E::NotFound { .. } => ObjectError::Missing { key: key.to_owned() },
        E::PermissionDenied { source, .. } | E::Unauthenticated { source, .. } => {
            ObjectError::Refused { reason: source.to_string() }
        }
        E::UnknownConfigurationKey { .. } | E::InvalidPath { .. } => ObjectError::Settings(error.to_string()),
        error => ObjectError::Away { reason: error.to_string() },
    }
}
