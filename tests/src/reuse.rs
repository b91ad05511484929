//! The reuse check as a hospital's system asks it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::http::{Http, good};
use crate::wait_for;

/// How long a study may take until it was examined and verified.
const LIMIT: Duration = Duration::from_secs(90);

/// The answer to an order that is kept, or that comes with the question.
///
/// # Errors
/// When it is refused.
pub fn check(web: &Http, asked: &Value) -> Result<Value> {
    good(&web.say("POST", "/api/v1/reuse/check", &[], asked)?, 200)
}

/// The answer as soon as `holds`: evidence is gathered behind it.
///
/// # Errors
/// When it does not hold in time.
pub fn until(web: &Http, asked: &Value, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut last = Value::Null;
    let answer = wait_for(what, LIMIT, || {
        last = check(web, asked)?;
        Ok(holds(&last).then(|| last.clone()))
    });
    answer.with_context(|| format!("{last:#}"))
}

/// The answer once every study that it names was examined and verified: until then each look makes another one of it.
///
/// # Errors
/// When that takes too long.
pub fn settled(web: &Http, asked: &Value) -> Result<Value> {
    until(web, asked, "the evidence", |told| {
        let seen = told["studies"].as_array().map(Vec::as_slice).unwrap_or_default();
        let looked_at = |one: &Value| one["examined_at"].is_string() && one["verified_at"].is_string();
        let open = told["decision"].to_string().contains("\"not_verified\"");
        !seen.is_empty() && seen.iter().all(looked_at) && !open
    })
}
