//! Reading one file: is it DICOM, where does its data set begin, and the data set into the archive or, in a dry run,
//! through the scan only. Never a whole file in memory, and never a change to what is read.
//!
//! The same for a file of a disk, of a zip archive and of a request: they differ in their [`Source`] only.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;

use indexer::archive::{Archive, Expect, Origin, Store, StoreError, StoreErrorKind, Stored};
use indexer::dataset::attributes::Attributes;
use indexer::dataset::part10::{Meta, Part10, Part10Error, Ready};
use indexer::dataset::{DataSet, DataSetError, Event, Scanner};
use rustix::fs::OFlags;
use storage_config::ContentHash;
use storage_config::config::ScanLimits;

use super::resume::Head;
use super::run::{Taken, Target};
use super::source::{NotKept, Source};
use super::tally::FileOutcome;
use super::walk::modified_ns;

/// Bytes by which it is decided whether a file is DICOM; few, as on some discs most files are not.
pub(super) const FIRST: usize = 4096;
/// Bytes of each further read.
pub(super) const PIECE: usize = 256 * 1024;

/// Why a file is not stored.
pub(super) enum Refusal {
    /// It can never be.
    Settled(FileOutcome),
    /// Not now.
    ForNow(String),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Refusal::Settled(FileOutcome::Refused(cannot_be_read(&error)))
    }
}

