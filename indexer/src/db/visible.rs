//! Visibility: which holdings, and so which instances, a withdrawal hides.

use crate::db::sql::params;
use storage_config::ContentHash;

use super::error::DbError;
use super::session::Session;
use super::touched::{Placed, Precedence, Touched};
use super::version;

/// An instance's row, as far as its visibility goes.
pub(super) struct VisibleRow {
    pub placed: Placed,
    pub sop_uid: String,
    hidden: bool,
}

const ROW: &str = "SELECT id, study_row, series_row, study_variant_id, series_variant_id, rank, received_ms, \
     sop_uid, hidden FROM instance WHERE digest = ?1";
const HIDE: &str = "UPDATE holding SET hidden = CASE WHEN EXISTS (SELECT 1 FROM withdrawn w WHERE w.digest = ?2 \
     AND (w.facility_id = -1 OR w.facility_id = holding.facility_id) \
     AND (w.safety = 1 OR w.through_ms >= holding.last_ms)) THEN 1 ELSE 0 END WHERE instance_id = ?1";
const HAS_VISIBLE: &str = "SELECT 1 FROM holding WHERE instance_id = ?1 AND hidden = 0 LIMIT 1";
const SET: &str = "UPDATE instance SET hidden = ?2 WHERE id = ?1";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[ROW, HIDE, HAS_VISIBLE, SET];

/// The row of an instance.
pub(super) fn row_of(session: &Session<'_>, digest: &ContentHash) -> Result<Option<VisibleRow>, DbError> {
    session.row(ROW, [&digest.0[..]], |row| {
        let precedence = Precedence { rank: row.get(5)?, received_ms: row.get(6)?, digest: digest.0 };
        let placed = Placed {
            instance: row.get(0)?,
            study: row.get(1)?,
            series: row.get(2)?,
            study_variant: row.get(3)?,
            series_variant: row.get(4)?,
            precedence,
        };
        Ok(VisibleRow { placed, sop_uid: row.get(7)?, hidden: row.get(8)? })
    })
}

/// Looks again which holdings of an instance are visible, after one came or something was withdrawn or given back.
pub(super) fn look_again(
    session: &Session<'_>,
    digest: &ContentHash,
    touched: &mut Touched,
) -> Result<(), DbError> {
    let Some(row) = row_of(session, digest)? else { return Ok(()) };
    let placed = row.placed;
    session.execute(HIDE, params![placed.instance, &digest.0[..]])?;
    let hidden = session.row(HAS_VISIBLE, [placed.instance], |_| Ok(()))?.is_none();
    if hidden == row.hidden {
        return Ok(());
    }
    session.execute(SET, params![placed.instance, hidden])?;
    version::decide_again(session, placed.study, placed.series, &row.sop_uid, touched)
}
