//! What compaction asks of rows and does to them: which instances are hidden for good, which bulk values somebody still
//! names, and the one transaction that takes a pack out of the index.

use crate::db::sql::params;
use storage_config::{ContentHash, Uid};

use super::entry::{PackId, Place};
use super::error::DbError;
use super::session::{Session, signed, unsigned};
use super::{turn, verified};
use crate::statement::{Reason, State, Statement};

/// An instance that nobody is shown, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenInstance {
    /// Its id in rows.
    pub id: i64,
    /// Its digest.
    pub digest: ContentHash,
    /// Where its record is.
    pub place: Place,
    /// Its study.
    pub study_uid: Uid,
    /// Whether its study is under legal hold.
    pub held: bool,
    /// When a facility last got it, in milliseconds since 1970-01-01 UTC.
    pub last_ms: i64,
    /// The withdrawals in force that name it: when each was said (milliseconds since 1970-01-01 UTC) and why.
    pub withdrawals: Vec<(i64, Reason)>,
}

/// An instance's record and what is known of its bulk values without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamesBulk {
    /// Its id in rows.
    pub id: i64,
    /// Its digest.
    pub digest: ContentHash,
    /// Where its record is.
    pub place: Place,
    /// SHA-256 over the hashes of all its bulk values; empty where it has none.
    pub bulk_digest: Vec<u8>,
    /// The bulk value with its frames; empty where there is none.
    pub pixels: Vec<u8>,
}

/// What becomes of a pack that was written anew.
#[derive(Debug, Clone, Default)]
pub struct PackReplaced {
    /// The pack that goes.
    pub old: Option<PackId>,
    /// The pack with what stays; none where nothing does.
    pub new: Option<PackId>,
    /// Instances whose record moved: digest, where it was and where it is.
    pub moved: Vec<(ContentHash, u64, Place)>,
    /// Instances whose record goes for good.
    pub removed: Vec<ContentHash>,
    /// Bulk values that go for good from this pack, which nobody may have counted on since they were condemned.
    pub dead: Vec<ContentHash>,
    /// The run whose turn it has to be.
    pub run: String,
    /// Bulk values of the old pack, with their places in it.
    pub bulk: Vec<(u64, ContentHash)>,
}

/// What came of taking a pack out of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// It is out.
    Done,
    /// Nothing was changed: somebody wants again what was to go.
    Wanted,
    /// Nothing was changed: the turn is another's by now.
    TurnLost,
}

const HIDDEN: &str = "SELECT i.id, i.digest, i.pack_id, i.record_at, i.body_length, s.study_uid, \
     EXISTS (SELECT 1 FROM legal_hold l WHERE l.study_uid = s.study_uid), \
     coalesce((SELECT max(h.last_ms) FROM holding h WHERE h.instance_id = i.id), i.received_ms) \
     FROM instance i JOIN study s ON s.id = i.study_row WHERE i.hidden = 1 AND i.id > ?1 ORDER BY i.id LIMIT ?2";
const WITHDRAWALS: &str = "SELECT t.body FROM withdrawn w JOIN subject s ON s.id = w.subject_row \
     JOIN statement t ON t.id = s.statement_row WHERE w.digest = ?1";
const NAMING: &str = "SELECT i.id, i.digest, i.pack_id, i.record_at, i.body_length, i.bulk_digest, \
     coalesce(f.pixels, x'') FROM instance i LEFT JOIN frame_table f ON f.instance_id = i.id \
     WHERE i.id > ?1 ORDER BY i.id LIMIT ?2";
/// Reads all instances: for what is done seldom.
const IN_PACK: &str = "SELECT digest, record_at FROM instance WHERE pack_id = ?1 ORDER BY record_at";
/// Reads all places of bulk values: for what is done seldom.
const SURPLUS: &str = "SELECT DISTINCT b.pack_id FROM bulk_location b WHERE b.damaged <> 0 OR EXISTS \
     (SELECT 1 FROM bulk_location o WHERE o.hash = b.hash AND o.pack_id <> b.pack_id) \
     UNION SELECT pack_id FROM damaged_record";
const CONDEMN: &str = "UPDATE instance SET condemned = 1 WHERE digest = ?1 AND hidden = 1";
const CONDEMN_BULK: &str = "UPDATE bulk_location SET condemned = 1 WHERE hash = ?1";
const PARDON: &str = "UPDATE instance SET condemned = 0 WHERE condemned <> 0";
const PARDON_BULK: &str = "UPDATE bulk_location SET condemned = 0 WHERE condemned <> 0";
const REMOVED: &str = "SELECT 1 FROM removed WHERE digest = ?1 LIMIT 1";

/// A condemned instance as it is now: its id, bytes and holdings; none when somebody wants it again.
const STILL: &str = "SELECT i.id, i.length, (SELECT count(*) FROM holding h WHERE h.instance_id = i.id) \
     FROM instance i JOIN study s ON s.id = i.study_row WHERE i.digest = ?1 AND i.hidden = 1 AND i.condemned = 1 \
     AND i.pack_id = ?2 AND NOT EXISTS (SELECT 1 FROM legal_hold l WHERE l.study_uid = s.study_uid)";
