//! Chosen versions: which one of a SOP instance is served, and which others were looked at when that was chosen.

use crate::db::sql::params;

use crate::db::error::DbError;
use crate::db::session::Session;
use crate::db::touched::Touched;
use crate::db::{version, visible};
use crate::statement::{Resolution, ServedVersion};

const CLEAR: &str = "DELETE FROM version_choice WHERE subject_row = ?1";
const INSERT: &str = "INSERT INTO version_choice (digest, subject_row, served, resolution) \
     VALUES (?1, ?2, ?3, ?4) ON CONFLICT (digest, subject_row) DO NOTHING";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[CLEAR];

pub(super) fn apply(
    session: &Session<'_>,
    subject: i64,
    state: &ServedVersion,
    touched: &mut Touched,
) -> Result<(), DbError> {
    session.execute(CLEAR, [subject])?;
    let resolution = match state.resolution {
        Resolution::Correction => 1,
        Resolution::MixUp => 2,
    };
    let all = std::iter::once((&state.digest, true)).chain(state.others.iter().map(|digest| (digest, false)));
    for (digest, served) in all.clone() {
        session.execute(INSERT, params![&digest.0[..], subject, served, resolution])?;
    }
    // They are all of one SOP instance: any that is here leads to it. Where none is, whichever comes looks here.
    for (digest, _) in all {
        if let Some(row) = visible::row_of(session, digest)? {
            let (placed, sop_uid) = (row.placed, row.sop_uid);
            return version::decide_again(session, placed.study, placed.series, &sop_uid, touched);
        }
    }
    Ok(())
}
