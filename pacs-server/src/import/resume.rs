//! The journal of an import: what is done, so that a run that was interrupted can go on.
//!
//! One line for each file that need not be read again: outcome, size, time of modification, check of its first bytes,
//! path. It is advice: everything is deduplicated, so losing it only costs reading again. It lives as long as the
//! import is unfinished. As another disc may be mounted in the place of the first, the first known instance of each
//! folder is looked into before the folder's files are left out.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use storage_config::{ContentHash, Hasher};

use super::job::ImportJob;
use super::tally::Settled;
use super::walk::Found;

/// First line of a journal.
const TITLE: &[u8] = b"# import journal 1\n";
/// Longest line that is read back.
const LINE: u64 = 64 * 1024;
/// Lines after which the journal is written out.
const FLUSH_LINES: u32 = 1000;
/// Time after which it is.
const FLUSH: Duration = Duration::from_secs(1);

/// A check of a file's first bytes.
pub(super) type Head = u32;

/// A journal being written.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    unwritten: Vec<u8>,
    lines: u32,
    written_at: Instant,
}

/// What earlier runs have done, by a hash of path, size and time.
#[derive(Default)]
pub(super) struct Known(HashMap<[u8; 16], (Settled, Head)>);

impl Journal {
    /// Opens the journal of `job` below `data_dir`, with what is in it if the job is to go on.
    ///
    /// # Errors
    /// When the journal cannot be made or read.
    pub(super) fn open(data_dir: &Path, job: &ImportJob) -> io::Result<(Journal, Known)> {
        let folder = data_dir.join("import");
        // Names of files may name patients: for the owner only.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let path = folder.join(format!("{}.journal", name(job)));
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        let (known, end) = if job.resume { read(&file)? } else { (Known::default(), 0) };
        file.set_len(end)?;
        file.seek(SeekFrom::End(0))?;
        if end == 0 {
            file.write_all(TITLE)?;
        }
        let (unwritten, written_at) = (Vec::new(), Instant::now());
        Ok((Journal { path, file, unwritten, lines: 0, written_at }, known))
    }

    /// Notes a file. Nothing is written yet: this is called where a disk must not be waited for.
    pub(super) fn note(&mut self, settled: Settled, found: &Found, head: Head) {
        let word = word(settled);
        let line = format!("{word} {} {} {head:08x} ", found.size, found.modified_ns);
        self.unwritten.extend_from_slice(line.as_bytes());
        for byte in found.path.as_os_str().as_bytes() {
            match byte {
                b'\n' => self.unwritten.extend_from_slice(b"\\n"),
                b'\\' => self.unwritten.extend_from_slice(b"\\\\"),
                _ => self.unwritten.push(*byte),
            }
        }
        self.unwritten.push(b'\n');
        self.lines += 1;
    }

    /// Writes out what was noted, if it is time.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn flush_when_due(&mut self, now: Instant) -> io::Result<()> {
        let due = self.lines >= FLUSH_LINES || now.saturating_duration_since(self.written_at) >= FLUSH;
        if due { self.flush(now) } else { Ok(()) }
    }

    /// Writes out what was noted.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn flush(&mut self, now: Instant) -> io::Result<()> {
        self.file.write_all(&self.unwritten)?;
        self.unwritten.clear();
        self.lines = 0;
        self.written_at = now;
        Ok(())
    }

    /// Removes the journal of a finished import.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(super) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

impl Known {
    /// What became of a file of this path, size and time, and the check of its first bytes.
    pub(super) fn get(&self, found: &Found) -> Option<(Settled, Head)> {
        if self.0.is_empty() { None } else { self.0.get(&fingerprint(found)).copied() }
    }
}

/// The journal's name: the same for the same paths and options, in whatever order and by whatever link.
fn name(job: &ImportJob) -> String {
    let mut paths: Vec<PathBuf> =
        job.roots().into_iter().map(|path| path.canonicalize().unwrap_or(path)).collect();
    paths.sort();
    let mut hasher = Hasher::new();
    for path in &paths {
        hasher.update(path.as_os_str().as_bytes());
        hasher.update(&[0]);
    }
    for option in [&job.facility, &job.issuer, &job.source] {
        hasher.update(&[u8::from(option.is_some())]);
        hasher.update(option.as_deref().unwrap_or_default().as_bytes());
        hasher.update(&[0]);
    }
    hasher.finish().to_string().chars().take(32).collect()
}

fn fingerprint(found: &Found) -> [u8; 16] {
    let mut hasher = Hasher::new();
    hasher.update(&found.size.to_le_bytes());
    hasher.update(&found.modified_ns.to_le_bytes());
    hasher.update(found.path.as_os_str().as_bytes());
    let ContentHash(hash) = hasher.finish();
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    half
}

