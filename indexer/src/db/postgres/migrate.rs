//! Brings the schema up to date, in one transaction. Servers that start together do it one after another.

use super::connection::Connection;
use crate::db::dialect;
use crate::db::error::DbError;
use crate::db::readers::Reusable;
use crate::db::sqlite::MIGRATIONS;

/// Oldest version of the server, as its `server_version_num`.
const OLDEST: i64 = 130_000;

/// Brings the schema up to date.
///
/// # Errors
/// When the server is too old, the schema is of a later version, or the server fails; nothing is changed then.
pub(super) fn run(connection: &Connection) -> Result<(), DbError> {
    let known = MIGRATIONS.len() as i64;
    let about = connection.ask(
        "SELECT current_setting('server_version_num')::bigint, current_setting('server_encoding')",
        &[],
    )?;
    let about = about.first().ok_or(DbError::Invalid("server"))?;
    let version: i64 = about.try_get(0).map_err(|_| DbError::Invalid("server version"))?;
    let encoding: String = about.try_get(1).map_err(|_| DbError::Invalid("server encoding"))?;
    if version < OLDEST || encoding != "UTF8" {
        let found = format!("version {version}, encoding {encoding}");
        return Err(DbError::Away(format!(
            "PostgreSQL 13 or later and a database in UTF8 are needed, not {found}"
        )));
    }
    connection.begin(super::BEGIN)?;
    let result = within(connection, known).and_then(|()| connection.commit());
    connection.reset();
    if connection.is_reusable() {
        result
    } else {
        result.and(Err(DbError::Away("the connection was lost".into())))
    }
}

fn within(connection: &Connection, known: i64) -> Result<(), DbError> {
    connection.batch("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")?;
    let rows = connection.ask("SELECT coalesce(max(version), 0) FROM schema_version", &[])?;
    let found: i64 = rows.first().and_then(|row| row.try_get(0).ok()).ok_or(DbError::Invalid("schema"))?;
    let done = usize::try_from(found).ok().filter(|done| *done <= MIGRATIONS.len());
    let done = done.ok_or(DbError::NewerSchema { found, known })?;
    for sql in MIGRATIONS.iter().skip(done) {
        connection.batch(&dialect::schema(sql))?;
    }
    if found < known {
        connection
            .batch(&format!("DELETE FROM schema_version; INSERT INTO schema_version VALUES ({known})"))?;
    }
    Ok(())
}
