//! [`Db`] as far as it is about statements.

use std::sync::mpsc::{SyncSender, sync_channel};

use storage_config::{ContentHash, Uid};

use super::person::{self, CandidateRow, CollisionRow, Collisions, Kin, PersonRecord};
use super::statement::{
    self, OrdersBy, Page, RejectedArrival, ReportsBy, Stated, StudyWithoutOrder, SubjectRow, Unmet,
    UnmetAfter,
};
use super::{Conflict, Db, DbError, FacilityId, StudySender, apply, conflict, holding, study};
use crate::identity::{IdentityRules, Person, Relation};
use crate::query::GroupKey;
use crate::statement::{HybridTime, Kind, LegalHold, State};

/// Subjects that one transaction decides at most.
const SUBJECTS: u32 = 2000;
/// Pages of them that are read and wait.
const PAGES: usize = 1;
/// Studies that meet one order, and orders that meet one study, at most.
const MEETING: u32 = 100;

impl Db {
    /// Decides all statements that were left for later, in transactions of some thousand subjects.
    ///
    /// # Errors
    /// When the database fails; what was decided before stays.
    pub fn decide_statements(&self) -> Result<(), DbError> {
        while !self.read(|session| statement::undecided(session, 0, 1))?.is_empty() {
            self.decide_all()?;
        }
        Ok(())
    }

    /// Goes through the subjects once, in order: the rows of those that are decided are not passed over again. What comes
    /// next is read while what came before is applied.
    fn decide_all(&self) -> Result<(), DbError> {
        std::thread::scope(|scope| {
            let (tell, told) = sync_channel(PAGES);
            let reading = scope.spawn(move || self.read_undecided(&tell));
            let decided = told.into_iter().try_for_each(|page: Page| {
                self.write(|session| apply::decide_statements(session, page, self.options()))
            });
            let read = reading.join().unwrap_or_else(|defect| std::panic::resume_unwind(defect));
            decided.and(read)
        })
    }

    fn read_undecided(&self, tell: &SyncSender<Page>) -> Result<(), DbError> {
        let mut after = 0;
        loop {
            let page = self.read(|session| statement::page(session, after, SUBJECTS))?;
            let Some(last) = page.subjects.last() else { return Ok(()) };
            after = *last;
            // Nobody takes it after an error, which is told by whoever met it.
            if tell.send(page).is_err() {
                return Ok(());
            }
        }
    }

    /// The statement with an id; of several, by nodes that did not know of each other, the first.
    ///
    /// # Errors
    /// When the database fails, as all reads below.
    pub fn statement(&self, id: &str) -> Result<Option<Stated>, DbError> {
        self.read(|session| statement::by_id(session, id))
    }

