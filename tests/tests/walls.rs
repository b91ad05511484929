//! The walls between the crates, the sizes of files and functions, and what may not be written at all.
//!
//! `docs/ARCHITECTURE.md` says why they are there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 8] =
    ["storage-config", "codecs", "indexer", "dicomweb", "portal", "pacs-server", "fixtures", "tests"];

/// Lines that a file may have, and that it aims at.
const FILE_LINES: (usize, usize) = (500, 300);
/// Lines of a function, comments and empty ones not counted.
const FUNCTION_LINES: usize = 70;

/// Folders that are not the project's own text.
const NOT_OURS: [&str; 7] =
    ["target", "build", "data", ".git", "node_modules", "__pycache__", ".pytest_cache"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Files below `folder` with one of `endings`, as paths below the repository.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                if !NOT_OURS.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    files(folder, &[".rs"])
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Lines of code of a file with their numbers: neither empty nor a comment.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//") && !line.trim().is_empty())
}

/// Whether `line` names `word`, not as a part of a longer name.
fn names(line: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    line.match_indices(word)
        .any(|(at, _)| !part(line[..at].chars().next_back()) && !part(line[at + word.len()..].chars().next()))
}

/// What the manifests of a crate depend on: for use, and for use in its tests.
struct Needs {
    uses: Vec<String>,
    tests_use: Vec<String>,
}

fn needs() -> BTreeMap<&'static str, Needs> {
    let of = |name: &'static str| {
        let text = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let list = |section: &str| {
            let table = manifest.get(section).and_then(toml::Value::as_table);
            table.map_or(Vec::new(), |table| table.keys().cloned().collect::<Vec<String>>())
        };
        assert!(!manifest.contains_key("target"), "{name} has dependencies that this test does not see");
        let uses = [list("dependencies"), list("build-dependencies")].concat();
        (name, Needs { uses, tests_use: list("dev-dependencies") })
    };
    CRATES.map(of).into_iter().collect()
}

/// Fails with all of `found` at once.
fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

/// A library, as manifests write it, and the crates that may name it.
const OWNERS: &[(&str, &[&str])] = &[
    ("rusqlite", &["indexer"]),
    ("tokio-postgres", &["indexer", "tests"]),
    ("tokio-postgres-rustls", &["indexer"]),
    ("rustls-native-certs", &["indexer"]),
    ("futures-util", &["storage-config", "indexer", "dicomweb", "portal", "pacs-server"]),
    ("dicom-ul", &["pacs-server"]),
    ("dicom-core", &["indexer", "dicomweb"]),
    ("dicom-dictionary-std", &["indexer", "dicomweb"]),
    ("dicom-object", &[]),
    ("object_store", &["storage-config"]),
    ("reqwest", &["storage-config"]),
    ("axum", &["dicomweb", "portal", "pacs-server"]),
    ("hyper", &["pacs-server"]),
    ("hyper-util", &["pacs-server"]),
    ("tower", &["dicomweb", "portal", "pacs-server"]),
    ("tokio", &["storage-config", "dicomweb", "indexer", "portal", "pacs-server", "tests"]),
    ("clap", &["pacs-server", "fixtures"]),
    ("metrics-exporter-prometheus", &["pacs-server"]),
    ("sqlx", &[]),
    ("argon2", &["portal"]),
    ("tokio-rustls", &["pacs-server"]),
    ("rustls", &["storage-config", "indexer", "pacs-server"]),
    ("rcgen", &["pacs-server", "tests"]),
    ("csv", &["indexer", "pacs-server"]),
    ("calamine", &["pacs-server", "tests"]),
];

#[test]
fn libraries_are_named_by_their_owners_only() {
    let mut found = Vec::new();
    for (name, needs) in needs() {
        for (library, owners) in OWNERS.iter().filter(|(_, owners)| !owners.contains(&name)) {
            if needs.uses.iter().chain(&needs.tests_use).any(|n| n == library) {
                found.push(format!("{name}/Cargo.toml: {library} belongs to {owners:?}"));
            }
        }
        for path in rust_files(&root().join(name).join("src")) {
            let text = fs::read_to_string(&path).unwrap();
            for (library, _) in OWNERS.iter().filter(|(_, owners)| !owners.contains(&name)) {
                let path_of = format!("{}::", library.replace('-', "_"));
                let mut lines = code_lines(&text).filter(|(_, line)| names_path(line, &path_of));
                found.extend(lines.next().map(|(n, _)| format!("{}:{n}: {library}", shown(&path))));
            }
        }
    }
    none("a library is named by a crate that does not own it", &found);
}

/// Whether `line` has the path `library::`, not as the end of a longer name.
fn names_path(line: &str, path: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(path).any(|(at, _)| !line[..at].ends_with(part))
}

#[test]
fn sql_is_written_in_the_index_only() {
    let mut found = Vec::new();
    for name in CRATES.iter().filter(|name| !["indexer", "tests"].contains(name)) {
        for path in rust_files(&root().join(name).join("src")) {
            let text = fs::read_to_string(&path).unwrap();
            let sql = ["SELECT ", "INSERT INTO", "DELETE FROM", "CREATE TABLE", "BEGIN IMMEDIATE"];
            let mut lines = code_lines(&text).filter(|(_, line)| sql.iter().any(|word| line.contains(word)));
            found.extend(lines.next().map(|(n, line)| format!("{}:{n}: {}", shown(&path), line.trim())));
        }
    }
    none("SQL outside the index", &found);
}

