//! Blocks of objects in memory, so that many small reads of a pack become few requests.
//!
//! Bounded in bytes; the longest unused block goes first. One request at a time for a block: whoever else needs it waits
//! for the same answer. Blocks are not verified here: whoever reads records checks them as it does those of a disk.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::{Effort, ObjectError, Objects};

/// Blocks that one request brings at most.
const TOGETHER: u64 = 4;
/// How long to wait for a request of another reader; longer than any request takes.
const WAIT: Duration = Duration::from_secs(330);

/// Which block: of which object, how large blocks are, the how manieth.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct BlockKey {
    object: Arc<str>,
    size: u64,
    index: u64,
}

enum Slot {
    There { bytes: Bytes, used: u64 },
    Coming(Arc<Flight>),
}

/// A request under way.
#[derive(Default)]
struct Flight {
    answer: Mutex<Option<Result<Bytes, String>>>,
    told: Condvar,
}

impl Flight {
    fn tell(&self, answer: Result<Bytes, String>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        self.told.notify_all();
    }

    fn wait(&self) -> Result<Bytes, ObjectError> {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        let (answer, _) = self
            .told
            .wait_timeout_while(answer, WAIT, |answer| answer.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        match &*answer {
            Some(Ok(bytes)) => Ok(bytes.clone()),
            Some(Err(reason)) => Err(ObjectError::Away { reason: reason.clone() }),
            None => Err(ObjectError::Away { reason: "no answer came".into() }),
        }
    }
}

#[derive(Default)]
struct State {
    slots: HashMap<BlockKey, Slot>,
    bytes: u64,
    clock: u64,
}

/// The blocks that are in memory.
pub struct Blocks {
    limit: u64,
    state: Mutex<State>,
}

impl std::fmt::Debug for Blocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blocks").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// A part of an object as its reader sees it.
pub(super) struct Wanted<'a> {
    pub(super) objects: &'a Objects,
    pub(super) object: &'a Arc<str>,
    /// Length of the object.
    pub(super) length: u64,
    /// Bytes of one block.
    pub(super) size: u64,
    /// What the reader asked for, within the object.
    pub(super) range: Range<u64>,
    pub(super) effort: Effort,
    /// Whether to bring more than was asked for, where the reader goes from front to back.
    pub(super) ahead: bool,
}

impl Blocks {
    /// Blocks of at most `limit` bytes together.
    #[must_use]
    pub fn new(limit: u64) -> Blocks {
        Blocks { limit, state: Mutex::new(State::default()) }
    }

    /// The block in which the wanted range begins.
    pub(super) fn get(&self, wanted: &Wanted<'_>) -> Result<Bytes, ObjectError> {
        let first = wanted.range.start / wanted.size;
        let (flights, own) = {
            let mut state = self.lock();
            state.clock += 1;
            let now = state.clock;
            match state.slots.get_mut(&wanted.block(first)) {
                Some(Slot::There { bytes, used }) => {
                    *used = now;
                    return Ok(bytes.clone());
                }
                Some(Slot::Coming(flight)) => (vec![flight.clone()], false),
                None => (state.begin(wanted, first), true),
            }
        };
        match (own, flights.first()) {
            (false, Some(flight)) => flight.wait(),
            _ => self.bring(wanted, first, &flights),
        }
    }

    /// Asks for as many blocks as there are flights, and tells these.
    fn bring(&self, wanted: &Wanted<'_>, first: u64, flights: &[Arc<Flight>]) -> Result<Bytes, ObjectError> {
        let start = first * wanted.size;
        let end = wanted.length.min(start + flights.len() as u64 * wanted.size);
        let answer = wanted.objects.read(wanted.object, start..end, wanted.effort);
        let mut state = self.lock();
        let now = state.clock;
        for (n, flight) in flights.iter().enumerate() {
            let key = wanted.block(first + n as u64);
            match &answer {
                Ok(bytes) => {
                    let from = n * wanted.size as usize;
                    let to = bytes.len().min(from + wanted.size as usize);
                    // Copied, so that a block that goes frees its memory although its neighbours stay.
                    let block = Bytes::copy_from_slice(bytes.get(from..to).unwrap_or_default());
                    state.bytes += block.len() as u64;
                    state.slots.insert(key, Slot::There { bytes: block.clone(), used: now });
                    flight.tell(Ok(block));
                }
                Err(error) => {
                    state.slots.remove(&key);
                    flight.tell(Err(error.to_string()));
                }
            }
        }
        state.shrink(self.limit);
        drop(state);
        let bytes = answer?;
        Ok(bytes.slice(..bytes.len().min(wanted.size as usize)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wanted<'_> {
    fn block(&self, index: u64) -> BlockKey {
        BlockKey { object: self.object.clone(), size: self.size, index }
    }
}

impl State {
    /// Takes note of a request for the block `first` and those after it that are wanted and not here.
    fn begin(&mut self, wanted: &Wanted<'_>, first: u64) -> Vec<Arc<Flight>> {
        let front_to_back = wanted.ahead && first > 0 && self.slots.contains_key(&wanted.block(first - 1));
        let needed = wanted.range.end.div_ceil(wanted.size).max(first + 1);
        let last = if front_to_back { first + TOGETHER } else { needed.min(first + TOGETHER) };
        let last = last.min(wanted.length.div_ceil(wanted.size));
        let mut flights = Vec::new();
        for index in first..last.max(first + 1) {
            let key = wanted.block(index);
            if self.slots.contains_key(&key) {
                break;
            }
            let flight = Arc::new(Flight::default());
            self.slots.insert(key, Slot::Coming(flight.clone()));
            flights.push(flight);
        }
        flights
    }

    fn shrink(&mut self, limit: u64) {
        while self.bytes > limit {
            let there = self.slots.iter().filter_map(|(key, slot)| match slot {
                Slot::There { used, .. } => Some((*used, key)),
                Slot::Coming(_) => None,
            });
            let Some(oldest) = there.min_by_key(|(used, _)| *used).map(|(_, key)| key.clone()) else {
                return;
            };
            if let Some(Slot::There { bytes, .. }) = self.slots.remove(&oldest) {
                self.bytes -= bytes.len() as u64;
            }
        }
    }
}
