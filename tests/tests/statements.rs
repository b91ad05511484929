//! What people say, through a running server: withdrawing by HTTP and by command, sending again by C-STORE and STOW-RS,
//! linking patients, choosing a version, and all of it after the index was made again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use anyhow::{Context as _, Result, ensure};
use fixtures::edited::{Edit, edited};
use fixtures::hostile::Pieces;
use fixtures::many::{Address, instance};
use fixtures::studies::Instance;
use serde_json::{Value, json};
use tests::http::{Http, good, refused};
use tests::server::Setup;

const WHO: (&str, &str) = ("X-Claimed-User", "BS. Lê Thị Hạnh");

fn study(seed: u64, study: u64, images: u64) -> Vec<Instance> {
    (0..images).map(|number| instance(seed, Address { study, series: 0, number }, 3000)).collect()
}

fn stow(web: &mut Http, all: &[&Instance]) -> Result<()> {
    let files: Vec<Pieces> = all.iter().map(|one| Pieces::default().then(one.file(), 1)).collect();
    let answer = web.stow(&files)?;
    ensure!([200, 202].contains(&answer.status), "STOW-RS: {}", answer.status);
    Ok(())
}

/// Studies, series and instances that QIDO-RS finds of a study.
fn found(web: &mut Http, study: &str) -> Result<[usize; 3]> {
    let root = format!("/dicom-web/studies?StudyInstanceUID={study}");
    let paths =
        [root, format!("/dicom-web/studies/{study}/series"), format!("/dicom-web/studies/{study}/instances")];
    let mut counts = [0; 3];
    for (count, path) in counts.iter_mut().zip(paths) {
        let answer = web.get_accepting(&path, "application/dicom+json")?;
        *count = match answer.status {
            204 => 0,
            200 => answer.json()?.as_array().context("no list")?.len(),
            other => anyhow::bail!("{path}: {other}"),
        };
    }
    Ok(counts)
}

/// Status codes of every way to get at an instance.
fn codes(web: &mut Http, one: &Instance) -> Result<Vec<u16>> {
    let Instance { study, series, sop_instance, .. } = one;
    let study = format!("/dicom-web/studies/{study}");
    let series = format!("{study}/series/{series}");
    let instance = format!("{series}/instances/{sop_instance}");
    let mut codes = Vec::new();
    for path in [&study, &series, &instance] {
        codes.push(
            web.get_accepting(path, "multipart/related; type=\"application/dicom\"; transfer-syntax=*")?
                .status,
        );
        codes.push(web.get_accepting(&format!("{path}/metadata"), "application/dicom+json")?.status);
    }
    let frames = "multipart/related; type=\"application/octet-stream\"; transfer-syntax=*";
    codes.push(web.get_accepting(&format!("{instance}/frames/1"), frames)?.status);
    Ok(codes)
}

