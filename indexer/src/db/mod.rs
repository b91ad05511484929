//! The index: rows derived from packs. All SQL of the archive is in this module, one file per noun.
//!
//! [`Db`] is its one door. Rows are a function of the set of records applied: not of their order, nor of how often
//! one was applied, so that a pack's tail can be replayed after a crash and a lost index rebuilt. Knows rows and
//! records, not the bytes of packs, nor who asks.

mod ahead;
mod apply;
mod bulk;
mod coding;
mod compacting;
mod conflict;
mod content;
mod dialect;
mod door;
mod entry;
mod error;
mod evidence;
mod facility;
mod faults;
mod find;
mod holding;
mod instance;
mod ledger;
mod machine;
mod node;
mod object;
mod pack;
mod patient;
mod peer;
mod person;
#[cfg(test)]
mod plans;
mod postgres;
mod prior;
mod readers;
mod removal;
mod retrieve;
mod row;
mod series;
mod session;
mod show;
mod showing;
mod sql;
mod sqlite;
mod statement;
mod stating;
mod study;
mod total;
mod touched;
mod turn;
mod verified;
mod verifying;
mod version;
mod visible;
mod word;

use std::path::Path;

use storage_config::{ContentHash, Uid};

pub use bulk::{BulkLocation, DamagedCopy};
pub use coding::{NewCoding, Reviewed, SeriesSource, StudySource};
pub use conflict::{Conflict, Unindexable};
pub use content::{SeriesMember, SeriesState};
pub use entry::{
    Applied, Batch, ConflictKind, Entry, FacilityId, InstanceEntry, Job, PackId, PeerEvent, Place, ReliesOn,
};
pub use error::{DbError, DbErrorKind};
pub use evidence::{EvidenceRow, ExaminedInstance, ExaminedSeries, ExaminedStudy};
pub use facility::FacilityCode;
pub use faults::{DbCall, DbFault, DbFaults};
pub use holding::{HoldingRow, StudySender};
pub use machine::MachineClock;
pub use object::PackObject;
pub use pack::LostPacks;
pub use pack::PackRow;
pub use patient::GROUP_PATIENTS_MAX;
pub use peer::{PeerRow, UnknownPeer};
pub use person::{CANDIDATES_MAX, CandidateRow, CollisionRow, Collisions, Kin, Member, PersonRecord};
pub use postgres::PostgresDb;
pub use prior::{HolderRow, PatientRow, PriorSeries, PriorStudy};
pub use removal::{HiddenInstance, NamesBulk, PackReplaced, Replaced};
pub use retrieve::{FrameSource, InstanceAfter, InstanceRow, Known, Scope, VersionRow};
pub use series::SeriesRow;
pub use sqlite::{Checkpointed, DbOptions, SqliteDb, WalLimits};
pub use statement::{DecisionsBy, DeliveriesBy, DocumentChanged, LedgerBy, LedgerSum};
pub use statement::{NotAPlace, Unmet, UnmetAfter};
pub use statement::{OrdersBy, RejectedArrival, ReportsBy, Stated, StudyWithoutOrder, SubjectRow};
pub use statement::{StepVersions, StudySteps};
pub use total::Totals;
pub use verified::{DamagedRecord, PackVerified, SeriesToVerify, SeriesVerified};

use crate::query::{GroupKey, IdentityGroup, Page, Query};
use session::Session;

/// The database of the index.
pub enum Db {
    /// One file beside the packs.
    Sqlite(Box<SqliteDb>),
    /// A server, which several archives may share.
    Postgres(Box<PostgresDb>),
}

impl Db {
    /// Opens or makes a SQLite file.
    ///
    /// # Errors
    /// When the file cannot be opened, is damaged, or was written by a later version.
    pub fn open(path: &Path, options: DbOptions) -> Result<Db, DbError> {
        SqliteDb::open(path, options).map(|db| Db::Sqlite(Box::new(db)))
    }

    /// Opens a PostgreSQL database by its URL (`postgres://user:password@host:port/name`) and makes its tables where
    /// they are missing. Waits a while for a server that is starting.
    ///
    /// # Errors
    /// When the URL is none, the server cannot be reached or refuses, or the tables are of a later version.
    pub fn open_postgres(url: &str, options: DbOptions) -> Result<Db, DbError> {
        PostgresDb::open(url, options).map(|db| Db::Postgres(Box::new(db)))
    }

