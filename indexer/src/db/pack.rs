//! Packs as rows: their names, and how far each is indexed.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use crate::db::sql::{Row, params};

use super::entry::PackId;
use super::error::DbError;
use super::session::{Session, signed, unsigned};
use super::touched::Added;

/// A pack that was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackRow {
    /// Its id in rows.
    pub id: PackId,
    /// Its name.
    pub name: String,
    /// Whether it is sealed.
    pub sealed: bool,
    /// Its length when it was sealed, in bytes; before that 0.
    pub length: u64,
    /// How far it is indexed, in bytes.
    pub checkpoint: u64,
    /// Whether compaction moved elsewhere what is to stay of it: its file is gone, or about to go.
    pub removed: bool,
}

/// Packs of the index whose bytes are nowhere. They are known to this process alone: a folder that was not mounted marks
/// nothing for good. What comes again takes the place of what they held.
#[derive(Debug, Clone, Default)]
pub struct LostPacks(Arc<RwLock<HashSet<PackId>>>);

impl LostPacks {
    /// Takes note of one.
    pub(crate) fn note(&self, pack: PackId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(pack);
    }

    /// Whether a pack is one.
    pub(super) fn has(&self, pack: PackId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&pack)
    }
}

const FIND: &str = "SELECT id FROM pack WHERE name = ?1";
const INSERT: &str = "INSERT INTO pack (name) VALUES (?1)";
const ADVANCE: &str = "UPDATE pack SET checkpoint = CASE WHEN checkpoint < ?2 THEN ?2 ELSE checkpoint END, instances = instances + ?3, \
     data_set_bytes = data_set_bytes + ?4, holdings = holdings + ?5, bulk_copies = bulk_copies + ?6, \
     bulk_bytes = bulk_bytes + ?7 WHERE id = ?1";
const SEAL: &str = "UPDATE pack SET sealed = 1, removed = 0, length = ?2 WHERE id = ?1";
/// Only where all its records are rows: a sealed pack is not looked through at a start.
const SEAL_INDEXED: &str =
    "UPDATE pack SET sealed = 1, removed = 0, length = ?2 WHERE id = ?1 AND checkpoint >= ?3";
const ALL: &str = "SELECT id, name, sealed, length, checkpoint, removed FROM pack ORDER BY id";
const ONE: &str = "SELECT id, name, sealed, length, checkpoint, removed FROM pack WHERE id = ?1";
const CHECKPOINT: &str = "SELECT checkpoint FROM pack WHERE id = ?1";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[FIND, ADVANCE, SEAL, SEAL_INDEXED, ONE, CHECKPOINT];

pub(super) fn id(session: &Session<'_>, name: &str) -> Result<PackId, DbError> {
    let found = session.row(FIND, [name], |row| row.get(0))?;
    match found {
        Some(id) => Ok(PackId(id)),
        None => session.insert(INSERT, [name]).map(PackId),
    }
}

/// Moves a pack's mark, never back, so that replaying an old batch is harmless; and adds to its sums.
pub(super) fn advance(session: &Session<'_>, pack: PackId, to: u64, added: &Added) -> Result<(), DbError> {
    let params = params![
        pack.0,
        signed(to, "checkpoint")?,
        added.instances,
        added.data_set_bytes,
        added.holdings,
        added.bulk_copies,
        added.bulk_bytes,
    ];
    if session.execute(ADVANCE, params)? == 1 { Ok(()) } else { Err(DbError::Range("pack")) }
}

pub(super) fn seal(session: &Session<'_>, pack: PackId, length: u64) -> Result<(), DbError> {
    session.execute(SEAL, params![pack.0, signed(length, "pack length")?]).map(drop)
}

/// Seals a pack of `length` bytes whose records end at `upto`, if they are rows up to there; whether they are.
pub(super) fn seal_indexed(
    session: &Session<'_>,
    pack: PackId,
    (length, upto): (u64, u64),
) -> Result<bool, DbError> {
    let params = params![pack.0, signed(length, "pack length")?, signed(upto, "checkpoint")?];
    Ok(session.execute(SEAL_INDEXED, params)? == 1)
}

pub(super) fn all(session: &Session<'_>) -> Result<Vec<PackRow>, DbError> {
    session.rows(ALL, [], pack_row)
}

pub(super) fn one(session: &Session<'_>, pack: PackId) -> Result<Option<PackRow>, DbError> {
    session.row(ONE, [pack.0], pack_row)
}

fn pack_row(row: &Row<'_>) -> Result<PackRow, DbError> {
    Ok(PackRow {
        id: PackId(row.get(0)?),
        name: row.get(1)?,
        sealed: row.get(2)?,
        length: unsigned(row, 3)?,
        checkpoint: unsigned(row, 4)?,
        removed: row.get(5)?,
    })
}

pub(super) fn checkpoint(session: &Session<'_>, pack: PackId) -> Result<u64, DbError> {
    Ok(session.row(CHECKPOINT, [pack.0], |row| unsigned(row, 0))?.unwrap_or(0))
}
