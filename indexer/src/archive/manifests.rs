//! The manifests of this archive: made at the first request or, while many instances of a series arrive, behind the
//! store; kept in memory and in files of a folder that may be deleted at any time.
//!
//! A manifest is served only for the generation of its series for which it was found right, or when it names the very
//! instances that the index serves. One that names the first of them is continued, so that a viewer that is open while
//! a series arrives costs little.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use storage_config::{ContentHash, Uid};

use super::budget::Budget;
use super::cache_files::CacheFiles;
use super::error::ReadError;
use super::manifest::Manifest;
use super::metadata::{Metadata, Part, Rest};
use super::{Archive, Shared, fragment};
use crate::db::{InstanceRow, SeriesMember, SeriesState};

/// Bytes of manifests kept in memory.
const MEMORY: usize = 64 << 20;
/// Bytes of compressed metadata in memory, of manifests that are kept and of those that answers still need.
const ROOM: u64 = 256 << 20;
/// How long after the first of new instances a manifest is continued behind the store.
const LAG: Duration = Duration::from_millis(400);
/// New instances from which that pays; fewer are read when somebody asks.
const MANY: usize = 16;
/// How long a series is left alone before its manifest becomes a file.
const QUIET: Duration = Duration::from_secs(10);
/// Instances from which a manifest becomes a file.
const FILE_FROM: usize = 8;
/// Bytes of text that are compressed at once, about.
const BATCH: usize = 1 << 20;

/// The manifests in memory, and what is to be done about them.
pub(crate) struct Manifests {
    files: Option<CacheFiles>,
    state: Mutex<State>,
    made: Condvar,
    room: Budget,
    /// Held by who makes the metadata of a large instance.
    large: Mutex<()>,
}

#[derive(Default)]
struct State {
    kept: HashMap<i64, Kept>,
    bytes: usize,
    /// Counts uses, to know the longest unused.
    clock: u64,
    /// Series whose manifest somebody makes at the moment.
    making: HashSet<i64>,
    /// Series of which instances arrived, since when, and how many.
    arrived: HashMap<(Uid, Uid), (Instant, usize)>,
}

struct Kept {
    manifest: Arc<Manifest>,
    generation: u64,
    used: u64,
    name: String,
    /// Since when it differs from its file.
    changed: Option<Instant>,
}

impl Manifests {
    pub(crate) fn new(files: Option<CacheFiles>) -> Manifests {
        let room = Budget::new(ROOM, 0);
        Manifests { files, state: Mutex::default(), made: Condvar::new(), room, large: Mutex::default() }
    }

    /// What all metadata in memory may take.
    pub(crate) fn room(&self) -> &Budget {
        &self.room
    }

    /// Waits until nobody else makes the metadata of a large instance.
    pub(crate) fn large_turn(&self) -> MutexGuard<'_, ()> {
        self.large.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an instance that became visible.
    pub(crate) fn arrived(&self, study: &Uid, series: &Uid) {
        let mut state = self.lock();
        let key = (study.clone(), series.clone());
        state.arrived.entry(key).or_insert_with(|| (Instant::now(), 0)).1 += 1;
    }

    /// Forgets what is in memory, because rows were made anew under other numbers.
    pub(crate) fn clear(&self) {
        *self.lock() = State::default();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The manifest of a series, if it is kept for this generation and for addresses with `base`.
    fn get(state: &mut State, series: &SeriesState, base: &str) -> Option<Arc<Manifest>> {
        state.clock += 1;
        let clock = state.clock;
        let kept = state.kept.get_mut(&series.id)?;
        kept.used = clock;
        // Which instances a full one leaves out is asked for again.
        let whole = kept.generation == series.generation && !kept.manifest.is_full();
        (whole && serves(&kept.manifest, base)).then(|| kept.manifest.clone())
    }

    /// Keeps a manifest unless one of a later generation is kept.
    fn keep(&self, series: &SeriesState, name: String, manifest: &Arc<Manifest>, from_file: bool) {
        let mut state = self.lock();
        state.clock += 1;
        let used = state.clock;
        if state.kept.get(&series.id).is_some_and(|kept| kept.generation > series.generation) {
            return;
        }
        let changed = (!from_file).then(Instant::now);
        let kept = Kept { manifest: manifest.clone(), generation: series.generation, used, name, changed };
        state.bytes += manifest.weight();
        if let Some(old) = state.kept.insert(series.id, kept) {
            state.bytes -= old.manifest.weight();
        }
        while state.bytes > MEMORY {
            let oldest = state.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(id, _)| *id);
            let Some(old) = oldest.and_then(|id| state.kept.remove(&id)) else { break };
            state.bytes -= old.manifest.weight();
        }
    }
}

