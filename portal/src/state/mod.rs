//! `/state`: how the archive is: what it takes, holds and has room for, which machines are silent, what needs a look.

mod attention;
mod growth;
mod machines;
mod page;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use indexer::db::{Conflict, DbError, MachineClock, PeerRow, Totals, Unindexable, UnknownPeer};
use serde_json::{Value, json};
use storage_config::disk::{Disk, Space};
use storage_config::operator::BackupNote;

use crate::api::ask;
use crate::damage::Damage;
use crate::frame::{Failure, Frame, Place};
use crate::language::Language;
use crate::machines::Doors;
use crate::problem::Problem;
use crate::sign_in::Who;
use crate::upkeep::{Kind, PackSeen, packs_seen};
use crate::{Machine, Portal, Site};
use growth::Growth;
pub(crate) use page::table;

/// Rows of each table; beyond it only their number is told.
const ROWS: u32 = 50;
/// A machine that sent images before and none for this long is told of, in hours.
const SILENT_H: i64 = 48;
/// What waits for its upload for longer is told of, in seconds.
const BEHIND_S: u64 = 1800;
/// A backup that was noted longer ago is told of, in days.
const BACKUP_OLD_DAYS: i64 = 7;
const DAY_MS: i64 = 86_400_000;

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
    damage: Damage,
    /// Collisions that nobody resolved, counted up to [`ROWS`].
    collisions: u64,
    /// What waits for its upload, and for how many seconds already; none without a bucket.
    backlog: Option<(u64, u64)>,
    packs: Vec<PackSeen>,
    /// Whether somebody has what is stored read again at the moment.
    verifying: bool,
    reuse: ReuseCounts,
    doors: Doors,
    facilities: Vec<String>,
    /// The last backup; none where nobody keeps notes of them.
    backup: Option<Option<BackupNote>>,
}

/// What of reuse decisions needs a look.
#[derive(Debug, Clone, Copy, Default)]
struct ReuseCounts {
    report_amended: u64,
    film_billed_without_film: u64,
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
    fn look(portal: &Portal, now_ms: i64) -> Result<Seen, DbError> {
        let (archive, site) = (&portal.archive, &*portal.site);
        let (db, doors) = (archive.db(), Doors::of(portal));
        let mut peers = db.peers()?;
        let here = doors.allowed.iter().map(|peer| Machine {
            ae_title: peer.ae_title.to_string(),
            address: String::from(peer.address.clone()),
        });
        for Machine { ae_title, address } in site.machines.iter().cloned().chain(here) {
            if !peers.iter().any(|peer| peer.ae_title == ae_title) {
                peers.push(PeerRow {
                    ae_title,
                    address,
                    echo_ms: 0,
                    store_ms: 0,
                    error_ms: 0,
                    error: String::new(),
                });
            }
        }
        // Who needs a look first: failing, silent, then the rest by name.
        peers.sort_by_key(|peer| (Condition::of(peer, now_ms), peer.ae_title.clone()));
        let totals = db.totals()?;
        let (copies, unindexable) = (totals.damaged_copies, totals.unindexable);
        let records = totals.damaged_records;
        // Who would be taken now waits for nothing.
        let mut unknown = db.unknown_peers()?;
        unknown.retain(|one| !doors.is_known(&one.ae_title, &one.address) || !doors.is_ours(&one.called));
        let mut facilities: Vec<String> = db.facility_codes()?.into_iter().map(|f| f.code).collect();
        facilities.dedup();
        Ok(Seen {
            now_ms,
            totals,
            room: Room::look(site, now_ms),
            peers,
            unknown,
            reuse: ReuseCounts {
                report_amended: db.decisions_with_changed_report()?,
                film_billed_without_film: db.film_billed_without_film()?,
            },
            collisions: db.collisions(true, ROWS, None)?.rows.len() as u64,
            backlog: archive.backlog().map(|backlog| (backlog.bytes, backlog.oldest.as_secs())),
            packs: packs_seen(archive)?,
            verifying: site
                .upkeep
                .as_ref()
                .is_some_and(|upkeep| upkeep.of(Kind::Verification).iter().any(|job| job.runs())),
            damage: Damage { copies, unindexable, records, missing_packs: archive.missing_packs()? },
            doors,
            facilities,
            backup: site.backups.as_ref().map(|backups| {
                // Notes that cannot be read are as good as none: the page says that nobody noted a backup.
                let all = backups.all().inspect_err(|error| tracing::error!(%error, "notes of backups"));
                all.ok()?.into_iter().next()
            }),
            clocks: db.machine_clocks(ROWS)?,
            conflicts: db.conflicts(ROWS, 0)?,
            unindexable: db.unindexable(ROWS, 0)?,
        })
    }

