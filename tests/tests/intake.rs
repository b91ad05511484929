//! Pictures brought from elsewhere, through the real program: where they were made and for whom is noted with who took them
//! in, they stand beside the patient until a person who saw a document confirms it, and that can be taken back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use anyhow::{Context as _, Result, ensure};
use fixtures::studies::Instance;
use serde_json::{Value, json};
use tests::exams::image_of;
use tests::http::{Answer, Http, good};
use tests::server::Setup;
use tests::site::Site;
use tests::viewing::{key, page, priors};

const WHO: (&str, &str) = ("X-Claimed-User", "BS. Nga");

fn site() -> Site {
    Site::new().facility("01001").machine("CT1", "01001")
}

fn of(study: u64, patient_id: &str, name: &str, birth_date: &str) -> Result<Instance> {
    image_of(91, study, (patient_id, name, birth_date, "F"))
}

fn sorted(studies: &[&Instance]) -> Vec<String> {
    let mut all: Vec<String> = studies.iter().map(|one| one.study.clone()).collect();
    all.sort();
    all
}

/// Begins an import as the page does.
fn begin(web: &Http, body: &Value) -> Result<Answer> {
    web.say("POST", "/api/v1/imports", &[], body)
}

fn whose_they_are_and_who_takes_them_in_has_to_be_said(web: &Http, patient: &Value) -> Result<()> {
    let unknown = json!({ "facility": "99999", "patient_id": "1" });
    for (body, field) in [
        (json!({ "patient": patient, "who": "KTV" }), "facility"),
        (json!({ "patient": patient, "facility": "31006" }), "who"),
        (json!({ "patient": patient, "facility": "not one", "who": "KTV" }), "facility"),
        (json!({ "patient": unknown, "facility": "31006", "who": "KTV" }), "patient.facility"),
    ] {
        let refused = good(&begin(web, &body)?, 400)?;
        ensure!(refused["field"] == field, "{body}: {refused}");
    }
    Ok(())
}

#[test]
fn what_is_brought_joins_the_patient_only_by_a_persons_word() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with_file(site().file())?;
    let mut server = setup.start()?;
    let mut web = server.web();
    let here = of(1, "26001", "NGUYEN^THI AN", "19850317")?;
    let brought = of(2, "A-77", "Nguyen Thi Anh", "19850317")?;
    let number_elsewhere = of(3, "26001", "LE VAN BINH", "19500101")?;
    server.c_store("CT1", [&here])?;

    let patient = json!({ "facility": "01001", "patient_id": "26001" });
    whose_they_are_and_who_takes_them_in_has_to_be_said(&web, &patient)?;
    let wanted = json!({ "patient": patient, "facility": "31006", "source": "CD", "who": "KTV Bình" });
    let id = good(&begin(&web, &wanted)?, 201)?["id"].as_str().context("no id")?.to_owned();
    for one in [&brought, &number_elsewhere] {
        let path = format!("/api/v1/imports/{id}/files?path=a.dcm");
        let answer = web.send("PUT", &path, &["Content-Type: application/octet-stream"], &one.file())?;
        ensure!(good(&answer, 200)?["outcome"] == "stored");
    }
    let ended = good(&web.say("POST", &format!("/api/v1/imports/{id}/end"), &[], &json!({}))?, 200)?;
    ensure!(ended["intake"] == id.as_str(), "{ended}");

    let path = format!("/api/v1/intakes/{id}");
    let mut person = String::new();
    for rebuilt in [false, true] {
        let seen = web.json(&path)?;
        ensure!(seen["who"] == json!({ "name": "KTV Bình", "by": "claimed" }), "{seen:#}");
        ensure!(seen["origin"] == "31006" && seen["here"][0]["patient_id"] == "26001", "{seen:#}");
        let persons = seen["persons"].as_array().context("no persons")?;
        ensure!(persons.len() == 2 && persons.iter().all(|one| one["standing"] == "open"), "{seen:#}");
        let anh = persons.iter().find(|one| one["person"]["patient_id"] == "A-77").context("nobody")?;
        ensure!(anh["clashes"] == json!(["name"]), "{anh:#}");
        person = anh["person"]["patient"].as_str().context("no key")?.to_owned();
        // Not of the patient's group, offered as possibly the same; the same number of another facility neither.
        ensure!(priors(&mut web, &here.study)? == sorted(&[&here]), "rebuilt {rebuilt}");
        let own = key(&mut web, &here.study)?;
        let offered = web.json(&format!("/api/v1/patients/{own}/candidates"))?;
        ensure!(offered["candidates"].as_array().map(Vec::len) == Some(2), "{offered:#}");
        ensure!(offered["candidates"][0]["grounds"].to_string().contains("brought"), "{offered:#}");
        let shown = page(&mut web, &format!("/studies/{}", brought.study))?;
        ensure!(
            shown.contains(&format!("/intakes/{id}")) && shown.contains("KTV Bình"),
            "not on the study's page"
        );
        let side_by_side = page(&mut web, &format!("/intakes/{id}"))?;
        ensure!(side_by_side.contains("NGUYEN THI AN") && side_by_side.contains("Nguyen Thi Anh"));
        if !rebuilt {
            server = server.made_again()?;
            web = server.web();
        }
    }

    let to = format!("{path}/persons/{person}");
    let refused = good(&web.say("POST", &to, &[WHO], &json!({ "linked": true }))?, 400)?;
    ensure!(refused["field"] == "document", "{refused}");
    let yes = json!({ "linked": true, "document": "CCCD", "based_on": 0 });
    good(&web.say("POST", &to, &[WHO], &yes)?, 201)?;
    ensure!(good(&web.say("POST", &to, &[WHO], &yes)?, 409)?["field"] == "based_on", "an old look was taken");
    server = server.made_again()?;
    web = server.web();
    ensure!(priors(&mut web, &here.study)? == sorted(&[&here, &brought]), "not joined");
    let shown = page(&mut web, &format!("/intakes/{id}"))?;
    ensure!(shown.contains("BS. Nga") && shown.contains("CCCD"), "who confirmed it is not told");

    // Taken back by the form of the page, at once everywhere.
    let form = format!("say=other&person={person}&version=1&document=CCCD&who=BS.+Nga");
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let parted = web.send("POST", &format!("/intakes/{id}"), &[kind], form.as_bytes())?;
    ensure!(parted.status == 303, "{} {}", parted.status, String::from_utf8_lossy(&parted.body));
    ensure!(priors(&mut web, &here.study)? == sorted(&[&here]), "not parted");
    ensure!(priors(&mut web, &brought.study)? == sorted(&[&brought]), "not parted");
    server.stop()
}

