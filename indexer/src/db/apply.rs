//! Applies a batch of records in one transaction, in append order, each in a way that may be repeated.

use std::collections::HashSet;

use super::bulk;
use super::conflict;
use super::entry::{Applied, Batch, Entry, ReliesOn};
use super::error::DbError;
use super::holding::{self, Came};
use super::instance;
use super::machine;
use super::pack;
use super::removal;
use super::series;
use super::session::Session;
use super::sqlite::DbOptions;
use super::statement::{self, Page};
use super::study;
use super::touched::Touched;
use super::verified;

/// All tables that are derived from packs.
const DERIVED: &[&str] = &[
    "bulk_location",
    "code_choice",
    "code_assigned",
    "code_rule",
    "collision",
    "compaction",
    "conflict",
    "damaged_record",
    "decision_document",
    "decision_patient",
    "decision_report",
    "decision_study",
    "delivery",
    "exam_order",
    "facility",
    "facility_code",
    "frame_table",
    "holding",
    "instance",
    "intake",
    "intake_study",
    "ledger_due",
    "ledger_entry",
    "ledger_line",
    "legal_hold",
    "machine_clock",
    "pack",
    "pack_object",
    "patient",
    "patient_link",
    "pending_holding",
    "performed_series",
    "performed_step",
    "performed_study",
    "person",
    "person_number",
    "removed",
    "report",
    "record_copy",
    "reuse_decision",
    "series",
    "series_pack",
    "series_variant",
    "stated_number",
    "statement",
    "study",
    "study_code",
    "study_code_value",
    "study_document",
    "study_evidence",
    "study_variant",
    "study_word",
    "subject",
    "unindexable",
    "version_choice",
    "withdrawal",
    "withdrawn",
    "word",
];

/// Applies all of some batches, in order; what became of each entry.
pub(super) fn apply(
    session: &Session<'_>,
    batches: &[&Batch],
    options: &DbOptions,
) -> Result<Vec<Applied>, DbError> {
    let mut touched = Touched::by(options);
    let mut applied = Vec::with_capacity(batches.iter().map(|batch| batch.entries.len()).sum());
    look_ahead(session, batches)?;
    for batch in batches {
        let gone = gone(session, batch)?;
        for (n, entry) in batch.entries.iter().enumerate() {
            applied.push(if gone.contains(&n) {
                Applied::Gone
            } else {
                apply_one(session, entry, options.utc_offset_minutes, &mut touched)?
            });
        }
    }
    // What was asked ahead was asked for the records.
    session.forget_ahead();
    let subjects = std::mem::take(&mut touched.subjects).into_iter().collect();
    statement::settle(session, Page::of(subjects), &mut touched)?;
    statement::apply_again(session, &mut touched)?;
    settle(session, &mut touched)?;
    machine::note(session, &touched.clocks)?;
    for (pack, to) in batches.iter().flat_map(|batch| &batch.checkpoints) {
        let added = touched.added.remove(pack).unwrap_or_default();
        pack::advance(session, *pack, *to, &added)?;
    }
    for (pack, added) in &touched.added {
        pack::advance(session, *pack, 0, added)?;
    }
    Ok(applied)
}

/// The entries of a batch whose support is gone.
fn gone(session: &Session<'_>, batch: &Batch) -> Result<HashSet<usize>, DbError> {
    let mut gone = HashSet::new();
    for (n, on) in &batch.relies_on {
        let there = match on {
            ReliesOn::Bulk(hash) => removal::count_on_bulk(session, hash)?,
            ReliesOn::Instance(digest) => removal::count_on_instance(session, digest)?,
        };
        if !there {
            gone.insert(*n);
        }
    }
    Ok(gone)
}

/// Looks up at once what is asked of each record of the batches, where each look-up costs a way to a server.
fn look_ahead(session: &Session<'_>, batches: &[&Batch]) -> Result<(), DbError> {
    if !session.is_far() {
        return Ok(());
    }
    let (mut instances, mut copies, mut statements) = (Vec::new(), Vec::new(), Vec::new());
    let mut held = HashSet::new();
    for entry in batches.iter().flat_map(|batch| &batch.entries) {
        match entry {
            Entry::Instance(entry) => instances.push(&**entry),
            Entry::Bulk { hash, place } => copies.push((hash, *place)),
            Entry::Holding { digest, .. } => drop(held.insert(digest)),
            Entry::Statement { statement, .. } => statements.push(&**statement),
            Entry::Unindexable { .. } => {}
        }
    }
    session.expect_rows("subject", statements.len());
    let mut look_ups = vec![bulk::copies_ahead(&copies)?, statement::subjects_ahead(&statements)];
    if !instances.is_empty() {
        look_ups.extend(instance::look_ahead(session, &instances, &held));
    }
    session.look_ahead(&look_ups)
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
        Entry::Statement { statement, later, .. } => statement::note(session, statement, *later, touched)?,
        Entry::Unindexable { pack, offset, reason } => {
            conflict::note_unindexable(session, *pack, *offset, reason)?;
        }
    }
    Ok(Applied::Noted)
}

/// Decides statements that were left for later.
pub(super) fn decide_statements(
    session: &Session<'_>,
    page: Page,
    options: &DbOptions,
) -> Result<(), DbError> {
    let mut touched = Touched::by(options);
    statement::settle(session, page, &mut touched)?;
    statement::apply_again(session, &mut touched)?;
    settle(session, &mut touched)
}

/// Brings what was touched up to date, in the order of rows, so that two writers would wait and not deadlock.
fn settle(session: &Session<'_>, touched: &mut Touched) -> Result<(), DbError> {
    series::look_ahead(session, touched)?;
    for (id, touch) in &touched.series {
        if series::settle(session, *id, touch, touched.new_series.contains(id))? {
            touched.studies.entry(touch.study).or_default().new_modality = true;
        }
    }
    study::settle(session, touched)
}

/// Empties all derived tables.
pub(super) fn wipe(session: &Session<'_>) -> Result<(), DbError> {
    verified::forget_found(session)?;
    for table in DERIVED {
        session.empty(table)?;
    }
    Ok(())
}
