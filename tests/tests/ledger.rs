//! Reuse decisions, hand-overs and the ledger through a running server: decided, entered, taken back, verified, exported,
//! and all of it after the index was made again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::io::Cursor;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calamine::{Data, Reader as _, Xlsx};
use serde_json::{Value, json};
use tests::exams::Exam;
use tests::http::{Answer, Http, good, refused};
use tests::reuse::check;
use tests::server::{Server, Setup};
use tests::site::{HIS_01001, Site};
use tests::wait_for;

const DOCTOR: (&str, &str) = ("X-Claimed-User", "BS. Lê Thị Hạnh");
const LIMIT: Duration = Duration::from_secs(90);
const HIS: (&str, &str) = HIS_01001.header;

fn site() -> Site {
    Site::new().facility("01001").machine("CT1", "01001")
}

/// A head CT of one person under an accession number.
fn head_ct(accession: &str) -> Exam {
    Exam::head_ct(11).person("NGUYEN VAN AN", "19800412", "M").under("P-1", accession)
}

fn order(web: &Http, id: &str) -> Result<Value> {
    let body = json!({
        "accession": format!("ORD-{id}"), "ordering_facility": "01001", "episode": "=LK-77", "ordered_by": "BS. Minh",
        "patient": { "patient_id": "P-1", "name": "Nguyễn Văn An", "birth_date": "19800412", "sex": "M" },
        "exams": [{ "code": "18.0149.0040", "name": "Chụp CLVT sọ não", "contrast": "without" }],
        "payment": { "insurance_percent": 80 },
    });
    good(&web.say("POST", "/api/v1/orders", &[DOCTOR, ("Idempotency-Key", id)], &body)?, 201)
}

fn report(web: &Http, study: &str, status: &str) -> Result<Value> {
    let body = json!({
        "study": study, "facility": "01001", "status": status, "conclusion": "Không thấy tổn thương", "reader": "BS. Đọc",
        "signature": "declared",
    });
    good(&web.say("POST", "/api/v1/reports", &[DOCTOR], &body)?, 201)
}

/// The answer to an order once everything was looked at.
fn settled(web: &Http, order: &str) -> Result<Value> {
    tests::reuse::settled(web, &json!({ "order": order }))
}

fn decide(web: &Http, key: &str, body: &Value) -> Result<Answer> {
    web.say("POST", "/api/v1/reuse/decisions", &[DOCTOR, ("Idempotency-Key", key)], body)
}

/// The entries of an order: event and amount of exam and film.
fn entries(web: &mut Http, order: &str) -> Result<Vec<(String, i64, i64)>> {
    let rows = web.json(&format!("/api/v1/ledger/entries?order={order}"))?;
    let rows = rows.as_array().context("no list")?.clone();
    let number = |row: &Value, name: &str| row[name].as_i64().unwrap_or(i64::MIN);
    let event = |row: &Value| row["event"].as_str().unwrap_or_default().to_owned();
    Ok(rows.iter().map(|row| (event(row), number(row, "exam_vnd"), number(row, "film_vnd"))).collect())
}

fn entered(web: &mut Http, order: &str, events: &[&str]) -> Result<Vec<(String, i64, i64)>> {
    wait_for(&format!("{events:?} of {order}"), LIMIT, || {
        let all = entries(web, order)?;
        ensure!(all.len() <= events.len(), "{all:?}");
        Ok(all.iter().map(|(event, ..)| event.as_str()).eq(events.iter().copied()).then_some(all))
    })
}

/// A server with a head CT that has its code, and a report.
fn started(setup: &Setup) -> Result<(Server, Http, String)> {
    let server = setup.start()?;
    let mut web = server.web();
    let all = head_ct("ACC-0").instances()?;
    let study = all[0].study.clone();
    server.c_store("CT1", &all)?;
    wait_for("a code", LIMIT, || {
        let told = web.json(&format!("/api/v1/studies/{study}/codes"))?;
        Ok((told["coding"]["outcome"] == "assigned").then_some(()))
    })?;
    report(&web, &study, "final")?;
    Ok((server, web, study))
}

fn today(web: &Http) -> Result<String> {
    let told = check(web, &json!({ "order": "order-1" }))?;
    Ok(told["decision"]["today"].as_str().context("no day")?.replace('-', ""))
}

