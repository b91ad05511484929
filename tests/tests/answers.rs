//! Answers of a running server against what the interface says of them: a story of an order, its prior, reports, decisions
//! and persons, each answer held against its description.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fixtures::writer::keyword as k;
use serde_json::{Value, json};
use tests::description::Description;
use tests::exams::{Exam, image, image_of};
use tests::http::{Http, good, refused};
use tests::reuse::settled;
use tests::server::{Server, Setup};
use tests::site::Site;
use tests::wait_for;

const DOCTOR: (&str, &str) = ("X-Claimed-User", "BS. Lê Thị Hạnh");

/// A server, and what it says of itself.
struct Told {
    server: Server,
    web: Http,
    description: Description,
}

impl Told {
    /// Asks at a path as the description writes it, its parts in braces filled in their order, with a query; the answer has
    /// to be as it is described.
    fn ask(&self, method: &str, path: &str, filled: &[&str], body: &Value) -> Result<Value> {
        let (template, query) = path.split_once('?').unwrap_or((path, ""));
        let mut asked = template.to_owned();
        for part in filled {
            let (from, to) = (asked.find('{').context("no part")?, asked.find('}').context("no part")?);
            asked.replace_range(from..=to, part);
        }
        let asked = if query.is_empty() { asked } else { format!("{asked}?{query}") };
        let answer = self.web.say(method, &asked, &[DOCTOR], body)?;
        ensure!(
            answer.status < 300,
            "{method} {asked}: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        let told = answer.json()?;
        self.description.holds(method, template, answer.status, &told)?;
        Ok(told)
    }

    fn get(&self, path: &str, filled: &[&str]) -> Result<Value> {
        self.ask("GET", path, filled, &Value::Null)
    }

    fn post(&self, path: &str, filled: &[&str], body: &Value) -> Result<Value> {
        self.ask("POST", path, filled, body)
    }
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().context("no text")
}

fn report(study: &str, number: &str, facility: &str, status: &str) -> Value {
    json!({
        "study": study, "facility": facility, "report_number": number, "status": status, "reader": "BS. Đọc",
        "conclusion": "Bình thường", "signed_at": "2026-01-02T10:00:00+07:00",
    })
}

#[test]
fn what_is_answered_is_as_it_is_described() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let site = Site::new().examined_soon().facility("01001").facility("01002").machine("CT1", "01001");
    let server = Setup::new(folder.path()).with_file(site.file())?.start()?;
    let mut web = server.web();
    let description = Description::of(&mut web)?;
    let told = Told { server, web, description };
    let exam = Exam::of("ct-nguc", 71)
        .days_before_today(2)
        .person("TRAN VAN BINH", "19580203", "M")
        .with(&[(k::ISSUER_OF_PATIENT_ID, "")]);
    let all = exam.under("P-1", "A-1").instances()?;
    let study = all[0].study.as_str();
    told.server.c_store("CT1", &all)?;
    decided(&told, study)?;
    persons(&told)?;
    let came = told.get("/api/v1/reconciliation?since=2020-01-01&limit=1", &[])?;
    ensure!(came["next_study"].is_string(), "{came}");
    let unknown = image(72, 4, &[(k::STUDY_DESCRIPTION, "GOI KHAM DAC BIET 7")])?;
    told.server.c_store("CT1", [&unknown])?;
    wait_for("a study that waits", Duration::from_secs(60), || {
        let waiting = told.get("/api/v1/codes/review", &[])?;
        Ok(waiting.as_array().is_some_and(|all| !all.is_empty()).then_some(()))
    })?;
    told.get("/api/v1/studies/{study}/codes", &[study])?;
    told.post("/api/v1/studies/{study}/codes", &[study], &json!({ "techniques": ["18.191"] }))?;
    told.get("/api/v1/studies/{study}/codes", &[study])?;
    told.server.stop()
}

