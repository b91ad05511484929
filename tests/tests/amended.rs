//! Reports around decisions, through a running server. A decision that relied on a report which is an object of the study,
//! a structured report or an encapsulated PDF, is flagged when that object is withdrawn, when another version of it is
//! served, and when another one comes beside it. A second reading is told from the report that was there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fixtures::edited::replace;
use fixtures::studies::Instance;
use fixtures::writer::keyword as k;
use serde_json::{Value, json};
use tests::exams::Exam;
use tests::http::{Http, good};
use tests::reuse::settled;
use tests::server::Setup;
use tests::site::Site;
use tests::viewing::page;
use tests::wait_for;

const DOCTOR: (&str, &str) = ("X-Claimed-User", "BS. Lê Thị Hạnh");
const LIMIT: Duration = Duration::from_secs(90);
const TEXT_SR: &str = "1.2.840.10008.5.1.4.1.1.88.11";
const PDF: &str = "1.2.840.10008.5.1.4.1.1.104.1";

fn say(web: &Http, path: &str, key: &str, body: &Value) -> Result<Value> {
    good(&web.say("POST", path, &[DOCTOR, ("Idempotency-Key", key)], body)?, 201)
}

/// The decision once it is flagged, or once it is not any more.
fn until_flagged(web: &mut Http, flagged: bool) -> Result<Value> {
    let word = if flagged { json!("report_amended") } else { Value::Null };
    let told = wait_for("the flag", LIMIT, || {
        let told = web.json("/api/v1/reuse/decisions/d1")?;
        Ok((told["flagged"] == word).then_some(told))
    })?;
    let count = usize::from(flagged);
    let listed = web.json("/api/v1/reuse/decisions?flagged=report_amended")?;
    ensure!(listed.as_array().map(Vec::len) == Some(count), "{listed}");
    let warned = web.json("/api/v1/ledger/warnings")?;
    ensure!(warned["report_amended"].as_array().map(Vec::len) == Some(count), "{warned}");
    ensure!(
        !flagged || warned["report_amended"][0]["documents_changed"] == told["documents_changed"],
        "{warned}"
    );
    let state = web.json("/api/v1/state")?;
    ensure!(state["decisions_with_amended_report"] == count, "{state}");
    for path in ["/reuse?order=order-1", "/reuse/record?decision=d1"] {
        let shown = page(web, path)?;
        ensure!(shown.contains("sau quyết định này") == flagged, "{path}: {shown}");
    }
    Ok(told)
}

fn withdraw(web: &Http, one: &Instance, key: &str) -> Result<Value> {
    let body = json!({
        "study": one.study, "series": one.series, "sop_instance": one.sop_instance, "reason": "duplicate",
    });
    say(web, "/api/v1/withdrawals", key, &body)
}

/// Serves a version of an object.
fn serve(web: &mut Http, object: &Instance, wanted: &[u8]) -> Result<()> {
    let Instance { study, series, sop_instance, .. } = object;
    let all = web.json(&format!("/api/v1/instances/{sop_instance}/versions"))?;
    let mut digests = all.as_array().context("no list")?.iter().zip(web.versions(sop_instance)?);
    let (row, _) = digests.find(|(_, version)| version.data_set == wanted).context("no such version")?;
    let body = json!({ "digest": row["digest"], "kind": "correction", "why": "the newer one" });
    let path = format!("/api/v1/conflicts/{study}/{series}/{sop_instance}/served");
    good(&web.say("POST", &path, &[DOCTOR], &body)?, 201).map(drop)
}

#[test]
fn a_report_that_is_an_object_flags_the_decisions_that_relied_on_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let site = Site::new().examined_soon().facility("01001").machine("CT1", "01001");
    let mut server = Setup::new(folder.path()).with_file(site.file())?.start()?;
    let mut web = server.web();
    let exam = Exam::of("ct-nguc", 61)
        .days_before_today(2)
        .person("TRAN VAN BINH", "19580203", "M")
        .with(&[(k::ISSUER_OF_PATIENT_ID, "")])
        .under("P-1", "A-1");
    let all = exam.instances()?;
    let of_class =
        |class: &str| all.iter().find(|one| one.sop_class == class).cloned().context("no such object");
    let (report, pdf) = (of_class(TEXT_SR)?, of_class(PDF)?);
    server.c_store("CT1", all.iter().filter(|one| one.sop_class != PDF))?;
    let order = json!({
        "ordering_facility": "01001", "accession": "A-2", "exams": [{ "code": "18.0191.0040" }],
        "patient": { "patient_id": "P-1", "name": "Trần Văn Bình", "birth_date": "19580203", "sex": "M" },
    });
    say(&web, "/api/v1/orders", "order-1", &order)?;
    let told = settled(&web, &json!({ "order": "order-1" }))?;
    ensure!(!told["decision"].to_string().contains("report_none"), "{told:#}");
    let seen = &told["studies"][0]["documents"];
    ensure!(
        seen.as_array().map(Vec::len) == Some(1) && seen[0]["sop_instance"] == *report.sop_instance,
        "{told:#}"
    );
    let decision = json!({
        "decision": "reuse", "order": "order-1", "verdict": told["decision"]["priors"][0]["verdict"],
        "reasons": ["other"], "text": "đủ",
    });
    let decided = say(&web, "/api/v1/reuse/decisions", "d1", &decision)?;
    ensure!(decided["documents"][0]["digest"] == seen[0]["digest"], "{decided:#}");
    until_flagged(&mut web, false)?;

    // The printed report comes later.
    server.c_store("CT1", [&pdf])?;
    let told = until_flagged(&mut web, true)?;
    let changed = &told["documents_changed"][0];
    ensure!(changed["change"] == "added" && changed["sop_instance"] == *pdf.sop_instance, "{told}");
    withdraw(&web, &pdf, "w1")?;
    until_flagged(&mut web, false)?;

    // The report is corrected under its own name: it counts once somebody has it served.
    let mut corrected = report.clone();
    let changes = [(k::CONTENT_TIME, "235959".to_owned())];
    corrected.data_set = replace(&report.data_set, report.syntax, &changes).context("not edited")?;
    server.c_store("CT1", [&corrected])?;
    until_flagged(&mut web, false)?;
    serve(&mut web, &report, &corrected.data_set)?;
    let told = until_flagged(&mut web, true)?;
    let changed = &told["documents_changed"][0];
    ensure!(changed["change"] == "other_version" && changed["relied_on"] == seen[0]["digest"], "{told}");
    server = server.made_again()?;
    web = server.web();
    ensure!(
        until_flagged(&mut web, true)?["documents_changed"][0] == *changed,
        "after the index was made again"
    );
    serve(&mut web, &report, &report.data_set)?;
    until_flagged(&mut web, false)?;

    // Taken away altogether; what takes its place is not told to be the same.
    withdraw(&web, &report, "w2")?;
    let told = until_flagged(&mut web, true)?;
    ensure!(told["documents_changed"][0]["change"] == "withdrawn", "{told}");
    let back = json!({ "decision": "withdrawn", "why": "kết quả đã bị thu hồi" });
    good(&web.say("PATCH", "/api/v1/reuse/decisions/d1", &[DOCTOR], &back)?, 200)?;
    until_flagged(&mut web, false)?;
    server.stop()
}

