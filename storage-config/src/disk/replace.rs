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
    // What an interrupted attempt left may be open to others.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    real::sync_dir(folder.unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_also_over_the_rest_of_an_interrupted_attempt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        let left = folder.path().join("a.toml.new");
        fs::write(&left, "half of a longer text").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o644)).unwrap();
        for text in ["one, a long text", "two"] {
            replace_file(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(replace_file(&folder.path().join("none/a"), b"").is_err());
    }
}
