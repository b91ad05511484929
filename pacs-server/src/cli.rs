//! The command line. Commands other than `serve` hand their job to a running server over its control socket, or
//! take the lock of the data folder themselves.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use storage_config::Config;

use crate::import::ImportJob;
use crate::{catalogue, codes, control, import, serve, setup, telemetry};

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
    let file = cli.config.or_else(|| std::env::var_os("PACS_CONFIG").map(PathBuf::from));
    let config = storage_config::config::load(file.as_deref(), std::env::vars())?;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => {
            telemetry::log_to_stderr("info");
            serve::run(config).map(|()| ExitCode::SUCCESS)
        }
        Command::CheckConfig => check_config(&config),
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
    }
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn check_config(config: &Config) -> Result<ExitCode> {
    println!("The configuration is valid. Keys with the values in force:\n");
    println!("{}", toml::to_string_pretty(config).context("the configuration cannot be shown")?);
    println!("# stores: {:?} may associate", config.dimse_accept());
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

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn rebuild(config: &Config) -> Result<ExitCode> {
    if control::connect(&config.data_dir).is_some() {
        anyhow::bail!("the server is running; stop it before its index is made again");
    }
    let started = std::time::Instant::now();
    let (archive, _lock) = setup::open_archive(config)?;
    let recovered = archive.rebuild(&mut |done, total| tracing::warn!(done, total, "packs"));
    archive.close();
    let r = recovered?;
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
