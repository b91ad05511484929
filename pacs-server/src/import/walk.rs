//! Finding files: regular ones only, in the order of their names.
//!
//! Symbolic links are followed unless they lead into a folder around them. The archive's own data folder is left out,
//! wherever it turns up. Knows names, sizes and times, not what is in a file.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// In bytes.
    pub(super) size: u64,
    /// Nanoseconds since 1970-01-01 UTC.
    pub(super) modified_ns: i128,
}

/// A folder or file that could not be looked at.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) path: PathBuf,
    pub(super) reason: String,
}

/// A folder by its device and inode: the same one under whatever name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FolderId(u64, u64);

impl FolderId {
    /// The folder at `path`, if there is one.
    pub(super) fn of(path: &Path) -> Option<FolderId> {
        std::fs::metadata(path).ok().map(|meta| FolderId(meta.dev(), meta.ino()))
    }
}

/// When a file was last modified, in nanoseconds since 1970-01-01 UTC.
pub(super) fn modified_ns(meta: &std::fs::Metadata) -> i128 {
    i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec())
}

/// All files at and below `roots`, sorted within each root, without what is below `own`.
pub(super) fn files(
    roots: &[PathBuf],
    own: Option<FolderId>,
) -> impl Iterator<Item = Result<Found, Unreadable>> {
    entries(roots, own, true)
}

/// Number and bytes of all files below `roots`; `on` is told each file's size and says whether to go on. Whether it
/// came to the end.
pub(super) fn count(roots: &[PathBuf], own: Option<FolderId>, on: &mut dyn FnMut(u64) -> bool) -> bool {
    entries(roots, own, false).flatten().all(|found| on(found.size))
}

fn entries(
    roots: &[PathBuf],
    own: Option<FolderId>,
    sorted: bool,
) -> impl Iterator<Item = Result<Found, Unreadable>> {
    roots.iter().flat_map(move |root| {
        let walk = WalkDir::new(root).follow_links(true);
        let walk = if sorted { walk.sort_by_file_name() } else { walk };
        let ours = move |entry: &DirEntry| {
            let folder = own.is_some() && entry.file_type().is_dir();
            !(folder && FolderId::of(entry.path()) == own)
        };
        walk.into_iter().filter_entry(ours).filter_map(move |entry| look(root, entry))
    })
}

fn look(root: &Path, entry: walkdir::Result<DirEntry>) -> Option<Result<Found, Unreadable>> {
    let entry = match entry {
        Ok(entry) => entry,
        // What it leads to is being walked already.
        Err(error) if error.loop_ancestor().is_some() => return None,
        Err(error) => return Some(Err(unreadable(root, &error))),
    };
    if !entry.file_type().is_file() {
        return None;
    }
    Some(match entry.metadata() {
        Ok(meta) => {
            let (size, modified_ns) = (meta.len(), modified_ns(&meta));
            Ok(Found { path: entry.into_path(), size, modified_ns })
        }
        Err(error) => Err(unreadable(root, &error)),
    })
}

fn unreadable(root: &Path, error: &walkdir::Error) -> Unreadable {
    let reason = error.io_error().map_or_else(|| "cannot be read".to_owned(), super::file::cannot_be_read);
    Unreadable { path: error.path().unwrap_or(root).to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_but_not_in_circles_and_the_own_folder_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for file in ["b/2", "b/1", "a/x", "data/packs/p"] {
            let file = root.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "1234").unwrap();
        }
        symlink(root, root.join("b/loop")).unwrap();
        symlink(root.join("a"), root.join("link")).unwrap();
        symlink(root.join("nowhere"), root.join("z")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        let roots = [root.to_owned(), root.join("missing")];
        let own = FolderId::of(&root.join("data"));
        assert!(own.is_some());
        let mut seen = Vec::new();
        for found in files(&roots, own) {
            match found {
                Ok(found) => {
                    assert_eq!(found.size, 4);
                    seen.push(found.path.strip_prefix(root).unwrap().display().to_string());
                }
                Err(wrong) => seen.push(format!("! {}", wrong.path.strip_prefix(root).unwrap().display())),
            }
        }
        assert_eq!(seen, ["a/x", "b/1", "b/2", "link/x", "! z", "! missing"]);
        let mut bytes = 0;
        assert!(count(&roots, own, &mut |size| {
            bytes += size;
            true
        }));
        assert_eq!(bytes, 16);
        assert!(!count(&roots, own, &mut |_| false));
    }
}
