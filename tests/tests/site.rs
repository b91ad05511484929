//! What a site and its systems tell the reuse check through a running server: a policy of its own from a file, how many
//! images a device says it made, its price lists, the dose in headers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fixtures::edited::replace;
use fixtures::pdu;
use fixtures::steps::{PERFORMED_STEP, begun, now, series};
use fixtures::studies::Instance;
use fixtures::writer::{Attribute, DataSet, Syntax, Vr, keyword as k};
use serde_json::{Value, json};
use tests::dimse::Context;
use tests::exams::Exam;
use tests::http::{Http, good};
use tests::reuse::check;
use tests::server::{Server, Setup};
use tests::site::Site;
use tests::wait_for;

const DOCTOR: (&str, &str) = ("X-Claimed-User", "BS. Lê Thị Hạnh");
const LIMIT: Duration = Duration::from_secs(90);
const HEAD_CT: &str = "18.0149.0040";

fn site() -> Site {
    Site::new().examined_soon().facility("01001").facility("01002").machine("CT1", "01001")
}

/// A head CT of a person, three and some more days old.
fn head_ct(person: &str, changes: &[(Attribute, &str)]) -> Result<Vec<Instance>> {
    exam("ct-so-nao", person).with(changes).instances()
}

/// An exam of the demo as one of a person.
fn exam(folder: &str, person: &str) -> Exam {
    let seed = person.bytes().fold(0, |all, byte| all * 256 + u64::from(byte));
    let name = format!("{person} THI DUNG");
    let exam = Exam::of(folder, 21).days_before_today(3).reissued(seed).person(&name, "19491120", "F");
    exam.under(person, &format!("A-{person}"))
}

/// The answer to an order once everything was looked at.
fn settled(web: &Http, order: &str) -> Result<Value> {
    tests::reuse::settled(web, &json!({ "order": order }))
}

fn say(web: &Http, path: &str, key: &str, body: &Value) -> Result<Value> {
    good(&web.say("POST", path, &[DOCTOR, ("Idempotency-Key", key)], body)?, 201)
}

fn order(web: &Http, key: &str, person: &str, facility: &str, code: &str, accession: &str) -> Result<Value> {
    let body = json!({
        "ordering_facility": facility, "accession": accession, "exams": [{ "code": code }], "ordered_by": "BS. An",
        "patient": { "patient_id": person, "issuer": "", "name": format!("{person} Thị Dung"), "birth_date": "19491120", "sex": "F" },
        "payment": { "insurance_percent": 80 }, "episode": "LK-1",
    });
    say(web, "/api/v1/orders", key, &body)
}

fn line<'a>(answer: &'a Value, reason: &str) -> Result<&'a Value> {
    let checks = answer["decision"]["priors"][0]["checks"].as_array().context("no prior")?;
    let lines = checks.iter().flat_map(|check| check["lines"].as_array().into_iter().flatten());
    let found = lines.into_iter().find(|line| line["reason"] == reason);
    found.with_context(|| format!("no {reason}: {answer:#}"))
}

fn report(web: &Http, study: &str) -> Result<()> {
    let body = json!({
        "study": study, "facility": "01001", "status": "final", "reader": "BS. Đọc", "conclusion": "Bình thường",
        "signature": "declared",
    });
    say(web, "/api/v1/reports", &format!("report-{study}"), &body).map(drop)
}

fn decide(web: &Http, key: &str, order: &str) -> Result<Value> {
    let told = settled(web, order)?;
    let body = json!({
        "decision": "reuse", "order": order, "verdict": told["decision"]["priors"][0]["verdict"], "reasons": ["other"],
        "text": "đã xem",
    });
    say(web, "/api/v1/reuse/decisions", key, &body)
}

const POLICY: &str = r#"
[[version]]
id = "tinh-1"
from = "2026-01-01"
source = "mẫu"
signature = "verified"

[[window_list]]
from = "2026-01-01"
source = "danh mục mẫu"
days = { "18.149" = 5 }
"#;

