//! What people do on the pages, through the requests that the pages make and a real sender: allowing an unknown machine,
//! importing a folder and zip archives, noting a backup.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fixtures::many::{Address, instance};
use fixtures::studies::Instance;
use serde_json::{Value, json};
use tests::dimse::{Association, Reply, contexts_for};
use tests::http::{Answer, Http};
use tests::server::{Server, Setup};
use tests::wait_for;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const JSON: &str = "Content-Type: application/json";
const PATIENCE: Duration = Duration::from_secs(20);

const KNOWN: &str = "[dimse]\naccept = \"known\"\n[[facility]]\ncode = \"01001\"\n";

/// Whether a C-STORE as `calling` succeeds; false where the association is rejected.
fn stores(at: SocketAddr, calling: &str, called: &str, one: &Instance) -> Result<bool> {
    let contexts = contexts_for([one]);
    match Association::request(at, calling, called, &contexts)? {
        Reply::Rejected(_) => Ok(false),
        Reply::Accepted(mut association) => {
            let response = association.store(&contexts, one)?;
            association.release()?;
            ensure!(response.status == 0, "{response:?}");
            Ok(true)
        }
    }
}

/// Waits until `ae_title` stands in the list of unknown callers.
fn listed(web: &mut Http, ae_title: &str) -> Result<Value> {
    wait_for("an unknown caller", PATIENCE, || {
        let list = web.json("/api/v1/peers/unknown")?;
        let rows = list.as_array().context("no list")?;
        Ok(rows.iter().find(|row| row["ae_title"] == ae_title).cloned())
    })
}

#[test]
fn an_unknown_machine_is_allowed_by_one_click_and_forgotten_by_another() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with_file(KNOWN)?;
    let server = setup.start()?;
    let all: Vec<Instance> =
        (0..4).map(|study| instance(31, Address { study, ..Address::default() }, 3000)).collect();
    let at = server.dimse[0];
    ensure!(!stores(at, "CT <1>'\"&", "PACS", &all[0])?, "an unknown machine was let in");
    ensure!(!stores(at, "MR1", "PASC", &all[0])?, "an unknown machine was let in");
    let mut web = server.web();
    let row = listed(&mut web, "CT <1>'\"&")?;
    ensure!(row["called_is_ours"] == true && row["count"] == 1 && row["address"] == "127.0.0.1", "{row}");
    ensure!(listed(&mut web, "MR1")?["called_is_ours"] == false, "a wrong title");
    let page = String::from_utf8(web.get("/state")?.body)?;
    ensure!(page.contains("value=\"CT &lt;1&gt;&#39;&quot;&amp;\"") && !page.contains("CT <1>"), "{page}");
    ensure!(page.contains("Gọi sai tên; trên máy hãy đặt AE đích là PACS"), "{page}");

    // The button of the page.
    let form =
        b"ae_title=CT+%3C1%3E%27%22%26&address=127.0.0.1&name=M%C3%A1y+CT&facility=01001&patient_id_is=order";
    let foreign = web.send("POST", "/api/v1/peers", &[FORM, "Origin: http://evil.example"], form)?;
    ensure!(foreign.status == 403, "a foreign page may allow machines: {}", foreign.status);
    let clicked =
        web.send("POST", "/api/v1/peers", &[FORM, &format!("Origin: http://{}", server.http)], form)?;
    ensure!(clicked.status == 303 && clicked.header("location") == Some("/state#machines"), "{clicked:?}");
    ensure!(stores(at, "CT <1>'\"&", "PACS", &all[0])?, "allowed, and refused all the same");
    ensure!(!stores(at, "CT <1>'\"&", "PASC", &all[0])?, "the called title counts still");
    ensure!(web.instance(&all[0])? == all[0].data_set, "altered");
    let page = String::from_utf8(web.get("/state")?.body)?;
    ensure!(page.contains("Máy CT") && page.contains("action=\"/api/v1/peers/forget\""), "{page}");
    server.stop()?;

    let server = setup.start()?;
    let (at, mut web) = (server.dimse[0], server.web());
    ensure!(stores(at, "CT <1>'\"&", "PACS", &all[1])?, "a restart forgets");
    let list = web.json("/api/v1/peers/allowed")?;
    ensure!(list[0]["facility"] == "01001" && list[0]["patient_id_is"] == "order", "{list}");
    let gone =
        web.send("DELETE", "/api/v1/peers?ae_title=CT+%3C1%3E%27%22%26&address=127.0.0.1", &[], b"")?;
    ensure!(gone.status == 204, "{gone:?}");
    ensure!(!stores(at, "CT <1>'\"&", "PACS", &all[2])?, "forgotten, and let in all the same");
    let again =
        web.send("DELETE", "/api/v1/peers?ae_title=CT+%3C1%3E%27%22%26&address=127.0.0.1", &[], b"")?;
    ensure!(again.status == 404, "{again:?}");
    server.stop()
}

