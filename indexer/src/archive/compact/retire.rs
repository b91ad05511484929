//! The end of an object whose pack was written anew: given up in the turn of its run, removed by whichever server comes by
//! (STORE.md rules 11, 28).

use std::path::Path;
use std::time::{Duration, Instant};

use storage_config::disk::SyncPoint;
use storage_config::object::{Effort, ObjectError};

use super::{CompactError, PATIENCE, Turn, UPLOAD};
use crate::archive::remote::{Uploads, pack_key};
use crate::archive::steps::reached;
use crate::archive::{Archive, Shared};
use crate::db::{DbError, PackId, PackObject};

impl Archive {
    /// Waits until a pack that was written anew is in the bucket, where there is one; whether it is.
    pub(super) fn is_uploaded(&self, pack: PackId, turn: &mut Turn<'_>) -> Result<bool, CompactError> {
        let (shared, began) = (&self.shared, Instant::now());
        if shared.uploads.is_none() {
            return Ok(true);
        }
        while shared.db.pack_object(pack)?.is_none() {
            turn.keep();
            if shared.wait_for_stop(PATIENCE / 10) {
                return Err(CompactError::Stopping);
            }
            if began.elapsed() > UPLOAD {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives the object of a pack up that is out of the index.
    pub(super) fn retire(&self, uploads: &Uploads, pack: PackId, turn: &Turn<'_>) -> Result<(), CompactError> {
        let shared = &self.shared;
        if !shared.db.retire_object(turn.run(), pack, (shared.options.now_ms)())? {
            return Err(CompactError::Elsewhere);
        }
        reached("compact.retired");
        uploads.look_for_retired();
        Ok(())
    }
}

impl Shared {
    /// Removes objects that were given up long enough ago, with the copies of them that are here.
    pub(crate) fn remove_retired(&self, uploads: &Uploads) -> Result<(), ObjectError> {
        let failed = |error: DbError| ObjectError::Local(std::io::Error::other(error));
        if !uploads.is_retired_due() {
            return Ok(());
        }
        let retired = self.db.retired_objects().map_err(failed)?;
        if retired.is_empty() {
            return Ok(());
        }
        // Nothing is removed before it is sure that nobody looks for it any more.
        self.db.make_durable().map_err(failed)?;
        let now = (self.options.now_ms)();
        for object in &retired {
            self.forget_retired(uploads, object.pack)?;
            let long_ago = now.saturating_sub(object.retired_ms) >= millis(uploads.remote.retired);
            if long_ago {
                self.remove_object(uploads, object)?;
            }
        }
        Ok(())
    }

    fn remove_object(&self, uploads: &Uploads, object: &PackObject) -> Result<(), ObjectError> {
        let name = self.names.get(self, object.pack).map_err(|e| ObjectError::Local(std::io::Error::other(e)))?;
        uploads.remove_groups(&name)?;
        uploads.remote.objects.delete(&pack_key(&name), Effort::Patient)?;
        reached("compact.deleted");
        self.db.object_gone(object.pack).map_err(|error| ObjectError::Local(std::io::Error::other(error)))?;
        tracing::info!(bytes = object.length, "the object of a pack that was written anew is removed");
        Ok(())
    }

    /// Removes the file of a pack that was written anew.
    fn forget_retired(&self, uploads: &Uploads, pack: PackId) -> Result<(), ObjectError> {
        if uploads.give_up_file(pack) {
            let name = self.names.get(self, pack).map_err(|e| ObjectError::Local(std::io::Error::other(e)))?;
            self.remove_pack_file(&name.file_name()).map_err(ObjectError::Local)?;
            self.readers.forget(pack);
        }
        Ok(())
    }

    /// Removes a file of the packs' folder, for good.
    pub(in crate::archive) fn remove_pack_file(&self, file_name: &str) -> std::io::Result<()> {
        let (disk, folder) = (&self.options.disk, &self.options.packs_dir);
        disk.remove(&folder.join(Path::new(file_name)))?;
        disk.sync_dir(folder, SyncPoint::Removal)
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
