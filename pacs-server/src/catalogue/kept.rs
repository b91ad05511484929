//! Imported lists in `data_dir/catalogue`: one file for each version, written once and never changed.
//!
//! Knows the names of these files; it may not know tables.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use indexer::codes::catalogue::list::ImportedList;
use storage_config::ContentHash;
use storage_config::disk::replace_file;

/// Why lists cannot be kept or loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The folder or a file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file is not what was written.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("catalogue")
}

/// The first eight hexadecimal digits of the SHA-256 of a file.
fn hash8(bytes: &[u8]) -> String {
    ContentHash::of(bytes).to_string().chars().take(8).collect()
}

/// Keeps `list` as `<kind>-<date>-<hash>.json`. The file is there with all its bytes or not at all, also after a loss
/// of power. The same list twice is one file.
///
/// # Errors
///
/// [`KeptError::Io`].
pub fn keep(data_dir: &Path, list: &ImportedList) -> Result<PathBuf, KeptError> {
    let folder = folder(data_dir);
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| KeptError::Io { path, error }
    };
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let bytes = serde_json::to_vec_pretty(list).map_err(|error| at(&folder)(error.into()))?;
    let path = folder.join(format!("{}-{}-{}.json", list.kind.label(), list.version, hash8(&bytes)));
    replace_file(&path, &bytes).map_err(at(&path))?;
    if let Ok(parent) = File::open(data_dir) {
        parent.sync_all().map_err(at(data_dir))?;
    }
    Ok(path)
}

/// All kept lists, older versions first. Files that an interrupted import left are passed over.
///
/// # Errors
///
/// [`KeptError`]: a damaged file is told, not passed over, since codes are law.
pub fn load(data_dir: &Path) -> Result<Vec<ImportedList>, KeptError> {
    let folder = folder(data_dir);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(KeptError::Io { path: folder, error }),
    };
    let mut lists = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| KeptError::Io { path: folder.clone(), error })?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let bytes = fs::read(&path).map_err(|error| KeptError::Io { path: path.clone(), error })?;
        let named = path.file_stem().and_then(|stem| stem.to_str()?.rsplit('-').next().map(str::to_owned));
        if named.as_deref() != Some(&hash8(&bytes)) {
            return Err(KeptError::Damaged { path, what: "its bytes are not those of its name".to_owned() });
        }
        let list: ImportedList = serde_json::from_slice(&bytes)
            .map_err(|error| KeptError::Damaged { path: path.clone(), what: error.to_string() })?;
        lists.push(list);
    }
    lists.sort_by(|a, b| (a.kind, &a.source, &a.version).cmp(&(b.kind, &b.source, &b.version)));
    Ok(lists)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use indexer::codes::catalogue::list::{Entry, ListKind};

    #[test]
    fn a_list_is_kept_once_and_a_damaged_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load(folder.path()).unwrap().is_empty());
        let entry = Entry { code: "9990001".to_owned(), name: "MADE UP".to_owned(), ..Entry::default() };
        let list = ImportedList {
            kind: ListKind::Decision1227,
            version: "2025-04-11".to_owned(),
            source: "made up".to_owned(),
            facility: String::new(),
            entries: vec![entry],
        };
        let path = keep(folder.path(), &list).unwrap();
        assert_eq!(keep(folder.path(), &list).unwrap(), path);
        fs::write(path.with_extension("json.new"), b"{").unwrap();
        assert_eq!(load(folder.path()).unwrap(), [list]);
        fs::write(&path, b"{}").unwrap();
        let Err(KeptError::Damaged { .. }) = load(folder.path()) else { panic!("damage was not told") };
    }
}
