//! Import: files of disks and discs into the archive, many at a time, so that an interrupted run can go on.
//!
//! A walk finds files, a second one counts them for the progress bar, workers read them into stores, and the
//! archive's threads tell what became of each. [`run()`] is synchronous; it is used by the process that holds the lock of
//! the data folder, and by a running server on a thread of its own. Files also come one
//! by one over HTTP ([`upload`]). This module knows no rows.

mod cancel;
mod event;
mod file;
mod intake;
mod job;
mod patience;
mod progress;
mod queue;
mod report;
mod resume;
mod run;
mod source;
mod tally;
mod terminal;
#[cfg(test)]
mod tests;
pub mod upload;
mod walk;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indexer::archive::Archive;
use indexer::statement::{Evidence, Who};
use rustix::rand::{GetRandomFlags, getrandom};
use storage_config::config::ScanLimits;

pub use cancel::Cancel;
pub use event::{ImportEvent, Progress};
pub use intake::LocalPatient;
pub use job::{ImportJob, JobError};
pub use patience::Patience;
pub use progress::Bar;
pub use report::{EXIT_COMPLETE, EXIT_INCOMPLETE, Ending, ImportReport, Refusal};
pub(crate) use terminal::cancel_on_interrupt;
pub use terminal::{hand_over, run_in_terminal};

use crate::os_user;
use intake::Noting;
use queue::Queue;
use resume::{Journal, Known};
use run::{Run, Target};
use walk::FolderId;

/// Stores under way for each worker: what one sync of the archive can take together.
const STORES_PER_WORKER: usize = 16;
/// How often progress is told.
const TICK: Duration = Duration::from_millis(100);

/// Where an import takes place.
pub struct Site<'a> {
    /// The archive that takes the instances.
    pub archive: &'a Archive,
    /// Its data folder, where the journals of unfinished imports lie.
    pub data_dir: &'a Path,
    /// Limits of data sets, for a dry run.
    pub scan: ScanLimits,
    /// Set by who wants the import to stop after the files under way.
    pub cancel: &'a Cancel,
    /// How long to wait for an archive that refuses for now.
    pub patience: Patience,
}

/// Imports what `job` names. `events` is called on this thread. Never fails as a whole without saying so in the
/// report; what was stored stays stored.
pub fn run(job: &ImportJob, site: &Site<'_>, events: &dyn Fn(ImportEvent)) -> ImportReport {
    let started = Instant::now();
    let stopped = |reason: String| ImportReport {
        ending: Ending::Stopped { reason },
        seconds: started.elapsed().as_secs_f64(),
        ..ImportReport::empty(job.dry_run)
    };
    if let Err(error) = job.check() {
        return stopped(error.to_string());
    }
    let (target, journal, known) = match prepare(job, site) {
        Ok(prepared) => prepared,
        Err(reason) => return stopped(reason),
    };
    let noting = match noting(job, &target) {
        Ok(noting) => noting,
        Err(reason) => return stopped(reason),
    };
    let workers = job.workers();
    let run = Arc::new(Run::new(
        Queue::new(workers * STORES_PER_WORKER, site.patience),
        site.cancel.clone(),
        (job.roots(), FolderId::of(site.data_dir)),
        (target, site.scan),
        (journal, noting),
    ));
    let mut report = conduct(&run, known, workers, events);
    report.seconds = started.elapsed().as_secs_f64();
    report
}

/// Where instances go, the journal, and what it knows.
fn prepare(job: &ImportJob, site: &Site<'_>) -> Result<(Target, Option<Journal>, Known), String> {
    if job.dry_run {
        return Ok((Target::Nothing, None, Known::default()));
    }
    let facility = match &job.facility {
        Some(code) => site.archive.facility(code).map_err(|error| format!("facility {code}: {error}"))?,
        None => indexer::db::FacilityId(0),
    };
    let target = Target::Archive { archive: site.archive.clone(), facility, job: Box::new(job.clone()) };
    if job.patient.is_some() {
        // What an interrupted run had done is read again: the note of what was brought names all of it.
        return Ok((target, None, Known::default()));
    }
    match Journal::open(site.data_dir, job) {
        Ok((journal, known)) => Ok((target, Some(journal), known)),
        Err(error) => {
            tracing::warn!(%error, "there is no journal; the import cannot be resumed");
            Ok((target, None, Known::default()))
        }
    }
}

