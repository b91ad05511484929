//! The real server under load, killed by SIGKILL again and again: what it acknowledged is there, byte for byte.
//!
//! `KILLS` says how often (50 where it is not set), `TEST_SEED` repeats a run's choices. A kill leaves what the system
//! was told to write; losses of power, which do not, are simulated in the crate `indexer`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fixtures::hostile::Pieces;
use fixtures::many::{Address, instance};
use fixtures::rng::Rng;
use fixtures::studies::Instance;
use tests::dimse::{Association, contexts_for};
use tests::http::Http;
use tests::server::{Server, Setup};
use tests::{seed, variable};

/// Kills where `KILLS` is not set.
const KILLS: u64 = 50;
/// Associations that store at once.
const ASSOCIATIONS: u64 = 5;
/// Requests of STOW-RS at once, each of a few instances.
const WEB_SENDERS: u64 = 1;
/// A restarted server has to be ready within this.
const READY: Duration = Duration::from_secs(5);
/// Acknowledged instances of earlier rounds that are read again after each restart.
const SAMPLE: usize = 20;

/// An instance by what it is made from.
#[derive(Clone, Copy, Debug)]
struct Made {
    at: Address,
    pixel_bytes: usize,
}

impl Made {
    fn instance(self, seed: u64) -> Instance {
        instance(seed, self.at, self.pixel_bytes)
    }
}

/// What senders know.
#[derive(Default)]
struct Ledger {
    acknowledged: Vec<Made>,
    /// Sent, and the server died before it answered.
    unanswered: Vec<Made>,
    refused: Vec<String>,
}

/// One sender's own order of instances: mostly small, some for the stream lanes.
struct Sender {
    seed: u64,
    rng: Rng,
    study: u64,
    number: u64,
}

impl Sender {
    fn next(&mut self) -> Made {
        self.number += 1;
        let pixel_bytes = match self.rng.below(100) {
            0 => 4_500_000 + self.rng.below(2_000_000) as usize,
            1..15 => 100_000 + self.rng.below(400_000) as usize,
            _ => 16 + self.rng.below(8_000) as usize,
        };
        Made { at: Address { study: self.study, series: self.number % 3, number: self.number }, pixel_bytes }
    }

    /// Stores over one association until the server is gone.
    fn store(&mut self, address: SocketAddr, ledger: &Mutex<Ledger>) {
        // Every SOP class of the fixtures, so that one association serves all.
        let classes: Vec<Instance> =
            (0..64).map(|study| instance(self.seed, Address { study, ..Address::default() }, 2)).collect();
        let contexts = contexts_for(&classes);
        let Ok(mut association) = Association::open(address, "KILLS", "PACS", &contexts) else { return };
        loop {
            let made = self.next();
            let answer = association.store(&contexts, &made.instance(self.seed));
            let mut ledger = ledger.lock().unwrap();
            match answer {
                Ok(response) if response.status == 0 => ledger.acknowledged.push(made),
                Ok(response) => return ledger.refused.push(format!("{made:?}: {response:?}")),
                Err(_) => return ledger.unanswered.push(made),
            }
        }
    }

    /// Posts a few instances at a time until the server is gone.
    fn post(&mut self, address: SocketAddr, ledger: &Mutex<Ledger>) {
        loop {
            let made: Vec<Made> = (0..4).map(|_| self.next()).collect();
            let files: Vec<Pieces> =
                made.iter().map(|m| Pieces::from(m.instance(self.seed).file())).collect();
            let answer = Http::new(address).stow(&files);
            let mut ledger = ledger.lock().unwrap();
            match answer {
                Ok(answer) if answer.status == 200 => ledger.acknowledged.extend(made),
                Ok(answer) => return ledger.refused.push(format!("{made:?}: {answer:.300?}")),
                Err(_) => return ledger.unanswered.extend(made),
            }
        }
    }
}