#[test]
fn the_policy_of_a_site_counts_from_its_day_and_a_decision_keeps_the_one_it_saw() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data)?;
    std::fs::write(data.join("policy.toml"), POLICY)?;
    let setup =
        Setup::new(folder.path()).with_file(site().and("[reuse]\npolicy = \"policy.toml\"\n").file())?;
    let server = setup.start()?;
    let mut web = server.web();
    let all = head_ct("P", &[])?;
    order(&web, "own", "P", "01001", HEAD_CT, "A-P")?;
    server.c_store("CT1", &all)?;
    report(&web, &all[0].study)?;
    order(&web, "order-1", "P", "01001", HEAD_CT, "")?;
    let told = settled(&web, "order-1")?;
    let policy = told["decision"]["policy"].as_str().context("no policy")?.to_owned();
    ensure!(
        policy.starts_with("shipped-1+tinh-1@") && policy.len() == "shipped-1+tinh-1@".len() + 12,
        "{policy}"
    );
    let old = line(&told, "too_old")?;
    ensure!(old["values"]["window_days"] == 5 && old["values"]["list"] == "danh mục mẫu", "{old}");
    line(&told, "report_signature_not_verified")?;
    let checks = told["decision"]["priors"][0]["checks"].as_array().context("no checks")?;
    ensure!(checks.iter().all(|check| check["rule"] == policy.as_str()), "{told:#}");
    ensure!(told["decision"]["verdict"] == "review", "{told:#}");
    let in_force = web.json("/api/v1/reuse/policy")?;
    ensure!(
        in_force["policy"] == policy.as_str() && in_force["windows"]["days"]["18.149"] == 5,
        "{in_force}"
    );
    ensure!(
        in_force["decision"]["signature"] == "verified" && in_force["ledger"]["repeat_within_days"] == 30,
        "{in_force}"
    );
    let hash = in_force["file_sha256"].as_str().context("no hash")?.to_owned();
    ensure!(std::fs::read_to_string(data.join(format!("policies/{hash}.toml")))? == POLICY, "no copy");
    let decided = decide(&web, "d1", "order-1")?;
    ensure!(decided["evidence"]["policy"] == policy.as_str(), "{decided}");
    server.stop()?;

    // The ministry's list comes later: what is asked from then on goes by it, the decision keeps what it saw.
    let later = POLICY.replace("= 5", "= 60").replace("verified", "declared");
    std::fs::write(data.join("policy.toml"), later)?;
    ensure!(setup.run(&["check-config"])?.status.success(), "check-config");
    let server = setup.start()?;
    let mut web = server.web();
    order(&web, "order-2", "P", "01001", HEAD_CT, "")?;
    let told = settled(&web, "order-2")?;
    line(&told, "inside_window")?;
    ensure!(told["decision"]["verdict"] == "usable", "{told:#}");
    ensure!(told["decision"]["policy"] != policy.as_str(), "{told:#}");
    let kept = web.json("/api/v1/reuse/decisions/d1")?;
    ensure!(
        kept["evidence"]["policy"] == policy.as_str() && kept["evidence"] == decided["evidence"],
        "{kept}"
    );
    server.stop()?;

    // A mistake ends the start, and is named.
    std::fs::write(data.join("policy.toml"), POLICY.replace("signature", "signatur"))?;
    let refused = setup.run(&["serve"])?;
    let told =
        String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
    ensure!(!refused.status.success(), "started");
    ensure!(told.contains("policy.toml:6: version[0].signatur: unknown field"), "{told}");
    Ok(())
}

