//! What the interface says of its answers (`/api/openapi.json`), held against answers.
//!
//! Of JSON Schema it knows what the description uses. Stricter than a schema is by itself: where an object is described by
//! its members, an answer has no others.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::http::Http;

/// The description of an interface.
#[derive(Clone, Debug)]
pub struct Description(Value);

impl Description {
    /// That of a running server.
    ///
    /// # Errors
    /// When it gives none.
    pub fn of(web: &mut Http) -> Result<Description> {
        Ok(Description(web.json("/api/openapi.json")?))
    }

    /// The schema of an answer in JSON; `path` as the description writes it.
    fn schema(&self, method: &str, path: &str, status: u16) -> Result<&Value> {
        let answer = &self.0["paths"][path][method.to_ascii_lowercase()]["responses"][status.to_string()];
        let schema = answer.get("content").and_then(|content| content.get("application/json")?.get("schema"));
        schema.with_context(|| format!("{method} {path} {status} is not described"))
    }

    /// That an answer is as it is described.
    ///
    /// # Errors
    /// All that is not.
    pub fn holds(&self, method: &str, path: &str, status: u16, answer: &Value) -> Result<()> {
        let mut wrong = Vec::new();
        self.look(self.schema(method, path, status)?, answer, "", &mut wrong);
        ensure!(wrong.is_empty(), "{method} {path} {status}:\n{}\n{answer:#}", wrong.join("\n"));
        Ok(())
    }

    /// Whether a request without one of its members is allowed.
    ///
    /// # Errors
    /// When the request is not described.
    pub fn needs(&self, method: &str, path: &str, member: &str) -> Result<bool> {
        let request = &self.0["paths"][path][method.to_ascii_lowercase()]["requestBody"];
        let schema = self.resolved(&request["content"]["application/json"]["schema"]);
        ensure!(schema.is_object(), "{method} {path} takes nothing that is described");
        let named = |schema: &Value| {
            schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == member))
        };
        Ok(named(schema) || named(&schema["then"]))
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        reference.and_then(|pointer| self.0.pointer(pointer)).unwrap_or(schema)
    }

    /// The members that a schema describes, those of its parts included; none where it takes any.
    fn members<'a>(&'a self, schema: &'a Value, all: &mut BTreeSet<&'a str>) {
        let schema = self.resolved(schema);
        all.extend(schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()));
        schema["allOf"].as_array().into_iter().flatten().for_each(|part| self.members(part, all));
    }

    fn look(&self, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
        let schema = self.resolved(schema);
        if let Some(members) = value.as_object() {
            let mut described = BTreeSet::new();
            self.members(schema, &mut described);
            let open = described.is_empty() || schema["additionalProperties"] == true;
            let unknown = members.keys().filter(|name| !open && !described.contains(name.as_str()));
            wrong.extend(unknown.map(|name| format!("{at}/{name} is not described")));
        }
        self.fits(schema, value, at, wrong);
    }

    /// Whether a value is as a schema has it, members that it does not name aside.
    fn fits(&self, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
        let schema = self.resolved(schema);
        if !is_of_type(&schema["type"], value) {
            wrong.push(format!("{at} is no {}: {value}", schema["type"]));
            return;
        }
        if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
            wrong.push(format!("{at} is none of {}: {value}", schema["enum"]));
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.fits(part, value, at, wrong);
        }
        if let Some(all) = schema["anyOf"].as_array() {
            let problems = all.iter().map(|one| {
                let mut problems = Vec::new();
                self.look(one, value, at, &mut problems);
                problems
            });
            wrong.extend(problems.min_by_key(Vec::len).unwrap_or_default());
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.as_object().is_some_and(|members| !members.contains_key(name)) {
                wrong.push(format!("{at}/{name} is missing"));
            }
        }
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(value) = value.get(name) {
                self.look(member, value, &format!("{at}/{name}"), wrong);
            }
        }
        if let Some(items) = schema.get("items") {
            for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                self.look(items, item, &format!("{at}/{n}"), wrong);
            }
        }
    }
}

/// Whether a value is of a type, or of one of several; no type takes all.
fn is_of_type(types: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match types {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => true,
    }
}
