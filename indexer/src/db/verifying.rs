//! [`Db`] as far as it is about what was verified and what is damaged.

use storage_config::{ContentHash, Uid};

use super::verified::{self, DamagedRecord, PackVerified, SeriesToVerify, SeriesVerified};
use super::{Db, DbError, PackId, Place};

impl Db {
    /// What is known of the bytes of each series of a study, by series number.
    ///
    /// # Errors
    /// When the database fails, as all below.
    pub fn series_verified(&self, study: &Uid) -> Result<Vec<SeriesVerified>, DbError> {
        self.read(|session| verified::of_study(session, study))
    }

    /// Series of which something changed since they were verified, and nothing since `before_ms` (milliseconds since
    /// 1970-01-01 UTC), the latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn series_to_verify(&self, before_ms: i64, limit: u32) -> Result<Vec<SeriesToVerify>, DbError> {
        self.read(|session| verified::waiting(session, before_ms, limit))
    }

    /// Notes that the served instances of a series were read at a generation and when (milliseconds since 1970-01-01
    /// UTC), how many of them have no whole copy, and which packs they are in.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_series_verified(
        &self,
        series: i64,
        at: (u64, i64),
        damaged: u64,
        packs: &[PackId],
    ) -> Result<(), DbError> {
        self.write(|session| verified::set_series(session, series, at, damaged, packs))
    }

    /// Passes over packs, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub fn packs_verified(&self) -> Result<Vec<PackVerified>, DbError> {
        self.read(verified::packs)
    }

    /// Notes where a pass over a pack goes on, and what it found so far.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_pack_place(&self, name: &str, place: u64, found: u64) -> Result<(), DbError> {
        self.write(|session| verified::pack_at(session, name, place, found))
    }

    /// Notes the end of a pass over a pack: when, how many bytes, how many damaged stretches.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_pack_verified(&self, name: &str, at_ms: i64, bytes: u64, damaged: u64) -> Result<(), DbError> {
        self.write(|session| verified::pack_done(session, name, at_ms, bytes, damaged))
    }

    /// When the run over all packs was begun that somebody asked for and that has not ended.
    ///
    /// # Errors
    /// When the database fails.
    pub fn verify_run(&self) -> Result<Option<i64>, DbError> {
        self.read(verified::run)
    }

    /// Notes that such a run was begun, or that it ended.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_verify_run(&self, begun_ms: Option<i64>) -> Result<(), DbError> {
        self.write(|session| verified::set_run(session, begun_ms))
    }

    /// Lists a stretch of a pack that is not what was written, quarantines the bulk values and instances that the index
    /// has in it, and has the series of that pack verified again.
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_damage(&self, record: &DamagedRecord) -> Result<(), DbError> {
        self.write(|session| verified::note_damage(session, record))
    }

    /// Stretches of a pack, each from and to, that count as damaged: a record that begins in one and is read whole is to be
    /// cleared.
    ///
    /// # Errors
    /// When the database fails.
    pub fn doubted_in(&self, pack: PackId) -> Result<Vec<(u64, u64)>, DbError> {
        self.read_snapshot(|session| verified::doubted(session, pack))
    }

    /// Takes back what was noted of a record whose whole body was read and has `hash`: it is served and counted on again.
    ///
    /// # Errors
    /// When the database fails.
    pub fn clear_damage(&self, place: Place, hash: ContentHash) -> Result<(), DbError> {
        self.write(|session| verified::clear(session, place, &hash))
    }

    /// Takes back the notes of a pack of which everything was read and whole.
    ///
    /// # Errors
    /// When the database fails.
    pub fn clear_damage_notes(&self, pack: PackId) -> Result<(), DbError> {
        self.write(|session| verified::clear_notes(session, pack))
    }

    /// Notes that what stood at a place is whole elsewhere.
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_repaired(&self, place: Place) -> Result<(), DbError> {
        self.write(|session| verified::repaired(session, place))
    }

    /// Bulk values that the index has in a stretch of a pack, by place in it. Reads the table: for what is rare.
    ///
    /// # Errors
    /// When the database fails.
    pub fn bulk_in(&self, pack: PackId, stretch: (u64, u64)) -> Result<Vec<(u64, ContentHash)>, DbError> {
        self.read(|session| verified::bulk_in(session, pack, stretch))
    }

    /// Damaged stretches that are no bulk values, those not repaired first; at most `limit` after the first `offset`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn damaged_records(&self, limit: u32, offset: u32) -> Result<Vec<DamagedRecord>, DbError> {
        self.read(|session| verified::records(session, limit, offset))
    }

    /// All damaged stretches of a pack.
    ///
    /// # Errors
    /// When the database fails.
    pub fn damaged_records_of(&self, pack: PackId) -> Result<Vec<DamagedRecord>, DbError> {
        self.read(|session| verified::records_of(session, pack))
    }

    /// Statements as JSON with their rows, after a row; to find one again whose record is damaged.
    ///
    /// # Errors
    /// When the database fails.
    pub fn statement_bodies(&self, after: i64, limit: u32) -> Result<Vec<(i64, String)>, DbError> {
        self.read(|session| verified::statements(session, after, limit))
    }
}
