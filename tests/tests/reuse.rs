//! The reuse check through a running server: exams come by C-STORE, orders and reports by HTTP, and what is offered in
//! place of an ordered exam is asked as a hospital's system asks it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use anyhow::{Result, ensure};
use fixtures::studies::Instance;
use fixtures::writer::{Attribute, Vr, keyword as k};
use serde_json::{Value, json};
use tests::exams::Exam;
use tests::http::{Http, good};
use tests::reuse::{check, settled, until};
use tests::server::{Server, Setup};
use tests::site::Site;

const WHO: (&str, &str) = ("X-Claimed-User", "BS. Lê Thị Hạnh");

/// A department whose machines count patients, another with a CT alone, and a counter of orders.
fn site() -> Site {
    let site = Site::new().examined_soon().facility_with("01001", "licensed = true");
    let site = site.facility_with("01002", "licensed = true\nmodalities = [\"CT\"]");
    site.machine("CT1", "01001").machine("CT2", "01002").machine_counting("COUNTER", "01001", "order")
}

/// A study of the demo, `days` old and more, of one woman unless the changes say otherwise.
fn study(folder: &str, seed: u64, days: i64, changes: &[(Attribute, &str)]) -> Result<Vec<Instance>> {
    let exam = Exam::of(folder, seed).days_before_today(days).person("DANG THI DUNG", "19491120", "F");
    exam.with(changes).instances()
}

fn head_ct(seed: u64, days: i64, accession: &str) -> Result<Vec<Instance>> {
    study("ct-so-nao", seed, days, &[(k::PATIENT_ID, "P-1"), (k::ACCESSION_NUMBER, accession)])
}

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

    fn say(&self, path: &str, body: &Value) -> Result<Value> {
        good(&self.web.say("POST", path, &[WHO], body)?, 201)
    }

    fn check(&self, body: &Value) -> Result<Value> {
        check(&self.web, body)
    }

    fn report(&self, study: &str, status: &str) -> Result<Value> {
        self.say(
            "/api/v1/reports",
            &json!({
                "study": study, "facility": "01001", "status": status, "reader": "BS. Trần Văn Đọc",
                "conclusion": "Không thấy xuất huyết.", "signed_at": "2026-01-02T10:00:00+07:00",
            }),
        )
    }
}

/// An order for the woman of the demo at a facility.
fn order(facility: &str, code: &str, accession: &str) -> Value {
    json!({
        "ordering_facility": facility, "accession": accession,
        "patient": { "patient_id": "P-1", "name": "Đặng Thị Dung", "birth_date": "19491120", "sex": "F" },
        "exams": [{ "code": code }],
    })
}

/// An unenhanced CT of the head.
const HEAD_CT: &str = "18.0149.0040";

fn verdict(answer: &Value) -> &str {
    answer["decision"]["verdict"].as_str().unwrap_or_default()
}

fn reasons(answer: &Value) -> Vec<String> {
    let reasons = answer["decision"]["priors"][0]["reasons"].as_array().cloned().unwrap_or_default();
    reasons.iter().filter_map(|one| one["reason"].as_str().map(str::to_owned)).collect()
}

fn has(answer: &Value, reason: &str) -> Result<()> {
    let text = answer["decision"]["priors"].to_string();
    ensure!(text.contains(&format!("\"{reason}\"")), "{reason}: {answer:#}");
    Ok(())
}

