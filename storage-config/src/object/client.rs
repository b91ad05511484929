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
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{
    Attribute, AttributeValue, Attributes, BackoffConfig, ClientOptions, GetOptions, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, RetryConfig,
};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::{About, Effort, Listed, ObjectError};
use crate::config::{Bucket, S3};
use crate::hash::ContentHash;

/// Threads of the runtime.
const THREADS: usize = 2;
/// Name of the note that keeps an object's SHA-256.
const NOTE: &str = "sha256";
/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);

impl Effort {
    /// Tries after the first one, how long these may begin, how long one may take, how long all of it may take.
    fn budget(self) -> (usize, Duration, Duration, Duration) {
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
    address: String,
    stopping: watch::Sender<bool>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of `bucket`. Nothing is sent yet.
    ///
    /// # Errors
    /// `Settings` where the settings make no client; `Away` where no thread can be started.
    pub fn new(bucket: &Bucket, s3: &S3) -> Result<Client, ObjectError> {
        // Another part of the process may have chosen already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("objects")
            .enable_all()
            .build()
            .map_err(|error| ObjectError::Away { reason: error.to_string() })?;
        let prefix = Path::parse(&bucket.prefix).map_err(|error| ObjectError::Settings(error.to_string()))?;
        let of = |effort| {
            let store = builder(bucket, s3, effort).build();
            store
                .map(|store| Box::new(store) as Box<dyn ObjectStore>)
                .map_err(|error| ObjectError::Settings(error.to_string()))
        };
        Ok(Client {
            quick: of(Effort::Quick)?,
            patient: of(Effort::Patient)?,
            runtime: Some(runtime),
            prefix,
            stopping: watch::Sender::new(false),
            address: format!("s3://{}/{}", bucket.name, bucket.prefix),
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
            Some(Ok(result)) => result.map_err(|error| meaning(key, error)),
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

fn noted(sha256: ContentHash) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::Metadata(NOTE.into()), AttributeValue::from(sha256.to_string()));
    attributes.insert(Attribute::ContentType, AttributeValue::from("application/octet-stream"));
    attributes
}

fn builder(bucket: &Bucket, s3: &S3, effort: Effort) -> AmazonS3Builder {
    let (max_retries, retry_timeout, request, _) = effort.budget();
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(50),
        max_backoff: Duration::from_secs(5),
        base: 2.0,
    };
    let options = ClientOptions::new()
        .with_allow_http(s3.allow_http)
        .with_http1_only()
        .with_connect_timeout(CONNECT)
        .with_timeout(request);
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&bucket.name)
        .with_region(&s3.region)
        .with_virtual_hosted_style_request(!s3.path_style)
        .with_conditional_put(S3ConditionalPut::Disabled)
        .with_disable_bulk_delete(true)
        .with_retry(RetryConfig { backoff, max_retries, retry_timeout })
        .with_client_options(options)
        .with_allow_http(s3.allow_http);
    if !s3.endpoint.is_empty() {
        builder = builder.with_endpoint(&s3.endpoint);
    }
    if !s3.access_key_id.is_empty() {
        builder = builder
            .with_access_key_id(&s3.access_key_id)
            .with_secret_access_key(s3.secret_access_key.reveal());
    }
    builder
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
