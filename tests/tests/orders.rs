//! Orders and reports of other systems, through a running server: taken, changed, found again, met by studies, and all
//! of it after the index was made again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use anyhow::{Context as _, Result, ensure};
use fixtures::studies::Instance;
use fixtures::writer::keyword as k;
use serde_json::{Value, json};
use tests::exams::image;
use tests::http::{Answer, Http, good, refused};
use tests::server::Setup;
use tests::site::{HIS_01001, Site, VIEWER_01002};

const WHO: (&str, &str) = ("X-Claimed-User", "HIS 01001");

const STORES: (&str, &str) = HIS_01001.header;
const READS: (&str, &str) = VIEWER_01002.header;

fn site() -> Site {
    let site = Site::new().facility("01001").facility("01002");
    site.machine("CT1", "01001").machine("CT2", "01002")
}

fn under(seed: u64, study: u64, accession: &str) -> Result<Instance> {
    image(seed, study, &[(k::ACCESSION_NUMBER, accession)])
}

fn names(rows: &Value, field: &str) -> Vec<String> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter_map(|row| row[field].as_str().map(str::to_owned)).collect()
}

fn order(accession: &str) -> Value {
    json!({
        "placer_number": format!("PL-{accession}"), "accession": accession, "ordering_facility": "01001",
        "patient": {
            "patient_id": "P-1", "name": "Nguyễn Văn An", "birth_date": "19800412", "sex": "M",
            "identifiers": [{ "kind": "personal_number", "value": "001080001234" }],
        },
        "exams": [{ "code": "18.0149.0040", "name": "Chụp CLVT sọ não", "contrast": "without" }],
        "purpose": "diagnosis", "urgency": "urgent", "requested_at": "2026-11-20T08:00:00+07:00",
        "episode": "LK-77", "ordered_by": "BS. Hạnh",
    })
}

fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    if let Some(there) = body.pointer_mut(pointer) {
        *there = value;
        return body;
    }
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
    body
}

fn post(web: &Http, body: &Value) -> Result<Answer> {
    web.say("POST", "/api/v1/orders", &[WHO], body)
}

fn patch(web: &Http, headers: &[(&str, &str)], body: &Value) -> Result<Answer> {
    web.say("PATCH", "/api/v1/orders/order-1", headers, body)
}

#[test]
fn what_is_wrong_with_an_order_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Setup::new(folder.path()).with_file(site().file())?.start()?;
    let mut web = server.web();
    for (pointer, value, field) in [
        ("/purpose", json!("boredom"), "purpose"),
        ("/urgency", json!(3), "urgency"),
        ("/requested_at", json!("tomorrow"), "requested_at"),
        ("/clinical_state_changed", json!("no"), "clinical_state_changed"),
        ("/ordering_facility", json!("99999"), "ordering_facility"),
        ("/exams", json!([]), "exams"),
        ("/exams", json!({}), "exams"),
        ("/exams/0/side", json!("up"), "exams.side"),
        ("/exams/0/colour", json!("red"), "exams"),
        ("/exams/0", json!({ "side": "left" }), "exams.code"),
        ("/patient/sex", json!("X"), "patient.sex"),
        ("/patient/birth_date", json!("soon"), "patient.birth_date"),
        ("/patient/identifiers/0/kind", json!("passport"), "patient.identifiers.kind"),
        ("/patient/identifiers/0/value", json!(" "), "patient.identifiers.value"),
        ("/patient/nick", json!("An"), "patient"),
        ("/acession", json!("A-1"), "body"),
        ("/accession", json!("x".repeat(300)), "accession"),
    ] {
        refused(&post(&web, &with(order("A-1"), pointer, value))?, 400, Some(field))
            .with_context(|| pointer.to_owned())?;
    }
    ensure!(web.json("/api/v1/orders")? == json!([]), "a refused order was taken");
    refused(&web.get("/api/v1/orders?acession=A-1")?, 400, Some("query"))?;
    refused(&web.get("/api/v1/orders/nothing")?, 404, None)?;
    refused(&web.get("/api/v1/reconciliation?since=yesterday")?, 400, Some("since"))?;
    refused(&web.say("PATCH", "/api/v1/orders/x", &[WHO], &json!({}))?, 404, None)?;
    server.stop()
}

