//! The policy of a site: what a file lays over the policy as shipped, from which day on, and how mistakes are told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use indexer::reuse::prior::Signature;
use indexer::reuse::{CheckName, Date, Effect, SitePolicy};

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

const FILE: &str = r#"
[[version]]
id = "tinh-2026"
from = "2026-07-01"
source = "Quyết định (mẫu)"
signature = "verified"
age_without_window_days = 180
lossy_ratio_limit = { CT = 12.5 }

[version.effects.fail]
report = "not_usable"

[version.ledger]
repeat_within_days = 14

[[version]]
id = "tinh-2027"
from = 2027-01-01
source = "Quyết định sau (mẫu)"
age_without_window_days = 90
not_applicable.kinds = ["intervention"]

[[window_list]]
from = "2026-10-01"
until = "2027-03-31"
source = "danh mục mẫu"
days = { "18.149" = 7, "18.0119.0028" = 30 }
"#;

#[test]
fn a_value_holds_from_its_day_until_a_later_version_says_otherwise() {
    let shipped = SitePolicy::shipped().unwrap();
    let site = SitePolicy::read("policy.toml", FILE).unwrap();
    let of = |text: &str| site.decision.in_force(day(text));
    let before = of("2026-06-30");
    assert_eq!(before.signature, shipped.decision.latest().signature);
    let hash = site.file.unwrap().to_string();
    assert_eq!(
        before.id,
        format!("shipped-1@{}", &hash[..12]),
        "the file's lists count before its versions begin"
    );

    let first = of("2026-07-01");
    assert_eq!(first.id, format!("shipped-1+tinh-2026@{}", &hash[..12]));
    assert_eq!((first.signature, first.age_without_window_days), (Signature::Verified, 180));
    assert_eq!(first.lossy_ratio_limit.get("CT"), Some(&12.5));
    assert_eq!(first.effects.fail[&CheckName::Report], Effect::NotUsable);
    assert_eq!(first.effects.fail[&CheckName::Age], Effect::Review, "what is not named stays");
    assert!(first.windows_in_force(day("2026-09-30")).is_none());
    assert_eq!(first.windows_in_force(day("2026-10-01")).unwrap().days["18.149"], 7);

    let second = of("2027-02-01");
    assert_eq!(
        (second.signature, second.age_without_window_days),
        (Signature::Verified, 90),
        "it stays until it is changed"
    );
    assert_eq!(
        second.not_applicable.kinds.len(),
        1,
        "a list that is named takes the place of the shipped one"
    );
    assert!(!second.not_applicable.purposes.is_empty());
    assert!(second.windows_in_force(day("2027-04-01")).is_none());

    let days = |text: &str| site.ledger.in_force(day(text)).repeat_within_days;
    assert_eq!((days("2026-06-30"), days("2026-07-01"), days("2027-02-01")), (30, 14, 14));
    let other = SitePolicy::read("policy.toml", &format!("{FILE}\n# another file")).unwrap();
    assert_ne!(other.decision.in_force(day("2026-07-01")).id, first.id, "another file is another version");
    assert_eq!(SitePolicy::read("policy.toml", FILE).unwrap(), site);
}

#[test]
fn mistakes_are_told_with_file_line_and_field() {
    let version = "[[version]]\nid = \"a\"\nfrom = \"2026-07-01\"\nsource = \"x\"\n";
    let list = "[[window_list]]\nfrom = \"2026-07-01\"\nsource = \"x\"\n";
    for (text, line, field) in [
        ("", 1, "file"),
        ("[[version]\n", 1, "file"),
        ("\n\n[versions]\n", 3, "versions"),
        ("version = 3\n", 1, "version"),
        ("[[version]]\nid = \"a\"\nsource = \"x\"\n", 1, "version[0].from"),
        ("[[version]]\nid = \"a\"\nfrom = \"soon\"\nsource = \"x\"\n", 3, "version[0].from"),
        ("[[version]]\nid = \"a b\"\nfrom = \"2026-07-01\"\nsource = \"x\"\n", 2, "version[0].id"),
        (&format!("{version}signatur = \"verified\"\n"), 5, "version[0].signatur"),
        (&format!("{version}signature = \"sure\"\n"), 5, "version[0].signature"),
        (&format!("{version}age_without_window_days = -1\n"), 5, "version[0].age_without_window_days"),
        (&format!("{version}visit_hours = \"x\"\n"), 5, "version[0].visit_hours"),
        (
            &format!("{version}[version.effects.fail]\nreport = \"red\"\n"),
            6,
            "version[0].effects.fail.report",
        ),
        (&format!("{version}[version.lossy_ratio_limit]\nCT = 0.5\n"), 6, "version[0].lossy_ratio_limit.CT"),
        (&format!("{version}[version.ledger]\nrepeat_days = 3\n"), 6, "version[0].ledger.repeat_days"),
        (
            &format!("{version}[version.ledger]\nrepeat_within_days = 99999\n"),
            6,
            "version[0].ledger.repeat_within_days",
        ),
        (&format!("{version}[[version.window_list]]\nfrom = \"2026-07-01\"\n"), 5, "version[0].window_list"),
        (&format!("{version}{version}"), 6, "version[1].id"),
        (list, 1, "window_list[0].days"),
        (&format!("{list}days = {{ \"18.149\" = -3 }}\n"), 4, "window_list[0].days.18.149"),
        (
            &format!("{list}[window_list.days]\n\"18.149\" = 7\n\"18.9999\" = 7\n"),
            6,
            "window_list[0].days.18.9999",
        ),
        (&format!("{list}days = {{ \"18.149\" = 7 }}\ndays_of = 3\n"), 5, "window_list[0].days_of"),
        (&format!("{list}until = \"2026-06-01\"\ndays = {{ \"18.149\" = 7 }}\n"), 1, "window_list[0].until"),
    ] {
        let error = SitePolicy::read("site.toml", text).expect_err(text);
        assert_eq!(
            (error.file.as_str(), error.line, error.field.as_str()),
            ("site.toml", line, field),
            "{text}: {error}"
        );
        assert!(error.to_string().starts_with(&format!("site.toml:{line}: {field}: ")), "{error}");
    }
}
