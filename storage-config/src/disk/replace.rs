//! Putting a small file in the place of another, all or nothing.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::real;

/// Puts `bytes` in the place of the file at `path`, readable by its owner only. Whatever happens meanwhile, a later
/// reader finds either the old bytes or the new ones; once this returns, the new ones are durable.
///
/// Callers see to it that nobody else replaces the same file at the same time.
///
/// # Errors
/// What the system says; the old file then still stands, unless only the sync of its folder failed.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    real::sync_dir(path.parent().unwrap_or(Path::new("")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_also_over_the_rest_of_an_interrupted_attempt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        fs::write(folder.path().join("a.toml.new"), "half of a longer text").unwrap();
        for text in ["one, a long text", "two"] {
            replace_file(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(replace_file(&folder.path().join("none/a"), b"").is_err());
    }
}
