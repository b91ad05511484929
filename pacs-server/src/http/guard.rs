//! Who asks and whether they may, decided before a request reaches a router.
//!
//! A token or the cookie of a session says who asks. Without either a request is answered only where nobody has to sign
//! in: on loopback as long as there is no account, or where the operator gave that up. A request that changes something
//! must name a Host that is this server and, from a browser, come from a page of this server, so that a foreign page
//! open in the same browser cannot store or change; where nobody has to sign in, what reads must name such a Host too. What is looked at is noted on the way back.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dicomweb::Sender;
use indexer::db::FacilityId;
use indexer::principal::{Action, Principal};
use portal::sign_in::{self, FromAddress, Gate};
use portal::views::ViewLog;
use storage_config::config::{SignInRequired, TokenRole};
use storage_config::{Config, ContentHash};

use super::body::within;
use super::need::{Need, is_below};
use super::viewed::{showed, viewed};
use crate::setup::now_ms;

/// Most characters of a name that somebody claims.
const CLAIMED_CHARACTERS: usize = 64;

/// The rules.
pub(crate) struct Guard {
    tokens: Vec<KnownToken>,
    gate: Arc<Gate>,
    views: Option<ViewLog>,
    open: Open,
    /// Whether requests come through somebody on this machine who says where they came from.
    proxied: bool,
    /// Names (without port) under which this server may be addressed; empty: any.
    hosts: Vec<String>,
    public_url: String,
    /// How long a request may take to be here, but for bodies that their handlers hear piece by piece.
    patience: Duration,
}

/// Whether requests of nobody in particular are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Never,
    /// On this machine, as long as there is no account.
    UntilAccounts,
    /// To everybody.
    Always,
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
    /// The token is none.
    Token,
    /// Nobody signed in.
    SignIn,
    /// A password has to be chosen first.
    Password,
    /// This token may not.
    Role,
    /// This person may not, or nobody who did not sign in.
    Person(bool),
    Host,
    Origin,
}

/// Who asks, and how that was known.
struct Asking {
    principal: Option<Principal>,
    /// Whether a browser sends along what it was known by, whichever page makes the request.
    by_browser: bool,
}

