//! The real server killed by SIGKILL while doctors decide and take back: after each restart every order has the entries
//! that it should have and no more, the chain is whole, and the sums are those of the entries.
//!
//! `LEDGER_KILLS` says how often (6 where it is not set), `TEST_SEED` repeats a run's choices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fixtures::rng::Rng;
use serde_json::{Value, json};
use tests::exams::Exam;
use tests::http::Http;
use tests::reuse::settled;
use tests::server::{Server, Setup};
use tests::site::Site;
use tests::{seed, variable, wait_for};

const DOCTOR: (&str, &str) = ("X-Claimed-User", "BS. Lê Thị Hạnh");
const LIMIT: Duration = Duration::from_secs(90);
/// Kills where `LEDGER_KILLS` is not set.
const KILLS: u64 = 6;
/// Orders that are decided at once, each by a doctor of its own.
const DOCTORS: u64 = 4;

fn site() -> Site {
    Site::new().facility("01001").machine("CT1", "01001")
}

fn stored(server: &Server) -> Result<()> {
    let exam = Exam::head_ct(11).person("NGUYEN VAN AN", "19800412", "M").under("P-1", "ACC-0");
    let all = exam.instances()?;
    server.c_store("CT1", &all)?;
    let mut web = server.web();
    let codes = format!("/api/v1/studies/{}/codes", all[0].study);
    wait_for("a code", LIMIT, || Ok((web.json(&codes)?["coding"]["outcome"] == "assigned").then_some(())))?;
    order(&web, "probe")?;
    settled(&web, &json!({ "order": "probe" })).map(drop)
}

fn order(web: &Http, key: &str) -> Result<()> {
    let body = json!({
        "ordering_facility": "01001", "exams": [{ "code": "18.0149.0040" }],
        "patient": { "patient_id": "P-1", "name": "Nguyễn Văn An", "birth_date": "19800412", "sex": "M" },
    });
    let answer = web.say("POST", "/api/v1/orders", &[DOCTOR, ("Idempotency-Key", key)], &body)?;
    ensure!(answer.status == 201, "{answer:?}");
    Ok(())
}

/// Orders, decides and takes every second decision back, until the server is gone.
fn doctor(address: std::net::SocketAddr, round: u64, number: u64) {
    for nth in 0.. {
        let web = Http::new(address);
        let key = format!("o-{round}-{number}-{nth}");
        let act = || -> Result<()> {
            order(&web, &key)?;
            let told = web.say("POST", "/api/v1/reuse/check", &[DOCTOR], &json!({ "order": key }))?.json()?;
            let body = json!({
                "decision": "reuse", "order": key, "verdict": told["decision"]["priors"][0]["verdict"],
                "reasons": ["other"], "text": "đã xem",
            });
            let decision = format!("d-{key}");
            let headers = [DOCTOR, ("Idempotency-Key", decision.as_str())];
            web.say("POST", "/api/v1/reuse/decisions", &headers, &body)?;
            if nth % 2 == 1 {
                let body = json!({ "decision": "withdrawn", "why": "nhầm" });
                web.say("PATCH", &format!("/api/v1/reuse/decisions/{decision}"), &[DOCTOR], &body)?;
            }
            Ok(())
        };
        if act().is_err() {
            return;
        }
    }
}

/// What has to hold once the ledger has looked at everything.
fn holds(setup: &Setup, web: &mut Http) -> Result<usize> {
    let decisions = web.json("/api/v1/reuse/decisions?limit=1000")?;
    let decisions = decisions.as_array().context("no list")?.clone();
    let wanted = |decision: &Value| -> Vec<&str> {
        if decision["decision"] == "withdrawn" {
            vec!["exam_avoided", "exam_reversed"]
        } else {
            vec!["exam_avoided"]
        }
    };
    for decision in &decisions {
        let order = decision["order"].as_str().context("no order")?;
        wait_for(&format!("the entries of {order}"), LIMIT, || {
            let rows = web.json(&format!("/api/v1/ledger/entries?order={order}"))?;
            let rows = rows.as_array().context("no list")?.clone();
            let events: Vec<&str> = rows.iter().filter_map(|row| row["event"].as_str()).collect();
            let wanted = wanted(decision);
            // A decision that was taken back before the ledger saw it has no entry at all.
            let unseen = events.is_empty() && wanted.len() == 2;
            ensure!(events.len() <= wanted.len(), "{order}: {events:?}");
            let state = web.json(&format!("/api/v1/orders/{order}"))?["status"].clone();
            let closed = state == if wanted.len() == 2 { "requested" } else { "reused" };
            Ok(((events == wanted || unseen) && closed).then_some(()))
        })?;
    }
    // Sums are those of the entries, counted here.
    let entries = web.json("/api/v1/ledger/entries?limit=1000")?;
    let entries = entries.as_array().context("no list")?.clone();
    let (mut sum, mut by_order) = (0, BTreeMap::new());
    for entry in &entries {
        let vnd = entry["exam_vnd"].as_i64().context("no amount")?;
        sum += vnd;
        *by_order.entry(entry["order"].to_string()).or_insert(0) += vnd;
    }
    ensure!(by_order.values().all(|vnd| [0, 452_400].contains(vnd)), "{by_order:?}");
    let total = web.json("/api/v1/ledger/summary?by=month")?["confirmed"]["total"].clone();
    let open = by_order.values().filter(|vnd| **vnd > 0).count();
    ensure!(total["total_vnd"] == sum && total["orders"] == open, "{total} and {sum} of {open}");
    let heads = web.json("/api/v1/ledger/heads")?;
    let head = heads[0]["head"].as_str().unwrap_or_default().to_owned();
    let output = setup.run(&["ledger", "verify", "--head", &head])?;
    ensure!(entries.is_empty() || output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(entries.len())
}

fn killed(setup: &Setup) -> Result<()> {
    let (mut rng, kills) = (Rng::new(seed()), variable("LEDGER_KILLS", KILLS));
    let mut server = setup.start()?;
    stored(&server)?;
    let mut entries = 0;
    for round in 0..kills {
        let address = server.http;
        let life = Duration::from_millis(50 + rng.below(900));
        std::thread::scope(|scope| {
            for number in 0..DOCTORS {
                scope.spawn(move || doctor(address, round, number));
            }
            // The moment of the kill is the random input of this test, not a way to wait for something.
            std::thread::sleep(life);
            server.kill()
        })?;
        server = setup.start().with_context(|| format!("start after kill {round}"))?;
        entries =
            holds(setup, &mut server.web()).with_context(|| format!("after kill {round} at {life:?}"))?;
    }
    println!("{kills} kills, {entries} entries");
    ensure!(entries > 0, "nothing was entered");
    server.stop()
}

#[test]
fn one_entry_for_each_order_whenever_the_server_is_killed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with("PACS_STUDY__QUIET_SECONDS", "1").with_file(site().file())?;
    killed(&setup)
}

#[test]
fn one_entry_for_each_order_on_postgres_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = fixtures::postgres::Server::start()?;
    let setup = Setup::new(folder.path()).with("PACS_STUDY__QUIET_SECONDS", "1").with_file(site().file())?;
    killed(&setup.with("PACS_DATABASE__URL", &database.database()?))
}