/// Somebody makes the manifest of a series; the others go on when it is dropped, whatever came of it.
struct Making<'a> {
    manifests: &'a Manifests,
    series: i64,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.manifests.lock().making.remove(&self.series);
        self.manifests.made.notify_all();
    }
}

/// Whether the addresses in a manifest, if there are any, begin with `base`.
fn serves(manifest: &Manifest, base: &str) -> bool {
    manifest.base.as_deref().is_none_or(|own| own == base)
}

impl Archive {
    /// The metadata of the served instances of a study, or of one of its series, as DICOM JSON (PS3.18 annex F).
    /// Addresses in it begin with `base`, which stands before `/studies`. None where there is no such instance.
    ///
    /// # Errors
    /// When the index or the store cannot be read.
    pub fn metadata(
        &self,
        study: &Uid,
        series: Option<&Uid>,
        base: &str,
    ) -> Result<Option<Metadata>, ReadError> {
        let states = self.shared.db.series_states(study, series)?;
        if states.is_empty() {
            return Ok(None);
        }
        let part = |state: &SeriesState| {
            let (held, rest) = self.shared.manifest(study, state, base)?;
            let (shared, base) = (self.shared.clone(), base.to_owned());
            let rest = Some(rest).filter(|rest| !rest.is_empty());
            Ok(Part { held, rest: rest.map(|members| Rest { shared, base, members }) })
        };
        Ok(Some(Metadata::new(states.iter().map(part).collect::<Result<_, ReadError>>()?)))
    }

    /// The metadata of one instance, as an array of one.
    ///
    /// # Errors
    /// As [`Archive::metadata`].
    pub fn instance_metadata(&self, row: &InstanceRow, base: &str) -> Result<Metadata, ReadError> {
        let member = SeriesMember { digest: row.digest, place: row.place };
        let held = self.shared.metadata_of(&member, base, u64::MAX)?;
        Ok(Metadata::new(vec![Part { held: Arc::new(held), rest: None }]))
    }
}