/// The note of what is brought for a patient.
fn noting(job: &ImportJob, target: &Target) -> Result<Option<Noting>, String> {
    let Target::Archive { archive, facility, .. } = target else { return Ok(None) };
    if job.patient.is_none() {
        return Ok(None);
    }
    let mut random = [0_u8; 16];
    getrandom(&mut random[..], GetRandomFlags::empty())
        .map_err(|error| format!("no random number: {error}"))?;
    let name = format!("{:032x}", u128::from_le_bytes(random));
    let who = Who { name: job.who.clone().unwrap_or_else(os_user::name), by: Evidence::Command };
    Noting::of(archive, name, (job, *facility), who).map_err(|error| error.to_string())
}

/// Starts the threads, tells what they do, and waits for their end.
fn conduct(run: &Arc<Run>, known: Known, workers: usize, events: &dyn Fn(ImportEvent)) -> ImportReport {
    let mut threads = Vec::new();
    let readers = (0..workers).filter_map(|_| spawn("import-read", run, Run::read)).collect::<Vec<_>>();
    let walker = spawn("import-walk", run, move |run| run.walk(&known));
    if readers.is_empty() || walker.is_none() {
        run.queue.stop(Ending::Stopped { reason: "no thread can be started".to_owned() });
    }
    threads.extend(readers);
    threads.extend(walker);
    threads.extend(spawn("import-count", run, |run| run.count()));
    let ending = loop {
        let ending = run.queue.end(TICK);
        if run.cancel.is_set() {
            run.queue.stop(Ending::Cancelled);
        }
        run.with_journal(|journal| journal.flush_when_due(Instant::now()));
        run.noting.as_ref().inspect(|noting| noting.say_or_later());
        events(ImportEvent::Progress(run.progress()));
        if let Some((reason, left)) = run.queue.waiting() {
            events(ImportEvent::Waiting { reason, seconds: left.as_secs_f64() });
        }
        // Reading has not ended while the walk may still find something.
        if let Some(ending) = ending {
            break ending;
        }
    };
    let mut report_ending = ending;
    for thread in threads {
        if thread.join().is_err() {
            let reason = "a thread of the import ended with a panic".to_owned();
            report_ending = Ending::Stopped { reason };
        }
    }
    match run.take_journal() {
        Some(journal) if report_ending == Ending::Complete => {
            if let Err(error) = journal.remove() {
                tracing::warn!(%error, "the journal of a finished import was not removed");
            }
        }
        Some(mut journal) => {
            if let Err(error) = journal.flush(Instant::now()) {
                tracing::warn!(%error, "the journal is not complete; some files will be read again");
            }
        }
        None => {}
    }
    let mut intake = None;
    if let Some(noting) = &run.noting {
        if let Err(error) = noting.say() {
            report_ending = Ending::Stopped { reason: format!("who brought what was not noted: {error}") };
        }
        intake = noting.is_said().then(|| noting.name().to_owned());
    }
    let progress = run.progress();
    let report =
        ImportReport { ending: report_ending, intake, bytes: progress.bytes, ..run.tally().report() };
    events(ImportEvent::Progress(progress));
    report
}

fn spawn(
    name: &str,
    run: &Arc<Run>,
    work: impl FnOnce(&Arc<Run>) + Send + 'static,
) -> Option<JoinHandle<()>> {
    let run = run.clone();
    let spawned = std::thread::Builder::new().name(name.into()).spawn(move || {
        // Whoever waits for this thread's work must not wait for ever if it panics.
        let end = StopOnPanic(&run);
        work(&run);
        drop(end);
    });
    spawned.map_err(|error| tracing::warn!(%error, "a thread of the import was not started")).ok()
}

struct StopOnPanic<'a>(&'a Run);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0
                .queue
                .stop(Ending::Stopped { reason: "a thread of the import ended with a panic".to_owned() });
        }
    }
}
