//! `/sign-in` and `/sign-out`, and the answers to those who may not go on.

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use indexer::principal::Action;
use serde::Deserialize;

use super::{OWN_ACCOUNT, Refused, SIGN_IN, Who, words};
use crate::Portal;
use crate::accounts::Secret;
use crate::assets;
use crate::frame::{Frame, Place};
use crate::html::{Escaped, Html, percent};
use crate::language::{Language, is_ours};
use crate::words::with;

/// Where to go after the sign-in.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    next: String,
}

/// What the form says.
#[derive(Deserialize)]
pub(super) struct Typed {
    #[serde(default)]
    account: String,
    password: Secret,
    #[serde(default)]
    next: String,
}

/// To the sign-in page, and from there back to `here`, path and query of this server.
#[must_use]
pub fn to_sign_in(here: &str) -> Response {
    let to = match here {
        "/" => SIGN_IN.to_owned(),
        here if is_ours(here) => format!("{SIGN_IN}?next={}", percent(here)),
        _ => SIGN_IN.to_owned(),
    };
    go_to(&to)
}

/// To where the own password is changed.
#[must_use]
pub fn to_own_account() -> Response {
    go_to(OWN_ACCOUNT)
}

/// The page that says: not with this account.
#[must_use]
pub fn forbidden(headers: &HeaderMap, signed_in: bool) -> Response {
    forbidden_in(Language::of(headers), signed_in)
}

/// The same in a language.
pub(crate) fn forbidden_in(language: Language, signed_in: bool) -> Response {
    let words = words(language);
    let title = if signed_in { words.forbidden } else { words.forbidden_open };
    let mut content = Html::default();
    content.put(format_args!(
        "<div class=\"nothing\"><h1>{title}</h1><p><a class=\"button\" href=\"/\">{}</a></p></div>",
        language.words().back_to_list
    ));
    let frame = Frame {
        language,
        place: Place::Inside,
        title,
        here: "/",
        refused: None,
        reader: None,
        script: &assets::JS,
    };
    frame.answering(StatusCode::FORBIDDEN, &content)
}

pub(super) fn go_to(address: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(address) = HeaderValue::from_str(address) {
        response.headers_mut().insert(header::LOCATION, address);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) async fn show(
    State(portal): State<Portal>,
    language: Language,
    Query(asked): Query<Asked>,
) -> Response {
    page(&portal, language, &asked.next, "", None)
}

/// Signs in. The answer says nothing about whether there is such an account.
pub(super) async fn enter(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Response {
    let Some(gate) = portal.site.gate.clone() else { return StatusCode::NOT_FOUND.into_response() };
    match gate.sign_in(&typed.account, typed.password, who.from).await {
        Ok(cookie) => {
            // Whoever sat here before has left.
            let _ = gate.end(&headers);
            let mut response = go_to(&after(&gate, &cookie, &typed.next));
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Err(refused) => page(&portal, language, &typed.next, &typed.account, Some(refused)),
    }
}

/// Where somebody goes who has just signed in: to choose a password, to where they came from, or to what they may see.
fn after(gate: &super::Gate, cookie: &HeaderValue, next: &str) -> String {
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, cookie.clone());
    let visitor = gate.visitor(&headers, false);
    match visitor {
        Some(visitor) if visitor.must_change => OWN_ACCOUNT.to_owned(),
        _ if is_ours(next) => next.to_owned(),
        Some(visitor) if !visitor.principal.may(Action::SeeStudies) => "/log".to_owned(),
        _ => "/".to_owned(),
    }
}

pub(super) async fn leave(State(portal): State<Portal>, headers: HeaderMap) -> Response {
    let mut response = go_to(SIGN_IN);
    if let Some(Ok(cookie)) = portal.site.gate.as_ref().map(|gate| gate.end(&headers)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn page(
    portal: &Portal,
    language: Language,
    next: &str,
    account: &str,
    refused: Option<Refused>,
) -> Response {
    let words = words(language);
    let mut content = Html::default();
    content.put(format_args!("<div class=\"card door\"><h1>{}</h1>", words.sign_in));
    if portal.site.gate.as_ref().is_some_and(|gate| !gate.accounts().any()) {
        content.put(format_args!(
            "<p class=\"banner\">{}</p><pre>pacs-server account add NAME --role administrator</pre>",
            words.no_accounts
        ));
    }
    let (status, said) = refused_in_words(refused, words);
    if let Some(said) = &said {
        content.put(format_args!("<p class=\"banner bad\" role=\"alert\">{said}</p>"));
    }
    content.put(format_args!(
        "<form class=\"fields\" method=\"post\" action=\"{SIGN_IN}\">\
         <input type=\"hidden\" name=\"next\" value=\"{}\">\
         <label>{}<input name=\"account\" required maxlength=\"64\" autocomplete=\"username\" autocapitalize=\"none\" \
         spellcheck=\"false\" value=\"{}\"{}></label>\
         <label>{}<input name=\"password\" type=\"password\" required maxlength=\"256\" \
         autocomplete=\"current-password\"{}></label><button class=\"button\">{}</button></form><p><small>{}</small></p></div>",
        Escaped(if is_ours(next) { next } else { "" }),
        words.account,
        Escaped(account),
        if account.is_empty() { " autofocus" } else { "" },
        words.password,
        if account.is_empty() { "" } else { " autofocus" },
        words.sign_in,
        words.ask_administrator,
    ));
    let here = if is_ours(next) { format!("{SIGN_IN}?next={}", percent(next)) } else { SIGN_IN.to_owned() };
    let frame = Frame {
        language,
        place: Place::Inside,
        title: words.sign_in,
        here: &here,
        refused: None,
        reader: None,
        script: &assets::JS,
    };
    let mut response = frame.answering(status, &content);
    if let Some(seconds) = refused.and_then(retry_after) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Status and words of a refusal.
pub(super) fn refused_in_words(
    refused: Option<Refused>,
    words: &super::words::Words,
) -> (StatusCode, Option<String>) {
    match refused {
        None => (StatusCode::OK, None),
        Some(Refused::Wrong) => (StatusCode::FORBIDDEN, Some(words.wrong.to_owned())),
        Some(Refused::Wait(wait)) => {
            (StatusCode::TOO_MANY_REQUESTS, Some(with(words.wait, wait.as_secs().max(1))))
        }
        Some(Refused::Busy) => (StatusCode::SERVICE_UNAVAILABLE, Some(words.busy.to_owned())),
    }
}

fn retry_after(refused: Refused) -> Option<u64> {
    match refused {
        Refused::Wrong => None,
        Refused::Wait(wait) => Some(wait.as_secs() + 1),
        Refused::Busy => Some(2),
    }
}
