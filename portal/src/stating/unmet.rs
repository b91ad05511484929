//! `/api/v1/reconciliation`: open orders without images, and images without an order, since a day.

use axum::Json;
use axum::extract::State;
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
    offset: Option<u32>,
}

pub(super) async fn list(
    State(portal): State<Portal>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Value>, Problem> {
    let wrong = |_| Problem::Invalid("since", "is no day: YYYY-MM-DD".into());
    let since: Date = wanted.since.parse().map_err(wrong)?;
    let begin: Moment = format!("{since}T00:00:00+07:00").parse().map_err(Problem::failed)?;
    let (limit, offset) = (wanted.limit.unwrap_or(ROWS).min(ROWS_MAX), wanted.offset.unwrap_or(0));
    let answer = say(&portal.archive, move |archive| {
        let db = archive.db();
        let codes = codes(db)?;
        let orders = db.orders_without_images(begin.ms, limit, offset)?;
        let orders = orders.iter().map(|stated| shown(archive, stated, &codes));
        let orders = orders.collect::<Result<Vec<Value>, Problem>>()?;
        let studies = db.studies_without_order(&since.to_string().replace('-', ""), limit, offset)?;
        let studies: Vec<Value> = studies
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
        }))
    });
    Ok(Json(answer.await?))
}