#[test]
fn what_a_device_says_it_made_is_compared_with_what_came() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Setup::new(folder.path()).with_file(site().file())?.start()?;
    let web = server.web();
    let all = head_ct("P", &[])?;
    let came = all.len();
    order(&web, "own", "P", "01001", HEAD_CT, "A-P")?;
    server.c_store("CT1", &all)?;
    report(&web, &all[0].study)?;
    order(&web, "order-1", "P", "01001", HEAD_CT, "")?;
    let told = settled(&web, "order-1")?;
    line(&told, "expected_not_told")?;
    for (expected, reason, verdict) in [
        (came, "received_all", "usable"),
        (came + 1, "received_fewer", "review"),
        (came * 3, "received_below_half", "not_usable"),
    ] {
        let body = json!({ "status": "completed", "expected_images": expected });
        good(&web.say("PATCH", "/api/v1/orders/own", &[DOCTOR], &body)?, 200)?;
        let told = check(&web, &json!({ "order": "order-1" }))?;
        let line = line(&told, reason)?;
        ensure!(line["values"]["source"] == "mpps" && line["values"]["expected"] == expected, "{line}");
        ensure!(told["decision"]["verdict"] == verdict, "{expected}: {told:#}");
    }
    let refused = web.say("PATCH", "/api/v1/orders/own", &[DOCTOR], &json!({ "expected_images": -3 }))?;
    ensure!(refused.status == 400 && refused.json()?["field"] == "expected_images", "{refused:?}");

    // What the sender announces in its headers, of the series and of the acquisition.
    for (person, tag) in [("Q", (0x0020, 0x1209)), ("R", (0x0020, 0x1002))] {
        let announced = Attribute::new(tag.0, tag.1, Vr::Is);
        let all = head_ct(person, &[(announced, &(came + 2).to_string())])?;
        server.c_store("CT1", &all)?;
        let key = format!("order-{person}");
        order(&web, &key, person, "01001", HEAD_CT, "")?;
        let told = settled(&web, &key)?;
        let line = line(&told, "received_fewer")?;
        ensure!(
            line["values"]["source"] == "sender" && line["values"]["expected"] == came + 2,
            "{person}: {line}"
        );
    }
    server.stop()
}

/// What a device says of a step, one message after the other: the first begins it. The statuses of the answers.
fn tell_step(server: &Server, name: &str, says: &[DataSet]) -> Result<Vec<u16>> {
    let syntax = Syntax::EXPLICIT_LITTLE;
    let mut association = server.associate("CT1", &[Context::new(1, PERFORMED_STEP, syntax.uid)])?;
    let mut statuses = Vec::new();
    for (n, says) in (1..).zip(says) {
        let command = match n {
            1 => pdu::n_create_rq(n, PERFORMED_STEP, Some(name)),
            _ => pdu::n_set_rq(n, PERFORMED_STEP, name),
        };
        association.send(&pdu::message(1, true, &command, 16_384))?;
        association.send(&pdu::message(1, false, &says.encode(syntax), 16_384))?;
        statuses.push(association.response()?.status);
    }
    association.release()?;
    Ok(statuses)
}

/// A finished step over pictures of a study's first series.
fn finished(of: &Instance, images: &[&str]) -> [DataSet; 2] {
    [begun(&[&of.study], "A-P"), now("COMPLETED", vec![series(&of.series, images)])]
}

/// The answer as soon as it has a line, about bytes that were verified as they are now.
fn until(web: &Http, reason: &str) -> Result<Value> {
    wait_for(reason, LIMIT, || {
        let told = settled(web, "order-1")?;
        let verified = line(&told, "changed_since_verification").is_err();
        Ok((verified && line(&told, reason).is_ok()).then_some(told))
    })
}

