//! Whose exam it is, and who may say what of an order, through a running server: exams come by C-STORE, orders, reports,
//! links, decisions and hand-overs as hospitals' systems send them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tests::exams::Exam;
use tests::http::{Answer, Http, good, refused};
use tests::reuse::{check, settled, until};
use tests::server::{Server, Setup};
use tests::site::{HIS_01001, HIS_01002, Site};
use tests::wait_for;

const DOCTOR: (&str, &str) = ("X-Claimed-User", "BS. Thử");
const LIMIT: Duration = Duration::from_secs(90);
const HIS: (&str, &str) = HIS_01001.header;
const OTHER_HIS: (&str, &str) = HIS_01002.header;

/// Two hospitals with systems of their own, and a third whose machine counts orders.
fn site() -> Site {
    let site = Site::new().examined_soon().facility("01001").facility("01002").facility("01003");
    let site = site.machine("CT1", "01001").machine("CT2", "01002");
    let site = site.machine_counting("COUNTER", "01003", "order");
    site.token(HIS_01001, &["read", "store"]).token(HIS_01002, &["read", "store"])
}

struct Person {
    number: &'static str,
    name: &'static str,
    birth: &'static str,
    sex: &'static str,
}

const LAN: Person = Person { number: "P-1", name: "VU THI LAN", birth: "19850605", sex: "F" };
const CUONG: Person = Person { number: "P-1", name: "LE VAN CUONG", birth: "19700103", sex: "M" };

struct World {
    server: Server,
    web: Http,
}

impl World {
    fn start(setup: &Setup) -> Result<World> {
        let server = setup.start()?;
        let web = server.web();
        Ok(World { server, web })
    }

    /// A head CT of somebody under an accession number.
    fn head_ct(&self, calling: &str, seed: u64, person: &Person, accession: &str) -> Result<String> {
        self.head_ct_of(calling, (seed, accession, ""), person)
    }

    /// The same, made on a day (YYYYMMDD).
    fn head_ct_of(
        &self,
        calling: &str,
        (seed, accession, day): (u64, &str, &str),
        person: &Person,
    ) -> Result<String> {
        let exam = Exam::head_ct(11).reissued(seed).person(person.name, person.birth, person.sex);
        let exam = exam.under(person.number, accession);
        let all = if day.is_empty() { exam } else { exam.made_on(day) }.instances()?;
        self.server.c_store(calling, &all)?;
        Ok(all[0].study.clone())
    }

    fn say(&self, path: &str, body: &Value) -> Result<Value> {
        good(&self.web.say("POST", path, &[DOCTOR], body)?, 201)
    }

    fn order(&self, facility: &str, person: &Person, accession: &str) -> Result<String> {
        let told = self.say("/api/v1/orders", &ordered(facility, person, accession))?;
        Ok(told["order"].as_str().context("no name")?.to_owned())
    }

    fn check(&self, order: &str) -> Result<Value> {
        check(&self.web, &json!({ "order": order }))
    }

    fn until(&self, order: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        until(&self.web, &json!({ "order": order }), what, holds)
    }

    /// The answer once everything was looked at.
    fn settled(&self, order: &str) -> Result<Value> {
        settled(&self.web, &json!({ "order": order }))
    }

    fn form(&self, order: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Result<Answer> {
        let encoded = |text: &str| -> String {
            let bytes = text.bytes().map(|byte| format!("%{byte:02X}"));
            bytes.collect()
        };
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let mut lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        lines.push("Content-Type: application/x-www-form-urlencoded".to_owned());
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        self.web.send("POST", &format!("/reuse?order={order}"), &lines, body.join("&").as_bytes())
    }
}

fn ordered(facility: &str, person: &Person, accession: &str) -> Value {
    json!({
        "ordering_facility": facility, "accession": accession,
        "patient": {
            "patient_id": person.number, "name": person.name, "birth_date": person.birth, "sex": person.sex,
        },
        "exams": [{ "code": "18.0149.0040", "name": "CT sọ não", "contrast": "without" }],
    })
}

fn report(facility: &str, study: &str, status: &str) -> Value {
    json!({
        "study": study, "facility": facility, "status": status, "reader": "BS. Đọc", "conclusion": "Bình thường",
        "signature": "declared",
    })
}

fn seen<'a>(answer: &'a Value, study: &str) -> Option<&'a Value> {
    answer["studies"].as_array()?.iter().find(|seen| seen["study"] == study)
}

