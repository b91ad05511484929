//! `/state`: how the archive is: what it takes, holds and has room for, which machines are silent, what needs a look.

mod attention;
mod growth;
mod page;

use axum::extract::State;
use axum::response::Response;
use indexer::archive::Archive;
use indexer::db::{Conflict, DbError, MachineClock, PeerRow, Totals, Unindexable, UnknownPeer};
use storage_config::disk::{Disk, Space};

use crate::api::ask;
use crate::frame::{Failure, Frame, Place};
use crate::language::Language;
use crate::sign_in::Who;
use crate::{Machine, Portal, Site};
use growth::Growth;

/// Rows of each table; beyond it only their number is told.
const ROWS: u32 = 50;
/// A machine that sent images before and none for this long is told of, in hours.
const SILENT_H: i64 = 48;

/// What the page shows.
struct Seen {
    now_ms: i64,
    totals: Totals,
    room: Option<Room>,
    peers: Vec<PeerRow>,
    unknown: Vec<UnknownPeer>,
    clocks: Vec<MachineClock>,
    conflicts: Vec<Conflict>,
    unindexable: Vec<Unindexable>,
}

/// The disk of the packs.
struct Room {
    space: Space,
    growth: Option<Growth>,
}

impl Room {
    fn look(site: &Site, now_ms: i64) -> Option<Room> {
        let dir = site.packs_dir.as_deref()?;
        let space =
            Disk::Real.free_space(dir).inspect_err(|error| tracing::warn!(%error, "free space")).ok()?;
        Some(Room { space, growth: growth::measure(dir, now_ms) })
    }

    /// Days until the disk is full at this pace.
    fn days_left(&self) -> Option<u64> {
        let a_day = self.growth.as_ref().map(|growth| growth.bytes_a_day).filter(|bytes| *bytes > 0)?;
        Some(self.space.available / a_day)
    }
}

impl Seen {
    fn look(archive: &Archive, site: &Site, now_ms: i64) -> Result<Seen, DbError> {
        let db = archive.db();
        let mut peers = db.peers()?;
        for Machine { ae_title, address } in &site.machines {
            if !peers.iter().any(|peer| peer.ae_title == *ae_title) {
                peers.push(PeerRow {
                    ae_title: ae_title.clone(),
                    address: address.clone(),
                    echo_ms: 0,
                    store_ms: 0,
                    error_ms: 0,
                    error: String::new(),
                });
            }
        }
        // Who needs a look first: failing, silent, then the rest by name.
        peers.sort_by_key(|peer| (Condition::of(peer, now_ms), peer.ae_title.clone()));
        Ok(Seen {
            now_ms,
            totals: db.totals()?,
            room: Room::look(site, now_ms),
            peers,
            unknown: db.unknown_peers()?,
            clocks: db.machine_clocks(ROWS)?,
            conflicts: db.conflicts(ROWS, 0)?,
            unindexable: db.unindexable(ROWS, 0)?,
        })
    }
}

/// How a machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Condition {
    /// Its last word was a failure.
    Fails,
    /// It sent images, but none for [`SILENT_H`].
    Silent,
    /// It sent none yet.
    Never,
    /// It sent one lately.
    Works,
}

impl Condition {
    fn of(peer: &PeerRow, now_ms: i64) -> Condition {
        if peer.error_ms > peer.store_ms.max(peer.echo_ms) {
            Condition::Fails
        } else if peer.store_ms == 0 {
            Condition::Never
        } else if now_ms - peer.store_ms > SILENT_H * 3_600_000 {
            Condition::Silent
        } else {
            Condition::Works
        }
    }
}

pub(crate) async fn state(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
) -> Result<Response, Failure> {
    let site = portal.site.clone();
    let seen = ask(&portal.archive, move |archive| Seen::look(archive, &site, crate::calendar::now_ms()))
        .await
        .map_err(Failure::of(language))?;
    let frame =
        Frame::new(&portal, language, Place::System, language.words().system_status, "/state").asked_by(&who);
    let content = page::page(&portal, language, &seen, frame.refused.is_some());
    Ok(frame.around(&content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_judged_by_its_last_word() {
        let hour = 3_600_000;
        let now = 1_000 * hour;
        let of = |store_ms, error_ms, echo_ms| {
            let peer = PeerRow {
                ae_title: "CT1".into(),
                address: "192.0.2.7".into(),
                echo_ms,
                store_ms,
                error_ms,
                error: String::new(),
            };
            Condition::of(&peer, now)
        };
        assert_eq!(of(0, 0, 0), Condition::Never);
        assert_eq!(of(now - 48 * hour, 0, 0), Condition::Works);
        assert_eq!(of(now - 49 * hour, 0, now), Condition::Silent);
        assert_eq!(of(now - hour, now, 0), Condition::Fails);
        assert_eq!(of(now - hour, now - 2, now - 1), Condition::Works);
    }
}