#[test]
fn a_head_ct_is_offered_after_its_report_and_not_for_other_questions() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let world = World::start(&Setup::new(folder.path()).with_file(site().file())?)?;
    let asked = order("01001", HEAD_CT, "A-2");
    let nothing = world.check(&asked)?;
    ensure!(
        nothing["decision"]["found_nothing"] == true && nothing["decision"]["verdict"] == Value::Null,
        "{nothing}"
    );
    ensure!(nothing["decision"]["archives"] == json!([{ "name": "PACS", "answered": true }]), "{nothing}");

    world.say("/api/v1/orders", &order("01001", HEAD_CT, "A-1"))?;
    let all = head_ct(21, 3, "A-1")?;
    world.server.c_store("CT1", &all)?;
    let unread = settled(&world.web, &asked)?;
    ensure!(verdict(&unread) == "review" && reasons(&unread)[0] == "report_none", "{unread:#}");
    world.report(&all[0].study, "final")?;
    let usable = world.check(&asked)?;
    ensure!(verdict(&usable) == "usable", "{usable:#}");
    for reason in [
        "identity_hospital_number",
        "covered_exactly",
        "verified",
        "original_series",
        "frames_decode",
        "not_lossy",
        "no_gaps",
        "report_signed_declared",
        "licensed",
        "no_window",
    ] {
        has(&usable, reason)?;
    }
    let first = &usable["decision"]["priors"][0];
    ensure!(first["days_ago"] == 12 && first["pictures"] == true && first["exact"] == true, "{first:#}");
    ensure!(usable["studies"][0]["reports"][0]["version"] == 1, "{usable:#}");

    // The same order under its name, and with other questions.
    let kept = world.say("/api/v1/orders", &asked)?;
    let by_name = world.check(&json!({ "order": kept["order"] }))?;
    ensure!(verdict(&by_name) == "usable" && by_name["order"]["version"] == 1, "{by_name:#}");
    let with = |name: &str, value: Value| {
        let mut asked = asked.clone();
        asked[name] = value;
        asked
    };
    let urgent = world.check(&with("urgency", json!("urgent")))?;
    ensure!(urgent["decision"]["must_ask"] == "clinical_state_changed", "{urgent:#}");
    let mut answered = with("urgency", json!("urgent"));
    answered["clinical_state_changed"] = json!(true);
    ensure!(verdict(&world.check(&answered)?) == "review", "a changed state");
    let follow_up = world.check(&with("purpose", json!("follow_up")))?;
    ensure!(verdict(&follow_up) == "not_applicable", "{follow_up:#}");
    let enhanced = world.check(&with("exams", json!([{ "code": "18.150" }])))?;
    ensure!(verdict(&enhanced) == "not_usable", "{enhanced:#}");
    let chest = world.check(&with("exams", json!([{ "code": "18.119" }])))?;
    ensure!(chest["decision"]["found_nothing"] == true, "{chest:#}");
    ensure!(chest["decision"]["other_exams"][0]["study"] == all[0].study.as_str(), "{chest:#}");

    mistakes(&world, &kept["order"])?;
    amended_marked_withdrawn(&world, &asked, &all)?;
    world.server.stop()
}

/// What is wrong with a question is named.
fn mistakes(world: &World, kept: &Value) -> Result<()> {
    for (body, field) in [
        (json!({ "order": 7 }), "order"),
        (json!({ "order": kept, "x": 1 }), "body"),
        (json!({ "order": { "exams": [] } }), "exams"),
        (json!({ "exams": [{ "code": "18.149", "side": "up" }] }), "exams.side"),
    ] {
        let refused = world.web.say("POST", "/api/v1/reuse/check", &[], &body)?;
        ensure!(refused.status == 400 && refused.json()?["field"] == field, "{body}: {refused:?}");
    }
    ensure!(
        world.web.say("POST", "/api/v1/reuse/check", &[], &json!({ "order": "no" }))?.status == 404,
        "no order"
    );
    Ok(())
}

/// What people say later about the study changes the answer at once.
fn amended_marked_withdrawn(world: &World, asked: &Value, all: &[Instance]) -> Result<()> {
    let study = &all[0].study;
    world.report(study, "amended")?;
    let amended = world.check(asked)?;
    ensure!(
        verdict(&amended) == "usable" && amended["studies"][0]["reports"][0]["version"] == 2,
        "{amended:#}"
    );
    let quality = format!("/api/v1/studies/{study}/quality");
    for (mark, expected) in [("limited", "review"), ("non_diagnostic", "not_usable"), ("adequate", "usable")]
    {
        let said = world.say(&quality, &json!({ "mark": mark, "reader": "BS. Đọc" }))?;
        ensure!(said["mark"] == mark, "{said}");
        let answer = world.check(asked)?;
        ensure!(verdict(&answer) == expected, "{mark}: {answer:#}");
    }
    let told = world.web.say("GET", &quality, &[], &Value::Null)?.json()?;
    ensure!(
        told["mark"]["mark"] == "adequate" && told["marks"].as_array().map(Vec::len) == Some(3),
        "{told}"
    );
    let refused = world.web.say("POST", &quality, &[WHO], &json!({ "mark": "nice" }))?;
    ensure!(refused.status == 400 && refused.json()?["field"] == "mark", "{refused:?}");
    world.report(study, "cancelled")?;
    let cancelled = world.check(asked)?;
    ensure!(verdict(&cancelled) == "not_usable", "{cancelled:#}");
    has(&cancelled, "report_cancelled")?;
    world.say("/api/v1/withdrawals", &json!({ "study": study, "reason": "wrong_patient" }))?;
    let withdrawn = world.check(asked)?;
    let first = &withdrawn["decision"]["priors"][0];
    ensure!(verdict(&withdrawn) == "not_usable" && first["pictures"] == false, "{withdrawn:#}");
    ensure!(reasons(&withdrawn)[0] == "withdrawn", "{withdrawn:#}");
    Ok(())
}

