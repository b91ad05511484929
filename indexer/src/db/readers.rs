//! Connections that read: opened when first needed, handed out one at a time, kept for the next.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::DbError;

/// How long a read waits for a connection.
const WAIT: Duration = Duration::from_secs(10);

/// A connection that may be kept for the next reader.
pub(super) trait Reusable {
    /// Whether it is as good as a new one: alive and in no transaction.
    fn is_reusable(&self) -> bool;
}

/// The connections of one database.
pub(super) struct Readers<C> {
    most: usize,
    state: Mutex<Free<C>>,
    freed: Condvar,
}

struct Free<C> {
    idle: Vec<C>,
    open: usize,
}

impl<C: Reusable> Readers<C> {
    /// At most `most` connections at a time.
    pub(super) fn new(most: usize) -> Readers<C> {
        let state = Mutex::new(Free { idle: Vec::new(), open: 0 });
        Readers { most: most.max(1), state, freed: Condvar::new() }
    }

    /// A free connection, made by `connect` where fewer than the most are open.
    pub(super) fn take(
        &self,
        connect: impl FnOnce() -> Result<C, DbError>,
    ) -> Result<Reader<'_, C>, DbError> {
        let deadline = Instant::now() + WAIT;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            while let Some(connection) = state.idle.pop() {
                if connection.is_reusable() {
                    return Ok(Reader { readers: self, connection: Some(connection) });
                }
                state.open -= 1;
            }
            if state.open < self.most {
                state.open += 1;
                drop(state);
                let mut reader = Reader { readers: self, connection: None };
                reader.connection = Some(connect()?);
                return Ok(reader);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(DbError::NoReader(WAIT));
            }
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A connection on loan; goes back when dropped.
pub(super) struct Reader<'a, C: Reusable> {
    readers: &'a Readers<C>,
    connection: Option<C>,
}

impl<C: Reusable> Reader<'_, C> {
    /// It.
    pub(super) fn connection(&self) -> Result<&C, DbError> {
        self.connection.as_ref().ok_or(DbError::Invalid("reader"))
    }
}

impl<C: Reusable> Drop for Reader<'_, C> {
    fn drop(&mut self) {
        let mut state = self.readers.state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.connection.take().filter(Reusable::is_reusable) {
            Some(connection) => state.idle.push(connection),
            None => state.open -= 1,
        }
        drop(state);
        self.readers.freed.notify_one();
    }
}
