//! One running import: what its threads share, and the life of one file among them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use indexer::archive::Archive;
use indexer::db::FacilityId;
use storage_config::config::ScanLimits;

use super::cancel::Cancel;
use super::event::Progress;
use super::file;
use super::intake::Noting;
use super::job::ImportJob;
use super::queue::Queue;
use super::report::Ending;
use super::resume::{Head, Journal, Known};
use super::tally::{FileOutcome, Settled, Tally};
use super::walk::{self, FolderId, Found};

/// Where instances go.
pub(super) enum Target {
    /// Nowhere: a dry run.
    Nothing,
    Archive {
        archive: Archive,
        facility: FacilityId,
        job: Box<ImportJob>,
    },
}

impl Target {
    pub(super) fn archive(&self) -> Option<&Archive> {
        match self {
            Target::Nothing => None,
            Target::Archive { archive, .. } => Some(archive),
        }
    }
}

/// What the threads of one import share.
pub(super) struct Run {
    pub(super) queue: Queue,
    pub(super) cancel: Cancel,
    pub(super) roots: Vec<PathBuf>,
    /// The archive's own folder, which is not imported.
    pub(super) own: Option<FolderId>,
    target: Target,
    scan: ScanLimits,
    tally: Mutex<Tally>,
    journal: Mutex<Option<Journal>>,
    /// What is noted of files that are brought for a patient.
    pub(super) noting: Option<Noting>,
    started: Instant,
    bytes: AtomicU64,
    bytes_before: AtomicU64,
    files_found: AtomicU64,
    bytes_found: AtomicU64,
    counted: AtomicBool,
}

