//! National codes of studies as rows: what they are made from, what was assigned, what waits.

mod rows;
mod source;

pub use rows::{NewCoding, Reviewed};
pub(super) use rows::{moved, number};
pub use source::{SeriesSource, StudySource};

use storage_config::Uid;

use super::{Db, DbError, FacilityId, statement};
use crate::codes::FacilityRule;
use crate::codes::coded::{Chosen, StudyCoding};
use crate::statement::AssignedCodes;

#[cfg(test)]
pub(super) fn hot() -> Vec<&'static str> {
    [source::HOT, rows::HOT].concat()
}

impl Db {
    /// What the headers of a study say, bounded in series and images; none where nothing of it is served.
    ///
    /// # Errors
    /// When the database fails, as all below.
    pub fn study_source(&self, study: &Uid) -> Result<Option<StudySource>, DbError> {
        self.read_snapshot(|session| source::of_study(session, study))
    }

    /// Studies that the mapper has to look at: changed ones of which nothing came since `quiet_before_ms`
    /// (milliseconds since 1970-01-01 UTC), then those that were coded by another version; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn studies_to_code(
        &self,
        version: &str,
        quiet_before_ms: i64,
        limit: u32,
    ) -> Result<Vec<Uid>, DbError> {
        self.read(|session| rows::to_code(session, version, quiet_before_ms, limit))
    }

    /// Keeps the codes of a study in the place of those it had, and that it was looked at.
    ///
    /// # Errors
    /// When the database fails; nothing is changed then.
    pub fn set_coding(&self, new: &NewCoding) -> Result<(), DbError> {
        self.write(|session| rows::set(session, new))
    }

    /// Takes the codes of a study away, unless something of it is served.
    ///
    /// # Errors
    /// When the database fails; nothing is changed then.
    pub fn clear_coding(&self, study: &Uid) -> Result<(), DbError> {
        self.write(|session| rows::clear(session, study))
    }

    /// What a study is coded as; none before the mapper looked at it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn coding(&self, study: &Uid) -> Result<Option<StudyCoding>, DbError> {
        self.read(|session| rows::of_study(session, study))
    }

    /// The codes that are stated of a study; none before the archive stated any.
    ///
    /// # Errors
    /// When the database fails.
    pub fn assigned_codes(&self, study: &Uid) -> Result<Option<AssignedCodes>, DbError> {
        self.read(|session| statement::assigned_codes(session, study.as_str()))
    }

    /// Codes that were assigned and are not stated yet; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn unstated_codes(&self, limit: u32) -> Result<Vec<AssignedCodes>, DbError> {
        self.read(|session| rows::unstated(session, limit))
    }

    /// Studies that wait for a person, the latest first; at most `limit`, those after a study. It may wait no more; of
    /// one that is not here the list begins anew.
    ///
    /// # Errors
    /// When the database fails.
    pub fn codes_to_review(&self, limit: u32, after: Option<&Uid>) -> Result<Vec<Reviewed>, DbError> {
        self.read(|session| rows::review(session, false, (limit, after)))
    }

    /// Studies that keep codes of which the lists in force would say something else, the latest first; at most `limit`,
    /// those after a study, as of [`Db::codes_to_review`].
    ///
    /// # Errors
    /// When the database fails.
    pub fn codes_proposed(&self, limit: u32, after: Option<&Uid>) -> Result<Vec<Reviewed>, DbError> {
        self.read(|session| rows::review(session, true, (limit, after)))
    }

    /// How many studies wait for a person, and how many [`Db::codes_proposed`] has.
    ///
    /// # Errors
    /// When the database fails.
    pub fn codes_waiting(&self) -> Result<(u64, u64), DbError> {
        self.read(rows::waiting)
    }

    /// What a person chose for a study.
    ///
    /// # Errors
    /// When the database fails.
    pub fn chosen_codes(&self, study: &Uid) -> Result<Option<Chosen>, DbError> {
        self.read(|session| rows::chosen(session, study))
    }

    /// Choices of people that hold for a facility.
    ///
    /// # Errors
    /// When the database fails.
    pub fn code_rules(&self, facility: FacilityId) -> Result<Vec<FacilityRule>, DbError> {
        self.read(|session| rows::rules(session, facility))
    }
}
