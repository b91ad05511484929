//! An import as the command line runs it: here, or in the server that holds the archive. Bar on standard error, table
//! on standard output, Ctrl-C as a polite end.

use std::io::{self, Write};

use indexer::archive::Archive;
use storage_config::Config;
use tokio::signal::unix::{SignalKind, signal};

use super::progress::{Bar, say};
use super::{Cancel, ImportJob, ImportReport, Patience, Site, run};
use crate::control::{Client, ControlError, Request};

/// What a shell expects of a process that was interrupted.
const EXIT_INTERRUPTED: i32 = 130;

/// Imports in this process, which holds the lock of the data folder, and prints the report.
///
/// # Errors
/// When the report cannot be printed.
pub fn run_in_terminal(job: &ImportJob, config: &Config, archive: &Archive) -> io::Result<ImportReport> {
    let cancel = Cancel::new();
    cancel_on_interrupt(&cancel);
    let bar = Bar::new();
    let site = Site {
        archive,
        data_dir: &config.data_dir,
        scan: config.scan,
        cancel: &cancel,
        patience: Patience::default(),
    };
    let report = run(job, &site, &|event| bar.show(&event));
    bar.finish();
    print(&report)?;
    Ok(report)
}

/// Has the running server import, shows its progress here, and prints the report. The import goes on if this process
/// is killed; Ctrl-C asks the server to stop.
///
/// # Errors
/// When the server refuses the job or goes away, or the report cannot be printed.
pub fn hand_over(client: Client, job: &ImportJob) -> Result<ImportReport, ControlError> {
    let cancel = Cancel::new();
    cancel_on_interrupt(&cancel);
    let bar = Bar::new();
    let answer = client.run(&Request::Import(job.clone()), &cancel, &mut |event| bar.show(&event));
    bar.finish();
    let report = answer?;
    print(&report)?;
    Ok(report)
}

fn print(report: &ImportReport) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{report}")?;
    out.flush()
}

/// The first interrupt asks for the end, a second one does not wait for it. The thread ends with the process.
pub(crate) fn cancel_on_interrupt(cancel: &Cancel) {
    let cancel = cancel.clone();
    let watch = move || -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            for first in [true, false] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if first {
                    cancel.set();
                    say("stopping after what is under way; once more to stop at once");
                }
            }
            std::process::exit(EXIT_INTERRUPTED)
        })
    };
    let spawned = std::thread::Builder::new().name("interrupt".into()).spawn(move || {
        if let Err(error) = watch() {
            tracing::warn!(%error, "signals are not watched: an interrupt ends the process at once");
        }
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "signals are not watched: an interrupt ends the process at once");
    }
}
