//! Machines whose clock seems wrong: the performed time of an arriving instance against its receive time. A warning
//! only; nothing is corrected. Of an instance that several records bring, the one that is applied first counts.

use std::collections::BTreeMap;

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
     least_off_s, most_off_s) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (station, serial, source) \
     DO UPDATE SET first_ms = CASE WHEN excluded.first_ms < machine_clock.first_ms THEN excluded.first_ms ELSE machine_clock.first_ms END, \
     last_ms = CASE WHEN excluded.last_ms > machine_clock.last_ms THEN excluded.last_ms ELSE machine_clock.last_ms END, \
     n_instances = machine_clock.n_instances + excluded.n_instances, \
     least_off_s = CASE WHEN excluded.least_off_s < machine_clock.least_off_s THEN excluded.least_off_s ELSE machine_clock.least_off_s END, \
     most_off_s = CASE WHEN excluded.most_off_s > machine_clock.most_off_s THEN excluded.most_off_s ELSE machine_clock.most_off_s END";
const LIST: &str = "SELECT station, serial, source, first_ms, last_ms, n_instances, least_off_s, most_off_s \
     FROM machine_clock ORDER BY last_ms DESC, station, serial, source LIMIT ?1";

/// By station, serial number and source: what the instances of one batch say of machines whose clock seems wrong.
pub(super) type Clocks = BTreeMap<(String, String, String), Off>;

/// When such instances were received, how many they are, and by how many seconds they are off: from and to.
#[derive(Debug)]
pub(super) struct Off {
    received_ms: (i64, i64),
    instances: i64,
    off_s: (i64, i64),
}

/// Takes note of the machine of a new instance if its clock seems wrong. Imports are of old images and tell nothing.
pub(super) fn check(entry: &InstanceEntry, utc_offset_minutes: i32, clocks: &mut Clocks) {
    if entry.source.starts_with("import") {
        return;
    }
    let Some(performed) = entry.attributes.performed() else { return };
    let Some(performed_s) = seconds(&performed.local) else { return };
    let utc_offset_minutes = performed.offset_minutes.map_or(utc_offset_minutes, i32::from);
    let off = performed_s - i64::from(utc_offset_minutes) * 60 - entry.received_ms / 1000;
    if (-BEHIND_S..=AHEAD_S).contains(&off) {
        return;
    }
    let series = &entry.attributes.series;
    let text = |text: Option<&String>| bounded(text.map_or("", |text| text.trim()));
    let machine =
        (text(series.station.as_ref()), text(series.device_serial.as_ref()), bounded(&entry.source));
    let received = entry.received_ms;
    let known = clocks.entry(machine).or_insert(Off {
        received_ms: (received, received),
        instances: 0,
        off_s: (off, off),
    });
    known.received_ms = (known.received_ms.0.min(received), known.received_ms.1.max(received));
    known.off_s = (known.off_s.0.min(off), known.off_s.1.max(off));
    known.instances += 1;
}

/// Notes the machines of a batch.
pub(super) fn note(session: &Session<'_>, clocks: &Clocks) -> Result<(), DbError> {
    for ((station, serial, source), of) in clocks {
        let ((first, last), (least, most)) = (of.received_ms, of.off_s);
        session.add(NOTE, params![station, serial, source, first, last, of.instances, least, most])?;
    }
    Ok(())
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
