//! `pacs-server verify`: reads again what is stored and hashes it, in the running server or here. What it found is told on
//! standard output, how far it is on standard error.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use indexer::archive::{Compared, VerifyJob, VerifyProgress, VerifyReport};
use storage_config::{Config, Uid};

use crate::import::{Cancel, cancel_on_interrupt};
use crate::{control, setup};

/// Exit code when something is not whole.
const DAMAGED: u8 = 2;
/// Exit code when it was stopped before its end and nothing damaged was found.
const STOPPED: u8 = 3;

/// What is to be verified.
#[derive(Args)]
pub(crate) struct Verify {
    /// Read only this share of the records, in percent, chosen at random.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    sample: Option<u8>,
    /// Bytes read a second at most, instead of the configuration's; 0: as fast as the disk gives.
    #[arg(long)]
    rate: Option<u64>,
    /// One pack alone, by its number or name.
    #[arg(long)]
    pack: Option<String>,
    /// One study alone, by its Study Instance UID.
    #[arg(long, conflicts_with_all = ["pack", "sample"])]
    study: Option<Uid>,
    /// Compare with the copies of packs in this folder instead.
    #[arg(long, conflicts_with_all = ["pack", "sample", "study"])]
    against: Option<PathBuf>,
    /// Begin anew instead of going on where an interrupted run stopped.
    #[arg(long)]
    from_start: bool,
}

/// Runs the command.
///
/// # Errors
/// When the archive cannot be opened or the job cannot be done. Damage is no error but the exit code.
pub(crate) fn run(config: &Config, what: Verify) -> Result<ExitCode> {
    let against = match what.against {
        Some(folder) => {
            Some(folder.canonicalize().with_context(|| format!("the backup {}", folder.display()))?)
        }
        None => None,
    };
    let job = VerifyJob {
        sample_percent: what.sample,
        bytes_per_second: Some(what.rate.unwrap_or(config.verify.bytes_per_second)).filter(|rate| *rate > 0),
        pack: what.pack,
        study: what.study,
        against,
        from_start: what.from_start,
    };
    let cancel = Cancel::new();
    cancel_on_interrupt(&cancel);
    let report: VerifyReport = match control::connect(&config.data_dir) {
        Some(client) => {
            client.run(&control::Request::Verify(job), &cancel, &mut |progress| show(&progress))?
        }
        None => {
            let (archive, _lock) = setup::open_archive(config)?;
            let report = archive.verify(&job, &|| cancel.is_set(), &mut show_ref);
            archive.close();
            report?
        }
    };
    tell(&report).context("the report cannot be printed")?;
    if report.compared == 0
        && report.packs == 0
        && report.series == 0
        && !report.stopped
        && report.records == 0
    {
        bail!("there is nothing to verify");
    }
    Ok(match (report.is_whole(), report.stopped) {
        (false, _) => ExitCode::from(DAMAGED),
        (true, true) => ExitCode::from(STOPPED),
        (true, false) => ExitCode::SUCCESS,
    })
}

fn show_ref(progress: &VerifyProgress) {
    show(progress);
}

/// One line on standard error, over the last one on a terminal.
fn show(progress: &VerifyProgress) {
    let VerifyProgress { done, all, bytes, damaged } = progress;
    let mut out = io::stderr().lock();
    let (before, after) = if out.is_terminal() { ("\r\x1b[K", "") } else { ("", "\n") };
    let megabytes = bytes / 1_000_000;
    // A terminal that is gone is no reason to stop.
    let _ = write!(out, "{before}{done} of {all}, {megabytes} MB read, {damaged} damaged{after}");
    let _ = out.flush();
}

fn tell(report: &VerifyReport) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for found in &report.found {
        let state = if found.whole_elsewhere { "whole elsewhere" } else { "NO GOOD COPY" };
        writeln!(
            out,
            "damaged: pack {} at byte {}, {} bytes, {}: {state}",
            found.pack, found.offset, found.bytes, found.what
        )?;
    }
    for differs in &report.differing {
        let how = match differs.how {
            Compared::Missing => "missing in the backup",
            Compared::Shorter => "shorter in the backup",
            Compared::Different => "different in the backup, though whole",
            Compared::Damaged => "damaged in the backup",
            Compared::DamagedHere => "damaged here and whole in the backup",
        };
        writeln!(out, "{}: {how}", differs.file)?;
    }
    let megabytes = report.bytes as f64 / 1e6;
    let seconds = report.seconds;
    if report.compared > 0 {
        let differing = report.differing.len();
        writeln!(
            out,
            "{} packs compared, {megabytes:.1} MB in {seconds:.1} s; {differing} differ",
            report.compared
        )?;
    } else {
        let what = if report.series > 0 {
            format!("{} series", report.series)
        } else {
            format!("{} packs", report.packs)
        };
        writeln!(
            out,
            "{what}, {} records, {megabytes:.1} MB in {seconds:.1} s; {} damaged, {} of them whole elsewhere, {} repaired now",
            report.records, report.damaged, report.whole_elsewhere, report.repaired
        )?;
    }
    if report.away > 0 {
        writeln!(
            out,
            "{} out of reach: in a bucket that does not answer, or on another server",
            report.away
        )?;
    }
    if report.stopped {
        writeln!(out, "stopped before the end; the next run goes on there")?;
    }
    out.flush()
}
