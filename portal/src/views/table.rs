//! `/api/v1/views.csv`: the log as a table for spreadsheets (RFC 4180), made while it is sent.

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use indexer::principal::Action;
use tokio::sync::mpsc;

use super::page::refuse;
use super::read::{Asked, Cursor, read};
use super::{View, ViewLog};
use crate::Portal;
use crate::calendar::Day;
use crate::sign_in::Who;
use crate::spreadsheet;

/// Rows of one turn.
const ROWS: usize = 1_000;
/// Turns that may be ahead of the reader.
const AHEAD: usize = 2;
/// The mark by which spreadsheets know UTF-8, and the names of the columns.
const HEAD: &str = "\u{feff}time_utc,kind,who,what,study,instance,patient,from\r\n";

pub(super) async fn export(State(portal): State<Portal>, who: Who, Query(asked): Query<Asked>) -> Response {
    if !who.may(Action::SeeLog) {
        return refuse();
    }
    let Some(log) = portal.site.views.clone() else { return StatusCode::NOT_FOUND.into_response() };
    let (send, receive) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || rows(&log, &asked, &send));
    let body =
        stream::unfold(receive, |mut receive| async { receive.recv().await.map(|part| (part, receive)) });
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    let name = HeaderValue::from_static("attachment; filename=\"nhat-ky-truy-cap.csv\"");
    headers.insert(header::CONTENT_DISPOSITION, name);
    response
}

/// Sends all rows, newest first, until nobody takes them any more.
fn rows(log: &ViewLog, asked: &Asked, send: &mpsc::Sender<std::io::Result<Bytes>>) {
    let mut cursor = Cursor::of_text(&asked.before);
    let mut text = HEAD.to_owned();
    loop {
        let page = match read(&log.0.folder, asked, cursor, ROWS) {
            Ok(page) => page,
            Err(error) => {
                // The answer breaks off, so that nobody takes it for whole.
                let _ = send.blocking_send(Err(error));
                return;
            }
        };
        page.views.iter().for_each(|view| row(&mut text, view));
        if send.blocking_send(Ok(std::mem::take(&mut text).into())).is_err() {
            return;
        }
        cursor = page.next;
        if cursor.is_none() {
            return;
        }
    }
}

fn row(out: &mut String, view: &View) {
    let what = serde_json::to_value(view.what).ok();
    let what = what.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
    let time = time(view.at_ms);
    let all = [&time, &view.kind, &view.who, what, &view.study, &view.instance, &view.patient, &view.from];
    spreadsheet::row(out, all.into_iter().map(|cell: &str| cell));
}

fn time(at_ms: i64) -> String {
    let second = at_ms.div_euclid(1000).rem_euclid(86_400);
    let day = Day(at_ms.div_euclid(86_400_000));
    format!("{}T{:02}:{:02}:{:02}Z", day.iso(), second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc() {
        assert_eq!(time(1_795_309_450_123), "2026-11-22T01:04:10Z");
    }
}