#[test]
fn what_is_no_machine_is_not_allowed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Setup::new(folder.path()).with_file(KNOWN)?.start()?;
    let web = server.web();
    let allow = |body: Value| web.send("POST", "/api/v1/peers", &[JSON], body.to_string().as_bytes());
    for (wrong, field) in [
        (json!({ "ae_title": "A\\B", "address": "192.0.2.7" }), "ae_title"),
        (json!({ "ae_title": "CT1", "address": "anywhere" }), "address"),
        (json!({ "ae_title": "CT1", "address": "0.0.0.0/0" }), "address"),
        (json!({ "ae_title": "CT1", "address": "192.0.2.7", "facility": "99999" }), "facility"),
        (json!({ "ae_title": "CT1", "address": "192.0.2.7", "patient_id_is": "x" }), "patient_id_is"),
        (json!({ "ae_title": "CT1", "address": "192.0.2.7", "name": "a\u{1}" }), "name"),
        (json!({ "ae_title": "CT1", "address": "192.0.2.7", "evil": 1 }), "body"),
    ] {
        let answer = allow(wrong.clone())?;
        ensure!(answer.status == 400 && answer.json()?["field"] == field, "{wrong}: {answer:?}");
    }
    let answer = allow(json!({ "ae_title": "CT1", "address": "192.0.2.0/24" }))?;
    ensure!(answer.status == 201 && answer.json()?["patient_id_is"] == "patient", "{answer:?}");
    server.stop()
}

/// An import over HTTP as the page does it.
struct Import<'a> {
    server: &'a Server,
    href: String,
}

impl Import<'_> {
    fn begin(server: &Server, body: Value) -> Result<Import<'_>> {
        let answer = server.web().send("POST", "/api/v1/imports", &[JSON], body.to_string().as_bytes())?;
        ensure!(answer.status == 201, "{answer:?}");
        let href = answer.json()?["href"].as_str().context("no address")?.to_owned();
        Ok(Import { server, href })
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Result<Answer> {
        self.server.web().send("PUT", &format!("{}/files?path={path}", self.href), &[], bytes)
    }

    /// Ends it and waits until all was read; its counts: stored, duplicates, not DICOM, refused.
    fn end(&self) -> Result<(Value, [u64; 4])> {
        let ended = self.server.web().send("POST", &format!("{}/end", self.href), &[], b"")?;
        ensure!(ended.status == 200, "{ended:?}");
        let mut web = self.server.web();
        let status = wait_for("the end of an import", PATIENCE, || {
            let status = web.json(&self.href)?;
            Ok((status["state"] == "ended").then_some(status))
        })?;
        let counts =
            ["stored", "duplicates", "not_dicom", "refused"].map(|name| status[name].as_u64().unwrap());
        Ok((status, counts))
    }
}

fn some(seed: u64, count: u64) -> Vec<Instance> {
    (0..count).map(|study| instance(seed, Address { study, ..Address::default() }, 3000)).collect()
}