#[test]
fn a_gap_an_old_exam_and_the_other_side_are_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let world = World::start(&Setup::new(folder.path()).with_file(site().file())?)?;
    // Persons who have nothing in common: otherwise one would be offered as a candidate for another.
    let person = |patient: &str| match patient {
        "P-GAP" => ("LE THI HOA", "19510203"),
        "P-OLD" => ("PHAM THI SEN", "19620704"),
        "P-FEW" => ("VU THI LAN", "19730911"),
        _ => ("DO THI KHUE", "19840116"),
    };
    let of = |patient: &str, asked: Value| {
        let (mut asked, (name, born)) = (asked, person(patient));
        asked["patient"] = json!({ "patient_id": patient, "name": name, "birth_date": born, "sex": "F" });
        asked
    };
    let head = |patient: &str| of(patient, order("01001", HEAD_CT, ""));

    let changes = |patient, accession| {
        let (name, born) = person(patient);
        [
            (k::PATIENT_ID, patient),
            (k::ACCESSION_NUMBER, accession),
            (k::PATIENT_NAME, name),
            (k::PATIENT_BIRTH_DATE, born),
        ]
    };
    let mut gap = study("ct-so-nao", 31, 3, &changes("P-GAP", "G-1"))?;
    gap.remove(1);
    let old = study("ct-so-nao", 32, 500, &changes("P-OLD", "O-1"))?;
    let announced = Attribute::new(0x0020, 0x1208, Vr::Is);
    let mut few = changes("P-FEW", "F-1").to_vec();
    few.push((announced, "40"));
    let few = study("ct-so-nao", 33, 3, &few)?;
    let mut knee = changes("P-KNEE", "K-1").to_vec();
    knee.extend([
        (k::IMAGE_LATERALITY, "L"),
        (k::BODY_PART_EXAMINED, "KNEE"),
        (k::STUDY_DESCRIPTION, "XQ KHOP GOI TRAI"),
    ]);
    let knee = study("xq-nguc-truoc", 34, 3, &knee)?;
    for (patient, code, accession, all) in [
        ("P-GAP", HEAD_CT, "G-1", &gap),
        ("P-OLD", HEAD_CT, "O-1", &old),
        ("P-FEW", HEAD_CT, "F-1", &few),
        ("P-KNEE", "18.112", "K-1", &knee),
    ] {
        world.say("/api/v1/orders", &of(patient, order("01001", code, accession)))?;
        world.server.c_store("CT1", all)?;
        world.report(&all[0].study, "final")?;
    }
    for (patient, reason, expected) in [
        ("P-GAP", "slice_gaps", "review"),
        ("P-OLD", "no_window_and_old", "review"),
        ("P-FEW", "received_below_half", "not_usable"),
    ] {
        let answer = settled(&world.web, &head(patient))?;
        ensure!(verdict(&answer) == expected, "{patient}: {answer:#}");
        has(&answer, reason)?;
    }
    let knees = |side: &str| {
        let mut asked = of("P-KNEE", order("01001", "18.112", ""));
        asked["exams"][0]["side"] = json!(side);
        asked
    };
    let other = settled(&world.web, &knees("right"))?;
    ensure!(verdict(&other) == "not_usable", "{other:#}");
    has(&other, "side_differs")?;
    let same = world.check(&knees("left"))?;
    ensure!(!same["decision"]["priors"].to_string().contains("side_differs"), "{same:#}");
    world.server.stop()
}

