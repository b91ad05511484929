//! Who may ask for what, decided before a request reaches a router.
//!
//! On loopback everybody may; a request that changes something must name a Host that is this server and, from a
//! browser, come from a page of this server, so that a foreign page open in the same browser cannot store or
//! change. Beyond loopback a bearer token is needed unless the operator gave that up.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dicomweb::Sender;
use indexer::db::FacilityId;
use storage_config::config::TokenRole;
use storage_config::{Config, ContentHash};

/// Where pages post what is searched for.
const SEARCH: &str = "/search";

/// The rules.
pub(crate) struct Guard {
    tokens: Vec<KnownToken>,
    /// Whether requests without a token are answered.
    open: bool,
    /// Names (without port) under which this server may be addressed; empty: any.
    hosts: Vec<String>,
    public_url: String,
}

/// A machine that signs in.
#[derive(Clone)]
pub(crate) struct KnownToken {
    pub(crate) sha256: ContentHash,
    pub(crate) name: String,
    pub(crate) facility: FacilityId,
    pub(crate) roles: Vec<TokenRole>,
}

/// Why a request is not answered.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    Token,
    Role,
    Host,
    Origin,
}

impl Guard {
    /// The rules of `config`; `tokens` are its tokens with their facilities resolved.
    pub(crate) fn new(config: &Config, tokens: Vec<KnownToken>) -> Guard {
        let open = config.http.listen.ip().is_loopback() || config.http.insecure_non_loopback == "I accept";
        let mut hosts = Vec::new();
        if config.http.listen.ip().is_loopback() {
            hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(String::from));
            hosts.extend(host_of(&config.http.public_url).map(String::from));
        }
        Guard { tokens, open, hosts, public_url: config.http.public_url.trim_end_matches('/').to_owned() }
    }

    fn decide(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Option<&KnownToken>, Refused> {
        // A search is posted so that what was searched stands in no address; it changes nothing.
        let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && path != SEARCH;
        let token = match bearer(headers) {
            Some(text) => {
                let hash = ContentHash::of(text.as_bytes());
                Some(self.tokens.iter().find(|t| t.sha256 == hash).ok_or(Refused::Token)?)
            }
            None if self.open => None,
            None => return Err(Refused::Token),
        };
        let needed = if changes { TokenRole::Store } else { TokenRole::Read };
        if token.is_some_and(|t| !t.roles.contains(&needed)) {
            return Err(Refused::Role);
        }
        // A token is never sent by a browser on its own: the checks below are for requests without one.
        if changes && token.is_none() {
            let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
            if !self.hosts.is_empty() && !self.hosts.iter().any(|h| h == without_port(host)) {
                return Err(Refused::Host);
            }
            if let Some(origin) = headers.get(header::ORIGIN) {
                let origin = origin.to_str().map_err(|_| Refused::Origin)?;
                if host_and_port(origin) != Some(host) && origin != self.public_url {
                    return Err(Refused::Origin);
                }
            }
        }
        Ok(token)
    }
}

/// Lets a request through with its sender attached, or refuses it.
pub(crate) async fn check(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip().to_canonical());
    let sender = match guard.decide(request.method(), request.uri().path(), request.headers()) {
        Ok(token) => {
            let name = token.map_or("open", |t| t.name.as_str());
            let from = address.map_or_else(|| "unknown".to_owned(), |a| a.to_string());
            Sender {
                facility: token.map_or(FacilityId(0), |t| t.facility),
                source: format!("stow:{name}@{from}"),
                patient_id_is_order: false,
            }
        }
        Err(refused) => return answer(&refused),
    };
    request.extensions_mut().insert(sender);
    next.run(request).await
}

fn answer(refused: &Refused) -> Response {
    let (status, title) = match refused {
        Refused::Token => (StatusCode::UNAUTHORIZED, "a valid bearer token is needed"),
        Refused::Role => (StatusCode::FORBIDDEN, "the token's roles do not cover this"),
        Refused::Host => (StatusCode::FORBIDDEN, "the Host of the request is not this server"),
        Refused::Origin => (StatusCode::FORBIDDEN, "the request comes from a page of another server"),
    };
    let body = serde_json::json!({ "title": title, "status": status.as_u16() }).to_string();
    let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
    if *refused == Refused::Token {
        let challenge = axum::http::HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Host and port of an origin such as `http://localhost:8080`.
fn host_and_port(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(_, rest)| rest)
}

fn host_of(url: &str) -> Option<&str> {
    let rest = host_and_port(url)?;
    Some(without_port(rest.split('/').next().unwrap_or(rest)))
}

fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(at) if !host.ends_with(']') => &host[..at],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    fn guard(listen: &str) -> Guard {
        let mut config = Config::default();
        config.http.listen = listen.parse().unwrap();
        config.http.public_url = "https://pacs.example.org".into();
        let token = KnownToken {
            sha256: ContentHash::of(b"secret"),
            name: "HIS".into(),
            facility: FacilityId(7),
            roles: vec![TokenRole::Read],
        };
        Guard::new(&config, vec![token])
    }

    fn decide(guard: &Guard, method: Method, pairs: &[(header::HeaderName, &str)]) -> Result<u32, Refused> {
        guard.decide(&method, "/dicom-web/studies", &headers(pairs)).map(|t| t.map_or(0, |t| t.facility.0))
    }

    #[test]
    fn a_foreign_page_cannot_store_on_loopback() {
        let guard = guard("127.0.0.1:8080");
        let here = (header::HOST, "localhost:8080");
        assert_eq!(decide(&guard, Method::GET, &[(header::HOST, "evil.example")]), Ok(0));
        assert_eq!(decide(&guard, Method::POST, std::slice::from_ref(&here)), Ok(0));
        assert_eq!(
            decide(&guard, Method::POST, &[here.clone(), (header::ORIGIN, "http://localhost:8080")]),
            Ok(0)
        );
        let public = [(header::HOST, "pacs.example.org"), (header::ORIGIN, "https://pacs.example.org")];
        assert_eq!(decide(&guard, Method::POST, &public), Ok(0));
        assert_eq!(
            decide(&guard, Method::POST, &[here, (header::ORIGIN, "http://evil.example")]),
            Err(Refused::Origin)
        );
        // A name that an attacker lets resolve to this address.
        assert_eq!(decide(&guard, Method::POST, &[(header::HOST, "evil.example:8080")]), Err(Refused::Host));
    }

    #[test]
    fn beyond_loopback_a_token_with_the_role_is_needed() {
        let guard = guard("192.0.2.1:8080");
        let token = (header::AUTHORIZATION, "Bearer secret");
        assert_eq!(decide(&guard, Method::GET, &[]), Err(Refused::Token));
        assert_eq!(
            decide(&guard, Method::GET, &[(header::AUTHORIZATION, "Bearer guess")]),
            Err(Refused::Token)
        );
        assert_eq!(decide(&guard, Method::GET, std::slice::from_ref(&token)), Ok(7));
        assert_eq!(decide(&guard, Method::POST, &[token]), Err(Refused::Role));
    }
}
