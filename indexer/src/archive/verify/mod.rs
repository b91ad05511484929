//! Verification: what is stored is read again from the disk and hashed (STORE.md: `verify` hashes bulk values, `rebuild`
//! reads headers only). What is damaged is quarantined, listed, and repaired where a good copy is known.
//!
//! In the background each series is verified soon after it went quiet, and each pack every so many days. Knows packs and
//! rows, not who asks.

mod against;
mod background;
pub(crate) mod copy;
mod findings;
mod job;
pub(crate) mod pace;
mod pack;
mod repair;
mod series;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use storage_config::pack::{FILE_HEADER_LENGTH, PackName, PackReader};

pub use background::KeepVerified;
pub use job::{BackupDiffers, Compared, DamageFound, VerifyError, VerifyJob, VerifyProgress, VerifyReport};

use super::{Archive, Shared};
use crate::db::{DbError, PackRow, PackVerified, Place};
use findings::{Judged, lost};
use pace::Pace;
use pack::{Pass, Passed, Told};
use series::SeriesRead;

/// How often the one who asked is told how far it is.
const TELL: Duration = Duration::from_millis(500);
/// Series of a study that are verified by one job, at most.
const SERIES_MAX: usize = 100_000;

/// One who verifies.
pub(crate) struct Verifier<'a> {
    shared: &'a Arc<Shared>,
    /// Folder with copies of packs.
    replica: Option<PathBuf>,
}

/// A job under way.
struct Run<'a> {
    report: VerifyReport,
    tell: &'a mut dyn FnMut(&VerifyProgress),
    told: Instant,
    progress: VerifyProgress,
}

/// A pack that is to be read.
enum Opened {
    Reader(PackReader),
    /// It cannot be reached or read now.
    Away,
    /// It is not there, or not what was written.
    Lost,
    /// It was written anew meanwhile.
    Gone,
}

impl Run<'_> {
    fn tell(&mut self, bytes: u64, always: bool) {
        if always || self.told.elapsed() >= TELL {
            self.told = Instant::now();
            self.progress.bytes = bytes;
            self.progress.damaged = self.report.damaged;
            (self.tell)(&self.progress);
        }
    }
}

impl Archive {
    /// Verifies what `job` says. `stop` is asked now and then whether it is to end; `tell` hears how far it is.
    ///
    /// # Errors
    /// [`VerifyError`]; damage is no error but part of the report.
    pub fn verify(
        &self,
        job: &VerifyJob,
        stop: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(&VerifyProgress),
    ) -> Result<VerifyReport, VerifyError> {
        let began = Instant::now();
        let verifier = Verifier { shared: &self.shared, replica: self.shared.options.replica.clone() };
        let mut pace = Pace::new(&self.shared, job.bytes_per_second, stop);
        let progress = VerifyProgress { done: 0, all: 0, bytes: 0, damaged: 0 };
        let mut run = Run { report: VerifyReport::default(), tell, told: began, progress };
        match (&job.against, &job.study) {
            (Some(folder), _) => verifier.against(folder, &mut run, &mut pace)?,
            (None, Some(study)) => verifier.study(study, &mut run, &mut pace)?,
            (None, None) => verifier.packs(job, &mut run, &mut pace)?,
        }
        run.tell(pace.bytes, true);
        let mut report = run.report;
        report.bytes = pace.bytes;
        report.stopped |= pace.stopped();
        report.seconds = began.elapsed().as_secs_f64();
        Ok(report)
    }
}

