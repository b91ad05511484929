//! What a report is to its study: its report, a second opinion of somebody who has nothing to do with it, or the second
//! reading that a decision to reuse asked for.

use storage_config::Uid;

use super::Archive;
use super::deciding::DECISIONS_MAX;
use crate::db::{DbError, DecisionsBy, Stated};
use crate::statement::{Kind, ReuseChoice, State};

/// Versions of one report that are looked at.
const VERSIONS_MAX: u32 = 1000;

/// What a report is to its study.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportStanding {
    /// Whether its facility neither has the study nor ordered it: what it says neither stands for the report nor takes
    /// it back.
    pub second_opinion: bool,
    /// The decision to reuse with a second reading that it was made after, at the facility that decided.
    pub second_reading_of: Option<String>,
}

/// Whether a facility reports on a study: one that `holds` it, one that ordered it, or none that is told.
pub(super) fn reports_on(facility: Option<u32>, holds: impl Fn(u32) -> bool, orders: &[Stated]) -> bool {
    let Some(facility) = facility.filter(|facility| *facility != 0) else { return true };
    let ordered = |stated: &Stated| matches!(&stated.statement.state, State::Order(order) if order.facility == Some(facility));
    holds(facility) || orders.iter().any(ordered)
}

impl Archive {
    /// What a report is to the studies that it is about.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn report_standing(&self, stated: &Stated, studies: &[Uid]) -> Result<ReportStanding, DbError> {
        let State::Report(report) = &stated.statement.state else { return Ok(ReportStanding::default()) };
        let (mut here, mut counts, mut second_reading_of) = (false, false, None);
        for study in studies {
            let holders = self.db().holders_of_study(study)?;
            // Of a study that nobody has yet nothing can be told.
            here |= !holders.is_empty();
            let holds = |facility| holders.iter().any(|holder| holder.0 == facility);
            counts |= reports_on(report.facility, holds, &self.db().orders_of_study(study)?);
            if second_reading_of.is_none() {
                second_reading_of = self.second_reading_of(stated, report.facility, study)?;
            }
        }
        Ok(ReportStanding { second_opinion: here && !counts, second_reading_of })
    }

    /// The latest decision in force that asked for a second reading before the report was first said.
    fn second_reading_of(
        &self,
        stated: &Stated,
        facility: Option<u32>,
        study: &Uid,
    ) -> Result<Option<String>, DbError> {
        let Some(facility) = facility.filter(|facility| *facility != 0) else { return Ok(None) };
        let decisions = self.db().decisions(&DecisionsBy::Study(study.clone()), None, DECISIONS_MAX, 0)?;
        let asked = |decision: &&Stated| {
            matches!(&decision.statement.state, State::ReuseDecision(made) if made.reuses()
                && made.choice == ReuseChoice::ReuseWithSecondReading && made.facility == Some(facility))
        };
        let asked: Vec<&Stated> = decisions.iter().filter(asked).collect();
        if asked.is_empty() {
            return Ok(None);
        }
        // A report that was there before is no second reading, however often it is amended.
        let key = &stated.statement.subject.key;
        let versions = self.db().versions_of(Kind::Report, key, VERSIONS_MAX)?;
        let first = versions.last().map_or(stated.statement.time, |version| version.statement.time);
        let after = asked.into_iter().find(|decision| decision.statement.time < first);
        Ok(after.map(|decision| decision.statement.subject.key.clone()))
    }
}