#[test]
fn the_page_links_the_person_of_the_order_and_a_candidate_hides_everything() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let world = World::start(&Setup::new(folder.path()).with_file(site().file())?)?;
    let of = |number| Person { number, ..LAN };
    let first = world.head_ct("CT2", 1, &of("D1"), "A1")?;
    world.say("/api/v1/reports", &report("01002", &first, "final"))?;
    let second = world.head_ct("CT2", 2, &of("D2"), "A2")?;
    // The hospital that orders has no pictures of her.
    let order = world.order("01001", &of("T1"), "")?;
    let told = world.until(&order, "two candidates", |told| {
        seen(told, &first).is_some() && seen(told, &second).is_some()
    })?;
    let own = told["order"]["patient"].as_str().context("no person of the order")?;
    for study in [&first, &second] {
        let seen = seen(&told, study).unwrap();
        ensure!(seen["patient"] != own && seen["identity"] == "candidate", "{told:#}");
        ensure!(seen["codes"].is_null() && seen["reports"].is_null() && seen["exam"] == "", "{seen:#}");
    }
    let all = told.to_string();
    ensure!(
        !all.contains("BS. Đọc") && !all.contains("report_signed") && all.contains("report_hidden"),
        "{told:#}"
    );
    let there = seen(&told, &second).unwrap()["patient"].as_str().unwrap();
    let fields = [("say", "same_person"), ("who", "BS. Thử"), ("text", "CCCD"), ("a", own), ("b", there)];
    let alone = world.form(&order, &[HIS], &fields)?;
    ensure!(alone.status == 400 || alone.status == 403, "a machine links: {}", alone.status);
    let swapped = [("say", "same_person"), ("who", "BS. Thử"), ("text", "CCCD"), ("a", there), ("b", own)];
    ensure!(world.form(&order, &[], &swapped)?.status == 400, "the two candidates are not linked");
    let linked = world.form(&order, &[], &fields)?;
    ensure!(linked.status == 303, "{} {}", linked.status, String::from_utf8_lossy(&linked.body));
    let told = world.check(&order)?;
    ensure!(seen(&told, &second).unwrap()["identity"] == "confirmed_by_person", "{told:#}");
    ensure!(seen(&told, &first).unwrap()["identity"] == "candidate", "{told:#}");
    world.server.stop()
}

#[test]
fn what_was_withdrawn_stays_the_persons_whose_it_was() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with_file(site().file())?;
    let world = World::start(&setup)?;
    let strangers = world.head_ct("CT1", 1, &LAN, "A1")?;
    let order = world.order("01001", &CUONG, "")?;
    let clashing = world.until(&order, "a collision", |told| seen(told, &strangers).is_some())?;
    ensure!(seen(&clashing, &strangers).unwrap()["identity"] == "collision", "{clashing:#}");
    // Her own, linked over another hospital's number by a person.
    let linked = world.head_ct("CT2", 2, &Person { number: "E-7", ..LAN }, "A2")?;
    let hers = world.order("01001", &LAN, "")?;
    world.say("/api/v1/patients/links", &json!({ "a": strangers, "b": linked, "document": "CCCD" }))?;
    world.until(&hers, "the linked exam", |told| {
        seen(told, &linked).is_some_and(|seen| seen["identity"] == "confirmed_by_person")
    })?;
    for study in [&strangers, &linked] {
        world.say(
            "/api/v1/withdrawals",
            &json!({ "study": study, "reason": "wrong_patient", "why": "sai" }),
        )?;
    }
    let expected = |world: &World| -> Result<()> {
        let after = world.check(&order)?;
        ensure!(seen(&after, &strangers).is_none_or(|seen| seen["identity"] == "collision"), "{after:#}");
        ensure!(seen(&after, &strangers).is_none_or(|seen| seen["exam"] == ""), "{after:#}");
        let after = world.check(&hers)?;
        ensure!(
            seen(&after, &strangers).is_some_and(|seen| seen["identity"] == "same_hospital_number"),
            "{after:#}"
        );
        ensure!(
            seen(&after, &linked).is_some_and(|seen| seen["identity"] == "confirmed_by_person"),
            "{after:#}"
        );
        ensure!(after["decision"]["verdict"] == "not_usable", "{after:#}");
        ensure!(after["decision"]["priors"].to_string().contains("\"withdrawn\""), "{after:#}");
        Ok(())
    };
    expected(&world)?;
    world.server.stop()?;
    ensure!(setup.run(&["rebuild"])?.status.success(), "rebuild");
    let world = World::start(&setup)?;
    expected(&world)?;
    world.server.stop()
}

