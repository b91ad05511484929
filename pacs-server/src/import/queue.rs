//! Which file is next: those found, those to be tried again, and how many may be under way.
//!
//! Knows files by name and size, not how they are read.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::patience::{Outage, Patience};
use super::report::Ending;
use super::walk::Found;

/// Files found ahead of the readers.
const AHEAD: usize = 1024;

#[derive(Default)]
struct State {
    found: VecDeque<Found>,
    again: VecDeque<Found>,
    /// Files taken and not yet settled.
    under_way: usize,
    /// Nothing more will be found.
    closed: bool,
    outage: Option<Outage>,
    /// An outage began or went on, for who tells.
    news: Option<String>,
    stop: Option<Ending>,
}

impl State {
    fn is_empty(&self) -> bool {
        self.closed && self.found.is_empty() && self.again.is_empty() && self.under_way == 0
    }
}

/// The queue between the walk and the readers.
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    most_under_way: usize,
    patience: Patience,
}

impl Queue {
    pub(super) fn new(most_under_way: usize, patience: Patience) -> Queue {
        Queue { state: Mutex::default(), changed: Condvar::new(), most_under_way, patience }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Option<Duration>) -> MutexGuard<'a, State> {
        match limit {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => self.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0,
        }
    }

    /// Adds a file, waiting for room. False when the import stops.
    pub(super) fn put(&self, found: Found) -> bool {
        let mut state = self.lock();
        while state.stop.is_none() && state.found.len() >= AHEAD {
            state = self.wait(state, None);
        }
        if state.stop.is_some() {
            return false;
        }
        state.found.push_back(found);
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Says that nothing more will be found.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// The next file, when there is one and it may be begun. Nothing when the work is over or the import stops.
    pub(super) fn take(&self) -> Option<Found> {
        let mut state = self.lock();
        loop {
            if state.stop.is_some() || state.is_empty() {
                return None;
            }
            let pause = state.outage.as_ref().and_then(|outage| outage.left(Instant::now()));
            if pause.is_none() && state.under_way < self.most_under_way {
                let next = state.again.pop_front().or_else(|| state.found.pop_front());
                if let Some(found) = next {
                    state.under_way += 1;
                    drop(state);
                    self.changed.notify_all();
                    return Some(found);
                }
            }
            state = self.wait(state, pause);
        }
    }

    /// A file that was taken is done with; `stored` if the archive took it.
    pub(super) fn settle(&self, stored: bool) {
        let mut state = self.lock();
        state.under_way = state.under_way.saturating_sub(1);
        // What was stored during the pause had been under way before.
        let over = |outage: &Outage| outage.left(Instant::now()).is_none();
        if stored && state.outage.as_ref().is_some_and(over) {
            state.outage = None;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// A file that was taken was refused for now and comes up again after a pause, or the import stops.
    pub(super) fn again(&self, found: Found, reason: &str) {
        let (now, patience) = (Instant::now(), &self.patience);
        let mut state = self.lock();
        state.under_way = state.under_way.saturating_sub(1);
        state.again.push_back(found);
        let patient = match &mut state.outage {
            Some(outage) => outage.refused_again(patience, now),
            none => {
                *none = Some(Outage::begin(patience, now));
                true
            }
        };
        if patient {
            state.news = Some(reason.to_owned());
        } else if state.stop.is_none() {
            let waited = patience.in_all.as_secs();
            let reason = format!("the archive took nothing for {waited} s ({reason})");
            state.stop = Some(Ending::Stopped { reason });
        }
        drop(state);
        self.changed.notify_all();
    }

    /// A file that was taken is not begun.
    pub(super) fn give_back(&self, found: Found) {
        let mut state = self.lock();
        state.under_way = state.under_way.saturating_sub(1);
        state.again.push_front(found);
        drop(state);
        self.changed.notify_all();
    }

    /// Lets what is under way end and begins nothing more.
    pub(super) fn stop(&self, ending: Ending) {
        self.lock().stop.get_or_insert(ending);
        self.changed.notify_all();
    }

    /// Whether the import stops before its end.
    pub(super) fn stops(&self) -> bool {
        self.lock().stop.is_some()
    }

    /// Waits for the end, at most `limit`; how it ended, once all that was under way has.
    pub(super) fn end(&self, limit: Duration) -> Option<Ending> {
        let until = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            // Who asked for the end when everything was done has it all the same.
            if state.is_empty() && !matches!(state.stop, Some(Ending::Stopped { .. })) {
                return Some(Ending::Complete);
            }
            if state.under_way == 0 && state.stop.is_some() {
                return state.stop.clone();
            }
            let left = until.checked_duration_since(Instant::now())?;
            state = self.wait(state, Some(left));
        }
    }

    /// Why nothing is read at the moment and for how long, if that has not been told.
    pub(super) fn waiting(&self) -> Option<(String, Duration)> {
        let mut state = self.lock();
        let left = state.outage.as_ref().and_then(|outage| outage.left(Instant::now()))?;
        state.news.take().map(|reason| (reason, left))
    }
}
