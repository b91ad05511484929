//! Instances: one row for each digest, whoever sent it how often.

use crate::db::sql::{Row, ToValue, Value, params};
use std::collections::HashSet;

use storage_config::{ContentHash, Hasher, Uid};

use super::ahead::LookUp;
use super::entry::{Applied, InstanceEntry, PackId, Place};
use super::error::DbError;
use super::holding::{self, Came};
use super::machine;
use super::pack::LostPacks;
use super::row::{SeriesValues, StudyValues, bounded, json, number};
use super::series;
use super::session::{Session, signed, unsigned};
use super::statement;
use super::study;
use super::touched::{Placed, Precedence, Touched};
use super::verified;
use super::version::{self, Versions};
use super::visible;

const KNOWN: &str = "SELECT id, study_row, series_row, study_variant_id, series_variant_id, rank, received_ms, \
     facility_id, source, version, sop_uid, damaged, condemned, pack_id FROM instance WHERE digest = ?1";
const INSERT: &str = "INSERT INTO instance (digest, study_row, series_row, version, instance_number, rank, \
     received_ms, facility_id, study_variant_id, series_variant_id, pack_id, record_at, body_length, \
     length, frames, sop_uid, sop_class, transfer_syntax, source, patient_scope, bulk_digest, notes, json) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, \
     ?23)";
const MOVE: &str = "UPDATE instance SET received_ms = ?2, facility_id = ?3, source = ?4, patient_scope = ?5, \
     pack_id = ?6, record_at = ?7, body_length = ?8 WHERE id = ?1";
const REPLACE: &str = "UPDATE instance SET pack_id = ?2, record_at = ?3, body_length = ?4, damaged = 0, \
     condemned = 0 WHERE id = ?1";
const INSERT_FRAMES: &str = "INSERT INTO frame_table (instance_id, bytes, pixels) VALUES (?1, ?2, ?3)";

const COPY: &str = "INSERT INTO record_copy (digest, pack_id, record_at, body_length) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (digest, pack_id, record_at) DO NOTHING";
const COPY_OF_ROW: &str = "INSERT INTO record_copy (digest, pack_id, record_at, body_length) \
     SELECT digest, pack_id, record_at, body_length FROM instance \
     WHERE id = ?1 AND (pack_id <> ?2 OR record_at <> ?3) \
     ON CONFLICT (digest, pack_id, record_at) DO NOTHING";
const IS_COPY: &str = "SELECT 1 FROM record_copy WHERE digest = ?1 LIMIT 1";
const COPIES: &str = "SELECT pack_id, record_at, body_length FROM record_copy WHERE digest = ?1 \
     ORDER BY pack_id, record_at";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[KNOWN, MOVE, REPLACE, COPY_OF_ROW, COPIES];

/// Version number of a row between its insertion and the decision what it is.
pub(super) const UNDECIDED: i64 = -1;

/// A row that was there before, and how it came.
struct KnownRow {
    placed: Placed,
    facility: u32,
    source: String,
    served: bool,
    sop_uid: String,
    /// Its record is damaged, lost or about to be removed: the one that comes takes its place.
    to_be_replaced: bool,
}

/// What is asked of each of many instances before they are applied. Those of `held` come with a holding that may have to
/// wait for its instance: what it changes is not asked ahead.
pub(super) fn look_ahead(
    session: &Session<'_>,
    entries: &[&InstanceEntry],
    held: &HashSet<&ContentHash>,
) -> Vec<LookUp<'static>> {
    session.expect_rows("instance", entries.len());
    let alone = || entries.iter().filter(|entry| !held.contains(&entry.digest));
    let digests: Vec<Vec<Value<'static>>> =
        alone().map(|entry| vec![entry.digest.0.to_value().into_owned()]).collect();
    let uids = |of: fn(&InstanceEntry) -> &Uid| {
        alone().map(|entry| vec![of(entry).as_str().to_value().into_owned()]).collect::<Vec<_>>()
    };
    vec![
        // Another version may change which of them is served before a record comes again.
        LookUp::absence(KNOWN, digests.clone()),
        holding::deferred_ahead(digests.clone()),
        statement::covered_ahead(digests),
        version::first_ahead(uids(|entry| &entry.attributes.sop_instance)),
        study::rows_ahead(uids(|entry| &entry.attributes.study_uid)),
    ]
}