/// An order, what is answered to it, what is decided, and what is said of the reports afterwards.
fn decided(told: &Told, study: &str) -> Result<()> {
    let order = json!({
        "ordering_facility": "01001", "accession": "A-2", "exams": [{ "code": "18.0191.0040" }],
        "patient": { "patient_id": "P-1", "name": "Trần Văn Bình", "birth_date": "19580203", "sex": "M" },
        "requested_at": "2026-01-02T10:00:00+07:00", "ordered_by": "BS. An",
    });
    let order = told.post("/api/v1/orders", &[], &order)?;
    let order = text(&order["order"])?;
    told.post("/api/v1/reports", &[], &report(study, "R-1", "01001", "final"))?;
    told.post("/api/v1/reports", &[], &report(study, "R-2", "01002", "final"))?;
    settled(&told.web, &json!({ "order": order }))?;
    told.post("/api/v1/studies/{study}/quality", &[study], &json!({ "mark": "adequate" }))?;
    told.get("/api/v1/studies/{study}/quality", &[study])?;
    let answer = told.post("/api/v1/reuse/check", &[], &json!({ "order": order }))?;
    let seen = &answer["studies"][0];
    for list in ["reports", "second_opinions", "documents", "marks"] {
        ensure!(seen[list].as_array().is_some_and(|all| !all.is_empty()), "no {list}: {seen:#}");
    }
    let decision = json!({
        "decision": "reuse_with_second_reading", "order": order, "reasons": ["other"], "text": "đọc lại",
        "verdict": answer["decision"]["priors"][0]["verdict"], "answer_version": answer["answer_version"],
    });
    let decision = told.post("/api/v1/reuse/decisions", &[], &decision)?;
    ensure!(decision["answer_verdict"] == answer["decision"]["verdict"], "{decision}");
    let key = text(&decision["decision_id"])?;
    let second = told.post("/api/v1/reports", &[], &report(study, "R-3", "01001", "final"))?;
    ensure!(second["second_reading_of"] == key, "{second}");
    let amended = told.post("/api/v1/reports", &[], &report(study, "R-1", "01001", "amended"))?;
    told.get("/api/v1/reports/{id}", &[text(&amended["report"])?])?;
    let listed = told.get(&format!("/api/v1/reports?study={study}"), &[])?;
    ensure!(listed.as_array().map(Vec::len) == Some(3), "{listed}");
    let flagged = told.get("/api/v1/reuse/decisions?flagged=report_amended", &[])?;
    ensure!(flagged[0]["reports_changed"][0]["now"] == 2, "{flagged}");
    told.get("/api/v1/ledger/warnings", &[])?;
    told.get("/api/v1/reuse/policy", &[])?;
    let back = json!({ "decision": "withdrawn", "why": "nhầm" });
    told.ask("PATCH", "/api/v1/reuse/decisions/{id}", &[key], &back)?;
    told.get("/api/v1/reuse/decisions/{id}", &[key])?;
    told.get("/api/v1/orders/{id}", &[order])?;
    told.get("/api/v1/orders", &[]).map(drop)
}

/// A clash under one number, a candidate, a link; what has to name the document that was seen.
fn persons(told: &Told) -> Result<()> {
    let here = image_of(72, 1, ("P-7", "LE THI HOA", "19850317", "F"))?;
    let clash = image_of(72, 2, ("P-7", "PHAM VAN DUC", "19700203", "M"))?;
    let perhaps = image_of(72, 3, ("P-8", "LE THI HOA", "19850317", "F"))?;
    told.server.c_store("CT1", [&here, &clash, &perhaps])?;
    let open = told.get("/api/v1/collisions", &[])?;
    let collision = text(&open["collisions"][0]["key"])?;
    let found = json!({ "finding": "different_persons", "document": "CCCD" });
    told.post("/api/v1/collisions/{key}", &[collision], &found)?;
    told.get("/api/v1/collisions?resolved=true", &[])?;
    let key = tests::viewing::key(&mut told.server.web(), &here.study)?;
    let offered = told.get("/api/v1/patients/{key}/candidates", &[&key])?;
    ensure!(offered["candidates"].as_array().is_some_and(|all| !all.is_empty()), "{offered}");
    for (path, filled, mut body) in [
        ("/api/v1/patients/links", "", json!({ "a": here.study, "b": perhaps.study, "document": "CCCD" })),
        (
            "/api/v1/patients/{key}/identifiers",
            key.as_str(),
            json!({ "identifiers": [{ "kind": "personal_number", "value": "001185012345" }], "document": "CCCD" }),
        ),
    ] {
        ensure!(told.description.needs("POST", path, "document")?, "{path}");
        let with = body.clone();
        body.as_object_mut().context("no object")?.remove("document");
        let asked = path.replace("{key}", filled);
        refused(&told.web.say("POST", &asked, &[DOCTOR], &body)?, 400, "document")?;
        told.post(path, if filled.is_empty() { &[] } else { std::slice::from_ref(&filled) }, &with)?;
    }
    let parted = json!({ "a": here.study, "b": perhaps.study });
    told.post("/api/v1/patients/unlinks", &[], &parted)?;
    good(&told.web.say("GET", &format!("/api/v1/patients/{key}/links"), &[DOCTOR], &Value::Null)?, 200)
        .map(drop)
}
