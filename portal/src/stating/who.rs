//! Who says something: the one place where that is decided.

use axum::http::request::Parts;
use indexer::statement::{Evidence, Who};

use crate::problem::Problem;

/// The header in which a client claims who its user is, in UTF-8.
const CLAIMED_USER: &str = "x-claimed-user";

/// Who makes a request. Nobody signs in yet: it is who the request claims, in its header or in the field `who` of its
/// body, and it is kept as claimed.
pub(super) fn who(request: &Parts, claimed: Option<String>) -> Result<Who, Problem> {
    let in_header = match request.headers.get(CLAIMED_USER) {
        Some(value) => match std::str::from_utf8(value.as_bytes()) {
            Ok(name) => Some(name.to_owned()),
            Err(_) => return Err(Problem::Invalid("X-Claimed-User", "is not UTF-8".into())),
        },
        None => None,
    };
    match in_header.or(claimed).filter(|name| !name.trim().is_empty()) {
        Some(name) => Ok(Who { name: name.trim().to_owned(), by: Evidence::Claimed }),
        None => Err(Problem::Invalid("who", "is missing: say who you are".into())),
    }
}