#[test]
fn an_order_is_taken_changed_met_by_its_study_and_found_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with_file(site().file())?;
    let mut server = setup.start()?;
    let mut web = server.web();
    let keyed = [WHO, ("Idempotency-Key", "order-1")];
    let told = good(&web.say("POST", "/api/v1/orders", &keyed, &order("A-1"))?, 201)?;
    ensure!(told["order"] == "order-1" && told["version"] == 1 && told["studies"] == json!([]), "{told}");
    ensure!(told["ordering_facility"] == "01001" && told["patient"]["name"] == "Nguyễn Văn An", "{told}");
    ensure!(good(&web.say("POST", "/api/v1/orders", &keyed, &order("A-1"))?, 201)? == told, "not the same");
    refused(&post(&web, &order("A-1"))?, 409, Some("placer_number"))?;
    refused(&web.say("POST", "/api/v1/orders", &keyed, &order("A-2"))?, 409, Some("Idempotency-Key"))?;

    // The same accession number at another facility is another exam, also when it was there first.
    let (strange, own) = (under(51, 0, "A-1")?, under(51, 1, "A-1")?);
    server.c_store("CT2", [&strange])?;
    ensure!(web.json("/api/v1/orders/order-1")?["studies"] == json!([]), "met by a stranger");
    server.c_store("CT1", [&own])?;
    let met = web.json("/api/v1/orders/order-1")?;
    ensure!(met["studies"] == json!([own.study]), "{met}");
    for path in [
        "/api/v1/orders?accession=A-1&facility=01001".to_owned(),
        "/api/v1/orders?placer_number=PL-A-1".into(),
        "/api/v1/orders?patient_id=P-1".into(),
        format!("/api/v1/orders?study={}", own.study),
    ] {
        ensure!(names(&web.json(&path)?, "order") == ["order-1"], "{path}");
    }
    for path in [
        "/api/v1/orders?accession=A-1&facility=01002".to_owned(),
        format!("/api/v1/orders?study={}", strange.study),
    ] {
        ensure!(web.json(&path)? == json!([]), "{path}");
    }
    unmet(&mut web, &strange)?;
    changed(&web)?;
    server = server.made_again()?;
    web = server.web();
    let told = good(&patch(&web, &[WHO], &json!({ "status": "cancelled" }))?, 200)?;
    ensure!(
        told["version"] == 3 && told["status"] == "cancelled" && told["studies"] == json!([own.study]),
        "{told}"
    );
    server.stop()
}

/// What did not meet: the stranger's study, and an order whose images have not come.
fn unmet(web: &mut Http, strange: &Instance) -> Result<()> {
    let later = good(&post(web, &order("A-9"))?, 201)?;
    let unmet = web.json("/api/v1/reconciliation?since=2020-01-01")?;
    ensure!(names(&unmet["orders_without_images"], "accession") == ["A-9"], "{unmet}");
    ensure!(names(&unmet["images_without_order"], "study") == [strange.study.as_str()], "{unmet}");
    let path = format!("/api/v1/orders/{}", later["order"].as_str().context("no name")?);
    good(&web.say("PATCH", &path, &[WHO], &json!({ "status": "reused" }))?, 200)?;
    let unmet = web.json("/api/v1/reconciliation?since=2020-01-01")?;
    ensure!(unmet["orders_without_images"] == json!([]), "a closed order is listed: {unmet}");
    ensure!(
        web.json("/api/v1/reconciliation?since=2100-01-01")?["images_without_order"] == json!([]),
        "{unmet}"
    );
    Ok(())
}

