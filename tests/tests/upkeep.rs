//! Legal hold, withdrawing and giving back by the pages and commands, verification and compaction by the interface, through
//! the real program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::time::Duration;

use anyhow::{Result, ensure};
use fixtures::hostile::Pieces;
use fixtures::many::{Address, instance};
use serde_json::{Value, json};
use tests::http::{Answer, Http, good};
use tests::server::Setup;
use tests::wait_for;

const WHO: (&str, &str) = ("X-Claimed-User", "Quản trị");
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// Waits until a job has ended; what it tells.
fn ended(web: &mut Http, path: &str) -> Result<Value> {
    wait_for("the end of the job", Duration::from_secs(60), || {
        let job = web.json(path)?;
        Ok((job["state"] != "runs").then_some(job))
    })
}

#[test]
fn a_study_is_held_withdrawn_and_given_back_with_who_when_and_why() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path());
    let server = setup.start()?;
    let mut web = server.web();
    let one = instance(31, Address::default(), 64);
    web.stow(&[Pieces::default().then(one.file(), 1)])?;
    let page = format!("/studies/{}", one.study);
    let form = |body: &str| web_send(&server.web(), &format!("{page}/keeping"), body);

    // By command, then by the page; who, when and why stand on it.
    let held = setup.run(&["hold", &one.study, "--why", "điều tra", "--who", "Pháp chế"])?;
    ensure!(held.status.success(), "{}", String::from_utf8_lossy(&held.stderr));
    let shown = text(&web.get(&page)?);
    ensure!(shown.contains("Pháp chế") && shown.contains("điều tra"), "the hold is not on the page");
    ensure!(form("say=lift&version=7&why=a&who=b")?.status == 409, "a stale form was taken");
    ensure!(form("say=lift&version=1&why=&who=b")?.status == 400, "no reason");
    ensure!(form("say=lift&version=1&why=xong&who=BS.+Nga")?.status == 303);
    let told = web.json(&format!("/api/v1/studies/{}/legal-hold", one.study))?;
    ensure!(told["held"] == false && told["who"]["name"] == "BS. Nga" && told["why"] == "xong", "{told}");
    ensure!(setup.run(&["release", "1.2.3", "--why", "a", "--who", "b"])?.status.code() == Some(1));

    let gone = form("say=withdraw&reason=wrong_patient&why=nh%E1%BA%A7m&who=BS.+Nga")?;
    ensure!(gone.status == 303, "{}", text(&gone));
    let shown = web.get(&page)?;
    ensure!(shown.status == 404 && text(&shown).contains("nhầm"), "{}", shown.status);
    ensure!(!text(&shown).contains("/ohif/"), "a withdrawn study can be opened");
    ensure!(text(&web.get("/withdrawn")?).contains(&one.study));
    let id = web.json("/api/v1/withdrawals")?[0]["withdrawal"].as_str().unwrap_or_default().to_owned();
    ensure!(form(&format!("say=restore&withdrawal={id}&why=ok&who=BS.+Nga"))?.status == 303);
    ensure!(web.get(&page)?.status == 200, "not given back");
    server.stop()
}

fn web_send(web: &Http, path: &str, body: &str) -> Result<Answer> {
    web.send("POST", path, &[FORM], body.as_bytes())
}

#[test]
fn verification_and_compaction_are_asked_for_and_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path());
    let server = setup.start()?;
    let mut web = server.web();
    let one = instance(32, Address::default(), 20_000);
    web.stow(&[Pieces::default().then(one.file(), 1)])?;

    let wrong =
        good(&web.say("POST", "/api/v1/verifications", &[WHO], &json!({ "sample_percent": 0 }))?, 400)?;
    ensure!(wrong["field"] == "sample_percent", "{wrong}");
    let asked = json!({ "study": one.study, "why": "nghi ngờ" });
    let begun = good(&web.say("POST", "/api/v1/verifications", &[WHO], &asked)?, 202)?;
    let path = format!("/api/v1/verifications/{}", begun["id"].as_str().unwrap_or_default());
    let job = ended(&mut web, &path)?;
    ensure!(job["report"]["series"] == 1 && job["report"]["damaged"] == 0, "{job}");
    ensure!(job["who"]["name"] == "Quản trị" && job["why"] == "nghi ngờ", "{job}");
    let shown = text(&web.get(&format!("/studies/{}", one.study))?);
    ensure!(shown.contains("nguyên vẹn"), "the study's page does not tell that it was verified");
    // A stop seals the pack that is being written.
    server.stop()?;
    let server = setup.start()?;
    web = server.web();
    let begun = good(&web.say("POST", "/api/v1/verifications", &[WHO], &json!({}))?, 202)?;
    let path = format!("/api/v1/verifications/{}", begun["id"].as_str().unwrap_or_default());
    ensure!(ended(&mut web, &path)?["report"]["packs"].as_u64() >= Some(1));
    let packs = web.json("/api/v1/packs")?;
    ensure!(packs[0]["verified_at_ms"].is_u64() && !packs.to_string().contains(".pack"), "{packs}");

    // Nothing is removed unless it is asked for in as many words, with a reason.
    let begun = good(&web.say("POST", "/api/v1/compactions", &[WHO], &json!({}))?, 202)?;
    let path = format!("/api/v1/compactions/{}", begun["id"].as_str().unwrap_or_default());
    ensure!(ended(&mut web, &path)?["report"]["dry_run"] == true);
    let refused = good(&web.say("POST", "/api/v1/compactions", &[WHO], &json!({ "dry_run": false }))?, 400)?;
    ensure!(refused["field"] == "why", "{refused}");
    let real = json!({ "dry_run": false, "why": "hết chỗ" });
    let begun = good(&web.say("POST", "/api/v1/compactions", &[WHO], &real)?, 202)?;
    let path = format!("/api/v1/compactions/{}", begun["id"].as_str().unwrap_or_default());
    ensure!(ended(&mut web, &path)?["report"]["dry_run"] == false);
    good(&web.say("GET", "/api/v1/compactions/99", &[], &json!({}))?, 404)?;
    server.stop()
}
