//! Where rows and packs are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Azure, Gcs, S3, StoreLimits};

/// The index.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite:FILE`, relative to the data folder, or `postgres://user:password@host:port/name`.
    pub url: String,
}

impl Database {
    /// Whether the index is on a PostgreSQL server.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres://") || self.url.starts_with("postgresql://")
    }

    /// The URL without a password, for people and logs.
    #[must_use]
    pub fn shown(&self) -> String {
        let Some((scheme, rest)) = self.url.split_once("://") else { return self.url.clone() };
        // A password may hold any letter, so that all before the last @ is of the user; parameters may repeat it.
        let (place, _) = rest.split_once('?').unwrap_or((rest, ""));
        match place.rsplit_once('@') {
            Some((user, host)) => {
                let user = user.split(':').next().unwrap_or_default();
                format!("{scheme}://{user}@{host}")
            }
            None => format!("{scheme}://{place}"),
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("url", &self.shown()).finish()
    }
}

impl Default for Database {
    fn default() -> Self {
        Database { url: "sqlite:index.sqlite".into() }
    }
}

/// The packs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `file:packs`: sealed packs stay in the data folder; `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or
    /// `az://CONTAINER/PREFIX`: they go to an object store.
    pub url: String,
    /// When a store is answered.
    pub ack: Ack,
    /// Folder with copies of the packs, such as a nightly rsync keeps, from which damaged records are repaired; empty:
    /// none.
    pub replica: PathBuf,
    /// The number of this server among those that share one index or bucket, each its own.
    pub writer: u32,
    /// Bytes of packs that may wait for their upload; beyond it stores are refused for now.
    pub backlog_bytes: u64,
    /// Bytes of uploaded packs that stay on the disk to be read; the longest unused go first.
    pub cache_bytes: u64,
    /// Bytes in memory of packs that are read from the object store.
    pub block_cache_bytes: u64,
    /// Seconds without a store after which a pack is sealed and uploaded.
    pub seal_idle_seconds: u64,
    /// Seconds after its first record after which a pack is sealed and uploaded.
    pub seal_age_seconds: u64,
    /// Seconds for which the object of a pack stays that was written anew, for other servers that are reading it.
    pub retired_seconds: u64,
    /// The object store of an `s3://` address.
    pub s3: S3,
    /// That of a `gs://` address.
    pub gcs: Gcs,
    /// That of an `az://` address.
    pub azure: Azure,
    /// Bounds in size, number and time.
    pub limits: StoreLimits,
}

impl Default for Store {
    fn default() -> Self {
        Store {
            url: "file:packs".into(),
            ack: Ack::Local,
            replica: PathBuf::new(),
            writer: 1,
            backlog_bytes: 64 << 30,
            cache_bytes: 256 << 30,
            block_cache_bytes: 64 << 20,
            seal_idle_seconds: 60,
            seal_age_seconds: 600,
            retired_seconds: 600,
            s3: S3::default(),
            gcs: Gcs::default(),
            azure: Azure::default(),
            limits: StoreLimits::default(),
        }
    }
}

/// When a store is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ack {
    /// After the sync of the local disk.
    Local,
    /// After that, and after the object store has the bytes.
    Remote,
}
