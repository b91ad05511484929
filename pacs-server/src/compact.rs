//! `pacs-server compact`: gives back the room of what need not be kept, in the running server or here.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use indexer::archive::{CompactJob, CompactReport, WhyKept};
use storage_config::Config;

use crate::import::{Cancel, cancel_on_interrupt};
use crate::{control, setup};

/// Exit code when it was stopped before its end.
const STOPPED: u8 = 3;

/// What may be removed is said by the configuration, `[retention]`.
#[derive(Args)]
pub(crate) struct Compact {
    /// Say what would be done and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Your name, which stands with what is removed.
    #[arg(long, required_unless_present = "dry_run")]
    who: Option<String>,
    /// Why, in words.
    #[arg(long, default_value = "")]
    why: String,
    /// Bytes read a second at most, instead of the configuration's for verifying; 0: as fast as the disk gives.
    #[arg(long)]
    rate: Option<u64>,
}

/// Runs the command.
///
/// # Errors
/// When the archive cannot be opened or the compaction ends early; what it did until then stays.
pub(crate) fn run(config: &Config, what: Compact) -> Result<ExitCode> {
    let job = CompactJob {
        dry_run: what.dry_run,
        min_years: config.retention.min_years,
        grace_days: config.retention.grace_days,
        percent: config.retention.compact_percent,
        bytes_per_second: Some(what.rate.unwrap_or(config.verify.bytes_per_second)).filter(|rate| *rate > 0),
        who: what.who.unwrap_or_default(),
        why: what.why,
    };
    let cancel = Cancel::new();
    cancel_on_interrupt(&cancel);
    let report: CompactReport = match control::connect(&config.data_dir) {
        Some(client) => {
            client.run(&control::Request::Compact(job), &cancel, &mut |_: serde_json::Value| {})?
        }
        None => {
            let (archive, _lock) = setup::open_archive(config)?;
            let report = archive.compact(&job, &|| cancel.is_set());
            archive.close();
            report?
        }
    };
    tell(&report).context("the report cannot be printed")?;
    Ok(if report.stopped { ExitCode::from(STOPPED) } else { ExitCode::SUCCESS })
}

fn tell(report: &CompactReport) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let kept = |why| report.kept.iter().filter(|kept| kept.why == why).count();
    let verb = if report.dry_run { "would be " } else { "" };
    writeln!(
        out,
        "{} packs with something to remove; {} {verb}written anew, {:.1} MB of {:.1} MB {verb}freed",
        report.packs,
        report.rewritten,
        report.bytes_freed as f64 / 1e6,
        report.bytes_before as f64 / 1e6
    )?;
    writeln!(
        out,
        "{} withdrawn instances {verb}removed for good, {} stay (legal hold, too young, withdrawn too recently)",
        report.instances, report.instances_kept
    )?;
    for (why, words) in [
        (WhyKept::TooLittle, "too little of them could go"),
        (WhyKept::OnlyCopy, "something in them is damaged and has no other copy: run verify"),
        (WhyKept::Wanted, "somebody wants again what was to go"),
        (WhyKept::NotUploaded, "they, or what takes their place, are not in the object store yet"),
    ] {
        let n = kept(why);
        if n > 0 {
            writeln!(out, "{n} packs stay: {words}")?;
        }
    }
    out.flush()
}