#[test]
fn what_is_withdrawn_by_http_is_gone_and_comes_back_when_it_is_sent_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path());
    let server = setup.start()?;
    let mut web = server.web();
    let (all, rest) = (study(41, 0, 3), study(41, 1, 1));
    stow(&mut web, &all.iter().chain(&rest).collect::<Vec<_>>())?;
    let uid = all[0].study.clone();
    ensure!(found(&mut web, &uid)? == [1, 1, 3], "not stored");
    ensure!(codes(&mut web, &all[0])?.iter().all(|code| *code == 200), "{:?}", codes(&mut web, &all[0])?);

    let asked = json!({ "study": uid, "reason": "quality", "why": "motion" });
    refused(&web.say("POST", "/api/v1/withdrawals", &[], &asked)?, 400, Some("who"))?;
    for (body, field) in [
        (json!({ "study": uid, "reason": "boredom" }), "reason"),
        (json!({ "study": "x", "reason": "quality" }), "study"),
        (json!({ "study": uid, "reason": "other" }), "text"),
        (json!({ "study": uid, "reason": "quality", "facility": "1" }), "facility"),
        (json!({ "study": uid, "reason": "quality", "studdy": "1" }), "body"),
    ] {
        refused(&web.say("POST", "/api/v1/withdrawals", &[WHO], &body)?, 400, Some(field))?;
    }
    let elsewhere = [WHO, ("Origin", "http://elsewhere.example")];
    ensure!(web.say("POST", "/api/v1/withdrawals", &elsewhere, &asked)?.status == 403, "from a foreign page");
    ensure!(found(&mut web, &uid)? == [1, 1, 3], "a refused request did something");

    let keyed = [WHO, ("Idempotency-Key", "withdraw-1")];
    let told = good(&web.say("POST", "/api/v1/withdrawals", &keyed, &asked)?, 201)?;
    ensure!(
        told["instances"] == 3 && told["who"]["name"] == "BS. Lê Thị Hạnh" && told["who"]["by"] == "claimed",
        "{told}"
    );
    ensure!(found(&mut web, &uid)? == [0, 0, 0], "still listed");
    ensure!(codes(&mut web, &all[0])?.iter().all(|code| *code == 404), "{:?}", codes(&mut web, &all[0])?);
    ensure!(web.get(&format!("/studies/{uid}"))?.status == 404, "the page is still there");
    ensure!(web.count()? == 1, "still counted");
    let versions = web.json(&format!("/api/v1/instances/{}/versions", all[0].sop_instance))?;
    ensure!(versions[0]["withdrawn"] == true && versions[0]["href"] == Value::Null, "{versions}");
    let digest = versions[0]["digest"].as_str().context("no digest")?;
    let bytes = web.get(&format!("/api/v1/instances/{}/versions/{digest}", all[0].sop_instance))?;
    ensure!(bytes.status == 410, "its bytes are given out: {}", bytes.status);
    let again = good(&web.say("POST", "/api/v1/withdrawals", &keyed, &asked)?, 201)?;
    ensure!(again == told, "{again}");
    let other = json!({ "study": uid, "reason": "duplicate" });
    refused(&web.say("POST", "/api/v1/withdrawals", &keyed, &other)?, 409, Some("Idempotency-Key"))?;

    server.c_store("CT1", [&all[1]])?;
    ensure!(found(&mut web, &uid)? == [1, 1, 1], "by C-STORE");
    stow(&mut web, &[&all[2]])?;
    ensure!(found(&mut web, &uid)? == [1, 1, 2], "by STOW-RS");
    ensure!(web.instance(&all[1])? == all[1].data_set, "altered");
    server.stop()?;
    let rebuilt = setup.run(&["rebuild"])?;
    ensure!(rebuilt.status.success(), "{rebuilt:?}");
    let server = setup.start()?;
    let mut web = server.web();
    ensure!(found(&mut web, &uid)? == [1, 1, 2], "after a rebuild");
    ensure!(web.get("/readyz")?.status == 200, "not ready");
    let list = web.json("/api/v1/withdrawals")?;
    let id = list[0]["withdrawal"].as_str().context("no withdrawal")?;
    ensure!(id == "withdraw-1" && list[0]["restored"] == false, "{list}");
    let path = format!("/api/v1/withdrawals/{id}/restore");
    let told = good(&web.say("POST", &path, &[WHO], &json!({ "why": "it was good" }))?, 201)?;
    ensure!(told["restored"] == true && told["version"] == 2, "{told}");
    ensure!(found(&mut web, &uid)? == [1, 1, 3], "not given back");
    refused(&web.say("POST", "/api/v1/withdrawals/x/restore", &[WHO], &json!({}))?, 404, None)?;
    server.stop()
}