fn changed(web: &Http) -> Result<()> {
    let answer = json!({ "clinical_state_changed": false, "patient": { "sex": null }, "based_on": 1 });
    let keyed = [WHO, ("Idempotency-Key", "change-1")];
    let told = good(&patch(web, &keyed, &answer)?, 200)?;
    ensure!(told["version"] == 2 && told["clinical_state_changed"] == false, "{told}");
    ensure!(told["patient"]["sex"] == Value::Null && told["patient"]["patient_id"] == "P-1", "{told}");
    ensure!(good(&patch(web, &keyed, &answer)?, 200)? == told, "not the same");
    refused(&patch(web, &[WHO], &answer)?, 409, Some("based_on"))?;
    refused(&patch(web, &[WHO], &json!({ "exams": null }))?, 400, Some("exams"))?;
    refused(&patch(web, &[WHO], &json!({ "status": "lost" }))?, 400, Some("status"))?;
    refused(&patch(web, &[WHO], &json!({ "statsu": "cancelled" }))?, 400, Some("body"))?;
    Ok(())
}

#[test]
fn the_newest_version_of_a_report_counts_and_all_are_listed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with_file(site().file())?;
    let mut server = setup.start()?;
    let mut web = server.web();
    let own = under(52, 0, "B 1/2")?;
    let report = json!({
        "accession": "B 1/2", "facility": "01001", "status": "draft", "description": "Không thấy tổn thương.",
    });
    let post = |web: &Http, body: &Value| web.say("POST", "/api/v1/reports", &[WHO], body);
    for (pointer, value, field) in [
        ("/status", json!("done"), "status"),
        ("/status", Value::Null, "status"),
        ("/status", json!("final"), "conclusion"),
        ("/accession", json!(""), "study"),
        ("/study", json!("x"), "study"),
        ("/facility", json!("99999"), "facility"),
        ("/signature", json!("forged"), "signature"),
        ("/signed_at", json!("2026"), "signed_at"),
        ("/conclusoin", json!("x"), "body"),
        ("/description", json!("x".repeat(16_001)), "description"),
    ] {
        refused(&post(&web, &with(report.clone(), pointer, value))?, 400, Some(field))
            .with_context(|| pointer.to_owned())?;
    }
    // A report may be there before its pictures, and its next version may name the study.
    let draft = good(&post(&web, &report)?, 201)?;
    ensure!(
        draft["version"] == 1 && draft["studies"] == json!([]) && draft["signature"] == "not_told",
        "{draft}"
    );
    server.c_store("CT1", [&own])?;
    let of_study = format!("/api/v1/reports?study={}", own.study);
    ensure!(names(&web.json(&of_study)?, "status") == ["draft"], "{}", web.json(&of_study)?);
    let signed = json!({
        "study": own.study, "accession": "B 1/2", "facility": "01001", "status": "final",
        "conclusion": "Bình thường", "reader": "BS. Trần Văn B", "practice_certificate": "001234/HNO-CCHN",
        "signed_at": "2026-11-21T09:00:00+07:00", "signature": "verified",
    });
    let told = good(&post(&web, &signed)?, 201)?;
    ensure!(told["version"] == 2 && told["report"] == draft["report"], "{told}");
    ensure!(told["signature"] == "declared", "a signature that nobody here verified: {told}");
    ensure!(names(&web.json(&of_study)?, "status") == ["final"], "{}", web.json(&of_study)?);
    let elsewhere = with(signed.clone(), "/study", json!("1.2.3"));
    refused(&post(&web, &elsewhere)?, 400, Some("study"))?;
    // A report with a number of its own is another report of the same study.
    let second = with(signed.clone(), "/report_number", json!("R-9"));
    ensure!(good(&post(&web, &second)?, 201)?["version"] == 1, "not another report");
    ensure!(web.json(&of_study)?.as_array().is_some_and(|rows| rows.len() == 2), "{}", web.json(&of_study)?);
    let elsewhere = with(signed.clone(), "/facility", json!("01002"));
    ensure!(good(&post(&web, &elsewhere)?, 201)?["version"] == 1, "over the report of another hospital");
    let amended = with(with(signed, "/status", json!("amended")), "/conclusion", json!("Xuất huyết nhỏ"));
    let stale = with(amended.clone(), "/based_on", json!(1));
    refused(&post(&web, &stale)?, 409, Some("based_on"))?;
    good(&post(&web, &amended)?, 201)?;
    server = server.made_again()?;
    web = server.web();
    let key = draft["report"].as_str().context("no key")?.replace(' ', "%20").replace('/', "%2F");
    let all = web.json(&format!("/api/v1/reports/{key}"))?;
    ensure!(all["status"] == "amended" && all["conclusion"] == "Xuất huyết nhỏ", "{all}");
    ensure!(names(&all["versions"], "status") == ["amended", "final", "draft"], "{all}");
    refused(&web.get("/api/v1/reports/nothing")?, 404, None)?;
    server.stop()
}