impl Guard {
    /// The rules of `config`; `tokens` are its tokens with their facilities resolved.
    pub(crate) fn new(config: &Config, tokens: Vec<KnownToken>, gate: Arc<Gate>) -> Guard {
        let open = if config.http_is_given_up() {
            Open::Always
        } else if config.http_is_local() && config.sign_in.required == SignInRequired::Auto {
            Open::UntilAccounts
        } else {
            Open::Never
        };
        let mut hosts = Vec::new();
        if config.http.listen.ip().is_loopback() {
            hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(String::from));
            hosts.extend(host_of(&config.http.public_url).map(String::from));
        }
        Guard {
            tokens,
            gate,
            views: None,
            open,
            proxied: config.http_is_behind_proxy(),
            hosts,
            public_url: config.http.public_url.trim_end_matches('/').to_owned(),
            patience: Duration::from_secs(config.http.limits.idle_seconds),
        }
    }

    /// With the log of who looked at what.
    pub(crate) fn with_views(mut self, views: ViewLog) -> Guard {
        self.views = Some(views);
        self
    }

    fn decide(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Option<Principal>, Refused> {
        let path = uri.path();
        let need = Need::of(method, path);
        // What the study list asks on its own keeps no session alive.
        let touch = !uri.query().unwrap_or_default().split('&').any(|pair| pair.starts_with("part="));
        let asking = self.asking(path, headers, touch)?;
        if let Some(action) = need.action {
            let principal = asking.principal.as_ref().ok_or(Refused::SignIn)?;
            if !principal.may(action) {
                return Err(match principal {
                    Principal::Machine { .. } => Refused::Role,
                    _ if action == Action::ChangePassword => Refused::SignIn,
                    other => Refused::Person(matches!(other, Principal::Person { .. })),
                });
            }
        }
        if need.changes && asking.by_browser {
            self.is_from_here(headers)?;
        } else if asking.principal == Some(Principal::Local) && headers.contains_key(header::HOST) {
            self.is_addressed(headers)?;
        }
        Ok(asking.principal)
    }

    /// Who asks.
    fn asking(&self, path: &str, headers: &HeaderMap, touch: bool) -> Result<Asking, Refused> {
        if let Some(text) = bearer(headers) {
            let hash = ContentHash::of(text.as_bytes());
            let token = self.tokens.iter().find(|t| t.sha256 == hash).ok_or(Refused::Token)?;
            let principal = Principal::Machine {
                name: token.name.clone(),
                facility: token.facility,
                roles: token.roles.clone(),
            };
            return Ok(Asking { principal: Some(principal), by_browser: false });
        }
        if let Some(visitor) = self.gate.visitor(headers, touch) {
            let allowed = ["/account", "/sign-in", "/sign-out", "/assets", "/language"];
            if visitor.must_change && !allowed.iter().any(|allowed| is_below(path, allowed)) {
                return Err(Refused::Password);
            }
            return Ok(Asking { principal: Some(visitor.principal), by_browser: true });
        }
        let principal = match self.open {
            Open::Always => Some(Principal::Claimed { name: claimed(headers) }),
            Open::UntilAccounts if !self.gate.accounts().any() => Some(Principal::Local),
            Open::UntilAccounts | Open::Never => None,
        };
        Ok(Asking { principal, by_browser: true })
    }

    /// Whether a request names this server as its Host.
    fn is_addressed(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let host = headers.get(header::HOST).map_or("", |host| host.to_str().unwrap_or("\0"));
        let named = |ours: &String| ours.eq_ignore_ascii_case(without_port(host));
        if self.hosts.is_empty() || self.hosts.iter().any(named) { Ok(()) } else { Err(Refused::Host) }
    }

    /// Whether a request that a browser may have made comes from a page of this server.
    fn is_from_here(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("\0"));
        self.is_addressed(headers)?;
        let host = text(header::HOST).unwrap_or_default();
        match text(header::ORIGIN) {
            Some(origin) if host_and_port(origin) != Some(host) && origin != self.public_url => {
                return Err(Refused::Origin);
            }
            Some(_) => return Ok(()),
            None => {}
        }
        // Browsers that leave out the Origin say this much; programs say nothing.
        match text(header::HeaderName::from_static("sec-fetch-site")) {
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) => Err(Refused::Origin),
        }
    }

    /// Where a request came from: what the proxy on this machine says, where there is one.
    fn address(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> IpAddr {
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        if !self.proxied || !peer.is_loopback() {
            return peer;
        }
        // The last one is the proxy's own word; those before it are the client's.
        let told =
            headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).next_back();
        let last = told.and_then(|told| told.rsplit(',').next()).and_then(|last| last.trim().parse().ok());
        last.unwrap_or(peer)
    }
}

/// Lets a request through with who asks attached, or refuses it.
pub(crate) async fn check(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip().to_canonical());
    let address = guard.address(peer, request.headers());
    let principal = match guard.decide(request.method(), request.uri(), request.headers()) {
        Ok(principal) => principal,
        Err(refused) => return answer(&refused, &request),
    };
    if !is_heard_in_pieces(request.uri().path()) {
        request = request.map(|body| within(guard.patience, body));
    }
    let seen = principal.as_ref().filter(|_| guard.views.is_some());
    let seen = seen.and_then(|who| Some((who.clone(), viewed(request.method(), request.uri().path())?)));
    let extensions = request.extensions_mut();
    extensions.insert(FromAddress(address));
    if let Some(principal) = principal {
        let name = match &principal {
            Principal::Local | Principal::Claimed { .. } => "open",
            other => other.who(),
        };
        extensions.insert(Sender {
            facility: principal.facility(),
            source: format!("stow:{name}@{address}"),
            patient_id_is_order: false,
        });
        extensions.insert(principal);
    }
    let response = next.run(request).await;
    if let (Some(views), Some((who, (what, subject)))) = (&guard.views, seen)
        && showed(response.status())
    {
        views.note(&who, what, &subject, address, now_ms());
    }
    response
}

/// Whether the body below a path is heard piece by piece by a handler that gives up on silence: stores may be long.
fn is_heard_in_pieces(path: &str) -> bool {
    let import = is_below(path, "/api/v1/imports") && path.ends_with("/files");
    import || is_below(path, "/dicom-web") || is_below(path, "/patients")
}

