//! Applies a batch of records in one transaction, in append order, each in a way that may be repeated.

use serde_json::Value;

use super::bulk;
use super::conflict;
use super::entry::{Applied, Batch, Entry, Place};
use super::error::DbError;
use super::facility;
use super::holding::{self, Came};
use super::instance;
use super::pack;
use super::series;
use super::session::Session;
use super::study;
use super::touched::Touched;

/// All tables that are derived from packs.
const DERIVED: [&str; 18] = [
    "bulk_location",
    "conflict",
    "facility",
    "facility_code",
    "frame_table",
    "holding",
    "instance",
    "machine_clock",
    "pack",
    "patient",
    "pending_holding",
    "series",
    "series_variant",
    "study",
    "study_variant",
    "study_word",
    "unindexable",
    "word",
];

/// Applies all of some batches, in order; what became of each entry.
pub(super) fn apply(
    session: &Session<'_>,
    batches: &[&Batch],
    utc_offset_minutes: i32,
) -> Result<Vec<Applied>, DbError> {
    let mut touched = Touched::default();
    let mut applied = Vec::with_capacity(batches.iter().map(|batch| batch.entries.len()).sum());
    for entry in batches.iter().flat_map(|batch| &batch.entries) {
        applied.push(apply_one(session, entry, utc_offset_minutes, &mut touched)?);
    }
    settle(session, &mut touched)?;
    for (pack, to) in batches.iter().flat_map(|batch| &batch.checkpoints) {
        let added = touched.added.remove(pack).unwrap_or_default();
        pack::advance(session, *pack, *to, &added)?;
    }
    for (pack, added) in &touched.added {
        pack::advance(session, *pack, 0, added)?;
    }
    Ok(applied)
}

fn apply_one(
    session: &Session<'_>,
    entry: &Entry,
    utc_offset_minutes: i32,
    touched: &mut Touched,
) -> Result<Applied, DbError> {
    match entry {
        Entry::Bulk { hash, place } => bulk::add(session, hash, *place, touched)?,
        Entry::Instance(entry) => return instance::apply(session, entry, utc_offset_minutes, touched),
        Entry::Holding { digest, facility, source, received_ms, place } => {
            let came = Came { facility: *facility, received_ms: *received_ms, source };
            return holding::apply(session, digest, came, place.pack, touched);
        }
        Entry::Statement { place, json } => state(session, *place, json)?,
        Entry::Unindexable { pack, offset, reason } => {
            conflict::note_unindexable(session, *pack, *offset, reason)?;
        }
    }
    Ok(Applied::Noted)
}

/// Applies a statement; one that this program does not know stays visible until a later program does.
fn state(session: &Session<'_>, place: Place, json: &Value) -> Result<(), DbError> {
    let refused = match json.get("type").and_then(Value::as_str) {
        Some("facility") => facility::state(session, json)?.err(),
        _ => Some("a statement of a type that is not known"),
    };
    match refused {
        Some(reason) => conflict::note_unindexable(session, place.pack, place.offset, reason),
        None => Ok(()),
    }
}

/// Brings what was touched up to date, in the order of rows, so that two writers would wait and not deadlock.
fn settle(session: &Session<'_>, touched: &mut Touched) -> Result<(), DbError> {
    for (id, touch) in &touched.series {
        if series::settle(session, *id, touch)? {
            touched.studies.entry(touch.study).or_default().new_modality = true;
        }
    }
    for (id, touch) in &touched.studies {
        study::settle(session, *id, touch)?;
    }
    Ok(())
}

/// Empties all derived tables.
pub(super) fn wipe(session: &Session<'_>) -> Result<(), DbError> {
    for table in DERIVED {
        session.execute(&format!("DELETE FROM {table}"), [])?;
    }
    Ok(())
}