    /// Packs that were never read again since they were written, and when the oldest of the others was.
    fn verified(&self) -> (u64, Option<i64>) {
        let never = self.packs.iter().filter(|pack| pack.verified_ms == 0).count() as u64;
        (never, self.packs.iter().map(|pack| pack.verified_ms).filter(|ms| *ms > 0).min())
    }

    /// Whether what waits for its upload waits too long.
    fn is_behind(&self) -> bool {
        self.backlog.is_some_and(|(bytes, seconds)| bytes > 0 && seconds > BEHIND_S)
    }

    /// How many machines fell silent.
    fn silent(&self) -> u64 {
        let silent = |peer: &&PeerRow| Condition::of(peer, self.now_ms) == Condition::Silent;
        self.peers.iter().filter(silent).count() as u64
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
    let seen = look(&portal).await.map_err(Failure::of(language))?;
    let frame =
        Frame::new(&portal, language, Place::System, language.words().system_status, "/state").asked_by(&who);
    let content = page::page(&portal, language, &seen, frame.refused.is_some());
    Ok(frame.around(&content))
}

async fn look(portal: &Portal) -> Result<Seen, Problem> {
    let of = portal.clone();
    ask(&portal.archive, move |_| Seen::look(&of, crate::calendar::now_ms())).await
}

/// GET `/api/v1/state`: the same for programs.
pub(crate) async fn told(State(portal): State<Portal>) -> Result<Json<Value>, Problem> {
    let refused = portal.archive.refuses().map(|e| e.to_string());
    let seen = look(&portal).await?;
    let (t, a) = (&seen.totals, &portal.addresses);
    let room = seen.room.as_ref();
    Ok(Json(json!({
        "stores": if refused.is_some() { "refused" } else { "taken" },
        "refused_because": refused,
        "patients": t.patients, "studies": t.studies, "series": t.series, "instances": t.instances,
        "conflicts": t.conflicts, "identity_conflicts": t.identity_conflicts, "unindexable": t.unindexable,
        "withdrawn": t.withdrawn, "sent_after_rejection": t.sent_after_rejection,
        "damaged_copies": t.damaged_copies, "damaged_records": t.damaged_records, "missing_packs": seen.damage.missing_packs,
        "decisions_with_amended_report": seen.reuse.report_amended,
        "film_billed_without_film": seen.reuse.film_billed_without_film,
        "open_collisions": seen.collisions, "packs": seen.packs.len(), "packs_never_verified": seen.verified().0,
        "oldest_verification_ms": seen.verified().1,
        "upload_backlog_bytes": seen.backlog.map(|(bytes, _)| bytes),
        "upload_backlog_oldest_seconds": seen.backlog.map(|(_, seconds)| seconds),
        "unknown_machines": seen.unknown.len(), "silent_machines": seen.silent(),
        "last_backup_ms": seen.backup.as_ref().and_then(|last| Some(last.as_ref()?.at_ms)),
        "disk_free_bytes": room.map(|room| room.space.available),
        "disk_days_left": room.and_then(Room::days_left),
        "ae_title": a.ae_title, "dimse": a.dimse, "dicom_web": a.dicom_web,
    })))
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