#[test]
fn a_folder_comes_in_file_by_file_and_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with_file(KNOWN)?;
    let server = setup.start()?;
    let all = some(32, 12);
    for round in [[12, 0, 2, 1], [0, 12, 2, 1]] {
        let options = json!({ "facility": "01001", "issuer": "BV", "source": "disc of 01001" });
        let import = Import::begin(&server, options)?;
        for (n, one) in all.iter().enumerate() {
            let file = one.file();
            // Also without the head of a file, which needs a second look.
            let bytes = if n == 3 { &one.data_set } else { &file };
            let answer = import.put(&format!("DICOM/IM{n}"), bytes)?;
            let want = if round[0] > 0 { "stored" } else { "duplicate" };
            ensure!(answer.status == 200 && answer.json()?["outcome"] == want, "{n}: {answer:?}");
        }
        let cut = all[0].file();
        let refused = import.put("cut.dcm", &cut[..cut.len() - 100])?;
        ensure!(refused.json()?["outcome"] == "refused", "{refused:?}");
        for (path, bytes) in [("letter.txt", &b"Ch\xc3\xa0o"[..]), ("video.bin", &vec![7; 3 << 20])] {
            let answer = import.put(path, bytes)?;
            ensure!(answer.status == 200 && answer.json()?["outcome"] == "not_dicom", "{answer:?}");
        }
        let (status, counts) = import.end()?;
        ensure!(counts == round, "{status}");
        ensure!(import.put("late.dcm", &cut)?.status == 409, "a file after the end");
        let csv = String::from_utf8(server.web().get(&format!("{}/report.csv", import.href))?.body)?;
        ensure!(
            csv.contains(&format!("\"stored\",\"\",\"{}\",\"\"", round[0])) && csv.contains("cut.dcm"),
            "{csv}"
        );
    }
    let mut web = server.web();
    for one in &all {
        ensure!(web.instance(one)? == one.data_set, "{} is altered", one.path);
    }
    // A sender that hangs up midway leaves nothing, and may send again.
    let import = Import::begin(&server, json!({}))?;
    let more = instance(33, Address::default(), 3000).file();
    let mut stream = server.web().connect()?;
    let head = format!(
        "PUT {}/files?path=a HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
        import.href,
        server.http,
        more.len()
    );
    use std::io::Write;
    stream.write_all(head.as_bytes())?;
    stream.write_all(&more[..more.len() - 10])?;
    drop(stream);
    ensure!(import.put("a", &more)?.json()?["outcome"] == "stored", "not stored the second time");
    ensure!(import.end()?.1 == [1, 0, 0, 0], "what was cut off is counted");
    let unknown = server.web().send("PUT", "/api/v1/imports/0123/files?path=a", &[], &more)?;
    ensure!(
        unknown.status == 404 && unknown.json()?["title"].as_str().unwrap().contains("begin another"),
        "{unknown:?}"
    );
    let wrong = server.web().send("POST", "/api/v1/imports", &[JSON], br#"{"facility":"99999"}"#)?;
    ensure!(wrong.status == 400, "{wrong:?}");
    server.stop()
}