#[test]
fn a_reused_exam_is_entered_once_and_taken_back_when_it_does_not_hold() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with("PACS_STUDY__QUIET_SECONDS", "1").with_file(site().file())?;
    let (server, mut web, study) = started(&setup)?;
    order(&web, "order-1")?;
    let told = settled(&web, "order-1")?;
    println!("{told}");
    let prior = &told["decision"]["priors"][0];
    ensure!(prior["studies"][0] == *study && prior["confirmed"] == true, "{told}");
    let verdict = prior["verdict"].as_str().context("no verdict")?.to_owned();
    let base = json!({
        "decision": "reuse", "order": "order-1", "study": study, "verdict": verdict, "reasons": ["other"],
        "text": "=đã xem hình", "answer_version": told["answer_version"],
    });
    wrong_decisions(&web, &base, &verdict)?;
    decided_once(&mut web, &base)?;
    handed_over(&mut web)?;
    let mut events = Vec::new();
    reports_change(&mut web, &study, &mut events)?;
    withdrawn(&mut web, &mut events)?;
    repeated(&web)?;
    made_after_all(&server, &mut web)?;
    exported(&mut web)?;
    let before = kept(&mut web)?;
    verified(&setup, &before[0], true)?;
    server.stop()?;
    verified(&setup, &before[0], false)?;
    ensure!(setup.run(&["rebuild"])?.status.success(), "rebuild");
    let server = setup.start()?;
    let mut web = server.web();
    ensure!(kept(&mut web)? == before, "what was said is the same after the index was made again");
    server.stop()
}

fn with(base: &Value, name: &str, value: Value) -> Value {
    let mut body = base.clone();
    body[name] = value;
    body
}

fn wrong_decisions(web: &Http, base: &Value, verdict: &str) -> Result<()> {
    let with = |name: &str, value: Value| with(base, name, value);
    let other = if verdict == "usable" { "review" } else { "usable" };
    refused(&decide(web, "x1", &with("verdict", json!(other)))?, 409, "verdict")?;
    refused(&decide(web, "x2", &with("answer_version", json!("0".repeat(32))))?, 409, "verdict")?;
    refused(&decide(web, "x3", &with("reasons", json!(["boredom"])))?, 400, "reasons")?;
    refused(&decide(web, "x4", &with("text", json!("")))?, 400, "text")?;
    refused(&decide(web, "x5", &with("study", json!("1.2.3")))?, 400, "studies")?;
    refused(&decide(web, "x6", &with("decision", json!("perhaps")))?, 400, "decision")?;
    refused(&decide(web, "x7", &with("colour", json!("red")))?, 400, "body")?;
    ensure!(decide(web, "x8", &with("order", json!("none")))?.status == 404, "no such order");
    if verdict == "review" {
        refused(&decide(web, "x9", &with("reasons", json!([])))?, 400, "reasons")?;
    }
    ensure!(
        web.say("GET", "/api/v1/reuse/decisions", &[], &json!({}))?
            .json()?
            .as_array()
            .is_some_and(Vec::is_empty),
        "nothing was decided"
    );
    Ok(())
}

fn decided_once(web: &mut Http, base: &Value) -> Result<()> {
    // The same request twice is one decision; another one about the order has to wait until it is withdrawn.
    let first = good(&decide(web, "d1", base)?, 201)?;
    ensure!(good(&decide(web, "d1", base)?, 201)?["time_ms"] == first["time_ms"], "said twice");
    refused(&decide(web, "d1", &with(base, "text", json!("khác")))?, 409, "Idempotency-Key")?;
    refused(&decide(web, "d2", base)?, 409, "order")?;
    ensure!(first["decision"] == "reuse" && first["who"]["name"] == DOCTOR.1, "{first}");
    ensure!(first["evidence"]["prior"]["checks"].as_array().is_some_and(|all| !all.is_empty()), "{first}");
    ensure!(first["order_status"] == "reused", "the order is closed by the decision: {first}");
    let entry = entered(web, "order-1", &["exam_avoided"])?;
    ensure!(entry == [("exam_avoided".to_owned(), 452_400, 0)], "{entry:?}");
    Ok(())
}

