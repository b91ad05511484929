//! Where sealed packs go: the settings of an object store, and their address.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

use super::{Ack, Config};

/// A service with the interface of S3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3 {
    /// Address of the service, such as `https://s3.example.org`; empty: that of Amazon.
    pub endpoint: String,
    /// Region of the bucket.
    pub region: String,
    /// Who we are; empty: `AWS_ACCESS_KEY_ID` and what else of that family the environment has.
    pub access_key_id: String,
    /// What proves it.
    pub secret_access_key: Secret,
    /// Whether the bucket stands in the path of addresses, not before the host; most services want it.
    pub path_style: bool,
    /// Whether an unencrypted connection will do.
    pub allow_http: bool,
}

impl Default for S3 {
    fn default() -> Self {
        S3 {
            endpoint: String::new(),
            region: "us-east-1".into(),
            access_key_id: String::new(),
            secret_access_key: Secret::default(),
            path_style: true,
            allow_http: false,
        }
    }
}

/// Google Cloud Storage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gcs {
    /// File of a service account's key (JSON); empty: what `GOOGLE_APPLICATION_CREDENTIALS` and the like name, else the
    /// identity of this machine.
    pub service_account_file: PathBuf,
    /// Address of the service; empty: that of Google.
    pub endpoint: String,
    /// Whether an unencrypted connection will do.
    pub allow_http: bool,
}

/// Azure Blob Storage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Azure {
    /// Name of the storage account; empty: `AZURE_STORAGE_ACCOUNT_NAME`.
    pub account: String,
    /// Its key; empty: `AZURE_STORAGE_ACCOUNT_KEY` and what else of that family the environment has, else the identity of
    /// this machine.
    pub access_key: Secret,
    /// Address of the service with all that comes before the container; empty: that of Microsoft.
    pub endpoint: String,
    /// Whether an unencrypted connection will do.
    pub allow_http: bool,
}

/// Text that is never shown.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one who needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn shown(&self) -> &'static str {
        if self.0.is_empty() { "" } else { "(not shown)" }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

/// What kind of service a bucket belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// One with the interface of S3.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage, whose buckets are called containers.
    Azure,
}

impl Service {
    const ALL: [Service; 3] = [Service::S3, Service::Gcs, Service::Azure];

    /// How addresses of its buckets begin, before `://`.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Service::S3 => "s3",
            Service::Gcs => "gs",
            Service::Azure => "az",
        }
    }
}

/// A bucket and what in it is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Whose it is.
    pub service: Service,
    /// Its name.
    pub name: String,
    /// What the keys of all objects begin with; empty for none. No slash at either end.
    pub prefix: String,
}

/// The bucket that `url` names; none where packs stay in the data folder.
fn bucket(url: &str) -> Result<Option<Bucket>, String> {
    if url == "file:packs" {
        return Ok(None);
    }
    let unknown = || {
        format!(
            "store.url = {url:?}: neither file:packs nor s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or \
             az://CONTAINER/PREFIX"
        )
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(unknown)?;
    let service = Service::ALL.into_iter().find(|service| service.scheme() == scheme).ok_or_else(unknown)?;
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_matches('/');
    let of = |text: &str, more: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c)) && text.len() <= 200
    };
    let parts =
        prefix.is_empty() || prefix.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    if name.is_empty() || !of(name, ".-_") || !of(prefix, ".-_/") || !parts {
        return Err(unknown());
    }
    Ok(Some(Bucket { service, name: name.to_owned(), prefix: prefix.to_owned() }))
}

impl Config {
    /// The bucket to which sealed packs go; none where they stay in the data folder.
    #[must_use]
    pub fn bucket(&self) -> Option<Bucket> {
        bucket(&self.store.url).ok().flatten()
    }

    /// Settings of the store that cannot work together.
    pub(super) fn store_problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let store = &self.store;
        let remote = match bucket(&store.url) {
            Ok(bucket) => bucket.is_some(),
            Err(problem) => {
                found.push(problem);
                return found;
            }
        };
        if store.ack == Ack::Remote && !remote {
            found.push(
                "store.ack = \"remote\" needs a store.url of s3://BUCKET/PREFIX, gs:// or az://".into(),
            );
        }
        let s3 = &store.s3;
        for (name, endpoint, allow_http) in [
            ("s3", &s3.endpoint, s3.allow_http),
            ("gcs", &store.gcs.endpoint, store.gcs.allow_http),
            ("azure", &store.azure.endpoint, store.azure.allow_http),
        ] {
            let (of, allow) = (format!("store.{name}.endpoint"), format!("store.{name}.allow_http"));
            found.extend(endpoint_problem(&of, &allow, endpoint, allow_http));
        }
        if s3.access_key_id.is_empty() != s3.secret_access_key.reveal().is_empty() {
            found.push("store.s3.access_key_id and store.s3.secret_access_key come together".into());
        }
        if remote && store.backlog_bytes < 1 << 20 {
            found.push("store.backlog_bytes is below 1 MiB".into());
        }
        if remote && store.block_cache_bytes < 8 << 20 {
            found.push("store.block_cache_bytes is below 8 MiB".into());
        }
        if store.seal_idle_seconds == 0 || store.seal_age_seconds == 0 {
            found.push("store.seal_idle_seconds or store.seal_age_seconds is 0".into());
        }
        found
    }
}

/// What is wrong with the address in `name`, where `allow` says whether it may be unencrypted.
pub(super) fn endpoint_problem(name: &str, allow: &str, endpoint: &str, allow_http: bool) -> Option<String> {
    let scheme = endpoint.split("://").next().unwrap_or("");
    if !endpoint.is_empty() && !["http", "https"].contains(&scheme) {
        return Some(format!("{name} is no http or https address"));
    }
    let plain = scheme == "http" && !allow_http;
    plain.then(|| format!("{name} is not encrypted: set {allow} = true if that will do"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_what_is_ours_in_it() {
        let of = |url| bucket(url).map(|found| found.map(|b| (b.name, b.prefix)));
        assert_eq!(of("file:packs"), Ok(None));
        assert_eq!(of("s3://scans"), Ok(Some(("scans".into(), String::new()))));
        assert_eq!(of("s3://scans/site/a/"), Ok(Some(("scans".into(), "site/a".into()))));
        assert_eq!(of("gs://scans/a"), Ok(Some(("scans".into(), "a".into()))));
        assert_eq!(bucket("az://scans").map(|b| b.map(|b| b.service)), Ok(Some(Service::Azure)));
        for wrong in ["s3://", "s3:///x", "file:else", "ftp://b", "s3://b/../c", "s3://b/c//d", "s3://b c"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret("very secret".into());
        assert!(!format!("{secret:?}").contains("very"));
        assert!(!toml::Value::try_from(&secret).unwrap().to_string().contains("very"));
    }
}
