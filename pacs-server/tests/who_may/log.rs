//! Who looked at what, told by the log; documents by cookie.

use fixtures::studies::{Instance, Options, Scale, demo};
use serde_json::Value;

use super::site::{PASSWORD, Site};

const CT_IMAGE: &str = "1.2.840.10008.5.1.4.1.1.2";
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

/// A site with a document and an image, a doctor who looked at both, and an auditor.
struct Looked {
    site: Site,
    doctor: String,
    auditor: String,
    /// Study of the image.
    study: String,
}

impl Looked {
    fn at_both() -> Looked {
        let site = Site::new().start();
        let all: Vec<Instance> = demo(Options::new(1, Scale::Small)).collect();
        let pdf = &longer(all.iter().find(|instance| instance.sop_class == ENCAPSULATED_PDF).unwrap());
        let image = all.iter().find(|one| one.sop_class == CT_IMAGE && one.study != pdf.study).unwrap();
        for instance in [pdf, image] {
            assert_eq!(site.stow("", &instance.file()).status, 200);
        }
        site.add("an", "doctor");
        site.add("kim", "auditor");
        let doctor = site.sign_in("an");
        let rendered = format!("{}/rendered", path(pdf));
        let answer = site.get(&rendered, &format!("Cookie: {doctor}\r\nAccept: application/pdf\r\n"));
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/pdf"), "{answer:?}");
        assert!(answer.body.starts_with(b"%PDF"));
        assert_eq!(site.get(&rendered, "Accept: application/pdf\r\n").status, 401);

        let by_cookie = format!("Cookie: {doctor}\r\nAccept: */*\r\n");
        let frame = format!("{}/frames/1", path(image));
        for _ in 0..20 {
            assert_eq!(site.get(&frame, &by_cookie).status, 200);
        }
        let study = image.study.clone();
        assert_eq!(site.get(&format!("/dicom-web/studies/{study}/metadata"), &by_cookie).status, 200);
        assert_eq!(site.get(&format!("/dicom-web/studies/{study}/series"), &by_cookie).status, 200);
        assert_eq!(site.get("/dicom-web/studies/1.2.3/metadata", &by_cookie).status, 404);
        assert_eq!(site.page(&format!("/studies/{study}"), &doctor).status, 200);
        let auditor = site.sign_in("kim");
        Looked { site, doctor, auditor, study }
    }

    /// The answer to a question to the log.
    fn answer(&self, query: &str) -> Value {
        let answer =
            self.site.get(&format!("/api/v1/views?{query}"), &format!("Cookie: {}\r\n", self.auditor));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    fn told(&self, query: &str) -> Vec<Value> {
        self.answer(query)["views"].as_array().unwrap().clone()
    }
}

#[test]
fn a_document_opens_by_cookie_and_every_view_is_told_once() {
    let looked = Looked::at_both();
    let (site, study) = (&looked.site, &looked.study);
    let of_image = site.until("the last view", || {
        let rows = looked.told(&format!("study={study}&who=AN"));
        rows.iter().any(|row| row["what"] == "page").then_some(rows)
    });
    let kinds: Vec<&str> = of_image.iter().map(|row| row["what"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["page", "metadata", "frames"], "newest first, a frame that was taken 20 times once");
    for row in &of_image {
        let told = ["who", "kind", "from"].map(|name| row[name].as_str().unwrap());
        assert_eq!(told, ["an", "person", "127.0.0.1"]);
        assert!(row["at_ms"].as_i64().unwrap() > 1_700_000_000_000);
    }
    assert!(looked.told("study=1.2.3").is_empty(), "what was not there was not seen");
    assert!(looked.told("from=2000-01-01&to=2000-12-31").is_empty());
    let first = looked.answer("limit=1");
    let second = looked.answer(&format!("limit=1&before={}", first["next"].as_str().unwrap()));
    assert_eq!(
        (&first["views"][0]["what"], &second["views"][0]["what"]),
        (&"page".into(), &"metadata".into())
    );
    assert_eq!(looked.told("").len(), 4, "and the document");

    let by_auditor = format!("Cookie: {}\r\n", looked.auditor);
    let csv = site.get(&format!("/api/v1/views.csv?study={study}"), &by_auditor);
    assert_eq!(csv.text().lines().count(), 1 + of_image.len(), "{}", csv.text());
    let page = site.page("/log", &looked.auditor);
    assert!(page.status == 200 && page.text().contains(study), "{}", page.text());
    assert_eq!(site.page("/log", &looked.doctor).status, 403);

    let mut text = site.log();
    for file in std::fs::read_dir(site.dir.path().join("data/log")).unwrap() {
        text.push_str(&std::fs::read_to_string(file.unwrap().path()).unwrap());
    }
    assert!(text.contains(study));
    for word in ["NGUYỄN", "Nguyễn", "TRẦN", "PatientName", PASSWORD] {
        assert!(!text.contains(word), "{word} in a log");
    }
}