#[test]
fn what_a_device_tells_itself_is_compared_picture_by_picture() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with_file(site().file())?;
    let server = setup.start()?;
    let mut web = server.web();
    let all = head_ct("P", &[])?;
    let (came, of) = (all.len(), &all[0]);
    order(&web, "own", "P", "01001", HEAD_CT, "A-P")?;
    server.c_store("CT1", &all)?;
    report(&web, &of.study)?;
    order(&web, "order-1", "P", "01001", HEAD_CT, "")?;
    let told = until(&web, "expected_not_told")?;
    ensure!(told["decision"]["verdict"] == "usable", "{told:#}");

    // A device that is still at it leaves completeness unknown; one picture more than came fails it.
    let step = "1.2.826.0.1.3680043.10.1";
    ensure!(tell_step(&server, step, &[begun(&[&of.study], "A-P")])? == [0], "N-CREATE");
    let told = until(&web, "step_in_progress")?;
    ensure!(told["decision"]["verdict"] == "usable", "{told:#}");
    let late = format!("{}.7", of.sop_instance);
    let mut images: Vec<&str> = all.iter().map(|one| one.sop_instance.as_str()).collect();
    images.push(&late);
    let whole = "1.2.826.0.1.3680043.10.2";
    ensure!(tell_step(&server, whole, &finished(of, &images))? == [0, 0], "a finished step");
    let told = until(&web, "received_fewer")?;
    let fewer = line(&told, "received_fewer")?;
    ensure!(fewer["values"]["source"] == "mpps" && fewer["values"]["expected"] == came + 1, "{fewer}");
    ensure!(fewer["values"]["missing"] == late.as_str(), "{fewer}");
    ensure!(told["decision"]["verdict"] == "review", "{told:#}");
    pages_name_the_device(&mut web, &of.study, came)?;

    // The order's number is of no account beside it.
    let body = json!({ "status": "completed", "expected_images": came * 3 });
    good(&web.say("PATCH", "/api/v1/orders/own", &[DOCTOR], &body)?, 200)?;
    let told = settled(&web, "order-1")?;
    ensure!(told["decision"]["verdict"] == "review", "{told:#}");
    // The picture that was missing comes.
    let mut one = of.clone();
    let named = [(k::SOP_INSTANCE_UID, late.clone())];
    one.data_set = replace(&one.data_set, one.syntax, &named).context("not renamed")?;
    one.sop_instance.clone_from(&late);
    server.c_store("CT1", &[one])?;
    let told = until(&web, "received_all")?;
    ensure!(told["decision"]["verdict"] == "usable", "{told:#}");

    // Another step of the study, most of which never came; that outlives the index.
    let lost: Vec<String> = (0..came * 2).map(|n| format!("{}.8.{n}", of.study)).collect();
    let lost: Vec<&str> = lost.iter().map(String::as_str).collect();
    let most = "1.2.826.0.1.3680043.10.3";
    ensure!(tell_step(&server, most, &finished(of, &lost))? == [0, 0], "another step");
    let told = until(&web, "received_below_half")?;
    ensure!(told["decision"]["verdict"] == "not_usable", "{told:#}");
    let stopped = [begun(&[&of.study], ""), now("DISCONTINUED", vec![])];
    ensure!(tell_step(&server, "1.2.826.0.1.3680043.10.4", &stopped)? == [0, 0], "a step that is stopped");
    until(&web, "step_discontinued")?;
    server.stop()?;
    let rebuilt = setup.run(&["rebuild"])?;
    ensure!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    let server = setup.start()?;
    let web = server.web();
    let told = until(&web, "step_discontinued")?;
    line(&told, "received_below_half")?;
    line(&told, "step_in_progress")?;
    let again = tell_step(&server, whole, &finished(of, &images))?;
    ensure!(again == [0x0111, 0x0110], "{again:04x?}");
    server.stop()
}

/// The page of the order and that of the study say who told it.
fn pages_name_the_device(web: &mut Http, study: &str, came: usize) -> Result<()> {
    let mut page = |path: &str| Ok::<String, anyhow::Error>(String::from_utf8(web.get(path)?.body)?);
    let asked = page("/reuse?order=order-1")?;
    ensure!(asked.contains(&format!("{came}/{} (theo MPPS)", came + 1)), "{asked}");
    let told = page(&format!("/studies/{study}"))?;
    ensure!(told.contains(&format!("Đã nhận {came}/{} ảnh máy đã chụp", came + 1)), "{told}");
    ensure!(told.contains("CT-PHONG-1") && told.contains("Đang thực hiện"), "{told}");
    let english = web.say("GET", "/reuse?order=order-1", &[("Accept-Language", "en")], &Value::Null)?;
    let english = String::from_utf8(english.body)?;
    ensure!(english.contains("(told by MPPS)"), "{english}");
    Ok(())
}