const DROP_HOLDINGS: &str = "DELETE FROM holding WHERE instance_id = ?1";
const DROP_FRAMES: &str = "DELETE FROM frame_table WHERE instance_id = ?1";
const DROP: &str = "DELETE FROM instance WHERE id = ?1";
const MOVE: &str = "UPDATE instance SET pack_id = ?4, record_at = ?5, body_length = ?6, damaged = 0 \
     WHERE digest = ?1 AND pack_id = ?2 AND record_at = ?3";
const DROP_BULK: &str = "DELETE FROM bulk_location WHERE hash = ?1 AND pack_id = ?2 AND record_at = ?3";
const HAND_OVER: &str = "UPDATE pack SET \
     instances = instances + (SELECT p.instances FROM pack p WHERE p.id = ?1) - ?3, \
     data_set_bytes = data_set_bytes + (SELECT p.data_set_bytes FROM pack p WHERE p.id = ?1) - ?4, \
     holdings = holdings + (SELECT p.holdings FROM pack p WHERE p.id = ?1) - ?5 WHERE id = ?2";
const RETIRE: &str = "UPDATE pack SET removed = 1, sealed = 0, checkpoint = 0, length = 0, instances = 0, \
     data_set_bytes = 0, holdings = 0, bulk_copies = 0, bulk_bytes = 0 WHERE id = ?1";
const DROP_UNINDEXABLE: &str = "DELETE FROM unindexable WHERE pack_id = ?1";
const DROP_DAMAGED: &str = "DELETE FROM damaged_record WHERE pack_id = ?1";
const DROP_SERIES: &str = "DELETE FROM series_pack WHERE pack_id = ?1";
const NAME: &str = "SELECT name FROM pack WHERE id = ?1";
/// A copy of a condemned bulk value on which somebody counts again.
const COUNTED_ON: &str = "SELECT 1 FROM bulk_location WHERE hash = ?1 AND condemned = 0 AND damaged = 0 LIMIT 1";
/// Whether there is a copy that is not known to be damaged, and whether one of them is not condemned.
const LEAST_CONDEMNED: &str = "SELECT min(condemned) FROM bulk_location WHERE hash = ?1 AND damaged = 0";
const PARDON_ONE: &str = "UPDATE bulk_location SET condemned = 0 WHERE hash = ?1 AND damaged = 0";
const IS_THERE: &str = "SELECT 1 FROM instance WHERE digest = ?1";
const FORGIVE: &str = "DELETE FROM unindexable WHERE pack_id = ?1 AND record_at = ?2";

#[cfg(test)]
pub(super) const HOT: &[&str] =
    &[
    WITHDRAWALS,
    CONDEMN,
    CONDEMN_BULK,
    REMOVED,
    STILL,
    MOVE,
    DROP_BULK,
    HAND_OVER,
    RETIRE,
    COUNTED_ON,
    LEAST_CONDEMNED,
    PARDON_ONE,
    IS_THERE,
];

pub(super) fn hidden(session: &Session<'_>, after: i64, limit: u32) -> Result<Vec<HiddenInstance>, DbError> {
    let rows = session.rows(HIDDEN, params![after, limit], |row| {
        let place = Place { pack: PackId(row.get(2)?), offset: unsigned(row, 3)?, length: unsigned(row, 4)? };
        let ids: (i64, [u8; 32], String) = (row.get(0)?, row.get(1)?, row.get(5)?);
        Ok((ids, place, row.get::<_, bool>(6)?, row.get::<_, i64>(7)?))
    })?;
    rows.into_iter()
        .map(|((id, digest, study), place, held, last_ms)| {
            let bodies: Vec<String> = session.rows(WITHDRAWALS, [&digest[..]], |row| row.get(0))?;
            let withdrawals = bodies.iter().map(|body| said(body)).collect::<Result<_, DbError>>()?;
            let study_uid = Uid::parse(&study).map_err(|_| DbError::Invalid("study UID"))?;
            Ok(HiddenInstance {
                id,
                digest: ContentHash(digest),
                place,
                study_uid,
                held,
                last_ms,
                withdrawals,
            })
        })
        .collect()
}

/// When a withdrawal was said, and why.
fn said(body: &str) -> Result<(i64, Reason), DbError> {
    let statement = Statement::from_json(body.as_bytes()).map_err(|_| DbError::Invalid("statement"))?;
    match statement.state {
        State::Withdrawal(state) => Ok((statement.time.ms(), state.reason)),
        _ => Err(DbError::Invalid("withdrawal")),
    }
}

pub(super) fn naming(session: &Session<'_>, after: i64, limit: u32) -> Result<Vec<NamesBulk>, DbError> {
    session.rows(NAMING, params![after, limit], |row| {
        let place = Place { pack: PackId(row.get(2)?), offset: unsigned(row, 3)?, length: unsigned(row, 4)? };
        let digest = ContentHash(row.get(1)?);
        Ok(NamesBulk { id: row.get(0)?, digest, place, bulk_digest: row.get(5)?, pixels: row.get(6)? })
    })
}

