//! The archive behind the tests' server.

use std::path::Path;
use std::sync::Arc;

use indexer::archive::{Archive, ArchiveOptions};
use indexer::db::{Db, DbOptions};
use storage_config::config::{ScanLimits, StoreLimits};
use storage_config::disk::Disk;

/// An empty archive in `folder`.
pub fn open(folder: &Path) -> Arc<Archive> {
    let db = Db::open(&folder.join("index.sqlite"), DbOptions::default()).unwrap();
    let options = ArchiveOptions {
        disk: Disk::Real,
        packs_dir: folder.join("packs"),
        cache_dir: None,
        replica: None,
        writer: 1,
        scan: ScanLimits::default(),
        // The tests' disk may be a small one.
        store: StoreLimits { min_free_bytes: 1 << 20, ..StoreLimits::default() },
        now_ms: || 1_780_000_000_000,
    };
    Arc::new(Archive::open(options, db).unwrap().0)
}
