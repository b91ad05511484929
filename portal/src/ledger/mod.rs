//! `/api/v1/ledger`: exams that were not made because stored ones stood in. Confirmed amounts are what entries say;
//! what is only expected stands under `estimated` and is in no sum.

mod chart;
mod export;
mod page;
mod record;
mod rows;
mod workbook;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::request::Parts;
use axum::routing::get;
use axum::{Json, Router};
use indexer::archive::Archive;
use indexer::db::{DecisionsBy, DeliveriesBy, FacilityId, LedgerBy, LedgerSum, Stated};
use indexer::ledger::chain::Head;
use indexer::reuse::{Date, Moment};
use indexer::statement::State as Statement;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Portal;
use crate::calendar::now_ms;
use crate::problem::Problem;
use crate::stating::{changed_grounds, delivery_shown, own_deliveries, say, site};

/// Rows of a list when the request names no number, and at most.
const ROWS: u32 = 100;
const ROWS_MAX: u32 = 1000;
/// Minutes from UTC to the time of Vietnam.
const UTC_OFFSET_MINUTES: i64 = 7 * 60;

/// The routes of this module.
pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/api/v1/ledger/summary", get(summary))
        .route("/api/v1/ledger/entries", get(entries))
        .route("/api/v1/ledger/heads", get(heads))
        .route("/api/v1/ledger/warnings", get(warnings))
        .route("/api/v1/ledger/export.csv", get(export::csv))
        .route("/api/v1/ledger/export.xlsx", get(export::xlsx))
        .route("/ledger", get(page::page))
        .route("/reuse/record", get(record::page))
}

/// Which part of the ledger is asked for: days of entries at +07:00, both included.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    by: Option<String>,
    from: Option<String>,
    to: Option<String>,
    order: Option<String>,
    limit: Option<u32>,
    offset: Option<u32>,
}

/// A stretch of days.
#[derive(Debug, Clone, Copy)]
pub(super) struct Days {
    pub from: Date,
    pub to: Date,
}

impl Days {
    fn texts(self) -> (String, String) {
        (self.from.to_string(), self.to.to_string())
    }

    /// From the first moment to the one after the last, in milliseconds since 1970-01-01 UTC.
    fn moments(self) -> (i64, i64) {
        let begin = |day: Date| {
            let text = format!("{day}T00:00:00+07:00");
            text.parse::<Moment>().map_or(0, |moment| moment.ms)
        };
        (begin(self.from), begin(self.to.plus_days(1)))
    }
}

impl Wanted {
    /// The days that are asked for; without them all until today.
    fn days(&self) -> Result<Days, Problem> {
        let day = |field, text: &Option<String>, other: Date| match text.as_deref() {
            None | Some("") => Ok(other),
            Some(text) => text.parse().map_err(|_| Problem::Invalid(field, "is no day: YYYY-MM-DD".into())),
        };
        let today = Moment { ms: now_ms() }.day(UTC_OFFSET_MINUTES);
        let first = Date::new(2000, 1, 1).unwrap_or(today);
        Ok(Days { from: day("from", &self.from, first)?, to: day("to", &self.to, today)? })
    }

    fn bounds(&self) -> (u32, u32) {
        (self.limit.unwrap_or(ROWS).min(ROWS_MAX), self.offset.unwrap_or(0))
    }
}

type Asked = Result<Query<Wanted>, QueryRejection>;

pub(super) fn wanted(asked: Asked) -> Result<Wanted, Problem> {
    asked.map(|Query(wanted)| wanted).map_err(|error| Problem::Invalid("query", error.body_text()))
}

