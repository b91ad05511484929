//! `/api/openapi.json`: what programs can ask, as OpenAPI 3.1. One file for each noun in `data/openapi`; a test holds them
//! true to the routes.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value};

use crate::Portal;

/// What all parts share stands first.
const PARTS: [&str; 14] = [
    include_str!("../data/openapi/base.json"),
    include_str!("../data/openapi/operation.json"),
    include_str!("../data/openapi/log.json"),
    include_str!("../data/openapi/statements.json"),
    include_str!("../data/openapi/codes.json"),
    include_str!("../data/openapi/orders.json"),
    include_str!("../data/openapi/reports.json"),
    include_str!("../data/openapi/reuse.json"),
    include_str!("../data/openapi/decisions.json"),
    include_str!("../data/openapi/ledger.json"),
    include_str!("../data/openapi/imports.json"),
    include_str!("../data/openapi/persons.json"),
    include_str!("../data/openapi/intakes.json"),
    include_str!("../data/openapi/upkeep.json"),
];

static WHOLE: LazyLock<String> = LazyLock::new(|| {
    let mut whole = Map::new();
    for part in PARTS {
        // A part that cannot be read is missing, which the test against the routes tells.
        if let Ok(Value::Object(part)) = serde_json::from_str(part) {
            merge(&mut whole, part);
        }
    }
    Value::Object(whole).to_string()
});

/// Puts the members of `from` into `into`, objects into objects.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(there)), Value::Object(more)) => merge(there, more),
            (_, value) => drop(into.insert(name, value)),
        }
    }
}

/// The route of this module.
pub(crate) fn routes() -> Router<Portal> {
    Router::new().route("/api/openapi.json", get(whole))
}

async fn whole() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, WHOLE.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_can_be_read_and_each_reference_is_there() {
        for part in PARTS {
            serde_json::from_str::<Map<String, Value>>(part).unwrap();
        }
        let whole: Value = serde_json::from_str(&WHOLE).unwrap();
        for reference in WHOLE.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(whole.pointer(reference).is_some(), "{reference}");
        }
    }
}
