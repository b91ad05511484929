//! Machines whose clock seems wrong: the performed time of an arriving instance against its receive time. A warning
//! only; nothing is corrected. Of an instance that several records bring, the one that is applied first counts.

use crate::db::sql::params;

use super::entry::InstanceEntry;
use super::error::DbError;
use super::row::bounded;
use super::session::{Session, unsigned};

/// A clock may run ahead by this much before it is told of, in seconds: transfers and clocks are not exact.
const AHEAD_S: i64 = 5 * 60;
/// And what was performed may have waited this long, in seconds.
const BEHIND_S: i64 = 2 * 24 * 3600;

/// A machine that sent an instance performed in the future, or more than two days before it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineClock {
    /// Station Name.
    pub station: String,
    /// Device Serial Number.
    pub serial: String,
    /// Who sent it.
    pub source: String,
    /// First such instance received, in milliseconds since 1970-01-01 UTC.
    pub first_ms: i64,
    /// Last such instance received.
    pub last_ms: i64,
    /// Number of such instances.
    pub instances: u64,
    /// Least and most seconds by which the performed time was after the receive time.
    pub off_s: (i64, i64),
}

const NOTE: &str = "INSERT INTO machine_clock (station, serial, source, first_ms, last_ms, n_instances, \
     least_off_s, most_off_s) VALUES (?1, ?2, ?3, ?4, ?4, 1, ?5, ?5) ON CONFLICT (station, serial, source) \
     DO UPDATE SET first_ms = CASE WHEN excluded.first_ms < machine_clock.first_ms THEN excluded.first_ms ELSE machine_clock.first_ms END, \
     last_ms = CASE WHEN excluded.last_ms > machine_clock.last_ms THEN excluded.last_ms ELSE machine_clock.last_ms END, n_instances = machine_clock.n_instances + 1, \
     least_off_s = CASE WHEN excluded.least_off_s < machine_clock.least_off_s THEN excluded.least_off_s ELSE machine_clock.least_off_s END, \
     most_off_s = CASE WHEN excluded.most_off_s > machine_clock.most_off_s THEN excluded.most_off_s ELSE machine_clock.most_off_s END";
const LIST: &str = "SELECT station, serial, source, first_ms, last_ms, n_instances, least_off_s, most_off_s \
     FROM machine_clock ORDER BY last_ms DESC, station, serial, source LIMIT ?1";

/// Notes the machine of a new instance if its clock seems wrong. Imports are of old images and tell nothing.
pub(super) fn check(
    session: &Session<'_>,
    entry: &InstanceEntry,
    utc_offset_minutes: i32,
) -> Result<(), DbError> {
    if entry.source.starts_with("import") {
        return Ok(());
    }
    let Some(performed) = entry.attributes.performed() else { return Ok(()) };
    let Some(performed_s) = seconds(&performed.local) else { return Ok(()) };
    let utc_offset_minutes = performed.offset_minutes.map_or(utc_offset_minutes, i32::from);
    let off = performed_s - i64::from(utc_offset_minutes) * 60 - entry.received_ms / 1000;
    if (-BEHIND_S..=AHEAD_S).contains(&off) {
        return Ok(());
    }
    let series = &entry.attributes.series;
    let text = |text: Option<&String>| bounded(text.map_or("", |text| text.trim()));
    let (station, serial) = (text(series.station.as_ref()), text(series.device_serial.as_ref()));
    session.execute(NOTE, params![station, serial, bounded(&entry.source), entry.received_ms, off]).map(drop)
}

pub(super) fn list(session: &Session<'_>, limit: u32) -> Result<Vec<MachineClock>, DbError> {
    session.rows(LIST, [limit], |row| {
        Ok(MachineClock {
            station: row.get(0)?,
            serial: row.get(1)?,
            source: row.get(2)?,
            first_ms: row.get(3)?,
            last_ms: row.get(4)?,
            instances: unsigned(row, 5)?,
            off_s: (row.get(6)?, row.get(7)?),
        })
    })
}

/// Seconds since 1970-01-01 by the clock on the machine's wall, of `YYYYMMDDHHMMSS.FFFFFF`.
fn seconds(local: &str) -> Option<i64> {
    let part = |from: usize, to: usize| local.get(from..to)?.parse::<i64>().ok();
    let day = days(part(0, 4)?, part(4, 6)?, part(6, 8)?);
    Some(day * 86_400 + part(8, 10)? * 3600 + part(10, 12)? * 60 + part(12, 14)?)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar: years from March on, so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_of_known_moments() {
        assert_eq!(seconds("19700101000000.000000"), Some(0));
        assert_eq!(seconds("20000229120000.500000"), Some(951_825_600));
        assert_eq!(seconds("20261121100000.000000"), Some(1_795_255_200));
        assert_eq!(seconds("2026"), None);
    }
}
