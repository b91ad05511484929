//! The turn of one run among all servers of the index.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::job::CompactError;
use crate::archive::Shared;

/// How long a run counts as alive that says nothing.
const ALIVE: Duration = Duration::from_secs(60);
/// How often a run says that it is alive.
const KEEP: Duration = Duration::from_secs(15);

/// A run that compacts, the only one as far as it knows. What it changes asks in its own transaction whether it still is.
pub(super) struct Turn<'a> {
    shared: &'a Arc<Shared>,
    run: String,
    kept: Instant,
}

impl<'a> Turn<'a> {
    /// Takes the turn, and takes back what an earlier run condemned before it was killed.
    pub(super) fn take(shared: &'a Arc<Shared>) -> Result<Turn<'a>, CompactError> {
        let id = u128::from_be_bytes(shared.options.disk.random_id()?);
        let run = format!("{}-{:08x}-{id:032x}", server(shared), shared.identity.epoch);
        let (now, until) = times(shared);
        if !shared.db.take_turn(&run, now, until)? {
            return Err(CompactError::Elsewhere);
        }
        shared.db.pardon(&run)?;
        Ok(Turn { shared, run, kept: Instant::now() })
    }

    /// The name of the run.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// Says now and then that the run is alive.
    pub(super) fn keep(&mut self) {
        if self.kept.elapsed() < KEEP {
            return;
        }
        self.kept = Instant::now();
        // Whether the turn is still its own is asked again where that matters.
        if let Err(error) = self.shared.db.keep_turn(&self.run, times(self.shared).1) {
            tracing::warn!(%error, "the turn to compact was not kept");
        }
    }

    /// Takes back what was condemned and not removed, and ends the turn.
    pub(super) fn end(self) -> Result<(), CompactError> {
        Ok(self.shared.db.end_turn(&self.run)?)
    }
}

/// How names of this server's runs begin.
pub(in crate::archive) fn server(shared: &Shared) -> String {
    format!("{:08x}", shared.identity.writer)
}

/// Now, and until when a run counts as alive: milliseconds since 1970-01-01 UTC.
fn times(shared: &Shared) -> (i64, i64) {
    let now = (shared.options.now_ms)();
    (now, now.saturating_add(i64::try_from(ALIVE.as_millis()).unwrap_or(i64::MAX)))
}