fn answer(refused: &Refused, request: &Request) -> Response {
    let page = wants_page(request);
    let (status, title) = match refused {
        Refused::SignIn if page => return sign_in::to_sign_in(here(request)),
        Refused::Password if page => return sign_in::to_own_account(),
        Refused::Person(signed_in) if page => return sign_in::forbidden(request.headers(), *signed_in),
        Refused::Token => (StatusCode::UNAUTHORIZED, "a valid bearer token is needed"),
        Refused::SignIn => (StatusCode::UNAUTHORIZED, "a sign-in or a bearer token is needed"),
        Refused::Password => (StatusCode::FORBIDDEN, "another password has to be chosen first, at /account"),
        Refused::Role => (StatusCode::FORBIDDEN, "the token's roles do not cover this"),
        Refused::Person(_) => (StatusCode::FORBIDDEN, "the roles of this account do not cover this"),
        Refused::Host => (StatusCode::FORBIDDEN, "the Host of the request is not this server"),
        Refused::Origin => (StatusCode::FORBIDDEN, "the request comes from a page of another server"),
    };
    let body = serde_json::json!({ "title": title, "status": status.as_u16() }).to_string();
    let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Whether a person waits for a page: programs and DICOMweb clients get an error they understand.
fn wants_page(request: &Request) -> bool {
    let path = request.uri().path();
    let of_programs = ["/api", "/dicom-web", "/patients"].iter().any(|beginning| is_below(path, beginning));
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    !of_programs && accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Path and query to come back to; what was posted cannot be asked for again.
fn here(request: &Request) -> &str {
    let path = request.uri().path_and_query().filter(|_| *request.method() == Method::GET);
    path.map_or("/", axum::http::uri::PathAndQuery::as_str)
}

/// Who somebody says they are, where nobody has to sign in (From, RFC 9110 10.1.2).
fn claimed(headers: &HeaderMap) -> String {
    let text = headers.get(header::FROM).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.chars().filter(|letter| !letter.is_control()).take(CLAIMED_CHARACTERS).collect()
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
    use portal::accounts::{AccountJob, Accounts, Secret};

    use super::*;

    type Pair<'a> = (header::HeaderName, &'a str);

    fn headers(pairs: &[Pair]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    fn guard(change: impl FnOnce(&mut Config)) -> (tempfile::TempDir, Guard) {
        let mut config = Config::default();
        change(&mut config);
        let token = KnownToken {
            sha256: ContentHash::of(b"secret"),
            name: "HIS".into(),
            facility: FacilityId(7),
            roles: vec![TokenRole::Read],
        };
        let dir = tempfile::tempdir().unwrap();
        let gate = Gate::new(Accounts::open(dir.path(), 10).unwrap(), config.sign_in, false);
        (dir, Guard::new(&config, vec![token], Arc::new(gate)))
    }

    fn decide(guard: &Guard, method: Method, path: &str, pairs: &[Pair]) -> Result<String, Refused> {
        let principal = guard.decide(&method, &path.parse().unwrap(), &headers(pairs))?;
        Ok(principal.map_or("nobody", |p| p.kind()).to_owned())
    }

    const STUDIES: &str = "/dicom-web/studies";

    #[test]
    fn a_foreign_page_cannot_store_on_loopback() {
        let (_dir, guard) = guard(|config| config.http.public_url = "http://localhost:8080".into());
        let here = (header::HOST, "localhost:8080");
        let post = |pairs: &[Pair]| decide(&guard, Method::POST, STUDIES, pairs);
        // A name that an attacker lets resolve to this address: to the browser, its pages are of the same origin.
        let get = |pairs: &[Pair]| decide(&guard, Method::GET, STUDIES, pairs);
        assert_eq!(get(&[(header::HOST, "evil.example:8080")]), Err(Refused::Host));
        assert_eq!(
            decide(&guard, Method::POST, "/search", &[(header::HOST, "evil.example")]),
            Err(Refused::Host)
        );
        assert_eq!(get(std::slice::from_ref(&here)), Ok("local".into()));
        assert_eq!(get(&[(header::HOST, "[::1]:8080")]), Ok("local".into()));
        assert_eq!(get(&[]), Ok("local".into()), "no browser leaves out the Host");
        assert_eq!(post(std::slice::from_ref(&here)), Ok("local".into()));
        assert_eq!(post(&[here.clone(), (header::ORIGIN, "http://localhost:8080")]), Ok("local".into()));
        for origin in ["http://evil.example", "null", "http://localhost:8081", ""] {
            assert_eq!(post(&[here.clone(), (header::ORIGIN, origin)]), Err(Refused::Origin), "{origin}");
        }
        let site = header::HeaderName::from_static("sec-fetch-site");
        assert_eq!(post(&[here.clone(), (site.clone(), "cross-site")]), Err(Refused::Origin));
        assert_eq!(post(&[here.clone(), (site, "same-origin")]), Ok("local".into()));
        assert_eq!(post(&[(header::HOST, "evil.example:8080")]), Err(Refused::Host));
        let sign_in =
            decide(&guard, Method::POST, "/sign-in", &[here, (header::ORIGIN, "http://evil.example")]);
        assert_eq!(sign_in, Err(Refused::Origin), "nobody is signed in by a foreign page");
    }

    #[test]
    fn where_people_sign_in_nobody_else_is_answered() {
        let beyond = |config: &mut Config| config.http.listen = "192.0.2.1:8080".parse().unwrap();
        let proxied = |config: &mut Config| config.http.public_url = "https://pacs.example.org".into();
        let always = |config: &mut Config| config.sign_in.required = SignInRequired::Always;
        let all: [&dyn Fn(&mut Config); 3] = [&beyond, &proxied, &always];
        for change in all {
            let (_dir, guard) = guard(change);
            let get = |pairs: &[Pair]| decide(&guard, Method::GET, STUDIES, pairs);
            let token = (header::AUTHORIZATION, "Bearer secret");
            assert_eq!(get(&[]), Err(Refused::SignIn));
            assert_eq!(get(&[(header::COOKIE, "session=0000")]), Err(Refused::SignIn));
            assert_eq!(get(&[(header::AUTHORIZATION, "Bearer guess")]), Err(Refused::Token));
            assert_eq!(get(std::slice::from_ref(&token)), Ok("machine".into()));
            let post = |path| decide(&guard, Method::POST, path, std::slice::from_ref(&token));
            assert_eq!(post(STUDIES), Err(Refused::Role));
            assert_eq!(post("/accounts"), Err(Refused::Role));
            assert_eq!(decide(&guard, Method::GET, "/sign-in", &[]), Ok("nobody".into()));
        }
    }

    #[test]
    fn loopback_is_open_until_there_is_an_account() {
        let (_dir, guard) = guard(|_| {});
        let get = |path: &str| decide(&guard, Method::GET, path, &[]);
        assert_eq!(get("/"), Ok("local".into()));
        assert_eq!(get("/log"), Ok("local".into()));
        assert_eq!(get("/accounts"), Err(Refused::Person(false)), "the first account is made by command");
        let add = AccountJob::Add {
            name: "an".into(),
            person: "".into(),
            roles: vec![indexer::principal::Role::Administrator],
            password: Secret::new("con mèo ngủ trưa"),
            must_change: false,
        };
        guard.gate.accounts().run(&add).unwrap();
        assert_eq!(get("/"), Err(Refused::SignIn));
    }

    #[test]
    fn what_was_given_up_lets_everybody_in_but_to_accounts_and_the_log() {
        let (_dir, guard) = guard(|config| {
            config.http.listen = "192.0.2.1:8080".parse().unwrap();
            config.http.insecure_non_loopback = "I accept".into();
        });
        let get = |path: &str| decide(&guard, Method::GET, path, &[]);
        assert_eq!(get("/"), Ok("claimed".into()));
        for closed in ["/accounts", "/log", "/api/v1/views"] {
            assert_eq!(get(closed), Err(Refused::Person(false)), "{closed}");
        }
        assert_eq!(get("/account"), Err(Refused::SignIn));
        assert_eq!(claimed(&headers(&[(header::FROM, "an@example.org")])), "an@example.org");
        assert_eq!(claimed(&headers(&[(header::FROM, &"a".repeat(65))])).len(), 64);
    }

    #[test]
    fn a_proxy_on_this_machine_tells_the_address_and_nobody_else_does() {
        let forwarded =
            headers(&[(header::HeaderName::from_static("x-forwarded-for"), "10.0.0.1, 192.0.2.9")]);
        let (here, there): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), [192, 0, 2, 9].into());
        let (_dir, proxied) = guard(|config| config.http.public_url = "https://pacs.example.org".into());
        assert_eq!(proxied.address(Some(here), &forwarded), there);
        assert_eq!(proxied.address(Some(here), &HeaderMap::new()), here);
        let (_dir, plain) = guard(|_| {});
        assert_eq!(plain.address(Some(here), &forwarded), here);
    }
}