#[test]
fn the_command_brings_for_a_number_that_nothing_came_under_yet() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with_file(site().file())?;
    let disc = folder.path().join("disc");
    std::fs::create_dir_all(&disc)?;
    let brought = of(5, "A-9", "TRAN THI HOA", "19700203")?;
    std::fs::write(disc.join("1.dcm"), brought.file())?;
    let disc = disc.to_str().context("a path")?;
    let alone = setup.run(&["import", disc, "--patient", "26009"])?;
    ensure!(!alone.status.success(), "without the facility where they were made");
    // Without a running server, and with one.
    let own = ["import", disc, "--facility", "31006", "--patient", "26009", "--source", "USB"];
    let said = setup.run(&own)?;
    let told = String::from_utf8_lossy(&said.stdout).into_owned();
    ensure!(
        said.status.success() && told.contains("/intakes/"),
        "{told} {}",
        String::from_utf8_lossy(&said.stderr)
    );
    let server = setup.start()?;
    let mut web = server.web();
    let by_user = web.json("/api/v1/intakes")?;
    ensure!(by_user[0]["who"]["by"] == "command" && by_user[0]["who"]["name"] != "", "{by_user:#}");
    let said = setup.run(&[&own[..], &["--patient-facility", "01001", "--who", "KTV Bình"]].concat())?;
    ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let all = web.json("/api/v1/intakes")?;
    ensure!(all[0]["who"] == json!({ "name": "KTV Bình", "by": "command" }), "{all:#}");
    ensure!(all[0]["patient"]["facility"] == "01001" && all[0]["label"] == "USB", "{all:#}");
    let id = all[0]["intake"].as_str().context("no name")?.to_owned();
    let seen = web.json(&format!("/api/v1/intakes/{id}"))?;
    ensure!(seen["here"] == json!([]) && seen["persons"][0]["standing"] == "open", "{seen:#}");
    let person = seen["persons"][0]["person"]["patient"].as_str().context("no key")?.to_owned();
    let yes = json!({ "linked": true, "document": "BHYT" });
    good(&web.say("POST", &format!("/api/v1/intakes/{id}/persons/{person}"), &[WHO], &yes)?, 201)?;
    // What comes under the number later finds it.
    let here = of(6, "26009", "TRAN THI HOA", "19700203")?;
    server.c_store("CT1", [&here])?;
    ensure!(priors(&mut web, &here.study)? == sorted(&[&here, &brought]), "not joined");
    let seen = web.json(&format!("/api/v1/intakes/{id}"))?;
    ensure!(seen["persons"][0]["standing"] == "confirmed", "{seen:#}");
    server.stop()
}