fn handed_over(web: &mut Http) -> Result<()> {
    // The film part counts only when a hand-over tells that no film was made.
    let summary = web.json("/api/v1/ledger/summary?by=month")?;
    ensure!(summary["confirmed"]["total"]["total_vnd"] == 452_400, "{summary}");
    ensure!(summary["estimated"]["film_vnd"] == 97_700, "{summary}");
    let delivery =
        json!({ "order": "order-1", "mode": "link_or_qr", "recipient": "An", "price": "with_film" });
    let headers = [DOCTOR, ("Idempotency-Key", "h1")];
    for _ in 0..2 {
        good(&web.say("POST", "/api/v1/deliveries", &headers, &delivery)?, 201)?;
    }
    entered(web, "order-1", &["exam_avoided", "film_avoided"])?;
    let warned = web.json("/api/v1/deliveries?warnings=1")?;
    ensure!(warned[0]["delivery"] == "h1" && warned.as_array().is_some_and(|all| all.len() == 1), "{warned}");
    for (by, key) in [
        ("month", None),
        ("facility", Some("01001")),
        ("modality", Some("CT")),
        ("code", Some("18.0149.0040")),
    ] {
        let summary = web.json(&format!("/api/v1/ledger/summary?by={by}"))?;
        let row = &summary["confirmed"]["rows"][0];
        ensure!(
            row["exam_vnd"] == 452_400 && row["film_vnd"] == 97_700 && row["orders"] == 1,
            "{by}: {summary}"
        );
        ensure!(key.is_none_or(|key| row["key"] == *key), "{by}: {summary}");
        ensure!(summary["estimated"]["film_vnd"] == 0, "{by}: {summary}");
        ensure!(summary["warnings"]["film_billed_without_film"] == 1, "{by}: {summary}");
    }
    refused(&web.get("/api/v1/ledger/summary?by=colour")?, 400, "by")?;
    refused(&web.get("/api/v1/ledger/summary?from=soon")?, 400, "from")?;
    let page = web.get_accepting("/reuse/record?decision=d1", "text/html")?;
    let page = String::from_utf8(page.body)?;
    ensure!(page.contains("452.400 VND") && page.contains("97.700 VND") && page.contains("Hạnh"), "{page}");
    Ok(())
}

fn reports_change(web: &mut Http, study: &str, events: &mut Vec<&str>) -> Result<()> {
    // A report that is amended flags the decision, one that is cancelled takes the entries back.
    report(web, study, "amended")?;
    let told = web.json("/api/v1/reuse/decisions/d1")?;
    ensure!(told["flagged"] == "report_amended", "{told}");
    let flagged = web.json("/api/v1/reuse/decisions?flagged=report_amended")?;
    ensure!(flagged[0]["decision_id"] == "d1", "{flagged}");
    report(web, study, "cancelled")?;
    events.extend(["exam_avoided", "film_avoided", "film_reversed", "exam_reversed"]);
    let all = entered(web, "order-1", events)?;
    ensure!(all[2].2 == -97_700 && all[3].1 == -452_400, "{all:?}");
    let summary = web.json("/api/v1/ledger/summary")?;
    ensure!(summary["confirmed"]["total"]["total_vnd"] == 0, "{summary}");
    ensure!(summary["confirmed"]["total"]["reversed_vnd"] == -550_100, "{summary}");
    report(web, study, "final")?;
    events.extend(["exam_avoided", "film_avoided"]);
    entered(web, "order-1", events)?;
    Ok(())
}

fn withdrawn(web: &mut Http, events: &mut Vec<&str>) -> Result<()> {
    // A decision that is withdrawn takes them back, and the order is open again.
    let withdrawn = json!({ "decision": "withdrawn" });
    refused(&web.say("PATCH", "/api/v1/reuse/decisions/d1", &[DOCTOR], &withdrawn)?, 400, "why")?;
    let withdrawn = json!({ "decision": "withdrawn", "why": "nhầm" });
    let told = good(&web.say("PATCH", "/api/v1/reuse/decisions/d1", &[DOCTOR], &withdrawn)?, 200)?;
    ensure!(told["decision"] == "withdrawn" && told["choice"] == "reuse", "{told}");
    ensure!(told["order_status"] == "requested", "{told}");
    events.extend(["film_reversed", "exam_reversed"]);
    entered(web, "order-1", events)?;
    Ok(())
}

fn repeated(web: &Http) -> Result<()> {
    // A repeat needs a reason where a prior was there, and leaves the order open.
    let told = settled(web, "order-1")?;
    let mut repeat = json!({
        "decision": "repeat", "order": "order-1", "verdict": told["decision"]["verdict"], "reasons": ["clinical_change"],
    });
    let told = good(&decide(web, "d3", &repeat)?, 201)?;
    ensure!(told["decision"] == "repeat" && told["order_status"] == "requested", "{told}");
    repeat["order"] = json!("order-2");
    order(web, "order-2")?;
    repeat["reasons"] = json!([]);
    refused(&decide(web, "d4", &repeat)?, 400, "reasons")?;
    Ok(())
}

