//! What the server does for clients of the control socket, over its archive.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexer::archive::{Archive, CompactJob, StateError, StateErrorKind, VerifyJob};
use indexer::codes::Catalogue;
use portal::sign_in::Gate;
use serde_json::Value;
use storage_config::Config;
use storage_config::config::ScanLimits;
use storage_config::operator::Backups;

use super::protocol::{Failure, FailureKind, Request, Status};
use super::server::{Server, Talk};
use crate::hold;
use crate::import::{self, Patience, Site};
use crate::{catalogue, setup, withdrawal};

struct Jobs {
    archive: Archive,
    data_dir: PathBuf,
    scan: ScanLimits,
    gate: Arc<Gate>,
}

impl Server {
    /// Makes the socket of `data_dir`, whose lock the caller holds, and does what clients ask for with `archive` and
    /// the accounts of `gate`.
    ///
    /// # Errors
    /// When the folder does not take a socket, or a thread cannot be started.
    pub fn start(data_dir: &Path, config: &Config, archive: &Archive, gate: Arc<Gate>) -> io::Result<Server> {
        let jobs = Jobs { archive: archive.clone(), data_dir: data_dir.to_owned(), scan: config.scan, gate };
        Server::with_handler(data_dir, Arc::new(move |request, talk| jobs.run(request, talk)))
    }
}

impl Jobs {
    fn run(&self, request: &Request, talk: &Talk) -> Result<Value, Failure> {
        match request {
            Request::Import(job) => {
                job.check().map_err(|error| Failure::new(FailureKind::Request, error.to_string()))?;
                let site = Site {
                    archive: &self.archive,
                    data_dir: &self.data_dir,
                    scan: self.scan,
                    cancel: talk.cancel(),
                    patience: Patience::default(),
                };
                tracing::info!(dry_run = job.dry_run, "an import begins");
                let report = import::run(job, &site, &|event| talk.event(&event));
                tracing::info!(
                    ending = ?report.ending,
                    files = report.files(),
                    stored = report.stored,
                    refused = report.refused,
                    seconds = report.seconds,
                    "an import ended"
                );
                value(&report)
            }
            Request::BackupNoted { label } => {
                let note = Backups::new(&self.data_dir).note(label, setup::now_ms());
                value(&note.map_err(|error| Failure::new(FailureKind::Job, error.to_string()))?)
            }
            Request::Status => value(&Status {
                pid: std::process::id(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                index: self.archive.db().name(),
                jobs: talk.jobs().to_vec(),
                refuses: self.archive.refuses().map(|error| error.to_string()),
            }),
            Request::CatalogueChanged => self.code_by_the_lists(),
            Request::VerifyLedger { head } => {
                let verified = self.archive.verify_ledger(*head);
                value(&verified.map_err(|error| Failure::new(FailureKind::Job, error.to_string()))?)
            }
            Request::Withdraw(job) => said(withdrawal::withdraw(&self.archive, job)),
            Request::Restore(job) => said(withdrawal::restore(&self.archive, job)),
            Request::Hold(job) => said(hold::say(&self.archive, job)),
            Request::Account(job) => match self.gate.accounts().run(job) {
                Ok(accounts) => {
                    tracing::info!(?job, "accounts, by command");
                    value(&accounts)
                }
                Err(error) => Err(Failure::new(FailureKind::Job, error.to_string())),
            },
            Request::Verify(job) => self.verify(job, talk),
            Request::Compact(job) => self.compact(job, talk),
            Request::Rebuild => {
                let message = "the running server does not do that; stop it first";
                Err(Failure::new(FailureKind::Unsupported, message))
            }
        }
    }

    fn verify(&self, job: &VerifyJob, talk: &Talk) -> Result<Value, Failure> {
        tracing::info!(?job, "a verification begins");
        let stop = || talk.cancel().is_set();
        match self.archive.verify(job, &stop, &mut |progress| talk.event(progress)) {
            Ok(report) => {
                tracing::info!(packs = report.packs, damaged = report.damaged, "a verification ended");
                value(&report)
            }
            Err(error) => Err(Failure::new(FailureKind::Job, error.to_string())),
        }
    }

    fn compact(&self, job: &CompactJob, talk: &Talk) -> Result<Value, Failure> {
        tracing::info!(?job, "a compaction begins");
        match self.archive.compact(job, &|| talk.cancel().is_set()) {
            Ok(report) => {
                tracing::info!(?report, "a compaction ended");
                value(&report)
            }
            Err(error) => Err(Failure::new(FailureKind::Job, error.to_string())),
        }
    }
}

impl Jobs {
    /// Takes the imported lists in: studies that wait for a code are mapped again by them.
    fn code_by_the_lists(&self) -> Result<Value, Failure> {
        let failed = |error: String| Failure::new(FailureKind::Job, error);
        let lists = catalogue::load(&self.data_dir).map_err(|error| failed(error.to_string()))?;
        let taken = lists.len();
        if !self.archive.use_catalogue(Catalogue::built_in().with_lists(lists)) {
            return Err(failed("this server gives no codes".to_owned()));
        }
        tracing::info!(lists = taken, "code lists were taken in");
        value(&taken)
    }
}

/// What a statement came to.
fn said(result: Result<impl serde::Serialize, StateError>) -> Result<Value, Failure> {
    match result {
        Ok(result) => value(&result),
        Err(error) => {
            let kind = match error.kind() {
                StateErrorKind::Invalid | StateErrorKind::NotFound | StateErrorKind::Conflict => {
                    FailureKind::Request
                }
                StateErrorKind::Unavailable | StateErrorKind::Internal => FailureKind::Job,
            };
            Err(Failure::new(kind, error.to_string()))
        }
    }
}

fn value(result: &impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(result).map_err(|error| Failure::new(FailureKind::Job, error.to_string()))
}
