//! A harness around the real server: its process, a DIMSE sender and an HTTP client on plain sockets.
//!
//! The clients share no code with the server, so that a mistake is not made twice. Nothing here panics: what goes wrong
//! is an error with its story.

pub mod cluster;
pub mod database;
pub mod description;
pub mod dimse;
pub mod exams;
pub mod http;
pub mod reuse;
pub mod server;
pub mod site;
pub mod viewing;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The data set of a file of PS3.10: what stands behind the preamble and the File Meta Information.
///
/// # Errors
/// When the file does not start as PS3.10 section 7.1 has it.
pub fn data_set_of(file: &[u8]) -> Result<&[u8]> {
    // Preamble, prefix, then (0002,0000) UL of 4 bytes: the length of the rest of the group.
    const GROUP_LENGTH: [u8; 8] = [2, 0, 0, 0, b'U', b'L', 4, 0];
    if file.get(128..132) != Some(b"DICM") || file.get(132..140) != Some(&GROUP_LENGTH) {
        bail!("{} bytes that are no file of PS3.10", file.len());
    }
    let length = file.get(140..144).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    let start = 144 + length.context("no group length")? as usize;
    file.get(start..).context("the group length lies")
}

/// Asks `question` again and again until it has an answer, at most `limit` long.
///
/// # Errors
/// When there is none in time, or the question fails.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut question: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let until = Instant::now() + limit;
    loop {
        if let Some(answer) = question()? {
            return Ok(answer);
        }
        if Instant::now() > until {
            bail!("{what}: not within {limit:?}");
        }
        // The pause of a poll; what is waited for has its own deadline above.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the studies of `instances` were looked at for national codes, which appear in answers some time after
/// the images.
///
/// # Errors
/// When they are not within a minute.
pub fn until_coded<'a>(
    web: &mut http::Http,
    instances: impl IntoIterator<Item = &'a fixtures::studies::Instance>,
) -> Result<()> {
    let studies: std::collections::BTreeSet<&str> =
        instances.into_iter().map(|instance| instance.study.as_str()).collect();
    for study in studies {
        wait_for("a study to be coded", Duration::from_secs(60), || {
            let told = web.json(&format!("/api/v1/studies/{study}/codes"))?;
            Ok((!told["coding"].is_null()).then_some(()))
        })?;
    }
    Ok(())
}

/// The number in the variable `name`, or `default`.
#[must_use]
pub fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The seed of a run: `TEST_SEED`, or one of the clock. It is printed, so that a failing run can be repeated.
#[must_use]
pub fn seed() -> u64 {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = variable("TEST_SEED", clock.map_or(1, |d| d.as_nanos() as u64));
    eprintln!("TEST_SEED={seed}");
    seed
}
