//! The handbook says what the program does: both languages have the same pages, links lead somewhere, commands and their
//! options exist, settings are taken by the program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use tests::server::Setup;

const LANGUAGES: [&str; 2] = ["vi", "en"];
/// What a few lines of settings may belong to, where the text around them says it.
const PLACES: [&str; 3] = ["", "[dimse]\n", "[[peer]]\nae_title = \"CT1\"\naddress = \"192.0.2.7\"\n"];
/// Where the handbook has people put the certificate and its key.
const CERTIFICATES: &str = "/etc/pacs-server/tls/";
/// The facility of the examples.
const FACILITY: &str = "\n[[facility]]\ncode = \"79001\"\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Name and text of each page of a language.
fn pages(language: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(root().join("docs").join(language)).unwrap().map(Result::unwrap);
    let pages: BTreeMap<String, String> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    assert!(pages.len() > 10, "{language}: {:?}", pages.keys());
    pages
}

/// The fenced blocks of a page in `language`, without their indentation.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), None::<(bool, String)>);
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(name), None) => open = Some((name == language, String::new())),
            (Some(_), Some(_)) => {
                found.extend(open.take().filter(|(wanted, _)| *wanted).map(|(_, text)| text))
            }
            (None, Some((_, text))) => {
                text.push_str(line.strip_prefix("   ").unwrap_or(line));
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block without an end");
    found
}

/// What stands in back quotes within lines.
fn quoted(page: &str) -> impl Iterator<Item = &str> {
    let lines = page.lines().filter(|line| !line.trim_start().starts_with("```"));
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// All commands of a page, one a line.
fn commands(page: &str) -> Vec<String> {
    let mut all: Vec<String> = blocks(page, "sh")
        .iter()
        .flat_map(|block| block.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    all.extend(quoted(page).filter(|text| text.contains(' ')).map(str::to_owned));
    all
}

/// The options among the words of a command.
fn options<'a>(words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    words.filter(|word| word.starts_with("--")).map(|word| word.split('=').next().unwrap()).collect()
}

#[test]
fn both_languages_have_the_same_pages_and_their_links_lead_somewhere() {
    let (vi, en) = (pages("vi"), pages("en"));
    assert_eq!(vi.keys().collect::<Vec<_>>(), en.keys().collect::<Vec<_>>());
    for (name, page) in &vi {
        let other = &en[name];
        assert_eq!(blocks(page, "toml"), blocks(other, "toml"), "settings in {name}");
        assert_eq!(blocks(page, "python"), blocks(other, "python"), "programs in {name}");
        assert_eq!(blocks(page, "sh").len(), blocks(other, "sh").len(), "commands in {name}");
        let titles = |page: &str| page.lines().filter(|line| line.starts_with('#')).count();
        assert_eq!(titles(page), titles(other), "sections of {name}");
    }
    for (language, pages) in LANGUAGES.iter().zip([&vi, &en]) {
        let mut linked = BTreeSet::from(["README.md".to_owned()]);
        for (name, page) in pages {
            for target in page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
                assert!(pages.contains_key(target), "{language}/{name} leads to {target}");
                if name == "README.md" {
                    linked.insert(target.to_owned());
                }
            }
        }
        assert!(pages.keys().all(|name| linked.contains(name)), "{language}: the contents lack a page");
    }
}

#[test]
fn vietnamese_is_composed() {
    // A decomposed letter would not be found by who searches the page.
    for (name, page) in pages("vi") {
        assert!(!page.chars().any(|c| ('\u{300}'..='\u{36f}').contains(&c)), "{name}");
    }
}

#[test]
fn commands_and_options_exist() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(folder.path());
    let help = |words: &[&str]| {
        let said = setup.run(&[words, &["--help"]].concat()).unwrap();
        assert!(said.status.success(), "{words:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    };
    let scripts = ["install.sh", "uninstall.sh"]
        .map(|name| (name, fs::read_to_string(root().join("dist").join(name)).unwrap()));
    let known = help(&[]);
    let mut checked = BTreeSet::new();
    for language in LANGUAGES {
        for (name, page) in pages(language) {
            for command in commands(&page) {
                let words: Vec<&str> = command.split_whitespace().collect();
                for (script, text) in &scripts {
                    let Some(at) = words.iter().position(|word| word.ends_with(script)) else { continue };
                    for option in options(words[at..].iter().copied()) {
                        assert!(text.contains(&format!("{option})")), "{language}/{name}: {command}");
                    }
                }
                let Some(at) = words.iter().position(|word| *word == "pacs-server") else { continue };
                // Names of the service and of its folders are no commands.
                if at > 0 && words[0] != "sudo" || words.contains(&"systemctl") {
                    continue;
                }
                let Some(subcommand) = words.get(at + 1) else { continue };
                assert!(known.contains(&format!("\n  {subcommand} ")), "{language}/{name}: {command}");
                let mut described = help(&[subcommand]);
                if described.contains("\nCommands:") {
                    let below = words.get(at + 2).unwrap_or(&"");
                    assert!(described.contains(&format!("\n  {below} ")), "{language}/{name}: {command}");
                    described = help(&[subcommand, below]);
                }
                for option in options(words[at..].iter().copied()) {
                    assert!(described.contains(option), "{language}/{name}: {command}");
                }
                checked.insert((*subcommand).to_owned());
            }
        }
    }
    for subcommand in ["account", "check-config", "import", "rebuild", "serve", "status", "withdraw"] {
        assert!(checked.contains(subcommand), "the handbook does not tell of {subcommand}");
    }
}

/// Makes a certificate and its key in `folder`, under the names of the handbook; says how their paths begin.
fn certificate(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    format!("{}/", folder.display())
}

#[test]
fn settings_are_taken_by_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let here = certificate(folder.path());
    let mut counted = 0;
    for (name, page) in pages("en") {
        for block in blocks(&page, "toml") {
            let taken = PLACES.iter().any(|place| {
                let text = format!("{place}{block}{FACILITY}").replace(CERTIFICATES, &here);
                let setup = Setup::new(folder.path()).with_file(&text).unwrap();
                setup.run(&["check-config"]).unwrap().status.success()
            });
            assert!(taken, "{name}: the program refuses\n{block}");
            counted += 1;
        }
        for variable in
            page.split_whitespace().filter_map(|word| word.trim_matches('`').strip_prefix("PACS_"))
        {
            let Some((key, value)) = variable.split_once('=') else { continue };
            let setup = Setup::new(folder.path()).with(&format!("PACS_{key}"), value);
            assert!(setup.run(&["check-config"]).unwrap().status.success(), "{name}: PACS_{variable}");
            counted += 1;
        }
    }
    assert!(counted >= 8, "only {counted} settings were found");
    // The check can fail: a key that is none, and a variable.
    let wrong = Setup::new(folder.path()).with_file("[dimse]\nlisten_at = \"127.0.0.1:1\"\n").unwrap();
    assert!(!wrong.run(&["check-config"]).unwrap().status.success());
    let wrong = Setup::new(folder.path()).with("PACS_HTTP__LISTENS", "127.0.0.1:1");
    assert!(!wrong.run(&["check-config"]).unwrap().status.success());
}
