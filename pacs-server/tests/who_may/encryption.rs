//! TLS by certificate files, and what has to hold before HTTP is reached from elsewhere.

use std::io::Read;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::site::{PASSWORD, Site};

fn certificate(site: &Site, name: &str) -> [PathBuf; 2] {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = ["pem", "key"].map(|ending| site.dir.path().join(format!("{name}.{ending}")));
    std::fs::write(&files[0], made.cert.pem()).unwrap();
    std::fs::write(&files[1], made.signing_key.serialize_pem()).unwrap();
    files
}

fn encrypted(site: Site, files: &[PathBuf; 2]) -> Site {
    site.with("HTTP__TLS_CERTIFICATE", &files[0].display().to_string())
        .with("HTTP__TLS_KEY", &files[1].display().to_string())
}

#[test]
fn http_is_encrypted_and_the_certificate_may_change() {
    let site = Site::new();
    let (one, other) = (certificate(&site, "one"), certificate(&site, "other"));
    let site =
        encrypted(site, &one).with("HTTP__LIMITS__HEADER_SECONDS", "1").with("HTTP__LISTEN", "0.0.0.0:0");
    site.add("an", "administrator");
    let mut site = site.start();
    assert!(site.said.contains("https://"), "{}", site.said);
    site.trust(&one[0]);
    assert_eq!(site.get("/healthz", "").status, 200);
    let answer = site.try_sign_in("an", PASSWORD);
    assert!(answer.header("set-cookie").starts_with("__Host-session="), "{answer:?}");
    assert!(answer.header("set-cookie").ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{answer:?}");
    assert_eq!(site.page("/", &answer.cookie()).status, 200);

    // Plain HTTP is not answered, and silence is given up.
    let tls = site.tls.take();
    assert!(site.try_ask("GET /healthz", "", b"").is_err());
    let mut silent = TcpStream::connect(site.address).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let began = Instant::now();
    assert_eq!(silent.read(&mut [0; 16]).unwrap_or(0), 0, "a handshake that does not begin is given up");
    assert!(began.elapsed() < Duration::from_secs(15));
    site.tls = tls;

    // A session goes on under another certificate.
    std::fs::copy(&other[0], &one[0]).unwrap();
    std::fs::copy(&other[1], &one[1]).unwrap();
    kill_process(Pid::from_raw(i32::try_from(site.pid()).unwrap()).unwrap(), Signal::HUP).unwrap();
    site.until("the new certificate", || site.try_ask("GET /healthz", "", b"").err());
    site.trust(&other[0]);
    assert_eq!(site.page("/", &answer.cookie()).status, 200);
}

#[test]
fn beyond_loopback_nothing_is_open_by_accident() {
    let said = |site: &Site| {
        let said = site.refused(&["serve"]);
        assert_eq!(site.refused(&["check-config"]), said, "check-config says the same");
        said
    };
    let site = Site::new().with("HTTP__LISTEN", "0.0.0.0:0");
    let plain = said(&site);
    assert!(plain.contains("http.tls_certificate") && plain.contains("unencrypted_non_loopback"), "{plain}");
    let files = certificate(&site, "one");
    let site = encrypted(site, &files);
    let nobody = said(&site);
    assert!(nobody.contains("account add") && nobody.contains("[[token]]"), "{nobody}");
    let wrong = [files[0].clone(), certificate(&site, "other")[1].clone()];
    let site = encrypted(site, &wrong);
    site.add("an", "administrator");
    assert!(said(&site).contains("do not fit"));
    let site = site.with("HTTP__TLS_KEY", "");
    assert!(said(&site).contains("together"));

    // A network without certificates: people sign in all the same.
    let site =
        site.with("HTTP__TLS_CERTIFICATE", "").with("HTTP__UNENCRYPTED_NON_LOOPBACK", "I accept").start();
    assert_eq!(site.get("/dicom-web/studies", "").status, 401);
    assert_eq!(site.page("/", &site.sign_in("an")).status, 200);
    let site =
        Site::new().with("HTTP__LISTEN", "0.0.0.0:0").with("HTTP__INSECURE_NON_LOOPBACK", "I accept").start();
    assert!(matches!(site.get("/dicom-web/studies", "").status, 200 | 204), "given up by name");
    assert_eq!(site.get("/api/v1/views", "").status, 403);
}

#[test]
fn a_proxy_in_front_of_loopback_opens_nothing() {
    let site = Site::new().with("HTTP__PUBLIC_URL", "https://pacs.example.org");
    assert!(site.refused(&["check-config"]).contains("account add"));
    site.add("an", "doctor");
    let output = site.run(&["check-config"], "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = site.dir.path().join("data/accounts.json");
    std::fs::write(&file, "{}").unwrap();
    let said = site.refused(&["serve"]);
    assert!(said.contains("accounts.json"), "a damaged file of accounts lets nobody in: {said}");
}
