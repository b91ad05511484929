//! Faults on request: makes the n-th call to the database fail, so that tests reach every point of failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::DbError;

/// A kind of call to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DbCall {
    /// The start of a write transaction.
    Begin,
    /// A statement inside a write transaction.
    Execute,
    /// The end of a write transaction.
    Commit,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DbFault {
    /// Nothing happens and an error is returned.
    Fails,
    /// The call is carried out and an error is returned all the same: the outcome a caller must not guess.
    FailsAfterwards,
}

#[derive(Debug, Default)]
struct Plan {
    calls: AtomicU64,
    /// Number of the call that fails, from 1; 0 for none.
    at: AtomicU64,
    afterwards: AtomicU64,
    /// Kind of call that is counted; 0 for all.
    only: AtomicU64,
}

/// A switch that tests hold; clones share it. Counts calls and fails the one that was asked for, once.
#[derive(Debug, Clone, Default)]
pub struct DbFaults(Arc<Plan>);

impl DbFaults {
    /// No faults until asked for.
    #[must_use]
    pub fn none() -> DbFaults {
        DbFaults::default()
    }

    /// Makes the `n`-th call from now on (from 1) fail; with `only`, counts calls of that kind alone.
    pub fn fail_at(&self, n: u64, only: Option<DbCall>, fault: DbFault) {
        self.0.only.store(only.map_or(0, |call| call as u64 + 1), Ordering::SeqCst);
        self.0.afterwards.store(u64::from(fault == DbFault::FailsAfterwards), Ordering::SeqCst);
        self.0.calls.store(0, Ordering::SeqCst);
        self.0.at.store(n, Ordering::SeqCst);
    }

    /// Calls counted since the last [`DbFaults::fail_at`].
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// Runs `carry_out` as one call of a kind, or fails it.
    pub(super) fn call<T>(
        &self,
        call: DbCall,
        carry_out: impl FnOnce() -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let only = self.0.only.load(Ordering::Relaxed);
        if only != 0 && only != call as u64 + 1 {
            return carry_out();
        }
        let number = self.0.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if number != self.0.at.load(Ordering::Relaxed) {
            return carry_out();
        }
        if self.0.afterwards.load(Ordering::SeqCst) == 0 {
            return Err(DbError::Injected);
        }
        carry_out()?;
        match call {
            DbCall::Commit => Err(DbError::OutcomeUnknown("an injected fault".into())),
            DbCall::Begin | DbCall::Execute => Err(DbError::Injected),
        }
    }
}
