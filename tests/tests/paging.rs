//! Lists of what waits for a person, page by page through a running server: what comes while somebody reads is neither
//! repeated nor makes anything of what was there be passed over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fixtures::studies::Instance;
use fixtures::writer::keyword as k;
use serde_json::{Value, json};
use tests::exams::{image, image_of};
use tests::http::{Http, good, refused};
use tests::server::Setup;
use tests::site::Site;
use tests::viewing::page;
use tests::wait_for;

const WHO: (&str, &str) = ("X-Claimed-User", "BS. Nga");
const SEED: u64 = 83;

fn names(rows: &Value, field: &str) -> Result<Vec<String>> {
    let rows = rows.as_array().context("no list")?.iter();
    rows.map(|row| Ok(row[field].as_str().context("no name")?.to_owned())).collect()
}

/// Reads a list two rows at a time; after its first page something `comes`. Each of `there` has to be told once.
fn read(
    there: &[String],
    mut next: impl FnMut(Option<&str>) -> Result<(Vec<String>, Option<String>)>,
    comes: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let (mut told, mut after) = next(None)?;
    ensure!(told.len() == 2 && after.is_some(), "the first page: {told:?}");
    comes()?;
    while let Some(from) = after {
        let (rows, on) = next(Some(&from))?;
        ensure!(rows.len() <= 2, "{rows:?}");
        told.extend(rows);
        after = on;
    }
    for name in there {
        let times = told.iter().filter(|one| *one == name).count();
        ensure!(times == 1, "{name} is told {times} times: {told:?}");
    }
    let mut once = told.clone();
    once.sort();
    once.dedup();
    ensure!(once.len() == told.len(), "something is told twice: {told:?}");
    Ok(())
}

fn order(web: &Http, accession: &str) -> Result<String> {
    let body = json!({
        "ordering_facility": "01001", "accession": accession, "exams": [{ "code": "18.0149.0040" }],
        "patient": { "patient_id": "P-1", "name": "Lê Thị Hoa", "birth_date": "19850317", "sex": "F" },
    });
    let told = good(&web.say("POST", "/api/v1/orders", &[WHO], &body)?, 201)?;
    Ok(told["order"].as_str().context("no order")?.to_owned())
}

fn place(told: &Value, member: &str) -> Option<String> {
    told[member].as_str().map(str::to_owned)
}

#[test]
fn what_did_not_meet_goes_on_after_the_last_row() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let site = Site::new().facility("01001").machine("CT1", "01001");
    let server = Setup::new(folder.path()).with_file(site.file())?.start()?;
    let web = server.web();
    let orders = (0..5).map(|n| order(&web, &format!("O-{n}"))).collect::<Result<Vec<String>>>()?;
    let ask = |web: &mut Http, name: &str, after: Option<&str>| {
        let after = after.map(|after| format!("&after_{name}={after}")).unwrap_or_default();
        web.json(&format!("/api/v1/reconciliation?since=2000-01-01&limit=2{after}"))
    };
    let mut asking = server.web();
    read(
        &orders,
        |after| {
            let told = ask(&mut asking, "order", after)?;
            Ok((names(&told["orders_without_images"], "order")?, place(&told, "next_order")))
        },
        || order(&web, "O-NEW").map(drop),
    )?;
    let of = |study: u64, day: &str| image(SEED, study, &[(k::STUDY_DATE, day), (k::ACCESSION_NUMBER, "")]);
    let studies = (0..5).map(|n| of(n, &format!("2026010{}", n + 1))).collect::<Result<Vec<Instance>>>()?;
    server.c_store("CT1", &studies)?;
    let names_of = studies.iter().map(|one| one.study.clone()).collect::<Vec<String>>();
    read(
        &names_of,
        |after| {
            let told = ask(&mut asking, "study", after)?;
            Ok((names(&told["images_without_order"], "study")?, place(&told, "next_study")))
        },
        || server.c_store("CT1", [&of(7, "20260109")?]),
    )?;
    refused(&server.web().get("/api/v1/reconciliation?since=2000-01-01&after_order=x")?, 400, "after_order")?;
    server.stop()
}

