//! The thread that writes views.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::{Message, Month, View, file_of, lose, month_of};

/// How often what was written is synced.
const SYNC: Duration = Duration::from_secs(1);

/// Makes the folder of the log, for its owner alone.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Writes views to the file of their month.
pub(super) struct Writer {
    folder: PathBuf,
    open: Option<(Month, File)>,
    unsynced: bool,
    /// Whether the last write failed, so that a full disk is told of once.
    failing: bool,
    lost: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn new(folder: PathBuf, lost: Arc<AtomicU64>) -> Writer {
        Writer { folder, open: None, unsynced: false, failing: false, lost }
    }

    /// Writes until it is told to stop.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        let mut synced = Instant::now();
        loop {
            match messages.recv_timeout(SYNC) {
                Ok(Message::View(view)) => self.take(&view),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.unsynced && synced.elapsed() >= SYNC {
                self.sync();
                synced = Instant::now();
            }
        }
        self.sync();
    }

    fn take(&mut self, view: &View) {
        match self.write(view) {
            Ok(()) => {
                metrics::counter!("views_total", "outcome" => "noted").increment(1);
                self.failing = false;
            }
            Err(error) => {
                lose(&self.lost);
                // A part of the line may stand there: the file is opened anew and the line ended first.
                self.open = None;
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "views of studies are not noted");
                }
            }
        }
    }

    fn write(&mut self, view: &View) -> io::Result<()> {
        let mut line = serde_json::to_vec(view)?;
        line.push(b'\n');
        let month = month_of(view.at_ms);
        if self.open.as_ref().is_none_or(|(known, _)| *known != month) {
            self.sync();
            self.open = Some((month, open(&self.folder, month)?));
        }
        if let Some((_, file)) = &mut self.open {
            file.write_all(&line)?;
            self.unsynced = true;
        }
        Ok(())
    }

    fn sync(&mut self) {
        if let (true, Some((_, file))) = (std::mem::take(&mut self.unsynced), &self.open)
            && let Err(error) = file.sync_data()
        {
            tracing::error!(%error, "the log of views was not synced; its last lines may be lost");
        }
    }
}

/// Opens the file of a month to append to, its last line whole.
fn open(folder: &Path, month: Month) -> io::Result<File> {
    let path = file_of(folder, month);
    let is_new = !path.exists();
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
    if is_new {
        File::open(folder)?.sync_all()?;
    } else if file.metadata()?.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}
