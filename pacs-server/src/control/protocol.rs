//! What is said over the control socket, a line of JSON each.

use indexer::archive::{CompactJob, VerifyJob};
use portal::accounts::AccountJob;
use serde::{Deserialize, Serialize};
use storage_config::ContentHash;

use crate::hold::HoldJob;
use crate::import::ImportJob;
use crate::withdrawal::{RestoreJob, WithdrawJob};

/// Most bytes of a request.
pub(super) const REQUEST_BYTES: usize = 16 << 20;
/// Most bytes of a line of the server.
pub(super) const REPLY_BYTES: usize = 16 << 20;

/// What a client asks for, its first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Import files.
    Import(ImportJob),
    /// Read again and hash what is stored.
    Verify(VerifyJob),
    /// Remove what need not be kept.
    Compact(CompactJob),
    /// Make the index again from the packs.
    Rebuild,
    /// Withdraw a study.
    Withdraw(WithdrawJob),
    /// Give back what was withdrawn.
    Restore(RestoreJob),
    /// Hold a study, or no longer.
    Hold(HoldJob),
    /// Note that a backup was made.
    BackupNoted {
        /// What it is called; may be empty.
        label: String,
    },
    /// Code by the lists in the data folder as they are now.
    CatalogueChanged,
    /// Look through the chains of the ledger.
    VerifyLedger {
        /// The hash of an entry that somebody wrote down.
        head: Option<ContentHash>,
    },
    /// Say how the server is.
    Status,
    /// Change the accounts of people, or list them.
    Account(AccountJob),
}

impl Request {
    /// The name of this kind of job, if only one of it may run at a time.
    #[must_use]
    pub fn exclusive(&self) -> Option<&'static str> {
        match self {
            Request::Import(_) => Some("import"),
            Request::Verify(_) => Some("verify"),
            Request::Compact(_) => Some("compact"),
            Request::Rebuild => Some("rebuild"),
            Request::Withdraw(_) | Request::Restore(_) | Request::Hold(_) => None,
            Request::BackupNoted { .. } => None,
            Request::Status | Request::CatalogueChanged | Request::Account(_) => None,
            Request::VerifyLedger { .. } => Some("ledger verify"),
        }
    }
}

/// What a client may send while its job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// Stop after what is under way.
    Cancel,
}

/// A line of the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// What the job says while it runs; what it is depends on the request.
    Event(serde_json::Value),
    /// The last line.
    End(End),
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// Its result; what it is depends on the request.
    Done(serde_json::Value),
    /// It was not done.
    Failed(Failure),
}

/// Why a job was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What it means.
    pub kind: FailureKind,
    /// In words.
    pub message: String,
}

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Another job of this kind is running, or too many clients are connected.
    Busy,
    /// The request is not one.
    Request,
    /// This server does not do that.
    Unsupported,
    /// The server is stopping.
    Stopping,
    /// It was begun and did not work out.
    Job,
}

impl Failure {
    /// A failure in words.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into() }
    }
}

/// How the server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// The database of its index, without user and password.
    #[serde(default)]
    pub index: String,
    /// Kinds of jobs that run.
    pub jobs: Vec<String>,
    /// Why it takes no instances at the moment, if it does not.
    pub refuses: Option<String>,
}