#[test]
fn a_stranger_is_not_listed_and_a_link_counts_until_it_is_taken_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let world = World::start(&Setup::new(folder.path()).with_file(site().file())?)?;
    // A counter of orders that happens to say the same number, and the same number at another hospital.
    let counted = study(
        "ct-so-nao",
        41,
        3,
        &[(k::PATIENT_ID, "P-1"), (k::ACCESSION_NUMBER, "C-1"), (k::PATIENT_NAME, "PHAM VAN DUC")],
    )?;
    world.server.c_store("COUNTER", &counted)?;
    let elsewhere = study(
        "ct-so-nao",
        42,
        3,
        &[(k::PATIENT_ID, "E-7"), (k::ACCESSION_NUMBER, "E-1"), (k::PATIENT_NAME, "LE VAN AN")],
    )?;
    world.server.c_store("CT2", &elsewhere)?;
    let asked = order("01001", HEAD_CT, "");
    let nothing = world.check(&asked)?;
    ensure!(nothing["decision"]["found_nothing"] == true, "{nothing:#}");

    // A clash under one number: somebody has to look.
    let clash = study(
        "ct-so-nao",
        43,
        3,
        &[(k::PATIENT_ID, "P-2"), (k::PATIENT_NAME, "TRAN VAN BINH"), (k::PATIENT_SEX, "M")],
    )?;
    world.server.c_store("CT1", &clash)?;
    let mut other = asked.clone();
    other["patient"]["patient_id"] = json!("P-2");
    let collision = world.check(&other)?;
    let first = &collision["decision"]["priors"][0];
    ensure!(verdict(&collision) == "not_usable" && first["pictures"] == false, "{collision:#}");
    has(&collision, "identity_collision")?;
    ensure!(collision["studies"][0]["exam"] == "", "a stranger's exam is told: {collision:#}");

    let own = head_ct(44, 3, "A-1")?;
    world.server.c_store("CT1", &own)?;
    let (a, b) = (&own[0].study, &elsewhere[0].study);
    let linked = world.say("/api/v1/patients/links", &json!({ "a": a, "b": b, "document": "CCCD" }))?;
    let both = world.check(&asked)?;
    let names: Vec<&str> =
        both["studies"].as_array().unwrap().iter().filter_map(|it| it["study"].as_str()).collect();
    ensure!(names.contains(&a.as_str()) && names.contains(&b.as_str()), "{both:#}");
    has(&both, "identity_confirmed")?;
    world
        .say("/api/v1/patients/unlinks", &json!({ "a": linked["a"], "b": linked["b"], "why": "mixed up" }))?;
    let one = world.check(&asked)?;
    ensure!(!one.to_string().contains(b.as_str()), "an unlinked person's study is listed: {one:#}");
    world.server.stop()
}

#[test]
fn a_damaged_study_is_not_usable() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with_file(site().file())?;
    let world = World::start(&setup)?;
    world.say("/api/v1/orders", &order("01001", HEAD_CT, "A-1"))?;
    let all = head_ct(51, 3, "A-1")?;
    world.server.c_store("CT1", &all)?;
    world.report(&all[0].study, "final")?;
    world.server.stop()?;
    damage(&setup.data_dir().join("packs"), &all[1].data_set)?;
    let world = World::start(&setup)?;
    let asked = order("01001", HEAD_CT, "");
    let answer = until(&world.web, &asked, "a hash that does not agree", |answer| {
        answer["decision"]["priors"].to_string().contains("hash_mismatch")
    })?;
    ensure!(verdict(&answer) == "not_usable", "{answer:#}");
    world.server.stop()
}

/// Turns a byte of the last pixels of a data set where it stands in a pack.
fn damage(packs: &std::path::Path, data_set: &[u8]) -> Result<()> {
    let needle = &data_set[data_set.len() - 600..data_set.len() - 500];
    for entry in std::fs::read_dir(packs)? {
        let path = entry?.path();
        let mut bytes = std::fs::read(&path)?;
        if let Some(at) = bytes.windows(needle.len()).position(|window| window == needle) {
            bytes[at + 50] ^= 0x55;
            return Ok(std::fs::write(&path, bytes)?);
        }
    }
    anyhow::bail!("the pixels are in no pack")
}
