//! A bucket in memory that fails on request.
//!
//! It is as trustworthy as real ones are at their worst: a write that failed may have happened, an answer may be lost,
//! a bucket may keep half of what it said it took.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{About, Listed, ObjectError};
use crate::hash::ContentHash;

/// What a call does, for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectCall {
    /// An object is written, or one part of it.
    Put,
    /// Bytes are read.
    Read,
    /// The service is asked about an object.
    About,
    /// Keys are listed.
    List,
    /// An object is removed.
    Delete,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectFault {
    /// Nothing is done.
    Refused,
    /// All is done and the answer is lost.
    AnswerLost,
    /// Half of the bytes are kept or given, and the answer says that all is well.
    Half,
}

/// A bucket in memory.
#[derive(Debug, Default)]
pub struct SimulatedObjects {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, (Bytes, ContentHash)>,
    calls: u64,
    of_kind: BTreeMap<ObjectCall, u64>,
    faults: BTreeMap<u64, ObjectFault>,
    away: bool,
}

impl SimulatedObjects {
    /// An empty bucket.
    #[must_use]
    pub fn new() -> Arc<SimulatedObjects> {
        Arc::default()
    }

    /// Makes the `n`th call (counted from 1 since the beginning, see [`SimulatedObjects::calls`]) fail once.
    pub fn fail_call(&self, n: u64, fault: ObjectFault) {
        self.lock().faults.insert(n, fault);
    }

    /// Takes back all faults that were not met.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Bytes of all objects.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.lock().objects.values().map(|(bytes, _)| bytes.len() as u64).sum()
    }

    /// From now on no call is answered, or again all are.
    pub fn set_away(&self, away: bool) {
        self.lock().away = away;
    }

    /// Calls so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Calls of one kind so far.
    #[must_use]
    pub fn calls_of(&self, call: ObjectCall) -> u64 {
        self.lock().of_kind.get(&call).copied().unwrap_or(0)
    }

    /// The keys of all objects.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.lock().objects.keys().cloned().collect()
    }

    /// Changes one byte of an object, as a failing service does.
    pub fn flip(&self, key: &str, at: usize) {
        let mut state = self.lock();
        if let Some((bytes, _)) = state.objects.get_mut(key) {
            let mut changed = bytes.to_vec();
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= 1;
            }
            *bytes = changed.into();
        }
    }

    pub(super) fn put(&self, key: &str, bytes: Bytes, sha256: ContentHash) -> Result<(), ObjectError> {
        self.call(ObjectCall::Put, |state, half| {
            let kept = if half { bytes.slice(..bytes.len() / 2) } else { bytes.clone() };
            state.objects.insert(key.to_owned(), (kept, sha256));
            Ok(())
        })
    }

    pub(super) fn put_parts(
        &self,
        key: &str,
        sha256: ContentHash,
        next: &mut dyn FnMut() -> Result<Bytes, ObjectError>,
    ) -> Result<(), ObjectError> {
        let mut all = Vec::new();
        loop {
            let bytes = next()?;
            if bytes.is_empty() {
                return self.put(key, all.into(), sha256);
            }
            self.call(ObjectCall::Put, |_, _| Ok(()))?;
            all.extend_from_slice(&bytes);
        }
    }

    pub(super) fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, ObjectError> {
        self.call(ObjectCall::Read, |state, half| {
            let missing = || ObjectError::Missing { key: key.to_owned() };
            let (bytes, _) = state.objects.get(key).ok_or_else(missing)?;
            let end = (range.end as usize).min(bytes.len());
            let start = (range.start as usize).min(end);
            Ok(bytes.slice(start..if half { start + (end - start) / 2 } else { end }))
        })
    }

    pub(super) fn about(&self, key: &str) -> Result<Option<About>, ObjectError> {
        self.call(ObjectCall::About, |state, _| {
            let found = state.objects.get(key);
            Ok(found.map(|(bytes, sha256)| About { length: bytes.len() as u64, sha256: Some(*sha256) }))
        })
    }

    pub(super) fn list(&self, folder: &str) -> Result<Vec<Listed>, ObjectError> {
        let folder = format!("{folder}/");
        self.call(ObjectCall::List, |state, _| {
            let all = state.objects.iter().filter(|(key, _)| key.starts_with(&folder));
            Ok(all.map(|(key, (bytes, _))| Listed { key: key.clone(), length: bytes.len() as u64 }).collect())
        })
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.call(ObjectCall::Delete, |state, _| {
            state.objects.remove(key);
            Ok(())
        })
    }

    fn call<T>(
        &self,
        call: ObjectCall,
        work: impl FnOnce(&mut State, bool) -> Result<T, ObjectError>,
    ) -> Result<T, ObjectError> {
        let mut state = self.lock();
        state.calls += 1;
        *state.of_kind.entry(call).or_default() += 1;
        let n = state.calls;
        let fault = state.faults.remove(&n);
        let away = |what: &str| ObjectError::Away { reason: what.to_owned() };
        match fault {
            _ if state.away => Err(away("simulated: away")),
            Some(ObjectFault::Refused) => Err(away("simulated: 503")),
            Some(ObjectFault::AnswerLost) => {
                work(&mut state, false).and(Err(away("simulated: the answer was lost")))
            }
            fault => work(&mut state, fault == Some(ObjectFault::Half)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