#[test]
fn one_exam_is_ordered_once_and_what_is_said_of_it_is_said_by_its_own() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let world = World::start(&Setup::new(folder.path()).with_file(site().file())?)?;
    let study = world.head_ct("CT1", 1, &LAN, "A1")?;
    world.say("/api/v1/reports", &report("01001", &study, "final"))?;
    let order = world.order("01001", &LAN, "NEW")?;
    let again = world.web.say("POST", "/api/v1/orders", &[DOCTOR], &ordered("01001", &LAN, "NEW"))?;
    refused(&again, 409, "accession")?;
    // A hospital that has nothing to do with the exam neither reports on it nor takes its report back.
    let told = world.settled(&order)?;
    ensure!(told["decision"]["verdict"] == "usable" || told["decision"]["verdict"] == "review", "{told:#}");
    world.say("/api/v1/reports", &report("01002", &study, "cancelled"))?;
    let foreign = world.check(&order)?;
    ensure!(foreign["decision"]["verdict"] == told["decision"]["verdict"], "{foreign:#}");
    let seen_there = seen(&foreign, &study).unwrap();
    ensure!(seen_there["second_opinions"].as_array().is_some_and(|all| all.len() == 1), "{foreign:#}");
    // Another facility's token sees neither order nor ledger, and hands nothing over.
    let list = world.web.say("GET", "/api/v1/orders", &[OTHER_HIS], &Value::Null)?;
    ensure!(good(&list, 200)? == json!([]), "orders of others");
    ensure!(
        world.web.say("GET", &format!("/api/v1/orders/{order}"), &[OTHER_HIS], &Value::Null)?.status == 404,
        "an order of others"
    );
    let hand_over = json!({ "order": order, "mode": "film", "recipient": "x" });
    let foreign = world.web.say("POST", "/api/v1/deliveries", &[OTHER_HIS, DOCTOR], &hand_over)?;
    refused(&foreign, 400, "order")?;
    // A machine alone decides nothing, on the page neither.
    let now = world.settled(&order)?;
    let verdict = now["decision"]["verdict"].as_str().unwrap().to_owned();
    let name = now["answer_version"].as_str().unwrap().to_owned();
    let fields = [
        ("say", "reuse"),
        ("answer", name.as_str()),
        ("verdict", verdict.as_str()),
        ("study", study.as_str()),
        ("reason", "other"),
        ("text", "đủ"),
    ];
    let alone = world.form(&order, &[HIS], &fields)?;
    ensure!(alone.status == 400, "a machine decides: {}", alone.status);
    let reuse = json!({
        "decision": "reuse", "order": order, "study": study, "verdict": verdict, "reasons": ["other"], "text": "đủ",
    });
    world.say("/api/v1/reuse/decisions", &reuse)?;
    let made = good(&world.web.say("POST", "/api/v1/deliveries", &[HIS, DOCTOR], &hand_over)?, 201)?;
    let path = format!("/api/v1/deliveries/{}", made["delivery"].as_str().unwrap());
    let back = json!({ "withdrawn": true });
    ensure!(world.web.say("PATCH", &path, &[OTHER_HIS, DOCTOR], &back)?.status == 404, "of others");
    // Handed over on film: nothing more is expected.
    wait_for("the entry", LIMIT, || {
        let told = good(&world.web.say("GET", "/api/v1/ledger/summary", &[HIS], &Value::Null)?, 200)?;
        Ok((told["confirmed"]["total"]["exams"] == 1 && told["estimated"]["film_vnd"] == 0).then_some(()))
    })?;
    let foreign = good(&world.web.say("GET", "/api/v1/ledger/summary", &[OTHER_HIS], &Value::Null)?, 200)?;
    ensure!(foreign["confirmed"]["total"]["exams"] == 0 && foreign["heads"] == json!([]), "{foreign:#}");
    // An order that was given up before avoids nothing.
    let given_up = world.order("01001", &LAN, "NEW-2")?;
    let cancelled = json!({ "status": "cancelled" });
    good(&world.web.say("PATCH", &format!("/api/v1/orders/{given_up}"), &[DOCTOR], &cancelled)?, 200)?;
    let mut late = reuse.clone();
    late["order"] = json!(given_up);
    refused(&world.web.say("POST", "/api/v1/reuse/decisions", &[DOCTOR], &late)?, 409, "order")?;
    repeat_needs_a_reason(&world, &study)?;
    world.server.stop()
}

