//! Reading a zip archive that a stranger made: its directory entry by entry, each file from start to end, nothing
//! trusted and nothing written. Names are for showing only.
//!
//! Bounded in the number of files and in the bytes that all of them together inflate to, however the entries overlap.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::zip_directory::{self, Entry, ZipError};

/// Bytes that an archive may always inflate to, whatever its own size.
const ALWAYS_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes of a local file header before its name.
const LOCAL_BYTES: u64 = 30;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// What an archive may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct ZipLimits {
    pub entries: u64,
    pub inflate_bytes: u64,
    pub inflate_ratio: u64,
}

/// An archive whose directory was found.
pub(super) struct Zip {
    file: Arc<File>,
    directory: zip_directory::Place,
    /// Bytes that may still be inflated.
    left: Arc<AtomicU64>,
}

impl Zip {
    /// Finds the directory of the archive in `file`.
    ///
    /// # Errors
    /// When there is none or it has too many entries.
    pub(super) fn open(file: File, limits: &ZipLimits) -> Result<Zip, ZipError> {
        let length = file.metadata()?.len();
        let directory = zip_directory::find(&file, length)?;
        if directory.entries > limits.entries {
            return Err(ZipError::TooMany { limit: limits.entries });
        }
        let by_ratio = length.saturating_mul(limits.inflate_ratio).max(ALWAYS_BYTES);
        let left = Arc::new(AtomicU64::new(limits.inflate_bytes.min(by_ratio)));
        Ok(Zip { file: Arc::new(file), directory, left })
    }

    /// How many entries the directory says it has.
    pub(super) fn count(&self) -> u64 {
        self.directory.entries
    }

    /// The entries in order, as many as the directory says at most; the first error is the last of them.
    pub(super) fn entries(&self) -> impl Iterator<Item = Result<Entry, ZipError>> + Send + use<> {
        zip_directory::entries(
            Window::new(&self.file, self.directory.start, self.directory.end),
            self.directory,
        )
    }

    /// The content of an entry.
    ///
    /// # Errors
    /// When it is encrypted, packed in a way that is not known, or not where the directory says.
    pub(super) fn read(&self, entry: &Entry) -> Result<Content, ZipError> {
        if entry.is_encrypted() {
            return Err(ZipError::Encrypted);
        }
        let mut local = [0; LOCAL_BYTES as usize];
        let at = entry.header_at.checked_add(self.directory.shift).ok_or(ZipError::Damaged("an entry"))?;
        self.file.read_exact_at(&mut local, at).map_err(|_| ZipError::Damaged("an entry"))?;
        if local[..4] != *b"PK\x03\x04" {
            return Err(ZipError::Damaged("an entry"));
        }
        let half = |at: usize| u64::from(u16::from_le_bytes([local[at], local[at + 1]]));
        let start = at + LOCAL_BYTES + half(26) + half(28);
        let end = start.checked_add(entry.packed).filter(|end| *end <= self.directory.start);
        let end = end.ok_or(ZipError::Damaged("an entry"))?;
        let packed = Window::new(&self.file, start, end);
        let from = match entry.method {
            STORED if entry.packed == entry.length => Unpacked::Stored(packed),
            STORED => return Err(ZipError::Damaged("an entry")),
            DEFLATED => Unpacked::Deflated(Box::new(DeflateDecoder::new(BufReader::new(packed)))),
            method => return Err(ZipError::Method(method)),
        };
        let (crc, left) = (Crc::new(), self.left.clone());
        Ok(Content { from, crc, wanted_crc: entry.crc, length: entry.length, read: 0, left })
    }
}

/// A stretch of a file, read from start to end with nothing shared between readers.
pub(super) struct Window {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Window {
    fn new(file: &Arc<File>, at: u64, end: u64) -> Window {
        Window { file: file.clone(), at, end }
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

enum Unpacked {
    Stored(Window),
    Deflated(Box<DeflateDecoder<BufReader<Window>>>),
}

/// The content of an entry. What ends without an error has the length and the checksum that the directory says.
pub(super) struct Content {
    from: Unpacked,
    crc: Crc,
    wanted_crc: u32,
    length: u64,
    read: u64,
    left: Arc<AtomicU64>,
}

impl Content {
    fn wrong(what: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, format!("the zip archive is damaged: {what}"))
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = match &mut self.from {
            Unpacked::Stored(window) => window.read(buffer),
            Unpacked::Deflated(decoder) => decoder.read(buffer),
        }
        .map_err(|error| Content::wrong(&error.to_string()))?;
        if read == 0 {
            return match (self.read == self.length, self.crc.sum() == self.wanted_crc) {
                (true, true) => Ok(0),
                (false, _) => Err(Content::wrong("a file is shorter than it says")),
                (true, false) => Err(Content::wrong("the checksum of a file does not match")),
            };
        }
        self.read += read as u64;
        if self.read > self.length {
            return Err(Content::wrong("a file is longer than it says"));
        }
        let less = |left: u64| left.checked_sub(read as u64);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
            self.left.store(0, Ordering::Relaxed);
            return Err(io::Error::other("the zip archive inflates to more than is allowed"));
        }
        self.crc.update(&buffer[..read]);
        Ok(read)
    }
}
