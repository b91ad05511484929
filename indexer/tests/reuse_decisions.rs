//! The cases of `fixtures/decisions`: made-up orders and priors with the answer that the rules give.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use indexer::reuse::answer::{Listed, Question};
use indexer::reuse::{Answer, CheckName, Order, Outcome, Policy, Prior, Verdict, decide};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    today: String,
    #[serde(default)]
    policy: Option<Value>,
    order: Order,
    priors: Vec<Changed>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    base: String,
    change: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    verdict: Option<Verdict>,
    first_reason: Option<String>,
    #[serde(default)]
    checks: BTreeMap<CheckName, Outcome>,
    exact: Option<bool>,
    pictures: Option<bool>,
    found_nothing: Option<bool>,
    listed: Option<usize>,
    other_exams: Option<usize>,
    order: Option<Vec<String>>,
    studies: Option<Vec<String>>,
    same_visit: Option<Vec<String>>,
    #[serde(default, deserialize_with = "told")]
    must_ask: Option<Option<Question>>,
    #[serde(default, deserialize_with = "told")]
    days_ago: Option<Option<i64>>,
}

/// Tells a value of `null` from an absent one.
fn told<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/decisions")
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn priors(changed: &[Changed], bases: &Value) -> Vec<Prior> {
    let of = |changed: &Changed| {
        let mut prior = bases["priors"][&changed.base].clone();
        assert!(prior.is_object(), "no prior {}", changed.base);
        merge(&mut prior, &changed.change);
        serde_json::from_value(prior).unwrap()
    };
    changed.iter().map(of).collect()
}

fn policy(change: Option<&Value>) -> Policy {
    let shipped = Policy::shipped().unwrap();
    let Some(change) = change else { return shipped };
    let mut text = serde_json::to_value(&shipped).unwrap();
    merge(&mut text["version"][0], change);
    Policy::from_toml(&toml::to_string(&without_null(text)).unwrap()).unwrap()
}

/// TOML has no null.
fn without_null(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            map.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, without_null(v))).collect()
        }
        Value::Array(list) => list.into_iter().map(without_null).collect(),
        other => other,
    }
}

fn code<T: serde::Serialize>(value: T) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap_or_default().to_owned()
}

/// What differs between an answer and what is expected.
fn differences(answer: &Answer, expect: &Expect) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, expected: String, got: String| {
        if expected != got {
            found.push(format!("{what}: expected {expected}, got {got}"));
        }
    };
    let first = answer.priors.first();
    differ("verdict", format!("{:?}", expect.verdict), format!("{:?}", answer.verdict));
    differ("found nothing", answer.priors.is_empty().to_string(), answer.found_nothing.to_string());
    let reason = first.and_then(|first| first.reasons.first()).map(|reason| code(reason.reason));
    if let Some(expected) = &expect.first_reason {
        differ("first reason", expected.clone(), reason.unwrap_or_default());
    }
    for (name, outcome) in &expect.checks {
        let got = first.and_then(|first| first.checks.iter().find(|check| check.name == *name));
        differ(&code(name), format!("{outcome:?}"), format!("{:?}", got.unwrap().outcome));
    }
    macro_rules! same {
        ($what:ident, $got:expr) => {
            if let Some(expected) = &expect.$what {
                differ(stringify!($what), format!("{expected:?}"), format!("{:?}", $got));
            }
        };
    }
    let of = |get: fn(&Listed) -> bool| first.is_some_and(get);
    same!(exact, of(|first| first.exact));
    same!(pictures, of(|first| first.pictures));
    same!(found_nothing, answer.found_nothing);
    same!(listed, answer.priors.len());
    same!(other_exams, answer.other_exams.len());
    same!(order, answer.priors.iter().flat_map(|prior| prior.studies.clone()).collect::<Vec<_>>());
    same!(studies, first.unwrap().studies);
    same!(same_visit, first.unwrap().same_visit);
    same!(must_ask, answer.must_ask);
    same!(days_ago, first.and_then(|first| first.days_ago));
    found
}

#[test]
fn cases() {
    let bases: Value =
        serde_json::from_str(&fs::read_to_string(folder().join("bases.json")).unwrap()).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files.iter().filter(|path| !path.ends_with("bases.json")) {
        let text: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        for case in text["cases"].as_array().unwrap() {
            let case: Case = serde_json::from_value(case.clone()).unwrap_or_else(|e| panic!("{case}: {e}"));
            count += 1;
            let priors = priors(&case.priors, &bases);
            let policy = policy(case.policy.as_ref());
            let answer = decide(&case.order, &priors, &policy, case.today.parse().unwrap());
            let again: Answer = serde_json::from_str(&serde_json::to_string(&answer).unwrap()).unwrap();
            assert_eq!(again, answer, "{}: an answer is read as it was written", case.name);
            let mut reversed = priors.clone();
            reversed.reverse();
            let other_way = decide(&case.order, &reversed, &policy, answer.today);
            assert_eq!(other_way, answer, "{}: the order of the priors changes the answer", case.name);
            for difference in differences(&answer, &case.expect) {
                wrong.push(format!("{}: {}: {difference}", path.file_name().unwrap().display(), case.name));
            }
        }
    }
    println!("{count} cases");
    assert!(count >= 100, "only {count} cases were read");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