/// Applies an instance record.
pub(super) fn apply(
    session: &Session<'_>,
    entry: &InstanceEntry,
    utc_offset_minutes: i32,
    touched: &mut Touched,
) -> Result<Applied, DbError> {
    let came = Came { facility: entry.facility, received_ms: entry.received_ms, source: &entry.source };
    if let Some(known) =
        session.row(KNOWN, [&entry.digest.0[..]], |row| known_row(row, entry, &touched.lost))?
    {
        let new = holding::note(session, known.placed.instance, came)?;
        touched.added(entry.place.pack).holdings += i64::from(new);
        if known.to_be_replaced {
            replace(session, &known, entry.place)?;
        } else {
            note_copy(session, &known, entry)?;
        }
        let earlier = (entry.received_ms, entry.facility.0, entry.source.as_str())
            < (known.placed.precedence.received_ms, known.facility, known.source.as_str());
        if earlier {
            came_earlier(session, &known, entry, touched)?;
        }
        if statement::is_covered(session, &entry.digest)? {
            visible::look_again(session, &entry.digest, touched)?;
        }
        return Ok(if new { Applied::Holding } else { Applied::Duplicate });
    }
    let versions = insert(session, entry, touched)?;
    holding::first(session, versions.new.instance, came)?;
    let adopted = holding::adopt(session, versions.new.instance, &entry.digest)?;
    machine::check(entry, utc_offset_minutes, &mut touched.clocks);
    let added = touched.added(entry.place.pack);
    added.instances += 1;
    added.holdings += 1 + adopted;
    added.data_set_bytes += signed(entry.length, "data set length")?;
    if statement::is_covered(session, &entry.digest)? {
        return withdrawn(session, &versions, &entry.digest, touched);
    }
    version::place(session, &versions, touched)
}

/// Keeps both records of an instance as places to read it from, whichever of them its row will name.
fn note_copy(session: &Session<'_>, known: &KnownRow, entry: &InstanceEntry) -> Result<(), DbError> {
    let (at, length) =
        (signed(entry.place.offset, "record position")?, signed(entry.place.length, "body length")?);
    let pack = entry.place.pack.0;
    // The record of the row itself comes again when the end of a pack is replayed.
    let another = session.execute(COPY_OF_ROW, params![known.placed.instance, pack, at])? == 1
        || session.row(IS_COPY, params![&entry.digest.0[..]], |_| Ok(()))?.is_some();
    if another {
        session.execute(COPY, params![&entry.digest.0[..], pack, at, length])?;
    }
    Ok(())
}

/// The places of all records of an instance of which there are several.
pub(super) fn copies(session: &Session<'_>, digest: &ContentHash) -> Result<Vec<Place>, DbError> {
    session.rows(COPIES, [&digest.0[..]], |row| {
        Ok(Place { pack: PackId(row.get(0)?), offset: unsigned(row, 1)?, length: unsigned(row, 2)? })
    })
}

/// A new row that was withdrawn before its record was applied: it is served only if a holding is visible.
fn withdrawn(
    session: &Session<'_>,
    versions: &Versions<'_>,
    digest: &ContentHash,
    touched: &mut Touched,
) -> Result<Applied, DbError> {
    version::step_down(session, versions.new.instance)?;
    visible::look_again(session, digest, touched)?;
    let Placed { study, series, .. } = versions.new;
    version::decide_again(session, study, series, versions.sop_uid, touched)?;
    // Where nothing of the study is served, it may be the one that tells whose the study is.
    touched.studies.entry(study).or_default().look_at_all = true;
    Ok(Applied::New)
}

