//! The command line. Commands other than `serve` hand their job to a running server over its control socket, or
//! take the lock of the data folder themselves.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use indexer::archive::{Archive, StateError};
use indexer::statement::Reason;
use storage_config::config::Accept;
use storage_config::disk::DirLock;
use storage_config::operator::Backups;
use storage_config::{Config, Uid};

use crate::account::{self, Account};
use crate::hold::{self, Held, HoldJob};
use crate::import::{ImportJob, LocalPatient};
use crate::withdrawal::{RestoreJob, WithdrawJob, Withdrawn};
use crate::{
    catalogue, codes, compact, control, decode_worker, http, import, ledger, os_user, serve, setup, status,
    telemetry, verify, withdrawal,
};

/// DICOM imaging store and reuse archive.
#[derive(Parser)]
#[command(name = "pacs-server", version)]
struct Cli {
    /// Configuration file (TOML); PACS_CONFIG names it as well. Without one every key has its default.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the archive in the foreground (the default).
    Serve,
    /// Read the configuration, say what is wrong with it or what it means.
    CheckConfig,
    /// Import files, folders and discs.
    Import(Import),
    /// Make the index again from the packs.
    Rebuild,
    /// Lists of national and hospital codes.
    #[command(subcommand)]
    Catalogue(catalogue::Command),
    /// Techniques for tables of headers.
    #[command(subcommand)]
    Codes(codes::Command),
    /// Note that a backup of the data folder was made, for the page that says how long ago that was.
    BackupNoted {
        /// What it is called, such as the disk it is on.
        #[arg(long, default_value = "")]
        label: String,
    },
    /// Ask the running server how it is. Exit code 0: it takes images; 2: it runs and takes none; 1: it does not run.
    Status {
        /// Wait up to so many seconds for a server that takes images.
        #[arg(long, default_value_t = 0)]
        wait_seconds: u32,
    },
    /// Make and change the accounts of people.
    #[command(subcommand)]
    Account(Account),
    /// Decode frames for the server that started this process.
    #[command(name = decode_worker::COMMAND, hide = true)]
    DecodeWorker,
    /// The ledger of avoided exams.
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Read again what is stored and hash it. Exit code 0: all of it is whole; 2: something is damaged, missing or differs
    /// from the backup; 3: it was stopped before its end; 1: it could not be done.
    Verify(verify::Verify),
    /// Give back the room of what need not be kept: withdrawn long enough ago, stored twice, damaged with a good copy.
    Compact(compact::Compact),
    /// Show a study no more; it stays stored.
    Withdraw(Withdraw),
    /// Show again what was withdrawn.
    Restore(Restore),
    /// Keep a study whatever is said of it: nothing of it is removed (legal hold).
    Hold(Hold),
    /// Lift the legal hold of a study.
    Release(Hold),
}

#[derive(Args)]
struct Withdraw {
    /// Study Instance UID.
    study: Uid,
    /// Code of the facility whose study it is; without it nobody sees the study any more.
    #[arg(long)]
    facility: Option<String>,
    /// One of duplicate, wrong_object, wrong_patient, quality, patient_safety, other.
    #[arg(long, value_parser = reason)]
    reason: Reason,
    /// Why, in words.
    #[arg(long)]
    why: String,
    /// Your name.
    #[arg(long)]
    who: String,
}

#[derive(Args)]
struct Restore {
    /// The withdrawal, as `withdraw` names it.
    withdrawal: String,
    /// Why, in words.
    #[arg(long)]
    why: String,
    /// Your name.
    #[arg(long)]
    who: String,
}

#[derive(Args)]
struct Hold {
    /// Study Instance UID.
    study: Uid,
    /// Why, in words.
    #[arg(long)]
    why: String,
    /// Your name.
    #[arg(long)]
    who: String,
}

fn reason(name: &str) -> Result<Reason, String> {
    let names = || Reason::ALL.map(Reason::name).join(", ");
    Reason::of_name(name).ok_or_else(|| format!("one of {}", names()))
}