    /// Applies a batch: all of it, durable after the next sync of the database, or nothing.
    ///
    /// # Errors
    /// When the database fails; nothing is applied then, except perhaps after [`DbError::OutcomeUnknown`]. Applying
    /// the same batch again is always safe.
    pub fn apply(&self, batch: &Batch) -> Result<Vec<Applied>, DbError> {
        self.apply_when_durable(&[batch], || true)
    }

    /// Applies batches in order in one transaction whose last step before the commit is to ask `durable`: so rows
    /// can be made while the disk still syncs the records they come from. What became of each entry, in order.
    ///
    /// # Errors
    /// [`DbError::NotDurable`] when `durable` says no, and as [`Db::apply`]; nothing is applied then.
    pub fn apply_when_durable(
        &self,
        batches: &[&Batch],
        durable: impl FnOnce() -> bool,
    ) -> Result<Vec<Applied>, DbError> {
        self.apply_at(None, batches, durable)
    }

    /// The same over the connection of one [`Db::epoch`] alone.
    ///
    /// # Errors
    /// [`DbError::Reconnected`] when it is another one, and as [`Db::apply_when_durable`]; nothing is applied then.
    pub fn apply_at(
        &self,
        epoch: Option<u64>,
        batches: &[&Batch],
        durable: impl FnOnce() -> bool,
    ) -> Result<Vec<Applied>, DbError> {
        let options = self.options();
        self.write_at(epoch, |session| {
            let applied = apply::apply(session, batches, options)?;
            if durable() { Ok(applied) } else { Err(DbError::NotDurable) }
        })
    }

    /// Takes note that the bytes of a pack are nowhere, so that what comes again takes the place of what it held.
    pub(crate) fn pack_is_lost(&self, pack: PackId) {
        self.options().lost.note(pack);
    }

    /// Whether the bytes of a pack are known to be nowhere.
    pub(crate) fn has_lost(&self, pack: PackId) -> bool {
        self.options().lost.has(pack)
    }

    /// Does one small piece of background work.
    ///
    /// # Errors
    /// When the database fails; nothing is done then.
    pub fn background(&self, job: &Job) -> Result<(), DbError> {
        self.write(|session| match job {
            Job::PackSealed { pack, length } => pack::seal(session, *pack, *length),
            Job::PackUploaded(object) => {
                pack::seal(session, object.pack, object.length)?;
                object::note(session, object)
            }
            Job::BulkDamaged { hash, place } => bulk::mark_damaged(session, hash, *place),
            Job::PeerSeen { ae_title, address, at_ms, what } => {
                peer::seen(session, ae_title, address, *at_ms, what)
            }
            Job::UnknownPeer { ae_title, address, called, at_ms } => {
                peer::refused(session, ae_title, address, called, *at_ms)
            }
        })
    }

    /// The id of a pack by its name, made when it is new.
    ///
    /// # Errors
    /// When the database fails.
    pub fn pack_id(&self, name: &str) -> Result<PackId, DbError> {
        self.write(|session| pack::id(session, name))
    }

    /// Empties all that is derived from packs, the packs' own rows included. What was learnt of peers stays.
    ///
    /// # Errors
    /// When the database fails; nothing is emptied then.
    pub fn wipe(&self) -> Result<(), DbError> {
        self.write(apply::wipe)
    }

    /// All packs that were registered, by id.
    ///
    /// # Errors
    /// When the database fails, as all reads below.
    pub fn packs(&self) -> Result<Vec<PackRow>, DbError> {
        self.read(pack::all)
    }

    /// The packs that are objects of the bucket, by id.
    ///
    /// # Errors
    /// When the database fails.
    pub fn pack_objects(&self) -> Result<Vec<PackObject>, DbError> {
        self.read(object::all)
    }

    /// What is known of a pack as an object of the bucket; none where it is none.
    ///
    /// # Errors
    /// When the database fails.
    pub fn pack_object(&self, pack: PackId) -> Result<Option<PackObject>, DbError> {
        self.read(|session| object::find(session, pack))
    }

