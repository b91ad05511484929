//! Whether stores are taken, and if not, why: asked before a sender's data are read (STORE.md rule 12).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use storage_config::config::StoreLimits;
use storage_config::pack::{PackError, PackErrorKind};

use super::error::StoreError;
use crate::db::DbError;

/// The breaker.
#[derive(Default)]
pub(crate) struct Health {
    /// Fast path of [`Health::refuses`]: any of the reasons below.
    refusing: AtomicBool,
    reasons: Mutex<Reasons>,
}

#[derive(Default)]
struct Reasons {
    /// A thread without which nothing is stored ended.
    dead: Option<String>,
    disk: Option<String>,
    index: Option<String>,
    away: Option<String>,
    space: Option<String>,
    objects: Option<String>,
    stopping: bool,
}

impl Health {
    /// Why stores are refused at the moment.
    pub(crate) fn refuses(&self) -> Option<StoreError> {
        if !self.refusing.load(Ordering::Acquire) {
            return None;
        }
        let reasons = self.lock();
        if reasons.stopping {
            return Some(StoreError::Unavailable("the archive is stopping".into()));
        }
        if let Some(dead) = &reasons.dead {
            return Some(StoreError::Unavailable(dead.clone()));
        }
        let space = reasons.space.clone().map(StoreError::NoSpace);
        let disk = reasons.disk.clone().map(StoreError::Unavailable);
        let others = [&reasons.index, &reasons.away, &reasons.objects].into_iter().flatten().next().cloned();
        disk.or_else(|| others.map(StoreError::Unavailable)).or(space)
    }

    /// Why not even what makes room is written at the moment: compaction and what it states may use what is kept free, and
    /// do not wait for a bucket that is behind.
    pub(crate) fn refuses_making_room(&self) -> Option<StoreError> {
        let reasons = self.lock();
        if reasons.stopping {
            return Some(StoreError::Unavailable("the archive is stopping".into()));
        }
        let all = [&reasons.dead, &reasons.disk, &reasons.index, &reasons.away];
        all.into_iter().flatten().next().cloned().map(StoreError::Unavailable)
    }

    /// Remembers what an error of a pack says of the disk.
    pub(crate) fn note_disk(&self, error: &PackError) {
        match error.kind() {
            PackErrorKind::OutOfSpace => self.change(|r| r.space = Some("the disk is full".into())),
            PackErrorKind::Io | PackErrorKind::Poisoned => {
                tracing::error!(%error, "the disk failed; stores are refused until it passes a self-test");
                self.change(|r| r.disk = Some("the disk failed".into()));
            }
            _ => tracing::warn!(%error, "a record was not appended"),
        }
    }

    /// The disk passed its self-test.
    pub(crate) fn disk_works(&self) {
        tracing::info!("the disk passed its self-test");
        self.change(|r| r.disk = None);
    }

    /// Whether the disk failed and has not passed a self-test since.
    pub(crate) fn disk_failed(&self) -> bool {
        self.refusing.load(Ordering::Acquire) && self.lock().disk.is_some()
    }

    /// The index cannot be written.
    pub(crate) fn index_fails(&self) {
        self.change(|r| r.index = Some("the index failed".into()));
    }

    /// The index is up to date again.
    pub(crate) fn index_works(&self) {
        tracing::info!("the index is up to date again");
        self.change(|r| r.index = None);
    }

    /// Why no store is taken although the disk and the index work: the object store is away, or too far behind.
    pub(crate) fn objects(&self, reason: Option<String>) {
        if self.lock().objects.is_some() == reason.is_some() {
            return;
        }
        match &reason {
            Some(reason) => tracing::error!("{reason}; stores are refused"),
            None => tracing::info!("the object store takes packs again"),
        }
        self.change(|r| r.objects = reason);
    }

    /// Takes note of whether the database of the index answers.
    pub(crate) fn index_answers(&self, answer: Result<(), DbError>) {
        let known = self.lock().away.is_some();
        match answer {
            Ok(()) if known => {
                tracing::info!("the database of the index answers again");
                self.change(|r| r.away = None);
            }
            Err(error) if !known => {
                tracing::error!(%error, "stores are refused until the database of the index answers");
                self.change(|r| r.away = Some("the database of the index is away".into()));
            }
            _ => {}
        }
    }

    /// Takes note of the free space: `available` of `total` bytes.
    pub(crate) fn space(&self, available: u64, total: u64, limits: &StoreLimits) {
        let share = total / 100 * u64::from(limits.min_free_percent);
        let least = limits.min_free_bytes.min(share);
        let short = available < least;
        let reason = format!("{available} bytes of the disk are free, {least} are kept free");
        let known = self.lock().space.is_some();
        if short != known {
            if short {
                tracing::error!("{reason}; stores are refused");
            } else {
                tracing::info!(available, "there is room again");
            }
            self.change(|r| r.space = short.then_some(reason));
        }
    }

    /// A thread without which nothing is stored ended.
    pub(crate) fn died(&self, reason: String) {
        self.change(|r| r.dead = Some(reason));
    }

    /// No store is taken any more.
    pub(crate) fn stop(&self) {
        self.change(|r| r.stopping = true);
    }

    fn change(&self, change: impl FnOnce(&mut Reasons)) {
        let mut reasons = self.lock();
        change(&mut reasons);
        let r = &*reasons;
        let any =
            [&r.dead, &r.disk, &r.index, &r.away, &r.space, &r.objects].iter().any(|reason| reason.is_some())
                || r.stopping;
        self.refusing.store(any, Ordering::Release);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Reasons> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
