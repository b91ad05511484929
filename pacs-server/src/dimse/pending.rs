//! Connections that have not yet asked for an association: counted, bounded, the least promising dropped first.
//!
//! A peer that opens thousands of connections and says nothing must not keep out one that has something to say. When
//! there are too many, the oldest silent one of the address with the most of them goes.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// All pending connections of one server.
#[derive(Debug)]
pub(super) struct Pending {
    limit: usize,
    inner: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// In order of arrival.
    connections: BTreeMap<u64, Connection>,
    by_address: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Connection {
    address: IpAddr,
    silent: bool,
    task: Option<AbortHandle>,
}

/// One pending connection; it stops being one when this is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    pending: Arc<Pending>,
    number: u64,
}

impl Pending {
    /// At most `limit` connections.
    pub fn new(limit: usize) -> Arc<Pending> {
        Arc::new(Pending { limit: limit.max(1), inner: Mutex::default() })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Every change is complete before the lock is given back, whatever panicked meanwhile.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in and makes room for it. Its task has to be told with [`Pending::runs`].
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Ticket {
        let mut waiting = self.waiting();
        while waiting.connections.len() >= self.limit {
            waiting.drop_one();
        }
        let number = waiting.next;
        waiting.next += 1;
        waiting.connections.insert(number, Connection { address, silent: true, task: None });
        *waiting.by_address.entry(address).or_default() += 1;
        metrics::gauge!("dimse_connections_pending").set(waiting.connections.len() as f64);
        Ticket { pending: Arc::clone(self), number }
    }

    /// The task that serves connection `number`, if it is still pending.
    pub fn runs(&self, number: u64, task: AbortHandle) {
        if let Some(connection) = self.waiting().connections.get_mut(&number) {
            connection.task = Some(task);
        }
    }

    /// Drops a quarter of the connections: for when the system gives no more file descriptors, which the archive
    /// needs too.
    pub fn relieve(&self) {
        let mut waiting = self.waiting();
        for _ in 0..waiting.connections.len().div_ceil(4) {
            waiting.drop_one();
        }
    }

    /// Drops all connections that said nothing yet: for when the server stops.
    pub fn drop_silent(&self) {
        let mut waiting = self.waiting();
        let silent: Vec<u64> =
            waiting.connections.iter().filter(|(_, c)| c.silent).map(|(n, _)| *n).collect();
        for number in silent {
            waiting.remove(number, true);
        }
    }
}

impl Waiting {
    fn drop_one(&mut self) {
        let Some(crowd) = self.by_address.iter().max_by_key(|(_, count)| **count).map(|(ip, _)| *ip) else {
            return;
        };
        let of_crowd = || self.connections.iter().filter(|(_, c)| c.address == crowd);
        let oldest = of_crowd().find(|(_, c)| c.silent).or_else(|| of_crowd().next()).map(|(n, _)| *n);
        if let Some(number) = oldest {
            self.remove(number, true);
            metrics::counter!("dimse_associations_broken_total", "reason" => "too_many_pending").increment(1);
        }
    }

    fn remove(&mut self, number: u64, end: bool) {
        let Some(connection) = self.connections.remove(&number) else { return };
        if let Some(count) = self.by_address.get_mut(&connection.address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&connection.address);
            }
        }
        if let Some(task) = connection.task.filter(|_| end) {
            task.abort();
        }
    }
}

impl Ticket {
    /// The connection's number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The connection is silent no longer.
    pub fn spoke(&self) {
        if let Some(connection) = self.pending.waiting().connections.get_mut(&self.number) {
            connection.silent = false;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut waiting = self.pending.waiting();
        waiting.remove(self.number, false);
        metrics::gauge!("dimse_connections_pending").set(waiting.connections.len() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(pending: &Pending) -> Vec<u64> {
        pending.waiting().connections.keys().copied().collect()
    }

    #[test]
    fn the_oldest_silent_connection_of_the_crowd_goes_first() {
        let pending = Pending::new(4);
        let (crowd, single) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let alone = pending.admit(single);
        let spoken = pending.admit(crowd);
        spoken.spoke();
        let _silent = [pending.admit(crowd), pending.admit(crowd)];
        let _next = pending.admit(crowd);
        assert_eq!(numbers(&pending), [0, 1, 3, 4]);
        let _last = [pending.admit(crowd), pending.admit(crowd), pending.admit(crowd)];
        assert_eq!(numbers(&pending), [0, 1, 6, 7]);
        drop(spoken);
        drop(alone);
        assert_eq!(numbers(&pending), [6, 7]);
        pending.drop_silent();
        assert_eq!(numbers(&pending), [] as [u64; 0]);
        assert!(pending.waiting().by_address.is_empty());
    }
}
