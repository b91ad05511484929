//! The policy of a site: a file of dated values that are laid over the policy as shipped.
//!
//! The file says only what differs. A version holds from its day until a later one of the file says otherwise; lists of
//! windows have days of their own. Whatever is wrong is told with its line and field. Pure: it reads a text.

use std::collections::BTreeSet;

use storage_config::ContentHash;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::day::Date;
use super::policy::{self, Policy, PolicyVersion, WindowList};
use super::techniques;
use crate::ledger::{self, LedgerPolicy, LedgerVersion};

/// Characters of a version's name at most.
const NAME_CHARS_MAX: usize = 40;
/// Bytes of a file at most.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Digits of the file's hash that its name shows.
const HASH_DIGITS: usize = 12;
/// Keys of a version that are laid over nothing.
const OWN: [&str; 3] = ["id", "from", "source"];

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {field}: {reason}")]
pub struct SitePolicyError {
    /// The file.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// The field, as a path.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The policies in force at a site.
#[derive(Debug, Clone, PartialEq)]
pub struct SitePolicy {
    /// Of the decision.
    pub decision: Policy,
    /// Of the ledger.
    pub ledger: LedgerPolicy,
    /// SHA-256 of the file; none: as shipped.
    pub file: Option<ContentHash>,
}

impl SitePolicy {
    /// As shipped.
    ///
    /// # Errors
    /// A test holds that there is none.
    pub fn shipped() -> Result<SitePolicy, SitePolicyError> {
        let wrong = |reason: String| SitePolicyError {
            file: "shipped".into(),
            line: 1,
            field: "version".into(),
            reason,
        };
        Ok(SitePolicy {
            decision: Policy::shipped().map_err(|error| wrong(error.to_string()))?,
            ledger: LedgerPolicy::shipped().map_err(|error| wrong(error.to_string()))?,
            file: None,
        })
    }

    /// The policy as shipped with the text of a file laid over it; `file` names it in errors.
    ///
    /// # Errors
    /// [`SitePolicyError`] for the first thing that is wrong.
    pub fn read(file: &str, text: &str) -> Result<SitePolicy, SitePolicyError> {
        let reading = Reading { file, text };
        if text.len() > FILE_BYTES_MAX {
            return Err(reading.wrong(0, "file", format!("has more than {FILE_BYTES_MAX} bytes")));
        }
        let spans = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            reading.wrong(at, "file", error.message())
        })?;
        let hash = ContentHash::of(text.as_bytes());
        let (mut versions, mut lists) = (Vec::new(), Vec::new());
        for (key, value) in spans.get_ref() {
            let items = value.get_ref().as_array();
            match (key.get_ref().as_ref(), items) {
                ("version", Some(items)) => {
                    for (n, item) in items.iter().enumerate() {
                        versions.push(reading.version(n, item)?);
                    }
                }
                ("window_list", Some(items)) => {
                    for (n, item) in items.iter().enumerate() {
                        lists.push(reading.list(n, item)?);
                    }
                }
                (name @ ("version" | "window_list"), None) => {
                    return Err(reading.wrong(key.span().start, name, format!("is written as [[{name}]]")));
                }
                (name, _) => {
                    let reason = "is not known: the file has [[version]] and [[window_list]]";
                    return Err(reading.wrong(key.span().start, name, reason));
                }
            }
        }
        if versions.is_empty() && lists.is_empty() {
            return Err(reading.wrong(0, "file", "has neither a [[version]] nor a [[window_list]]"));
        }
        reading.once(&versions, &lists)?;
        let lists: Vec<WindowList> = lists.into_iter().map(|(_, list)| list).collect();
        reading.composed(&versions, &lists, hash)
    }
}

/// A version of the file.
struct Overlay {
    at: usize,
    id: String,
    from: Date,
    source: String,
    decision: Vec<Leaf>,
    ledger: Vec<Leaf>,
}

/// A value of a version.
struct Leaf {
    at: usize,
    /// As errors name it.
    name: String,
    path: Vec<String>,
    value: Value,
}

