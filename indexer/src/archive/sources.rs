//! Where the bytes of each pack are when a process starts: in a file here, as an object of the bucket, or as the groups
//! that a writer sent before its pack was whole.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use storage_config::object::{Effort, ObjectError, ObjectPart};
use storage_config::pack::{PackName, PackReader};

use super::Shared;
use super::error::OpenError;
use super::remote::pack_key;
use crate::db::{Job, PackId, PackObject};

/// Where a pack is read from; its file where there is one.
pub(crate) enum At {
    File,
    Object(u64),
    Groups(Vec<ObjectPart>),
}

/// All packs there are.
pub(crate) struct Sources {
    pub(crate) packs: BTreeMap<PackName, At>,
    /// Packs that are whole in the bucket and of which groups are there too.
    stale: Vec<PackName>,
}

impl Sources {
    /// Looks for packs. A bucket that does not answer is passed over if `optional`.
    pub(crate) fn find(shared: &Shared, optional: bool) -> Result<Sources, OpenError> {
        let names = shared.options.disk.list(&shared.options.packs_dir)?;
        let names = names.iter().filter_map(|name| PackName::of_path(Path::new(name)).ok());
        let mut sources = Sources { packs: names.map(|name| (name, At::File)).collect(), stale: Vec::new() };
        match sources.add_bucket(shared) {
            Err(error) if optional && !error.is_final() => {
                tracing::warn!(%error, "what the object store has is not looked at");
            }
            result => result?,
        }
        Ok(sources)
    }

    fn add_bucket(&mut self, shared: &Shared) -> Result<(), ObjectError> {
        let Some(uploads) = &shared.uploads else { return Ok(()) };
        uploads.probe(shared.options.disk.random_id().map_err(ObjectError::Local)?)?;
        let whole: HashMap<PackName, u64> = uploads.list_packs()?.into_iter().collect();
        let mut groups: BTreeMap<PackName, Vec<ObjectPart>> = BTreeMap::new();
        for (name, part) in uploads.list_all_groups()? {
            groups.entry(name).or_default().push(part);
        }
        self.stale = groups.keys().filter(|name| whole.contains_key(name)).copied().collect();
        for (name, length) in whole {
            self.packs.entry(name).or_insert(At::Object(length));
        }
        for (name, parts) in groups {
            self.packs.entry(name).or_insert(At::Groups(parts));
        }
        Ok(())
    }

    /// Tells the uploads which files wait and which are copies.
    pub(crate) fn tell(&self, shared: &Shared) -> Result<(), OpenError> {
        let Some(uploads) = &shared.uploads else { return Ok(()) };
        uploads.reset();
        let objects = shared.db.pack_objects()?;
        let retired: HashSet<_> = objects.iter().filter(|o| o.retired_ms > 0).map(|o| o.pack).collect();
        let objects: HashMap<_, _> =
            objects.into_iter().map(|object| (object.pack, object.length)).collect();
        let is_retired = |pack: PackId| retired.contains(&pack);
        for row in shared.db.packs()? {
            let Ok(name) = row.name.parse::<PackName>() else { continue };
            match (objects.get(&row.id), self.packs.get(&name)) {
                // Written anew while this server was away or before it came to removing its copy.
                (Some(_), Some(At::File)) if is_retired(row.id) => {
                    shared.db.make_durable()?;
                    shared.remove_pack_file(&name.file_name())?;
                }
                (Some(_), _) if is_retired(row.id) => {}
                (Some(length), Some(At::File)) => {
                    uploads.cached(row.id, *length);
                    // Whoever recorded it may not have come to removing its groups.
                    if self.stale.contains(&name) {
                        uploads.stale(name);
                    }
                }
                (Some(_), _) if self.stale.contains(&name) => uploads.stale(name),
                (None, Some(At::File)) if row.sealed => uploads.found(row.id, row.length),
                // Its upload was not recorded before its file was lost.
                (None, Some(at @ At::Object(_))) => at.note(shared, &name)?,
                _ => {}
            }
        }
        Ok(())
    }
}

impl At {
    /// Opens the pack, whatever its header looks like.
    pub(crate) fn open(&self, shared: &Shared, name: &PackName) -> Result<PackReader, OpenError> {
        let file = match (self, &shared.uploads) {
            (At::Object(length), Some(uploads)) => uploads.object(name, *length),
            (At::Groups(parts), Some(uploads)) => uploads.groups(parts.clone()),
            _ => {
                let path = shared.options.packs_dir.join(name.file_name());
                return Ok(PackReader::open_lenient(&shared.options.disk, &path)?);
            }
        };
        Ok(PackReader::open_object(file.scattered(), *name)?)
    }

    /// Notes a pack that was indexed whole: that nobody writes it, and where it is.
    pub(crate) fn note(&self, shared: &Shared, name: &PackName) -> Result<(), OpenError> {
        let pack = shared.db.pack_id(&name.to_string())?;
        let job = match (self, &shared.uploads) {
            (At::Object(length), Some(uploads)) => {
                let about = uploads.remote.objects.about(&pack_key(name), Effort::Patient)?;
                let sha256 = about.and_then(|about| about.sha256);
                let uploaded_ms = (shared.options.now_ms)();
                Job::PackUploaded(PackObject { pack, length: *length, sha256, uploaded_ms, retired_ms: 0 })
            }
            _ => Job::PackSealed { pack, length: self.open(shared, name)?.len()? },
        };
        Ok(shared.db.background(&job)?)
    }
}