fn made_up(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/codes").join(name)
}

fn import(setup: &Setup, name: &str, date: &str, facility: &str) -> Result<()> {
    let file = made_up(name).display().to_string();
    let mut arguments = vec!["catalogue", "import", &file, "--date", date, "--source", "bảng giá bịa"];
    if !facility.is_empty() {
        arguments.extend(["--facility", facility]);
    }
    let output = setup.run(&arguments)?;
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{told}");
    Ok(())
}

#[test]
fn avoided_amounts_go_by_the_list_of_the_facility_in_force_and_tell_the_dose() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with_file(site().file())?;
    let server = setup.start()?;
    let mut web = server.web();
    // One hospital's list in two versions, of which the later is not in force yet; the other hospital has none.
    import(&setup, "prices-made-up.xlsx", "2026-01-01", "01001")?;
    import(&setup, "prices-made-up.csv", "2099-01-01", "01001")?;
    let comments_on_dose = Attribute::new(0x0040, 0x0310, Vr::St);
    let all = head_ct("P", &[(comments_on_dose, "TotalDLP=812.5")])?;
    order(&web, "own", "P", "01001", HEAD_CT, "A-P")?;
    server.c_store("CT1", &all)?;
    report(&web, &all[0].study)?;

    order(&web, "order-1", "P", "01001", HEAD_CT, "")?;
    decide(&web, "d1", "order-1")?;
    let entry = entered(&mut web, "order-1", 1)?;
    let first = &entry[0];
    ensure!(first["exam_vnd"] == 480_000, "{first:#}");
    ensure!(
        first["payers"] == json!({ "insurance_vnd": 384_000, "copayment_vnd": 96_000, "hospital_vnd": 0 }),
        "{first:#}"
    );
    ensure!(first["dose"]["dlp_ugycm"] == 812_500, "{first:#}");
    let priced = &first["lines"][0];
    ensure!(priced["list"].as_str().is_some_and(|list| list.contains("bịa 2026-01-01")), "{priced}");
    ensure!(priced["lower_bound"] == false, "{priced}");

    // The film part counts with a record of the hand-over alone.
    let body =
        json!({ "order": "order-1", "mode": "link_or_qr", "recipient": "An", "price": "without_film" });
    say(&web, "/api/v1/deliveries", "h1", &body)?;
    let both = entered(&mut web, "order-1", 2)?;
    ensure!(both[1]["event"] == "film_avoided" && both[1]["film_vnd"] == 120_000, "{both:#?}");

    // Where the code is open, the lowest price of those it can be, and that it is a bound.
    server.c_store("CT1", &exam("xq-nguc-truoc", "X").instances()?).context("a chest")?;
    order(&web, "order-2", "X", "01001", "18.119", "")?;
    decide(&web, "d2", "order-2")?;
    let open = entered(&mut web, "order-2", 1)?;
    ensure!(open[0]["lines"][0]["lower_bound"] == true, "{open:#?}");
    ensure!(open[0]["exam_vnd"] == 58_300 && open[0]["lines"][0]["film_included"] == true, "{open:#?}");
    let csv = String::from_utf8(web.get("/api/v1/ledger/export.csv")?.body)?;
    ensure!(csv.contains("dose_dlp_ugycm") && csv.contains("\"812500\""), "{csv}");
    ensure!(csv.contains("\"480000\"") && csv.contains("\"120000\"") && csv.contains("\"384000\""), "{csv}");
    server.stop()
}

fn entered(web: &mut Http, order: &str, count: usize) -> Result<Vec<Value>> {
    wait_for("the entries", LIMIT, || {
        let rows = web.json(&format!("/api/v1/ledger/entries?order={order}"))?;
        let rows = rows.as_array().context("no list")?.clone();
        Ok((rows.len() == count).then_some(rows))
    })
}