#[test]
fn commands_withdraw_for_patient_safety_and_what_is_sent_again_stays_hidden() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path());
    let server = setup.start()?;
    let mut web = server.web();
    let all = study(42, 0, 2);
    stow(&mut web, &all.iter().collect::<Vec<_>>())?;
    let uid = all[0].study.clone();
    let arguments = ["--reason", "patient_safety", "--why", "wrong side", "--who", "KTV. Bình"];
    let said = setup.run(&[&["withdraw", &uid][..], &arguments].concat())?;
    ensure!(said.status.success(), "{said:?}");
    let text = String::from_utf8(said.stdout)?;
    ensure!(text.starts_with("2 instances withdrawn"), "{text}");
    server.c_store("CT1", [&all[0]]).context("the sender is not told of success")?;
    stow(&mut web, &[&all[1]])?;
    ensure!(found(&mut web, &uid)? == [0, 0, 0], "shown again");
    let state = web.json("/api/v1/state")?;
    ensure!(state["sent_after_rejection"] == 2 && state["withdrawn"] == 2, "{state}");
    let told = web.json("/api/v1/withdrawals/sent-again")?;
    ensure!(told.as_array().is_some_and(|rows| rows.len() == 2), "{told}");
    ensure!(web.json("/api/v1/withdrawals")?[0]["who"]["by"] == "command", "by somebody else");
    let nothing = setup.run(&[&["withdraw", &uid][..], &arguments].concat())?;
    ensure!(!nothing.status.success(), "withdrawn twice");
    server.stop()?;
    ensure!(setup.run(&["rebuild"])?.status.success(), "not made again");
    // Without a server the command says it itself.
    let id = text.trim().rsplit(' ').next().context("no withdrawal")?.to_owned();
    let back = setup.run(&["restore", &id, "--why", "was right", "--who", "KTV. Bình"])?;
    ensure!(back.status.success(), "{back:?}");
    let server = setup.start()?;
    let mut web = server.web();
    ensure!(found(&mut web, &uid)? == [1, 1, 2], "not given back");
    ensure!(web.json("/api/v1/state")?["sent_after_rejection"] == 0, "still told of");
    server.stop()
}

/// The patient's key, from the address to which the viewer sends who opens a study.
fn patient_of(web: &mut Http, study: &str) -> Result<String> {
    let page = web.get(&format!("/studies/{study}"))?;
    let text = String::from_utf8(page.body)?;
    let (_, rest) = text.split_once("amp;scope=").context("the page names no patient")?;
    Ok(rest.chars().take_while(char::is_ascii_hexdigit).collect())
}

fn studies_of(web: &mut Http, patient: &str, id: &str) -> Result<Vec<String>> {
    let path = format!("/patients/{patient}/dicom-web/studies?PatientID={id}");
    let answer = web.get_accepting(&path, "application/dicom+json")?;
    if answer.status == 204 {
        return Ok(Vec::new());
    }
    ensure!(answer.status == 200, "{path}: {}", answer.status);
    let rows = answer.json()?;
    let mut uids: Vec<String> = rows
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|row| row["0020000D"]["Value"][0].as_str().map(str::to_owned))
        .collect();
    uids.sort();
    Ok(uids)
}

