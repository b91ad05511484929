//! [`Db`] as far as it is about removing what need not be kept.

use storage_config::ContentHash;

use super::object::{self, PackObject};
use super::removal::{self, HiddenInstance, NamesBulk, PackReplaced, Replaced};
use super::{Db, DbError, PackId, PackRow, Place, WalLimits, instance, pack, turn};

/// How often a durable commit is tried while readers stand in its way; each try waits for them by itself.
const DURABLE_TRIES: u32 = 20;

impl Db {
    /// One pack that was registered.
    ///
    /// # Errors
    /// When the database fails.
    pub fn pack(&self, pack: PackId) -> Result<Option<PackRow>, DbError> {
        self.read(|session| pack::one(session, pack))
    }

    /// Seals a pack of `length` bytes whose last record ends at `upto`, unless a record of it is no row yet; whether it
    /// did.
    ///
    /// # Errors
    /// When the database fails.
    pub fn seal_indexed(&self, pack: PackId, length: u64, upto: u64) -> Result<bool, DbError> {
        self.write(|session| pack::seal_indexed(session, pack, (length, upto)))
    }

    /// Instances that nobody is shown, by id after `after`.
    ///
    /// # Errors
    /// When the database fails, as all below.
    pub fn hidden_instances(&self, after: i64, limit: u32) -> Result<Vec<HiddenInstance>, DbError> {
        self.read_snapshot(|session| removal::hidden(session, after, limit))
    }

    /// All instances with what is known of the bulk values they name, by id after `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn instances_naming_bulk(&self, after: i64, limit: u32) -> Result<Vec<NamesBulk>, DbError> {
        self.read(|session| removal::naming(session, after, limit))
    }

    /// The places of all records of an instance of which there are several.
    ///
    /// # Errors
    /// When the database fails.
    pub fn record_copies(&self, digest: &ContentHash) -> Result<Vec<Place>, DbError> {
        self.read(|session| instance::copies(session, digest))
    }

    /// Instances whose record is in a pack, by place in it. Reads all instances.
    ///
    /// # Errors
    /// When the database fails.
    pub fn instances_in_pack(&self, pack: PackId) -> Result<Vec<(u64, ContentHash)>, DbError> {
        self.read(|session| removal::in_pack(session, pack))
    }

    /// Packs with copies of bulk values that another pack has too, or with anything damaged. Reads all places of bulk
    /// values.
    ///
    /// # Errors
    /// When the database fails.
    pub fn packs_with_surplus(&self) -> Result<Vec<PackId>, DbError> {
        self.read(removal::with_surplus)
    }

    /// From now on no arrival counts on these hidden instances and these bulk values: it is written anew. Whether the turn
    /// is that of `run`; nothing is done otherwise.
    ///
    /// # Errors
    /// When the database fails.
    pub fn condemn(
        &self,
        run: &str,
        instances: &[ContentHash],
        bulk: &[ContentHash],
    ) -> Result<bool, DbError> {
        self.write(|session| {
            let own = turn::is_of(session, run)?;
            if own {
                removal::condemn(session, instances, bulk)?;
            }
            Ok(own)
        })
    }

    /// Takes back what earlier runs condemned, in the turn of `run`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn pardon(&self, run: &str) -> Result<(), DbError> {
        self.write(|session| if turn::is_of(session, run)? { removal::pardon(session) } else { Ok(()) })
    }

    /// Whether a statement says that the bytes of an instance were removed.
    ///
    /// # Errors
    /// When the database fails.
    pub fn is_removed(&self, digest: &ContentHash) -> Result<bool, DbError> {
        self.read(|session| removal::is_removed(session, digest))
    }

    /// Takes a record from the list of those that cannot become rows.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forgive_unindexable(&self, place: Place) -> Result<(), DbError> {
        self.write(|session| removal::forgive(session, place))
    }

    /// Takes a pack out of the index in favour of another one. It is not when somebody meanwhile wants again what was to
    /// go, or when the turn to compact is another's: nothing is changed then.
    ///
    /// # Errors
    /// When the database fails; nothing is changed then.
    pub fn replace_pack(&self, pack: &PackReplaced) -> Result<Replaced, DbError> {
        self.write(|session| removal::replace(session, pack))
    }

    /// Takes the turn to compact for `run`, a name that begins with its server's and a hyphen; whether it is free. Both
    /// times are milliseconds since 1970-01-01 UTC: now, and until when the turn counts as that of a live server.
    ///
    /// # Errors
    /// When the database fails, as all below.
    pub fn take_turn(&self, run: &str, now_ms: i64, until_ms: i64) -> Result<bool, DbError> {
        self.write(|session| turn::take(session, run, (now_ms, until_ms)))
    }

    /// Keeps the turn of `run` until `until_ms`; whether it still has it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_turn(&self, run: &str, until_ms: i64) -> Result<bool, DbError> {
        self.write(|session| turn::keep(session, run, until_ms))
    }

    /// Takes back what the run condemned and was not removed, and ends its turn. Nothing is done where the turn is
    /// another's.
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_turn(&self, run: &str) -> Result<(), DbError> {
        self.write(|session| {
            if turn::is_of(session, run)? {
                removal::pardon(session)?;
            }
            turn::end(session, run)
        })
    }

    /// Ends the turn of whichever run has it, unless that may be a live one of a server other than `server`; whether nobody
    /// has it now.
    ///
    /// # Errors
    /// When the database fails.
    pub fn break_turn(&self, server: &str, now_ms: i64) -> Result<bool, DbError> {
        self.write(|session| turn::break_off(session, server, now_ms))
    }

    /// Gives the object of a pack up that [`Db::replace_pack`] took out of the index, in the turn of `run`; whether that was
    /// done.
    ///
    /// # Errors
    /// When the database fails.
    pub fn retire_object(&self, run: &str, pack: PackId, now_ms: i64) -> Result<bool, DbError> {
        self.write(|session| Ok(turn::is_of(session, run)? && object::retire(session, pack, now_ms)?))
    }

    /// Objects that were given up and are to be removed.
    ///
    /// # Errors
    /// When the database fails.
    pub fn retired_objects(&self) -> Result<Vec<PackObject>, DbError> {
        self.read(object::retired)
    }

    /// Notes that an object that was given up is removed.
    ///
    /// # Errors
    /// When the database fails.
    pub fn object_gone(&self, pack: PackId) -> Result<(), DbError> {
        self.write(|session| object::gone(session, pack))
    }

    /// Makes everything that was committed surely durable, which a commit alone is not (see `sqlite.rs`).
    ///
    /// # Errors
    /// When the disk fails, or when readers stood in the way for too long: nothing may be destroyed then.
    pub fn make_durable(&self) -> Result<(), DbError> {
        for _ in 0..DURABLE_TRIES {
            let done = self.checkpoint(WalLimits { move_from_bytes: 0, empty_from_bytes: 0 })?;
            if done.is_none_or(|done| !done.busy && done.moved == done.pages) {
                return Ok(());
            }
        }
        Err(DbError::NotDurable)
    }
}
