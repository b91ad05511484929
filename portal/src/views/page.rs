//! `/log` for people and `/api/v1/views` for programs.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use indexer::principal::Action;
use serde_json::{Value, json};

use super::read::{Asked, Cursor, Page, read};
use super::{View, What};
use crate::Portal;
use crate::calendar::moment;
use crate::frame::{Frame, Place};
use crate::html::{Escaped, Html, percent};
use crate::language::Language;
use crate::problem::Problem;
use crate::sign_in::{Who, forbidden_in, words};
use crate::words::with;

/// Rows of a page when none are asked for, and at most.
const ROWS: u32 = 100;
const ROWS_MAX: u32 = 1_000;

/// A page of the log.
async fn look(portal: &Portal, asked: Asked) -> Result<Page, Problem> {
    let Some(log) = portal.site.views.clone() else { return Err(Problem::NotFound("log")) };
    let limit = asked.limit.unwrap_or(ROWS).clamp(1, ROWS_MAX) as usize;
    let cursor = Cursor::of_text(&asked.before);
    let read = move || read(&log.0.folder, &asked, cursor, limit);
    match tokio::task::spawn_blocking(read).await {
        Ok(page) => page.map_err(Problem::failed),
        Err(error) => Err(Problem::failed(error)),
    }
}

pub(super) async fn list(
    State(portal): State<Portal>,
    who: Who,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Response> {
    if !who.may(Action::SeeLog) {
        return Err(refuse());
    }
    let page = look(&portal, asked).await.map_err(IntoResponse::into_response)?;
    Ok(Json(json!({ "views": page.views, "next": page.next.map(Cursor::text) })))
}

/// The answer to a program that may not see the log.
pub(super) fn refuse() -> Response {
    let status = StatusCode::FORBIDDEN;
    let body = json!({ "title": "this principal may not see the log", "status": status.as_u16() });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

pub(super) async fn show(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
    Query(asked): Query<Asked>,
) -> Response {
    if !who.may(Action::SeeLog) {
        return forbidden_in(language, who.person().is_some());
    }
    let words = words(language);
    let page = match look(&portal, asked.clone()).await {
        Ok(page) => page,
        Err(problem) => return problem.into_response(),
    };
    let mut content = Html::default();
    content.put(format_args!("<h1>{}</h1><p>{}</p>", words.log, words.log_hint));
    let lost = portal.site.views.as_ref().map_or(0, super::ViewLog::lost);
    if lost > 0 {
        content.put(format_args!("<p class=\"banner bad\">{}</p>", with(words.lost, lost)));
    }
    form(&mut content, language, &asked);
    rows(&mut content, language, &page.views);
    content.put(format_args!("<p class=\"pager\">"));
    if let Some(next) = page.next {
        let there = address("/log", &asked, Some(next));
        content.put(format_args!(
            "<a class=\"button\" href=\"{}\">{} →</a> ",
            Escaped(&there),
            words.earlier
        ));
    }
    let csv = address("/api/v1/views.csv", &asked, None);
    content.put(format_args!(
        "<a class=\"button\" href=\"{}\" download>{}</a></p>",
        Escaped(&csv),
        words.export
    ));
    Frame::new(&portal, language, Place::Log, words.log, "/log").asked_by(&who).around(&content)
}

fn address(path: &str, asked: &Asked, next: Option<Cursor>) -> String {
    let next = next.map(Cursor::text).unwrap_or_default();
    let pairs = [
        ("study", &asked.study),
        ("who", &asked.who),
        ("from", &asked.from),
        ("to", &asked.to),
        ("before", &next),
    ];
    let pairs: Vec<String> = pairs
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", percent(value)))
        .collect();
    format!("{path}?{}", pairs.join("&"))
}

fn form(out: &mut Html, language: Language, asked: &Asked) {
    let (own, words) = (language.words(), words(language));
    let day = |day: Option<crate::calendar::Day>| day.map(crate::calendar::Day::iso).unwrap_or_default();
    out.put(format_args!(
        "<form class=\"search\" method=\"get\" action=\"/log\"><div class=\"filters\">\
         <label>{} <input name=\"who\" maxlength=\"64\" value=\"{}\" autocapitalize=\"none\"></label>\
         <label>{} <input name=\"study\" maxlength=\"64\" value=\"{}\"></label>\
         <label>{} <input type=\"date\" name=\"from\" value=\"{}\"></label>\
         <label>{} <input type=\"date\" name=\"to\" value=\"{}\"></label>\
         <button class=\"button\">{}</button></div></form>",
        words.account_or_token,
        Escaped(&asked.who),
        words.study_uid,
        Escaped(&asked.study),
        own.from,
        day(asked.first()),
        own.to,
        day(asked.last()),
        words.show,
    ));
}

fn rows(out: &mut Html, language: Language, views: &[View]) {
    let words = words(language);
    if views.is_empty() {
        out.put(format_args!("<div class=\"nothing\"><p>{}</p></div>", words.none));
        return;
    }
    out.put(format_args!("<div class=\"wide\"><table class=\"plain\"><thead><tr>"));
    for column in [words.when, words.who, words.what, words.study_uid, words.from_where] {
        out.put(format_args!("<th scope=\"col\">{column}</th>"));
    }
    out.put(format_args!("</tr></thead><tbody>"));
    for view in views {
        out.put(format_args!("<tr><td>{}</td><td>", moment(language, view.at_ms)));
        match view.kind.as_str() {
            "local" => out.put(format_args!("{}", words.local)),
            "claimed" => out.text(&with(words.claimed, &view.who)),
            "machine" => out.text(&with(words.machine, &view.who)),
            _ => out.text(&view.who),
        };
        out.put(format_args!("</td><td>{}</td><td>", what(language, view.what)));
        if view.study.is_empty() {
            out.text(if view.instance.is_empty() { &view.patient } else { &view.instance });
        } else {
            let uid = Escaped(&view.study);
            out.put(format_args!("<a href=\"/studies/{uid}\"><code>{uid}</code></a>"));
        }
        out.put(format_args!("</td><td><code>{}</code></td></tr>", Escaped(&view.from)));
    }
    out.put(format_args!("</tbody></table></div>"));
}

fn what(language: Language, what: What) -> &'static str {
    let words = words(language);
    match what {
        What::Page => words.looked_at_page,
        What::Download => words.downloaded,
        What::Instances => words.took_instances,
        What::Metadata => words.took_metadata,
        What::Frames => words.took_frames,
        What::Rendered => words.took_rendered,
        What::Bulkdata => words.took_bulkdata,
        What::Version => words.took_version,
        What::Patient => words.looked_at_patient,
    }
}
