//! Storing the files of a zip archive: several at a time, each the way of any other file.

use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::Shared;
use super::session::Session;
use super::zip::{Zip, ZipLimits};
use super::zip_directory::{Entry, ZipError};
use crate::import::file::{self, FIRST, PIECE, fill};
use crate::import::patience::Outage;
use crate::import::source::Source;
use crate::import::tally::FileOutcome;

/// Files of one archive that are read at the same time.
const READERS: usize = 4;

/// The first bytes of a zip archive, also of an empty one.
pub(super) fn is_zip(first: &[u8]) -> bool {
    let dicom = first.get(128..132) == Some(b"DICM");
    !dicom && (first.starts_with(b"PK\x03\x04") || first.starts_with(b"PK\x05\x06"))
}

type Entries = Mutex<Box<dyn Iterator<Item = Result<Entry, ZipError>> + Send>>;

/// What the readers of one archive share.
struct Unpacking<'a> {
    shared: &'a Shared,
    session: &'a Session,
    zip: Zip,
    entries: Entries,
    path: &'a str,
    number: usize,
}

/// Stores all that is in the archive `path`, which lies in `kept`.
pub(super) fn unpack(shared: &Arc<Shared>, session: &Session, path: &str, kept: File) {
    let limits = ZipLimits {
        entries: u64::from(shared.limits.zip_entries),
        inflate_bytes: shared.limits.zip_inflate_bytes,
        inflate_ratio: u64::from(shared.limits.zip_inflate_ratio),
    };
    let zip = match Zip::open(kept, &limits) {
        Ok(zip) => zip,
        Err(error) => return session.count(path, &FileOutcome::Refused(error.to_string())),
    };
    let number = session.zip_begins(path, zip.count());
    let entries: Entries = Mutex::new(Box::new(zip.entries()));
    let unpacking = Unpacking { shared, session, zip, entries, path, number };
    std::thread::scope(|scope| {
        for _ in 1..READERS {
            let started = std::thread::Builder::new()
                .name("import-zip".into())
                .spawn_scoped(scope, || unpacking.read());
            if let Err(error) = started {
                tracing::warn!(%error, "a zip archive is read by fewer threads");
            }
        }
        unpacking.read();
    });
    session.zip_ends(number);
}

impl Unpacking<'_> {
    fn stops(&self) -> bool {
        self.shared.stop.is_set() || self.session.cancel.is_set()
    }

    /// Stores entries until there are none.
    fn read(&self) {
        let mut piece = vec![0; PIECE];
        while !self.stops() {
            let next = self.entries.lock().unwrap_or_else(PoisonError::into_inner).next();
            match next {
                None => return,
                Some(Err(error)) => {
                    self.session.count(self.path, &FileOutcome::Refused(error.to_string()));
                }
                Some(Ok(entry)) if entry.is_folder => self.session.zip_goes_on(self.number),
                Some(Ok(entry)) => {
                    if let Some(outcome) = self.until_settled(&entry, &mut piece) {
                        self.session.count(&format!("{}/{}", self.path, entry.name), &outcome);
                        self.session.zip_goes_on(self.number);
                    }
                }
            }
        }
    }

    /// Stores an entry, again and again while the archive takes nothing. None when the import stops before.
    fn until_settled(&self, entry: &Entry, piece: &mut [u8]) -> Option<FileOutcome> {
        let patience = &self.shared.patience;
        let mut outage: Option<Outage> = None;
        loop {
            let reason = match self.once(entry, piece) {
                Ok(outcome) => {
                    if outage.is_some() {
                        self.session.waits(None);
                    }
                    return Some(outcome);
                }
                Err(reason) => reason,
            };
            self.session.waits(Some(&reason));
            let now = Instant::now();
            let patient = match &mut outage {
                Some(outage) => outage.refused_again(patience, now),
                none => {
                    *none = Some(Outage::begin(patience, now));
                    true
                }
            };
            if !patient {
                self.session.waits(None);
                return Some(FileOutcome::Refused(format!("the archive took nothing: {reason}")));
            }
            let left = outage.as_ref().and_then(|outage| outage.left(now)).unwrap_or_default();
            if !self.shared.pause(&self.session.cancel, left) {
                return None;
            }
        }
    }

    fn once(&self, entry: &Entry, piece: &mut [u8]) -> Result<FileOutcome, String> {
        let mut content = match self.zip.read(entry) {
            Ok(content) => content,
            Err(error) => return Ok(FileOutcome::Refused(error.to_string())),
        };
        let first = match fill(&mut content, &mut piece[..FIRST]) {
            Ok(first) => first,
            Err(error) => return Ok(FileOutcome::Refused(file::cannot_be_read(&error))),
        };
        if is_zip(&piece[..first]) {
            let reason = "a zip archive within a zip archive is not opened".to_owned();
            return Ok(FileOutcome::Refused(reason));
        }
        let source = Source::Stream(Box::new(content) as Box<dyn Read + Send>, self.shared.folder.clone());
        file::take_in(source, first, (self.session.target(), self.shared.scan), piece)
    }
}
