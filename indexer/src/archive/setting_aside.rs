//! Records that the index refuses, and would refuse again: they are listed and passed over, so that what stands behind
//! them becomes rows (STORE.md rule 9).

use super::Shared;
use crate::db::{Batch, DbError, Entry};

/// Applies batches, and where one holds what the index cannot take, entry by entry: what is refused is listed.
///
/// # Errors
/// When the index fails for another reason. What was applied by then is applied; doing it again is safe.
pub(crate) fn apply_or_list(shared: &Shared, epoch: Option<u64>, batches: &[&Batch]) -> Result<u64, DbError> {
    match shared.db.apply_at(epoch, batches, || true) {
        Ok(_) => Ok(0),
        Err(error) if error.is_of_content() => {
            let mut listed = 0;
            for batch in batches {
                listed += one_by_one(shared, epoch, batch)?;
            }
            Ok(listed)
        }
        Err(error) => Err(error),
    }
}

/// The marks move last: until then a start begins at the first entry again.
fn one_by_one(shared: &Shared, epoch: Option<u64>, batch: &Batch) -> Result<u64, DbError> {
    let mut listed = 0;
    for (n, entry) in batch.entries.iter().enumerate() {
        let on = batch.relies_on.iter().filter(|(of, _)| *of == n).map(|(_, on)| (0, *on));
        let alone = Batch { entries: vec![entry.clone()], checkpoints: Vec::new(), relies_on: on.collect() };
        match shared.db.apply_at(epoch, &[&alone], || true) {
            Ok(_) => {}
            Err(error) if error.is_of_content() => {
                let ((pack, offset), reason) =
                    (entry.at(), format!("the index refuses it ({:?})", error.kind()));
                tracing::error!(?pack, offset, %error, "a record cannot become rows and is listed");
                let noted = Entry::Unindexable { pack, offset, reason };
                shared.db.apply_at(epoch, &[&Batch { entries: vec![noted], ..Batch::default() }], || true)?;
                listed += 1;
            }
            Err(error) => return Err(error),
        }
    }
    let marks = Batch { checkpoints: batch.checkpoints.clone(), ..Batch::default() };
    shared.db.apply_at(epoch, &[&marks], || true)?;
    Ok(listed)
}
