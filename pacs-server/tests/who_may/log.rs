//! Who looked at what, told by the log; documents by cookie.

use fixtures::studies::{Instance, Options, Scale, demo};

use super::site::{PASSWORD, Site};

const ENCAPSULATED_PDF: &str = "1.2.840.10008.5.1.4.1.1.104.1";

/// The same document, of the size that printed reports have: bytes behind the end of a PDF mean nothing.
fn longer(pdf: &Instance) -> Instance {
    const TAG: [u8; 8] = [0x42, 0, 0x11, 0, b'O', b'B', 0, 0];
    let mut longer = pdf.clone();
    let set = &mut longer.data_set;
    let at = set.windows(8).position(|eight| eight == TAG).unwrap() + 8;
    let length = u32::from_le_bytes(set[at..at + 4].try_into().unwrap());
    let end = at + 4 + length as usize;
    set.splice(end..end, std::iter::repeat_n(b'\n', 8192));
    set[at..at + 4].copy_from_slice(&(length + 8192).to_le_bytes());
    longer
}

fn path(of: &Instance) -> String {
    let (study, series, sop) = (&of.study, &of.series, &of.sop_instance);
    format!("/dicom-web/studies/{study}/series/{series}/instances/{sop}")
}

#[test]
fn a_document_opens_by_cookie_and_every_view_is_told_once() {
    let site = Site::new().start();
    let all: Vec<Instance> = demo(Options::new(1, Scale::Small)).collect();
    let pdf = &longer(all.iter().find(|instance| instance.sop_class == ENCAPSULATED_PDF).unwrap());
    let image = all.iter().find(|instance| instance.sop_class.ends_with(".1.1.2")).unwrap();
    for instance in [pdf, image] {
        assert_eq!(site.stow("", &instance.file()).status, 200);
    }
    site.add("an", "doctor");
    site.add("kim", "auditor");
    let cookie = site.sign_in("an");
    let head = format!("Cookie: {cookie}\r\nAccept: application/pdf\r\n");
    let rendered = site.get(&format!("{}/rendered", path(pdf)), &head);
    assert_eq!(
        (rendered.status, rendered.header("content-type")),
        (200, "application/pdf"),
        "{}",
        rendered.text()
    );
    assert!(rendered.body.starts_with(b"%PDF"));
    let nobody = site.get(&format!("{}/rendered", path(pdf)), "Accept: application/pdf\r\n");
    assert_eq!(nobody.status, 401);

    let by_cookie = format!("Cookie: {cookie}\r\nAccept: */*\r\n");
    for _ in 0..20 {
        assert_eq!(site.get(&format!("{}/frames/1", path(image)), &by_cookie).status, 200);
    }
    let study = &image.study;
    assert_eq!(site.get(&format!("/dicom-web/studies/{study}/metadata"), &by_cookie).status, 200);
    assert_eq!(site.get(&format!("/dicom-web/studies/{study}/series"), &by_cookie).status, 200);
    assert_eq!(site.page(&format!("/studies/{study}"), &cookie).status, 200);
    assert_eq!(site.get("/dicom-web/studies/1.2.3/metadata", &by_cookie).status, 404);

    let auditor = site.sign_in("kim");
    let by_auditor = format!("Cookie: {auditor}\r\n");
    let told = |query: &str| {
        let answer = site.get(&format!("/api/v1/views?{query}"), &by_auditor);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let list = answer.json();
        let rows = list["views"].as_array().unwrap();
        rows.iter().map(|row| (row["what"].as_str().unwrap().to_owned(), row.clone())).collect::<Vec<_>>()
    };
    let of_image = site.until("three views", || {
        let rows = told(&format!("study={study}&who=AN"));
        (rows.iter().any(|(what, _)| what == "page")).then_some(rows)
    });
    let mut kinds: Vec<&str> = of_image.iter().map(|(what, _)| what.as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        if pdf.study == *study {
            vec!["frames", "metadata", "page", "rendered"]
        } else {
            vec!["frames", "metadata", "page"]
        }
    );
    for (_, row) in &of_image {
        assert_eq!(
            (&row["who"], &row["kind"], &row["from"]),
            (&"an".into(), &"person".into(), &"127.0.0.1".into())
        );
        assert!(row["at_ms"].as_i64().unwrap() > 1_700_000_000_000);
    }
    assert!(told("study=1.2.3").is_empty(), "what was not there was not seen");
    assert!(told("from=2000-01-01&to=2000-12-31").is_empty());
    let first = site.get("/api/v1/views?limit=1", &by_auditor).json();
    let next = first["next"].as_str().unwrap();
    let second = site.get(&format!("/api/v1/views?limit=1&before={next}"), &by_auditor).json();
    assert_ne!(first["views"], second["views"]);

    let csv = site.get(&format!("/api/v1/views.csv?study={study}"), &by_auditor);
    assert_eq!(csv.text().lines().count(), 1 + of_image.len(), "{}", csv.text());
    let page = site.page("/log", &auditor);
    assert!(page.status == 200 && page.text().contains(study), "{}", page.text());
    assert_eq!(site.page("/log", &cookie).status, 403);

    let folder = site.dir.path().join("data/log");
    let mut text = site.log();
    for file in std::fs::read_dir(folder).unwrap() {
        text.push_str(&std::fs::read_to_string(file.unwrap().path()).unwrap());
    }
    for word in ["NGUYỄN", "Nguyễn", "TRẦN", "PatientName", PASSWORD] {
        assert!(!text.contains(word), "{word} in a log");
    }
}
