//! Verification as rows: what was read again from the disk and hashed, when, and what was not what was written.
//!
//! Nothing here is derived from packs. What is missing is verified again, so that losing it loses nothing.

use crate::db::sql::{Row, params};
use storage_config::{ContentHash, Uid};

use super::entry::{PackId, Place};
use super::error::DbError;
use super::session::{Session, signed, unsigned};

/// What is known of the bytes of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesVerified {
    /// Series Instance UID.
    pub series_uid: Uid,
    /// Rises with every visible change, within one life of the index.
    pub generation: u64,
    /// The generation whose instances were all read again from the disk and hashed; 0 for none. Only where it equals
    /// `generation` is anything known of what is served now.
    pub verified_generation: u64,
    /// When that was, or when the packs that hold them were last verified as a whole, whichever is later; milliseconds
    /// since 1970-01-01 UTC. None where it never was.
    pub verified_at_ms: Option<i64>,
    /// Whether each of them was whole, in at least one copy.
    pub intact: bool,
}

/// A series that waits to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesToVerify {
    /// Its id in rows.
    pub id: i64,
    /// Its study.
    pub study_uid: Uid,
}

/// What passes over a whole pack found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackVerified {
    /// The pack's name.
    pub name: String,
    /// When the last pass ended, in milliseconds since 1970-01-01 UTC; 0 for never.
    pub at_ms: i64,
    /// Bytes that it read.
    pub bytes: u64,
    /// Damaged stretches that it found.
    pub damaged: u64,
    /// Where a pass under way goes on, in bytes; 0 where none is.
    pub place: u64,
    /// Damaged stretches that it found so far.
    pub found: u64,
}

/// A stretch of a pack that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRecord {
    /// Where it begins; the length is that of the stretch.
    pub place: Place,
    /// Kind of the record as in its header, 0 where the header is damaged too.
    pub kind: u8,
    /// In words, without patient data.
    pub what: String,
    /// Whether what stood there is whole elsewhere by now.
    pub repaired: bool,
}

const OF_STUDY: &str = "SELECT r.series_uid, r.generation, r.verified_generation, r.verified_ms, \
     r.verified_damaged, (SELECT min(coalesce(v.at_ms, 0)) FROM series_pack p JOIN pack k ON k.id = p.pack_id \
     LEFT JOIN verified_pack v ON v.name = k.name WHERE p.series_row = r.id) \
     FROM study s JOIN series r ON r.study_row = s.id WHERE s.study_uid = ?1 AND r.n_instances > 0 \
     ORDER BY r.series_number, r.series_uid";
const WAITING: &str = "SELECT r.id, s.study_uid FROM series r JOIN study s ON s.id = r.study_row \
     WHERE r.generation > r.verified_generation AND r.n_instances > 0 AND r.changed_ms <= ?1 \
     ORDER BY r.changed_ms DESC LIMIT ?2";
const SET_SERIES: &str = "UPDATE series SET verified_generation = ?2, verified_ms = ?3, verified_damaged = ?4 \
     WHERE id = ?1";
const CLEAR_PACKS: &str = "DELETE FROM series_pack WHERE series_row = ?1";
const ADD_PACK: &str = "INSERT INTO series_pack (pack_id, series_row) VALUES (?1, ?2) \
     ON CONFLICT (pack_id, series_row) DO NOTHING";
/// Series with something in a pack are to be verified again.
const AGAIN: &str = "UPDATE series SET verified_generation = 0 \
     WHERE id IN (SELECT series_row FROM series_pack WHERE pack_id = ?1)";
const AGAIN_ONE: &str = "UPDATE series SET verified_generation = 0 WHERE id = ?1";
/// Series that were found damaged and may be whole now that a copy of a bulk value came.
const HEALED: &str = "UPDATE series SET verified_generation = 0 WHERE verified_damaged > 0 AND id IN \
     (SELECT p.series_row FROM bulk_location b JOIN series_pack p ON p.pack_id = b.pack_id \
     WHERE b.hash = ?1 AND b.damaged <> 0)";
const PACKS: &str = "SELECT name, at_ms, bytes, damaged, place, found FROM verified_pack ORDER BY name";
const PACK_AT: &str = "INSERT INTO verified_pack (name, place, found) VALUES (?1, ?2, ?3) \
     ON CONFLICT (name) DO UPDATE SET place = excluded.place, found = excluded.found";
