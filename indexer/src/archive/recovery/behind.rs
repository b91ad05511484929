//! Rows behind the reading: what was read of a pack becomes rows while the next records are read.

use std::sync::mpsc::{SyncSender, sync_channel};

use crate::archive::Shared;
use crate::archive::error::OpenError;
use crate::archive::setting_aside::apply_or_list;
use crate::db::{Batch, DbError};

/// Batches that are read and wait: enough that neither side waits for a short pause of the other.
const WAITING: usize = 2;

/// Runs `read`, which hands over batches, and applies them in their order. What it returns, and how many entries the index
/// refused and listed.
///
/// # Errors
/// Those of the index, else those of reading.
pub(super) fn apply<T>(
    shared: &Shared,
    read: impl FnOnce(&SyncSender<Batch>) -> Result<T, OpenError>,
) -> Result<(T, u64), OpenError> {
    std::thread::scope(|scope| {
        let (batches, waiting) = sync_channel::<Batch>(WAITING);
        let applying = scope.spawn(move || {
            waiting.into_iter().try_fold(0, |listed, batch| {
                Ok::<u64, DbError>(listed + apply_or_list(shared, None, &[&batch])?)
            })
        });
        let read = read(&batches);
        drop(batches);
        let listed = applying.join().unwrap_or_else(|defect| std::panic::resume_unwind(defect))?;
        Ok((read?, listed))
    })
}
