//! What a request accepts and already knows (RFC 9110 sections 12.5.3 and 13.1.2).

use axum::http::{HeaderMap, HeaderName, header};

/// How a file's bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Brotli.
    Brotli,
    /// gzip.
    Gzip,
    /// As they are.
    Identity,
}

impl Encoding {
    /// Its content coding; none for bytes as they are.
    pub(super) fn token(self) -> Option<&'static str> {
        match self {
            Encoding::Brotli => Some("br"),
            Encoding::Gzip => Some("gzip"),
            Encoding::Identity => None,
        }
    }

    /// What a packed file's name ends with.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Encoding::Brotli => ".br",
            Encoding::Gzip => ".gz",
            Encoding::Identity => "",
        }
    }
}

/// Encodings that the request accepts, the one to use first. Bytes as they are always stand at the end: who refuses
/// even these is better served by them than by an error.
pub(super) fn accepted(headers: &HeaderMap) -> Vec<Encoding> {
    let mut ranked: Vec<(u32, Encoding)> = [Encoding::Brotli, Encoding::Gzip]
        .into_iter()
        .map(|encoding| (weight(headers, encoding.token().unwrap_or_default()), encoding))
        .filter(|(weight, _)| *weight > 0)
        .collect();
    ranked.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    ranked.into_iter().map(|(_, encoding)| encoding).chain([Encoding::Identity]).collect()
}

/// Weight of a content coding in thousandths; 0 when it is refused or not named.
fn weight(headers: &HeaderMap, coding: &str) -> u32 {
    let mut any = 0;
    for item in items(headers, &header::ACCEPT_ENCODING) {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts
            .filter_map(|p| p.split_once('='))
            .find(|(key, _)| key.trim().eq_ignore_ascii_case("q"))
            .map_or(Some(1.0), |(_, value)| value.trim().parse::<f32>().ok());
        let thousandths = quality.map_or(0, |q| (q.clamp(0.0, 1.0) * 1000.0).round() as u32);
        if name.eq_ignore_ascii_case(coding) || coding == "gzip" && name.eq_ignore_ascii_case("x-gzip") {
            return thousandths;
        }
        if name == "*" {
            any = thousandths;
        }
    }
    any
}

/// Whether the client says that it holds what `tag` names.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    items(headers, &header::IF_NONE_MATCH)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// The members of a header that is a list.
fn items<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
}