fn made_after_all(server: &Server, web: &mut Http) -> Result<()> {
    // An exam that is made although a stored one was to stand in takes the entry back.
    let told = settled(web, "order-2")?;
    let reuse = json!({
        "decision": "reuse_with_second_reading", "order": "order-2", "reasons": ["other"], "text": "đủ",
        "verdict": told["decision"]["priors"][0]["verdict"],
    });
    good(&decide(web, "d5", &reuse)?, 201)?;
    entered(web, "order-2", &["exam_avoided"])?;
    let made_again = head_ct("ACC-5").reissued(5).made_on(&today(web)?);
    server.c_store("CT1", &made_again.instances()?)?;
    entered(web, "order-2", &["exam_avoided", "exam_reversed"])?;
    let rows = web.json("/api/v1/ledger/entries?order=order-2")?;
    ensure!(
        rows[1]["reversal"] == "exam_performed" && rows[1]["payers"]["insurance_vnd"] == -361_920,
        "{rows}"
    );
    Ok(())
}

/// All that was decided and entered.
fn kept(web: &mut Http) -> Result<Vec<Value>> {
    let paths = [
        "/api/v1/ledger/heads",
        "/api/v1/ledger/entries?limit=1000",
        "/api/v1/ledger/summary?by=code",
        "/api/v1/reuse/decisions",
        "/api/v1/deliveries",
    ];
    paths.iter().map(|path| web.json(path)).collect()
}

fn exported(web: &mut Http) -> Result<()> {
    let csv = String::from_utf8(web.get("/api/v1/ledger/export.csv")?.body)?;
    ensure!(csv.contains("\"'=LK-77\"") && !csv.contains("\"=LK-77\""), "a formula: {csv}");
    ensure!(csv.contains("repeat_despite_prior") && csv.contains("clinical_change"), "{csv}");
    ensure!(csv.contains("\"-452400\"") && csv.contains("chain_head"), "{csv}");
    let answer = web.get("/api/v1/ledger/export.xlsx")?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(answer.body))?;
    let sheet = book.worksheet_range("ledger")?;
    ensure!(sheet.height() == csv.lines().count(), "{} rows", sheet.height());
    ensure!(sheet.get_value((1, 15)) == Some(&Data::Float(452_400.0)), "{:?}", sheet.get_value((1, 15)));
    ensure!(sheet.get_value((1, 4)) == Some(&Data::String("=LK-77".into())), "{:?}", sheet.get_value((1, 4)));
    Ok(())
}

/// The command, by a running server or without one.
fn verified(setup: &Setup, heads: &Value, running: bool) -> Result<()> {
    let head = heads[0]["head"].as_str().context("no head")?;
    let run = |arguments: &[&str]| -> Result<(i32, String)> {
        let output = setup.run(arguments)?;
        Ok((output.status.code().unwrap_or(-1), String::from_utf8(output.stdout)?))
    };
    let (code, told) = run(&["ledger", "verify"])?;
    ensure!(code == 0 && told.contains(head), "running {running}: {code} {told}");
    let (code, told) = run(&["ledger", "verify", "--head", head])?;
    ensure!(code == 0 && told.contains("whole"), "running {running}: {code} {told}");
    let (code, told) = run(&["ledger", "verify", "--head", &"0".repeat(64)])?;
    ensure!(code == 3 && told.contains("BROKEN"), "running {running}: {code} {told}");
    Ok(())
}

#[test]
fn a_machine_decides_only_for_a_doctor() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with_file(site().token(HIS_01001, &["read", "store"]).file())?;
    let server = setup.start()?;
    let web = server.web();
    order(&web, "order-1")?;
    let body = json!({ "decision": "repeat", "order": "order-1", "verdict": "found_nothing" });
    let alone = web.say("POST", "/api/v1/reuse/decisions", &[HIS], &body)?;
    refused(&alone, 400, "who")?;
    let both = web.say("POST", "/api/v1/reuse/decisions", &[HIS, DOCTOR], &body)?;
    let told = good(&both, 201)?;
    ensure!(told["who"]["name"] == format!("HIS 01001 for {}", DOCTOR.1), "{told}");
    ensure!(told["verdict"].is_null() && told["evidence"]["found_nothing"] == true, "{told}");
    // Nothing was found: there is nothing to reuse.
    order(&web, "order-2")?;
    let body = json!({ "decision": "reuse", "order": "order-2", "verdict": "found_nothing" });
    refused(&web.say("POST", "/api/v1/reuse/decisions", &[HIS, DOCTOR], &body)?, 409, "studies")?;
    server.stop()
}
