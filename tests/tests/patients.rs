//! Who is one person, through a running server: automatic links, candidates with the document that was seen, partings,
//! collisions and doubts, each at once in searches, below the viewer's root and after the index was made again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use anyhow::{Context as _, Result, ensure};
use fixtures::studies::Instance;
use fixtures::writer::{DataSet, keyword as k};
use serde_json::json;
use tests::exams::image_of;
use tests::http::good;
use tests::server::Setup;
use tests::site::Site;
use tests::viewing::{key, page, priors};

const WHO: (&str, &str) = ("X-Claimed-User", "BS. Nga");
/// A made-up woman born on 17 March 1985.
const NUMBER: &str = "001185012345";

/// Two hospitals that write personal numbers as PatientID.
fn site() -> Site {
    let numbers = "personal_number_in = [\"patient_id\"]";
    let site = Site::new().facility_with("01001", numbers).facility_with("01002", numbers);
    site.machine("CT1", "01001").machine("CT2", "01002")
}

fn of(study: u64, patient_id: &str, name: &str, birth_date: &str) -> Result<Instance> {
    image_of(77, study, (patient_id, name, birth_date, "F"))
}

fn sorted(studies: &[&Instance]) -> Vec<String> {
    let mut all: Vec<String> = studies.iter().map(|one| one.study.clone()).collect();
    all.sort();
    all
}

#[test]
fn people_are_linked_offered_parted_and_doubted_at_once_everywhere() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with_file(site().file())?;
    let mut server = setup.start()?;
    let mut web = server.web();
    let here = of(1, NUMBER, "NGUYEN^THI AN", "19850317")?;
    let there = of(2, NUMBER, "Nguyen Thi An", "19850317")?;
    let perhaps = of(3, "Q9", "AN NGUYEN THI", "19850317")?;
    let stranger = of(4, "Q9", "LE THI HOA", "19700203")?;
    for (calling, one) in [("CT1", &here), ("CT2", &there), ("CT2", &perhaps), ("CT2", &stranger)] {
        server.c_store(calling, [one])?;
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
            server = server.made_again()?;
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

#[test]
fn the_page_compares_people_by_the_rules_of_the_site() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let policy = "[[version]]\nid = \"site\"\nfrom = \"2026-01-01\"\nsource = \"made up\"\n\
        [version.identity]\nguardian_years = 5\n";
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data)?;
    std::fs::write(data.join("policy.toml"), policy)?;
    let site = Site::new().facility("01001").machine("CT1", "01001");
    let site = site.and("[reuse]\npolicy = \"policy.toml\"\n");
    let server = Setup::new(folder.path()).with_file(site.file())?.start()?;
    let mut web = server.web();
    // A girl of 2015 with a number of somebody born ten years before her, and with one of her own year.
    let of = |study: u64, patient_id: &str, number: &str| {
        let mut made = image_of(78, study, (patient_id, "TRAN THI MAI", "20150610", "F"))?;
        let item = DataSet::new().with(k::PATIENT_ID, number).with(k::TYPE_OF_PATIENT_ID, "CCCD");
        let numbers = DataSet::new().with(k::OTHER_PATIENT_IDS_SEQUENCE, item).encode(made.syntax);
        // It stands before the identifiers of study and series.
        let behind = *b"\x20\x00\x0d\x00UI";
        let at = made.data_set.windows(behind.len()).position(|window| window == behind);
        let at = at.context("no Study Instance UID")?;
        made.data_set.splice(at..at, numbers);
        Ok::<Instance, anyhow::Error>(made)
    };
    let (one, other) = (of(1, "M-1", "001305012345")?, of(2, "M-2", "001315054321")?);
    server.c_store("CT1", [&one, &other])?;
    let pair = json!({ "a": one.study, "b": other.study, "document": "CCCD" });
    good(&web.say("POST", "/api/v1/patients/links", &[WHO], &pair)?, 201)?;
    let shown = page(&mut web, &format!("/studies/{}/person", one.study))?;
    ensure!(shown.contains("001") && shown.contains("value=\"other\""), "the other is not shown: {shown}");
    // By the rules of this site the first is a guardian's number, and says nothing against the second.
    ensure!(!shown.contains('≠'), "{shown}");
    server.stop()
}
