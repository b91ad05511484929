//! What the archive holds in all. Kept as sums, since counting a million rows is too slow for a metric.

use rusqlite::params;

use super::error::DbError;
use super::session::{Session, unsigned};
use super::touched::Added;

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
    /// Instances over all facilities that hold them.
    pub holdings: u64,
    /// Copies of bulk values.
    pub bulk_copies: u64,
    /// Their bytes as stored.
    pub bulk_bytes: u64,
    /// Bytes of all data sets, as if none shared a bulk value.
    pub data_set_bytes: u64,
    /// Conflicts.
    pub conflicts: u64,
    /// Records that could not become rows.
    pub unindexable: u64,
}

const ADD: &str = "INSERT INTO total (name, amount) VALUES (?1, ?2) \
     ON CONFLICT (name) DO UPDATE SET amount = total.amount + excluded.amount";
const AMOUNT: &str = "SELECT amount FROM total WHERE name = ?1";
const STUDIES: &str = "SELECT count(*), coalesce(sum(n_series), 0), coalesce(sum(n_instances), 0) FROM study";
const PATIENTS: &str = "SELECT count(*) FROM patient";
const CONFLICTS: &str = "SELECT count(*) FROM conflict";
const UNINDEXABLE: &str = "SELECT count(*) FROM unindexable";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[AMOUNT];

pub(super) fn add(session: &Session<'_>, added: &Added) -> Result<(), DbError> {
    for (name, amount) in [
        ("bulk_copies", added.bulk_copies),
        ("bulk_bytes", added.bulk_bytes),
        ("instances", added.instances),
        ("data_set_bytes", added.data_set_bytes),
        ("holdings", added.holdings),
    ] {
        if amount != 0 {
            session.execute(ADD, params![name, amount])?;
        }
    }
    Ok(())
}

pub(super) fn read(session: &Session<'_>) -> Result<Totals, DbError> {
    let amount = |name: &str| Ok::<u64, DbError>(session.row(AMOUNT, [name], |row| unsigned(row, 0))?.unwrap_or(0));
    let count = |sql: &str| Ok::<u64, DbError>(session.row(sql, [], |row| unsigned(row, 0))?.unwrap_or(0));
    let (studies, series, served) = session
        .row(STUDIES, [], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?)))?
        .unwrap_or_default();
    Ok(Totals {
        patients: count(PATIENTS)?,
        studies,
        series,
        instances: served,
        other_versions: amount("instances")?.saturating_sub(served),
        holdings: amount("holdings")?,
        bulk_copies: amount("bulk_copies")?,
        bulk_bytes: amount("bulk_bytes")?,
        data_set_bytes: amount("data_set_bytes")?,
        conflicts: count(CONFLICTS)?,
        unindexable: count(UNINDEXABLE)?,
    })
}