/// A repeat is judged by the best prior, whichever is named.
fn repeat_needs_a_reason(world: &World, study: &str) -> Result<()> {
    let order = world.order("01001", &LAN, "NEW-3")?;
    let bad = world.head_ct("CT1", 9, &LAN, "BAD")?;
    let mark = json!({ "mark": "non_diagnostic", "reader": "BS. Đọc" });
    world.settled(&order)?;
    world.say(&format!("/api/v1/studies/{bad}/quality"), &mark)?;
    let told = world.until(&order, "two priors", |told| {
        let priors = told["decision"]["priors"].as_array().map(Vec::as_slice).unwrap_or_default();
        priors.iter().any(|prior| prior["verdict"] == "not_usable" && prior["studies"][0] == bad.as_str())
            && priors.iter().any(|prior| prior["studies"][0] == study)
    })?;
    ensure!(told["decision"]["verdict"] != "not_usable", "{told:#}");
    let mut repeat = json!({ "decision": "repeat", "order": order, "study": bad, "verdict": "not_usable" });
    refused(&world.web.say("POST", "/api/v1/reuse/decisions", &[DOCTOR], &repeat)?, 400, "reasons")?;
    repeat["reasons"] = json!(["poor_quality"]);
    let made = world.say("/api/v1/reuse/decisions", &repeat)?;
    ensure!(
        made["verdict"] == "not_usable" && made["answer_verdict"] == told["decision"]["verdict"],
        "{made:#}"
    );
    let csv =
        String::from_utf8(world.web.say("GET", "/api/v1/ledger/export.csv", &[HIS], &Value::Null)?.body)?;
    ensure!(csv.contains("repeat_despite_prior") && csv.contains(&order), "{csv}");
    Ok(())
}

#[test]
fn a_repeat_at_a_hospital_without_pictures_is_noticed_and_a_doubt_is_opened() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let world = World::start(&Setup::new(folder.path()).with_file(site().file())?)?;
    let study = world.head_ct("CT2", 1, &Person { number: "E-7", ..LAN }, "A1")?;
    world.say("/api/v1/reports", &report("01002", &study, "final"))?;
    let order = world.order("01001", &LAN, "")?;
    let told = world.until(&order, "a candidate", |told| seen(told, &study).is_some())?;
    let pair = json!({ "a": told["order"]["patient"], "b": study, "document": "CCCD" });
    world.say("/api/v1/patients/links", &pair)?;
    let told = world.settled(&order)?;
    let decide = json!({
        "decision": "reuse", "order": order, "study": study, "verdict": told["decision"]["verdict"],
        "reasons": ["other"], "text": "đủ",
    });
    world.say("/api/v1/reuse/decisions", &decide)?;
    let entries = |wanted: usize| {
        wait_for("entries", Duration::from_secs(60), || {
            let path = format!("/api/v1/ledger/entries?order={order}");
            let all = good(&world.web.say("GET", &path, &[DOCTOR], &Value::Null)?, 200)?;
            Ok(all.as_array().is_some_and(|all| all.len() == wanted).then_some(all))
        })
    };
    entries(1)?;
    // Made at the hospital that ordered and had nothing of her before.
    let today = told["decision"]["today"].as_str().context("no day")?.replace('-', "");
    let own = world.head_ct_of("CT1", (2, "OWN", &today), &LAN)?;
    let reversed = entries(2)?;
    ensure!(reversed[1]["reversal"] == "exam_performed" && reversed[1]["because"] == own, "{reversed:#}");
    // A study of nobody, linked by a person and doubted afterwards.
    let nobody =
        world.head_ct("CT1", 3, &Person { number: "V1", name: "VO DANH", birth: "", sex: "F" }, "V")?;
    world.say("/api/v1/patients/links", &json!({ "a": nobody, "b": own, "document": "CCCD" }))?;
    let other = world.order("01001", &LAN, "DOUBT")?;
    let told = world.until(&other, "the linked study of nobody", |told| {
        let listed = told["decision"]["priors"].as_array().map(Vec::as_slice).unwrap_or_default();
        listed.iter().any(|prior| prior["studies"] == json!([nobody]) && prior["confirmed"] == true)
    })?;
    let prior = told["decision"]["priors"].as_array().unwrap().iter();
    let verdict =
        prior.filter(|prior| prior["studies"] == json!([nobody])).map(|prior| &prior["verdict"]).next();
    let doubt = json!({
        "decision": "repeat", "order": other, "study": nobody, "verdict": verdict, "reasons": ["doubt_about_person"],
    });
    wait_for("the doubt", LIMIT, || {
        let made = world.web.say("POST", "/api/v1/reuse/decisions", &[DOCTOR], &doubt)?;
        Ok((made.status == 201).then_some(()))
    })?;
    world.until(&other, "a collision", |told| {
        seen(told, &nobody).is_some_and(|seen| seen["identity"] == "collision")
    })?;
    let open = good(&world.web.say("GET", "/api/v1/collisions", &[DOCTOR], &Value::Null)?, 200)?;
    ensure!(open["collisions"].to_string().contains(&nobody), "{open:#}");
    world.server.stop()
}
