//! Comparing the packs with a backup: the same bytes, or in words what is not.

use std::path::Path;

use storage_config::pack::{Body, FILE_HEADER_LENGTH, PackName, PackReader, Scanned, Verify, scan};

use super::findings::Judged;
use super::job::{BackupDiffers, Compared, VerifyError};
use super::pace::Pace;
use super::pack::{leaves_open, read};
use super::{Run, Verifier};
use crate::db::PackRow;

/// How much is compared at once.
const BLOCK: u64 = 1 << 20;

impl Verifier<'_> {
    /// Compares all packs with those in `folder`.
    pub(super) fn against(
        &self,
        folder: &Path,
        run: &mut Run<'_>,
        pace: &mut Pace<'_>,
    ) -> Result<(), VerifyError> {
        let disk = &self.shared.options.disk;
        disk.list(folder)
            .map_err(|source| VerifyError::Folder { folder: folder.display().to_string(), source })?;
        let mut packs = self.shared.db.packs()?;
        packs.retain(|pack| !pack.removed);
        run.progress.all = packs.len() as u64;
        for pack in &packs {
            let Ok(name) = pack.name.parse::<PackName>() else { continue };
            if pack.length.max(pack.checkpoint) > FILE_HEADER_LENGTH
                && let Some(how) = self.compare(pack, &name, folder, pace, &mut run.report.away)
            {
                run.report.differing.push(BackupDiffers { file: name.file_name(), how });
            }
            if pace.stopped() {
                run.report.stopped = true;
                return Ok(());
            }
            run.report.compared += 1;
            run.progress.done += 1;
            run.tell(pace.bytes, false);
        }
        run.report.stopped = run.report.away > 0;
        Ok(())
    }

    fn compare(
        &self,
        row: &PackRow,
        name: &PackName,
        folder: &Path,
        pace: &mut Pace<'_>,
        away: &mut u64,
    ) -> Option<Compared> {
        let disk = &self.shared.options.disk;
        let there = match PackReader::open_lenient(disk, &folder.join(name.file_name())) {
            Ok(there) => there,
            Err(_) if disk.open(&folder.join(name.file_name())).is_err() => return Some(Compared::Missing),
            Err(_) => return Some(Compared::Damaged),
        };
        let here = match self.shared.open_pack(row.id, name) {
            Ok(here) => here,
            Err(error) => match self.judge(row.id, name, &error) {
                Judged::Lost => return Some(Compared::DamagedHere),
                Judged::Gone => return None,
                Judged::Unread => {
                    *away += 1;
                    return None;
                }
            },
        };
        let known = if row.sealed { row.length } else { row.checkpoint };
        let length = there.len().unwrap_or(0);
        match equal(&here, &there, known.min(length), pace) {
            None => {
                *away += u64::from(!pace.stopped());
                None
            }
            // A pack that is being written is behind in every backup; the rest is in the next one.
            Some(true) if length < known && row.sealed => Some(Compared::Shorter),
            Some(true) => None,
            Some(false) => Some(match (is_whole(&here, known, pace), is_whole(&there, known, pace)) {
                (_, false) => Compared::Damaged,
                (false, true) => Compared::DamagedHere,
                (true, true) => Compared::Different,
            }),
        }
    }
}

/// Whether the first `length` bytes of two packs are equal; none when that cannot be said now.
fn equal(one: &PackReader, other: &PackReader, length: u64, pace: &mut Pace<'_>) -> Option<bool> {
    let (mut at, mut a, mut b) = (0, Vec::new(), Vec::new());
    while at < length {
        let size = BLOCK.min(length - at) as usize;
        a.clear();
        b.clear();
        match one.read_raw(&mut a, size, at).and_then(|()| other.read_raw(&mut b, size, at)) {
            Err(error) if leaves_open(&error) => return None,
            Ok(()) if a == b => {}
            _ => return Some(false),
        }
        at += size as u64;
        if !pace.took(2 * size as u64) {
            return None;
        }
    }
    Some(true)
}

/// Whether every record of a pack is whole, up to `length`.
fn is_whole(reader: &PackReader, length: u64, pace: &mut Pace<'_>) -> bool {
    let mut end = FILE_HEADER_LENGTH;
    for scanned in scan(reader, end, Verify::Headers) {
        match scanned {
            Ok(Scanned::Record(record)) => {
                end = record.end();
                if matches!(read(reader, &record, pace), Body::Damaged(_)) {
                    return false;
                }
            }
            Ok(Scanned::Sealed { .. }) => end = length,
            Ok(Scanned::End { .. }) => {}
            Ok(Scanned::Gap { .. }) | Err(_) => return false,
        }
    }
    end >= length && reader.seal_index().is_ok()
}