#[test]
fn a_token_speaks_for_its_own_facility_and_within_its_roles() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Setup::new(folder.path())
        .with_file(site().token(HIS_01001, &["store"]).token(VIEWER_01002, &["read"]).file())?
        .start()?;
    let web = server.web();
    let say = |method: &str, path: &str, who, body: &Value| web.say(method, path, &[who], body);
    let own = with(order("C-1"), "/ordering_facility", Value::Null);
    let report = json!({ "accession": "C-1", "status": "final", "conclusion": "Bình thường" });
    for (path, body) in [("/api/v1/orders", &own), ("/api/v1/reports", &report)] {
        refused(&say("POST", path, READS, body)?, 403, None)?;
        refused(&say("GET", path, STORES, &Value::Null)?, 403, None)?;
    }
    let told = good(&say("POST", "/api/v1/orders", STORES, &own)?, 201)?;
    ensure!(told["ordering_facility"] == "01001" && told["who"]["name"] == "HIS 01001", "{told}");
    ensure!(told["who"]["by"] == "token", "{told}");
    let others = with(order("C-2"), "/ordering_facility", json!("01002"));
    refused(&say("POST", "/api/v1/orders", STORES, &others)?, 400, Some("ordering_facility"))?;
    let others = with(report.clone(), "/facility", json!("01002"));
    refused(&say("POST", "/api/v1/reports", STORES, &others)?, 400, Some("facility"))?;
    let told = good(&say("POST", "/api/v1/reports", STORES, &report)?, 201)?;
    ensure!(told["facility"] == "01001" && told["report"] == "accession:1:C-1", "{told}");
    // Another facility's token is not told of the order.
    refused(&say("GET", "/api/v1/orders?facility=01001", READS, &Value::Null)?, 400, Some("facility"))?;
    let listed = good(&say("GET", "/api/v1/orders", READS, &Value::Null)?, 200)?;
    ensure!(names(&listed, "accession").is_empty(), "{listed}");
    let listed = good(&say("GET", "/api/v1/orders?facility=01001", WHO, &Value::Null)?, 200)?;
    ensure!(names(&listed, "accession") == ["C-1"], "{listed}");

    // An order of another facility is not changed by a token, nor taken over.
    let told = good(
        &say("POST", "/api/v1/orders", WHO, &with(order("C-3"), "/ordering_facility", json!("01002")))?,
        201,
    )?;
    let path = format!("/api/v1/orders/{}", told["order"].as_str().context("no name")?);
    refused(
        &say("PATCH", &path, STORES, &json!({ "status": "cancelled" }))?,
        400,
        Some("ordering_facility"),
    )?;
    let taken = json!({ "ordering_facility": "01001" });
    refused(&say("PATCH", &path, STORES, &taken)?, 400, Some("ordering_facility"))?;
    server.stop()
}
