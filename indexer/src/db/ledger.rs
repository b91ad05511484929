//! [`Db`] as far as it is about decisions, hand-overs and the ledger.

use storage_config::{ContentHash, Uid};

use super::statement::{self, DecisionsBy, DeliveriesBy, DocumentChanged, LedgerBy, LedgerSum, Stated};
use super::{Db, DbError, FacilityId};
use crate::ledger::Posted;
use crate::ledger::chain::Head;
use crate::statement::{Decision, HybridTime};

/// A time in milliseconds since 1970-01-01 UTC as rows keep it.
fn packed(ms: i64) -> i64 {
    let time = u64::try_from(ms).ok().and_then(|ms| HybridTime::new(ms, 0).ok());
    time.map_or(if ms > 0 { i64::MAX } else { 0 }, HybridTime::packed)
}

impl Db {
    /// Decisions as they stand, the latest first; at most `limit` after the first `offset`.
    ///
    /// # Errors
    /// When the database fails, as all reads below.
    pub fn decisions(
        &self,
        by: &DecisionsBy,
        facility: Option<FacilityId>,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Stated>, DbError> {
        self.read(|session| statement::decisions(session, by, facility, (limit, offset)))
    }

    /// How many decisions [`DecisionsBy::ReportChanged`] finds.
    ///
    /// # Errors
    /// When the database fails.
    pub fn decisions_with_changed_report(&self) -> Result<u64, DbError> {
        self.read(statement::flagged)
    }

    /// What became of the objects of a study that a decision relied on as its report; what came beside them since.
    ///
    /// # Errors
    /// When the database fails.
    pub fn changed_documents(&self, decision: &Decision) -> Result<Vec<DocumentChanged>, DbError> {
        self.read(|session| statement::changed_documents(session, decision))
    }

    /// The digest of the version of an instance that is served in a study.
    ///
    /// # Errors
    /// When the database fails.
    pub fn served_digest(&self, study: &Uid, sop_instance: &str) -> Result<Option<ContentHash>, DbError> {
        self.read(|session| statement::served_digest(session, study, sop_instance))
    }

    /// Repeats that were decided from `from_ms` to before `to_ms` (milliseconds since 1970-01-01 UTC) although a prior
    /// was usable or to be reviewed, the earliest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn repeats_despite_prior(
        &self,
        (from_ms, to_ms): (i64, i64),
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Stated>, DbError> {
        let between = (packed(from_ms), packed(to_ms));
        self.read(|session| statement::repeats(session, between, (limit, offset)))
    }

    /// Hand-overs as they stand, the latest first; at most `limit` after the first `offset`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn deliveries(&self, by: &DeliveriesBy, limit: u32, offset: u32) -> Result<Vec<Stated>, DbError> {
        self.read(|session| statement::deliveries(session, by, (limit, offset)))
    }

    /// How many hand-overs were billed with film although none was handed over.
    ///
    /// # Errors
    /// When the database fails.
    pub fn film_billed_without_film(&self) -> Result<u64, DbError> {
        self.read(statement::film_billed)
    }

    /// Whether the result of an order was handed over, and never on film.
    ///
    /// # Errors
    /// When the database fails.
    pub fn handed_over_without_film(&self, order: &str) -> Result<bool, DbError> {
        self.read(|session| statement::without_film(session, order))
    }

    /// The heads of the ledger's chains.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ledger_heads(&self) -> Result<Vec<Head>, DbError> {
        self.read(statement::ledger_heads)
    }

    /// The head of one writer's chain.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ledger_head(&self, writer: u32) -> Result<Option<Head>, DbError> {
        self.read(|session| statement::ledger_head_of(session, writer))
    }

    /// The entries of an order, and what they say in short.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ledger_of_order(&self, order: &str) -> Result<(Vec<Stated>, Vec<Posted>), DbError> {
        let entries = self.read(|session| statement::ledger_of_order(session, order))?;
        let posted = statement::posted(&entries);
        Ok((entries, posted))
    }

    /// Entries of a stretch of days (`YYYY-MM-DD`), both included, in the order in which they were made; of one facility
    /// that ordered, or of all.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ledger_entries(
        &self,
        facility: Option<FacilityId>,
        days: (&str, &str),
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Stated>, DbError> {
        self.read(|session| statement::ledger_of_days(session, facility, days, (limit, offset)))
    }

    /// The last entries of a stretch of days, both included, the latest first; of one facility that ordered, or of all;
    /// at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn newest_ledger_entries(
        &self,
        facility: Option<FacilityId>,
        days: (&str, &str),
        limit: u32,
    ) -> Result<Vec<Stated>, DbError> {
        self.read(|session| statement::ledger_newest(session, facility, days, limit))
    }

    /// Sums of a stretch of days, both included; of one facility that ordered, or of all.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ledger_sums(
        &self,
        by: LedgerBy,
        facility: Option<FacilityId>,
        days: (&str, &str),
    ) -> Result<Vec<LedgerSum>, DbError> {
        self.read(|session| statement::ledger_sums(session, by, facility, days))
    }

    /// The film part, in dong, of exams that count and for which a film was handed over: nothing was or will be saved
    /// there. Of a stretch of days, both included; of one facility that ordered, or of all.
    ///
    /// # Errors
    /// When the database fails.
    pub fn film_handed_over_vnd(
        &self,
        facility: Option<FacilityId>,
        days: (&str, &str),
    ) -> Result<i64, DbError> {
        self.read(|session| statement::film_handed_over(session, facility, days))
    }

    /// Orders of which something changed that the ledger looks at, and how often that was noted; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ledger_due(&self, limit: u32) -> Result<Vec<(String, i64)>, DbError> {
        self.read(|session| statement::ledger_due(session, limit))
    }

    /// Takes the note that an order is to be looked at away, unless it was made again since it was `noted` so often.
    ///
    /// # Errors
    /// When the database fails; nothing is changed then.
    pub fn ledger_looked_at(&self, order: &str, noted: i64) -> Result<(), DbError> {
        self.write(|session| statement::looked_at(session, order, noted))
    }

    /// Notes that all orders with decisions since `since_ms` (milliseconds since 1970-01-01 UTC) are to be looked at.
    ///
    /// # Errors
    /// When the database fails; nothing is changed then.
    pub fn all_ledger_due(&self, since_ms: i64) -> Result<(), DbError> {
        self.write(|session| statement::all_due(session, packed(since_ms)))
    }

    /// Notes that orders with decisions about other studies of a study's patient are to be looked at.
    ///
    /// # Errors
    /// When the database fails; nothing is changed then.
    pub fn study_coded(&self, study: &Uid) -> Result<(), DbError> {
        let rules = &self.options().identity;
        self.write(|session| statement::study_coded(session, study, rules))
    }
}
