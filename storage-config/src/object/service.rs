//! The three kinds of services: from settings and environment to a client of the library.

use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::{Effort, ObjectError};
use crate::config::{Azure, Bucket, Gcs, S3, Service, Store};

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// What of the environment says who we are to Google.
const GOOGLE: [&str; 6] = [
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_BEARER_TOKEN",
    "GOOGLE_SKIP_SIGNATURE",
];
/// What of the environment says who we are to Azure.
const AZURE: [&str; 9] = [
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_SKIP_SIGNATURE",
];
/// What of the environment names the storage account.
const AZURE_ACCOUNT: &str = "AZURE_STORAGE_ACCOUNT_NAME";

/// The library's client of a bucket.
pub(super) fn store(
    bucket: &Bucket,
    settings: &Store,
    effort: Effort,
) -> Result<Box<dyn ObjectStore>, ObjectError> {
    let wrong = |error: object_store::Error| ObjectError::Settings(error.to_string());
    Ok(match bucket.service {
        Service::S3 => Box::new(s3(bucket, &settings.s3, effort).build().map_err(wrong)?),
        Service::Gcs => Box::new(gcs(bucket, &settings.gcs, effort)?.build().map_err(wrong)?),
        Service::Azure => Box::new(azure(bucket, &settings.azure, effort)?.build().map_err(wrong)?),
    })
}

/// The library's client of the packs of another server of the same archive. Whoever waits for an answer is told soon that it
/// is away.
pub(super) fn node(url: &str, secret: &str) -> Result<Box<dyn ObjectStore>, ObjectError> {
    let bearer = HeaderValue::from_str(&format!("Bearer {secret}"));
    let mut bearer = bearer.map_err(|error| ObjectError::Settings(format!("node.secret: {error}")))?;
    bearer.set_sensitive(true);
    let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
    let retry = RetryConfig { max_retries: 1, retry_timeout: Duration::from_secs(1), ..retry(Effort::Quick) };
    let store = HttpBuilder::new()
        .with_url(format!("{}/internal/packs", url.trim_end_matches('/')))
        .with_retry(retry)
        // Whether that will do is asked where the address is set.
        .with_client_options(options(Effort::Quick, true).with_default_headers(headers))
        .build();
    store
        .map(|store| Box::new(store) as Box<dyn ObjectStore>)
        .map_err(|error| ObjectError::Settings(error.to_string()))
}

/// Where nothing says who we are, so that the service was asked for the identity of this machine: what to do about it.
pub(super) fn nameless(bucket: &Bucket, settings: &Store) -> Option<String> {
    let (said, advice) = match bucket.service {
        Service::S3 => return None,
        Service::Gcs => (
            !settings.gcs.service_account_file.as_os_str().is_empty() || is_any_set(&GOOGLE),
            "store.gcs.service_account_file is empty and the environment names no credentials, such as \
             GOOGLE_APPLICATION_CREDENTIALS, so that the identity of this machine was asked for",
        ),
        Service::Azure => (
            !settings.azure.access_key.reveal().is_empty() || is_any_set(&AZURE),
            "store.azure.access_key is empty and the environment names no credentials, such as \
             AZURE_STORAGE_ACCOUNT_KEY, so that the identity of this machine was asked for",
        ),
    };
    (!said).then(|| advice.to_owned())
}

fn is_any_set(names: &[&str]) -> bool {
    names.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn options(effort: Effort, allow_http: bool) -> ClientOptions {
    let (_, _, request, _) = effort.budget();
    ClientOptions::new()
        .with_allow_http(allow_http)
        .with_http1_only()
        .with_connect_timeout(CONNECT)
        .with_timeout(request)
}

fn retry(effort: Effort) -> RetryConfig {
    let (max_retries, retry_timeout, ..) = effort.budget();
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(50),
        max_backoff: Duration::from_secs(5),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries, retry_timeout }
}

fn s3(bucket: &Bucket, s3: &S3, effort: Effort) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&bucket.name)
        .with_region(&s3.region)
        .with_virtual_hosted_style_request(!s3.path_style)
        .with_conditional_put(S3ConditionalPut::Disabled)
        .with_disable_bulk_delete(true)
        .with_retry(retry(effort))
        .with_client_options(options(effort, s3.allow_http))
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

fn gcs(bucket: &Bucket, gcs: &Gcs, effort: Effort) -> Result<GoogleCloudStorageBuilder, ObjectError> {
    let file = &gcs.service_account_file;
    let mut builder = if file.as_os_str().is_empty() {
        GoogleCloudStorageBuilder::from_env()
    } else {
        let key = std::fs::read_to_string(file).map_err(|error| {
            let file = file.display();
            ObjectError::Settings(format!("store.gcs.service_account_file: {file} cannot be read: {error}"))
        })?;
        GoogleCloudStorageBuilder::new().with_service_account_key(key)
    };
    builder = builder
        .with_bucket_name(&bucket.name)
        .with_retry(retry(effort))
        .with_client_options(options(effort, gcs.allow_http));
    if !gcs.endpoint.is_empty() {
        builder = builder.with_base_url(gcs.endpoint.trim_end_matches('/'));
    }
    Ok(builder)
}

fn azure(bucket: &Bucket, azure: &Azure, effort: Effort) -> Result<MicrosoftAzureBuilder, ObjectError> {
    if azure.account.is_empty() && !is_any_set(&[AZURE_ACCOUNT]) {
        let missing = format!("store.azure.account is empty and {AZURE_ACCOUNT} is not set");
        return Err(ObjectError::Settings(missing));
    }
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(&bucket.name)
        .with_retry(retry(effort))
        .with_client_options(options(effort, azure.allow_http))
        .with_allow_http(azure.allow_http);
    if !azure.account.is_empty() {
        builder = builder.with_account(&azure.account);
    }
    if !azure.access_key.reveal().is_empty() {
        builder = builder.with_access_key(azure.access_key.reveal());
    }
    if !azure.endpoint.is_empty() {
        builder = builder.with_endpoint(azure.endpoint.trim_end_matches('/').to_owned());
    }
    Ok(builder)
}