impl Shared {
    /// The manifest of a series, from memory, from its file, or made; one thread makes it, others wait for that. With the
    /// instances that it has no room for.
    fn manifest(
        &self,
        study: &Uid,
        series: &SeriesState,
        base: &str,
    ) -> Result<(Arc<Manifest>, Vec<SeriesMember>), ReadError> {
        let manifests = &self.manifests;
        let mut state = manifests.lock();
        loop {
            if let Some(manifest) = Manifests::get(&mut state, series, base) {
                return Ok((manifest, Vec::new()));
            }
            if state.making.insert(series.id) {
                break;
            }
            state = manifests.made.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let known = state.kept.get(&series.id).map(|kept| kept.manifest.clone());
        drop(state);
        let _making = Making { manifests, series: series.id };
        self.make(study, series, base, known)
    }

    /// Makes a manifest from what is known of it and what the index serves.
    fn make(
        &self,
        study: &Uid,
        series: &SeriesState,
        base: &str,
        known: Option<Arc<Manifest>>,
    ) -> Result<(Arc<Manifest>, Vec<SeriesMember>), ReadError> {
        let name = name_of(study, &series.series_uid);
        let (generation, mut members) = self.db.series_members(series.id)?;
        // What is asked for may have changed since; the answer is what is served now.
        let series = &SeriesState { generation, ..series.clone() };
        let starts = |manifest: &Manifest| serves(manifest, base) && is_start(manifest, &members);
        let from_file = || Some(Arc::new(self.manifests.files.as_ref()?.read(&name, &self.manifests.room)?));
        let known = known.filter(|manifest| starts(manifest)).or_else(|| from_file().filter(|m| starts(m)));
        let ended = |manifest: &Manifest| manifest.is_full() || manifest.members.len() == members.len();
        let whole = known.as_ref().is_some_and(|manifest| ended(manifest));
        let manifest = match known {
            Some(manifest) if whole => manifest,
            known => Arc::new(self.continued(known.as_deref(), &members, base)?),
        };
        self.manifests.keep(series, name, &manifest, whole);
        members.drain(..manifest.members.len());
        Ok((manifest, members))
    }

    fn continued(
        &self,
        known: Option<&Manifest>,
        members: &[SeriesMember],
        base: &str,
    ) -> Result<Manifest, ReadError> {
        let mut manifest = known.cloned().unwrap_or_default();
        let (mut text, mut added) = (Vec::with_capacity(BATCH + (64 << 10)), Vec::new());
        let (room, mut inline) = (&self.manifests.room, manifest.inline_left());
        let new = members.get(manifest.members.len()..).unwrap_or_default();
        for member in new {
            if !text.is_empty() {
                text.push(b',');
            }
            let of = (&member.digest, &member.place);
            let written = fragment::write(self, of, base, &mut inline, &mut text)?;
            if written.addressed {
                manifest.base = Some(base.to_owned());
            }
            added.push(member.digest);
            // The turn of a large instance ends when it is compressed.
            if text.len() >= BATCH || written.turn.is_some() {
                manifest.add(&mut text, &added, room)?;
                (text, added) = (Vec::with_capacity(BATCH + (64 << 10)), Vec::new());
                if manifest.is_full() {
                    break;
                }
            }
        }
        manifest.add(&mut text, &added, room)?;
        manifest.set_inline_left(inline);
        Ok(manifest)
    }

    /// One look at what arrived and at what is to become a file; `ending`: the archive closes.
    pub(crate) fn tend_manifests(&self, ending: bool) {
        let now = Instant::now();
        let mut due = Vec::new();
        self.manifests.lock().arrived.retain(|key, (since, count)| {
            let over = now.duration_since(*since) >= LAG;
            if over && *count >= MANY && !ending {
                due.push(key.clone());
            }
            !over
        });
        for (study, series) in due {
            if let Err(error) = self.prepare(&study, &series) {
                tracing::warn!(%error, "metadata could not be prepared; they will be made when asked for");
            }
        }
        self.file_manifests(now, ending);
    }

    /// Continues the manifest of a series behind the store. Which base its addresses will need is not known yet: a
    /// series that has some is left to who asks.
    fn prepare(&self, study: &Uid, series: &Uid) -> Result<(), ReadError> {
        for state in self.db.series_states(study, Some(series))? {
            let (made, _) = self.manifest(study, &state, NO_BASE)?;
            let mut all = self.manifests.lock();
            if made.base.as_deref() == Some(NO_BASE)
                && let Some(useless) = all.kept.remove(&state.id)
            {
                all.bytes -= useless.manifest.weight();
            }
        }
        Ok(())
    }

    /// Writes files of manifests that have been left alone for a while.
    fn file_manifests(&self, now: Instant, ending: bool) {
        let Some(files) = &self.manifests.files else { return };
        let mut due = Vec::new();
        for (id, kept) in &mut self.manifests.lock().kept {
            let quiet = kept.changed.is_some_and(|since| ending || now.duration_since(since) >= QUIET);
            if quiet && kept.manifest.members.len() >= FILE_FROM {
                kept.changed = None;
                due.push((*id, kept.name.clone(), kept.manifest.clone()));
            }
        }
        for (_, name, manifest) in due {
            if let Err(error) = files.write(&name, &manifest) {
                tracing::warn!(%error, "metadata could not be kept in the cache folder");
            }
        }
    }
}

/// Stands for a base that is not known; no address begins so.
const NO_BASE: &str = "unknown:";

/// Whether a manifest describes the first of `members` in their order.
fn is_start(manifest: &Manifest, members: &[SeriesMember]) -> bool {
    manifest.members.len() <= members.len()
        && manifest.members.iter().zip(members).all(|(one, member)| *one == member.digest)
}

/// The name of a series' file: nothing of it comes from a peer as it is.
fn name_of(study: &Uid, series: &Uid) -> String {
    ContentHash::of(format!("{study}\n{series}").as_bytes()).to_string()
}