#[test]
fn second_opinions_and_second_readings_are_marked() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let site = Site::new().examined_soon().facility("01001").facility("01002").machine("CT1", "01001");
    let server = Setup::new(folder.path()).with_file(site.file())?.start()?;
    let mut web = server.web();
    let exam =
        Exam::head_ct(62).days_before_today(2).person("VU THI LAN", "19850605", "F").under("P-1", "A-1");
    let all = exam.instances()?;
    let study = &all[0].study;
    server.c_store("CT1", &all)?;
    let report = |web: &Http, facility: &str, number: &str, conclusion: &str| {
        let body = json!({
            "study": study, "facility": facility, "report_number": number, "status": "final", "reader": "BS. Đọc",
            "conclusion": conclusion, "signature": "declared",
        });
        say(web, "/api/v1/reports", number, &body)
    };
    let first = report(&web, "01001", "R-1", "Bình thường.")?;
    ensure!(first["second_opinion"] == false && first["second_reading_of"] == Value::Null, "{first}");
    let order = json!({
        "ordering_facility": "01001", "accession": "A-2", "exams": [{ "code": "18.0149.0040" }],
        "patient": { "patient_id": "P-1", "name": "Vũ Thị Lan", "birth_date": "19850605", "sex": "F" },
    });
    say(&web, "/api/v1/orders", "order-1", &order)?;
    let told = settled(&web, &json!({ "order": "order-1" }))?;
    let decision = json!({
        "decision": "reuse_with_second_reading", "order": "order-1", "reasons": ["other"], "text": "đọc lại",
        "verdict": told["decision"]["priors"][0]["verdict"],
    });
    say(&web, "/api/v1/reuse/decisions", "d1", &decision)?;
    let second = report(&web, "01001", "R-2", "Ổ giảm tỷ trọng nhỏ.")?;
    ensure!(second["second_opinion"] == false && second["second_reading_of"] == "d1", "{second}");
    let foreign = report(&web, "01002", "R-3", "Theo dõi thêm.")?;
    ensure!(foreign["second_opinion"] == true && foreign["second_reading_of"] == Value::Null, "{foreign}");
    // The report that was there stays one, also when it is amended after the decision.
    let amended = report(&web, "01001", "R-1", "Bình thường, đã xem lại.");
    ensure!(amended.is_err(), "the same key again with other words");
    let body = json!({
        "study": study, "facility": "01001", "report_number": "R-1", "status": "amended", "reader": "BS. Đọc",
        "conclusion": "Bình thường, đã xem lại.", "signature": "declared",
    });
    let amended = say(&web, "/api/v1/reports", "R-1b", &body)?;
    ensure!(amended["version"] == 2 && amended["second_reading_of"] == Value::Null, "{amended}");
    let listed = web.json(&format!("/api/v1/reports?study={study}"))?;
    let marks = listed.as_array().context("no list")?.iter();
    let mut marks: Vec<String> = marks
        .map(|row| format!("{} {} {}", row["report_number"], row["second_opinion"], row["second_reading_of"]))
        .collect();
    marks.sort();
    ensure!(marks == ["\"R-1\" false null", "\"R-2\" false \"d1\"", "\"R-3\" true null"], "{listed}");
    let shown = page(&mut web, "/reuse?order=order-1")?;
    for text in [
        "<b>Kết luận:</b> Bình thường, đã xem lại.",
        "<b>Đọc lại tại đây:</b> Ổ giảm tỷ trọng nhỏ.",
        "<b>Ý kiến khác:</b> Theo dõi thêm.",
    ] {
        ensure!(shown.contains(text), "{text}: {shown}");
    }
    server.stop()
}
