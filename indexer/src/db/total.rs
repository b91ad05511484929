//! What the archive holds in all. Summed by pack and by study, since counting a million rows is too slow for a metric.

use rusqlite::Row;

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

const PACKS: &str = "SELECT coalesce(sum(instances), 0), coalesce(sum(data_set_bytes), 0), \
     coalesce(sum(holdings), 0), coalesce(sum(bulk_copies), 0), coalesce(sum(bulk_bytes), 0) FROM pack";
const STUDIES: &str = "SELECT count(*), coalesce(sum(n_series), 0), coalesce(sum(n_instances), 0) FROM study \
     WHERE n_instances > 0";
const WITHDRAWN: &str = "SELECT count(*) FROM instance WHERE hidden = 1";
const REJECTED: &str = "SELECT count(DISTINCT w.digest) FROM withdrawn w JOIN instance i ON i.digest = w.digest \
     JOIN holding h ON h.instance_id = i.id WHERE w.safety = 1 AND h.last_ms > w.through_ms";
const PATIENTS: &str = "SELECT count(*) FROM patient";
const CONFLICTS: &str = "SELECT count(*) FROM conflict WHERE resolved = 0";
/// The kinds are those of `ConflictKind::Identity` and `ConflictKind::StudyPatients`.
const IDENTITY_CONFLICTS: &str = "SELECT count(*) FROM conflict WHERE resolved = 0 AND kind IN (1, 4)";
const UNINDEXABLE: &str = "SELECT count(*) FROM unindexable";

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
