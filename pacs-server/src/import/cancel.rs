//! A wish to stop, shared between who has it and who has to notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that is set once and never taken back; clones are the same flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
    /// How many looks it takes until the flag is found set, in tests that stop at a certain file.
    #[cfg(test)]
    countdown: Option<Arc<std::sync::atomic::AtomicU64>>,
}

impl Cancel {
    /// A flag that is not set.
    #[must_use]
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// A flag that sets itself when `files` files have been begun.
    #[cfg(test)]
    pub(crate) fn after_files(files: u64) -> Cancel {
        let countdown = Some(Arc::new(std::sync::atomic::AtomicU64::new(files)));
        Cancel { flag: Arc::default(), countdown }
    }

    /// Asks to stop.
    pub fn set(&self) {
        self.flag.store(true, Ordering::Release);
    }

    /// Whether somebody asked to stop.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// The look before a file is begun.
    pub(super) fn before_file(&self) -> bool {
        #[cfg(test)]
        if let Some(countdown) = &self.countdown {
            let less = |left: u64| left.checked_sub(1);
            if countdown.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_err() {
                self.set();
            }
        }
        self.is_set()
    }
}
