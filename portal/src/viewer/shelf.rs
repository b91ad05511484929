//! The folder of the viewer and the list of what is in it.
//!
//! `viewer.json` names each file with its digest and the sizes of its packed forms. It is read again when it
//! changed, so that an installation under a running server needs no restart. Nothing is kept in memory for long: a
//! file's bytes are shared by the answers that are being sent and gone with the last of them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use axum::body::Bytes;
use serde::Deserialize;

use super::negotiation::Encoding;

const LIST: &str = "viewer.json";
/// Bytes that the list may have; the one of OHIF has 20 KB.
const LIST_BYTES: u64 = 1024 * 1024;

/// Why a file cannot be given.
#[derive(Debug)]
pub(super) enum ShelfError {
    /// There is no viewer.
    NotInstalled,
    /// The viewer has no such file.
    NoFile,
    /// The folder is not what its list says.
    Damaged(String),
}

/// The folder.
pub(super) struct Shelf {
    folder: PathBuf,
    read: Mutex<Option<Read>>,
}

/// The list as it was read, and what tells whether it changed since.
struct Read {
    modified: SystemTime,
    bytes: u64,
    listed: Arc<Listed>,
}

/// What `viewer.json` says.
#[derive(Deserialize)]
struct List {
    files: BTreeMap<String, Sizes>,
}

/// A file of the list.
#[derive(Deserialize)]
struct Sizes {
    /// SHA-256 of the file as it is, in hexadecimal digits.
    sha256: String,
    /// Bytes as it is.
    bytes: u64,
    /// Bytes of its Brotli form, where there is one.
    br: Option<u64>,
    /// Bytes of its gzip form, where there is one.
    gz: Option<u64>,
}

impl Sizes {
    fn packed(&self, encoding: Encoding) -> Option<u64> {
        match encoding {
            Encoding::Brotli => self.br,
            Encoding::Gzip => self.gz,
            Encoding::Identity => Some(self.bytes),
        }
    }
}

/// The files of one installation.
pub(super) struct Listed {
    folder: PathBuf,
    files: BTreeMap<String, Sizes>,
    /// Bytes that answers under way share, by file name with suffix.
    lent: Arc<Mutex<BTreeMap<String, Weak<Lent>>>>,
}

/// Bytes of a file while somebody still sends them.
struct Lent(Vec<u8>);

/// A reference that an answer holds.
struct Share(Arc<Lent>);

impl AsRef<[u8]> for Share {
    fn as_ref(&self) -> &[u8] {
        &self.0.0
    }
}

/// A file in the form that a request accepts.
pub(super) struct Found {
    listed: Arc<Listed>,
    file: String,
    encoding: Encoding,
    sha256: String,
    bytes: u64,
    named_by_hash: bool,
}

impl Shelf {
    pub(super) fn new(folder: PathBuf) -> Shelf {
        Shelf { folder, read: Mutex::new(None) }
    }

    /// The list as it is now.
    ///
    /// # Errors
    /// `NotInstalled` without a list, `Damaged` when it cannot be read or names what is no file of the folder.
    pub(super) fn list(&self) -> Result<Arc<Listed>, ShelfError> {
        let path = self.folder.join(LIST);
        let damaged = |error: io::Error| ShelfError::Damaged(format!("{}: {error}", path.display()));
        let meta = match std::fs::metadata(&path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ShelfError::NotInstalled),
            Err(error) => return Err(damaged(error)),
        };
        let modified = meta.modified().map_err(damaged)?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = read.as_ref().filter(|r| r.modified == modified && r.bytes == meta.len()) {
            return Ok(read.listed.clone());
        }
        if meta.len() > LIST_BYTES {
            return Err(ShelfError::Damaged(format!("{} has {} bytes", path.display(), meta.len())));
        }
        let listed = Arc::new(Listed::parse(&self.folder, &std::fs::read(&path).map_err(damaged)?)?);
        *read = Some(Read { modified, bytes: meta.len(), listed: listed.clone() });
        Ok(listed)
    }
}

impl Listed {
    fn parse(folder: &Path, text: &[u8]) -> Result<Listed, ShelfError> {
        let list: List =
            serde_json::from_slice(text).map_err(|error| ShelfError::Damaged(format!("{LIST}: {error}")))?;
        for (name, sizes) in &list.files {
            let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
            let hex = sizes.sha256.len() == 64 && sizes.sha256.bytes().all(|b| b.is_ascii_hexdigit());
            if !inside || name.is_empty() || !hex {
                return Err(ShelfError::Damaged(format!("{LIST} has a wrong entry: {name:?}")));
            }
        }
        Ok(Listed { folder: folder.to_owned(), files: list.files, lent: Arc::default() })
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// The file `name` in the first of `encodings` that it has.
    pub(super) fn find(self: &Arc<Listed>, name: &str, encodings: &[Encoding]) -> Option<Found> {
        let sizes = self.files.get(name)?;
        let (encoding, bytes) = encodings.iter().find_map(|e| Some((*e, sizes.packed(*e)?)))?;
        Some(Found {
            listed: self.clone(),
            file: format!("{name}{}", encoding.suffix()),
            encoding,
            sha256: sizes.sha256.clone(),
            bytes,
            named_by_hash: carries_hash(name),
        })
    }
}

impl Found {
    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Its ETag: another form of the same file is another representation.
    pub(super) fn tag(&self) -> String {
        let form = self.encoding.token().map_or(String::new(), |token| format!("-{token}"));
        format!("\"{}{form}\"", self.sha256)
    }

    /// Whether its name changes with its content.
    pub(super) fn named_by_hash(&self) -> bool {
        self.named_by_hash
    }

    /// Its bytes.
    ///
    /// # Errors
    /// `Damaged` when the file is gone or has another size than the list says.
    pub(super) fn read(&self) -> Result<Bytes, ShelfError> {
        if let Some(lent) = self.lent().get(&self.file).and_then(Weak::upgrade) {
            return Ok(Bytes::from_owner(Share(lent)));
        }
        let read = std::fs::read(self.listed.folder.join(&self.file))
            .map_err(|error| ShelfError::Damaged(format!("{}: {error}", self.file)))?;
        if read.len() as u64 != self.bytes {
            let why = format!("{} has {} bytes and not {}", self.file, read.len(), self.bytes);
            return Err(ShelfError::Damaged(why));
        }
        let lent = Arc::new(Lent(read));
        self.lent().insert(self.file.clone(), Arc::downgrade(&lent));
        Ok(Bytes::from_owner(Share(lent)))
    }

    fn lent(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Weak<Lent>>> {
        self.listed.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a part of the file's name is a hash: 16 hexadecimal digits or more.
fn carries_hash(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.split('.').any(|part| part.len() >= 16 && part.bytes().all(|b| b.is_ascii_hexdigit()))
}