pub(super) fn in_pack(session: &Session<'_>, pack: PackId) -> Result<Vec<(u64, ContentHash)>, DbError> {
    session.rows(IN_PACK, [pack.0], |row| Ok((unsigned(row, 1)?, ContentHash(row.get(0)?))))
}

pub(super) fn with_surplus(session: &Session<'_>) -> Result<Vec<PackId>, DbError> {
    session.rows(SURPLUS, [], |row| Ok(PackId(row.get(0)?)))
}

/// From now on no arrival counts on these.
pub(super) fn condemn(
    session: &Session<'_>,
    instances: &[ContentHash],
    bulk: &[ContentHash],
) -> Result<(), DbError> {
    for digest in instances {
        session.execute(CONDEMN, [&digest.0[..]])?;
    }
    for hash in bulk {
        session.execute(CONDEMN_BULK, [&hash.0[..]])?;
    }
    Ok(())
}

/// Takes back what [`condemn`] said of whatever is still there.
pub(super) fn pardon(session: &Session<'_>) -> Result<(), DbError> {
    session.execute(PARDON, [])?;
    session.execute(PARDON_BULK, []).map(drop)
}

/// Whether a statement says that the bytes of an instance were removed.
pub(super) fn is_removed(session: &Session<'_>, digest: &ContentHash) -> Result<bool, DbError> {
    Ok(session.row(REMOVED, [&digest.0[..]], |_| Ok(()))?.is_some())
}

/// A record that cannot become rows is no loss after all.
pub(super) fn forgive(session: &Session<'_>, place: Place) -> Result<(), DbError> {
    session.execute(FORGIVE, params![place.pack.0, signed(place.offset, "record position")?]).map(drop)
}

/// Whether a bulk value is there to be counted on by what is about to become a row. One that was condemned meanwhile is
/// pardoned: the run that condemned it finds so before it takes it out.
pub(super) fn count_on_bulk(session: &Session<'_>, hash: &ContentHash) -> Result<bool, DbError> {
    let least: Option<i64> = session.row(LEAST_CONDEMNED, [&hash.0[..]], |row| row.get(0))?.flatten();
    if least == Some(1) {
        session.execute(PARDON_ONE, [&hash.0[..]])?;
    }
    Ok(least.is_some())
}

/// Whether an instance is there to be held by another facility.
pub(super) fn count_on_instance(session: &Session<'_>, digest: &ContentHash) -> Result<bool, DbError> {
    Ok(session.row(IS_THERE, [&digest.0[..]], |_| Ok(()))?.is_some())
}

/// Takes a pack out of the index, in the turn of its run.
pub(super) fn replace(session: &Session<'_>, pack: &PackReplaced) -> Result<Replaced, DbError> {
    let Some(old) = pack.old else { return Ok(Replaced::Wanted) };
    if !turn::is_of(session, &pack.run)? {
        return Ok(Replaced::TurnLost);
    }
    for hash in &pack.dead {
        if session.row(COUNTED_ON, [&hash.0[..]], |_| Ok(()))?.is_some() {
            return Ok(Replaced::Wanted);
        }
    }
    let (mut bytes, mut holdings, mut going) = (0, 0, Vec::with_capacity(pack.removed.len()));
    for digest in &pack.removed {
        let found = session.row(STILL, params![&digest.0[..], old.0], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        let Some((id, length, held_by)) = found else { return Ok(Replaced::Wanted) };
        bytes += length;
        holdings += held_by;
        going.push(id);
    }
    for id in going {
        for sql in [DROP_HOLDINGS, DROP_FRAMES, DROP] {
            session.execute(sql, [id])?;
        }
    }
    for (digest, from, to) in &pack.moved {
        let (from, at) = (signed(*from, "record position")?, signed(to.offset, "record position")?);
        let length = signed(to.length, "body length")?;
        session.execute(MOVE, params![&digest.0[..], old.0, from, to.pack.0, at, length])?;
    }
    verified::again(session, old)?;
    for (offset, hash) in &pack.bulk {
        session.execute(DROP_BULK, params![&hash.0[..], old.0, signed(*offset, "record position")?])?;
    }
    let new = pack.new.map_or(old.0, |new| new.0);
    if pack.new.is_some() {
        let removed = signed(pack.removed.len() as u64, "count")?;
        session.execute(HAND_OVER, params![old.0, new, removed, bytes, holdings])?;
    }
    for sql in [DROP_UNINDEXABLE, DROP_DAMAGED, DROP_SERIES, RETIRE] {
        session.execute(sql, [old.0])?;
    }
    if let Some(name) = session.row(NAME, [old.0], |row| row.get::<_, String>(0))? {
        verified::forget_pack(session, &name)?;
    }
    Ok(Replaced::Done)
}
