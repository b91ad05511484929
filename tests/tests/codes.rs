//! National codes through a running server: a head CT comes by C-STORE, is found by its code, and is what a person says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fixtures::studies::{Instance, Options, Scale, demo};
use serde_json::{Value, json};
use tests::http::Http;
use tests::server::Setup;
use tests::wait_for;

const WHO: (&str, &str) = ("X-Claimed-User", "BS. Lê Thị Hạnh");
const LIMIT: Duration = Duration::from_secs(60);

fn head_ct() -> Vec<Instance> {
    let all = demo(Options::new(11, Scale::Small)).filter(|one| one.path.contains("/ct-so-nao/"));
    all.collect()
}

fn search(web: &mut Http, query: &str) -> Result<Vec<Value>> {
    let answer = web.get_accepting(&format!("/dicom-web/studies?{query}"), "application/dicom+json")?;
    ensure!([200, 204].contains(&answer.status), "{query}: {}", answer.status);
    ensure!(answer.header("warning").is_none(), "{query}: {answer:?}");
    if answer.status == 204 {
        return Ok(Vec::new());
    }
    Ok(answer.json()?.as_array().context("no list")?.clone())
}

/// The codes of a study in an answer: scheme, value, meaning.
fn codes(row: &Value) -> Vec<[String; 3]> {
    let items = row["00081032"]["Value"].as_array().cloned().unwrap_or_default();
    let text = |item: &Value, tag: &str| item[tag]["Value"][0].as_str().unwrap_or_default().to_owned();
    items.iter().map(|item| ["00080102", "00080100", "00080104"].map(|tag| text(item, tag))).collect()
}

#[test]
fn a_head_ct_is_found_by_its_national_code_and_is_what_a_person_says() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with("PACS_STUDY__QUIET_SECONDS", "1");
    let server = setup.start()?;
    let mut web = server.web();
    let all = head_ct();
    let study = all[0].study.clone();
    ensure!(web.get(&format!("/api/v1/studies/{study}/codes"))?.status == 404, "not there yet");
    server.c_store("CT1", &all)?;
    let kept = web.instance(&all[0])?;

    let row = wait_for("a code in the answer", LIMIT, || {
        let rows = search(&mut web, &format!("StudyInstanceUID={study}"))?;
        Ok(rows.into_iter().find(|row| codes(row).iter().any(|[scheme, ..]| scheme == "99VNTT23")))
    })?;
    let of_study = codes(&row);
    let [_, technique, meaning] =
        of_study.iter().find(|[scheme, ..]| scheme == "99VNTT23").context("no technique")?.clone();
    println!("{of_study:?}");
    ensure!(meaning.to_lowercase().contains("sọ não"), "{meaning}");
    ensure!(of_study.iter().all(|[.., meaning]| meaning.chars().count() <= 64), "{of_study:?}");
    let schemes = row["00080110"]["Value"].to_string();
    ensure!(schemes.contains("99VNTT23"), "{schemes}");
    for key in ["ProcedureCodeSequence.CodeValue", "00081032.00080100"] {
        ensure!(search(&mut web, &format!("{key}={technique}"))?.len() == 1, "{key}");
        ensure!(search(&mut web, &format!("{key}=18.9999"))?.is_empty(), "{key}");
    }

    // What was stored is what was sent.
    ensure!(web.instance(&all[0])? == kept, "a stored object was changed");
    let metadata =
        web.get_accepting(&format!("/dicom-web/studies/{study}/metadata"), "application/dicom+json")?;
    ensure!(!metadata.json()?.to_string().contains("99VNTT23"), "the metadata were changed");
    let page = String::from_utf8(web.get(&format!("/studies/{study}"))?.body)?;
    ensure!(page.contains("class=\"exam\""), "the page does not name the examination");

    let path = format!("/api/v1/studies/{study}/codes");
    let told = web.json(&path)?;
    ensure!(told["coding"]["outcome"] == "assigned" && told["choice"].is_null(), "{told}");
    ensure!(told["coding"]["evidence"].as_array().is_some_and(|lines| !lines.is_empty()), "{told}");
    for (body, field) in [
        (json!({ "techniques": ["18.99999"] }), "techniques"),
        (json!({ "techniques": "18.119" }), "techniques"),
        (json!({}), "techniques"),
        (json!({ "techniques": ["18.119"], "service_code": "1" }), "service_code"),
        (json!({ "techniques": ["18.119"], "outcome": "boredom" }), "outcome"),
        (json!({ "techniques": ["18.119"], "rule": 1 }), "rule"),
    ] {
        let answer = web.say("POST", &path, &[WHO], &body)?;
        ensure!(answer.status == 400 && answer.json()?["field"] == field, "{body}: {answer:?}");
    }
    let keyed = [WHO, ("Idempotency-Key", "code-1")];
    let chosen = json!({ "techniques": ["18.119"], "why": "a test" });
    for _ in 0..2 {
        let answer = web.say("POST", &path, &keyed, &chosen)?;
        ensure!(answer.status == 201 && answer.json()?["version"] == 1, "{answer:?}");
    }
    ensure!(
        search(&mut web, "ProcedureCodeSequence.CodeValue=18.119")?.len() == 1,
        "the choice is not found"
    );
    ensure!(search(&mut web, &format!("00081032.00080100={technique}"))?.is_empty(), "still the mapper's");
    let told = web.json(&path)?;
    ensure!(told["coding"]["source"] == "person" && told["choice"]["who"]["name"] == WHO.1, "{told}");
    ensure!(web.json("/api/v1/codes/review")?.as_array().is_some_and(Vec::is_empty), "nothing waits");

    // The index is made again: the choice counts still.
    server.stop()?;
    ensure!(setup.run(&["rebuild"])?.status.success(), "rebuild");
    let server = setup.start()?;
    let mut web = server.web();
    wait_for("the choice after a rebuild", LIMIT, || {
        Ok(Some(search(&mut web, "ProcedureCodeSequence.CodeValue=18.119")?).filter(|rows| rows.len() == 1))
    })?;
    server.stop()
}
