//! The thread that brings sealed packs to the bucket and removes files that are copies (STORE.md rules 11, 27).
//!
//! A pack goes through: sealed; uploaded and read back; recorded; surely recorded; its file may go. It may stop between
//! any two: whoever starts next finds in rows, files and bucket where it stood.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use storage_config::object::{Effort, ObjectError};

use super::remote::{self, Uploads};
use super::{Archive, Backlog, Shared};
use crate::db::{Job, PackId, PackObject};

/// How long to wait while there is nothing to do.
const IDLE: Duration = Duration::from_millis(250);

/// The thread: works until the stop.
pub(crate) fn run(shared: &Arc<Shared>, uploads: &Uploads) {
    let (mut pause, mut failed) = (Duration::ZERO, Duration::ZERO);
    while !shared.wait_for_stop(pause) {
        pause = match step(shared, uploads) {
            Ok(more) => {
                failed = Duration::ZERO;
                if more { Duration::ZERO } else { IDLE }
            }
            Err(error) => {
                metrics::counter!("archive_upload_failures_total").increment(1);
                tracing::warn!(%error, "an upload failed and is tried again");
                let first = uploads.remote.retry;
                failed = (failed * 2).clamp(first, first * 60);
                failed
            }
        };
    }
}

/// One piece of work; whether there was one.
fn step(shared: &Shared, uploads: &Uploads) -> Result<bool, ObjectError> {
    let _turn = uploads.turn.lock().unwrap_or_else(PoisonError::into_inner);
    if uploads.is_away() {
        uploads.remote.objects.about("probe/none", Effort::Quick)?;
        uploads.set_away(false);
    }
    shared.look_at_backlog();
    let Some((pack, length)) = uploads.next() else {
        shared.remove_copies(uploads);
        shared.remove_retired(uploads)?;
        return Ok(false);
    };
    shared.upload(uploads, pack, length)?;
    shared.look_at_backlog();
    shared.remove_copies(uploads);
    Ok(true)
}

impl Archive {
    /// What waits for its upload; none where packs stay on the disk.
    #[must_use]
    pub fn backlog(&self) -> Option<Backlog> {
        self.shared.uploads.as_ref().map(|uploads| uploads.backlog())
    }
}

impl Shared {
    /// Uploads a sealed pack and records it.
    fn upload(&self, uploads: &Uploads, pack: PackId, length: u64) -> Result<(), ObjectError> {
        let name = self.names.get(self, pack).map_err(|e| ObjectError::Local(std::io::Error::other(e)))?;
        let path = self.options.packs_dir.join(name.file_name());
        let file = self.options.disk.open(&path).map_err(ObjectError::Local)?;
        let begun = Instant::now();
        let stop = || self.wait_for_stop(Duration::ZERO);
        let sent = remote::upload(&uploads.remote, &name, &file, length, &stop)?;
        let uploaded_ms = (self.options.now_ms)();
        let object = PackObject { pack, length, sha256: Some(sent.sha256), uploaded_ms, retired_ms: 0 };
        self.db
            .background(&Job::PackUploaded(object))
            .map_err(|error| ObjectError::Local(std::io::Error::other(error)))?;
        uploads.cached(pack, length);
        uploads.stale(name);
        metrics::counter!("archive_uploaded_bytes_total").increment(length);
        tracing::info!(
            length,
            was_there = sent.was_there,
            seconds = begun.elapsed().as_secs_f64(),
            "a pack was uploaded"
        );
        Ok(())
    }

    /// Removes what is surely elsewhere: groups of packs that are whole in the bucket, files beyond the limit.
    fn remove_copies(&self, uploads: &Uploads) {
        while let Some(pack) = uploads.too_many() {
            if !self.drop_file(pack) {
                return;
            }
        }
        let stale = uploads.take_stale();
        let mut goes_on = !stale.is_empty() && self.is_surely_recorded();
        for name in stale {
            goes_on = goes_on && uploads.remove_groups(&name).is_ok();
            if !goes_on {
                uploads.stale(name);
            }
        }
    }

    /// Whether all uploads that were recorded stay recorded, whatever happens to the power.
    fn is_surely_recorded(&self) -> bool {
        let durable = self.db.make_durable();
        if let Err(error) = &durable {
            tracing::warn!(%error, "the index could not be made durable; nothing is removed");
        }
        durable.is_ok()
    }

    /// Removes the file of a pack if it is no more than a copy of the bucket's object, surely recorded; whether it did.
    pub(crate) fn drop_file(&self, pack: PackId) -> bool {
        let Some(uploads) = &self.uploads else { return false };
        let recorded = matches!(self.db.pack_object(pack), Ok(Some(_)));
        let Ok(name) = self.names.get(self, pack) else { return false };
        if !recorded || !self.is_surely_recorded() || !uploads.give_up_file(pack) {
            return false;
        }
        let removed = self.options.disk.remove(&self.options.packs_dir.join(name.file_name()));
        // Whoever has it open may read on; who opens it from now on gets the object.
        self.readers.forget(pack);
        if let Err(error) = &removed {
            tracing::warn!(%error, "the file of an uploaded pack could not be removed");
        }
        removed.is_ok()
    }

    /// Takes note of what waits, and refuses stores while it is too much.
    pub(crate) fn look_at_backlog(&self) {
        let Some(uploads) = &self.uploads else { return };
        let Backlog { bytes, oldest } = uploads.backlog();
        metrics::gauge!("archive_upload_backlog_bytes").set(bytes as f64);
        metrics::gauge!("archive_upload_backlog_oldest_seconds").set(oldest.as_secs_f64());
        self.health.objects(uploads.refuses());
    }

    /// Takes note that records of a pack are synced up to `length`.
    pub(crate) fn note_written(&self, pack: PackId, length: u64) {
        if let Some(uploads) = &self.uploads {
            uploads.written(pack, length);
            self.look_at_backlog();
        }
    }

    /// Whether a pack with records is to be sealed although it is not full.
    pub(crate) fn seal_is_due(&self, pack: PackId) -> bool {
        self.uploads.as_ref().is_some_and(|uploads| uploads.seal_is_due(pack))
    }
}