fn insert<'e>(
    session: &Session<'_>,
    entry: &'e InstanceEntry,
    touched: &mut Touched,
) -> Result<Versions<'e>, DbError> {
    let attributes = &entry.attributes;
    let study = study::row_of(session, &attributes.study_uid, touched)?;
    let series = series::row_of(session, study, &attributes.series_uid, touched)?;
    let study_variant = study::variant(session, study, &StudyValues::of(attributes)?, touched)?;
    let series_variant = series::variant(session, series, &SeriesValues::of(attributes)?, touched)?;
    let rank = i64::from(attributes.rank);
    let precedence = Precedence { rank, received_ms: entry.received_ms, digest: entry.digest.0 };
    let sop_uid = attributes.sop_instance.as_str();
    let other = version::others(session, sop_uid, series)?;
    let version = if other.served.is_none() { 0 } else { UNDECIDED };
    let params = params![
        &entry.digest.0[..],
        study,
        series,
        version,
        number(attributes.instance.number),
        rank,
        entry.received_ms,
        entry.facility.0,
        study_variant,
        series_variant,
        entry.place.pack.0,
        signed(entry.place.offset, "record position")?,
        signed(entry.place.length, "body length")?,
        signed(entry.length, "data set length")?,
        attributes.instance.frames,
        sop_uid,
        attributes.sop_class.as_str(),
        entry.transfer_syntax.as_str(),
        entry.source,
        bounded(&entry.patient_scope),
        bulk_digest(entry),
        entry.notes.join("\n"),
        json(&attributes.instance_json)?,
    ];
    let instance = session.insert_one_of_many("instance", INSERT, params)?;
    if let Some(frames) = &entry.frames {
        let pixels = entry.pixels.as_ref().map_or(&[][..], |hash| &hash.0[..]);
        session.add(INSERT_FRAMES, params![instance, frames, pixels])?;
    }
    let new = Placed { instance, study, series, study_variant, series_variant, precedence };
    Ok(Versions { sop_uid, new, other })
}

/// One hash over the hashes of all bulk values; empty without any, since nothing equals nothing by chance.
fn bulk_digest(entry: &InstanceEntry) -> Vec<u8> {
    if entry.bulk.is_empty() {
        return Vec::new();
    }
    let mut hasher = Hasher::new();
    entry.bulk.iter().for_each(|hash| hasher.update(&hash.0));
    hasher.finish().0.to_vec()
}

/// The same instance by a record that takes the place of one that is damaged, lost or about to be removed.
fn replace(session: &Session<'_>, known: &KnownRow, place: Place) -> Result<(), DbError> {
    let (at, length) = (signed(place.offset, "record position")?, signed(place.length, "body length")?);
    session.execute(REPLACE, params![known.placed.instance, place.pack.0, at, length])?;
    verified::again_one(session, known.placed.series)
}

/// The same instance by an earlier record that is applied later: the row tells of the earlier one from now on.
fn came_earlier(
    session: &Session<'_>,
    known: &KnownRow,
    entry: &InstanceEntry,
    touched: &mut Touched,
) -> Result<(), DbError> {
    let params = params![
        known.placed.instance,
        entry.received_ms,
        entry.facility.0,
        entry.source,
        bounded(&entry.patient_scope),
        entry.place.pack.0,
        signed(entry.place.offset, "record position")?,
        signed(entry.place.length, "body length")?,
    ];
    session.execute(MOVE, params)?;
    if known.served {
        touched.disturbed(&known.placed);
    } else {
        touched.studies.entry(known.placed.study).or_default().look_at_all = true;
    }
    version::decide_again(session, known.placed.study, known.placed.series, &known.sop_uid, touched)
}

fn known_row(row: &Row<'_>, entry: &InstanceEntry, lost: &LostPacks) -> Result<KnownRow, DbError> {
    let precedence = Precedence { rank: row.get(5)?, received_ms: row.get(6)?, digest: entry.digest.0 };
    let placed = Placed {
        instance: row.get(0)?,
        study: row.get(1)?,
        series: row.get(2)?,
        study_variant: row.get(3)?,
        series_variant: row.get(4)?,
        precedence,
    };
    let version: i64 = row.get(9)?;
    Ok(KnownRow {
        placed,
        facility: row.get(7)?,
        source: row.get(8)?,
        served: version == 0,
        sop_uid: row.get(10)?,
        to_be_replaced: row.get::<_, bool>(11)? || row.get::<_, bool>(12)? || lost.has(PackId(row.get(13)?)),
    })
}
