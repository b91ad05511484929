//! Who is one person, through a running server: automatic links, candidates with the document that was seen, partings,
//! collisions and doubts, each at once in searches, below the viewer's root and after the index was made again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use anyhow::{Context as _, Result, ensure};
use fixtures::edited::replace;
use fixtures::many::{Address, instance};
use fixtures::studies::Instance;
use fixtures::writer::keyword as k;
use serde_json::{Value, json};
use tests::dimse::contexts_for;
use tests::http::{Answer, Http};
use tests::server::{Server, Setup};

const WHO: (&str, &str) = ("X-Claimed-User", "BS. Nga");
const SITE: &str = r#"
[dimse]
accept = "anyone"
[[facility]]
code = "01001"
personal_number_in = ["patient_id"]
[[facility]]
code = "01002"
personal_number_in = ["patient_id"]
[[peer]]
ae_title = "CT1"
address = "127.0.0.1"
facility = "01001"
[[peer]]
ae_title = "CT2"
address = "127.0.0.1"
facility = "01002"
"#;
/// A made-up woman born on 17 March 1985.
const NUMBER: &str = "001185012345";

fn of(study: u64, patient_id: &str, name: &str, birth_date: &str) -> Result<Instance> {
    let mut made = instance(77, Address { study, ..Address::default() }, 64);
    let changes = [
        (k::PATIENT_ID, patient_id.to_owned()),
        (k::PATIENT_NAME, name.to_owned()),
        (k::PATIENT_BIRTH_DATE, birth_date.to_owned()),
        (k::PATIENT_SEX, "F".to_owned()),
    ];
    made.data_set = replace(&made.data_set, made.syntax, &changes).context("not edited")?;
    Ok(made)
}

fn c_store(server: &Server, calling: &str, one: &Instance) -> Result<()> {
    let contexts = contexts_for([one]);
    let mut association = server.associate(calling, &contexts)?;
    let status = association.store(&contexts, one)?.status;
    association.release()?;
    ensure!(status == 0, "C-STORE: {status:04X}");
    Ok(())
}