struct Reading<'a> {
    file: &'a str,
    text: &'a str,
}

type SpannedValue<'a> = Spanned<DeValue<'a>>;

impl Reading<'_> {
    fn wrong(&self, at: usize, field: &str, reason: impl Into<String>) -> SitePolicyError {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        SitePolicyError { file: self.file.to_owned(), line, field: field.to_owned(), reason: reason.into() }
    }

    fn version(&self, n: usize, item: &SpannedValue<'_>) -> Result<Overlay, SitePolicyError> {
        let name = format!("version[{n}]");
        let at = item.span().start;
        let Some(table) = item.get_ref().as_table() else {
            return Err(self.wrong(at, &name, "is written as [[version]]"));
        };
        let mut leaves = Vec::new();
        leaves_of(table, &mut Vec::new(), &mut leaves);
        let mut own = [None, None, None];
        let (mut decision, mut ledger) = (Vec::new(), Vec::new());
        for mut leaf in leaves {
            let first = leaf.path[0].as_str();
            if let Some(which) = OWN.iter().position(|key| *key == first) {
                let Value::String(text) = &leaf.value else {
                    return Err(self.wrong(leaf.at, &format!("{name}.{first}"), "is no text"));
                };
                own[which] = Some((leaf.at, text.trim().to_owned()));
            } else if first == "window_list" {
                let reason = "stands by itself as [[window_list]]: a list counts from a day of its own";
                return Err(self.wrong(leaf.at, &format!("{name}.window_list"), reason));
            } else if first == "ledger" && leaf.path.len() > 1 {
                leaf.path.remove(0);
                ledger.push(leaf);
            } else {
                decision.push(leaf);
            }
        }
        let mut told = OWN.iter().zip(own).map(|(key, value)| {
            let field = format!("{name}.{key}");
            let (at, text) = value.unwrap_or((at, String::new()));
            if text.is_empty() { Err(self.wrong(at, &field, "is missing")) } else { Ok((at, text)) }
        });
        let mut next = || told.next().unwrap_or_else(|| Err(self.wrong(at, &name, "is incomplete")));
        let ((id_at, id), (from_at, from), (_, source)) = (next()?, next()?, next()?);
        if id.chars().count() > NAME_CHARS_MAX
            || id.chars().any(|letter| letter.is_whitespace() || letter.is_control())
        {
            let reason = format!("is a name of 1 to {NAME_CHARS_MAX} characters without spaces");
            return Err(self.wrong(id_at, &format!("{name}.id"), reason));
        }
        let from =
            from.parse().map_err(|_| self.wrong(from_at, &format!("{name}.from"), "is no day YYYY-MM-DD"))?;
        Ok(Overlay { at: id_at, id, from, source, decision, ledger })
    }

    /// A list of windows, field by field, so that the one that is wrong is named.
    fn list(&self, n: usize, item: &SpannedValue<'_>) -> Result<(usize, WindowList), SitePolicyError> {
        let name = format!("window_list[{n}]");
        let at = item.span().start;
        let Some(table) = item.get_ref().as_table() else {
            return Err(self.wrong(at, &name, "is written as [[window_list]]"));
        };
        let mut leaves = Vec::new();
        leaves_of(table, &mut Vec::new(), &mut leaves);
        for key in ["from", "source", "days"] {
            if leaves.iter().all(|leaf| leaf.path[0] != key) {
                return Err(self.wrong(at, &format!("{name}.{key}"), "is missing"));
            }
        }
        let mut made: Table = [
            ("from", Value::from("2000-01-01")),
            ("source", Value::from("")),
            ("days", Value::from(Table::new())),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
        let mut read = None;
        for leaf in &leaves {
            let field = format!("{name}.{}", leaf.name);
            lay(&mut made, &leaf.path, leaf.value.clone());
            let list: WindowList = made
                .clone()
                .try_into()
                .map_err(|error: toml::de::Error| self.wrong(leaf.at, &field, error.message()))?;
            if let (Some(code), "days") = (leaf.path.get(1), leaf.path[0].as_str()) {
                window(code, list.days.get(code).copied())
                    .map_err(|reason| self.wrong(leaf.at, &field, reason))?;
            }
            read = Some(list);
        }
        let list = read.ok_or_else(|| self.wrong(at, &name, "is empty"))?;
        if list.until.is_some_and(|until| until < list.from) {
            return Err(self.wrong(at, &format!("{name}.until"), "is before its first day"));
        }
        Ok((at, list))
    }

    /// No two versions have one name or one day, no two lists one day: nobody could tell which of them counts.
    fn once(&self, versions: &[Overlay], lists: &[(usize, WindowList)]) -> Result<(), SitePolicyError> {
        let (mut ids, mut days, mut begin) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (n, version) in versions.iter().enumerate() {
            if !ids.insert(version.id.as_str()) {
                return Err(self.wrong(
                    version.at,
                    &format!("version[{n}].id"),
                    "is the name of another version",
                ));
            }
            if !days.insert(version.from) {
                return Err(self.wrong(
                    version.at,
                    &format!("version[{n}].from"),
                    "is the day of another version",
                ));
            }
        }
        for (n, (at, list)) in lists.iter().enumerate() {
            if !begin.insert(list.from) {
                return Err(self.wrong(*at, &format!("window_list[{n}].from"), "is the day of another list"));
            }
        }
        Ok(())
    }

    /// For each day on which something begins, what is shipped with all that the file says by then.
    fn composed(
        &self,
        versions: &[Overlay],
        lists: &[WindowList],
        hash: ContentHash,
    ) -> Result<SitePolicy, SitePolicyError> {
        let broken = |error: String| self.wrong(0, "shipped", error);
        let decision_base = tables(policy::SHIPPED).map_err(broken)?;
        let ledger_base = tables(ledger::SHIPPED).map_err(broken)?;
        let mut order: Vec<(usize, &Overlay)> = versions.iter().enumerate().collect();
        order.sort_by_key(|(_, version)| version.from);
        let hash_shown: String = hash.to_string().chars().take(HASH_DIGITS).collect();
        let named = |shipped: &str, last: Option<&Overlay>| match last {
            Some(last) => format!("{shipped}+{}@{hash_shown}", last.id),
            None => format!("{shipped}@{hash_shown}"),
        };
        let begun = |day: Date| order.iter().filter(move |(_, version)| version.from <= day);
        let days = |base: &[(Date, Table)]| -> BTreeSet<Date> {
            base.iter().map(|(from, _)| *from).chain(versions.iter().map(|version| version.from)).collect()
        };
        let mut decisions = Vec::new();
        for day in days(&decision_base) {
            let mut table = in_force(&decision_base, day);
            let shipped = text_of(&table, "id");
            for (n, version) in begun(day) {
                self.laid::<PolicyVersion>(&mut table, *n, &version.decision, |made| {
                    made.check().map_err(|error| error.to_string())
                })?;
            }
            let last = begun(day).next_back().map(|(_, version)| *version);
            let mut made: PolicyVersion =
                table.try_into().map_err(|e: toml::de::Error| broken(e.to_string()))?;
            made.id = named(&shipped, last);
            made.from = day;
            made.source = last.map_or(made.source, |last| last.source.clone());
            made.window_lists.extend(lists.iter().cloned());
            decisions.push(made);
        }
        let mut ledgers = Vec::new();
        for day in days(&ledger_base) {
            let mut table = in_force(&ledger_base, day);
            let shipped = text_of(&table, "id");
            for (n, version) in begun(day) {
                self.laid::<LedgerVersion>(&mut table, *n, &version.ledger, LedgerVersion::check)?;
            }
            let last = begun(day).next_back().map(|(_, version)| *version);
            let mut made: LedgerVersion =
                table.try_into().map_err(|e: toml::de::Error| broken(e.to_string()))?;
            made.id = named(&shipped, last);
            made.from = day;
            ledgers.push(made);
        }
        Ok(SitePolicy {
            decision: Policy::of(decisions).map_err(|error| broken(error.to_string()))?,
            ledger: LedgerPolicy::of(ledgers).map_err(|error| broken(error.to_string()))?,
            file: Some(hash),
        })
    }

    /// Lays values over a version one by one, so that the one that does not fit is named.
    fn laid<T: serde::de::DeserializeOwned>(
        &self,
        table: &mut Table,
        version: usize,
        leaves: &[Leaf],
        check: impl Fn(&T) -> Result<(), String>,
    ) -> Result<(), SitePolicyError> {
        for leaf in leaves {
            let field = format!("version[{version}].{}", leaf.name);
            lay(table, &leaf.path, leaf.value.clone());
            let made: T = table
                .clone()
                .try_into()
                .map_err(|error: toml::de::Error| self.wrong(leaf.at, &field, error.message()))?;
            check(&made).map_err(|reason| self.wrong(leaf.at, &field, reason))?;
        }
        Ok(())
    }
}