const WORDS: [(Settled, &str); 6] = [
    (Settled::New, "stored"),
    (Settled::Version, "version"),
    (Settled::Duplicate, "duplicate"),
    (Settled::Holding, "holding"),
    (Settled::NotDicom, "not-dicom"),
    (Settled::Dicomdir, "dicomdir"),
];

fn word(settled: Settled) -> &'static str {
    WORDS.iter().find(|(known, _)| *known == settled).map_or("", |(_, word)| word)
}

/// Reads a journal, and where its last whole line ends. Lines that make no sense are passed over: a machine that lost
/// its power leaves such.
fn read(file: &File) -> io::Result<(Known, u64)> {
    let mut reader = BufReader::with_capacity(256 * 1024, file);
    let mut known = Known::default();
    let (mut line, mut end) = (Vec::new(), 0);
    loop {
        line.clear();
        let length = (&mut reader).take(LINE).read_until(b'\n', &mut line)? as u64;
        if line.last() != Some(&b'\n') && length < LINE {
            return Ok((known, end));
        }
        if end == 0 && line != TITLE {
            return Ok((known, 0));
        }
        end += length;
        if let Some((found, settled, head)) = parse(line.strip_suffix(b"\n").unwrap_or(&line)) {
            known.0.insert(fingerprint(&found), (settled, head));
        }
    }
}

fn parse(line: &[u8]) -> Option<(Found, Settled, Head)> {
    let mut fields = line.splitn(5, |byte| *byte == b' ');
    let mut text = || fields.next().and_then(|field| std::str::from_utf8(field).ok());
    let outcome = text()?;
    let settled = WORDS.iter().find(|(_, word)| *word == outcome)?.0;
    let size = text()?.parse().ok()?;
    let modified_ns = text()?.parse().ok()?;
    let head = Head::from_str_radix(text()?, 16).ok()?;
    let mut path = Vec::new();
    let mut escaped = fields.next()?.iter();
    while let Some(byte) = escaped.next() {
        path.push(match byte {
            b'\\' if escaped.next()? == &b'n' => b'\n',
            byte => *byte,
        });
    }
    let path = std::ffi::OsString::from_vec(path).into();
    Some((Found { path, size, modified_ns }, settled, head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(resume: bool) -> ImportJob {
        let paths = vec!["/x".into()];
        ImportJob {
            paths,
            dry_run: false,
            facility: None,
            issuer: None,
            source: None,
            threads: None,
            resume,
            patient: None,
            who: None,
        }
    }

    fn found(path: &[u8], size: u64) -> Found {
        let path = std::ffi::OsString::from_vec(path.to_vec()).into();
        Found { path, size, modified_ns: -5_000_000_001 }
    }

    #[test]
    fn a_journal_is_read_back_whatever_the_names_are_and_however_it_was_torn() {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            found(b"/x/a b \\n\n\\", 1),
            found(b"/x/\xff", 2),
            found("/x/Nguyễn".as_bytes(), 3),
            found(b"/x/last", 4),
        ];
        let (mut journal, known) = Journal::open(dir.path(), &job(true)).unwrap();
        assert_eq!(known.get(&files[0]), None);
        for (n, file) in files.iter().enumerate() {
            journal.note(WORDS[n].0, file, n as u32 * 7);
        }
        journal.flush(Instant::now()).unwrap();
        let path = journal.path.clone();
        drop(journal);
        let length = std::fs::metadata(&path).unwrap().len();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(length - 3).unwrap();
        let (mut journal, known) = Journal::open(dir.path(), &job(true)).unwrap();
        for (n, file) in files[..3].iter().enumerate() {
            assert_eq!(known.get(file), Some((WORDS[n].0, n as u32 * 7)), "{file:?}");
        }
        assert_eq!(known.get(&files[3]), None, "the torn line is gone");
        assert_eq!(known.get(&Found { size: 9, ..files[0].clone() }), None);
        assert_eq!(known.get(&Found { modified_ns: 9, ..files[0].clone() }), None);
        journal.note(Settled::Dicomdir, &files[3], 1);
        journal.flush(Instant::now()).unwrap();
        drop(journal);
        let (journal, known) = Journal::open(dir.path(), &job(true)).unwrap();
        assert_eq!(known.get(&files[3]), Some((Settled::Dicomdir, 1)));
        assert_eq!(known.0.len(), 4);
        drop(journal);
        let (journal, known) = Journal::open(dir.path(), &job(false)).unwrap();
        assert!(known.0.is_empty(), "from the start");
        journal.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_line_that_makes_no_sense_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path(), &job(true)).unwrap();
        journal.unwritten.extend_from_slice(b"\0\0\0\n");
        journal.unwritten.resize(200_000, b'x');
        journal.unwritten.push(b'\n');
        journal.note(Settled::New, &found(b"/x/a", 1), 3);
        journal.flush(Instant::now()).unwrap();
        let (_, known) = Journal::open(dir.path(), &job(true)).unwrap();
        assert_eq!(known.get(&found(b"/x/a", 1)), Some((Settled::New, 3)));
    }
}
