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
}

const NOTE: &str = "INSERT INTO pack_object (pack_id, length, sha256, uploaded_ms) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (pack_id) DO UPDATE SET length = excluded.length, sha256 = excluded.sha256, \
     uploaded_ms = excluded.uploaded_ms";
const FIND: &str = "SELECT pack_id, length, sha256, uploaded_ms FROM pack_object WHERE pack_id = ?1";
const ALL: &str = "SELECT pack_id, length, sha256, uploaded_ms FROM pack_object ORDER BY pack_id";

pub(super) fn note(session: &Session<'_>, object: &PackObject) -> Result<(), DbError> {
    let sha256 = object.sha256.map(|hash| hash.0.to_vec());
    let params = params![object.pack.0, signed(object.length, "pack length")?, sha256, object.uploaded_ms];
    session.execute(NOTE, params).map(drop)
}

pub(super) fn find(session: &Session<'_>, pack: PackId) -> Result<Option<PackObject>, DbError> {
    session.row(FIND, [pack.0], read)
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
    })
}
