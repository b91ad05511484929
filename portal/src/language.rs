//! The language of a page: what the reader chose before, else what the browser asks for, else Vietnamese.
//!
//! The choice is a cookie that says nothing but the language. Choosing is a plain link, so that it works without
//! scripts; it changes nothing in the archive.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::convert::Infallible;

use crate::words::{EN, VI, Words};

const COOKIE: &str = "language";
/// How long a browser remembers the choice, in seconds: a year.
const REMEMBERED_S: u32 = 31_536_000;

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Vietnamese,
    English,
}

impl Language {
    /// Its tag (RFC 5646).
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Language::Vietnamese => "vi",
            Language::English => "en",
        }
    }

    /// Its words.
    pub(crate) fn words(self) -> &'static Words {
        match self {
            Language::Vietnamese => &VI,
            Language::English => &EN,
        }
    }

    /// The other one.
    pub(crate) fn other(self) -> Language {
        match self {
            Language::Vietnamese => Language::English,
            Language::English => Language::Vietnamese,
        }
    }

    fn of_tag(tag: &str) -> Option<Language> {
        match tag.split('-').next()?.trim() {
            "vi" => Some(Language::Vietnamese),
            "en" => Some(Language::English),
            _ => None,
        }
    }

    /// The language of a request.
    pub(crate) fn of(headers: &HeaderMap) -> Language {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let chosen = text(header::COOKIE)
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(name, value)| (name == COOKIE).then(|| Language::of_tag(value)).flatten());
        chosen.or_else(|| asked_for(text(header::ACCEPT_LANGUAGE))).unwrap_or(Language::Vietnamese)
    }
}

/// The best of `en-GB,en;q=0.9,vi;q=0.8` that the pages have.
fn asked_for(accept: &str) -> Option<Language> {
    let mut best: Option<(f32, Language)> = None;
    for range in accept.split(',').take(32) {
        let (tag, quality) = range.split_once(";q=").unwrap_or((range, "1"));
        let quality: f32 = quality.trim().parse().unwrap_or(0.0);
        let Some(language) = Language::of_tag(tag.trim()) else { continue };
        if quality > 0.0 && best.is_none_or(|(known, _)| quality > known) {
            best = Some((quality, language));
        }
    }
    best.map(|(_, language)| language)
}

impl<S: Sync> FromRequestParts<S> for Language {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Language, Infallible> {
        Ok(Language::of(&parts.headers))
    }
}

/// Where to go after the choice.
#[derive(Debug, Deserialize)]
pub(crate) struct Back {
    #[serde(default)]
    to: String,
}

/// Remembers a language and goes back to the page where it was chosen.
pub(crate) async fn choose(Path(tag): Path<String>, Query(back): Query<Back>) -> Response {
    let Some(language) = Language::of_tag(&tag) else { return StatusCode::NOT_FOUND.into_response() };
    let to = if is_ours(&back.to) { back.to.as_str() } else { "/" };
    let cookie =
        format!("{COOKIE}={}; Path=/; Max-Age={REMEMBERED_S}; SameSite=Lax; HttpOnly", language.tag());
    (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie), (header::LOCATION, to.to_owned())]).into_response()
}

/// Whether an address is a path of this server: anything else would let a link send the reader elsewhere.
pub(crate) fn is_ours(to: &str) -> bool {
    to.starts_with('/')
        && !to[1..].starts_with(['/', '\\'])
        && to.len() <= 2_000
        && to.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cookie: &str, accept: &str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, cookie.parse().unwrap());
        headers.insert(header::ACCEPT_LANGUAGE, accept.parse().unwrap());
        Language::of(&headers)
    }

    #[test]
    fn the_choice_comes_before_the_browser_and_vietnamese_before_nothing() {
        assert_eq!(of("", ""), Language::Vietnamese);
        assert_eq!(of("", "fr,de;q=0.5"), Language::Vietnamese);
        assert_eq!(of("", "fr, en-GB;q=0.7, vi;q=0.3"), Language::English);
        assert_eq!(of("", "vi-VN,vi;q=0.9,en;q=0.8"), Language::Vietnamese);
        assert_eq!(of("a=b; language=vi", "en"), Language::Vietnamese);
        assert_eq!(of("language=en", "vi"), Language::English);
        assert_eq!(of("language=xx", "en"), Language::English);
    }

    #[test]
    fn only_paths_of_this_server_are_gone_back_to() {
        for ours in ["/", "/state", "/?page=2&m=ct"] {
            assert!(is_ours(ours), "{ours}");
        }
        for foreign in ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb", "state"] {
            assert!(!is_ours(foreign), "{foreign}");
        }
    }
}