impl Verifier<'_> {
    fn archive(&self) -> Archive {
        Archive { shared: self.shared.clone(), threads: Arc::default() }
    }

    fn study(
        &self,
        study: &storage_config::Uid,
        run: &mut Run<'_>,
        pace: &mut Pace<'_>,
    ) -> Result<(), VerifyError> {
        let series = self.shared.db.series_states(study, None)?;
        if series.is_empty() {
            return Err(VerifyError::NotFound("study"));
        }
        run.progress.all = series.len() as u64;
        for state in series.iter().take(SERIES_MAX) {
            match self.series(state.id, pace)? {
                SeriesRead::Read { instances, damaged } => {
                    run.report.series += 1;
                    run.report.records += instances;
                    run.report.damaged += damaged;
                    run.progress.done += 1;
                    run.tell(pace.bytes, false);
                }
                SeriesRead::Unread => {
                    run.report.stopped = true;
                    if pace.stopped() {
                        break;
                    }
                    run.report.away += 1;
                }
            }
        }
        Ok(())
    }

    /// All packs, or the one that is named.
    fn packs(&self, job: &VerifyJob, run: &mut Run<'_>, pace: &mut Pace<'_>) -> Result<(), VerifyError> {
        let percent = job.sample_percent.unwrap_or(100).min(100);
        let mut packs = self.shared.db.packs()?;
        packs.retain(|pack| !pack.removed);
        if job.pack.is_none() {
            packs.retain(|pack| self.shared.is_own_to_verify(pack.id));
        }
        let whole_run = job.pack.is_none() && percent == 100;
        let mut begun_ms = None;
        if let Some(wanted) = &job.pack {
            packs.retain(|pack| pack.name == *wanted || pack.id.0.to_string() == *wanted);
            if packs.is_empty() {
                return Err(VerifyError::NotFound("pack"));
            }
        } else if whole_run {
            let under_way = self.shared.db.verify_run()?.filter(|_| !job.from_start);
            let now = (self.shared.options.now_ms)();
            begun_ms = Some(under_way.unwrap_or(now));
            if under_way.is_none() {
                self.archive().in_index(move |db| db.set_verify_run(Some(now)))?;
            }
        }
        run.progress.all = packs.len() as u64;
        let seed =
            self.shared.options.disk.random_id().map_or(1, |id| u64::from(id[0]) << 8 | u64::from(id[1]));
        for pack in &packs {
            let known = self.known(&pack.name)?;
            let done = begun_ms.is_some_and(|begun_ms| pack.sealed && known.at_ms >= begun_ms);
            if !done {
                // A pass that somebody else began and did not end goes on; the records before its place are known.
                let from = if begun_ms.is_some() && !job.from_start { known.place } else { 0 };
                self.pack(pack, (from, percent, seed), run, pace)?;
            }
            if pace.stopped() {
                run.report.stopped = true;
                return Ok(());
            }
            run.progress.done += 1;
            run.tell(pace.bytes, false);
        }
        // What was out of reach is due still.
        run.report.stopped = run.report.away > 0;
        if whole_run && !run.report.stopped {
            self.archive().in_index(|db| db.set_verify_run(None))?;
        }
        Ok(())
    }

    fn known(&self, name: &str) -> Result<PackVerified, DbError> {
        let all = self.shared.db.packs_verified()?;
        Ok(all.into_iter().find(|known| known.name == name).unwrap_or_default())
    }

    /// Reads one pack from a place on, keeps what was found and repairs what can be repaired.
    fn pack(
        &self,
        known: &PackRow,
        (from, percent, seed): (u64, u8, u64),
        run: &mut Run<'_>,
        pace: &mut Pace<'_>,
    ) -> Result<(), VerifyError> {
        let _one_at_a_time = self.shared.verifying.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Compaction may have written it anew since it was listed.
        let Some(row) = self.shared.db.pack(known.id)?.filter(|row| !row.removed) else { return Ok(()) };
        let Ok(name) = row.name.parse::<PackName>() else { return Ok(()) };
        let length = if row.sealed { row.length } else { row.checkpoint };
        let keeps = row.sealed && percent == 100;
        let reader = match self.open(&row, &name, length) {
            Opened::Reader(reader) => reader,
            Opened::Gone => return Ok(()),
            Opened::Away => {
                run.report.away += 1;
                return Ok(());
            }
            Opened::Lost => {
                let judged = self.take((row.id, &name), vec![lost(length)], run, pace);
                run.report.away += u64::from(judged.is_none());
                return if keeps && judged.is_some() { self.passed(&row.name, 0, 1) } else { Ok(()) };
            }
        };
        let before = if from > 0 { self.known(&row.name)?.found } else { 0 };
        let doubted = self.doubted(row.id)?;
        let (mut findings, mut unread, begun) = (Vec::new(), Vec::new(), pace.bytes);
        let pass = Pass { reader: &reader, length, from, percent, seed, doubted: &doubted };
        let passed = pass.run(pace, &mut |told| match told {
            Told::Found(finding) => findings.push(finding),
            Told::Unread(finding) => unread.push(finding),
            Told::Whole(at, hash) => self.clear(Place { pack: row.id, offset: at, length: 0 }, hash),
            Told::Keep(place) if keeps && unread.is_empty() => {
                self.keep(&row.name, place, before + findings.len() as u64);
            }
            Told::Keep(_) => {}
        });
        let Passed { mut place, records } = passed;
        run.report.away += u64::from(place.is_some() && !pace.stopped());
        run.report.records += records;
        drop(reader);
        let Some(found) = self.take((row.id, &name), findings, run, pace) else {
            run.report.away += 1;
            return Ok(());
        };
        let found = before + found;
        if let Some(first) = self.take_unread((row.id, &name), unread, run, pace) {
            // The rest was read; what was not is read another time.
            run.report.away += 1;
            place = Some(place.map_or(first, |place| place.min(first)));
        }
        match place {
            Some(place) if keeps => self.keep(&row.name, place, found),
            None if keeps => {
                run.report.packs += 1;
                if found == 0 && from <= FILE_HEADER_LENGTH && !doubted.is_empty() {
                    let pack = row.id;
                    self.archive().in_index(move |db| db.clear_damage_notes(pack))?;
                }
                self.passed(&row.name, pace.bytes - begun, found)?;
            }
            _ => run.report.packs += u64::from(place.is_none()),
        }
        Ok(())
    }

    fn open(&self, row: &PackRow, name: &PackName, length: u64) -> Opened {
        match self.shared.open_pack(row.id, name) {
            // Of groups that are just being replaced by the whole pack some may be gone.
            Ok(reader) if reader.is_object() && reader.len().is_ok_and(|now| now < length) => Opened::Away,
            Ok(reader) => Opened::Reader(reader),
            Err(error) => match self.judge(row.id, name, &error) {
                Judged::Gone => Opened::Gone,
                Judged::Unread => {
                    tracing::warn!(%error, "a pack is out of reach and is verified another time");
                    Opened::Away
                }
                Judged::Lost => {
                    tracing::error!(pack = %name, %error, "a pack cannot be opened");
                    Opened::Lost
                }
            },
        }
    }

    /// Keeps that a pass over a pack ended.
    fn passed(&self, name: &str, bytes: u64, found: u64) -> Result<(), VerifyError> {
        let (name, now) = (name.to_owned(), (self.shared.options.now_ms)());
        Ok(self.archive().in_index(move |db| db.set_pack_verified(&name, now, bytes, found))?)
    }

    /// Keeps where a pass goes on. Not to keep it costs only time.
    fn keep(&self, name: &str, place: u64, found: u64) {
        let name = name.to_owned();
        if let Err(error) = self.archive().in_index(move |db| db.set_pack_place(&name, place, found)) {
            tracing::warn!(%error, "the place of a verification was not kept");
        }
    }
}