#[test]
fn two_patients_are_one_person_while_they_are_linked() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path());
    let mut server = setup.start()?;
    let mut web = server.web();
    let person = |n: u64, id: &str| {
        let made = instance(43, Address { study: n, ..Address::default() }, 64);
        edited(&made, &Edit::corrected("NGUYEN^VAN AN", id)).context("not edited")
    };
    let (one, two) = (person(0, "P-1")?, person(1, "P-2")?);
    stow(&mut web, &[&one, &two])?;
    let (a, b) = (patient_of(&mut web, &one.study)?, patient_of(&mut web, &two.study)?);
    ensure!(a != b && studies_of(&mut web, &a, "P-1")? == [one.study.clone()], "not apart at the start");
    let mut both = vec![one.study.clone(), two.study.clone()];
    both.sort();
    // By key and by study: both name a patient.
    let asked = json!({ "a": a, "b": two.study, "who": "HC. Nga", "document": "CCCD" });
    let told = good(&web.say("POST", "/api/v1/patients/links", &[], &asked)?, 201)?;
    ensure!(told["linked"] == true && told["b"] == b.as_str(), "{told}");
    for restarted in [false, true] {
        for (patient, id) in [(&a, "P-1"), (&b, "P-1"), (&a, "P-2")] {
            ensure!(studies_of(&mut web, patient, id)? == both, "not one person; restarted: {restarted}");
        }
        let path = format!("/patients/{a}/dicom-web/studies/{}/metadata", two.study);
        ensure!(
            web.get_accepting(&path, "application/dicom+json")?.status == 200,
            "the prior is not readable"
        );
        if !restarted {
            server.stop()?;
            ensure!(setup.run(&["rebuild"])?.status.success(), "not made again");
            server = setup.start()?;
            web = server.web();
        }
    }
    let told = good(&web.say("POST", "/api/v1/patients/unlinks", &[WHO], &json!({ "a": b, "b": a }))?, 201)?;
    ensure!(told["linked"] == false && told["version"] == 2, "{told}");
    ensure!(studies_of(&mut web, &a, "P-1")? == [one.study.clone()], "not parted");
    ensure!(studies_of(&mut web, &b, "P-1")?.is_empty(), "a stranger's study");
    let path = format!("/patients/{a}/dicom-web/studies/{}/metadata", two.study);
    ensure!(
        web.get_accepting(&path, "application/dicom+json")?.status == 404,
        "a stranger's study is readable"
    );
    refused(
        &web.say("POST", "/api/v1/patients/links", &[WHO], &json!({ "a": "?", "b": b }))?,
        400,
        Some("a"),
    )?;
    server.stop()
}

#[test]
fn a_conflict_is_listed_until_somebody_chooses_and_a_study_is_held() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Setup::new(folder.path()).start()?;
    let mut web = server.web();
    let first = instance(44, Address::default(), 6000);
    let second = edited(&first, &Edit::corrected("TRAN^THI MAU", "P-KHAC")).context("not edited")?;
    stow(&mut web, &[&first])?;
    stow(&mut web, &[&second])?;
    let open = web.json("/api/v1/conflicts")?;
    ensure!(open.as_array().is_some_and(|rows| rows.len() == 1), "{open}");
    ensure!(web.instance(&first)? == first.data_set, "the first one is served");
    let path = format!("/api/v1/conflicts/{}/{}/{}/served", first.study, first.series, first.sop_instance);
    let asked = json!({ "digest": open[0]["digest"], "kind": "correction", "why": "name", "based_on": 0 });
    good(&web.say("POST", &path, &[WHO], &asked)?, 201)?;
    ensure!(web.instance(&second)? == second.data_set, "the chosen one is not served");
    ensure!(web.json("/api/v1/conflicts")? == json!([]), "still open");
    let resolved = web.json("/api/v1/conflicts?resolved=true")?;
    ensure!(resolved[0]["resolved"] == "correction", "{resolved}");
    refused(&web.say("POST", &path, &[WHO], &asked)?, 409, Some("based_on"))?;
    let wrong = json!({ "digest": open[0]["digest"], "kind": "whatever" });
    refused(&web.say("POST", &path, &[WHO], &wrong)?, 400, Some("kind"))?;

    let hold = format!("/api/v1/studies/{}/legal-hold", first.study);
    refused(&web.get(&hold)?, 404, None)?;
    let told = good(&web.say("POST", &hold, &[WHO], &json!({ "why": "a complaint" }))?, 201)?;
    ensure!(told["held"] == true, "{told}");
    ensure!(web.json("/api/v1/legal-holds")?.as_array().is_some_and(|rows| rows.len() == 1), "not listed");
    let freed = web.say("DELETE", &hold, &[WHO], &json!({}))?;
    ensure!(freed.status == 200 && freed.json()?["held"] == false, "{freed:?}");
    ensure!(web.json(&hold)?["version"] == 2, "not versioned");
    refused(&web.say("POST", "/api/v1/studies/1.2.3/legal-hold", &[WHO], &json!({}))?, 404, None)?;
    server.stop()
}