impl Run {
    pub(super) fn new(
        queue: Queue,
        cancel: Cancel,
        (roots, own): (Vec<PathBuf>, Option<FolderId>),
        (target, scan): (Target, ScanLimits),
        (journal, noting): (Option<Journal>, Option<Noting>),
    ) -> Run {
        let tally = Mutex::new(Tally::new(target.archive().is_none()));
        Run {
            queue,
            cancel,
            roots,
            own,
            target,
            scan,
            tally,
            journal: Mutex::new(journal),
            noting,
            started: Instant::now(),
            bytes: AtomicU64::new(0),
            bytes_before: AtomicU64::new(0),
            files_found: AtomicU64::new(0),
            bytes_found: AtomicU64::new(0),
            counted: AtomicBool::new(false),
        }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn scan_limits(&self) -> ScanLimits {
        self.scan
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal(&self) -> MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds all files and queues those that are not known to be done.
    pub(super) fn walk(&self, known: &Known) {
        let mut trust = Trust::default();
        for found in walk::files(&self.roots, self.own) {
            let wanted = match found {
                Ok(found) => match known.get(&found) {
                    Some((settled, head)) if trust.is_same(&found.path, settled, head) => {
                        self.bytes_before.fetch_add(found.size, Ordering::Relaxed);
                        self.tally().count_done_before(settled);
                        !self.queue.stops()
                    }
                    _ => self.queue.put(found),
                },
                Err(walk::Unreadable { path, reason }) => {
                    self.tally().count(&path, &FileOutcome::Refused(reason));
                    !self.queue.stops()
                }
            };
            if !wanted {
                return;
            }
        }
        self.queue.close();
    }

    /// Counts all files ahead of the walk, for who wants to know how long it will take.
    pub(super) fn count(&self) {
        let mut on = |size| {
            self.files_found.fetch_add(1, Ordering::Relaxed);
            self.bytes_found.fetch_add(size, Ordering::Relaxed);
            !self.queue.stops()
        };
        let all = walk::count(&self.roots, self.own, &mut on);
        self.counted.store(all, Ordering::Release);
    }

    /// Reads files until there are none.
    pub(super) fn read(self: &Arc<Run>) {
        let mut piece = vec![0; file::PIECE];
        while let Some(found) = self.queue.take() {
            let taken = Taken::new(self.clone(), found);
            if self.cancel.before_file() {
                self.queue.stop(Ending::Cancelled);
                return taken.leave();
            }
            file::import(taken, &mut piece);
        }
    }

    pub(super) fn progress(&self) -> Progress {
        let load = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let counted = self.counted.load(Ordering::Acquire);
        let tally = self.tally();
        let report = tally.so_far();
        Progress {
            files: report.files(),
            bytes: load(&self.bytes),
            bytes_before: load(&self.bytes_before),
            files_found: load(&self.files_found),
            bytes_found: load(&self.bytes_found),
            counted,
            stored: report.stored + report.versions + report.readable,
            duplicates: report.duplicates,
            refused: report.refused,
            seconds: self.started.elapsed().as_secs_f64(),
        }
    }

    /// Does `work` with the journal, which is given up if that fails: it is only advice.
    pub(super) fn with_journal(&self, work: impl FnOnce(&mut Journal) -> std::io::Result<()>) {
        let mut journal = self.journal();
        if let Some(Err(error)) = journal.as_mut().map(work) {
            tracing::warn!(%error, "the journal cannot be written; the import cannot be resumed");
            *journal = None;
        }
    }

    pub(super) fn take_journal(&self) -> Option<Journal> {
        self.journal().take()
    }
}

/// Whether the files that a journal knows are those that lie there now.
#[derive(Default)]
struct Trust {
    /// The folder last looked into, and whether it is the one that was read.
    folder: Option<(PathBuf, bool)>,
}

impl Trust {
    fn is_same(&mut self, path: &Path, settled: Settled, head: Head) -> bool {
        let folder = path.parent().unwrap_or(path);
        match &self.folder {
            Some((known, same)) if known == folder => return *same,
            // Such files are the same on many discs: they prove nothing, and nothing is lost with them.
            _ if matches!(settled, Settled::NotDicom | Settled::Dicomdir) => return true,
            _ => {}
        }
        let same = file::head_of(path).is_ok_and(|now| now == head);
        if !same {
            tracing::warn!("a folder is not the one that the journal knows; its files are read again");
        }
        self.folder = Some((folder.to_owned(), same));
        same
    }
}

/// A file on its way: whatever happens, it is settled once.
pub(super) struct Taken {
    run: Arc<Run>,
    /// Taken out when it is settled.
    found: Option<Found>,
    head: Option<Head>,
    /// Bytes counted as read.
    counted: u64,
}

impl Taken {
    fn new(run: Arc<Run>, found: Found) -> Taken {
        Taken { run, found: Some(found), head: None, counted: 0 }
    }

    pub(super) fn run(&self) -> &Arc<Run> {
        &self.run
    }

    pub(super) fn path(&self) -> &Path {
        self.found.as_ref().map_or(Path::new(""), |found| &found.path)
    }

    /// What the file is at the time it is read, which may be other than when it was found.
    pub(super) fn facts(&mut self, size: u64, modified_ns: i128, head: Head) {
        if let Some(found) = &mut self.found {
            (found.size, found.modified_ns) = (size, modified_ns);
        }
        self.head = Some(head);
    }

    pub(super) fn read_bytes(&mut self, bytes: usize) {
        self.counted += bytes as u64;
        self.run.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The file is done with.
    pub(super) fn settle(mut self, outcome: &FileOutcome) {
        self.end(outcome);
    }

    fn end(&mut self, outcome: &FileOutcome) {
        let Some(found) = self.found.take() else { return };
        // What was not read of it is out of the way too.
        self.run.bytes.fetch_add(found.size.saturating_sub(self.counted), Ordering::Relaxed);
        self.run.tally().count(&found.path, outcome);
        self.run.noting.as_ref().inspect(|noting| noting.saw(outcome));
        if let (Some(settled), Some(head)) = (outcome.settled(), self.head)
            && let Some(journal) = self.run.journal().as_mut()
        {
            journal.note(settled, &found, head);
        }
        self.run.queue.settle(matches!(outcome, FileOutcome::Stored { .. }));
    }

    /// The archive refused it for now.
    pub(super) fn again(mut self, reason: &str) {
        if let Some(found) = self.found.take() {
            self.run.bytes.fetch_sub(self.counted, Ordering::Relaxed);
            self.run.queue.again(found, reason);
        }
    }

    /// The import stops before it was begun.
    fn leave(mut self) {
        if let Some(found) = self.found.take() {
            self.run.queue.give_back(found);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.end(&FileOutcome::Refused("internal: reading ended without a result".to_owned()));
    }
}
