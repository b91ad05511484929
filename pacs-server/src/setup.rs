//! From a configuration to an open archive.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use indexer::archive::{Archive, ArchiveOptions};
use indexer::db::{Db, DbOptions};
use storage_config::Config;
use storage_config::disk::{DirLock, Disk};

/// Milliseconds since 1970-01-01 UTC.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Makes the data folder, takes its lock and opens the archive in it. The lock is held until it is dropped.
pub(crate) fn open_archive(config: &Config) -> Result<(Archive, DirLock)> {
    let data = &config.data_dir;
    std::fs::create_dir_all(data).with_context(|| format!("the data folder {}", data.display()))?;
    let lock = DirLock::acquire(data).with_context(|| format!("the data folder {}", data.display()))?;
    let db = Db::open(&config.index_path(), DbOptions::default())?;
    let options = ArchiveOptions {
        disk: Disk::Real,
        packs_dir: config.packs_dir(),
        cache_dir: Some(data.join("cache")),
        scan: config.scan,
        store: config.store.limits,
        now_ms,
    };
    let (archive, recovered) = Archive::open(options, db).context("the archive cannot be opened")?;
    if recovered.packs > 0 {
        tracing::info!(
            packs = recovered.packs,
            records = recovered.records,
            gaps = recovered.gaps,
            unindexable = recovered.unindexable,
            "packs that were open at the last stop were indexed"
        );
    }
    Ok((archive, lock))
}
