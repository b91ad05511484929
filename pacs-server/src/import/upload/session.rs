//! One import over HTTP: what it is for, and what became of its files so far.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use indexer::archive::{Archive, StateError};
use indexer::db::FacilityId;
use indexer::statement::Who;
use rustix::rand::{GetRandomFlags, getrandom};
use serde::Serialize;

use crate::import::intake::Noting;
use crate::import::report::{Ending, ImportReport};
use crate::import::run::Target;
use crate::import::tally::{FileOutcome, Tally};
use crate::import::{Cancel, ImportJob};

/// An import.
pub(super) struct Session {
    id: String,
    target: Target,
    /// What is noted of files that are brought for a patient.
    noting: Option<Noting>,
    /// Set when somebody gave it up.
    pub(super) cancel: Cancel,
    began: Instant,
    state: Mutex<State>,
}

struct State {
    tally: Tally,
    bytes: u64,
    /// Requests and zip archives that are being read.
    busy: u32,
    zips: Vec<ZipProgress>,
    waiting: Option<String>,
    ended: bool,
    touched: Instant,
    ended_after: Option<f64>,
}

/// How far a zip archive is.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ZipProgress {
    /// What it is called.
    pub path: String,
    /// Files in it.
    pub files: u64,
    /// Files of it that are done with.
    pub done: u64,
    /// Whether it is being read still.
    pub open: bool,
}

/// What is told of an import.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    pub id: String,
    /// `open`, `ending` while zip archives are being read after the last file came, or `ended`.
    pub state: &'static str,
    /// Files that are done with.
    pub files: u64,
    /// Why files are waited with, if the archive takes nothing at the moment.
    pub waiting: Option<String>,
    pub zips: Vec<ZipProgress>,
    #[serde(flatten)]
    pub report: ImportReport,
}

/// Counts something as being read while it lives.
pub(super) struct Busy<'a>(&'a Session);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.busy = state.busy.saturating_sub(1);
        self.0.note_end(&mut state);
    }
}

impl Session {
    /// An import with a new random id; none when the system gives no random number. Where it is for a patient,
    /// `who` imports.
    ///
    /// # Errors
    /// When the facility of the patient for whom the files are is not known.
    pub(super) fn new(
        archive: &Archive,
        facility: FacilityId,
        (job, who): (ImportJob, Option<Who>),
    ) -> Result<Option<Session>, StateError> {
        let mut random = [0_u8; 16];
        let got = getrandom(&mut random[..], GetRandomFlags::empty()).unwrap_or(0);
        if got != random.len() {
            return Ok(None);
        }
        let now = Instant::now();
        let id = format!("{:032x}", u128::from_le_bytes(random));
        let noting = match who {
            Some(who) => Noting::of(archive, id.clone(), (&job, facility), who)?,
            None => None,
        };
        Ok(Some(Session {
            id,
            noting,
            target: Target::Archive { archive: archive.clone(), facility, job: Box::new(job) },
            cancel: Cancel::new(),
            began: now,
            state: Mutex::new(State {
                tally: Tally::new(false),
                bytes: 0,
                busy: 0,
                zips: Vec::new(),
                waiting: None,
                ended: false,
                touched: now,
                ended_after: None,
            }),
        }))
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn touch(&self) {
        self.lock().touched = Instant::now();
    }

    pub(super) fn touched(&self) -> Instant {
        self.lock().touched
    }

    pub(super) fn is_busy(&self) -> bool {
        self.lock().busy > 0
    }

    /// Whether no file is taken any more.
    pub(super) fn is_ended(&self) -> bool {
        self.lock().ended
    }

    /// Takes no file any more.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        self.note_end(&mut state);
    }

    fn note_end(&self, state: &mut State) {
        if state.ended && state.busy == 0 && state.ended_after.is_none() {
            state.ended_after = Some(self.began.elapsed().as_secs_f64());
        }
    }

    /// Something is being read until the answer is dropped.
    pub(super) fn busy(&self) -> Busy<'_> {
        self.lock().busy += 1;
        Busy(self)
    }

    /// Counts a file.
    pub(super) fn count(&self, path: &str, outcome: &FileOutcome) {
        self.lock().tally.count(Path::new(path), outcome);
        if let Some(noting) = &self.noting {
            noting.saw(outcome);
            noting.say_or_later();
        }
    }

    /// Says of whom what came so far is, where that was not said yet.
    ///
    /// # Errors
    /// When it cannot be said now.
    pub(super) fn note(&self) -> Result<(), StateError> {
        self.noting.as_ref().map_or(Ok(()), Noting::say)
    }

    /// Counts bytes that came.
    pub(super) fn received(&self, bytes: u64) {
        self.lock().bytes += bytes;
    }

    /// Says why nothing is stored at the moment, or that it is again.
    pub(super) fn waits(&self, why: Option<&str>) {
        self.lock().waiting = why.map(str::to_owned);
    }

    /// Zip archives that came.
    pub(super) fn zips(&self) -> usize {
        self.lock().zips.len()
    }

    /// A zip archive is about to be read; its number.
    pub(super) fn zip_begins(&self, path: &str, files: u64) -> usize {
        let mut state = self.lock();
        let path = crate::import::report::shown(Path::new(path));
        state.zips.push(ZipProgress { path, files, done: 0, open: true });
        state.zips.len() - 1
    }

    /// A file of a zip archive is done with.
    pub(super) fn zip_goes_on(&self, number: usize) {
        if let Some(zip) = self.lock().zips.get_mut(number) {
            zip.done += 1;
        }
    }

    /// A zip archive was read to its end, or not further.
    pub(super) fn zip_ends(&self, number: usize) {
        if let Some(zip) = self.lock().zips.get_mut(number) {
            zip.open = false;
        }
    }

    /// How it is.
    pub(super) fn status(&self) -> Status {
        let state = self.lock();
        let mut report = state.tally.report();
        report.bytes = state.bytes;
        let said = self.noting.as_ref().filter(|noting| noting.is_said());
        report.intake = said.map(|noting| noting.name().to_owned());
        report.seconds = state.ended_after.unwrap_or_else(|| self.began.elapsed().as_secs_f64());
        if self.cancel.is_set() {
            report.ending = Ending::Cancelled;
        }
        Status {
            id: self.id.clone(),
            state: match (state.ended, state.busy) {
                (false, _) => "open",
                (true, 0) => "ended",
                (true, _) => "ending",
            },
            files: report.files(),
            waiting: state.waiting.clone(),
            zips: state.zips.clone(),
            report,
        }
    }
}
