//! Removals: that the bytes of instances are gone. It hides nothing by itself: a withdrawal did that before.

use crate::db::sql::params;

use crate::db::error::DbError;
use crate::db::session::Session;
use crate::statement::Removal;

const NOTE: &str = "INSERT INTO removed (digest, subject_row) VALUES (?1, ?2) \
     ON CONFLICT (digest, subject_row) DO NOTHING";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[];

pub(super) fn apply(session: &Session<'_>, subject: i64, state: &Removal) -> Result<(), DbError> {
    for digest in &state.instances {
        session.execute(NOTE, params![&digest.0[..], subject])?;
    }
    Ok(())
}
