//! The ledger as a table for the insurer, as CSV and as a workbook.

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::rows::{COLUMNS, Cell, rows};
use super::{Asked, wanted, workbook};
use crate::Portal;
use crate::calendar::{Day, now_ms};
use crate::problem::Problem;
use crate::spreadsheet::{UTF8_MARK, row};
use crate::stating::say;
use crate::stating::site::of_token;

pub(super) async fn csv(
    State(portal): State<Portal>,
    parts: Parts,
    asked: Asked,
) -> Result<Response, Problem> {
    let rows = all(&portal, &parts, asked).await?;
    let mut out = UTF8_MARK.to_owned();
    row(&mut out, COLUMNS);
    for cells in &rows {
        let texts: Vec<String> = cells.iter().map(Cell::text).collect();
        row(&mut out, texts.iter().map(String::as_str));
    }
    Ok(file(out.into_bytes(), "text/csv; charset=utf-8", "so-ghi-nhan-tiet-kiem.csv"))
}

pub(super) async fn xlsx(
    State(portal): State<Portal>,
    parts: Parts,
    asked: Asked,
) -> Result<Response, Problem> {
    let rows = all(&portal, &parts, asked).await?;
    let today = Day::at(now_ms()).parts();
    let bytes = workbook::write("ledger", &COLUMNS, &rows, today);
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    Ok(file(bytes, kind, "so-ghi-nhan-tiet-kiem.xlsx"))
}

async fn all(portal: &Portal, parts: &Parts, asked: Asked) -> Result<Vec<Vec<Cell>>, Problem> {
    let (days, token) = (wanted(asked)?.days()?, of_token(parts));
    say(&portal.archive, move |archive| rows(archive, days, token)).await
}

fn file(bytes: Vec<u8>, kind: &'static str, name: &'static str) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