#[derive(Args)]
struct Import {
    /// Files and folders; folders are searched through.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Read and check everything, store nothing.
    #[arg(long)]
    dry_run: bool,
    /// Code of the facility that holds the instances.
    #[arg(long)]
    facility: Option<String>,
    /// Issuer of the patient identifiers of files that name none.
    #[arg(long)]
    issuer: Option<String>,
    /// Label of where the files come from, kept with each instance.
    #[arg(long)]
    source: Option<String>,
    /// Files read at the same time; by default one for each processor.
    #[arg(long)]
    threads: Option<usize>,
    /// Read everything again instead of going on where an interrupted import of the same paths stopped.
    #[arg(long)]
    from_start: bool,
    /// Hospital number of the patient for whom the files were brought (CD, USB, zip); `--facility` says where they were
    /// made. A person confirms on the page that they are of this patient.
    #[arg(long, requires = "facility")]
    patient: Option<String>,
    /// Code of the facility whose hospital number that is.
    #[arg(long, requires = "patient")]
    patient_facility: Option<String>,
    /// Issuer of that number, where it is another than the facility.
    #[arg(long, requires = "patient")]
    patient_issuer: Option<String>,
    /// Who imports; by default the user of the operating system.
    #[arg(long)]
    who: Option<String>,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the last word of a command that failed")]
            {
                eprintln!("pacs-server: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    if matches!(cli.command, Some(Command::DecodeWorker)) {
        return decode_worker::run().map(|()| ExitCode::SUCCESS);
    }
    let file = cli.config.or_else(|| std::env::var_os("PACS_CONFIG").map(PathBuf::from));
    let config = storage_config::config::load(file.as_deref(), std::env::vars())?;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => {
            telemetry::log_to_stderr("info");
            serve::run(config).map(|()| ExitCode::SUCCESS)
        }
        Command::CheckConfig => check_config(&config),
        Command::DecodeWorker => decode_worker::run().map(|()| ExitCode::SUCCESS),
        Command::Import(args) => {
            telemetry::log_to_stderr("warn");
            import_files(&config, args)
        }
        Command::Rebuild => {
            telemetry::log_to_stderr("warn");
            rebuild(&config)
        }
        Command::Catalogue(command) => catalogue::run(&config.data_dir, command),
        Command::Codes(command) => codes::run(&config.data_dir, command),
        Command::Withdraw(args) => {
            telemetry::log_to_stderr("warn");
            let Withdraw { study, facility, reason, why, who } = args;
            let job = WithdrawJob { study, facility, reason, why, who };
            state(&config, &control::Request::Withdraw(job.clone()), "withdrawn", |archive| {
                withdrawal::withdraw(archive, &job)
            })
        }
        Command::Restore(args) => {
            telemetry::log_to_stderr("warn");
            let Restore { withdrawal, why, who } = args;
            let job = RestoreJob { withdrawal, why, who };
            state(&config, &control::Request::Restore(job.clone()), "given back", |archive| {
                withdrawal::restore(archive, &job)
            })
        }
        Command::Hold(args) => hold_study(&config, args, true),
        Command::Release(args) => hold_study(&config, args, false),
        Command::Ledger(command) => {
            telemetry::log_to_stderr("warn");
            ledger::run(&config, command)
        }
        Command::Verify(what) => {
            telemetry::log_to_stderr("warn");
            verify::run(&config, what)
        }
        Command::Compact(what) => {
            telemetry::log_to_stderr("warn");
            compact::run(&config, what)
        }
        Command::Account(what) => {
            telemetry::log_to_stderr("warn");
            account::run(&config, what)
        }
        Command::Status { wait_seconds } => {
            status::show(&config.data_dir, Duration::from_secs(wait_seconds.into()))
        }
        Command::BackupNoted { label } => {
            telemetry::log_to_stderr("warn");
            backup_noted(&config, label)
        }
    }
}