#[test]
fn collisions_go_on_after_the_last_row() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let site = Site::new().facility("01001").machine("CT1", "01001");
    let server = Setup::new(folder.path()).with_file(site.file())?.start()?;
    let clash = |n: u64| -> Result<()> {
        let number = format!("P-{n}");
        let (one, other) = (("LE THI HOA", "19850317", "F"), ("PHAM VAN DUC", "19700203", "M"));
        let one = image_of(SEED, 2 * n, (&number, one.0, one.1, one.2))?;
        let other = image_of(SEED, 2 * n + 1, (&number, other.0, other.1, other.2))?;
        server.c_store("CT1", [&one, &other])
    };
    (0..5).try_for_each(clash)?;
    let mut web = server.web();
    let there = names(&web.json("/api/v1/collisions")?["collisions"], "key")?;
    ensure!(there.len() == 5, "{there:?}");
    read(
        &there,
        |after| {
            let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
            let told = web.json(&format!("/api/v1/collisions?limit=2{after}"))?;
            Ok((names(&told["collisions"], "key")?, place(&told, "next")))
        },
        // Their keys are as good as drawn: some of them come to stand before what was read, some behind.
        || (10..16).try_for_each(clash),
    )?;
    refused(&server.web().get("/api/v1/collisions?after=x")?, 400, "after")?;
    server.stop()
}

#[test]
fn studies_that_wait_for_a_code_go_on_after_the_last_row() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let site = Site::new().examined_soon().facility("01001").machine("CT1", "01001");
    let server = Setup::new(folder.path()).with_file(site.file())?.start()?;
    let unknown = |study: u64| image(SEED, study, &[(k::STUDY_DESCRIPTION, "GOI KHAM DAC BIET 7")]);
    let waits = |all: &[Instance]| {
        let mut web = server.web();
        server.c_store("CT1", all)?;
        for one in all {
            wait_for("a study that waits", Duration::from_secs(60), || {
                let told = web.json(&format!("/api/v1/studies/{}/codes", one.study))?;
                ensure!(told["coding"]["outcome"] != "assigned", "{told}");
                Ok((told["coding"]["outcome"] == "review").then_some(()))
            })?;
        }
        Ok::<(), anyhow::Error>(())
    };
    let all = (0..12).map(unknown).collect::<Result<Vec<Instance>>>()?;
    waits(&all)?;
    let there: Vec<String> = all.iter().map(|one| one.study.clone()).collect();
    let mut web = server.web();
    read(
        &there,
        |after| {
            let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
            let told = names(&web.json(&format!("/api/v1/codes/review?limit=2{after}"))?, "study")?;
            let next = told.last().filter(|_| told.len() == 2).cloned();
            Ok((told, next))
        },
        || waits(&[unknown(20)?, unknown(21)?]),
    )?;
    // The page goes the same way, also where the study after which it begins waits no more.
    let first = page(&mut web, "/review")?;
    let next = first.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
    let next = next.context("no next page")?.to_owned();
    let last = next.split("after=").nth(1).context("no place")?.to_owned();
    let path = format!("/api/v1/studies/{last}/codes");
    good(&web.say("POST", &path, &[WHO], &json!({ "outcome": "no_examination" }))?, 201)?;
    waits(&[unknown(22)?])?;
    let second = page(&mut web, &next)?;
    let on = |text: &str, study: &String| text.contains(&format!("/studies/{study}/thumbnail"));
    for study in &there {
        ensure!(on(&first, study) != on(&second, study), "{study} stands on both pages or on none");
    }
    ensure!(second.contains("rel=\"first\"") && !second.contains("rel=\"next\""), "{second}");
    server.stop()
}
