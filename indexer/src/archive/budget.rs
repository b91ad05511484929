//! The memory that things of one kind together may take: large headers of stores, metadata of series. What a small header
//! takes is not worth counting: its number is bounded by that of the stores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of each store that are not counted.
pub(crate) const FREE: u64 = 64 * 1024;

/// The budget; clones share it.
#[derive(Clone)]
pub(crate) struct Budget {
    taken: Arc<AtomicU64>,
    most: u64,
    free: u64,
}

impl Budget {
    /// A budget of `most` bytes; of each share the first `free` ones are not counted.
    pub(crate) fn new(most: u64, free: u64) -> Budget {
        Budget { taken: Arc::default(), most, free }
    }

    /// A share, empty at first.
    pub(crate) fn share(&self) -> Share {
        Share { budget: self.clone(), held: 0 }
    }
}

/// What one holds of the budget; given back when dropped.
pub(crate) struct Share {
    budget: Budget,
    held: u64,
}

impl Share {
    /// Holds what `bytes` are beyond the free ones, if the budget has it. Never shrinks.
    #[must_use]
    pub(crate) fn grow_to(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.budget.free).saturating_sub(self.held);
        if more == 0 {
            return true;
        }
        let before = self.budget.taken.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > self.budget.most {
            self.budget.taken.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.held += more;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_grows_while_the_budget_has_room_and_gives_back() {
        let budget = Budget::new(1000, FREE);
        let (mut one, mut two) = (budget.share(), budget.share());
        assert!(one.grow_to(FREE) && one.grow_to(FREE + 600) && one.grow_to(FREE + 100));
        assert!(!two.grow_to(FREE + 401));
        assert!(two.grow_to(FREE + 400));
        drop(one);
        assert!(two.grow_to(FREE + 1000));
    }
}
