//! `/api/v1/reconciliation`: open orders without images, and images without an order, since a day.

use axum::Json;
use axum::extract::State;
use indexer::db::UnmetAfter;
use indexer::reuse::{Date, Moment};
use serde::Deserialize;
use serde_json::{Value, json};

use super::orders::shown;
use super::say;
use super::site::codes;
use crate::Portal;
use crate::problem::{Asked, Problem};

/// Rows of each list when the request names no number, and at most.
const ROWS: u32 = 100;
const ROWS_MAX: u32 = 1000;

/// From which day on; the day begins at midnight in Vietnam.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    since: String,
    limit: Option<u32>,
    /// Where each of the two lists goes on, as an answer told it.
    after_order: Option<String>,
    after_study: Option<String>,
}

pub(super) async fn list(
    State(portal): State<Portal>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Value>, Problem> {
    let wrong = |_| Problem::Invalid("since", "is no day: YYYY-MM-DD".into());
    let since: Date = wanted.since.parse().map_err(wrong)?;
    let begin: Moment = format!("{since}T00:00:00+07:00").parse().map_err(Problem::failed)?;
    let limit = wanted.limit.unwrap_or(ROWS).min(ROWS_MAX);
    let after_order = place("after_order", wanted.after_order.as_deref())?;
    let after_study = place("after_study", wanted.after_study.as_deref())?;
    let answer = say(&portal.archive, move |archive| {
        let db = archive.db();
        let codes = codes(db)?;
        let open = db.orders_without_images(begin.ms, limit, after_order.as_ref())?;
        let orders = open.rows.iter().map(|stated| shown(archive, stated, &codes));
        let orders = orders.collect::<Result<Vec<Value>, Problem>>()?;
        let day = since.to_string().replace('-', "");
        let came = db.studies_without_order(&day, limit, after_study.as_ref())?;
        let studies: Vec<Value> = came
            .rows
            .iter()
            .map(|study| {
                let modalities: Vec<&str> =
                    study.modalities.split('\\').filter(|it| !it.is_empty()).collect();
                json!({
                    "study": study.study_uid, "accession": study.accession, "modalities": modalities,
                    "day": study.day.parse::<Date>().ok(), "facility": codes.get(&study.facility),
                })
            })
            .collect();
        Ok::<Value, Problem>(json!({
            "since": since, "orders_without_images": orders, "images_without_order": studies,
            "next_order": open.next.map(|next| next.to_string()),
            "next_study": came.next.map(|next| next.to_string()),
        }))
    });
    Ok(Json(answer.await?))
}

/// The place of a list that a request names.
fn place(field: &'static str, text: Option<&str>) -> Result<Option<UnmetAfter>, Problem> {
    let read = text.map(str::parse::<UnmetAfter>).transpose();
    read.map_err(|error| Problem::Invalid(field, error.to_string()))
}