fn good(answer: &Answer, status: u16) -> Result<Value> {
    ensure!(answer.status == status, "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
    answer.json()
}

/// The key of a study's patient, as the study's page gives it to the viewer.
fn key(web: &mut Http, study: &str) -> Result<String> {
    let page = web.get(&format!("/studies/{study}"))?;
    let text = String::from_utf8_lossy(&page.body).into_owned();
    let at = text.find("scope=").context("no way into the viewer")? + 6;
    Ok(text[at..at + 32].to_owned())
}

/// Studies below the root of a study's patient, where a viewer looks for priors.
fn priors(web: &mut Http, study: &str) -> Result<Vec<String>> {
    let key = key(web, study)?;
    let rows = web.json(&format!("/patients/{key}/dicom-web/studies"))?;
    let rows = rows.as_array().context("no list")?;
    let mut all: Vec<String> =
        rows.iter().filter_map(|row| row["0020000D"]["Value"][0].as_str().map(str::to_owned)).collect();
    all.sort();
    Ok(all)
}

fn sorted(studies: &[&Instance]) -> Vec<String> {
    let mut all: Vec<String> = studies.iter().map(|one| one.study.clone()).collect();
    all.sort();
    all
}

#[test]
fn people_are_linked_offered_parted_and_doubted_at_once_everywhere() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with_file(SITE)?;
    let mut server = setup.start()?;
    let mut web = server.web();
    let here = of(1, NUMBER, "NGUYEN^THI AN", "19850317")?;
    let there = of(2, NUMBER, "Nguyen Thi An", "19850317")?;
    let perhaps = of(3, "Q9", "AN NGUYEN THI", "19850317")?;
    let stranger = of(4, "Q9", "LE THI HOA", "19700203")?;
    for (calling, one) in [("CT1", &here), ("CT2", &there), ("CT2", &perhaps), ("CT2", &stranger)] {
        c_store(&server, calling, one)?;
    }
    let a = key(&mut web, &here.study)?;
    for restarted in [false, true] {
        ensure!(priors(&mut web, &here.study)? == sorted(&[&here, &there]), "restarted: {restarted}");
        ensure!(priors(&mut web, &perhaps.study)? == sorted(&[&perhaps]), "restarted: {restarted}");
        ensure!(priors(&mut web, &stranger.study)? == sorted(&[&stranger]), "restarted: {restarted}");
        let open = web.json("/api/v1/collisions")?;
        ensure!(open["collisions"].as_array().map(Vec::len) == Some(1), "{open}");
        let offered = web.json(&format!("/api/v1/patients/{a}/candidates"))?;
        ensure!(offered["candidates"][0]["studies"] == json!([perhaps.study]), "{offered}");
        if !restarted {
            server.stop()?;
            ensure!(setup.run(&["rebuild"])?.status.success(), "not made again");
            server = setup.start()?;
            web = server.web();
        }
    }
    // Confirmed with a document, then parted: never offered again.
    let pair = json!({ "a": here.study, "b": perhaps.study, "document": "CCCD", "why": "seen" });
    let unseen = json!({ "a": here.study, "b": perhaps.study });
    let refused = web.say("POST", "/api/v1/patients/links", &[WHO], &unseen)?;
    ensure!(refused.status == 400 && refused.json()?["field"] == "document", "a link without a document");
    let numbers = json!({ "identifiers": [{ "kind": "personal_number", "value": NUMBER }] });
    let refused = web.say("POST", &format!("/api/v1/patients/{a}/identifiers"), &[WHO], &numbers)?;
    ensure!(refused.status == 400 && refused.json()?["field"] == "document", "a number without a document");
    let told = good(&web.say("POST", "/api/v1/patients/links", &[WHO], &pair)?, 201)?;
    ensure!(told["document"] == "CCCD" && told["who"]["name"] == "BS. Nga", "{told}");
    ensure!(priors(&mut web, &there.study)? == sorted(&[&here, &there, &perhaps]), "not linked");
    let parted = json!({ "a": here.study, "b": perhaps.study });
    good(&web.say("POST", "/api/v1/patients/unlinks", &[WHO], &parted)?, 201)?;
    ensure!(priors(&mut web, &perhaps.study)? == sorted(&[&perhaps]), "not parted");
    let offered = web.json(&format!("/api/v1/patients/{a}/candidates"))?;
    ensure!(offered["candidates"] == json!([]), "{offered}");
    // A collision cannot be linked over; it is resolved with the document that was seen.
    let open = web.json("/api/v1/collisions")?;
    let name = open["collisions"][0]["key"].as_str().context("no key")?.to_owned();
    let over = json!({ "a": perhaps.study, "b": stranger.study, "document": "CCCD" });
    good(&web.say("POST", "/api/v1/patients/links", &[WHO], &over)?, 409)?;
    let path = format!("/api/v1/collisions/{name}");
    good(&web.say("POST", &path, &[WHO], &json!({ "finding": "one_person" }))?, 400)?;
    let found = json!({ "finding": "one_person", "document": "CCCD" });
    good(&web.say("POST", &path, &[WHO], &found)?, 201)?;
    ensure!(priors(&mut web, &stranger.study)? == sorted(&[&perhaps, &stranger]), "not one person");
    // A doubt about a study takes it out of its person's priors.
    let doubt = json!({ "patient": a, "study": there.study, "why": "another face" });
    good(&web.say("POST", "/api/v1/collisions", &[WHO], &doubt)?, 201)?;
    ensure!(priors(&mut web, &here.study)? == sorted(&[&here]), "a doubted study is a prior");
    ensure!(priors(&mut web, &there.study)? == sorted(&[&there]), "a doubted study has priors");
    server.stop()
}
