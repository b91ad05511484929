//! Packs that are objects of a bucket.

use super::sql::{Row, params};
use storage_config::ContentHash;

use super::entry::PackId;
use super::error::DbError;
use super::session::{Session, signed, unsigned};

/// A pack that is an object of the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackObject {
    /// The pack.
    pub pack: PackId,
    /// Length of the object in bytes.
    pub length: u64,
    /// Its hash, where the bucket told.
    pub sha256: Option<ContentHash>,
    /// When that was recorded, in milliseconds since 1970-01-01 UTC.
    pub uploaded_ms: i64,
    /// When it was given up because the pack was written anew, in the same; 0 while it is in use.
    pub retired_ms: i64,
}

/// What was given up and comes again is in use again.
const NOTE: &str = "INSERT INTO pack_object (pack_id, length, sha256, uploaded_ms) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (pack_id) DO UPDATE SET length = excluded.length, sha256 = excluded.sha256, \
     uploaded_ms = excluded.uploaded_ms, retired_ms = 0, gone = 0";
const FIND: &str =
    "SELECT pack_id, length, sha256, uploaded_ms, retired_ms FROM pack_object WHERE pack_id = ?1 AND gone = 0";
const ALL: &str = "SELECT pack_id, length, sha256, uploaded_ms, retired_ms FROM pack_object ORDER BY pack_id";
const RETIRE: &str = "UPDATE pack_object SET retired_ms = ?2 WHERE pack_id = ?1 AND retired_ms = 0 AND EXISTS \
     (SELECT 1 FROM pack p WHERE p.id = ?1 AND p.removed = 1)";
const RETIRED: &str = "SELECT pack_id, length, sha256, uploaded_ms, retired_ms FROM pack_object \
     WHERE retired_ms > 0 AND gone = 0 ORDER BY pack_id";
const GONE: &str = "UPDATE pack_object SET gone = 1 WHERE pack_id = ?1 AND retired_ms > 0";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[FIND, RETIRE, GONE];

pub(super) fn note(session: &Session<'_>, object: &PackObject) -> Result<(), DbError> {
    let sha256 = object.sha256.map(|hash| hash.0.to_vec());
    let params = params![object.pack.0, signed(object.length, "pack length")?, sha256, object.uploaded_ms];
    session.execute(NOTE, params).map(drop)
}

pub(super) fn find(session: &Session<'_>, pack: PackId) -> Result<Option<PackObject>, DbError> {
    session.row(FIND, [pack.0], read)
}

/// Gives an object up whose pack compaction took out of the index; whether it was one.
pub(super) fn retire(session: &Session<'_>, pack: PackId, now_ms: i64) -> Result<bool, DbError> {
    Ok(session.execute(RETIRE, params![pack.0, now_ms])? == 1)
}

/// Objects that were given up and not removed yet.
pub(super) fn retired(session: &Session<'_>) -> Result<Vec<PackObject>, DbError> {
    session.rows(RETIRED, [], read)
}

/// Notes that an object was removed.
pub(super) fn gone(session: &Session<'_>, pack: PackId) -> Result<(), DbError> {
    session.execute(GONE, [pack.0]).map(drop)
}

pub(super) fn all(session: &Session<'_>) -> Result<Vec<PackObject>, DbError> {
    session.rows(ALL, [], read)
}

fn read(row: &Row<'_>) -> Result<PackObject, DbError> {
    let sha256: Option<Vec<u8>> = row.get(2)?;
    Ok(PackObject {
        pack: PackId(row.get(0)?),
        length: unsigned(row, 1)?,
        sha256: sha256.and_then(|bytes| bytes.try_into().ok()).map(ContentHash),
        uploaded_ms: row.get(3)?,
        retired_ms: row.get(4)?,
    })
}