fn backup_noted(config: &Config, label: String) -> Result<ExitCode> {
    match control::connect(&config.data_dir) {
        Some(client) => client.backup_noted(label)?,
        None => {
            let data = &config.data_dir;
            let _lock =
                DirLock::acquire(data).with_context(|| format!("the data folder {}", data.display()))?;
            Backups::new(data).note(&label, setup::now_ms()).context("the backup was not noted")?
        }
    };
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn check_config(config: &Config) -> Result<ExitCode> {
    http::Tls::load(config)?;
    setup::somebody_signs_in(config, &setup::accounts(config)?)?;
    setup::policy(config)?;
    println!("The configuration is valid. Keys with the values in force:\n");
    let mut shown = config.clone();
    shown.database.url = config.database.shown();
    println!("{}", toml::to_string_pretty(&shown).context("the configuration cannot be shown")?);
    println!("# stores: {:?} may associate", config.dimse_accept());
    if config.dimse_accept() == Accept::Known && config.peer.is_empty() {
        println!("# no [[peer]] is known yet: machines that call are refused and listed on the state page");
    }
    Ok(ExitCode::SUCCESS)
}

fn import_files(config: &Config, args: Import) -> Result<ExitCode> {
    let paths = args
        .paths
        .iter()
        .map(|path| path.canonicalize().with_context(|| path.display().to_string()))
        .collect::<Result<Vec<_>>>()?;
    let job = ImportJob {
        paths,
        dry_run: args.dry_run,
        facility: args.facility,
        issuer: args.issuer,
        source: args.source,
        threads: args.threads,
        resume: !args.from_start,
        patient: args.patient.map(|patient_id| LocalPatient {
            facility: args.patient_facility,
            issuer: args.patient_issuer,
            patient_id,
        }),
        who: Some(args.who.unwrap_or_else(os_user::name)),
    };
    let report = match control::connect(&config.data_dir) {
        Some(client) => import::hand_over(client, &job)?,
        None => {
            let (archive, _lock) = setup::open_archive(config)?;
            let report = import::run_in_terminal(&job, config, &archive);
            archive.close();
            report?
        }
    };
    Ok(ExitCode::from(report.exit_code()))
}

/// Has the running server say something, or says it here.
#[expect(clippy::print_stdout, reason = "the command's answer")]
fn state(
    config: &Config,
    request: &control::Request,
    done: &str,
    here: impl FnOnce(&Archive) -> Result<Withdrawn, StateError>,
) -> Result<ExitCode> {
    let withdrawn = match control::connect(&config.data_dir) {
        Some(client) => client.run(request, &import::Cancel::new(), &mut |_: serde_json::Value| {})?,
        None => {
            let (archive, _lock) = setup::open_archive(config)?;
            let stated = here(&archive);
            archive.close();
            stated?
        }
    };
    println!("{} instances {done}; withdrawal {}", withdrawn.instances, withdrawn.withdrawal);
    Ok(ExitCode::SUCCESS)
}

/// Has the running server hold a study, or no longer, or says it here.
#[expect(clippy::print_stdout, reason = "the command's answer")]
fn hold_study(config: &Config, args: Hold, held: bool) -> Result<ExitCode> {
    telemetry::log_to_stderr("warn");
    let Hold { study, why, who } = args;
    let job = HoldJob { study, held, why, who };
    let said: Held = match control::connect(&config.data_dir) {
        Some(client) => client.run(
            &control::Request::Hold(job.clone()),
            &import::Cancel::new(),
            &mut |_: serde_json::Value| {},
        )?,
        None => {
            let (archive, _lock) = setup::open_archive(config)?;
            let said = hold::say(&archive, &job);
            archive.close();
            said?
        }
    };
    let what = if held { "held" } else { "held no longer" };
    println!("{} is {what}; version {}", job.study, said.version.unwrap_or(0));
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn rebuild(config: &Config) -> Result<ExitCode> {
    if control::connect(&config.data_dir).is_some() {
        anyhow::bail!("the server is running; stop it before its index is made again");
    }
    let started = std::time::Instant::now();
    let progress = &mut |done, total| tracing::warn!(done, total, "packs");
    let (archive, r, _lock) = setup::rebuild_archive(config, progress)?;
    archive.close();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{} packs, {} records in {seconds:.1} s ({:.0} records/s); {} records could not be indexed, {} damaged stretches",
        r.packs,
        r.records,
        r.records as f64 / seconds,
        r.unindexable,
        r.gaps
    );
    Ok(ExitCode::from(u8::from(r.unindexable + r.gaps > 0)))
}