impl From<NotKept> for Refusal {
    fn from(error: NotKept) -> Self {
        match error {
            NotKept::Read(error) => error.into(),
            NotKept::TooMany(most) => {
                Refusal::Settled(FileOutcome::Refused(format!("the file has more than {most} bytes")))
            }
            NotKept::ForNow(why) => Refusal::ForNow(why),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error.kind() {
            StoreErrorKind::OutOfResources => Refusal::ForNow(text),
            _ => Refusal::Settled(FileOutcome::Refused(text)),
        }
    }
}

impl From<DataSetError> for Refusal {
    fn from(error: DataSetError) -> Self {
        Refusal::Settled(FileOutcome::Refused(error.to_string()))
    }
}

/// A reason for the report.
pub(super) fn cannot_be_read(error: &io::Error) -> String {
    format!("cannot be read: {error}")
}

/// Reads `taken` to its end. `piece` is a buffer of [`PIECE`] bytes.
pub(super) fn import(mut taken: Taken, piece: &mut [u8]) {
    if let Some(error) = taken.run().target().archive().and_then(Archive::refuses) {
        return taken.again(&error.to_string());
    }
    let done = open(taken.path()).map_err(Refusal::from).and_then(|file| read_file(&mut taken, file, piece));
    match done {
        Ok(Done::Scanned(outcome)) => taken.settle(&outcome),
        Ok(Done::Read(store, meta)) => finish(*store, taken, meta),
        Err(Refusal::Settled(outcome)) => taken.settle(&outcome),
        Err(Refusal::ForNow(reason)) => taken.again(&reason),
    }
}

/// A file whose bytes were all read.
pub(super) enum Done {
    Scanned(FileOutcome),
    Read(Box<Store>, Meta),
}

fn finish(store: Store, taken: Taken, meta: Meta) {
    // A data set counts, not what its file meta says of it: an image must not be lost over a tool that changed the
    // one and not the other. The report says how many there are.
    store.finish(&Expect::default(), move |result| match became(result, meta) {
        Ok(outcome) | Err(Refusal::Settled(outcome)) => taken.settle(&outcome),
        Err(Refusal::ForNow(reason)) => taken.again(&reason),
    });
}

fn became(result: Result<Stored, StoreError>, meta: Meta) -> Result<FileOutcome, Refusal> {
    let stored = Box::new(result?);
    let meta_differs = meta.media_storage_sop_instance.is_some_and(|named| named != stored.sop_instance);
    Ok(FileOutcome::Stored { stored, meta_differs })
}

/// Reads a file that is on no disk, of which `first` bytes are in `piece` already, and waits until it is stored. The
/// error says why it was refused for now.
pub(super) fn take_in(
    source: Source,
    first: usize,
    into: (&Target, ScanLimits),
    piece: &mut [u8],
) -> Result<FileOutcome, String> {
    let stored = read(source, first, into, piece, &mut |_| {}).and_then(|done| match done {
        Done::Scanned(outcome) => Ok(outcome),
        Done::Read(store, meta) => {
            let (tell, told) = mpsc::channel();
            // Who does not hear the answer has gone.
            store.finish(&Expect::default(), move |result| drop(tell.send(became(result, meta))));
            told.recv().unwrap_or_else(|_| Err(Refusal::ForNow("the archive is stopping".to_owned())))
        }
    });
    match stored {
        Ok(outcome) | Err(Refusal::Settled(outcome)) => Ok(outcome),
        Err(Refusal::ForNow(reason)) => Err(reason),
    }
}

/// Opens a file for one reading from start to end, without waiting (it may have become a pipe) and, where that is
/// allowed, without changing its time of access.
fn open(path: &Path) -> io::Result<File> {
    let flags = |flags: OFlags| i32::try_from(flags.bits()).unwrap_or_default();
    let plain = OFlags::NONBLOCK | OFlags::NOCTTY;
    let open = |flags| OpenOptions::new().read(true).custom_flags(flags).open(path);
    match open(flags(plain | OFlags::NOATIME)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => open(flags(plain)),
        opened => opened,
    }
}

/// Fills `piece` as far as the file goes.
pub(super) fn fill(file: &mut impl Read, piece: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < piece.len() {
        match file.read(&mut piece[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The check of a file's first bytes.
fn head(first: &[u8]) -> Head {
    let ContentHash(hash) = ContentHash::of(first);
    Head::from_le_bytes([hash[0], hash[1], hash[2], hash[3]])
}

/// The check of the first bytes of the file at `path`.
///
/// # Errors
/// When it cannot be read.
pub(super) fn head_of(path: &Path) -> io::Result<Head> {
    let mut first = [0; FIRST];
    let length = fill(&mut open(path)?, &mut first)?;
    Ok(head(&first[..length]))
}

fn read_file(taken: &mut Taken, mut file: File, piece: &mut [u8]) -> Result<Done, Refusal> {
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::other("not a regular file any more").into());
    }
    let first = fill(&mut file, &mut piece[..FIRST])?;
    taken.facts(facts.len(), modified_ns(&facts), head(&piece[..first]));
    let run = taken.run().clone();
    let into = (run.target(), run.scan_limits());
    read(Source::File(file), first, into, piece, &mut |bytes| taken.read_bytes(bytes))
}

/// Reads a source of which `first` bytes are in `piece` already, at least [`FIRST`] where it has as many. `told` hears
/// how many bytes were read.
fn read(
    mut source: Source,
    first: usize,
    (target, limits): (&Target, ScanLimits),
    piece: &mut [u8],
    told: &mut dyn FnMut(usize),
) -> Result<Done, Refusal> {
    let mut part10 = Part10::new();
    let mut length = first;
    let ready = loop {
        match part10.push(&piece[..length]) {
            Ok(Some(ready)) => break ready,
            Ok(None) if length < FIRST => break part10.finish().map_err(not_begun)?,
            Ok(None) => {}
            Err(error) => return Err(not_begun(error)),
        }
        length = fill(&mut source, &mut piece[..FIRST])?;
    };
    if ready.meta.is_dicomdir() {
        return Ok(Done::Scanned(FileOutcome::Dicomdir));
    }
    // The data set's bytes within the last piece move out of its way.
    let Ready { meta, mut head, rest } = ready;
    head.extend_from_slice(rest);
    source.will_be_read();
    if meta.guessed {
        let refuses = || target.archive().and_then(Archive::refuses).map(|error| error.to_string());
        let file = source.keep(limits.instance_bytes, &refuses)?;
        let at = file.stream_position()?;
        if scan(&limits, &meta, &head, file, piece, &mut |_| {})?.encapsulated {
            let reason = "transfer syntax is not given and Pixel Data is compressed".to_owned();
            return Err(Refusal::Settled(FileOutcome::Refused(reason)));
        }
        file.seek(SeekFrom::Start(at))?;
    }
    told(head.len());
    match target {
        Target::Nothing => {
            scan(&limits, &meta, &head, &mut source, piece, told)?;
            Ok(Done::Scanned(FileOutcome::Readable))
        }
        Target::Archive { archive, facility, job } => {
            let origin = Origin {
                facility: *facility,
                source: job.origin(),
                patient_id_is_order: false,
                issuer: job.issuer.clone().unwrap_or_default(),
                transfer_syntax: meta.transfer_syntax.clone(),
            };
            let mut store = archive.begin(origin)?;
            store.push(&head)?;
            loop {
                let length = fill(&mut source, piece)?;
                store.push(&piece[..length])?;
                told(length);
                if length < piece.len() {
                    return Ok(Done::Read(Box::new(store), meta));
                }
            }
        }
    }
}

fn not_begun(error: Part10Error) -> Refusal {
    Refusal::Settled(match error {
        Part10Error::NotDicom => FileOutcome::NotDicom,
        error => FileOutcome::Refused(error.to_string()),
    })
}

/// What a scan without archive found.
struct Scanned {
    encapsulated: bool,
}

/// Reads a data set to its end as the archive would and keeps nothing.
fn scan(
    limits: &ScanLimits,
    meta: &Meta,
    head: &[u8],
    file: &mut impl Read,
    piece: &mut [u8],
    told: &mut dyn FnMut(usize),
) -> Result<Scanned, Refusal> {
    let mut scanner = Scanner::new(&meta.transfer_syntax, *limits);
    let mut ignore = |_: Event<'_>| Ok::<(), DataSetError>(());
    scanner.push(head, &mut ignore)?;
    loop {
        let length = fill(file, piece)?;
        scanner.push(&piece[..length], &mut ignore)?;
        told(length);
        if length < piece.len() {
            break;
        }
    }
    let skeleton = scanner.finish(&mut ignore)?;
    Attributes::read(&DataSet::new(&skeleton))
        .map_err(|error| Refusal::Settled(FileOutcome::Refused(error.to_string())))?;
    Ok(Scanned { encapsulated: skeleton.pixel.is_some_and(|pixel| pixel.encapsulated) })
}
