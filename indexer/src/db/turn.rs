//! Whose turn it is to compact, among the servers of one index.
//!
//! A turn runs out, so that a server that died does not keep it. One that was only slow finds at its next step that the
//! turn is another's, and changes nothing: each step asks in its own transaction.

use super::error::DbError;
use super::session::Session;
use crate::db::sql::params;

const FIND: &str = "SELECT run, until_ms FROM compaction WHERE one = 1";
const TAKE: &str = "INSERT INTO compaction (one, run, until_ms) VALUES (1, ?1, ?2) \
     ON CONFLICT (one) DO UPDATE SET run = excluded.run, until_ms = excluded.until_ms";
const END: &str = "DELETE FROM compaction WHERE run = ?1";
const END_ANY: &str = "DELETE FROM compaction";

/// Takes the turn for `run`, whose name begins with its server's; whether it is free: of nobody, of a run of the same
/// server, which must be dead, or of one that ran out before `now_ms`.
pub(super) fn take(session: &Session<'_>, run: &str, (now_ms, until_ms): (i64, i64)) -> Result<bool, DbError> {
    let server = |run: &str| run.split('-').next().unwrap_or_default().to_owned();
    let free = find(session)?.is_none_or(|(of, until)| server(&of) == server(run) || until < now_ms);
    if free {
        session.execute(TAKE, params![run, until_ms])?;
    }
    Ok(free)
}

/// Keeps the turn until `until_ms`; whether it still is that of `run`.
pub(super) fn keep(session: &Session<'_>, run: &str, until_ms: i64) -> Result<bool, DbError> {
    let own = is_of(session, run)?;
    if own {
        session.execute(TAKE, params![run, until_ms])?;
    }
    Ok(own)
}

/// Whether the turn is that of `run`.
pub(super) fn is_of(session: &Session<'_>, run: &str) -> Result<bool, DbError> {
    Ok(find(session)?.is_some_and(|(of, _)| of == run))
}

/// Ends the turn of `run`, if it is its own.
pub(super) fn end(session: &Session<'_>, run: &str) -> Result<(), DbError> {
    session.execute(END, params![run]).map(drop)
}

/// Takes the turn away from whoever has it, unless that may be a live run of a server other than `server`; whether nobody
/// has it now.
pub(super) fn break_off(session: &Session<'_>, server: &str, now_ms: i64) -> Result<bool, DbError> {
    let own = |run: &str| run.split('-').next() == Some(server);
    let free = find(session)?.is_none_or(|(of, until)| own(&of) || until < now_ms);
    if free {
        session.execute(END_ANY, [])?;
    }
    Ok(free)
}

fn find(session: &Session<'_>) -> Result<Option<(String, i64)>, DbError> {
    session.row(FIND, [], |row| Ok((row.get(0)?, row.get(1)?)))
}
