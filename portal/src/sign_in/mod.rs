//! Signing in: [`Gate`] knows accounts, sessions and how often somebody failed; the pages are in the modules below.
//!
//! What a request may do is decided before it gets here, by what [`Gate::visitor`] says of its cookie. A flood of
//! sign-ins costs little: a few passwords are checked at a time, a few more wait, the rest is sent away.

mod account;
mod accounts;
mod door;
mod sessions;
mod throttle;
mod ways;
mod who;
mod words;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::routing::{get, post};
use indexer::principal::Principal;
use storage_config::config::SignIn;
use tokio::sync::Semaphore;

use crate::accounts::{AccountError, Accounts, Secret, name_of};
use crate::{FORM_BYTES, Portal};
use sessions::Sessions;
use throttle::Throttle;

pub(crate) use door::forbidden_in;
pub use door::{forbidden, to_own_account, to_sign_in};
pub(crate) use ways::{corner, ways};
pub(crate) use who::Who;
pub(crate) use words::words;

/// Where people sign in.
pub const SIGN_IN: &str = "/sign-in";
/// Where people change their own password.
pub const OWN_ACCOUNT: &str = "/account";

/// The address a request comes from, put into its extensions by whoever accepted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FromAddress(pub IpAddr);

/// Accounts, sessions and failures of an archive.
pub struct Gate {
    accounts: Accounts,
    sessions: Sessions,
    throttle: Mutex<Throttle>,
    /// Passwords being checked.
    checks: Arc<Semaphore>,
    /// Sign-ins being checked or waiting for it.
    places: Arc<Semaphore>,
    /// Whether browsers reach this server over TLS only.
    secure: bool,
}

/// Somebody whose cookie names a session.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The person.
    pub principal: Principal,
    /// Whether another password has to be chosen before anything else.
    pub must_change: bool,
}

/// Why a sign-in failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The name or the password.
    Wrong,
    /// Too many failures: how long to wait.
    Wait(Duration),
    /// Too many at once, or no randomness.
    Busy,
}

impl Gate {
    /// The gate of `accounts`; `secure` where browsers reach this server over TLS only, so that cookies are never sent in
    /// the clear.
    #[must_use]
    pub fn new(accounts: Accounts, rules: SignIn, secure: bool) -> Gate {
        let checks = rules.checks as usize;
        Gate {
            accounts,
            sessions: Sessions::new(rules),
            throttle: Mutex::new(Throttle::new(rules)),
            checks: Arc::new(Semaphore::new(checks)),
            places: Arc::new(Semaphore::new(checks + rules.waiting as usize)),
            secure,
        }
    }

    /// The accounts.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Whose session the cookie of a request names. A page that asks on its own (`touch` false) keeps no session alive.
    #[must_use]
    pub fn visitor(&self, headers: &HeaderMap, touch: bool) -> Option<Visitor> {
        let session = self.sessions.find(self.number(headers)?, touch, Instant::now())?;
        let current = self.accounts.current(&session.account).filter(|now| now.epoch == session.epoch)?;
        Some(Visitor { principal: current.principal, must_change: current.must_change })
    }

    /// Checks a password and begins a session: its cookie, and whether another password has to be chosen.
    async fn sign_in(
        self: &Arc<Self>,
        name: &str,
        password: Secret,
        from: IpAddr,
    ) -> Result<HeaderValue, Refused> {
        let name = name_of(name).unwrap_or_default();
        let right = self.slowly(&name, from, move |gate, name| gate.accounts.check(name, &password)).await?;
        // A name that is no account may be a password in the wrong field: it is not written down.
        let known = if right.is_some() || self.accounts.is_known(&name) { &name } else { "unknown" };
        tracing::info!(account = known, %from, right = right.is_some(), "somebody signs in");
        let epoch = right.ok_or(Refused::Wrong)?;
        self.begin(&name, epoch)
    }

