//! `pacs-server withdraw` and `restore`: what a person at the machine of the archive says, handed to the running
//! server or said here.

use indexer::archive::{Archive, StateError, Withdraw};
use indexer::statement::{Evidence, Reason, State, Who};
use serde::{Deserialize, Serialize};
use storage_config::Uid;

/// What is to be withdrawn, as the control socket says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawJob {
    /// Study Instance UID.
    pub study: Uid,
    /// Code of the facility whose holding is meant; none: everybody's.
    pub facility: Option<String>,
    /// Why.
    pub reason: Reason,
    /// Why, in words; for [`Reason::Other`] what the reason is.
    pub why: String,
    /// Who says so.
    pub who: String,
}

/// What is to be given back, as the control socket says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreJob {
    /// The withdrawal.
    pub withdrawal: String,
    /// Why, in words.
    pub why: String,
    /// Who says so.
    pub who: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// The withdrawal, by which it can be given back.
    pub withdrawal: String,
    /// Instances that it names.
    pub instances: usize,
}

fn by_command(name: &str) -> Who {
    Who { name: name.to_owned(), by: Evidence::Command }
}

/// Withdraws.
///
/// # Errors
/// As [`Archive::withdraw`].
pub fn withdraw(archive: &Archive, job: &WithdrawJob) -> Result<Withdrawn, StateError> {
    let text = if job.reason == Reason::Other { job.why.clone() } else { String::new() };
    let stated = archive.withdraw(Withdraw {
        id: None,
        study: job.study.clone(),
        series: None,
        sop_instance: None,
        facility: job.facility.clone(),
        reason: job.reason,
        text,
        who: by_command(&job.who),
        why: job.why.clone(),
    })?;
    Ok(withdrawn(&stated.statement))
}

/// Gives back.
///
/// # Errors
/// As [`Archive::restore`].
pub fn restore(archive: &Archive, job: &RestoreJob) -> Result<Withdrawn, StateError> {
    let stated = archive.restore(&job.withdrawal, None, by_command(&job.who), job.why.clone())?;
    Ok(withdrawn(&stated.statement))
}

fn withdrawn(statement: &indexer::statement::Statement) -> Withdrawn {
    let instances = match &statement.state {
        State::Withdrawal(state) => state.instances.len(),
        _ => 0,
    };
    Withdrawn { withdrawal: statement.subject.key.clone(), instances }
}
