//! `/`: the study list.
//!
//! The server renders it whole, so that it works without scripts; with them, the part that changes is asked for again
//! every few seconds (`part`, with an ETag) and put in place.
//!
//! The search form is posted, not sent by GET: see [`crate::search::Searches`]. What an address does hold (days, a
//! kind of examination, a page) says nothing about a person.

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use indexer::dataset::attributes::date;
use serde::Deserialize;
use storage_config::ContentHash;

use crate::Portal;
use crate::api::ask;
use crate::calendar::Day;
use crate::frame::{Failure, Frame, Place, html};
use crate::html::{Html, percent};
use crate::language::Language;
use crate::search::{self, Asked, MODALITIES, PAGES};
use crate::sign_in::Who;

mod form;
pub(crate) mod rows;

/// Most characters of a search.
const TEXT_MAX: usize = 200;

/// What an address of the list says. Nothing in it is an error: what is not understood is not there.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Address {
    /// Number of a remembered text.
    s: Option<String>,
    from: Option<String>,
    to: Option<String>,
    m: Option<String>,
    page: Option<String>,
    /// Whether only the part that changes is wanted.
    part: Option<String>,
}

/// What the search form says.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    q: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    m: String,
}

/// A list as it was asked for.
struct Wanted {
    asked: Asked,
    /// Number of its text.
    search: Option<String>,
    /// Whether its text was forgotten.
    forgotten: bool,
}

impl Wanted {
    fn of(portal: &Portal, address: &Address) -> Wanted {
        let search = address.s.clone().filter(|s| !s.is_empty());
        let text = search.as_ref().and_then(|number| portal.memory.searches.recall(number));
        let day = |text: &Option<String>| text.as_deref().and_then(date);
        let (mut from, mut to) = (day(&address.from), day(&address.to));
        if from.is_some() && to.is_some() && from > to {
            std::mem::swap(&mut from, &mut to);
        }
        let kind = address.m.as_deref().and_then(|m| MODALITIES.iter().find(|kind| kind.key == m));
        let page = address.page.as_deref().and_then(|page| page.parse().ok()).unwrap_or(1);
        let asked = Asked {
            text: text.clone().unwrap_or_default(),
            from,
            to,
            modality: kind.map(|kind| kind.key),
            page: page.clamp(1, PAGES),
        };
        let forgotten = search.is_some() && text.is_none();
        Wanted { asked, search: search.filter(|_| !forgotten), forgotten }
    }

    /// The address of a page of this list.
    fn address(&self, page: u32) -> String {
        let (asked, day) = (&self.asked, |text: &Option<String>| text.as_deref().and_then(Day::of_text));
        let mut pairs = Vec::new();
        pairs.extend(self.search.as_ref().map(|search| format!("s={}", percent(search))));
        pairs.extend(day(&asked.from).map(|day| format!("from={}", day.iso())));
        pairs.extend(day(&asked.to).map(|day| format!("to={}", day.iso())));
        pairs.extend(asked.modality.map(|modality| format!("m={modality}")));
        pairs.extend((page > 1).then(|| format!("page={page}")));
        if pairs.is_empty() { "/".to_owned() } else { format!("/?{}", pairs.join("&")) }
    }
}

pub(crate) async fn list(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
    Query(address): Query<Address>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let wanted = Wanted::of(&portal, &address);
    let asked = wanted.asked.clone();
    let found = ask(&portal.archive, move |archive| search::find(archive.db(), &asked))
        .await
        .map_err(Failure::of(language))?;
    let part = rows::part(&portal, language, &wanted, &found);
    let mut etag = ContentHash::of(part.0.as_bytes()).to_string();
    etag.truncate(24);
    if address.part.is_some() {
        return Ok(part_answer(&headers, &etag, part));
    }
    let words = language.words();
    let mut content = Html::default();
    content.put(format_args!("<h1 class=\"unseen\">{}</h1>", words.study_list));
    form::form(&mut content, language, &wanted);
    content.put(format_args!("<div id=\"live\" data-etag=\"{etag}\" data-seconds=\"5\">{}</div>", part.0));
    form::keys(&mut content, language);
    let here = wanted.address(wanted.asked.page);
    Ok(Frame::new(&portal, language, Place::Studies, words.study_list, &here).asked_by(&who).around(&content))
}

/// The part that changes, or that it has not.
fn part_answer(headers: &HeaderMap, etag: &str, part: Html) -> Response {
    let quoted = format!("\"{etag}\"");
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = match known {
        Some(known) if known.split(',').any(|one| one.trim() == quoted) => {
            StatusCode::NOT_MODIFIED.into_response()
        }
        _ => html(StatusCode::OK, part.0),
    };
    if let Ok(value) = HeaderValue::from_str(&quoted) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// Takes a search and goes to its list.
pub(crate) async fn search(State(portal): State<Portal>, Form(typed): Form<Typed>) -> Response {
    let text: String = typed.q.trim().chars().take(TEXT_MAX).collect();
    let search = if text.is_empty() { None } else { portal.memory.searches.remember(&text) };
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let address = Address {
        s: search,
        from: some(typed.from),
        to: some(typed.to),
        m: some(typed.m),
        ..Address::default()
    };
    let to = Wanted::of(&portal, &address).address(1);
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}