/// Lets senders loose on `server` and kills it after `life`.
fn load_and_kill(server: Server, seed: u64, round: u64, life: Duration) -> Result<Ledger> {
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let (dimse, web) = (*server.dimse.first().context("no address")?, server.http);
    let dead = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for n in 0..ASSOCIATIONS + WEB_SENDERS {
            let (ledger, dead) = (ledger.clone(), &dead);
            scope.spawn(move || {
                let study = round * (ASSOCIATIONS + WEB_SENDERS) + n;
                let mut sender = Sender { seed, rng: Rng::nth(seed, study), study, number: 0 };
                if n < ASSOCIATIONS {
                    sender.store(dimse, &ledger)
                } else {
                    sender.post(web, &ledger)
                }
                let refused = ledger.lock().unwrap().refused.len();
                assert!(dead.load(Ordering::Acquire) || refused > 0, "a connection ended before the kill");
            });
        }
        // The moment of the kill is the random input of this test, not a way to wait for something.
        std::thread::sleep(life);
        dead.store(true, Ordering::Release);
        server.kill()
    })?;
    let ledger = Arc::into_inner(ledger).context("a sender is left")?.into_inner().unwrap();
    ensure!(ledger.refused.is_empty(), "refused: {:?}", ledger.refused);
    Ok(ledger)
}

fn read_back(web: &mut Http, seed: u64, made: &Made) -> Result<()> {
    let wanted = made.instance(seed);
    let found = web.instance(&wanted).with_context(|| format!("{made:?} was acknowledged"))?;
    ensure!(found == wanted.data_set, "{made:?} was acknowledged and is altered");
    Ok(())
}

/// Sends again what was not answered, and some of what was: both are a success, and change nothing that is there.
fn send_again(server: &Server, seed: u64, made: &[Made]) -> Result<()> {
    let instances: Vec<Instance> = made.iter().map(|m| m.instance(seed)).collect();
    let contexts = contexts_for(&instances);
    if contexts.is_empty() {
        return Ok(());
    }
    let mut association = server.associate("AGAIN", &contexts)?;
    for (one, made) in instances.iter().zip(made) {
        let response = association.store(&contexts, one)?;
        ensure!(response.status == 0, "{made:?} again: {response:?}");
    }
    association.release()
}

#[test]
fn nothing_acknowledged_is_lost_by_kills() -> Result<()> {
    let (seed, kills) = (seed(), variable("KILLS", KILLS));
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with("PACS_LOG", "warn");
    let mut rng = Rng::new(seed);
    let (mut all, mut slowest, mut unanswered) = (Vec::new(), Duration::ZERO, 0);
    let began = Instant::now();
    let mut server = setup.start()?;
    for round in 0..kills {
        let life = Duration::from_millis(5 + rng.below(495));
        let ledger = load_and_kill(server, seed, round, life)?;
        server = setup.start().with_context(|| format!("start after kill {round}"))?;
        slowest = slowest.max(server.ready_after);
        ensure!(server.ready_after < READY, "ready after {:?}", server.ready_after);
        let mut web = server.web();
        ensure!(web.get("/readyz")?.status == 200, "said to be ready, and is not");
        for made in &ledger.acknowledged {
            read_back(&mut web, seed, made)?;
        }
        let mut sample: Vec<Made> = Vec::new();
        for _ in 0..SAMPLE.min(all.len()) {
            sample.push(*rng.pick(&all));
        }
        sample.iter().try_for_each(|made| read_back(&mut web, seed, made))?;
        sample.extend(ledger.acknowledged.iter().take(SAMPLE).chain(&ledger.unanswered));
        send_again(&server, seed, &sample)?;
        unanswered += ledger.unanswered.len();
        all.extend(ledger.acknowledged.iter().chain(&ledger.unanswered).copied());
        let count = web.count()?;
        ensure!(count == all.len() as u64, "{} instances were sent, {count} are counted", all.len());
    }
    let mut web = server.web();
    for made in &all {
        read_back(&mut web, seed, made)?;
        let sop_instance = made.instance(seed).sop_instance;
        let versions = web.json(&format!("/api/v1/instances/{sop_instance}/versions"))?;
        ensure!(versions.as_array().is_some_and(|v| v.len() == 1), "{made:?} is there twice: {versions}");
    }
    let state = web.json("/api/v1/state")?;
    ensure!(state["conflicts"] == 0 && state["unindexable"] == 0, "{state}");
    let acknowledged = all.len() - unanswered;
    eprintln!(
        "{kills} kills in {:?}: {acknowledged} acknowledged, 0 lost, 0 altered; {unanswered} sent again; \
         ready after {slowest:?} at most",
        began.elapsed()
    );
    server.stop()
}
