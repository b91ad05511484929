//! What an import tells at its end.

use std::fmt;
use std::path::Path;

use indicatif::{DecimalBytes, HumanCount};
use serde::{Deserialize, Serialize};

/// Exit code of an import that ran to its end and refused nothing.
pub const EXIT_COMPLETE: u8 = 0;
/// Exit code of an import that refused something, could not read something, or did not run to its end.
pub const EXIT_INCOMPLETE: u8 = 1;

/// How an import ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All files were dealt with.
    Complete,
    /// Somebody asked it to stop.
    Cancelled,
    /// It could not go on; what was done stays done.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// Files that were refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason; numbers that differ from file to file are left out.
    pub reason: String,
    /// How many files.
    pub count: u64,
    /// Paths of the first of them, fit to be shown.
    pub examples: Vec<String>,
}

/// What became of the files of an import.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportReport {
    /// How it ended.
    pub ending: Ending,
    /// Whether nothing was to be stored.
    pub dry_run: bool,
    /// Instances that were new.
    pub stored: u64,
    /// Instances stored beside another one of the same SOP Instance UID.
    pub versions: u64,
    /// Instances that were here already, holdings included.
    pub duplicates: u64,
    /// Duplicates that this facility did not hold before.
    pub holdings: u64,
    /// Instances that a dry run found fit to be stored.
    pub readable: u64,
    /// Files that are not DICOM.
    pub not_dicom: u64,
    /// Directories of media (PS3.3 Annex F), which are no instances.
    pub dicomdir: u64,
    /// Files that were refused, and files and folders that could not be read.
    pub refused: u64,
    /// The refused by reason, the most frequent first.
    pub refusals: Vec<Refusal>,
    /// Of all these, files that an interrupted run before had done.
    pub done_before: u64,
    /// Instances whose file meta information names another instance than the data set, which is what counts.
    pub meta_differs: u64,
    /// Bytes of files read.
    pub bytes: u64,
    /// Bytes that did not need to be written because they were here already.
    pub saved: u64,
    /// Seconds it took.
    pub seconds: f64,
    /// The name under which it is noted what was brought for a patient, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intake: Option<String>,
}

impl ImportReport {
    pub(super) fn empty(dry_run: bool) -> ImportReport {
        ImportReport {
            ending: Ending::Complete,
            dry_run,
            stored: 0,
            versions: 0,
            duplicates: 0,
            holdings: 0,
            readable: 0,
            not_dicom: 0,
            dicomdir: 0,
            refused: 0,
            refusals: Vec::new(),
            done_before: 0,
            meta_differs: 0,
            bytes: 0,
            saved: 0,
            seconds: 0.0,
            intake: None,
        }
    }

    /// All files that were dealt with.
    #[must_use]
    pub fn files(&self) -> u64 {
        let taken = self.stored + self.versions + self.duplicates + self.readable;
        taken + self.not_dicom + self.dicomdir + self.refused
    }

    /// What the process ends with: [`EXIT_COMPLETE`] or [`EXIT_INCOMPLETE`].
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.refused == 0 && self.ending == Ending::Complete { EXIT_COMPLETE } else { EXIT_INCOMPLETE }
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.dry_run { "Dry run (nothing is stored)" } else { "Import" };
        match &self.ending {
            Ending::Complete => writeln!(f, "{what}: complete")?,
            Ending::Cancelled => writeln!(f, "{what}: cancelled; what was done stays done")?,
            Ending::Stopped { reason } => writeln!(f, "{what}: stopped, {reason}; what was done stays done")?,
        }
        writeln!(f)?;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, count: u64, note: &str| {
            writeln!(
                f,
                "{}",
                format!("  {name:<12} {:>14}  {note}", HumanCount(count).to_string()).trim_end()
            )
        };
        if self.dry_run {
            row(f, "readable", self.readable, "")?;
        } else {
            row(f, "stored", self.stored, "")?;
            let holdings = match self.holdings {
                0 => String::new(),
                n => format!("{} of them new to this facility", HumanCount(n)),
            };
            row(f, "duplicates", self.duplicates, &holdings)?;
            let versions =
                if self.versions > 0 { "SOP Instance UID known with other content: all kept" } else { "" };
            row(f, "versions", self.versions, versions)?;
        }
        row(f, "not DICOM", self.not_dicom, "")?;
        row(f, "DICOMDIR", self.dicomdir, "")?;
        row(f, "refused", self.refused, "")?;
        let before = match self.done_before {
            0 => String::new(),
            n => format!("{} of them by the interrupted run before", HumanCount(n)),
        };
        row(f, "all files", self.files(), &before)?;
        if self.meta_differs > 0 {
            let count = HumanCount(self.meta_differs);
            writeln!(
                f,
                "\n  {count} files name another instance in their file meta than in their data set."
            )?;
        }
        let seconds = self.seconds.max(0.001);
        let rate = DecimalBytes((self.bytes as f64 / seconds) as u64);
        let read_now = self.files().saturating_sub(self.done_before) as f64 / seconds;
        writeln!(
            f,
            "\n  {} read in {seconds:.1} s, {rate}/s, {read_now:.0} files/s",
            DecimalBytes(self.bytes)
        )?;
        if !self.dry_run {
            writeln!(f, "  {} saved: they were in the archive already", DecimalBytes(self.saved))?;
        }
        if let Some(intake) = &self.intake {
            writeln!(f, "\n  Brought for a patient and not confirmed yet: /intakes/{intake}")?;
        }
        for refusal in &self.refusals {
            writeln!(f, "\n  refused {}: {}", HumanCount(refusal.count), refusal.reason)?;
            refusal.examples.iter().try_for_each(|path| writeln!(f, "      {path}"))?;
        }
        Ok(())
    }
}

/// A path fit for a terminal and a log: what could move the cursor or turn the writing round is escaped.
pub(super) fn shown(path: &Path) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::new();
    for c in path.to_string_lossy().chars() {
        if c.is_control() || turns(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}