async fn summary(State(portal): State<Portal>, parts: Parts, asked: Asked) -> Result<Json<Value>, Problem> {
    let token = site::of_token(&parts);
    let wanted = wanted(asked)?;
    let days = wanted.days()?;
    let word = wanted.by.unwrap_or_else(|| "month".into());
    let by = match word.as_str() {
        "month" => LedgerBy::Month,
        "facility" => LedgerBy::Facility,
        "modality" => LedgerBy::Modality,
        "code" => LedgerBy::Code,
        _ => return Err(Problem::Invalid("by", "is none of month, facility, modality, code".into())),
    };
    let answer = say(&portal.archive, move |archive| {
        let db = archive.db();
        let (from, to) = days.texts();
        let sums = db.ledger_sums(by, token, (&from, &to))?;
        let codes = site::codes(db)?;
        let name = |key: &str| match by {
            LedgerBy::Facility => {
                let number = key.parse().ok();
                site::code(&codes, number).cloned().unwrap_or_default()
            }
            _ => key.to_owned(),
        };
        let rows: Vec<Value> = sums.iter().map(|sum| confirmed(sum, Some(name(&sum.key)))).collect();
        let total = sums.iter().fold(LedgerSum::default(), added);
        // The film part of exams that count, for which no hand-over tells yet whether a film was made.
        let handed_over = db.film_handed_over_vnd(token, (&from, &to))?;
        let expected = (total.offered_film_vnd - total.film_vnd - handed_over).max(0);
        Ok::<Value, Problem>(json!({
            "by": word, "from": from, "to": to, "currency": "VND",
            "confirmed": { "rows": rows, "total": confirmed(&total, None) },
            "estimated": { "film_vnd": expected, "why": "no hand-over is recorded for these exams yet" },
            "warnings": counted(archive, &total, token)?,
            "heads": heads_for(archive, token)?,
        }))
    });
    Ok(Json(answer.await?))
}

fn confirmed(sum: &LedgerSum, key: Option<String>) -> Value {
    let mut row = json!({
        "orders": sum.orders, "exams": sum.exams, "exams_reversed": sum.exams_reversed,
        "exam_vnd": sum.exam_vnd, "film_vnd": sum.film_vnd, "total_vnd": sum.exam_vnd + sum.film_vnd,
        "reversed_vnd": sum.reversed_vnd, "lower_bound_exams": sum.lower_bound, "unpriced_exams": sum.unpriced,
    });
    if let (Some(row), Some(key)) = (row.as_object_mut(), key) {
        row.insert("key".into(), json!(key));
    }
    row
}

fn added(all: LedgerSum, sum: &LedgerSum) -> LedgerSum {
    LedgerSum {
        key: String::new(),
        orders: all.orders + sum.orders,
        exams: all.exams + sum.exams,
        exams_reversed: all.exams_reversed + sum.exams_reversed,
        exam_vnd: all.exam_vnd + sum.exam_vnd,
        film_vnd: all.film_vnd + sum.film_vnd,
        offered_film_vnd: all.offered_film_vnd + sum.offered_film_vnd,
        lower_bound: all.lower_bound + sum.lower_bound,
        unpriced: all.unpriced + sum.unpriced,
        reversed_vnd: all.reversed_vnd + sum.reversed_vnd,
    }
}

/// How many hand-overs were billed with film without one, and how many decisions rest on a report that changed; of a
/// token's facility those that a list shows at most.
pub(super) fn to_look_at(archive: &Archive, token: Option<FacilityId>) -> Result<(u64, u64), Problem> {
    let db = archive.db();
    if token.is_none() {
        return Ok((db.film_billed_without_film()?, db.decisions_with_changed_report()?));
    }
    let billed = own_deliveries(archive, &DeliveriesBy::FilmBilledWithoutFilm, token, (ROWS_MAX, 0))?;
    let amended = db.decisions(&DecisionsBy::ReportChanged, token, ROWS_MAX, 0)?;
    Ok((billed.len() as u64, amended.len() as u64))
}

/// How much needs a look.
fn counted(archive: &Archive, total: &LedgerSum, token: Option<FacilityId>) -> Result<Value, Problem> {
    let (billed, amended) = to_look_at(archive, token)?;
    Ok(json!({
        "film_billed_without_film": billed,
        "report_amended": amended,
        "unpriced_exams": total.unpriced,
        "lower_bound_exams": total.lower_bound,
    }))
}

