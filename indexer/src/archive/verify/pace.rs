//! How fast a background reading of the disk may go, and when it has to stop.

use std::time::Duration;

use crate::archive::Shared;

/// What is owed is waited for once it is as long as this.
const SHORTEST: Duration = Duration::from_millis(20);
/// How often a wait looks whether somebody wants it to end.
const LOOK: Duration = Duration::from_millis(100);

/// A bound on bytes read a second.
pub(crate) struct Pace<'a> {
    shared: &'a Shared,
    /// None: as fast as the disk gives.
    bytes_per_second: Option<u64>,
    owed: Duration,
    stop: &'a dyn Fn() -> bool,
    /// Bytes read so far.
    pub(crate) bytes: u64,
}

impl<'a> Pace<'a> {
    /// `stop` is asked now and then whether the reading is to end; it ends with the archive anyway.
    pub(crate) fn new(
        shared: &'a Shared,
        bytes_per_second: Option<u64>,
        stop: &'a dyn Fn() -> bool,
    ) -> Pace<'a> {
        Pace { shared, bytes_per_second, owed: Duration::ZERO, stop, bytes: 0 }
    }

    /// Takes note of bytes that were read, waits as long as they are worth, and says whether to go on.
    pub(crate) fn took(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        metrics::counter!("archive_verified_bytes_total").increment(bytes);
        if let Some(rate) = self.bytes_per_second.filter(|rate| *rate > 0) {
            self.owed += Duration::from_secs_f64(bytes as f64 / rate as f64);
        }
        while self.owed >= SHORTEST && !self.stopped() {
            let wait = self.owed.min(LOOK);
            self.shared.wait_for_stop(wait);
            self.owed -= wait;
        }
        !self.stopped()
    }

    /// Whether the reading is to end.
    pub(crate) fn stopped(&self) -> bool {
        (self.stop)() || self.shared.wait_for_stop(Duration::ZERO)
    }
}
