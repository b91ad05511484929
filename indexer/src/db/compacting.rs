//! [`Db`] as far as it is about removing what need not be kept.

use storage_config::ContentHash;

use super::removal::{self, HiddenInstance, NamesBulk, PackReplaced};
use super::{Db, DbError, PackId, Place, WalLimits};

/// How often a durable commit is tried while readers stand in its way; each try waits for them by itself.
const DURABLE_TRIES: u32 = 20;

impl Db {
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

    /// From now on no arrival counts on these hidden instances and these bulk values: it is written anew.
    ///
    /// # Errors
    /// When the database fails.
    pub fn condemn(&self, instances: &[ContentHash], bulk: &[ContentHash]) -> Result<(), DbError> {
        self.write(|session| removal::condemn(session, instances, bulk))
    }

    /// Takes back what [`Db::condemn`] said of whatever is still there.
    ///
    /// # Errors
    /// When the database fails.
    pub fn pardon(&self) -> Result<(), DbError> {
        self.write(removal::pardon)
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

    /// Takes a pack out of the index in favour of another one; whether that was done. It is not when somebody meanwhile
    /// wants again what was to go: nothing is changed then.
    ///
    /// # Errors
    /// When the database fails; nothing is changed then.
    pub fn replace_pack(&self, pack: &PackReplaced) -> Result<bool, DbError> {
        self.write(|session| removal::replace(session, pack))
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