    /// How far a pack is indexed, in bytes.
    ///
    /// # Errors
    /// When the database fails.
    pub fn checkpoint_of(&self, pack: PackId) -> Result<u64, DbError> {
        self.read(|session| pack::checkpoint(session, pack))
    }

    /// Where copies of a bulk value are, those not known to be damaged first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn bulk_locations(&self, hash: &ContentHash) -> Result<Vec<BulkLocation>, DbError> {
        self.read(|session| bulk::locations(session, hash))
    }

    /// What deduplication asks of one arriving instance, in one look.
    ///
    /// # Errors
    /// When the database fails.
    pub fn known(
        &self,
        digest: &ContentHash,
        facility: FacilityId,
        bulk: &[ContentHash],
    ) -> Result<Known, DbError> {
        self.read(|session| retrieve::known(session, digest, facility, bulk))
    }

    /// An instance by its digest, served or not.
    ///
    /// # Errors
    /// When the database fails.
    pub fn instance_by_digest(&self, digest: &ContentHash) -> Result<Option<InstanceRow>, DbError> {
        self.read(|session| retrieve::by_digest(session, digest))
    }

    /// The next served instances of a scope, by series number, then instance number. The first page has no `after`;
    /// the next one that of its last row, until a page is shorter than `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn instances_of(
        &self,
        scope: &Scope,
        after: Option<&InstanceAfter>,
        limit: usize,
    ) -> Result<Vec<InstanceRow>, DbError> {
        self.read_snapshot(|session| retrieve::of_scope(session, scope, after, limit))
    }

    /// The series of a study, by series number.
    ///
    /// # Errors
    /// When the database fails.
    pub fn series_of(&self, study: &Uid) -> Result<Vec<SeriesRow>, DbError> {
        self.read(|session| series::of_study(session, study))
    }

    /// All versions of a SOP instance, the served one of each study and series first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn versions(&self, study: Option<&Uid>, sop_instance: &Uid) -> Result<Vec<VersionRow>, DbError> {
        self.read_snapshot(|session| retrieve::versions(session, study, sop_instance))
    }

    /// The frame table of an instance, by [`InstanceRow::id`].
    ///
    /// # Errors
    /// When the database fails.
    pub fn frame_table(&self, instance: i64) -> Result<Option<Vec<u8>>, DbError> {
        self.read(|session| retrieve::frame_table(session, instance))
    }

    /// A served instance with what reading its frames needs; `scope` names one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn frame_source(&self, scope: &Scope) -> Result<Option<FrameSource>, DbError> {
        self.read_snapshot(|session| retrieve::frame_source(session, scope))
    }

    /// The series of a study, or the one that is named, by series number: their ids and generations.
    ///
    /// # Errors
    /// When the database fails.
    pub fn series_states(&self, study: &Uid, series: Option<&Uid>) -> Result<Vec<SeriesState>, DbError> {
        self.read(|session| content::states(session, study, series))
    }

    /// The served instances of a series ([`SeriesState::id`]) in the order in which they were indexed, and the
    /// series' generation with which they are.
    ///
    /// # Errors
    /// When the database fails.
    pub fn series_members(&self, series: i64) -> Result<(u64, Vec<SeriesMember>), DbError> {
        self.read_snapshot(|session| content::members(session, series))
    }

    /// The identity group of the people that `keys` name: studies of one number without a clash, of one personal number
    /// with agreeing birth date and sex, and what people linked; without what they parted. None where the keys name nobody.
    ///
    /// # Errors
    /// When the database fails.
    pub fn identity_group(&self, keys: &[GroupKey]) -> Result<Option<IdentityGroup>, DbError> {
        let rules = &self.options().identity;
        self.read(|session| person::group(session, keys, rules))
    }

    /// Whether a study is of somebody of an identity group.
    ///
    /// # Errors
    /// When the database fails.
    pub fn group_has_study(&self, group: &IdentityGroup, study: &Uid) -> Result<bool, DbError> {
        self.read(|session| person::has_study(session, group.rows(), study.as_str()))
    }

    /// Who holds an instance, by [`InstanceRow::id`]; for the operator.
    ///
    /// # Errors
    /// When the database fails.
    pub fn holdings(&self, instance: i64) -> Result<Vec<HoldingRow>, DbError> {
        self.read(|session| holding::of_instance(session, instance))
    }

    /// Answers a query (PS3.4 C.2.2.2, PS3.18 8.3.4).
    ///
    /// # Errors
    /// When the database fails.
    pub fn query(&self, query: &Query) -> Result<Page, DbError> {
        self.read_snapshot(|session| show::answer(session, query))
    }

    /// What needs a person's eye, by study, and nobody has resolved; at most `limit` after the first `offset`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn conflicts(&self, limit: u32, offset: u32) -> Result<Vec<Conflict>, DbError> {
        self.read(|session| conflict::list(session, false, limit, offset))
    }

    /// Records that could not become rows; at most `limit` after the first `offset`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn unindexable(&self, limit: u32, offset: u32) -> Result<Vec<Unindexable>, DbError> {
        self.read(|session| conflict::unindexable(session, limit, offset))
    }

    /// Copies of bulk values that are known to be damaged, by place; at most `limit` after the first `offset`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn damaged_copies(&self, limit: u32, offset: u32) -> Result<Vec<DamagedCopy>, DbError> {
        self.read_snapshot(|session| bulk::damaged(session, limit, offset))
    }

    /// The codes of all facilities, by facility and date.
    ///
    /// # Errors
    /// When the database fails.
    pub fn facility_codes(&self) -> Result<Vec<FacilityCode>, DbError> {
        self.read(facility::codes)
    }

    /// Machines whose clock seems wrong, the latest first; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn machine_clocks(&self, limit: u32) -> Result<Vec<MachineClock>, DbError> {
        self.read(|session| machine::list(session, limit))
    }

    /// Known peers and when they last did what.
    ///
    /// # Errors
    /// When the database fails.
    pub fn peers(&self) -> Result<Vec<PeerRow>, DbError> {
        self.read(peer::list)
    }

    /// Callers that were refused because nothing is configured for them, the latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn unknown_peers(&self) -> Result<Vec<UnknownPeer>, DbError> {
        self.read(peer::unknown)
    }

    /// What the archive holds, over all facilities; for the operator alone. Of many studies it may be some seconds old.
    ///
    /// # Errors
    /// When the database fails.
    pub fn totals(&self) -> Result<Totals, DbError> {
        let kept = match self {
            Db::Sqlite(db) => &db.totals,
            Db::Postgres(db) => &db.totals,
        };
        kept.or_sum(|| self.read_snapshot(total::read))
    }

    /// Moves the write-ahead log into the file where it has grown; on a connection of its own.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn checkpoint(&self, limits: WalLimits) -> Result<Option<Checkpointed>, DbError> {
        match self {
            Db::Sqlite(db) => db.checkpoint(limits),
            Db::Postgres(_) => Ok(None),
        }
    }

    /// Bytes of the write-ahead log.
    #[must_use]
    pub fn wal_bytes(&self) -> u64 {
        match self {
            Db::Sqlite(db) => db.wal_bytes(),
            Db::Postgres(_) => 0,
        }
    }

    fn options(&self) -> &DbOptions {
        match self {
            Db::Sqlite(db) => db.options(),
            Db::Postgres(db) => db.options(),
        }
    }

    fn write<T>(&self, work: impl FnOnce(&Session<'_>) -> Result<T, DbError>) -> Result<T, DbError> {
        self.write_at(None, work)
    }

    fn write_at<T>(
        &self,
        epoch: Option<u64>,
        work: impl FnOnce(&Session<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        match self {
            Db::Sqlite(db) => db.write(work),
            Db::Postgres(db) => db.write(epoch, work),
        }
    }

    fn read<T>(&self, work: impl FnOnce(&Session<'_>) -> Result<T, DbError>) -> Result<T, DbError> {
        match self {
            Db::Sqlite(db) => db.read(work),
            Db::Postgres(db) => db.read(work),
        }
    }

    fn read_snapshot<T>(&self, work: impl FnOnce(&Session<'_>) -> Result<T, DbError>) -> Result<T, DbError> {
        match self {
            Db::Sqlite(db) => db.read_snapshot(work),
            Db::Postgres(db) => db.read_snapshot(work),
        }
    }
}
