//! The real server while its PostgreSQL is killed with all its processes, again and again under load: what was
//! acknowledged, stored or said, is there once, and stores are taken again soon after the database is back.
//!
//! `DATABASE_KILLS` says how often (3 where it is not set), `TEST_SEED` repeats a run's choices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fixtures::hostile::Pieces;
use fixtures::many::{Address, instance};
use fixtures::postgres;
use fixtures::rng::Rng;
use fixtures::studies::Instance;
use serde_json::{Value, json};
use tests::dimse::{Association, contexts_for};
use tests::http::Http;
use tests::server::{Server, Setup};
use tests::{seed, variable, wait_for};

const LONG: Duration = Duration::from_secs(60);
/// How soon stores and statements are taken again after the database is back.
const RECOVERY: Duration = Duration::from_secs(5);
/// Instances of a study.
const IMAGES: u64 = 8;
const SITE: &str = "[dimse]\naccept = \"anyone\"\n[[facility]]\ncode = \"01001\"\n";

/// What senders were told.
#[derive(Default)]
struct Told {
    stored: Mutex<Vec<Address>>,
    said: Mutex<Vec<String>>,
    stores: AtomicU64,
    statements: AtomicU64,
    over: AtomicBool,
}

impl Told {
    fn count(&self) -> (u64, u64) {
        (self.stores.load(Ordering::SeqCst), self.statements.load(Ordering::SeqCst))
    }
}

fn made(seed: u64, at: Address) -> Instance {
    let pixels = if Rng::nth(seed, at.number).below(20) == 0 { 300_000 } else { 3_000 };
    instance(seed, at, pixels)
}

/// Says the same again until it is taken.
fn until_taken(told: &Told, mut once: impl FnMut() -> bool) -> bool {
    let taken = wait_for("to be taken", LONG, || {
        if once() {
            return Ok(Some(true));
        }
        Ok(told.over.load(Ordering::SeqCst).then_some(false))
    });
    taken.unwrap()
}

