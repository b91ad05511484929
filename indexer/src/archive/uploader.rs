//! The thread that brings sealed packs to the bucket and removes files that are copies (STORE.md rules 11, 27).
//!
//! A pack goes through: sealed; uploaded and read back; recorded; surely recorded; its file may go. It may stop between
//! any two: whoever starts next finds in rows, files and bucket where it stood.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use storage_config::object::{Effort, ObjectError, hash_file};
use storage_config::pack::PackName;

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
        let more = shared.remove_copies(uploads)?;
        shared.remove_retired(uploads)?;
        return Ok(more);
    };
    shared.upload(uploads, pack, length)?;
    shared.look_at_backlog();
    shared.remove_copies(uploads)?;
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

    /// Removes what is surely elsewhere: a file that is to go, groups of packs that are whole in the bucket. Whether there
    /// may be more files.
    fn remove_copies(&self, uploads: &Uploads) -> Result<bool, ObjectError> {
        // One at a time: each is a reading of a whole object, and uploads go on between.
        let removed = uploads.too_many().map(|pack| self.drop_file(uploads, pack)).transpose()?;
        let stale = uploads.take_stale();
        let mut goes_on = !stale.is_empty() && self.is_surely_recorded();
        for name in stale {
            goes_on = goes_on && uploads.remove_groups(&name).is_ok();
            if !goes_on {
                uploads.stale(name);
            }
        }
        Ok(removed.is_some_and(|removed| removed))
    }

    /// Whether all uploads that were recorded stay recorded, whatever happens to the power.
    fn is_surely_recorded(&self) -> bool {
        let durable = self.db.make_durable();
        if let Err(error) = &durable {
            tracing::warn!(%error, "the index could not be made durable; nothing is removed");
        }
        durable.is_ok()
    }

    /// Has the object of a pack read whose file could not be; whether its next reader gets that. The file goes once the
    /// object was proved.
    pub(crate) fn read_object(&self, pack: PackId) -> bool {
        let Some(uploads) = &self.uploads else { return false };
        let recorded = matches!(self.db.pack_object(pack), Ok(Some(object)) if object.retired_ms == 0);
        let news = recorded && uploads.doubt(pack);
        if news {
            self.readers.forget(pack);
        }
        news
    }

    /// Removes the file of a pack if it is no more than a copy of the bucket's object, surely recorded, and that object is
    /// whole now: read from its first byte to its last. One that is not is written anew from the file. Whether it did. The
    /// turn of the uploads is the caller's.
    ///
    /// # Errors
    /// When the bucket does not answer; the file stays then.
    pub(crate) fn drop_file(&self, uploads: &Uploads, pack: PackId) -> Result<bool, ObjectError> {
        let Ok(Some(object)) = self.db.pack_object(pack) else { return Ok(false) };
        let Ok(name) = self.names.get(self, pack) else { return Ok(false) };
        if !uploads.is_copy(pack) || !self.is_surely_recorded() {
            return Ok(false);
        }
        let path = self.options.packs_dir.join(name.file_name());
        if !self.is_proved(uploads, &object, &name)? {
            tracing::error!(pack = %name, "neither the file of a pack nor its object is whole; both stay");
            metrics::counter!("archive_objects_damaged_total").increment(1);
            uploads.keep_file(pack);
            self.readers.forget(pack);
            return Ok(false);
        }
        if !uploads.give_up_file(pack) {
            return Ok(false);
        }
        let removed = self.options.disk.remove(&path);
        // Whoever has it open may read on; who opens it from now on gets the object.
        self.readers.forget(pack);
        if let Err(error) = &removed {
            tracing::warn!(%error, "the file of an uploaded pack could not be removed");
        }
        Ok(removed.is_ok())
    }

    /// Whether the object of a pack holds what was uploaded, made so from the file if need be.
    fn is_proved(
        &self,
        uploads: &Uploads,
        object: &PackObject,
        name: &PackName,
    ) -> Result<bool, ObjectError> {
        let stop = || self.wait_for_stop(Duration::ZERO);
        let objects = &uploads.remote.objects;
        let (key, length) = (remote::pack_key(name), object.length);
        let found = objects.hash_of(&key, length, &stop)?;
        if found.is_some() && found == object.sha256 {
            return Ok(true);
        }
        let file = self.options.disk.open(&self.options.packs_dir.join(name.file_name()));
        let Ok(file) = file else { return Ok(false) };
        let here = match hash_file(&file, length, &stop) {
            Ok(here) => here,
            Err(ObjectError::Local(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        match object.sha256 {
            // The bucket told no hash; the file and the object agree.
            None => Ok(found == Some(here)),
            Some(sha256) if sha256 == here => {
                tracing::error!(pack = %name, "the object of a pack is not what was uploaded; it is written anew");
                metrics::counter!("archive_objects_mended_total").increment(1);
                objects.upload_again(&key, &file, length, &stop)?;
                Ok(objects.hash_of(&key, length, &stop)? == Some(sha256))
            }
            Some(_) => Ok(false),
        }
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