const PACK_DONE: &str = "INSERT INTO verified_pack (name, at_ms, bytes, damaged) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (name) DO UPDATE SET at_ms = excluded.at_ms, bytes = excluded.bytes, \
     damaged = excluded.damaged, place = 0, found = 0";
const FORGET_PACK: &str = "DELETE FROM verified_pack WHERE name = ?1";
const FORGET_FOUND: &str =
    "UPDATE verified_pack SET at_ms = 0, place = 0, found = 0 WHERE damaged > 0 OR found > 0";
const RUN: &str = "SELECT begun_ms FROM verified_run WHERE one = 1";
const SET_RUN: &str = "INSERT INTO verified_run (one, begun_ms) VALUES (1, ?1) \
     ON CONFLICT (one) DO UPDATE SET begun_ms = excluded.begun_ms";
const END_RUN: &str = "DELETE FROM verified_run";
const NOTE: &str = "INSERT INTO damaged_record (pack_id, record_at, ends_at, kind, what) \
     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (pack_id, record_at) DO UPDATE SET ends_at = excluded.ends_at, \
     what = excluded.what";
const REPAIRED: &str = "UPDATE damaged_record SET repaired = 1 WHERE pack_id = ?1 AND record_at = ?2";
const INDEXABLE: &str = "DELETE FROM unindexable WHERE pack_id = ?1 AND record_at = ?2";
const RECORDS: &str = "SELECT pack_id, record_at, ends_at, kind, what, repaired FROM damaged_record \
     WHERE kind <> 1 ORDER BY repaired, pack_id, record_at LIMIT ?1 OFFSET ?2";
const OF_PACK: &str = "SELECT pack_id, record_at, ends_at, kind, what, repaired FROM damaged_record \
     WHERE pack_id = ?1 ORDER BY record_at";
const COUNT: &str = "SELECT count(*) FROM damaged_record WHERE kind <> 1 AND repaired = 0";
/// These two read whole tables; damage is rare.
const QUARANTINE: &str = "UPDATE bulk_location SET damaged = 1 WHERE pack_id = ?1 AND record_at >= ?2 \
     AND record_at < ?3 AND damaged = 0";
const BREAK: &str = "UPDATE instance SET damaged = 1 WHERE pack_id = ?1 AND record_at >= ?2 AND record_at < ?3 \
     AND damaged = 0";
const NOTED: &str = "SELECT 1 FROM damaged_record WHERE pack_id = ?1 AND record_at = ?2 AND ends_at = ?3";
/// What a later pass over the same bytes found whole.
const CLEAR_BULK: &str = "UPDATE bulk_location SET damaged = 0 WHERE pack_id = ?1 AND record_at = ?2 AND hash = ?3 \
     AND damaged <> 0";
const CLEAR_INSTANCE: &str =
    "UPDATE instance SET damaged = 0 WHERE pack_id = ?1 AND record_at = ?2 AND damaged <> 0";
const CLEAR_NOTE: &str = "DELETE FROM damaged_record WHERE pack_id = ?1 AND record_at = ?2 AND repaired = 0";
const CLEAR_NOTES: &str = "DELETE FROM damaged_record WHERE pack_id = ?1 AND repaired = 0";
const DOUBTED_BULK: &str = "SELECT record_at FROM bulk_location INDEXED BY bulk_location_damaged \
     WHERE damaged <> 0 AND pack_id = ?1";
const BULK_IN: &str = "SELECT hash, record_at FROM bulk_location WHERE pack_id = ?1 AND record_at >= ?2 \
     AND record_at < ?3 ORDER BY record_at";
const STATEMENTS: &str = "SELECT id, body FROM statement WHERE id > ?1 ORDER BY id LIMIT ?2";

#[cfg(test)]
pub(super) const HOT: &[&str] =
    &[OF_STUDY, WAITING, SET_SERIES, CLEAR_PACKS, AGAIN, AGAIN_ONE, HEALED, REPAIRED, INDEXABLE, OF_PACK];

pub(super) fn of_study(session: &Session<'_>, study: &Uid) -> Result<Vec<SeriesVerified>, DbError> {
    let rows = session.rows(OF_STUDY, [study.as_str()], |row| {
        let (uid, own_ms, packs_ms): (String, i64, Option<i64>) = (row.get(0)?, row.get(3)?, row.get(5)?);
        Ok((uid, unsigned(row, 1)?, unsigned(row, 2)?, own_ms, row.get::<_, i64>(4)?, packs_ms))
    })?;
    rows.into_iter()
        .map(|(uid, generation, verified_generation, own_ms, damaged, packs_ms)| {
            let at_ms = own_ms.max(packs_ms.unwrap_or(0));
            Ok(SeriesVerified {
                series_uid: Uid::parse(&uid).map_err(|_| DbError::Invalid("series UID"))?,
                generation,
                verified_generation,
                verified_at_ms: (own_ms > 0).then_some(at_ms),
                intact: own_ms > 0 && damaged == 0,
            })
        })
        .collect()
}

