//! How fast the archive grows, by when its packs were last written: a pack is written once, in order, and then never
//! again, so that the sizes of those touched lately are what came lately.

use std::path::Path;
use std::time::UNIX_EPOCH;

const DAY_MS: i64 = 86_400_000;
/// Days that are looked at.
const DAYS: i64 = 30;

/// What came in the last days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Growth {
    pub bytes_a_day: u64,
    /// Days over which it is the mean.
    pub days: u64,
}

/// Looks at the packs below `dir`. None when they are younger than a day, or cannot be looked at.
pub(super) fn measure(dir: &Path, now_ms: i64) -> Option<Growth> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).ok()? {
        let Some(facts) = entry.ok().and_then(|entry| entry.metadata().ok()).filter(|f| f.is_file()) else {
            continue;
        };
        let written = facts.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let ms = written.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0);
        files.push((ms, facts.len()));
    }
    mean(&files, now_ms)
}

/// The mean of `(last written, bytes)` over the last [`DAYS`], or over the archive's life where it is younger.
fn mean(files: &[(i64, u64)], now_ms: i64) -> Option<Growth> {
    let oldest = files.iter().map(|(ms, _)| *ms).min()?;
    let days = ((now_ms - oldest) / DAY_MS).min(DAYS);
    if days < 1 {
        return None;
    }
    let since = now_ms - days * DAY_MS;
    let bytes: u64 = files.iter().filter(|(ms, _)| *ms > since).map(|(_, bytes)| bytes).sum();
    let days = u64::try_from(days).ok()?;
    Some(Growth { bytes_a_day: bytes / days, days })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_over_the_last_days() {
        let now = 1_000 * DAY_MS;
        let ago = |days: i64, bytes| (now - days * DAY_MS - 1, bytes);
        assert_eq!(mean(&[], now), None);
        assert_eq!(mean(&[(now - 5, 100)], now), None, "too young to tell");
        assert_eq!(mean(&[ago(4, 7), ago(1, 400)], now), Some(Growth { bytes_a_day: 100, days: 4 }));
        let old = [ago(400, 1_000_000), ago(29, 300), ago(0, 600)];
        assert_eq!(mean(&old, now), Some(Growth { bytes_a_day: 30, days: 30 }));
    }
}
