//! What the reuse check reads of patients and their studies, bounded in all directions.

mod people;
mod studies;

pub use people::PatientRow;
pub use studies::{HolderRow, PriorSeries, PriorStudy};

use storage_config::Uid;

use super::{Db, DbError, FacilityId, Stated};
use crate::query::GroupKey;

#[cfg(test)]
pub(super) fn hot() -> Vec<&'static str> {
    [people::HOT, studies::HOT].concat()
}

impl Db {
    /// The patient of a number at its issuer, else at the facility; none where nothing of theirs is served, and never
    /// one of a source whose PatientID counts orders.
    ///
    /// # Errors
    /// When the database fails, as all below.
    pub fn patient_of_number(
        &self,
        patient_id: &str,
        issuer: &str,
        facility: FacilityId,
    ) -> Result<Option<GroupKey>, DbError> {
        self.read(|session| people::of_number(session, patient_id, issuer, facility))
    }

    /// What the studies of a patient say of the person, the newest first; at most `limit` studies.
    ///
    /// # Errors
    /// When the database fails.
    pub fn patient_rows(&self, key: &GroupKey, limit: u32) -> Result<Vec<PatientRow>, DbError> {
        self.read(|session| people::of_key(session, key, limit))
    }

    /// The studies of a patient of which something is served, the newest first; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn prior_studies(&self, key: &GroupKey, limit: u32) -> Result<Vec<PriorStudy>, DbError> {
        self.read_snapshot(|session| studies::of_patient(session, key, limit))
    }

    /// The studies of a patient of which nothing is served any more; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn withdrawn_studies(&self, key: &GroupKey, limit: u32) -> Result<Vec<PriorStudy>, DbError> {
        self.read_snapshot(|session| studies::withdrawn(session, key, limit))
    }

    /// Whether anything of a study is visible of a facility.
    ///
    /// # Errors
    /// When the database fails.
    pub fn facility_has_study(&self, facility: FacilityId, study: &Uid) -> Result<bool, DbError> {
        self.read(|session| studies::is_held(session, facility, study))
    }

    /// The facilities that visibly hold a study, by their numbers.
    ///
    /// # Errors
    /// When the database fails.
    pub fn holders_of_study(&self, study: &Uid) -> Result<Vec<FacilityId>, DbError> {
        self.read(|session| studies::holders(session, study))
    }

    /// The withdrawals of a study as they stand, the latest first; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn withdrawals_of(&self, study: &Uid, limit: u32) -> Result<Vec<Stated>, DbError> {
        self.read(|session| studies::withdrawals(session, study, limit))
    }
}