    /// What counts of a subject; none where nothing was said of it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn subject(&self, kind: Kind, key: &str) -> Result<Option<SubjectRow>, DbError> {
        self.read(|session| statement::subject(session, kind, key))
    }

    /// The current statements of all subjects of a kind, the latest first; at most `limit` after the first `offset`.
    /// Reads all subjects of the kind: for kinds with few.
    ///
    /// # Errors
    /// When the database fails.
    pub fn statements_of(&self, kind: Kind, limit: u32, offset: u32) -> Result<Vec<Stated>, DbError> {
        self.read(|session| statement::of_kind(session, kind, limit, offset))
    }

    /// Withdrawals as they stand, the latest first; at most `limit` after the first `offset`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn withdrawals(&self, limit: u32, offset: u32) -> Result<Vec<Stated>, DbError> {
        self.read(|session| statement::withdrawals(session, limit, offset))
    }

    /// What a withdrawal would hide: digests in order, and the latest arrival of any of them in milliseconds since
    /// 1970-01-01 UTC. At most `limit` served instances and as many other versions.
    ///
    /// # Errors
    /// When the database fails.
    pub fn coverable(
        &self,
        of: (&Uid, Option<&Uid>, Option<&Uid>),
        facility: Option<FacilityId>,
        limit: usize,
    ) -> Result<(Vec<ContentHash>, i64), DbError> {
        self.read_snapshot(|session| statement::coverable(session, of, facility, limit))
    }

    /// Instances that were sent again after they were withdrawn for patient safety, the latest first; at most `limit`
    /// after the first `offset`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn arrived_after_rejection(&self, limit: u32, offset: u32) -> Result<Vec<RejectedArrival>, DbError> {
        self.read(|session| statement::arrived_after_rejection(session, limit, offset))
    }

    /// Conflicts that somebody resolved, by study; at most `limit` after the first `offset`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn resolved_conflicts(&self, limit: u32, offset: u32) -> Result<Vec<Conflict>, DbError> {
        self.read(|session| conflict::list(session, true, limit, offset))
    }

    /// What of a study needs a person's eye, and nobody has resolved; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn conflicts_of(&self, study: &Uid, limit: u32) -> Result<Vec<Conflict>, DbError> {
        self.read(|session| conflict::of_study(session, study, limit))
    }

    /// Whether a study is under legal hold: nothing of it may be removed.
    ///
    /// # Errors
    /// When the database fails.
    pub fn is_held(&self, study: &Uid) -> Result<bool, DbError> {
        let subject = self.subject(Kind::LegalHold, study.as_str())?;
        let state = subject.and_then(|subject| subject.current).map(|statement| statement.state);
        Ok(matches!(state, Some(State::LegalHold(LegalHold { held: true }))))
    }

    /// Studies under legal hold; at most `limit` after the first `offset`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn legal_holds(&self, limit: u32, offset: u32) -> Result<Vec<Stated>, DbError> {
        self.read(|session| statement::legal_holds(session, limit, offset))
    }

    /// Current orders, the latest first; at most `limit` after the first `offset`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn orders(
        &self,
        by: &OrdersBy,
        facility: Option<FacilityId>,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Stated>, DbError> {
        self.read(|session| statement::orders(session, by, facility, (limit, offset)))
    }

    /// Current orders that a study meets: a facility has it under the order's accession number. The latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn orders_of_study(&self, study: &Uid) -> Result<Vec<Stated>, DbError> {
        self.read(|session| statement::orders_of_study(session, study, MEETING))
    }

    /// Studies that a facility has under an accession number, by their identifiers.
    ///
    /// # Errors
    /// When the database fails.
    pub fn studies_under(&self, facility: FacilityId, accession: &str) -> Result<Vec<Uid>, DbError> {
        self.read(|session| statement::studies_under(session, (facility, accession), MEETING))
    }

    /// Open orders said at `since_ms` (milliseconds since 1970-01-01 UTC) or later that no study meets, the oldest
    /// first; at most `limit`, those after a place of the list.
    ///
    /// # Errors
    /// When the database fails.
    pub fn orders_without_images(
        &self,
        since_ms: i64,
        limit: u32,
        after: Option<&UnmetAfter>,
    ) -> Result<Unmet<Stated>, DbError> {
        let since = u64::try_from(since_ms).ok().and_then(|ms| HybridTime::new(ms, 0).ok());
        let since = since.map_or(0, HybridTime::packed);
        self.read(|session| statement::orders_without_images(session, since, (limit, after)))
    }

    /// Studies of a day (YYYYMMDD) or later that meet no order, the newest first; at most `limit`, those after a place
    /// of the list.
    ///
    /// # Errors
    /// When the database fails.
    pub fn studies_without_order(
        &self,
        day: &str,
        limit: u32,
        after: Option<&UnmetAfter>,
    ) -> Result<Unmet<StudyWithoutOrder>, DbError> {
        self.read(|session| statement::studies_without_order(session, day, (limit, after)))
    }

    /// Current reports, the latest first; at most `limit` after the first `offset`. For reports of a study the
    /// facility is not asked.
    ///
    /// # Errors
    /// When the database fails.
    pub fn reports(
        &self,
        by: &ReportsBy,
        facility: Option<FacilityId>,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Stated>, DbError> {
        self.read(|session| statement::reports(session, by, facility, (limit, offset)))
    }

    /// All that was said of a subject, what was superseded too, the latest first; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn versions_of(&self, kind: Kind, key: &str, limit: u32) -> Result<Vec<Stated>, DbError> {
        self.read(|session| statement::versions(session, kind, key, limit))
    }

    /// From whom what is served of a study came, and to which facility, the first first; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn senders_of(&self, study: &Uid, limit: u32) -> Result<Vec<StudySender>, DbError> {
        self.read(|session| holding::of_study(session, study.as_str(), limit))
    }

    /// Whether anything of a study was ever stored, withdrawn or not.
    ///
    /// # Errors
    /// When the database fails.
    pub fn has_study(&self, uid: &Uid) -> Result<bool, DbError> {
        self.read(|session| study::is_known(session, uid))
    }

    /// Whether a patient with this key has a study.
    ///
    /// # Errors
    /// When the database fails.
    pub fn has_patient(&self, key: &GroupKey) -> Result<bool, DbError> {
        self.read(|session| person::is_known(session, key))
    }

    /// The keys of all patients that are one person with a patient, its own first; at most
    /// [`GROUP_PATIENTS_MAX`](super::GROUP_PATIENTS_MAX).
    ///
    /// # Errors
    /// When the database fails.
    pub fn linked_patients(&self, key: GroupKey) -> Result<Vec<GroupKey>, DbError> {
        let rules = &self.options().identity;
        self.read_snapshot(|session| person::keys_of(session, &key, rules))
    }

    /// Who is one person with a patient, who clashes with it; none where the key names nobody.
    ///
    /// # Errors
    /// When the database fails.
    pub fn kin(&self, key: &GroupKey) -> Result<Option<Kin>, DbError> {
        let rules = &self.options().identity;
        self.read_snapshot(|session| person::around(session, key, rules))
    }

    /// The same for a person who need not be in the index.
    ///
    /// # Errors
    /// When the database fails.
    pub fn kin_of(&self, asked: &Person) -> Result<Kin, DbError> {
        let rules = &self.options().identity;
        self.read_snapshot(|session| {
            let anchor = person::stranger(session, asked, rules)?;
            person::kin(session, anchor, rules)
        })
    }

    /// The same for the person of an order that is kept; none where there is no such order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn kin_of_order(&self, order: &str) -> Result<Option<Kin>, DbError> {
        let rules = &self.options().identity;
        self.read_snapshot(|session| {
            let anchor = person::of_order(session, order, rules)?;
            anchor.map(|anchor| person::kin(session, anchor, rules)).transpose()
        })
    }

    /// Whether the PatientIDs that a facility's orders name count orders.
    ///
    /// # Errors
    /// When the database fails.
    pub fn counts_orders(&self, facility: FacilityId) -> Result<bool, DbError> {
        self.read(|session| person::counts_orders(session, facility.0, &self.options().identity))
    }

    /// Who is possibly the person that `kin` is around, the most likely first; at most
    /// [`CANDIDATES_MAX`](super::CANDIDATES_MAX). Whoever was parted from the person is never among them.
    ///
    /// # Errors
    /// When the database fails.
    pub fn candidates(&self, kin: &Kin) -> Result<Vec<CandidateRow>, DbError> {
        let rules = &self.options().identity;
        self.read_snapshot(|session| person::candidates(session, kin, rules))
    }

    /// With what a study was brought from elsewhere, the latest first; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn intakes_of_study(&self, study: &Uid, limit: u32) -> Result<Vec<Stated>, DbError> {
        self.read(|session| statement::intakes_of_study(session, study, limit))
    }

    /// What was brought from elsewhere, the latest first; at most `limit` after the first `offset`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn intakes(&self, limit: u32, offset: u32) -> Result<Vec<Stated>, DbError> {
        self.read(|session| statement::intakes(session, (limit, offset)))
    }

    /// How two patients stand to each other; none where a key names nobody.
    ///
    /// # Errors
    /// When the database fails.
    pub fn relation(&self, a: &GroupKey, b: &GroupKey) -> Result<Option<Relation>, DbError> {
        let rules = &self.options().identity;
        self.read_snapshot(|session| person::relation(session, (a, b), rules))
    }

    /// When two records are of one person, as the site has it.
    #[must_use]
    pub fn identity_rules(&self) -> &IdentityRules {
        &self.options().identity
    }

    /// Collisions that are open, or those that a person resolved, by their keys; at most `limit`, those after a pair of
    /// keys.
    ///
    /// # Errors
    /// When the database fails.
    pub fn collisions(
        &self,
        open: bool,
        limit: u32,
        after: Option<(GroupKey, GroupKey)>,
    ) -> Result<Collisions, DbError> {
        let rules = &self.options().identity;
        self.read_snapshot(|session| person::collisions(session, open, (limit, after), rules))
    }

    /// Open collisions of one patient.
    ///
    /// # Errors
    /// When the database fails.
    pub fn collisions_of(&self, key: &GroupKey) -> Result<Vec<CollisionRow>, DbError> {
        let rules = &self.options().identity;
        self.read_snapshot(|session| person::collisions_of(session, key, rules))
    }

    /// The saying that a key names: its own, or, of those under a number, the one with the newest study; none where it
    /// names nobody.
    ///
    /// # Errors
    /// When the database fails.
    pub fn person(&self, key: &GroupKey) -> Result<Option<PersonRecord>, DbError> {
        let rules = &self.options().identity;
        self.read_snapshot(|session| person::anchor(session, key, rules))
    }

    /// The keys of a study's patient as it stands, and as it would stand alone; none where nothing of it is served.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keys_of_study(&self, study: &Uid) -> Result<Option<(GroupKey, GroupKey)>, DbError> {
        self.read_snapshot(|session| person::keys_of_study(session, study.as_str()))
    }

    /// The studies of exactly one saying, the newest first; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn studies_of_person(&self, key: &GroupKey, limit: u32) -> Result<Vec<Uid>, DbError> {
        self.read(|session| person::studies(session, key, limit))
    }
}
