//! Where the servers of one index can be asked for what they have not uploaded yet.

use super::Db;
use super::error::DbError;
use super::session::Session;
use crate::db::sql::params;

const NOTE: &str = "INSERT INTO node (writer, url, noted_ms) VALUES (?1, ?2, ?3) \
     ON CONFLICT (writer) DO UPDATE SET url = excluded.url, noted_ms = excluded.noted_ms";
const FIND: &str = "SELECT url FROM node WHERE writer = ?1";

impl Db {
    /// Notes where the server of a writer is reached, and when (milliseconds since 1970-01-01 UTC).
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_node(&self, writer: u32, url: &str, now_ms: i64) -> Result<(), DbError> {
        self.write(|session| note(session, writer, url, now_ms))
    }

    /// Where the server of a writer is reached; none where it did not say.
    ///
    /// # Errors
    /// When the database fails.
    pub fn node_url(&self, writer: u32) -> Result<Option<String>, DbError> {
        self.read(|session| session.row(FIND, params![writer], |row| row.get(0)))
    }
}

fn note(session: &Session<'_>, writer: u32, url: &str, now_ms: i64) -> Result<(), DbError> {
    session.execute(NOTE, params![writer, url, now_ms]).map(drop)
}