/// The values of a table that are no tables, with their paths and places in the text.
fn leaves_of(table: &DeTable<'_>, path: &mut Vec<String>, leaves: &mut Vec<Leaf>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        match value.get_ref().as_table() {
            Some(inner) => leaves_of(inner, path, leaves),
            None => leaves.push(Leaf {
                at: key.span().start,
                name: path.join("."),
                path: path.clone(),
                value: plain(value.get_ref()),
            }),
        }
        path.pop();
    }
}

/// A value without places; days may be written with or without quotes.
fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        // What is no number of 64 bits stays a text, which no number takes.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.as_str().to_owned()), Value::Integer),
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Value::String(number.as_str().to_owned()), Value::Float)
        }
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(when) => Value::String(when.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| plain(item.get_ref())).collect()),
        DeValue::Table(table) => Value::Table(
            table.iter().map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref()))).collect(),
        ),
    }
}

/// Puts a value at a path; what stood there is replaced.
fn lay(table: &mut Table, path: &[String], value: Value) {
    let Some((key, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        table.insert(key.clone(), value);
        return;
    }
    let inner = table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
    if !inner.is_table() {
        *inner = Value::Table(Table::new());
    }
    if let Value::Table(inner) = inner {
        lay(inner, rest, value);
    }
}

/// The versions of a shipped policy by their days.
fn tables(text: &str) -> Result<Vec<(Date, Table)>, String> {
    let mut all: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let Some(Value::Array(versions)) = all.remove("version") else { return Err("has no version".into()) };
    let dated = versions.into_iter().filter_map(|version| {
        let Value::Table(table) = version else { return None };
        Some((text_of(&table, "from").parse().ok()?, table))
    });
    let mut dated: Vec<(Date, Table)> = dated.collect();
    dated.sort_by_key(|(from, _)| *from);
    if dated.is_empty() { Err("has no version".into()) } else { Ok(dated) }
}

fn in_force(versions: &[(Date, Table)], day: Date) -> Table {
    let begun = versions.iter().filter(|(from, _)| *from <= day).count();
    versions.get(begun.saturating_sub(1)).map(|(_, table)| table.clone()).unwrap_or_default()
}

fn text_of(table: &Table, key: &str) -> String {
    table.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Whether a window is one of a code that orders can have, and of days that make sense.
fn window(code: &str, days: Option<i64>) -> Result<(), String> {
    let is_shared = code.len() == 7 && code.bytes().all(|byte| byte.is_ascii_digit());
    let technique = techniques::technique(None, &[code.to_owned()]);
    let known = techniques::of_technique(technique.as_deref().unwrap_or(code)).is_some();
    if !is_shared && !known {
        return Err(
            "is no technique (18.149), service code (18.0149.0040) or shared code of seven digits".into()
        );
    }
    match days {
        Some(days) if (0..=36_500).contains(&days) => Ok(()),
        _ => Err("is no number of days from 0 to 36500".into()),
    }
}