    /// Changes the password of somebody who knows the old one, and begins a session: all others have ended.
    async fn change_password(
        self: &Arc<Self>,
        name: &str,
        (old, new): (Secret, Secret),
        from: IpAddr,
    ) -> Result<Result<HeaderValue, AccountError>, Refused> {
        let changed = self
            .slowly(name, from, move |gate, name| match gate.accounts.change_password(name, &old, &new) {
                Err(AccountError::Old) => None,
                // The old one was right; what is wrong with the new one is no failure to sign in.
                changed => Some(changed),
            })
            .await?;
        match changed {
            None => Ok(Err(AccountError::Old)),
            Some(Err(error)) => Ok(Err(error)),
            Some(Ok(())) => {
                let epoch = self.accounts.current(name).ok_or(Refused::Wrong)?.epoch;
                self.begin(name, epoch).map(Ok)
            }
        }
    }

    /// Has a password checked on a thread of its own, a few at a time; nothing from `check` is a failure.
    async fn slowly<T: Send + 'static>(
        self: &Arc<Self>,
        name: &str,
        from: IpAddr,
        check: impl FnOnce(&Gate, &str) -> Option<T> + Send + 'static,
    ) -> Result<Option<T>, Refused> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            metrics::counter!("sign_ins_total", "outcome" => "busy").increment(1);
            return Err(Refused::Busy);
        };
        let throttled = self.throttle().begin(name, from, Instant::now());
        if let Err(wait) = throttled {
            metrics::counter!("sign_ins_total", "outcome" => "waits").increment(1);
            return Err(Refused::Wait(wait));
        }
        let turn = self.checks.clone().acquire_owned().await.map_err(|_| Refused::Busy)?;
        let (gate, account) = (self.clone(), name.to_owned());
        let checked = tokio::task::spawn_blocking(move || {
            // Held to the end of the work, also when whoever asked has hung up meanwhile.
            let _held = (place, turn);
            check(&gate, &account)
        });
        let checked = checked.await;
        let right = checked.map_err(|_| Refused::Busy)?;
        if right.is_some() {
            self.throttle().succeed(name, from, Instant::now());
        }
        let outcome = if right.is_some() { "right" } else { "wrong" };
        metrics::counter!("sign_ins_total", "outcome" => outcome).increment(1);
        Ok(right)
    }

    fn throttle(&self) -> std::sync::MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, name: &str, epoch: u64) -> Result<HeaderValue, Refused> {
        let number = self.sessions.begin(name, epoch, Instant::now()).map_err(|error| {
            tracing::error!(%error, "no session could begin");
            Refused::Busy
        })?;
        self.cookie(&number, "")
    }

    /// Ends the session of a request: the cookie that removes its cookie.
    fn end(&self, headers: &HeaderMap) -> Result<HeaderValue, Refused> {
        if let Some(number) = self.number(headers) {
            self.sessions.end(number);
        }
        self.cookie("", "; Max-Age=0")
    }

    /// No script reads it and no other site's form carries it; the prefix makes browsers refuse one that came in the
    /// clear or from a neighbouring name. It ends with the browser: computers on wards are shared.
    fn cookie(&self, number: &str, age: &str) -> Result<HeaderValue, Refused> {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{}={number}; Path=/{age}; HttpOnly; SameSite=Lax{secure}", self.cookie_name());
        HeaderValue::from_str(&text).map_err(|_| Refused::Busy)
    }

    fn cookie_name(&self) -> &'static str {
        if self.secure { "__Host-session" } else { "session" }
    }

    fn number<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find_map(|(name, value)| (name == self.cookie_name()).then_some(value))
    }
}

/// The pages of this module.
pub(crate) fn router() -> Router<Portal> {
    Router::new()
        .route(SIGN_IN, get(door::show).post(door::enter))
        .route("/sign-out", post(door::leave))
        .route(OWN_ACCOUNT, get(account::show).post(account::change))
        .route("/accounts", get(accounts::show).post(accounts::add))
        .route("/accounts/{name}", post(accounts::change))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
}
