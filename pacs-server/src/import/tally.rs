//! Counting what becomes of files, and grouping why they are refused.

use std::path::Path;

use indexer::archive::{Outcome, Stored};

use super::report::{ImportReport, Refusal, shown};

/// Most reasons kept apart; the rest is counted together.
const REASONS: usize = 50;
/// Paths shown for each reason.
const EXAMPLES: usize = 5;

/// What became of one file.
#[derive(Debug)]
pub(super) enum FileOutcome {
    /// It is in the archive.
    Stored {
        stored: Box<Stored>,
        /// Its file meta information names another instance than its data set.
        meta_differs: bool,
    },
    /// It could be stored.
    Readable,
    NotDicom,
    Dicomdir,
    /// Refused, or not to be read.
    Refused(String),
}

/// What a later run need not do again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    New,
    Version,
    Duplicate,
    Holding,
    NotDicom,
    Dicomdir,
}

impl FileOutcome {
    /// What the journal keeps of it; a refused file is looked at again.
    pub(super) fn settled(&self) -> Option<Settled> {
        match self {
            FileOutcome::Stored { stored, .. } => Some(match stored.outcome {
                Outcome::New => Settled::New,
                Outcome::Version => Settled::Version,
                Outcome::Duplicate => Settled::Duplicate,
                Outcome::Holding => Settled::Holding,
            }),
            FileOutcome::NotDicom => Some(Settled::NotDicom),
            FileOutcome::Dicomdir => Some(Settled::Dicomdir),
            FileOutcome::Readable | FileOutcome::Refused(_) => None,
        }
    }
}

/// The counts of a running import.
pub(super) struct Tally {
    report: ImportReport,
    /// Parallel to `report.refusals`: the reasons without their numbers.
    reasons: Vec<String>,
}

impl Tally {
    pub(super) fn new(dry_run: bool) -> Tally {
        Tally { report: ImportReport::empty(dry_run), reasons: Vec::new() }
    }

    /// Counts a file of this run.
    pub(super) fn count(&mut self, path: &Path, outcome: &FileOutcome) {
        if let Some(settled) = outcome.settled() {
            self.settled(settled);
        }
        match outcome {
            FileOutcome::Stored { stored, meta_differs } => {
                self.report.saved += stored.saved;
                self.report.meta_differs += u64::from(*meta_differs);
            }
            FileOutcome::Readable => self.report.readable += 1,
            FileOutcome::Refused(reason) => self.refused(path, reason),
            FileOutcome::NotDicom | FileOutcome::Dicomdir => {}
        }
    }

    /// Counts a file that the run before had done.
    pub(super) fn count_done_before(&mut self, settled: Settled) {
        self.report.done_before += 1;
        self.settled(settled);
    }

    fn settled(&mut self, settled: Settled) {
        let report = &mut self.report;
        match settled {
            Settled::New => report.stored += 1,
            Settled::Version => report.versions += 1,
            Settled::Duplicate => report.duplicates += 1,
            Settled::Holding => {
                report.duplicates += 1;
                report.holdings += 1;
            }
            Settled::NotDicom => report.not_dicom += 1,
            Settled::Dicomdir => report.dicomdir += 1,
        }
    }

    fn refused(&mut self, path: &Path, reason: &str) {
        self.report.refused += 1;
        let mut bare = without_numbers(reason);
        let mut at = self.reasons.iter().position(|known| *known == bare);
        if at.is_none() && self.reasons.len() >= REASONS {
            "other reasons".clone_into(&mut bare);
            at = self.reasons.iter().position(|known| *known == bare);
        }
        let at = at.unwrap_or_else(|| {
            let reason = if self.reasons.len() < REASONS { reason } else { &bare };
            self.report.refusals.push(Refusal { reason: reason.to_owned(), count: 0, examples: Vec::new() });
            self.reasons.push(bare.clone());
            self.reasons.len() - 1
        });
        let Some(group) = self.report.refusals.get_mut(at) else { return };
        group.count += 1;
        if group.reason != reason {
            group.reason = bare;
        }
        if group.examples.len() < EXAMPLES {
            group.examples.push(shown(path));
        }
    }

    pub(super) fn so_far(&self) -> &ImportReport {
        &self.report
    }

    /// The report, its reasons in order.
    pub(super) fn report(&self) -> ImportReport {
        let mut report = self.report.clone();
        report.refusals.iter_mut().for_each(|refusal| refusal.examples.sort());
        report.refusals.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
        report
    }
}

/// The text with each number (and UID) as an ellipsis, so that "ends at byte 17" and "ends at byte 94" are one reason.
fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut within = false;
    for c in text.chars() {
        if within && (c.is_ascii_digit() || c == '.') {
            continue;
        }
        within = c.is_ascii_digit();
        out.push(if within { '…' } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_grouped_without_their_numbers_and_bounded() {
        let mut tally = Tally::new(false);
        for n in 0..7 {
            let reason = format!("data set ends at byte {n}, {} or more bytes are missing", n * 2);
            tally.count(Path::new(&format!("/a/{n}")), &FileOutcome::Refused(reason));
        }
        tally.count(Path::new("/b\n\u{202e}"), &FileOutcome::Refused("more than 64 elements".into()));
        let report = tally.report();
        assert_eq!(report.refusals[0].reason, "data set ends at byte …, … or more bytes are missing");
        assert_eq!((report.refusals[0].count, report.refusals[0].examples.len()), (7, EXAMPLES));
        assert_eq!(report.refusals[1].reason, "more than 64 elements", "one number says what the limit is");
        assert_eq!(report.refusals[1].examples, ["/b\\n\\u{202e}"]);
        for n in 0..200u8 {
            let reason = format!("reason {}{}", char::from(b'a' + n % 26), char::from(b'a' + n / 26));
            tally.count(Path::new("/c"), &FileOutcome::Refused(reason));
        }
        let report = tally.report();
        assert_eq!(report.refused, 208);
        assert!(report.refusals.len() <= REASONS + 1);
        assert_eq!(report.refusals.iter().map(|r| r.count).sum::<u64>(), 208);
    }
}
