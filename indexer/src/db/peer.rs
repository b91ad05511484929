//! Peers: when a known one last did what, and which unknown ones were refused. Not derived from packs.

use crate::db::sql::params;

use super::entry::PeerEvent;
use super::error::DbError;
use super::session::{Session, unsigned};

/// Most peers of each table that are remembered; the least recent one goes.
const MOST: i64 = 1_000;
/// Most characters kept of a text about a peer.
const TEXT_MAX: usize = 200;

/// A known peer. Times are milliseconds since 1970-01-01 UTC, 0 for never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRow {
    /// Its AE title, or the name of its token.
    pub ae_title: String,
    /// Its address without the port.
    pub address: String,
    /// Last verification.
    pub echo_ms: i64,
    /// Last acknowledged store.
    pub store_ms: i64,
    /// Last failure.
    pub error_ms: i64,
    /// What failed then.
    pub error: String,
}

/// A caller that was refused because nothing is configured for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPeer {
    /// The AE title it gave.
    pub ae_title: String,
    /// Its address without the port.
    pub address: String,
    /// The AE title it called.
    pub called: String,
    /// First attempt, in milliseconds since 1970-01-01 UTC.
    pub first_ms: i64,
    /// Last attempt.
    pub last_ms: i64,
    /// Number of attempts.
    pub attempts: u64,
}

const SEEN: &str = "INSERT INTO peer (ae_title, address, echo_ms, store_ms, error_ms, error, seen_ms) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (ae_title, address) DO UPDATE SET \
     echo_ms = CASE WHEN excluded.echo_ms > peer.echo_ms THEN excluded.echo_ms ELSE peer.echo_ms END, store_ms = CASE WHEN excluded.store_ms > peer.store_ms THEN excluded.store_ms ELSE peer.store_ms END, \
     error = CASE WHEN excluded.error_ms > peer.error_ms THEN excluded.error ELSE peer.error END, \
     error_ms = CASE WHEN excluded.error_ms > peer.error_ms THEN excluded.error_ms ELSE peer.error_ms END, seen_ms = CASE WHEN excluded.seen_ms > peer.seen_ms THEN excluded.seen_ms ELSE peer.seen_ms END";
const FORGET: &str = "DELETE FROM peer WHERE (SELECT count(*) FROM peer) > ?1 AND (ae_title, address) = \
     (SELECT ae_title, address FROM peer ORDER BY seen_ms LIMIT 1)";
const LIST: &str =
    "SELECT ae_title, address, echo_ms, store_ms, error_ms, error FROM peer ORDER BY ae_title, address";
const REFUSED: &str = "INSERT INTO unknown_peer (ae_title, address, called, first_ms, last_ms, attempts) \
     VALUES (?1, ?2, ?3, ?4, ?4, 1) ON CONFLICT (ae_title, address, called) DO UPDATE SET \
     last_ms = CASE WHEN excluded.last_ms > unknown_peer.last_ms THEN excluded.last_ms ELSE unknown_peer.last_ms END, \
     attempts = unknown_peer.attempts + 1";
const FORGET_UNKNOWN: &str = "DELETE FROM unknown_peer WHERE (SELECT count(*) FROM unknown_peer) > ?1 \
     AND (ae_title, address, called) = \
     (SELECT ae_title, address, called FROM unknown_peer ORDER BY last_ms, ae_title LIMIT 1)";
const UNKNOWN: &str = "SELECT ae_title, address, called, first_ms, last_ms, attempts FROM unknown_peer \
     ORDER BY last_ms DESC, ae_title, address, called";

pub(super) fn seen(
    session: &Session<'_>,
    ae_title: &str,
    address: &str,
    at_ms: i64,
    what: &PeerEvent,
) -> Result<(), DbError> {
    let (echo, store, error, text) = match what {
        PeerEvent::Echo => (at_ms, 0, 0, ""),
        PeerEvent::Store => (0, at_ms, 0, ""),
        PeerEvent::Error(text) => (0, 0, at_ms, cut(text)),
    };
    session.execute(SEEN, params![cut(ae_title), cut(address), echo, store, error, text, at_ms])?;
    session.execute(FORGET, [MOST]).map(drop)
}

pub(super) fn refused(
    session: &Session<'_>,
    ae_title: &str,
    address: &str,
    called: &str,
    at_ms: i64,
) -> Result<(), DbError> {
    session.execute(REFUSED, params![cut(ae_title), cut(address), cut(called), at_ms])?;
    session.execute(FORGET_UNKNOWN, [MOST]).map(drop)
}

pub(super) fn list(session: &Session<'_>) -> Result<Vec<PeerRow>, DbError> {
    session.rows(LIST, [], |row| {
        Ok(PeerRow {
            ae_title: row.get(0)?,
            address: row.get(1)?,
            echo_ms: row.get(2)?,
            store_ms: row.get(3)?,
            error_ms: row.get(4)?,
            error: row.get(5)?,
        })
    })
}

pub(super) fn unknown(session: &Session<'_>) -> Result<Vec<UnknownPeer>, DbError> {
    session.rows(UNKNOWN, [], |row| {
        Ok(UnknownPeer {
            ae_title: row.get(0)?,
            address: row.get(1)?,
            called: row.get(2)?,
            first_ms: row.get(3)?,
            last_ms: row.get(4)?,
            attempts: unsigned(row, 5)?,
        })
    })
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(TEXT_MAX).map_or(text, |(end, _)| &text[..end])
}
