//! What is made of findings: judged against other copies, noted, repaired, reported.
//!
//! Only bytes that were read and are not what was written are damage. What a disk or a bucket does not give proves nothing:
//! it is read another time, and nothing of it is taken out of service.

use std::sync::PoisonError;
use std::time::Instant;

use storage_config::ContentHash;
use storage_config::pack::{FILE_HEADER_LENGTH, Kind, PackName};

use super::job::{DamageFound, LISTED, VerifyProgress, VerifyReport};
use super::pace::Pace;
use super::pack::Finding;
use super::{Run, Verifier, repair};
use crate::archive::error::ReadError;
use crate::db::{DamagedRecord, DbError, PackId, Place};

/// What an error says of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    /// It is not what was written, or not there.
    Lost,
    /// Nothing now: it is read another time.
    Unread,
    /// It was written anew meanwhile.
    Gone,
}

/// The finding of a pack of `length` bytes that is not there.
pub(super) fn lost(length: u64) -> Finding {
    Finding { from: 0, to: length, kind: None, hash: None, what: "the file cannot be opened" }
}

impl Verifier<'_> {
    /// What an error of opening or reading a pack means.
    pub(super) fn judge(&self, pack: PackId, name: &PackName, error: &ReadError) -> Judged {
        let others = self.shared.db.is_shared() && name.identity.writer != self.shared.identity.writer;
        match self.shared.db.pack(pack) {
            Ok(Some(row)) if row.removed => Judged::Gone,
            // Nothing ever stood in it: a loss of power took its name, and nothing with it.
            Ok(Some(row)) if row.checkpoint <= FILE_HEADER_LENGTH => Judged::Unread,
            Ok(Some(_)) if error.is_damage() => Judged::Lost,
            Ok(Some(_)) if error.is_absent() && !others => Judged::Lost,
            _ => {
                metrics::counter!("archive_unread_total").increment(1);
                Judged::Unread
            }
        }
    }

    /// The name of a pack that is in use.
    pub(super) fn name_of(&self, pack: PackId) -> Option<PackName> {
        let row = self.shared.db.pack(pack).ok().flatten().filter(|row| !row.removed)?;
        row.name.parse().ok()
    }

    /// Stretches of a pack that count as damaged, in order and apart.
    pub(super) fn doubted(&self, pack: PackId) -> Result<Vec<(u64, u64)>, DbError> {
        let mut all = self.shared.db.doubted_in(pack)?;
        all.sort_unstable();
        let mut apart: Vec<(u64, u64)> = Vec::with_capacity(all.len());
        for (from, to) in all {
            match apart.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => apart.push((from, to)),
            }
        }
        Ok(apart)
    }

    /// Takes back what was noted of a record that is whole.
    pub(super) fn clear(&self, place: Place, hash: ContentHash) {
        tracing::info!(
            pack = place.pack.0,
            offset = place.offset,
            "a record that counted as damaged is whole"
        );
        if let Err(error) = self.archive().in_index(move |db| db.clear_damage(place, hash)) {
            tracing::warn!(%error, "a record that is whole counts as damaged still");
        }
    }

    /// Lists damage, repairs it where that can be done; whether what stood there is whole elsewhere, none when that cannot
    /// be said now.
    pub(super) fn damaged(&self, pack: PackId, finding: Finding, pace: &mut Pace<'_>) -> Option<bool> {
        let name = self.name_of(pack)?;
        let mut ignore = |_: &VerifyProgress| {};
        let progress = VerifyProgress { done: 0, all: 0, bytes: 0, damaged: 0 };
        let report = VerifyReport::default();
        let mut run = Run { report, tell: &mut ignore, told: Instant::now(), progress };
        self.take((pack, &name), vec![finding], &mut run, pace)?;
        Some(run.report.whole_elsewhere == run.report.damaged)
    }

    /// Takes findings in: rows first, so that nothing of them is served, then repair, then the report. Returns how many
    /// were damage: 0 where they were of a file whose object is whole, or of a pack that is gone; none when they are not judged
    /// because the object cannot be read now.
    pub(super) fn take(
        &self,
        (pack, name): (PackId, &PackName),
        findings: Vec<Finding>,
        run: &mut Run<'_>,
        pace: &mut Pace<'_>,
    ) -> Option<u64> {
        if findings.is_empty() || self.name_of(pack).is_none() || self.object_is_whole(pack)? {
            return Some(0);
        }
        let listed = self.shared.db.damaged_records_of(pack).unwrap_or_default();
        let mut whole = Vec::with_capacity(findings.len());
        for finding in &findings {
            let record = record_of(pack, finding);
            if !listed.iter().any(|known| known.place == record.place) {
                metrics::counter!("archive_damage_found_total").increment(1);
                tracing::error!(
                    pack = pack.0,
                    offset = finding.from,
                    what = finding.what,
                    "a pack is damaged"
                );
            }
            whole.push(self.is_whole_elsewhere(finding, &record, &listed));
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
                self.note_repaired(pack, finding);
            }
            report(run, pack, finding, (now, *before));
        }
        Some(findings.len() as u64)
    }

    /// Takes in what a disk did not give. Nothing of it is quarantined unless the replica had it, from which it is then
    /// repaired; where the first stretch begins that is left.
    pub(super) fn take_unread(
        &self,
        (pack, name): (PackId, &PackName),
        unread: Vec<Finding>,
        run: &mut Run<'_>,
        pace: &mut Pace<'_>,
    ) -> Option<u64> {
        if unread.is_empty() {
            return None;
        }
        let listed = self.shared.db.damaged_records_of(pack).unwrap_or_default();
        let settled = |finding: &Finding| {
            listed.iter().any(|known| known.place.offset == finding.from && known.repaired)
        };
        let open: Vec<Finding> = unread.into_iter().filter(|finding| !settled(finding)).collect();
        let mut first = None;
        for (finding, repaired) in open.iter().zip(self.repair((pack, name), &open, pace)) {
            if repaired {
                let record = record_of(pack, finding);
                if let Err(error) = self.archive().in_index(move |db| db.note_damage(&record)) {
                    tracing::error!(%error, "damage could not be listed");
                }
                self.note_repaired(pack, finding);
                report(run, pack, finding, (true, false));
            } else {
                metrics::counter!("archive_unread_total").increment(1);
                tracing::error!(pack = %name, offset = finding.from, "the disk does not give a stretch of a pack; it is tried again");
                first = first.or(Some(finding.from));
            }
        }
        first
    }

    fn note_repaired(&self, pack: PackId, finding: &Finding) {
        let place = repair::place_of(pack, finding);
        if let Err(error) = self.archive().in_index(move |db| db.note_repaired(place)) {
            tracing::warn!(%error, "a repair was not noted");
        }
    }

    /// Whether findings were those of a file that is only a copy, and the object is whole: the file is gone then. None where
    /// the object cannot be read now.
    fn object_is_whole(&self, pack: PackId) -> Option<bool> {
        let Some(uploads) = &self.shared.uploads else { return Some(false) };
        let _turn = uploads.turn.lock().unwrap_or_else(PoisonError::into_inner);
        match self.shared.drop_file(uploads, pack) {
            Ok(dropped) => {
                if dropped {
                    tracing::error!(
                        pack = pack.0,
                        "the file of a pack was damaged; its object is whole and is read"
                    );
                    self.shared.records.clear();
                }
                Some(dropped)
            }
            Err(error) => {
                tracing::warn!(%error, "the object of a pack with a damaged file was not read");
                None
            }
        }
    }

    /// Whether what stood at a damaged stretch is known to be whole elsewhere already.
    fn is_whole_elsewhere(
        &self,
        finding: &Finding,
        record: &DamagedRecord,
        listed: &[DamagedRecord],
    ) -> bool {
        let db = &self.shared.db;
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

fn record_of(pack: PackId, finding: &Finding) -> DamagedRecord {
    DamagedRecord {
        place: repair::place_of(pack, finding),
        kind: finding.kind.map_or(0, |kind| kind as u8),
        what: words(finding),
        repaired: false,
    }
}

/// Has the report say what became of a finding: repaired now, or whole elsewhere before.
fn report(run: &mut Run<'_>, pack: PackId, finding: &Finding, (now, before): (bool, bool)) {
    run.report.damaged += 1;
    run.report.repaired += u64::from(now);
    run.report.whole_elsewhere += u64::from(now || before);
    if run.report.found.len() < LISTED {
        run.report.found.push(DamageFound {
            pack: pack.0,
            offset: finding.from,
            bytes: finding.to - finding.from,
            what: words(finding),
            whole_elsewhere: now || before,
        });
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
