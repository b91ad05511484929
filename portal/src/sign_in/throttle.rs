//! How guessing is slowed down: by waits that grow, for one account and for one address. Nobody is locked out for good,
//! and a name that is no account waits like one that is. Pure: the time is an argument.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use storage_config::config::SignIn;

/// Accounts and addresses remembered at once.
const REMEMBERED: usize = 16_384;
/// Failures are forgotten after this many of the longest waits without another.
const FORGOTTEN_AFTER: u32 = 10;

/// Whose failures are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Of {
    Account(String),
    Address(IpAddr),
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
    /// Until when no attempt is taken.
    until: Instant,
}

/// Failures that are remembered.
pub(super) struct Throttle {
    rules: SignIn,
    known: HashMap<Of, Failures>,
}

impl Throttle {
    pub(super) fn new(rules: SignIn) -> Throttle {
        Throttle { rules, known: HashMap::new() }
    }

    /// Takes note of an attempt as if it failed, before its password is checked, so that many at once are not checked
    /// before the first has failed.
    ///
    /// # Errors
    /// How long to wait, when it may not be made yet; it is not counted then.
    pub(super) fn begin(&mut self, account: &str, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let both = [
            (Of::Account(account.to_owned()), self.rules.failures),
            (Of::Address(network(address)), self.rules.failures_per_address),
        ];
        let wait = both
            .iter()
            .filter_map(|(of, _)| self.known.get(of))
            .map(|f| f.until.saturating_duration_since(now));
        match wait.max() {
            Some(wait) if !wait.is_zero() => return Err(wait),
            _ => {}
        }
        for (of, allowed) in both {
            self.fail(of, allowed, now);
        }
        Ok(())
    }

    /// The attempt that began was right: the account starts afresh, the address is half forgiven, so that signing in
    /// with one account does not pay for guessing at others.
    pub(super) fn succeed(&mut self, account: &str, address: IpAddr, now: Instant) {
        self.known.remove(&Of::Account(account.to_owned()));
        if let Some(failures) = self.known.get_mut(&Of::Address(network(address))) {
            failures.count = failures.count.saturating_sub(1) / 2;
            failures.until = now;
        }
    }

    fn fail(&mut self, of: Of, allowed: u32, now: Instant) {
        let forgotten = Duration::from_secs(self.rules.longest_wait_seconds) * FORGOTTEN_AFTER;
        if self.known.len() >= REMEMBERED && !self.known.contains_key(&of) {
            self.known.retain(|_, f| now.saturating_duration_since(f.last) < forgotten);
            if self.known.len() >= REMEMBERED {
                // Half of them, the oldest: what remains is what is being guessed at now.
                let mut times: Vec<Instant> = self.known.values().map(|f| f.last).collect();
                let (_, middle, _) = times.select_nth_unstable(REMEMBERED / 2);
                let middle = *middle;
                self.known.retain(|_, f| f.last > middle);
            }
        }
        let failures = self.known.entry(of).or_insert(Failures { count: 0, last: now, until: now });
        if now.saturating_duration_since(failures.last) >= forgotten {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        if let Some(beyond) = failures.count.checked_sub(allowed) {
            let longest = self.rules.longest_wait_seconds;
            let wait = self.rules.wait_seconds.checked_shl(beyond.min(32)).unwrap_or(longest).min(longest);
            failures.until = now + Duration::from_secs(wait);
        }
    }
}

/// An address, or the network that one subscriber has of IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn rules() -> SignIn {
        SignIn {
            failures: 3,
            failures_per_address: 5,
            wait_seconds: 30,
            longest_wait_seconds: 100,
            ..SignIn::default()
        }
    }

    #[test]
    fn an_account_waits_longer_each_time_and_never_for_good() {
        let (mut throttle, start) = (Throttle::new(rules()), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let from = |n: u8| IpAddr::from([198, 51, 100, n]);
        for n in 0..3 {
            assert_eq!(throttle.begin("an", from(n), start), Ok(()));
        }
        assert_eq!(throttle.begin("an", from(3), start), Err(Duration::from_secs(30)));
        assert_eq!(
            throttle.begin("an", from(3), at(29)),
            Err(Duration::from_secs(1)),
            "a refusal adds nothing"
        );
        assert_eq!(throttle.begin("binh", from(3), start), Ok(()), "another account");
        assert_eq!(throttle.begin("an", from(4), at(30)), Ok(()));
        assert_eq!(throttle.begin("an", from(4), at(30)), Err(Duration::from_secs(60)));
        assert_eq!(throttle.begin("an", from(5), at(90)), Ok(()));
        assert_eq!(throttle.begin("an", from(6), at(90)), Err(Duration::from_secs(100)), "the longest");
        assert_eq!(throttle.begin("an", from(6), at(190)), Ok(()));
        throttle.succeed("an", from(6), at(190));
        for n in 0..3 {
            assert_eq!(throttle.begin("an", from(10 + n), at(190)), Ok(()), "forgiven");
        }
        let forgotten = at(190 + 1_000);
        for n in 0..3 {
            assert_eq!(throttle.begin("an", from(20 + n), forgotten), Ok(()));
        }
    }

    #[test]
    fn an_address_waits_whatever_names_it_tries() {
        let (mut throttle, now) = (Throttle::new(rules()), Instant::now());
        for n in 0..5 {
            assert_eq!(throttle.begin(&format!("name{n}"), HERE, now), Ok(()));
        }
        assert!(throttle.begin("name5", HERE, now).is_err());
        let (one, other): (IpAddr, IpAddr) =
            ("2001:db8::1".parse().unwrap(), "2001:db8::ffff:2".parse().unwrap());
        for n in 0..5 {
            assert_eq!(throttle.begin(&format!("six{n}"), one, now), Ok(()));
        }
        assert!(throttle.begin("six5", other, now).is_err(), "one network");
    }

    #[test]
    fn a_flood_of_names_fills_no_memory() {
        let (mut throttle, start) = (Throttle::new(rules()), Instant::now());
        for n in 0..40_000_u32 {
            let now = start + Duration::from_millis(u64::from(n));
            let _ = throttle.begin(&n.to_string(), IpAddr::from((0x0a00_0000 + n).to_be_bytes()), now);
            assert!(throttle.known.len() <= REMEMBERED);
        }
    }
}