pub(super) fn waiting(
    session: &Session<'_>,
    before_ms: i64,
    limit: u32,
) -> Result<Vec<SeriesToVerify>, DbError> {
    let rows = session
        .rows(WAITING, params![before_ms, limit], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    rows.into_iter()
        .map(|(id, uid)| {
            let study_uid = Uid::parse(&uid).map_err(|_| DbError::Invalid("study UID"))?;
            Ok(SeriesToVerify { id, study_uid })
        })
        .collect()
}

/// Notes that the instances of a series were read at `generation`, `damaged` of them without a whole copy, and which
/// packs they are in.
pub(super) fn set_series(
    session: &Session<'_>,
    series: i64,
    (generation, at_ms): (u64, i64),
    damaged: u64,
    packs: &[PackId],
) -> Result<(), DbError> {
    let generation = signed(generation, "generation")?;
    session.execute(SET_SERIES, params![series, generation, at_ms, signed(damaged, "count")?])?;
    session.execute(CLEAR_PACKS, [series])?;
    for pack in packs {
        session.execute(ADD_PACK, params![pack.0, series])?;
    }
    Ok(())
}

/// Has the series with something in a pack verified again.
pub(super) fn again(session: &Session<'_>, pack: PackId) -> Result<(), DbError> {
    session.execute(AGAIN, [pack.0]).map(drop)
}

/// Has a series verified again.
pub(super) fn again_one(session: &Session<'_>, series: i64) -> Result<(), DbError> {
    session.execute(AGAIN_ONE, [series]).map(drop)
}

/// Has series verified again that may be whole now that a copy of `hash` came.
pub(super) fn healed(session: &Session<'_>, hash: &ContentHash) -> Result<(), DbError> {
    session.execute(HEALED, [&hash.0[..]]).map(drop)
}

pub(super) fn packs(session: &Session<'_>) -> Result<Vec<PackVerified>, DbError> {
    session.rows(PACKS, [], |row| {
        Ok(PackVerified {
            name: row.get(0)?,
            at_ms: row.get(1)?,
            bytes: unsigned(row, 2)?,
            damaged: unsigned(row, 3)?,
            place: unsigned(row, 4)?,
            found: unsigned(row, 5)?,
        })
    })
}

/// Notes where a pass over a pack goes on after a restart.
pub(super) fn pack_at(session: &Session<'_>, name: &str, place: u64, found: u64) -> Result<(), DbError> {
    session.execute(PACK_AT, params![name, signed(place, "place")?, signed(found, "count")?]).map(drop)
}

/// Notes the end of a pass over a pack.
pub(super) fn pack_done(
    session: &Session<'_>,
    name: &str,
    at_ms: i64,
    bytes: u64,
    damaged: u64,
) -> Result<(), DbError> {
    let params = params![name, at_ms, signed(bytes, "bytes")?, signed(damaged, "count")?];
    session.execute(PACK_DONE, params).map(drop)
}

/// Forgets the passes over a pack that is gone.
pub(super) fn forget_pack(session: &Session<'_>, name: &str) -> Result<(), DbError> {
    session.execute(FORGET_PACK, [name]).map(drop)
}

/// Before the index is emptied: what passes found is lost with it, and found again.
pub(super) fn forget_found(session: &Session<'_>) -> Result<(), DbError> {
    session.execute(FORGET_FOUND, []).map(drop)
}

pub(super) fn run(session: &Session<'_>) -> Result<Option<i64>, DbError> {
    session.row(RUN, [], |row| row.get(0))
}

pub(super) fn set_run(session: &Session<'_>, begun_ms: Option<i64>) -> Result<(), DbError> {
    match begun_ms {
        Some(begun_ms) => session.execute(SET_RUN, [begun_ms]),
        None => session.execute(END_RUN, []),
    }
    .map(drop)
}

/// Lists a stretch that is not what was written, and quarantines what the index has there.
/// Series are verified again only where that says something new: what is noted once more sends nobody round in a circle.
pub(super) fn note_damage(session: &Session<'_>, record: &DamagedRecord) -> Result<(), DbError> {
    let (pack, from) = (record.place.pack.0, signed(record.place.offset, "record position")?);
    let to = signed(record.place.offset.saturating_add(record.place.length), "record position")?;
    let noted = session.row(NOTED, params![pack, from, to], |_| Ok(()))?.is_some();
    session.execute(NOTE, params![pack, from, to, record.kind, record.what])?;
    let changed = session.execute(QUARANTINE, params![pack, from, to])?
        + session.execute(BREAK, params![pack, from, to])?;
    if noted && changed == 0 {
        return Ok(());
    }
    again(session, record.place.pack)
}

/// Where records begin in a pack that count as damaged, and the noted stretches of it, each from and to.
pub(super) fn doubted(session: &Session<'_>, pack: PackId) -> Result<Vec<(u64, u64)>, DbError> {
    let mut all: Vec<(u64, u64)> = session.rows(DOUBTED_BULK, [pack.0], |row| {
        let at = unsigned(row, 0)?;
        Ok((at, at + 1))
    })?;
    let noted = records_of(session, pack)?;
    let open = noted.iter().filter(|record| !record.repaired).map(|record| record.place);
    all.extend(open.map(|place| (place.offset, place.offset.saturating_add(place.length))));
    Ok(all)
}

/// Takes back what was noted of a record whose body was read and has `hash`.
pub(super) fn clear(session: &Session<'_>, place: Place, hash: &ContentHash) -> Result<(), DbError> {
    let (pack, at) = (place.pack.0, signed(place.offset, "record position")?);
    let cleared = session.execute(CLEAR_BULK, params![pack, at, &hash.0[..]])?
        + session.execute(CLEAR_INSTANCE, params![pack, at])?
        + session.execute(CLEAR_NOTE, params![pack, at])?;
    if cleared == 0 { Ok(()) } else { again(session, place.pack) }
}

/// Takes back all notes of a pack of which everything was read and whole.
pub(super) fn clear_notes(session: &Session<'_>, pack: PackId) -> Result<(), DbError> {
    session.execute(CLEAR_NOTES, [pack.0]).map(drop)
}

/// Notes that what stood at a place is whole elsewhere.
pub(super) fn repaired(session: &Session<'_>, place: Place) -> Result<(), DbError> {
    let at = params![place.pack.0, signed(place.offset, "record position")?];
    session.execute(REPAIRED, at)?;
    session.execute(INDEXABLE, at)?;
    again(session, place.pack)
}

/// Bulk values that the index has in a stretch of a pack, with their places in it.
pub(super) fn bulk_in(
    session: &Session<'_>,
    pack: PackId,
    (from, to): (u64, u64),
) -> Result<Vec<(u64, ContentHash)>, DbError> {
    let params = params![pack.0, signed(from, "record position")?, signed(to, "record position")?];
    session.rows(BULK_IN, params, |row| Ok((unsigned(row, 1)?, ContentHash(row.get(0)?))))
}

fn damaged_record(row: &Row<'_>) -> Result<DamagedRecord, DbError> {
    let (from, to) = (unsigned(row, 1)?, unsigned(row, 2)?);
    let place = Place { pack: PackId(row.get(0)?), offset: from, length: to.saturating_sub(from) };
    Ok(DamagedRecord { place, kind: row.get(3)?, what: row.get(4)?, repaired: row.get(5)? })
}

/// Damaged stretches that are no bulk values, those not repaired first.
pub(super) fn records(session: &Session<'_>, limit: u32, offset: u32) -> Result<Vec<DamagedRecord>, DbError> {
    session.rows(RECORDS, params![limit, offset], damaged_record)
}

/// All damaged stretches of a pack.
pub(super) fn records_of(session: &Session<'_>, pack: PackId) -> Result<Vec<DamagedRecord>, DbError> {
    session.rows(OF_PACK, [pack.0], damaged_record)
}

/// How many stretches that are no bulk values are damaged and not repaired.
pub(super) fn count(session: &Session<'_>) -> Result<u64, DbError> {
    Ok(session.row(COUNT, [], |row| unsigned(row, 0))?.unwrap_or(0))
}

/// Statements as JSON, by rows after `after`.
pub(super) fn statements(
    session: &Session<'_>,
    after: i64,
    limit: u32,
) -> Result<Vec<(i64, String)>, DbError> {
    session.rows(STATEMENTS, params![after, limit], |row| Ok((row.get(0)?, row.get(1)?)))
}
