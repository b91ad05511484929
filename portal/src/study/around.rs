//! What is known around a study beside its images: who it may be of, what keeps it, what was verified, where it came from.

use indexer::db::{CandidateRow, Conflict, Db, DbError, SeriesVerified, Stated, StudySender, SubjectRow};
use indexer::query::GroupKey;
use indexer::reuse::performed::StepFacts;
use indexer::statement::{Kind, LegalHold, State as Statement};
use storage_config::Uid;

use crate::persons::{Codes, codes};

/// Most rows of each list.
const ROWS: u32 = 20;
/// Conflicts that are counted.
const CONFLICTS: u32 = 1_000;

/// What is known.
pub(super) struct Around {
    pub conflicts: Vec<Conflict>,
    /// Whether the person is in a collision that nobody resolved.
    pub collides: bool,
    pub candidates: Vec<CandidateRow>,
    pub series: Vec<SeriesVerified>,
    pub keeping: Keeping,
    pub senders: Vec<StudySender>,
    pub intakes: Vec<Stated>,
    pub steps: Steps,
    pub codes: Codes,
}

/// What devices say of the performed procedure steps of a study.
pub(super) struct Steps {
    /// What each says, the latest first.
    pub told: Vec<Stated>,
    /// What was here when they were compared with it; none where that was not done since they said it.
    pub found: Option<StepFacts>,
}

impl Steps {
    fn read(db: &Db, study: &Uid) -> Result<Steps, DbError> {
        let told = db.steps_of_study(study)?;
        if told.is_empty() {
            return Ok(Steps { told, found: None });
        }
        let versions = db.step_versions_of_study(study)?;
        let found = db.evidence(study)?.map(|row| row.evidence.steps).filter(|steps| steps.of == versions);
        Ok(Steps { told, found: found.map(|steps| steps.facts) })
    }
}

/// What was said of keeping a study and showing it.
pub(super) struct Keeping {
    pub study: Uid,
    pub hold: Option<SubjectRow>,
    pub withdrawals: Vec<Stated>,
}

impl Keeping {
    pub(super) fn read(db: &Db, study: &Uid) -> Result<Keeping, DbError> {
        Ok(Keeping {
            study: study.clone(),
            hold: db.subject(Kind::LegalHold, study.as_str())?,
            withdrawals: db.withdrawals_of(study, ROWS)?,
        })
    }

    /// Whether nothing of it may be removed.
    pub(super) fn is_held(&self) -> bool {
        let current = self.hold.as_ref().and_then(|row| row.current.as_ref());
        matches!(current.map(|it| &it.state), Some(Statement::LegalHold(LegalHold { held: true })))
    }

    /// Withdrawals that were not taken back.
    pub(super) fn in_force(&self) -> usize {
        let restored = |stated: &&Stated| match &stated.statement.state {
            Statement::Withdrawal(state) => state.restored,
            _ => true,
        };
        self.withdrawals.iter().filter(|stated| !restored(stated)).count()
    }
}

impl Around {
    pub(super) fn read(db: &Db, study: &Uid, patient: Option<GroupKey>) -> Result<Around, DbError> {
        let kin = patient.map(|key| db.kin(&key)).transpose()?.flatten();
        let candidates = kin.as_ref().map(|kin| db.candidates(kin)).transpose()?.unwrap_or_default();
        let collides = match patient {
            Some(key) => !db.collisions_of(&key)?.is_empty(),
            None => false,
        };
        Ok(Around {
            conflicts: db.conflicts_of(study, CONFLICTS)?,
            collides: collides || kin.is_some_and(|kin| !kin.clashing.is_empty()),
            candidates,
            series: db.series_verified(study)?,
            keeping: Keeping::read(db, study)?,
            senders: db.senders_of(study, ROWS)?,
            intakes: db.intakes_of_study(study, ROWS)?,
            steps: Steps::read(db, study)?,
            codes: codes(db)?,
        })
    }

    /// Series of which something is known to be damaged.
    pub(super) fn damaged(&self) -> usize {
        self.series.iter().filter(|series| series.verified_at_ms.is_some() && !series.intact).count()
    }

    /// When everything that is served now was last read again and hashed; none where it was not.
    pub(super) fn verified_ms(&self) -> Option<i64> {
        let each = self
            .series
            .iter()
            .map(|series| series.verified_at_ms.filter(|_| series.verified_generation == series.generation));
        each.collect::<Option<Vec<i64>>>()?.into_iter().min()
    }
}
