//! The description of the interface against the routes themselves: each route with each of its methods is described, and
//! nothing else is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;
use tests::server::Setup;

/// Where routes of programs are written.
const SOURCES: [&str; 2] = ["portal/src", "pacs-server/src"];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Each path of the interface that is given to a router.
fn routes() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    SOURCES.iter().for_each(|source| rust_files(&root.join(source), &mut files));
    let mut routes = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        for rest in text.split(".route(").skip(1) {
            let path = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            routes.extend(path.filter(|path| path.starts_with("/api/")).map(str::to_owned));
        }
    }
    routes
}

#[test]
fn what_is_described_is_what_there_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Setup::new(folder.path()).start()?;
    let web = server.web();
    let whole: Value = server.web().json("/api/openapi.json")?;
    assert_eq!(whole["openapi"], "3.1.0");
    let described: BTreeMap<String, BTreeSet<String>> = whole["paths"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, methods)| (path.clone(), methods.as_object().unwrap().keys().cloned().collect()))
        .collect();
    let routes = routes();
    assert!(routes.len() > 30, "{} routes", routes.len());
    let mut wrong = Vec::new();
    for path in &routes {
        let asked: String = path
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        // No route has this method, so that the answer names those that it has (RFC 9110 15.5.6).
        let answer = web.send("PROPFIND", &asked, &[], b"")?;
        assert_eq!(answer.status, 405, "{path}: {}", String::from_utf8_lossy(&answer.body));
        let allowed: BTreeSet<String> = answer
            .header("allow")
            .unwrap_or_default()
            .split(',')
            .map(|method| method.trim().to_ascii_lowercase())
            .filter(|method| !method.is_empty() && method != "head")
            .collect();
        if described.get(path) != Some(&allowed) {
            wrong.push(format!("{path} has {allowed:?}, described: {:?}", described.get(path)));
        }
    }
    wrong.extend(
        described.keys().filter(|path| !routes.contains(*path)).map(|path| format!("{path} is no route")),
    );
    assert!(wrong.is_empty(), "portal/data/openapi is not true:\n{}", wrong.join("\n"));
    server.stop()?;
    Ok(())
}

#[test]
fn every_refusal_is_a_problem_that_names_the_field() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Setup::new(folder.path()).start()?;
    let web = server.web();
    for (method, path, field) in [
        ("GET", "/api/v1/orders?limit=many", Some("limit")),
        ("GET", "/api/v1/orders?offset=-1", Some("offset")),
        ("GET", "/api/v1/orders?colour=red", Some("query")),
        ("GET", "/api/v1/reconciliation", Some("since")),
        ("GET", "/api/v1/codes/review?proposed=perhaps", Some("proposed")),
        ("GET", "/api/v1/studies/not-a-uid/codes", Some("study")),
        ("POST", "/api/v1/orders", Some("body")),
        ("POST", "/api/v1/imports", Some("Content-Type")),
        ("GET", "/api/v1/orders/%FF", Some("path")),
    ] {
        let body: &[u8] = if method == "POST" { b"[" } else { b"" };
        let answer = web.send(method, path, &[], body)?;
        let told = String::from_utf8_lossy(&answer.body);
        assert!((400..500).contains(&answer.status), "{path}: {} {told}", answer.status);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}: {told}");
        assert_eq!(answer.json()?["field"].as_str(), field, "{path}: {told}");
    }
    server.stop()?;
    Ok(())
}
