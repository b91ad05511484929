//! Whether a study is still arriving, is quiet, is complete or lacks images, with the evidence.
//!
//! The state comes from the study's row alone, so that a list costs no more than its rows. Only where a sender
//! announced how many instances there are does anything count as complete or incomplete. What more is told of one
//! study (its bytes, interrupted instance numbers) is read from the rows of its instances and kept until the study's
//! counts change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use indexer::db::{Db, DbError, InstanceRow, Scope};
use indexer::query::QueryRow;
use storage_config::Uid;

use crate::calendar::now_ms;
use crate::shown;

/// Most studies whose facts are kept.
const KEPT: usize = 20_000;
/// Rows that are read at once.
const ROWS: usize = 2_000;
/// Most holes that are told one by one.
const HOLES_TOLD: usize = 8;

/// The state of a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// An instance came less than the quiet time ago.
    Receiving,
    /// Quiet. Nobody said how many instances there should be.
    Received,
    /// Quiet, and all instances are here that its sender announced.
    Complete,
    /// Quiet, and fewer instances are here than its sender announced.
    Incomplete,
}

impl Arrival {
    /// The state of a study now.
    pub(crate) fn now(row: &QueryRow, quiet_seconds: u32) -> Arrival {
        let here = shown::number(&row.attributes, "00201208");
        Arrival::at(now_ms(), row.changed_ms, quiet_seconds, (here, row.announced))
    }

    fn at(
        now_ms: i64,
        changed_ms: i64,
        quiet_seconds: u32,
        (here, announced): (u64, Option<u64>),
    ) -> Arrival {
        // A receive time in the future is a clock that was set back: as good as now.
        if now_ms - changed_ms < i64::from(quiet_seconds) * 1000 {
            return Arrival::Receiving;
        }
        match announced.filter(|announced| *announced > 0) {
            None => Arrival::Received,
            Some(announced) if here < announced => Arrival::Incomplete,
            Some(_) => Arrival::Complete,
        }
    }
}

/// What the rows of a study's instances say.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Bytes of all data sets.
    pub bytes: u64,
    /// The instance numbers that are missing, by series: `12-14, 37`.
    pub holes: HashMap<Uid, String>,
}

impl Facts {
    fn read(db: &Db, study: &Uid) -> Result<Facts, DbError> {
        let scope = Scope { study: study.clone(), series: None, instance: None };
        let cross_sectional: Vec<Uid> = db
            .series_of(study)?
            .into_iter()
            .filter(|series| matches!(series.modality.as_str(), "CT" | "MR" | "PT"))
            .map(|series| series.series_uid)
            .collect();
        let mut facts = Facts::default();
        let mut numbers: HashMap<Uid, Vec<i64>> = HashMap::new();
        let mut after = None;
        loop {
            let rows = db.instances_of(&scope, after.as_ref(), ROWS)?;
            for row in &rows {
                facts.bytes += row.length;
                if let Some(number) = row.instance_number
                    && cross_sectional.contains(&row.series_uid)
                {
                    numbers.entry(row.series_uid.clone()).or_default().push(number);
                }
            }
            after = rows.last().map(InstanceRow::after);
            if rows.len() < ROWS {
                break;
            }
        }
        let holes = numbers.into_iter().filter_map(|(series, numbers)| Some((series, holes(numbers)?)));
        facts.holes = holes.collect();
        Ok(facts)
    }
}

/// The holes between instance numbers. None where there are none, and where more is missing than is there: such
/// numbers do not count images.
fn holes(mut numbers: Vec<i64>) -> Option<String> {
    numbers.sort_unstable();
    numbers.dedup();
    let span = numbers.last()?.checked_sub(*numbers.first()?)?.checked_add(1)?;
    let there = i64::try_from(numbers.len()).ok()?;
    if there < 3 || span == there || span - there > there {
        return None;
    }
    let between = numbers.windows(2).filter(|pair| pair[1] - pair[0] > 1);
    let mut told: Vec<String> = between
        .take(HOLES_TOLD + 1)
        .map(|pair| match (pair[0] + 1, pair[1] - 1) {
            (from, to) if from == to => from.to_string(),
            (from, to) => format!("{from}–{to}"),
        })
        .collect();
    if told.len() > HOLES_TOLD {
        told.truncate(HOLES_TOLD);
        told.push("…".to_owned());
    }
    Some(told.join(", "))
}

/// What is known of studies that were looked at.
#[derive(Default)]
pub(crate) struct Arrivals {
    known: Mutex<HashMap<Uid, Known>>,
}

struct Known {
    counts: (u64, u64),
    facts: Arc<Facts>,
}

impl Arrivals {
    /// The facts of a study that now has so many series and instances.
    ///
    /// # Errors
    /// When the index fails.
    pub(crate) fn of(&self, db: &Db, study: &Uid, counts: (u64, u64)) -> Result<Arc<Facts>, DbError> {
        if let Some(known) = self.lock().get(study).filter(|known| known.counts == counts) {
            return Ok(known.facts.clone());
        }
        let facts = Arc::new(Facts::read(db, study)?);
        let mut all = self.lock();
        if all.len() >= KEPT {
            all.clear();
        }
        // The counts were read before the facts: facts of a moment later are replaced at the next look.
        all.insert(study.clone(), Known { counts, facts: facts.clone() });
        Ok(facts)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uid, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_told_and_other_countings_are_not() {
        let told = |numbers: &[i64]| holes(numbers.to_vec());
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[1, 2, 3, 4]), None);
        assert_eq!(told(&[7, 5, 6, 6]), None);
        assert_eq!(told(&[1, 2, 5, 6, 8]).as_deref(), Some("3–4, 7"));
        assert_eq!(told(&[1, 101, 201, 301]), None, "a numbering by hundreds");
        assert_eq!(told(&[1, 3]), None, "two images tell nothing");
        assert_eq!(told(&[i64::MIN, 0, i64::MAX]), None);
        let even: Vec<i64> = (0..20).map(|n| n * 2).collect();
        assert_eq!(holes(even).as_deref(), Some("1, 3, 5, 7, 9, 11, 13, 15, …"));
    }

    #[test]
    fn only_an_announced_number_makes_a_study_complete_or_not() {
        let at = |ago_ms: i64, counts| Arrival::at(1_000_000, 1_000_000 - ago_ms, 10, counts);
        assert_eq!(at(0, (3, None)), Arrival::Receiving);
        assert_eq!(at(9_999, (3, Some(3))), Arrival::Receiving, "more may come");
        assert_eq!(at(10_000, (3, None)), Arrival::Received);
        assert_eq!(at(10_000, (3, Some(0))), Arrival::Received);
        assert_eq!(at(10_000, (3, Some(4))), Arrival::Incomplete);
        assert_eq!(at(10_000, (4, Some(4))), Arrival::Complete);
        assert_eq!(at(10_000, (5, Some(4))), Arrival::Complete);
        assert_eq!(at(-5, (1, None)), Arrival::Receiving, "a clock that was set back");
    }
}
