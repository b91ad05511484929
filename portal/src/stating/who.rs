//! Who says something: the one place where that is decided.

use axum::http::request::Parts;
use indexer::principal::Principal;
use indexer::statement::{Evidence, Who};

use crate::html::{Escaped, Html};
use crate::problem::Problem;
use crate::sign_in::Who as Reader;

/// The header in which a client claims who its user is, in UTF-8.
const CLAIMED_USER: &str = "x-claimed-user";

/// Who makes a request. A person who signed in is the account, whatever the request claims; a token speaks for the user
/// that it names, and both are kept; where nobody signs in it is who the request claims, in its header or in the field
/// `who` of its body, kept as claimed.
pub(crate) fn who(request: &Parts, claimed: Option<String>) -> Result<Who, Problem> {
    let claimed = claimed_user(request)?.or(claimed).map(|name| name.trim().to_owned());
    let claimed = claimed.filter(|name| !name.is_empty());
    match request.extensions.get::<Principal>() {
        Some(Principal::Person { account, .. }) => Ok(Who { name: account.clone(), by: Evidence::Account }),
        Some(Principal::Machine { name, .. }) => {
            let name = claimed.map_or_else(|| name.clone(), |user| format!("{name} for {user}"));
            Ok(Who { name, by: Evidence::Token })
        }
        _ => match claimed {
            Some(name) => Ok(Who { name, by: Evidence::Claimed }),
            None => Err(Problem::Invalid("who", "is missing: say who you are".into())),
        },
    }
}

/// Writes who is about to say something: the person who signed in, else a field for a name, which the page remembers.
pub(crate) fn who_field(out: &mut Html, reader: &Reader, name: &str, hint: &str) {
    match reader.person() {
        Some((account, person)) => {
            let shown = if person.is_empty() { account } else { person };
            out.put(format_args!("<p class=\"who\">{name}: <b>{}</b></p>", Escaped(shown)))
        }
        None => out.put(format_args!(
            "<p class=\"who row\"><label for=\"who\">{name}</label><input id=\"who\" name=\"who\" maxlength=\"100\" \
             autocomplete=\"name\" placeholder=\"{hint}\" required></p>"
        )),
    };
}

/// Whether a request names a person: a token alone is a machine.
pub(crate) fn names_person(request: &Parts, claimed: Option<&str>) -> bool {
    let named = claimed_user(request).ok().flatten().or_else(|| claimed.map(str::to_owned));
    let machine = matches!(request.extensions.get::<Principal>(), Some(Principal::Machine { .. }));
    !machine || named.is_some_and(|name| !name.trim().is_empty())
}

fn claimed_user(request: &Parts) -> Result<Option<String>, Problem> {
    let Some(value) = request.headers.get(CLAIMED_USER) else { return Ok(None) };
    match std::str::from_utf8(value.as_bytes()) {
        Ok(name) => Ok(Some(name.to_owned())),
        Err(_) => Err(Problem::Invalid("X-Claimed-User", "is not UTF-8".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(principal: Option<Principal>, claimed: &str) -> Option<(String, Evidence)> {
        let mut request = axum::http::Request::new(()).into_parts().0;
        request.headers.insert(CLAIMED_USER, claimed.parse().unwrap());
        request.extensions.extend(
            principal
                .map(|principal| {
                    let mut extensions = axum::http::Extensions::new();
                    extensions.insert(principal);
                    extensions
                })
                .unwrap_or_default(),
        );
        who(&request, None).ok().map(|who| (who.name, who.by))
    }

    #[test]
    fn nobody_who_signed_in_can_claim_to_be_somebody_else() {
        let person = Principal::Person { account: "hanh".into(), name: String::new(), roles: Vec::new() };
        assert_eq!(said(Some(person), "somebody"), Some(("hanh".into(), Evidence::Account)));
        assert_eq!(said(None, "BS. A"), Some(("BS. A".into(), Evidence::Claimed)));
        assert_eq!(said(Some(Principal::Local), "BS. A"), Some(("BS. A".into(), Evidence::Claimed)));
        assert_eq!(said(None, " "), None);
    }
}
