//! Associations that are open: counted against the limits, and ended in order when the server stops.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use storage_config::AeTitle;
use storage_config::config::DimseLimits;
use tokio::sync::Notify;

/// Between two messages: may be ended by [`Registry::stop`].
const RESTING: u8 = 0;
/// Within a message: ends itself afterwards.
const WORKING: u8 = 1;
/// Ended while it rested.
const STOPPED: u8 = 2;

/// All open associations of one server.
#[derive(Debug)]
pub(super) struct Registry {
    limits: DimseLimits,
    stopping: AtomicBool,
    emptied: Notify,
    inner: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Taken>,
    by_ae: HashMap<AeTitle, u32>,
    by_address: HashMap<IpAddr, u32>,
}

#[derive(Debug)]
struct Taken {
    ae_title: AeTitle,
    address: IpAddr,
    turn: Arc<AtomicU8>,
    stream: Option<Arc<TcpStream>>,
}

/// The place of one association; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    registry: Arc<Registry>,
    number: u64,
    turn: Arc<AtomicU8>,
}

impl Registry {
    /// An empty registry.
    pub fn new(limits: DimseLimits) -> Arc<Registry> {
        let (stopping, emptied, inner) = (AtomicBool::new(false), Notify::new(), Mutex::default());
        Arc::new(Registry { limits, stopping, emptied, inner })
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        // Every change is complete before the lock is given back, whatever panicked meanwhile.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server stops.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// A place for one more association, working for a start, or none if a limit is reached.
    pub fn take(self: &Arc<Self>, ae_title: &AeTitle, address: IpAddr) -> Option<Seat> {
        let mut seats = self.seats();
        let limits = &self.limits;
        let full = seats.taken.len() >= limits.associations as usize
            || seats.by_ae.get(ae_title).is_some_and(|n| *n >= limits.associations_per_ae)
            || seats.by_address.get(&address).is_some_and(|n| *n >= limits.associations_per_address);
        if full {
            return None;
        }
        let number = seats.next;
        seats.next += 1;
        let turn = Arc::new(AtomicU8::new(WORKING));
        *seats.by_ae.entry(ae_title.clone()).or_default() += 1;
        *seats.by_address.entry(address).or_default() += 1;
        let taken = Taken { ae_title: ae_title.clone(), address, turn: Arc::clone(&turn), stream: None };
        seats.taken.insert(number, taken);
        metrics::gauge!("dimse_associations_open").set(seats.taken.len() as f64);
        Some(Seat { registry: Arc::clone(self), number, turn })
    }

    /// Ends all associations that rest; the others end after the message they are at.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for taken in self.seats().taken.values() {
            let rested =
                taken.turn.compare_exchange(RESTING, STOPPED, Ordering::SeqCst, Ordering::SeqCst).is_ok();
            if let Some(stream) = taken.stream.as_ref().filter(|_| rested) {
                // Wakes the thread that waits for the next message; what it wrote is still delivered.
                let _ = stream.shutdown(Shutdown::Read);
            }
        }
    }

    /// Cuts all associations off at once. How many there were.
    pub fn cut(&self) -> usize {
        let seats = self.seats();
        for stream in seats.taken.values().filter_map(|taken| taken.stream.as_ref()) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        seats.taken.len()
    }

    /// Returns when no association is open.
    pub async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.seats().taken.is_empty() {
                return;
            }
            emptied.await;
        }
    }
}

impl Seat {
    /// The association's socket, so that [`Registry::stop`] can wake it.
    pub fn attach(&self, stream: Arc<TcpStream>) {
        if let Some(taken) = self.registry.seats().taken.get_mut(&self.number) {
            taken.stream = Some(stream);
        }
    }

    /// A message begins. False if the server stops: then it must not.
    pub fn work(&self) -> bool {
        self.turn.compare_exchange(RESTING, WORKING, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// A message ended. False if the server stops: then no other may begin.
    ///
    /// Whichever comes later, this or [`Registry::stop`], sees what the other did.
    pub fn rest(&self) -> bool {
        self.turn.store(RESTING, Ordering::SeqCst);
        !self.registry.is_stopping()
    }

    /// Whether the server stops.
    pub fn is_stopping(&self) -> bool {
        self.registry.is_stopping()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.registry.seats();
        if let Some(taken) = seats.taken.remove(&self.number) {
            give_back(&mut seats.by_ae, &taken.ae_title);
            give_back(&mut seats.by_address, &taken.address);
        }
        metrics::gauge!("dimse_associations_open").set(seats.taken.len() as f64);
        if seats.taken.is_empty() {
            self.registry.emptied.notify_waiters();
        }
    }
}

fn give_back<K: Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_holds_at_its_number_and_places_are_given_back() {
        let limits = DimseLimits {
            associations: 4,
            associations_per_ae: 2,
            associations_per_address: 3,
            ..DimseLimits::default()
        };
        let registry = Registry::new(limits);
        let title = |t: &str| AeTitle::parse(t).unwrap();
        let (here, there) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let mut seats =
            vec![registry.take(&title("A"), here).unwrap(), registry.take(&title("A"), here).unwrap()];
        assert!(registry.take(&title("A"), there).is_none(), "third of a title");
        seats.push(registry.take(&title("B"), here).unwrap());
        assert!(registry.take(&title("C"), here).is_none(), "fourth of an address");
        seats.push(registry.take(&title("C"), there).unwrap());
        assert!(registry.take(&title("D"), there).is_none(), "fifth of all");
        seats.remove(0);
        assert!(registry.take(&title("A"), here).is_some());
        seats.clear();
        let inner = registry.seats();
        assert!(inner.taken.is_empty() && inner.by_ae.is_empty() && inner.by_address.is_empty());
    }

    #[test]
    fn a_stop_is_seen_before_the_next_message() {
        let registry = Registry::new(DimseLimits::default());
        let title = AeTitle::parse("A").unwrap();
        let resting = registry.take(&title, "192.0.2.1".parse().unwrap()).unwrap();
        let working = registry.take(&title, "192.0.2.1".parse().unwrap()).unwrap();
        assert!(resting.rest() && working.rest() && working.work());
        registry.stop();
        assert!(!resting.work());
        assert!(!working.rest());
    }
}
