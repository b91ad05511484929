//! National codes of studies as rows: what they are made from, what was assigned, what waits.

mod source;

pub use source::{SeriesSource, StudySource};

use storage_config::Uid;

use super::{Db, DbError};

#[cfg(test)]
pub(super) fn hot() -> Vec<&'static str> {
    source::HOT.to_vec()
}

impl Db {
    /// What the headers of a study say, bounded in series and images; none where nothing of it is served.
    ///
    /// # Errors
    /// When the database fails.
    pub fn study_source(&self, study: &Uid) -> Result<Option<StudySource>, DbError> {
        self.read_snapshot(|session| source::of_study(session, study))
    }
}
