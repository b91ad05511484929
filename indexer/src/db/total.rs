//! What the archive holds in all. Summed by pack and by study, since counting a million rows is too slow for a metric; and
//! of many studies not summed again before it is worth it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::db::sql::Row;

use super::error::DbError;
use super::session::{Session, unsigned};

/// What the archive holds, over all facilities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Patients.
    pub patients: u64,
    /// Studies.
    pub studies: u64,
    /// Series.
    pub series: u64,
    /// Instances that are served.
    pub instances: u64,
    /// Instances that are kept beside the one that is served.
    pub other_versions: u64,
    /// Instances that were withdrawn: kept and not shown.
    pub withdrawn: u64,
    /// Of these, those that were sent again after they were withdrawn for patient safety.
    pub sent_after_rejection: u64,
    /// Instances over all facilities that hold them.
    pub holdings: u64,
    /// Copies of bulk values.
    pub bulk_copies: u64,
    /// Their bytes as stored.
    pub bulk_bytes: u64,
    /// Bytes of all data sets, as if none shared a bulk value.
    pub data_set_bytes: u64,
    /// Conflicts that nobody has resolved.
    pub conflicts: u64,
    /// Of them, studies and images that are said to be of different patients.
    pub identity_conflicts: u64,
    /// Records that could not become rows, damaged stretches of packs among them.
    pub unindexable: u64,
    /// Other stretches of packs that are damaged and not repaired.
    pub damaged_records: u64,
    /// Copies of bulk values that are known to be damaged.
    pub damaged_copies: u64,
}

const PACKS: &str = "SELECT CAST(coalesce(sum(instances), 0) AS BIGINT), CAST(coalesce(sum(data_set_bytes), 0) AS BIGINT), \
     CAST(coalesce(sum(holdings), 0) AS BIGINT), CAST(coalesce(sum(bulk_copies), 0) AS BIGINT), CAST(coalesce(sum(bulk_bytes), 0) AS BIGINT) FROM pack";
const STUDIES: &str = "SELECT count(*), CAST(coalesce(sum(n_series), 0) AS BIGINT), CAST(coalesce(sum(n_instances), 0) AS BIGINT) FROM study \
     WHERE n_instances > 0";
const WITHDRAWN: &str = "SELECT count(*) FROM instance WHERE hidden = 1";
const REJECTED: &str = "SELECT count(DISTINCT w.digest) FROM withdrawn w JOIN instance i ON i.digest = w.digest \
     JOIN holding h ON h.instance_id = i.id WHERE w.safety = 1 AND h.last_ms > w.through_ms";
const PATIENTS: &str = "SELECT count(*) FROM patient";
const CONFLICTS: &str = "SELECT count(*) FROM conflict WHERE resolved = 0";
/// The kinds are those of `ConflictKind::Identity` and `ConflictKind::StudyPatients`.
const IDENTITY_CONFLICTS: &str = "SELECT count(*) FROM conflict WHERE resolved = 0 AND kind IN (1, 4)";
const UNINDEXABLE: &str = "SELECT count(*) FROM unindexable";

/// Studies from which on a sum is kept for a while.
const MANY: u64 = 100_000;
/// How many times as long as it took to make.
const KEPT_TIMES: u32 = 20;

/// The last sum: pages and metrics that ask again and again take a twentieth of one processor at most.
#[derive(Default)]
pub(super) struct Kept(Mutex<Option<(Instant, Duration, Totals)>>);

impl Kept {
    /// The last sum where it is of many studies and young enough, else a new one. Who asks meanwhile waits for it.
    pub(super) fn or_sum(&self, sum: impl FnOnce() -> Result<Totals, DbError>) -> Result<Totals, DbError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, took, totals)) = &*last
            && totals.studies >= MANY
            && made.elapsed() < *took * KEPT_TIMES
        {
            return Ok(*totals);
        }
        let begun = Instant::now();
        let totals = sum()?;
        *last = Some((Instant::now(), begun.elapsed(), totals));
        Ok(totals)
    }
}

pub(super) fn read(session: &Session<'_>) -> Result<Totals, DbError> {
    let count = |sql: &str| Ok::<u64, DbError>(session.row(sql, [], |row| unsigned(row, 0))?.unwrap_or(0));
    let (studies, series, served) = session
        .row(STUDIES, [], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?)))?
        .unwrap_or_default();
    let sums = |row: &Row<'_>| {
        Ok([unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?, unsigned(row, 3)?, unsigned(row, 4)?])
    };
    let [instances, data_set_bytes, holdings, bulk_copies, bulk_bytes] =
        session.row(PACKS, [], sums)?.unwrap_or_default();
    let withdrawn = count(WITHDRAWN)?;
    Ok(Totals {
        patients: count(PATIENTS)?,
        studies,
        series,
        instances: served,
        other_versions: instances.saturating_sub(served).saturating_sub(withdrawn),
        withdrawn,
        sent_after_rejection: count(REJECTED)?,
        holdings,
        bulk_copies,
        bulk_bytes,
        data_set_bytes,
        conflicts: count(CONFLICTS)?,
        identity_conflicts: count(IDENTITY_CONFLICTS)?,
        unindexable: count(UNINDEXABLE)?,
        damaged_records: super::verified::count(session)?,
        damaged_copies: super::bulk::count_damaged(session)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_of_many_studies_is_kept_and_one_of_few_is_not() {
        let slow = |studies: u64| {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(50) {}
            Ok(Totals { studies, ..Totals::default() })
        };
        let kept = Kept::default();
        assert_eq!(kept.or_sum(|| slow(MANY - 1)).unwrap().studies, MANY - 1);
        assert_eq!(kept.or_sum(|| slow(MANY)).unwrap().studies, MANY);
        assert_eq!(kept.or_sum(|| unreachable!("it is kept")).unwrap().studies, MANY);
        assert!(Kept::default().or_sum(|| Err(DbError::Invalid("row"))).is_err());
    }
}
