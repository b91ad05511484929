//! `/api/v1/reuse/check`: whether a stored exam can stand in for what is ordered, and `/api/v1/reuse/policy`: by which
//! rules. They say nothing and keep nothing.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::request::Parts;
use indexer::archive::{Asked, ReuseAnswer, StateError, answer_name};
use indexer::statement::Order;
use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::site::{concerns, of_token, resolve};
use super::{orders, say};
use crate::Portal;
use crate::problem::Problem;

/// Most characters of an order's name.
const NAME_CHARS: usize = 256;

/// Answers for an order that is kept here, `{"order": "ID"}`, or for one that comes with the question,
/// `{"order": {...}}` or the fields of the order themselves.
pub(super) async fn check(
    State(portal): State<Portal>,
    parts: Parts,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let mut fields: Map<String, Value> = serde_json::from_slice(&body)
        .map_err(|error| Problem::Invalid("body", format!("is no JSON object: {error}")))?;
    let token = of_token(&parts);
    let inline = match fields.remove("order") {
        Some(Value::String(id)) if id.chars().count() <= NAME_CHARS => {
            Fields(fields).end("body")?;
            let answer = say(&portal.archive, move |archive| {
                if !concerns(token, archive.ordered(&id)?.0.facility) {
                    return Err(Problem::NotFound("order"));
                }
                archive.reuse_check(&Asked::Order(id)).map_err(Problem::from)
            });
            return named(&answer.await?);
        }
        Some(Value::Object(order)) => {
            Fields(fields).end("body")?;
            order
        }
        None => fields,
        Some(_) => return Err(Problem::Invalid("order", "is neither a name nor an order".into())),
    };
    let (order, facility) = orders::read(&mut Fields(inline))?;
    let answer = say(&portal.archive, move |archive| {
        let facility = resolve(archive, "ordering_facility", facility.as_deref(), token)?;
        let asked = Asked::Inline(Box::new(Order { facility, ..order }));
        archive.reuse_check(&asked).map_err(Problem::from)
    });
    named(&answer.await?)
}

/// The policy that is in force today: of the decision, of the ledger, and of which file.
pub(super) async fn policy(State(portal): State<Portal>) -> Result<Json<Value>, Problem> {
    let archive = &portal.archive;
    let today = archive.today();
    let decision = archive.reuse_policy_today();
    Ok(Json(json!({
        "today": today,
        "policy": decision.id,
        "file_sha256": archive.policy_file(),
        "windows": decision.windows_in_force(today),
        "decision": decision,
        "ledger": archive.ledger_policy_on(today),
    })))
}

/// The answer with its name, by which a decision says what was shown.
fn named(answer: &ReuseAnswer) -> Result<Json<Value>, Problem> {
    let name = answer_name(answer).map_err(|error: StateError| Problem::from(error))?;
    let mut told = serde_json::to_value(answer).map_err(Problem::failed)?;
    if let Some(told) = told.as_object_mut() {
        told.insert("answer_version".into(), Value::String(name));
    }
    Ok(Json(told))
}