/// Stores studies by C-STORE or STOW-RS, each instance until it is acknowledged.
fn store(server: &Server, told: &Told, seed: u64, lane: u64) {
    let (dimse, web) = (*server.dimse.first().unwrap(), server.http);
    // Every SOP class of the fixtures, so that one association serves all.
    let classes: Vec<Instance> =
        (0..64).map(|study| instance(seed, Address { study, ..Address::default() }, 2)).collect();
    let contexts = contexts_for(&classes);
    let mut association: Option<Association> = None;
    for number in 0.. {
        let at = Address { study: lane * 100_000 + number / IMAGES, series: number % 2, number };
        let one = made(seed, at);
        let taken = until_taken(told, || {
            if lane == 0 {
                let answer = Http::new(web).stow(&[Pieces::from(one.file())]);
                return answer.is_ok_and(|answer| answer.status == 200);
            }
            let open = association.take().or_else(|| Association::open(dimse, "CT", "PACS", &contexts).ok());
            let Some(mut open) = open else { return false };
            let Ok(response) = open.store(&contexts, &one) else { return false };
            association = Some(open);
            response.status == 0
        });
        if !taken {
            return;
        }
        told.stored.lock().unwrap().push(at);
        told.stores.fetch_add(1, Ordering::SeqCst);
        if told.over.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// Says orders, each under its own key until it is taken.
fn say(server: &Server, told: &Told, lane: u64) {
    let web = Http::new(server.http);
    for number in 0.. {
        let placer = format!("PL-{lane}-{number}");
        let body = json!({
            "placer_number": placer, "accession": format!("A-{lane}-{number}"), "ordering_facility": "01001",
            "patient": { "patient_id": format!("P-{number}"), "name": "Trần Văn Mẫu", "birth_date": "19800412", "sex": "M" },
            "exams": [{ "code": "18.0149.0040", "name": "Chụp CLVT sọ não" }],
        });
        let headers = [("X-Claimed-User", "HIS"), ("Idempotency-Key", placer.as_str())];
        let once =
            || web.say("POST", "/api/v1/orders", &headers, &body).is_ok_and(|answer| answer.status == 201);
        if !until_taken(told, once) {
            return;
        }
        told.said.lock().unwrap().push(placer);
        told.statements.fetch_add(1, Ordering::SeqCst);
        if told.over.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// Kills the database `kills` times under load; the slowest recovery.
fn kill(database: &postgres::Server, told: &Told, (seed, kills): (u64, u64)) -> Result<Duration> {
    let mut slowest = Duration::ZERO;
    for n in 0..kills {
        let (stores, statements) = told.count();
        let more = 5 + Rng::nth(seed, n).below(12);
        wait_for("load", LONG, || {
            let now = told.count();
            Ok((now.0 >= stores + more && now.1 > statements).then_some(()))
        })?;
        database.kill()?;
        database.start_again()?;
        let (back, at) = (Instant::now(), told.count());
        wait_for("recovery", LONG, || {
            let now = told.count();
            Ok((now.0 > at.0 && now.1 > at.1).then_some(()))
        })?;
        slowest = slowest.max(back.elapsed());
        ensure!(back.elapsed() < RECOVERY, "kill {n}: taken again after {:?}", back.elapsed());
    }
    Ok(slowest)
}

/// All orders of the archive, by placer number.
fn orders(web: &mut Http) -> Result<Vec<String>> {
    let mut all = Vec::new();
    loop {
        let page = web.json(&format!("/api/v1/orders?limit=100&offset={}", all.len()))?;
        let page = page.as_array().context("no list")?;
        if page.is_empty() {
            return Ok(all);
        }
        let number = |order: &Value| order["placer_number"].as_str().map(str::to_owned);
        all.extend(page.iter().map(|order| number(order).unwrap_or_default()));
    }
}

/// All that was acknowledged is there, unaltered and once, and nothing else.
fn check(server: &Server, told: &Told, seed: u64) -> Result<()> {
    let mut web = server.web();
    let stored = told.stored.lock().unwrap();
    for at in stored.iter() {
        let one = made(seed, *at);
        let found = web.instance(&one).with_context(|| format!("{at:?} was acknowledged"))?;
        ensure!(found == one.data_set, "{at:?} was altered");
    }
    for at in stored.iter().step_by(7) {
        ensure!(web.versions(&made(seed, *at).sop_instance)?.len() == 1, "{at:?} has versions");
    }
    let state = web.json("/api/v1/state")?;
    // What was sent last may be stored although its sender was not told.
    let instances = state["instances"].as_u64().context("no count")?;
    ensure!(
        (stored.len() as u64..stored.len() as u64 + 3).contains(&instances),
        "{} of {state}",
        stored.len()
    );
    ensure!(state["conflicts"] == 0 && state["unindexable"] == 0, "{state}");
    let said = told.said.lock().unwrap();
    let listed = orders(&mut web)?;
    let once: BTreeSet<&String> = listed.iter().collect();
    ensure!(once.len() == listed.len(), "an order is there twice");
    ensure!(said.iter().all(|placer| once.contains(placer)), "an order is lost");
    ensure!(listed.len() <= said.len() + 2, "{} orders, {} were said", listed.len(), said.len());
    Ok(())
}

#[test]
fn a_server_whose_database_is_killed_under_load_loses_and_doubles_nothing() -> Result<()> {
    let (seed, kills) = (seed(), variable("DATABASE_KILLS", 3));
    let (folder, database) = (tempfile::tempdir()?, postgres::Server::start()?);
    let setup = Setup::new(folder.path())
        .with("PACS_DATABASE__URL", &database.database()?)
        .with("PACS_LOG", "warn")
        .with_file(SITE)?;
    let server = setup.start()?;
    let told = Told::default();
    let slowest = std::thread::scope(|scope| {
        for lane in 0..3 {
            let (server, told) = (&server, &told);
            scope.spawn(move || store(server, told, seed, lane));
        }
        for lane in 0..2 {
            let (server, told) = (&server, &told);
            scope.spawn(move || say(server, told, lane));
        }
        let slowest = kill(&database, &told, (seed, kills));
        told.over.store(true, Ordering::SeqCst);
        slowest
    })?;
    let (stores, statements) = told.count();
    println!("{kills} kills, {stores} stores, {statements} statements, slowest recovery {slowest:?}");
    check(&server, &told, seed)?;
    server.stop()?;
    // The packs alone say the same.
    let rebuilt = setup.run(&["rebuild"])?;
    ensure!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    let server = setup.start()?;
    check(&server, &told, seed)?;
    server.stop()
}
