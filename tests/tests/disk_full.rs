//! A disk that is full: a small tmpfs for the data folder, then for the index alone. Stores are refused with their
//! reason, what was acknowledged is read, and when there is room again stores succeed without anybody's help.
//!
//! Mounting needs root on Linux; elsewhere these tests say that they were skipped.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fixtures::hostile::Pieces;
use fixtures::many::{Address, instance};
use fixtures::rng::Rng;
use fixtures::studies::Instance;
use tests::dimse::{Association, Context, contexts_for};
use tests::http::Http;
use tests::server::{Server, Setup};
use tests::{seed, wait_for};

const MIB: usize = 1 << 20;
/// Files that are removed one after the other to make room, and the bytes of each.
const BALLOONS: [&str; 3] = ["balloon-1", "balloon-2", "balloon-3"];
const BALLOON: usize = 12 * MIB;
/// How long stores may stay refused after there is room again.
const RECOVERY: Duration = Duration::from_secs(5);

/// A tmpfs that is unmounted at the end.
struct Tmpfs {
    at: PathBuf,
}

impl Tmpfs {
    /// Mounts one of `mebibytes` at `at`; none where that is not permitted.
    fn mount(at: &Path, mebibytes: usize) -> Result<Option<Tmpfs>> {
        fs::create_dir(at)?;
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Some(Tmpfs { at: at.to_owned() })),
            other => {
                eprintln!("SKIPPED: no tmpfs can be mounted here: {other:?}");
                Ok(None)
            }
        }
    }

    fn free(&self) -> Result<u64> {
        let space = rustix::fs::statvfs(&self.at)?;
        Ok(space.f_bavail * space.f_frsize)
    }

    /// Writes a file of `bytes`, or of all that is left.
    fn fill(&self, name: &str, bytes: usize) -> Result<()> {
        let mut file = File::create(self.at.join(name))?;
        for _ in 0..bytes.div_ceil(MIB / 16) {
            if file.write_all(&[0; MIB / 16]).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily, should somebody still have a file open.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// Instances in the order in which they are sent: small ones, and some for the stream lanes.
struct Stock {
    seed: u64,
    rng: Rng,
    number: u64,
}

impl Stock {
    fn next(&mut self, most: usize) -> Instance {
        self.number += 1;
        let bytes = match self.rng.below(5) {
            0 => 5 * MIB + self.rng.index(MIB),
            1 => 1000,
            _ => 100_000 + self.rng.index(900_000),
        };
        instance(self.seed, Address { number: self.number, ..Address::default() }, bytes.min(most))
    }
}

/// A sender and what it knows to be stored.
struct Sender {
    stock: Stock,
    acknowledged: Vec<Instance>,
    contexts: Vec<Context>,
}

impl Sender {
    fn new(seed: u64) -> Sender {
        let contexts = contexts_for([&instance(seed, Address::default(), 2)]);
        let stock = Stock { seed, rng: Rng::new(seed), number: 0 };
        Sender { stock, acknowledged: Vec::new(), contexts }
    }

    /// Stores until there were `refusals` in a row, alternately over DIMSE and STOW-RS.
    fn store_until_refused(&mut self, server: &Server, most: usize, refusals: u32) -> Result<()> {
        let mut association = server.associate("FILL", &self.contexts)?;
        let (mut in_a_row, began) = (0, Instant::now());
        while in_a_row < refusals {
            ensure!(began.elapsed().as_secs() < 60, "the disk is never full: {}", self.acknowledged.len());
            let one = self.stock.next(most);
            let stored = if self.stock.number.is_multiple_of(2) {
                self.dimse(&mut association, &one)?
            } else {
                stow(&mut server.web(), &one)?
            };
            in_a_row = if stored { 0 } else { in_a_row + 1 };
            if stored {
                self.acknowledged.push(one);
            }
        }
        association.release()
    }

    fn dimse(&self, association: &mut Association, one: &Instance) -> Result<bool> {
        let response = association.store(&self.contexts, one)?;
        match response.status {
            0 => Ok(true),
            0xA700 if !response.comment.is_empty() => Ok(false),
            _ => bail!("an answer that a full disk is no reason for: {response:?}"),
        }
    }

    /// Everything that was acknowledged is given out as it was sent, and nothing else is there.
    fn check(&self, server: &Server) -> Result<()> {
        let mut web = server.web();
        for one in &self.acknowledged {
            ensure!(web.instance(one)? == one.data_set, "{} is altered", one.path);
        }
        Ok(())
    }

    /// A store that is refused now succeeds within the time for it.
    fn store_soon(&mut self, server: &Server) -> Result<Duration> {
        let began = Instant::now();
        let mut association = server.associate("FILL", &self.contexts)?;
        for bytes in [1000, 6 * MIB] {
            let one = self.stock.next(bytes);
            wait_for("a store after room was made", RECOVERY, || {
                Ok(self.dimse(&mut association, &one)?.then_some(()))
            })?;
            self.acknowledged.push(one);
        }
        association.release()?;
        let took = began.elapsed();
        wait_for("to be ready", RECOVERY, || Ok((server.web().get("/readyz")?.status == 200).then_some(())))?;
        Ok(took)
    }
}

fn stow(web: &mut Http, one: &Instance) -> Result<bool> {
    let answer = web.stow(&[Pieces::from(one.file())])?;
    match answer.status {
        200 => Ok(true),
        503 if answer.header("retry-after").is_some() => Ok(false),
        status => bail!("an answer that a full disk is no reason for: {status} {answer:.400?}"),
    }
}

/// Every instance that is listed can be read whole; returns how many there are.
fn read_all(web: &mut Http) -> Result<usize> {
    let rows = web.json("/dicom-web/instances?limit=1000")?;
    let rows = rows.as_array().context("no list")?;
    for row in rows {
        let sop = row["00080018"]["Value"][0].as_str().context("no SOP Instance UID")?;
        let versions = web.versions(sop)?;
        ensure!(versions.len() == 1 && versions[0].served, "{sop} has {} versions", versions.len());
    }
    Ok(rows.len())
}

#[test]
fn a_disk_that_fills_up_to_the_last_byte() -> Result<()> {
    let (seed, folder) = (seed(), tempfile::tempdir()?);
    let Some(disk) = Tmpfs::mount(&folder.path().join("data"), 64)? else { return Ok(()) };
    let setup = Setup::new(folder.path())
        .with("PACS_STORE__LIMITS__PACK_BYTES", "8388608")
        .with("PACS_STORE__LIMITS__MIN_FREE_BYTES", "0");
    for balloon in BALLOONS {
        disk.fill(balloon, BALLOON)?;
    }
    let server = setup.start()?;
    let mut sender = Sender::new(seed);
    for balloon in BALLOONS {
        sender.store_until_refused(&server, usize::MAX, 6)?;
        let (stored, free) = (sender.acknowledged.len(), disk.free()?);
        sender.check(&server).with_context(|| format!("full, {balloon}"))?;
        ensure!(server.web().get("/healthz")?.status == 200, "not alive");
        server.echo()?;
        fs::remove_file(disk.at.join(balloon))?;
        let took = sender.store_soon(&server)?;
        eprintln!("{stored} stored, {free} bytes free, refused; stored again {took:?} after room was made");
        sender.check(&server).with_context(|| format!("room again, {balloon}"))?;
    }
    let listed = read_all(&mut server.web())?;
    ensure!(listed as u64 == server.web().count()?, "{listed} are listed");
    server.stop()?;
    let server = setup.start().context("start after the disk was full")?;
    sender.check(&server).context("after a restart")?;
    // A refusal may come after the bytes were safe: more may be there than was acknowledged, and all of it is whole.
    let listed = read_all(&mut server.web())?;
    ensure!(listed >= sender.acknowledged.len(), "{listed} are listed");
    let state = server.web().json("/api/v1/state")?;
    ensure!(state["conflicts"] == 0 && state["unindexable"] == 0, "{state}");
    server.stop()
}

#[test]
fn below_the_mark_nothing_is_written() -> Result<()> {
    let (seed, folder) = (seed(), tempfile::tempdir()?);
    let Some(disk) = Tmpfs::mount(&folder.path().join("data"), 64)? else { return Ok(()) };
    let server = Setup::new(folder.path())
        .with("PACS_STORE__LIMITS__MIN_FREE_BYTES", "16777216")
        .with("PACS_STORE__LIMITS__MIN_FREE_PERCENT", "99")
        .start()?;
    let mut sender = Sender::new(seed);
    sender.store_soon(&server)?;
    disk.fill("balloon", disk.free()? as usize - 15 * MIB)?;
    let not_ready = || Ok((server.web().get("/readyz")?.status == 503).then_some(()));
    wait_for("the mark to be seen", RECOVERY, not_ready)?;
    let before = disk.free()?;
    sender.store_until_refused(&server, 2 * MIB, 20)?;
    let taken = before.saturating_sub(disk.free()?);
    // What the index notes about peers is a few pages.
    ensure!(taken < 256 * 1024, "{taken} bytes were taken below the mark");
    sender.check(&server)?;
    fs::remove_file(disk.at.join("balloon"))?;
    sender.store_soon(&server)?;
    sender.check(&server)?;
    server.stop()
}

#[test]
fn an_index_on_a_full_disk() -> Result<()> {
    let seed = seed();
    let folder = tempfile::tempdir()?;
    let Some(disk) = Tmpfs::mount(&folder.path().join("index"), 16)? else { return Ok(()) };
    let url = format!("sqlite:{}", disk.at.join("index.sqlite").display());
    let setup = Setup::new(folder.path()).with("PACS_DATABASE__URL", &url);
    let server = setup.start()?;
    let mut sender = Sender::new(seed);
    for round in 0..3 {
        let one = sender.stock.next(1000);
        ensure!(stow(&mut server.web(), &one)?, "refused although there is room");
        sender.acknowledged.push(one);
        disk.fill("balloon", 64 * MIB)?;
        sender.store_until_refused(&server, 1000, 20)?;
        let (stored, free) = (sender.acknowledged.len(), disk.free()?);
        sender.check(&server).with_context(|| format!("round {round}, full"))?;
        ensure!(server.web().get("/readyz")?.status == 503, "ready, and takes nothing");
        fs::remove_file(disk.at.join("balloon"))?;
        let took = sender.store_soon(&server)?;
        eprintln!(
            "the index: {stored} stored, {free} bytes free, refused; {took:?} after room was made stored again"
        );
        sender.check(&server).with_context(|| format!("round {round}, room again"))?;
    }
    server.stop()?;
    let server = setup.start().context("start after the index could not be written")?;
    sender.check(&server).context("after a restart")?;
    read_all(&mut server.web())?;
    let state = server.web().json("/api/v1/state")?;
    ensure!(state["conflicts"] == 0 && state["unindexable"] == 0, "{state}");
    server.stop()
}
