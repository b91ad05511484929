//! Who may: people and tokens at a real server, over plain and encrypted sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod encryption;
mod log;
mod site;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use fixtures::studies::{Options, Scale, demo};
use site::{PASSWORD, Site, form_head, percent};

/// The SHA-256 of `read-secret` and of `store-secret`, by `sha256sum`.
fn tokens(dir: &std::path::Path) -> String {
    let hash = |text: &str| storage_config::ContentHash::of(text.as_bytes());
    let file = dir.join("pacs.toml");
    let toml = format!(
        "[[token]]\nsha256 = \"{}\"\nname = \"VIEWER\"\nroles = [\"read\"]\n\
         [[token]]\nsha256 = \"{}\"\nname = \"MODALITY\"\nroles = [\"store\"]\n",
        hash("read-secret"),
        hash("store-secret")
    );
    std::fs::write(&file, toml).unwrap();
    file.display().to_string()
}

#[test]
fn loopback_is_open_until_the_first_account_then_one_signs_in() {
    let site = Site::new().start();
    assert_eq!(site.page("/", "").status, 200, "open while there is no account");
    assert_eq!(
        site.get("/accounts", "Accept: text/html\r\n").status,
        403,
        "the first one is made by command"
    );
    site.add("an", "administrator");
    // From this moment, without a restart.
    let page = site.page("/studies/1.2.3", "");
    assert_eq!((page.status, page.header("location")), (303, "/sign-in?next=%2Fstudies%2F1.2.3"));
    for path in ["/dicom-web/studies", "/patients/1/dicom-web/studies", "/api/v1/state", "/?part=1"] {
        let answer = site.get(path, "Accept: */*\r\n");
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    assert_eq!(site.get("/healthz", "").status, 200);
    assert_eq!(site.get("/metrics", "").status, 401, "metrics name machines");
    assert_eq!(site.page("/sign-in", "").status, 200);

    let answer = site.try_sign_in("an", PASSWORD);
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
    let set = answer.header("set-cookie").to_owned();
    let (number, flags) = set.split_once(';').unwrap();
    assert_eq!(flags, " Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(number.strip_prefix("session=").unwrap().len(), 64);
    let cookie = answer.cookie();
    let page = site.page("/", &format!("language=en; {cookie}"));
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Sign out") && page.text().contains("/accounts"), "{}", page.text());

    for (next, to) in [
        ("/state", "/state"),
        ("/?page=2&m=ct", "/?page=2&m=ct"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\r\nX: y", "/"),
    ] {
        let form = format!("account=an&password={}&next={}", percent(PASSWORD), percent(next));
        assert_eq!(site.form("/sign-in", "", &form).header("location"), to, "{next:?}");
    }
    let form = format!("account=an&password={}", percent(PASSWORD));
    let foreign = site.ask("POST /sign-in", &form_head("http://evil.example", ""), form.as_bytes());
    assert_eq!(foreign.status, 403);
    assert_eq!(foreign.header("set-cookie"), "");

    let again = site.form("/sign-in", &cookie, &form).cookie();
    assert_eq!(site.page("/", &cookie).status, 303, "who sat here before has left");
    let cookie = again;

    let out = site.form("/sign-out", &cookie, "");
    assert_eq!((out.status, out.header("location")), (303, "/sign-in"));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(site.page("/", &cookie).status, 303, "the session has ended, not only its cookie");
}

#[test]
fn each_role_may_what_the_table_says() {
    let site = Site::new();
    let config = tokens(site.dir.path());
    let site = site.with("CONFIG", &config).with("SIGN_IN__REQUIRED", "always");
    // Without a server the command takes the lock itself.
    for role in ["doctor", "radiologist", "technician", "administrator", "auditor"] {
        site.add(role, role);
    }
    let site = site.start();
    let file = demo(Options::new(1, Scale::Small)).next().unwrap().file();
    let cookie = |role: &str| format!("Cookie: {}\r\n", site.sign_in(role));
    let token = |text: &str| format!("Authorization: Bearer {text}\r\n");
    let all = [
        (cookie("doctor"), [200, 403, 200, 403, 403]),
        (cookie("radiologist"), [200, 200, 200, 403, 403]),
        (cookie("technician"), [200, 200, 200, 403, 403]),
        (cookie("administrator"), [200, 200, 200, 200, 200]),
        (cookie("auditor"), [403, 403, 200, 403, 200]),
        (token("read-secret"), [200, 403, 200, 403, 403]),
        (token("store-secret"), [403, 200, 403, 403, 403]),
        (token("guess"), [401, 401, 401, 401, 401]),
        (String::new(), [401, 401, 401, 401, 401]),
    ];
    for (who, want) in &all {
        let got = [
            site.get("/dicom-web/studies", who).status,
            site.stow(who, &file).status,
            site.get("/api/v1/state", who).status,
            site.get("/accounts", who).status,
            site.get("/api/v1/views", who).status,
        ];
        // Searching an archive that holds nothing is answered with 204.
        let got = got.map(|status| if status == 204 { 200 } else { status });
        assert_eq!(got, *want, "{who}");
    }
    let radiologist = &all[1].0;
    let foreign = format!("{radiologist}Origin: http://evil.example\r\n");
    assert_eq!(site.stow(&foreign, &file).status, 403, "a foreign page with the browser's cookie");
    let foreign = format!("{radiologist}Sec-Fetch-Site: cross-site\r\n");
    assert_eq!(site.stow(&foreign, &file).status, 403, "without an Origin");
    assert!(site.log().lines().all(|line| !line.contains("secret")), "a token in the log");
}

#[test]
fn sessions_end_with_the_account_and_with_its_password() {
    let site = Site::new().start();
    site.add("an", "administrator");
    let admin = site.sign_in("an");
    let form =
        format!("account=binh&person=B%C3%ACnh&role=doctor&role=radiologist&password={}", percent(PASSWORD));
    assert_eq!(site.form("/accounts", &admin, &form).status, 303);
    let page = site.page("/accounts", &admin);
    assert!(page.text().contains("Bình") && page.text().contains("Radiologist"), "{}", page.text());

    // The password of an administrator serves once.
    let answer = site.try_sign_in("binh", PASSWORD);
    assert_eq!(answer.header("location"), "/account");
    let first = answer.cookie();
    assert_eq!(site.page("/", &first).header("location"), "/account");
    assert_eq!(site.get("/dicom-web/studies", &format!("Cookie: {first}\r\n")).status, 403);
    let other = site.sign_in("binh");
    let change = |old: &str, new: &str, again: &str| {
        let form = format!("old={}&new={}&again={}", percent(old), percent(new), percent(again));
        site.form("/account", &first, &form)
    };
    let new = "bốn mươi con gà";
    assert_eq!(change("wrong", new, new).status, 422);
    assert_eq!(change(PASSWORD, new, "another").status, 422);
    let short = change(PASSWORD, "gà", "gà");
    assert!(short.status == 422 && short.text().contains("at least 10"), "{}", short.text());
    let changed = change(PASSWORD, new, new);
    assert_eq!(changed.status, 200, "{}", changed.text());
    let mine = changed.cookie();
    assert_eq!(site.page("/", &mine).status, 200);
    for ended in [&first, &other] {
        assert_eq!(site.page("/", ended).status, 303, "sessions under the old password have ended");
    }
    assert_eq!(site.try_sign_in("binh", PASSWORD).status, 403);

    assert_eq!(
        site.form("/accounts/binh", &mine, "what=disable").status,
        403,
        "a doctor is no administrator"
    );
    assert_eq!(site.form("/accounts/binh", &admin, "what=disable").status, 303);
    assert_eq!(site.page("/", &mine).status, 303, "the session of a disabled account has ended");
    assert_eq!(site.try_sign_in("binh", new).status, 403);
    let last = site.form("/accounts/an", &admin, "what=disable");
    assert!(last.status == 422 && last.text().contains("last administrator"), "{}", last.text());

    // The same by command, while the server runs.
    assert!(site.run(&["account", "enable", "binh"], "").status.success());
    let mine = site.try_sign_in("binh", new).cookie();
    assert_eq!(site.page("/", &mine).status, 200);
    assert!(site.run(&["account", "roles", "binh", "auditor"], "").status.success());
    assert_eq!(site.page("/", &mine).status, 403, "other roles hold at once");
    let listed = String::from_utf8(site.run(&["account", "list"], "").stdout).unwrap();
    assert!(listed.contains("binh") && listed.contains("auditor") && listed.contains("Bình"), "{listed}");
    assert!(site.refused(&["account", "add", "an", "--role", "root"]).contains("root"));
    let log = site.log();
    assert!(!log.contains(PASSWORD) && !log.contains(new) && !log.contains("argon2"), "{log}");
}

#[test]
fn guessing_is_slowed_down_and_tells_nothing() {
    let site = Site::new().with("SIGN_IN__FAILURES", "3").with("SIGN_IN__WAIT_SECONDS", "2").start();
    site.add("an", "administrator");
    let tries = |account: &str| (0..4).map(|_| site.try_sign_in(account, "guess")).collect::<Vec<_>>();
    let (known, unknown) = (tries("an"), tries("nobody"));
    for (known, unknown) in known.iter().zip(&unknown) {
        assert_eq!(known.status, unknown.status);
        let shown = |answer: &site::Answer| answer.text().replace("\"an\"", "").replace("\"nobody\"", "");
        assert_eq!(shown(known), shown(unknown), "an account shows that it exists");
    }
    assert_eq!(known.iter().map(|a| a.status).collect::<Vec<_>>(), [403, 403, 403, 429]);
    assert!(known[3].header("retry-after").parse::<u64>().unwrap() <= 3);
    let right = site.try_sign_in("an", PASSWORD);
    assert_eq!(right.status, 429, "the right password waits too");
    let cookie = site.until("the end of the wait", || {
        let answer = site.try_sign_in("an", PASSWORD);
        (answer.status == 303).then(|| answer.cookie())
    });
    assert_eq!(site.page("/", &cookie).status, 200);
}

#[test]
fn a_token_imports_for_its_own_facility_alone() {
    let site = Site::new();
    let file = site.dir.path().join("pacs.toml");
    let hash = storage_config::ContentHash::of(b"store-secret");
    let facilities = "[[facility]]\ncode = \"79001\"\n[[facility]]\ncode = \"60152\"\n";
    let token = format!(
        "[[token]]\nsha256 = \"{hash}\"\nname = \"DISCS\"\nfacility = \"79001\"\nroles = [\"store\"]\n"
    );
    std::fs::write(&file, format!("{facilities}{token}")).unwrap();
    let site = site.with("CONFIG", &file.display().to_string()).start();
    let head = "Authorization: Bearer store-secret\r\nContent-Type: application/json\r\n";
    let begin = |wanted: &str| site.ask("POST /api/v1/imports", head, wanted.as_bytes());
    let other = begin(r#"{"facility": "60152"}"#);
    assert_eq!(other.status, 400, "{}", other.text());
    assert_eq!(begin(r#"{"facility": "79001"}"#).status, 201);
    let import = begin("{}").json();
    let one = demo(Options::new(1, Scale::Small)).next().unwrap();
    let files = format!("POST {}/files?path=a.dcm", import["href"].as_str().unwrap());
    assert_eq!(site.ask(&files, head, &one.file()).json()["outcome"], "stored");
    // Only what a facility holds can be withdrawn for it.
    let withdraw = |facility: &str| {
        let asked = serde_json::json!({
            "study": one.study, "facility": facility, "reason": "quality", "who": "BS. A", "why": "a test",
        });
        site.ask(
            "POST /api/v1/withdrawals",
            "Content-Type: application/json\r\n",
            asked.to_string().as_bytes(),
        )
        .status
    };
    assert_eq!((withdraw("60152"), withdraw("79001")), (404, 201));
}

/// Before anybody signed in: whoever never ends a form would keep a connection for ever.
#[test]
fn a_form_that_never_ends_is_not_waited_for() {
    let site = Site::new().with("HTTP__LIMITS__IDLE_SECONDS", "2").start();
    site.add("an", "administrator");
    let mut stream = TcpStream::connect(site.address).unwrap();
    let host = format!("localhost:{}", site.address.port());
    let head = format!(
        "POST /sign-in HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n{}\r\n",
        form_head(&format!("http://{host}"), "")
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A byte now and then, so that the connection is never silent.
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let (began, mut answer) = (Instant::now(), [0; 12]);
    while stream.read_exact(&mut answer).is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "still waited for");
        // It may be closed already, with its answer on the way.
        let _ = stream.write_all(b"a");
    }
    assert_eq!(&answer, b"HTTP/1.1 400");
}

#[test]
fn a_flood_of_sign_ins_costs_little() {
    let site = Site::new().with("SIGN_IN__FAILURES_PER_ADDRESS", "1000000").start();
    site.add("an", "administrator");
    let cookie = site.sign_in("an");
    let before = site.memory_kib("VmHWM");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..100)
            .map(|thread| {
                let site = &site;
                scope.spawn(move || {
                    (0..3)
                        .map(|n| site.try_sign_in(&format!("name{thread}.{n}"), "guess").status)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let began = Instant::now();
        assert_eq!(site.page("/", &cookie).status, 200, "whoever signed in goes on");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!(count(403) + count(503), 300, "{statuses:?}");
    assert!(count(403) > 0 && count(503) > 0, "{statuses:?}");
    // Two checks of 19 MiB at a time, and what a hundred connections need.
    let grown = site.memory_kib("VmHWM") - before;
    assert!(grown < 100 * 1024, "{grown} KiB");
}
