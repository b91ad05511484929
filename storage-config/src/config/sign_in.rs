//! How people sign in: who has to, what passwords have to be, how guessing is slowed down, how long a session lasts.

use serde::{Deserialize, Serialize};

use super::Config;

/// The value that gives up a protection, letter for letter.
const ACCEPTED: &str = "I accept";

/// Signing in over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignIn {
    /// Who has to sign in.
    pub required: SignInRequired,
    /// Fewest characters of a new password.
    pub password_characters: u32,
    /// Passwords that are checked at the same time; each takes 19 MiB and some tens of milliseconds of a processor.
    pub checks: u32,
    /// Sign-ins that may wait for their check; further ones are answered with 503.
    pub waiting: u32,
    /// Failures of one account in a row before it has to wait.
    pub failures: u32,
    /// Failures from one address in a row before it has to wait.
    pub failures_per_address: u32,
    /// Seconds of the first wait; each further failure doubles it.
    pub wait_seconds: u64,
    /// Seconds of the longest wait. Failures are forgotten after ten times as long without another.
    pub longest_wait_seconds: u64,
    /// Seconds without a request after which a session ends.
    pub idle_seconds: u64,
    /// Seconds after which a session ends whatever happens.
    pub session_seconds: u64,
    /// Sessions at once; beyond it the one that was silent longest ends.
    pub sessions: u32,
}

impl Default for SignIn {
    fn default() -> Self {
        SignIn {
            required: SignInRequired::Auto,
            password_characters: 10,
            checks: 2,
            waiting: 16,
            failures: 5,
            failures_per_address: 20,
            wait_seconds: 30,
            longest_wait_seconds: 900,
            idle_seconds: 3600,
            session_seconds: 43_200,
            sessions: 10_000,
        }
    }
}

/// Who has to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignInRequired {
    /// Everybody, but on loopback nobody as long as there is no account.
    Auto,
    /// Everybody, on loopback too.
    Always,
}

impl Config {
    /// Whether HTTP is encrypted by this process.
    #[must_use]
    pub fn http_is_encrypted(&self) -> bool {
        !self.http.tls_certificate.as_os_str().is_empty()
    }

    /// Whether HTTP is reached from this machine alone. A `public_url` of another name says that somebody, such as a
    /// reverse proxy, passes requests of others on: then it is not, whatever address is listened on.
    #[must_use]
    pub fn http_is_local(&self) -> bool {
        self.http.listen.ip().is_loopback() && !self.http_is_behind_proxy()
    }

    /// Whether requests reach the loopback address through somebody who passes them on.
    #[must_use]
    pub fn http_is_behind_proxy(&self) -> bool {
        let url = &self.http.public_url;
        let host = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let host = host.split('/').next().unwrap_or(host);
        let local = ["", "localhost", "127.0.0.1", "[::1]"].iter().any(|name| {
            host.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':') && !name.is_empty())
        });
        self.http.listen.ip().is_loopback() && !local
    }

    /// Whether the operator has everybody let in without signing in.
    #[must_use]
    pub fn http_is_given_up(&self) -> bool {
        self.http.insecure_non_loopback == ACCEPTED
    }

    /// What of the way to sign in cannot work or would not be safe. Whether there is anybody who could sign in is seen
    /// at the start, when the accounts are read.
    pub(super) fn sign_in_problems(&self) -> Vec<String> {
        let (http, s) = (&self.http, &self.sign_in);
        let mut found = Vec::new();
        let open = self.http_is_given_up() || http.unencrypted_non_loopback == ACCEPTED;
        if !http.listen.ip().is_loopback() && !self.http_is_encrypted() && !open {
            found.push(format!(
                "http.listen = {} is beyond loopback and not encrypted: set http.tls_certificate and http.tls_key; \
                 or, for a network without certificates, http.unencrypted_non_loopback = \"I accept\" (people and \
                 tokens sign in, what they send can be read on the network); or http.insecure_non_loopback = \
                 \"I accept\" (nobody signs in, everybody sees everything)",
                http.listen
            ));
        }
        if http.tls_certificate.as_os_str().is_empty() != http.tls_key.as_os_str().is_empty() {
            found.push("http.tls_certificate and http.tls_key are set together or not at all".into());
        }
        for (key, value) in [
            ("insecure_non_loopback", &http.insecure_non_loopback),
            ("unencrypted_non_loopback", &http.unencrypted_non_loopback),
        ] {
            if !value.is_empty() && value != ACCEPTED {
                found.push(format!("http.{key} = {value:?} is neither empty nor {ACCEPTED:?}"));
            }
        }
        let rules = [
            ((8..=128).contains(&s.password_characters), "password_characters is not within 8 and 128"),
            ((1..=16).contains(&s.checks), "checks is not within 1 and 16"),
            (s.failures > 0 && s.failures_per_address > 0, "failures and failures_per_address are above 0"),
            (
                (1..=86_400).contains(&s.wait_seconds)
                    && (s.wait_seconds..=86_400).contains(&s.longest_wait_seconds),
                "wait_seconds and longest_wait_seconds are within 1 and 86400, in this order",
            ),
            (s.idle_seconds > 0 && s.session_seconds > 0 && s.sessions > 0, "a limit of sessions is 0"),
        ];
        found.extend(rules.iter().filter(|(holds, _)| !holds).map(|(_, what)| format!("sign_in: {what}")));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(listen: &str, public_url: &str) -> Config {
        let mut config = Config::default();
        config.http.listen = listen.parse().unwrap();
        config.http.public_url = public_url.into();
        config
    }

    #[test]
    fn a_proxy_in_front_of_loopback_is_not_loopback() {
        for url in ["", "http://localhost:8080", "http://127.0.0.1", "http://[::1]:8080/"] {
            assert!(with("127.0.0.1:8080", url).http_is_local(), "{url}");
        }
        for url in ["https://pacs.example.org", "http://localhost.example.org", "https://192.0.2.1/"] {
            assert!(!with("127.0.0.1:8080", url).http_is_local(), "{url}");
            assert!(with("127.0.0.1:8080", url).http_is_behind_proxy(), "{url}");
        }
        assert!(!with("192.0.2.1:8080", "").http_is_local());
        assert!(!with("192.0.2.1:8080", "https://pacs.example.org").http_is_behind_proxy());
    }

    #[test]
    fn beyond_loopback_encryption_is_on_or_given_up_by_name() {
        let mut config = with("192.0.2.1:443", "");
        let said = config.problems().join("\n");
        for key in ["tls_certificate", "unencrypted_non_loopback", "insecure_non_loopback"] {
            assert!(said.contains(key), "{said}");
        }
        config.http.tls_certificate = "cert.pem".into();
        assert!(config.problems().join("").contains("together"));
        config.http.tls_key = "key.pem".into();
        assert_eq!(config.problems(), Vec::<String>::new());
        for given_up in 0..2 {
            let mut config = with("192.0.2.1:8080", "");
            let key = [&mut config.http.insecure_non_loopback, &mut config.http.unencrypted_non_loopback];
            key.into_iter().nth(given_up).unwrap().push_str("I accept");
            assert_eq!(config.problems(), Vec::<String>::new());
        }
        config.http.unencrypted_non_loopback = "yes".into();
        assert!(config.problems().join("").contains("unencrypted_non_loopback"));
    }
}