#[test]
fn crates_depend_in_one_direction() {
    let faces_use = ["indexer", "storage-config", "codecs"];
    let allowed: BTreeMap<&str, Vec<&str>> = BTreeMap::from([
        ("storage-config", vec![]),
        ("codecs", vec![]),
        ("fixtures", vec![]),
        ("indexer", vec!["codecs", "storage-config"]),
        ("dicomweb", faces_use.to_vec()),
        ("portal", [&faces_use[..], &["dicomweb"]].concat()),
        ("pacs-server", [&faces_use[..], &["dicomweb", "portal"]].concat()),
        ("tests", CRATES[..7].to_vec()),
    ]);
    let mut found = Vec::new();
    for (name, needs) in needs() {
        let ours = |list: &[String]| {
            list.iter().filter(|n| CRATES.contains(&n.as_str())).cloned().collect::<Vec<_>>()
        };
        let wrong = ours(&needs.uses).into_iter().filter(|n| !allowed[name].contains(&n.as_str()));
        found.extend(wrong.map(|n| format!("{name} uses {n}")));
        let may_test_with = |n: &String| n == "fixtures" && name != "fixtures";
        let wrong = ours(&needs.tests_use).into_iter().filter(|n| !may_test_with(n));
        found.extend(wrong.map(|n| format!("{name} uses {n} in its tests")));
    }
    none("dependencies that docs/ARCHITECTURE.md does not have", &found);
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let members: Vec<&str> = members.iter().map(|m| m.as_str().unwrap()).collect();
    assert_eq!(members, CRATES, "a crate that this test does not know");
}

#[test]
fn files_are_small() {
    let mut found = Vec::new();
    for path in files(&root(), &[".rs", ".py", ".js"]) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        if lines > FILE_LINES.1 {
            eprintln!("{} has {lines} lines, the aim is {}", shown(&path), FILE_LINES.1);
        }
        if lines > FILE_LINES.0 {
            found.push(format!("{} has {lines} lines", shown(&path)));
        }
    }
    none("files that are too long", &found);
}

/// Functions of rustfmt-formatted text with their first line and their lines of code.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (n, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let mut words = trimmed.split(' ').skip_while(|word| {
            word.starts_with("pub") || ["async", "const", "unsafe", "extern", "\"C\""].contains(word)
        });
        if words.next() != Some("fn") {
            continue;
        }
        // The end is the first brace at the indentation of the beginning; a one-line function ends where it begins.
        let closing = format!("{}}}", &line[..line.len() - trimmed.len()]);
        let whole = trimmed.ends_with(';') || trimmed.contains('{') && trimmed.ends_with('}');
        let length = if whole {
            1
        } else {
            let rest = lines[n..].iter().take_while(|line| **line != closing);
            rest.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//")).count() + 1
        };
        let name = words.next().unwrap_or_default();
        found.push((n + 1, name.split(['(', '<']).next().unwrap_or(name).to_owned(), length));
    }
    found
}

#[test]
fn functions_are_short() {
    let text = "impl A {\n    pub(crate) async fn a<T>(x: T) -> T {\n        // why\n        x\n    }\n\n    fn b() {}\n}\n";
    assert_eq!(functions(text), [(2, "a".to_owned(), 3), (7, "b".to_owned(), 1)]);
    let mut found = Vec::new();
    for path in rust_files(&root()) {
        for (line, name, length) in functions(&fs::read_to_string(&path).unwrap()) {
            if length > FUNCTION_LINES {
                found.push(format!("{}:{line}: {name} has {length} lines", shown(&path)));
            }
        }
    }
    none("functions that are too long", &found);
}

#[test]
fn modules_are_named_for_what_they_are() {
    let unnamed = ["utils", "util", "common", "helpers", "helper", "misc", "manager"];
    let says_nothing = |path: &PathBuf| {
        let below = path.strip_prefix(root()).unwrap_or(path);
        below.iter().any(|part| {
            let stem = Path::new(part).file_stem().unwrap_or(part).to_string_lossy();
            unnamed.contains(&stem.as_ref())
        })
    };
    let all = files(&root(), &[".rs", ".py", ".js"]);
    let found: Vec<String> = all.iter().filter(|path| says_nothing(path)).map(|path| shown(path)).collect();
    none("modules whose name says nothing", &found);
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let words = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    let switched_off = ["#[", "ignore"].concat();
    let mut found = Vec::new();
    for path in files(&root(), &[".rs", ".py", ".js", ".toml", ".md", ".sh", "Makefile"]) {
        let text = fs::read_to_string(&path).unwrap();
        for (n, line) in text.lines().enumerate() {
            if words.iter().any(|word| names(line, word)) || line.trim_start().starts_with(&switched_off) {
                found.push(format!("{}:{}: {}", shown(&path), n + 1, line.trim()));
            }
        }
    }
    none("marks of unfinished work, or tests that are switched off", &found);
}

#[test]
fn the_readme_names_both_commands() {
    let Ok(readme) = fs::read_to_string(root().join("README.md")) else {
        eprintln!("there is no README.md yet");
        return;
    };
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    for target in ["run", "test"] {
        assert!(readme.contains(&format!("make {target}")), "README.md does not name `make {target}`");
        assert!(
            makefile.lines().any(|l| l.starts_with(&format!("{target}:"))),
            "the Makefile has no {target}"
        );
    }
}
