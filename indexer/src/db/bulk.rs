//! Bulk values: which packs hold a copy, by hash. One value may have several copies (repack, repair).

use crate::db::sql::{ToValue, Value, params};
use storage_config::ContentHash;

use super::ahead::LookUp;
use super::entry::{PackId, Place};
use super::error::DbError;
use super::session::{Session, signed, unsigned};
use super::touched::Touched;
use super::verified;

/// A copy of a bulk value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkLocation {
    /// Where it is.
    pub place: Place,
    /// Whether it was found not to match its hash.
    pub damaged: bool,
    /// Whether it is about to be removed, so that nothing new may count on it.
    pub condemned: bool,
}

impl BulkLocation {
    /// Whether an arriving instance may count on this copy instead of writing its own.
    pub(crate) fn may_be_counted_on(&self) -> bool {
        !self.damaged && !self.condemned
    }
}

/// A copy of a bulk value that was found not to match its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DamagedCopy {
    /// Hash of the value.
    pub hash: ContentHash,
    /// Where the damaged copy is.
    pub place: Place,
    /// Whether another copy is there that is not known to be damaged.
    pub other_copy: bool,
}

const INSERT: &str = "INSERT INTO bulk_location (hash, pack_id, record_at, body_length) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (hash, pack_id, record_at) DO NOTHING";
const LOOK_UP: &str = "SELECT 1 FROM bulk_location WHERE hash = ?1 AND pack_id = ?2 AND record_at = ?3";
const DAMAGED: &str =
    "UPDATE bulk_location SET damaged = 1 WHERE hash = ?1 AND pack_id = ?2 AND record_at = ?3";
const LOCATIONS: &str = "SELECT pack_id, record_at, body_length, damaged, condemned FROM bulk_location WHERE hash = ?1 \
     ORDER BY damaged, condemned, pack_id, record_at";
const DAMAGED_COPIES: &str = "SELECT hash, pack_id, record_at, body_length, EXISTS (SELECT 1 FROM bulk_location o \
     WHERE o.hash = b.hash AND o.damaged = 0) FROM bulk_location b INDEXED BY bulk_location_damaged \
     WHERE damaged <> 0 ORDER BY pack_id, record_at LIMIT ?1 OFFSET ?2";
const ANY_DAMAGED: &str =
    "SELECT 1 FROM bulk_location INDEXED BY bulk_location_damaged WHERE damaged <> 0 LIMIT 1";
const COUNT_DAMAGED: &str =
    "SELECT count(*) FROM bulk_location INDEXED BY bulk_location_damaged WHERE damaged <> 0";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[LOOK_UP, DAMAGED, LOCATIONS];

pub(super) fn add(
    session: &Session<'_>,
    hash: &ContentHash,
    place: Place,
    touched: &mut Touched,
) -> Result<(), DbError> {
    let at = signed(place.offset, "record position")?;
    let length = signed(place.length, "body length")?;
    let (key, row) = (params![hash.0, place.pack.0, at], params![hash.0, place.pack.0, at, length]);
    if session.add_new((LOOK_UP, key), INSERT, row)? {
        let added = touched.added(place.pack);
        added.bulk_copies += 1;
        added.bulk_bytes += length;
        // Hardly ever is any copy damaged, and asking for each new one would cost a way to the server.
        let any = match touched.any_damaged {
            Some(any) => any,
            None => session.row(ANY_DAMAGED, [], |_| Ok(()))?.is_some(),
        };
        touched.any_damaged = Some(any);
        if any {
            verified::healed(session, hash)?;
        }
    }
    Ok(())
}

/// Which of many copies are new.
pub(super) fn copies_ahead(copies: &[(&ContentHash, Place)]) -> Result<LookUp<'static>, DbError> {
    let mut keys = Vec::with_capacity(copies.len());
    for (hash, place) in copies {
        let at = signed(place.offset, "record position")?;
        keys.push(vec![hash.0.to_value().into_owned(), Value::Integer(place.pack.0), Value::Integer(at)]);
    }
    Ok(LookUp::once(LOOK_UP, keys))
}

pub(super) fn mark_damaged(session: &Session<'_>, hash: &ContentHash, place: Place) -> Result<(), DbError> {
    let at = signed(place.offset, "record position")?;
    session.execute(DAMAGED, params![&hash.0[..], place.pack.0, at])?;
    verified::again(session, place.pack)
}

/// Where copies of many bulk values are.
pub(super) fn locations_ahead(hashes: &[ContentHash]) -> LookUp<'_> {
    LookUp::once(LOCATIONS, hashes.iter().map(|hash| vec![hash.0.to_value()]).collect())
}

pub(super) fn locations(session: &Session<'_>, hash: &ContentHash) -> Result<Vec<BulkLocation>, DbError> {
    session.rows(LOCATIONS, [&hash.0[..]], |row| {
        let place = Place { pack: PackId(row.get(0)?), offset: unsigned(row, 1)?, length: unsigned(row, 2)? };
        Ok(BulkLocation { place, damaged: row.get(3)?, condemned: row.get(4)? })
    })
}

pub(super) fn damaged(session: &Session<'_>, limit: u32, offset: u32) -> Result<Vec<DamagedCopy>, DbError> {
    let rows = session.rows(DAMAGED_COPIES, params![limit, offset], |row| {
        let place = Place { pack: PackId(row.get(1)?), offset: unsigned(row, 2)?, length: unsigned(row, 3)? };
        Ok((row.get::<_, Vec<u8>>(0)?, place, row.get::<_, bool>(4)?))
    })?;
    rows.into_iter()
        .map(|(hash, place, other_copy)| {
            let hash = <[u8; 32]>::try_from(hash).map_err(|_| DbError::Invalid("hash"))?;
            Ok(DamagedCopy { hash: ContentHash(hash), place, other_copy })
        })
        .collect()
}

/// How many copies are known to be damaged.
pub(super) fn count_damaged(session: &Session<'_>) -> Result<u64, DbError> {
    Ok(session.row(COUNT_DAMAGED, [], |row| unsigned(row, 0))?.unwrap_or(0))
}
