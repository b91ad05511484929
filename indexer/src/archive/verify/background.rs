//! Verification without being asked: series soon after they went quiet, packs every so many days. Low in priority: one
//! thread, bounded in bytes a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pace::Pace;
use super::series::SeriesRead;
use super::{Run, Verifier, VerifyProgress, VerifyReport};
use crate::archive::error::OpenError;
use crate::archive::later::Later;
use crate::archive::{Archive, spawn};
use crate::db::{DbError, PackId, PackRow};

/// How long the thread waits when there is nothing to do.
const PAUSE: Duration = Duration::from_secs(1);
/// How long it waits after an error, and at first before it looks again at what was not read.
const AFTER_ERROR: Duration = Duration::from_secs(30);
/// Series of one turn.
const TURN: u32 = 16;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How the archive is kept verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepVerified {
    /// Bytes read a second at most.
    pub bytes_per_second: u64,
    /// Days after which a pack is read again; 0: never by itself.
    pub every_days: u32,
    /// How long nothing has come for a series before it is verified.
    pub quiet: Duration,
}

impl Archive {
    /// Verifies in the background from now on. Called once.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn keep_verified(&self, how: KeepVerified) -> Result<(), OpenError> {
        let archive = Archive { shared: self.shared.clone(), threads: Arc::default() };
        let thread = spawn("verify", &self.shared, move |_| archive.verify_on(how))?;
        self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(thread);
        Ok(())
    }

    fn verify_on(&self, how: KeepVerified) {
        let verifier = Verifier { shared: &self.shared, replica: self.shared.options.replica.clone() };
        let (mut wait, mut away) = (PAUSE, Away::new());
        while !self.shared.wait_for_stop(wait) {
            let mut pace = Pace::new(&self.shared, Some(how.bytes_per_second), &|| false);
            wait = match verifier.turn(&how, &mut away, &mut pace) {
                Ok(true) => Duration::ZERO,
                Ok(false) => PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "verification waits");
                    AFTER_ERROR
                }
            };
        }
    }
}

/// What was out of reach or not read, series and packs: the others are verified meanwhile.
struct Away {
    series: Later<i64>,
    packs: Later<PackId>,
}

impl Away {
    fn new() -> Away {
        Away { series: Later::new(AFTER_ERROR), packs: Later::new(AFTER_ERROR) }
    }
}

impl Verifier<'_> {
    /// Does what is due; whether there may be more at once.
    fn turn(&self, how: &KeepVerified, away: &mut Away, pace: &mut Pace<'_>) -> Result<bool, DbError> {
        let now = (self.shared.options.now_ms)();
        let quiet_ms = i64::try_from(how.quiet.as_millis()).unwrap_or(i64::MAX);
        let most = TURN.saturating_add(away.series.len());
        let mut waiting = self.shared.db.series_to_verify(now.saturating_sub(quiet_ms), most)?;
        waiting.retain(|series| !away.series.waits(&series.id));
        for series in &waiting {
            match self.series(series.id, pace)? {
                SeriesRead::Read { damaged: 0, .. } => away.series.done(&series.id),
                SeriesRead::Read { .. } => {
                    away.series.done(&series.id);
                    tracing::error!(study = %series.study_uid, "a study has images without a whole copy");
                }
                SeriesRead::Unread => {
                    away.series.failed(series.id);
                }
            }
            if pace.stopped() {
                return Ok(false);
            }
        }
        if !waiting.is_empty() {
            return Ok(true);
        }
        let Some((pack, from)) = self.due(how, now, away)? else { return Ok(false) };
        let mut ignore = |_: &VerifyProgress| {};
        let progress = VerifyProgress { done: 0, all: 0, bytes: 0, damaged: 0 };
        let report = VerifyReport::default();
        let mut run = Run { report, tell: &mut ignore, told: Instant::now(), progress };
        let passed = self.pack(&pack, (from, 100, 0), &mut run, pace);
        if run.report.away > 0 {
            away.packs.failed(pack.id);
        } else {
            away.packs.done(&pack.id);
        }
        match passed {
            Ok(()) => Ok(true),
            Err(super::VerifyError::Index(error)) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "a pack was not verified");
                Ok(false)
            }
        }
    }

    /// The pack that is to be read next, and from where: one whose pass was interrupted, else the one that was read
    /// longest ago, if that is long ago.
    fn due(&self, how: &KeepVerified, now: i64, away: &Away) -> Result<Option<(PackRow, u64)>, DbError> {
        if how.every_days == 0 {
            return Ok(None);
        }
        let known = self.shared.db.packs_verified()?;
        let of =
            |name: &str| known.binary_search_by(|one| one.name.as_str().cmp(name)).ok().map(|at| &known[at]);
        let before = now.saturating_sub(i64::from(how.every_days).saturating_mul(DAY_MS));
        let mut packs = self.shared.db.packs()?;
        packs.retain(|pack| pack.sealed && !pack.removed && !away.packs.waits(&pack.id));
        packs.retain(|pack| self.shared.is_own_to_verify(pack.id));
        let due = packs.into_iter().filter_map(|pack| {
            let (at_ms, place) = of(&pack.name).map_or((0, 0), |known| (known.at_ms, known.place));
            (place > 0 || at_ms <= before).then_some((place == 0, at_ms, pack, place))
        });
        Ok(due.min_by_key(|(fresh, at_ms, ..)| (*fresh, *at_ms)).map(|(_, _, pack, place)| (pack, place)))
    }
}