/// The heads of the chains, which count everybody's entries: not for a token of one facility.
pub(super) fn heads_for(archive: &Archive, token: Option<FacilityId>) -> Result<Vec<Head>, Problem> {
    if token.is_some() { Ok(Vec::new()) } else { Ok(archive.db().ledger_heads()?) }
}

async fn entries(State(portal): State<Portal>, parts: Parts, asked: Asked) -> Result<Json<Value>, Problem> {
    let token = site::of_token(&parts);
    let wanted = wanted(asked)?;
    let (days, (limit, offset)) = (wanted.days()?, wanted.bounds());
    let answer = say(&portal.archive, move |archive| {
        let db = archive.db();
        let (from, to) = days.texts();
        let rows = match &wanted.order {
            Some(order) => db.ledger_of_order(order)?.0,
            None => db.ledger_entries(token, (&from, &to), limit, offset)?,
        };
        let own = |stated: &&Stated| match &stated.statement.state {
            Statement::LedgerEntry(entry) => site::concerns(token, Some(entry.facility)),
            _ => false,
        };
        Ok::<Value, Problem>(rows.iter().filter(own).map(entry).collect())
    });
    Ok(Json(answer.await?))
}

fn entry(stated: &Stated) -> Value {
    match &stated.statement.state {
        Statement::LedgerEntry(entry) => {
            let mut shown = json!(entry);
            let exams: i64 = entry.lines.iter().filter_map(|line| line.exam_vnd).sum();
            let films: i64 = match entry.event.name().starts_with("film") {
                true => entry.lines.iter().filter_map(|line| line.film_vnd).sum(),
                false => 0,
            };
            if let Some(shown) = shown.as_object_mut() {
                shown.insert("entry".into(), json!(entry.key()));
                shown.insert("exam_vnd".into(), json!(exams));
                shown.insert("film_vnd".into(), json!(films));
                shown.insert("payers_known".into(), json!(entry.payers.is_some()));
            }
            shown
        }
        _ => Value::Null,
    }
}

async fn heads(State(portal): State<Portal>, parts: Parts) -> Result<Json<Value>, Problem> {
    let token = site::of_token(&parts);
    let heads = say(&portal.archive, move |archive| heads_for(archive, token));
    Ok(Json(json!(heads.await?)))
}

async fn warnings(State(portal): State<Portal>, parts: Parts, asked: Asked) -> Result<Json<Value>, Problem> {
    let token = site::of_token(&parts);
    let (limit, offset) = wanted(asked)?.bounds();
    let answer = say(&portal.archive, move |archive| {
        let db = archive.db();
        let codes = site::codes(db)?;
        let billed = own_deliveries(archive, &DeliveriesBy::FilmBilledWithoutFilm, token, (limit, offset))?;
        let billed: Vec<Value> = billed.iter().map(|stated| delivery_shown(stated, &codes)).collect();
        let flagged = db.decisions(&DecisionsBy::ReportChanged, token, limit, offset)?;
        let flagged = flagged.iter().filter_map(|stated| match &stated.statement.state {
            Statement::ReuseDecision(decision) => Some((&stated.statement.subject.key, decision)),
            _ => None,
        });
        let flagged = flagged.map(|(key, decision)| {
            let changed = changed_grounds(archive, decision)?;
            Ok(json!({
                "decision": key, "order": decision.order, "studies": decision.studies,
                "flagged": changed.flag(), "reports_changed": changed.reports,
                "documents_changed": changed.documents, "record": format!("/reuse/record?decision={key}"),
            }))
        });
        let flagged = flagged.collect::<Result<Vec<Value>, Problem>>()?;
        Ok::<Value, Problem>(json!({ "film_billed_without_film": billed, "report_amended": flagged }))
    });
    Ok(Json(answer.await?))
}
