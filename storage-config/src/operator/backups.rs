//! Backups that were made: the archive does not make them, it only says how long ago the last one was.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::FileError;

/// Notes that are kept; the oldest one goes.
pub const NOTES: usize = 100;
/// Most characters of a label.
const LABEL: usize = 64;

const HEAD: &str = "# When backups of this archive were made, as it was told.\n\n";

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupNote {
    /// When it was noted, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What it was called; may be empty.
    #[serde(default)]
    pub label: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    backup: Vec<BackupNote>,
}

/// The notes, durable in one file that another process may write as well.
pub struct Backups {
    path: PathBuf,
    writing: Mutex<()>,
}

impl Backups {
    /// The notes in the data folder `data_dir`.
    #[must_use]
    pub fn new(data_dir: &Path) -> Backups {
        Backups { path: data_dir.join("backups.toml"), writing: Mutex::new(()) }
    }

    /// All notes, the latest first.
    ///
    /// # Errors
    /// When the file cannot be read or is not one.
    pub fn all(&self) -> Result<Vec<BackupNote>, FileError> {
        let File { mut backup } = super::read(&self.path)?;
        backup.sort_by_key(|note| std::cmp::Reverse(note.at_ms));
        Ok(backup)
    }

    /// Notes a backup. Control characters of `label` become spaces; what is too long is cut.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn note(&self, label: &str, now_ms: i64) -> io::Result<BackupNote> {
        let _alone = self.writing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let label: String = label.chars().map(plain).take(LABEL).collect();
        let note = BackupNote { at_ms: now_ms, label: label.trim().to_owned() };
        let mut backup = self.all().map_err(io::Error::other)?;
        backup.insert(0, note.clone());
        backup.truncate(NOTES);
        super::write(&self.path, HEAD, &File { backup })?;
        Ok(note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_notes_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let backups = Backups::new(folder.path());
        assert!(backups.all().unwrap().is_empty());
        for n in 0..NOTES as i64 + 5 {
            backups.note(&format!("ổ USB\n{n}"), n).unwrap();
        }
        let all = Backups::new(folder.path()).all().unwrap();
        assert_eq!((all.len(), all[0].at_ms, all[0].label.as_str()), (NOTES, 104, "ổ USB 104"));
        std::fs::write(folder.path().join("backups.toml"), "at = 1").unwrap();
        assert!(backups.all().is_err() && backups.note("", 1).is_err(), "nothing is written over");
    }
}