/// Makes zip archives out of the files of a folder, as strangers make them.
const MAKE: &str = r#"
import os, struct, sys, zipfile
files, out = sys.argv[1], sys.argv[2]
names = sorted(os.listdir(files))
def make(name, add, how=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(os.path.join(out, name), "w", how) as z:
        add(z)
def all_files(z, where="disc/"):
    for n in names:
        z.write(os.path.join(files, n), where + n)
make("good.zip", all_files)
make("stored.zip", all_files, zipfile.ZIP_STORED)
def traversal(z):
    z.writestr("../../../../tmp/evil.dcm", open(os.path.join(files, names[0]), "rb").read())
    z.writestr("/etc/passwd", "root")
    z.writestr("C:\\\\windows\\\\x", "x")
    z.writestr("a/", "")
    z.writestr("b\x1b[2J\u202e=cmd", "x")
make("traversal.zip", traversal)
def nested(z):
    z.write(os.path.join(out, "good.zip"), "inner.zip")
    all_files(z)
make("nested.zip", nested)
make("bzip2.zip", all_files, zipfile.ZIP_BZIP2)
whole = open(os.path.join(out, "good.zip"), "rb").read()
open(os.path.join(out, "cut.zip"), "wb").write(whole[:len(whole) * 2 // 3])
locked = bytearray(whole)
at = -1
for sign, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
    at = locked.find(sign)
    while at >= 0:
        locked[at + flags] |= 1
        at = locked.find(sign, at + 4)
open(os.path.join(out, "locked.zip"), "wb").write(locked)
def bomb(z):
    head = open(os.path.join(files, names[0]), "rb").read()
    at = head.rfind(b"\xe0\x7f\x10\x00")
    explicit = head[at + 4:at + 6] in (b"OW", b"OB")
    with z.open("bomb.dcm", "w", force_zip64=True) as f:
        # An image whose pixels are 1 GB of zero.
        f.write(head[:at + (8 if explicit else 4)] + struct.pack("<I", 1 << 30))
        for _ in range(1 << 10):
            f.write(bytes(1 << 20))
make("bomb.zip", bomb)
"#;

fn zips(folder: &Path, all: &[Instance]) -> Result<PathBuf> {
    let (files, out) = (folder.join("files"), folder.join("zips"));
    std::fs::create_dir_all(&files)?;
    std::fs::create_dir_all(&out)?;
    for (n, one) in all.iter().enumerate() {
        std::fs::write(files.join(format!("{n:03}")), one.file())?;
    }
    std::fs::write(files.join("readme.txt"), "not an image")?;
    let made = Command::new("python3").arg("-c").arg(MAKE).arg(&files).arg(&out).output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Ok(out)
}

#[test]
fn zip_archives_are_opened_and_hostile_ones_hurt_nobody() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let all = some(34, 10);
    let zips = zips(folder.path(), &all)?;
    let setup = Setup::new(folder.path());
    let server = setup.start()?;
    // Stored, duplicates, not DICOM, refused; and a word of the reason.
    let cases: [(&str, [u64; 4], &str); 8] = [
        ("bomb.zip", [0, 0, 0, 1], "more than is allowed"),
        ("cut.zip", [0, 0, 0, 1], "was cut"),
        ("locked.zip", [0, 0, 0, 11], "encrypted"),
        ("bzip2.zip", [0, 0, 0, 11], "method 12"),
        ("traversal.zip", [1, 0, 3, 0], ""),
        ("nested.zip", [9, 1, 1, 1], "within a zip archive"),
        ("good.zip", [0, 10, 1, 0], ""),
        ("stored.zip", [0, 10, 1, 0], ""),
    ];
    for (name, want, why) in cases {
        let import = Import::begin(&server, json!({}))?;
        let answer = import.put(name, &std::fs::read(zips.join(name))?)?;
        ensure!(answer.status == 202 && answer.json()?["outcome"] == "zip", "{name}: {answer:?}");
        let (status, counts) = import.end()?;
        ensure!(counts == want, "{name}: {status:#}");
        ensure!(status["refusals"].to_string().contains(why), "{name}: {status:#}");
    }
    let mut web = server.web();
    ensure!(web.count()? == 10, "{}", web.count()?);
    for one in &all {
        ensure!(web.instance(one)? == one.data_set, "{} is altered", one.path);
    }
    ensure!(!Path::new("/tmp/evil.dcm").exists(), "a name of an archive was written to");
    let left = std::fs::read_dir(setup.data_dir().join("import"))?.count();
    ensure!(left == 0, "{left} files are left of archives");
    ensure!(server.memory_kib("VmHWM")? < 400 * 1024, "{} KiB", server.memory_kib("VmHWM")?);
    server.stop()
}

#[test]
fn a_backup_is_noted_by_page_and_by_command() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path());
    let server = setup.start()?;
    let mut web = server.web();
    let page = |web: &mut Http| Ok::<_, anyhow::Error>(String::from_utf8(web.get("/state")?.body)?);
    ensure!(page(&mut web)?.contains("Chưa ghi nhận lần sao lưu nào"), "a backup was noted");
    ensure!(web.json("/api/v1/state")?["last_backup_ms"].is_null(), "a backup was noted");
    let noted = web.send("POST", "/api/v1/backups", &[FORM], b"label=USB+%3Cb%3E")?;
    ensure!(noted.status == 303, "{noted:?}");
    let shown = page(&mut web)?;
    ensure!(shown.contains("Lần sao lưu gần nhất: vừa xong") && shown.contains("USB &lt;b&gt;"), "{shown}");
    let command = setup.run(&["backup-noted", "--label", "tape 7"])?;
    ensure!(command.status.success(), "{}", String::from_utf8_lossy(&command.stderr));
    ensure!(web.json("/api/v1/backups")?[0]["label"] == "tape 7", "the command is not heard");
    server.stop()?;
    ensure!(setup.run(&["backup-noted"])?.status.success(), "not without a server");
    let server = setup.start()?;
    let notes = server.web().json("/api/v1/backups")?;
    ensure!(notes.as_array().is_some_and(|all| all.len() == 3), "{notes}");
    server.stop()
}
