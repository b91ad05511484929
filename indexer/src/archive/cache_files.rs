//! Files of manifests: a folder of a limited size whose content may be deleted at any time.
//!
//! They are not synced: a file that a loss of power cut or emptied is no manifest, and it is made again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::budget::Budget;
use super::manifest::Manifest;

/// Bytes of all files, at most.
const LIMIT: u64 = 1 << 30;
/// Largest file that is read back: what a manifest holds at most, and the names of its instances.
const FILE_MAX: u64 = 64 << 20;

/// The folder.
pub(crate) struct CacheFiles {
    folder: PathBuf,
    limit: u64,
    /// Bytes of all files; none before they were counted.
    total: Mutex<Option<u64>>,
}

impl CacheFiles {
    /// Files in `folder`, which need not exist.
    pub(crate) fn new(folder: &Path) -> CacheFiles {
        CacheFiles { folder: folder.join("manifests"), limit: LIMIT, total: Mutex::new(None) }
    }

    fn path(&self, name: &str) -> PathBuf {
        let shard = name.get(..2).unwrap_or("00");
        self.folder.join(shard).join(format!("{name}.manifest"))
    }

    /// The manifest of this name, if there is a whole one and room for it.
    pub(crate) fn read(&self, name: &str, room: &Budget) -> Option<Manifest> {
        let path = self.path(name);
        let length = fs::metadata(&path).ok()?.len();
        if length > FILE_MAX {
            return None;
        }
        let manifest = Manifest::from_bytes(&fs::read(&path).ok()?, room).ok()?;
        // The oldest are deleted first: what is read is young again. Where that fails it is merely made again.
        let _ = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(manifest)
    }

    /// Writes a manifest under this name in the place of an older one.
    pub(crate) fn write(&self, name: &str, manifest: &Manifest) -> io::Result<()> {
        let bytes = manifest.to_bytes();
        if bytes.len() as u64 > FILE_MAX {
            return Ok(());
        }
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let new = path.with_extension("new");
        fs::write(&new, &bytes)?;
        let replaced = fs::metadata(&path).map_or(0, |file| file.len());
        fs::rename(&new, &path)?;
        let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = match *total {
            Some(sum) => (sum + bytes.len() as u64).saturating_sub(replaced),
            None => self.files().iter().map(|file| file.1).sum(),
        };
        *total = Some(if sum > self.limit { self.make_room() } else { sum });
        Ok(())
    }

    /// Deletes the longest unused files until a fifth of the room is free; the bytes that are left.
    fn make_room(&self) -> u64 {
        let mut files = self.files();
        files.sort();
        let mut left: u64 = files.iter().map(|file| file.1).sum();
        for (_, length, path) in files {
            if left <= self.limit / 5 * 4 {
                break;
            }
            if fs::remove_file(&path).is_ok() {
                left -= length;
            }
        }
        left
    }

    /// When last used, bytes and path of each file.
    fn files(&self) -> Vec<(SystemTime, u64, PathBuf)> {
        let list = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
        let files = list(&self.folder).flat_map(|shard| list(&shard.path()).collect::<Vec<_>>());
        let described = files.filter_map(|file| {
            let facts = file.metadata().ok()?;
            Some((facts.modified().ok()?, facts.len(), file.path()))
        });
        described.collect()
    }
}

#[cfg(test)]
mod tests {
    use storage_config::ContentHash;

    use super::*;

    fn manifest(n: u8) -> Manifest {
        let mut manifest = Manifest::default();
        let mut text = vec![n; 2000];
        manifest.add(&mut text, &vec![ContentHash::of(&[n]); 300], &Budget::new(u64::MAX, 0)).unwrap();
        manifest
    }

    #[test]
    fn the_longest_unused_go_first_and_the_limit_holds() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = CacheFiles::new(folder.path());
        let one = manifest(0).to_bytes().len() as u64;
        files.limit = 10 * one;
        for n in 0..30u8 {
            let name = ContentHash::of(&[n]).to_string();
            files.write(&name, &manifest(n)).unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(n));
            fs::File::open(files.path(&name)).unwrap().set_modified(time).unwrap();
            let bytes: u64 = files.files().iter().map(|file| file.1).sum();
            assert!(bytes <= files.limit);
        }
        let kept = |n: u8| files.read(&ContentHash::of(&[n]).to_string(), &Budget::new(u64::MAX, 0));
        assert_eq!(kept(0), None);
        assert_eq!(kept(29).map(|found| found.members), Some(manifest(29).members));
    }
}
