//! Verification: what is stored is read again from the disk and hashed (STORE.md: `verify` hashes bulk values, `rebuild`
//! reads headers only). What is damaged is quarantined, listed, and repaired where a good copy is known.
//!
//! In the background each series is verified soon after it went quiet, and each pack every so many days. Knows packs and
//! rows, not who asks.

mod against;
mod background;
pub(crate) mod copy;
mod job;
pub(crate) mod pace;
mod pack;
mod repair;
mod series;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use storage_config::pack::{Kind, PackError, PackName};

pub use background::KeepVerified;
pub use job::{BackupDiffers, Compared, DamageFound, VerifyError, VerifyJob, VerifyProgress, VerifyReport};

use super::error::ReadError;
use super::{Archive, Shared};
use crate::db::{DamagedRecord, DbError, PackId, PackRow, PackVerified};
use job::LISTED;
use pace::Pace;
use pack::{Finding, Pass, Passed, Told};
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
        row: &PackRow,
        (from, percent, seed): (u64, u8, u64),
        run: &mut Run<'_>,
        pace: &mut Pace<'_>,
    ) -> Result<(), VerifyError> {
        let _one_at_a_time = self.shared.verifying.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Ok(name) = row.name.parse::<PackName>() else { return Ok(()) };
        let length = if row.sealed { row.length } else { row.checkpoint };
        let reader = match self.shared.open_pack(row.id, &name) {
            // Of groups that are just being replaced by the whole pack some may be gone.
            Ok(reader) if reader.is_object() && reader.len().is_ok_and(|now| now < length) => {
                run.report.away += 1;
                return Ok(());
            }
            Ok(reader) => reader,
            Err(error) if self.is_away(&name, &error) => {
                tracing::warn!(%error, "a pack is out of reach and is verified another time");
                run.report.away += 1;
                return Ok(());
            }
            Err(error) => {
                tracing::error!(%error, "a pack cannot be opened");
                let lost = Finding {
                    from: 0,
                    to: length,
                    kind: None,
                    hash: None,
                    what: "the file cannot be opened",
                };
                self.take(row.id, &name, vec![lost], run, pace);
                return Ok(());
            }
        };
        let before = if from > 0 { self.known(&row.name)?.found } else { 0 };
        let (mut findings, begun) = (Vec::new(), pace.bytes);
        let keeps = row.sealed && percent == 100;
        let passed =
            Pass { reader: &reader, length, from, percent, seed }.run(pace, &mut |told| match told {
                Told::Found(finding) => findings.push(finding),
                Told::Keep(place) if keeps => self.keep(&row.name, place, before + findings.len() as u64),
                Told::Keep(_) => {}
            });
        let Passed { place, records } = passed;
        run.report.away += u64::from(place.is_some() && !pace.stopped());
        run.report.records += records;
        let found = before + findings.len() as u64;
        self.take(row.id, &name, findings, run, pace);
        match place {
            Some(place) if keeps => self.keep(&row.name, place, found),
            None if keeps => {
                run.report.packs += 1;
                let (pack, now, bytes) =
                    (row.name.clone(), (self.shared.options.now_ms)(), pace.bytes - begun);
                self.archive().in_index(move |db| db.set_pack_verified(&pack, now, bytes, found))?;
            }
            _ => run.report.packs += u64::from(place.is_none()),
        }
        Ok(())
    }

    /// Whether a pack that cannot be opened is only out of reach: in a bucket that does not answer, or on the disk of
    /// another server.
    fn is_away(&self, name: &PackName, error: &ReadError) -> bool {
        let others = self.shared.db.is_shared() && name.identity.writer != self.shared.identity.writer;
        match error {
            ReadError::Away(_) => true,
            ReadError::Store(PackError::Io { source, .. }) => {
                others && source.kind() == std::io::ErrorKind::NotFound
            }
            _ => false,
        }
    }

    /// Keeps where a pass goes on. Not to keep it costs only time.
    fn keep(&self, name: &str, place: u64, found: u64) {
        let name = name.to_owned();
        if let Err(error) = self.archive().in_index(move |db| db.set_pack_place(&name, place, found)) {
            tracing::warn!(%error, "the place of a verification was not kept");
        }
    }

    /// Lists damage, repairs it where that can be done; whether what stood there is whole elsewhere.
    fn damaged(&self, pack: PackId, finding: Finding, pace: &mut Pace<'_>) -> bool {
        let name = self.shared.db.packs().ok().and_then(|packs| {
            packs.into_iter().find(|row| row.id == pack).and_then(|row| row.name.parse::<PackName>().ok())
        });
        let Some(name) = name else { return false };
        let mut ignore = |_: &VerifyProgress| {};
        let progress = VerifyProgress { done: 0, all: 0, bytes: 0, damaged: 0 };
        let report = VerifyReport::default();
        let mut run = Run { report, tell: &mut ignore, told: Instant::now(), progress };
        self.take(pack, &name, vec![finding], &mut run, pace);
        run.report.whole_elsewhere == run.report.damaged
    }

    /// Takes findings in: rows first, so that nothing of them is served, then repair, then the report.
    fn take(
        &self,
        pack: PackId,
        name: &PackName,
        findings: Vec<Finding>,
        run: &mut Run<'_>,
        pace: &mut Pace<'_>,
    ) {
        if findings.is_empty() {
            return;
        }
        metrics::counter!("archive_damage_found_total").increment(findings.len() as u64);
        let mut whole = Vec::with_capacity(findings.len());
        for finding in &findings {
            tracing::error!(pack = pack.0, offset = finding.from, what = finding.what, "a pack is damaged");
            let record = DamagedRecord {
                place: repair::place_of(pack, finding),
                kind: finding.kind.map_or(0, |kind| kind as u8),
                what: words(finding),
                repaired: false,
            };
            whole.push(self.is_whole_elsewhere(finding, &record));
            if let Err(error) = self.archive().in_index(move |db| db.note_damage(&record)) {
                tracing::error!(%error, "damage could not be listed");
            }
        }
        // What was read of these records must be forgotten.
        self.shared.records.clear();
        let open: Vec<Finding> =
            findings.iter().zip(&whole).filter(|(_, whole)| !**whole).map(|(f, _)| f.clone()).collect();
        let mut repaired = self.repair((pack, name), &open, pace).into_iter();
        for (finding, before) in findings.iter().zip(&whole) {
            let now = !before && repaired.next().unwrap_or(false);
            if now {
                let place = repair::place_of(pack, finding);
                if let Err(error) = self.archive().in_index(move |db| db.note_repaired(place)) {
                    tracing::warn!(%error, "a repair was not noted");
                }
            }
            run.report.damaged += 1;
            run.report.repaired += u64::from(now);
            run.report.whole_elsewhere += u64::from(now || *before);
            if run.report.found.len() < LISTED {
                run.report.found.push(DamageFound {
                    pack: pack.0,
                    offset: finding.from,
                    bytes: finding.to - finding.from,
                    what: words(finding),
                    whole_elsewhere: now || *before,
                });
            }
        }
    }

    /// Whether what stood at a damaged stretch is known to be whole elsewhere already.
    fn is_whole_elsewhere(&self, finding: &Finding, record: &DamagedRecord) -> bool {
        let db = &self.shared.db;
        let listed = db.damaged_records_of(record.place.pack).unwrap_or_default();
        if listed.iter().any(|known| known.place.offset == record.place.offset && known.repaired) {
            return true;
        }
        let good = |hash| {
            let here = |copy: &crate::db::BulkLocation| {
                (copy.place.pack, copy.place.offset) == (record.place.pack, record.place.offset)
            };
            db.bulk_locations(&hash).is_ok_and(|all| all.iter().any(|copy| !copy.damaged && !here(copy)))
        };
        match (finding.kind, finding.hash) {
            (Some(Kind::Bulk), Some(hash)) => good(hash),
            _ => false,
        }
    }
}

/// A finding in words, without patient data.
fn words(finding: &Finding) -> String {
    let of = match finding.kind {
        Some(Kind::Bulk) => "bulk value",
        Some(Kind::Instance) => "instance",
        Some(Kind::Holding) => "holding",
        Some(Kind::Statement) => "statement",
        Some(Kind::Seal) => "seal",
        None => "stretch",
    };
    format!("{of}: {}", finding.what)
}
