//! What stands in the head of every page for who asks: the pages that are theirs, their name, the way out.

use indexer::principal::{Action, Principal};

use super::{OWN_ACCOUNT, SIGN_IN, Who, words};
use crate::frame::Place;
use crate::html::Escaped;
use crate::language::Language;

/// The entries of the navigation that not everybody has.
pub(crate) fn ways(
    language: Language,
    who: &Who,
) -> impl Iterator<Item = (Place, &'static str, &'static str)> {
    let words = words(language);
    let all = [
        (Place::Ledger, "/ledger", words.ledger, Action::SeeLedger),
        (Place::Accounts, "/accounts", words.accounts, Action::ManageAccounts),
        (Place::Log, "/log", words.log, Action::SeeLog),
    ];
    all.into_iter()
        .filter(|(.., action)| who.may(*action))
        .map(|(place, address, name, _)| (place, address, name))
}

/// Who signed in and the way out, or the way in where it is open without.
pub(crate) fn corner(language: Language, who: Option<&Who>) -> String {
    let words = words(language);
    let Some(who) = who else { return String::new() };
    match (who.person(), &who.principal) {
        (Some((account, person)), _) => {
            let shown = if person.is_empty() { account } else { person };
            format!(
                "<a class=\"person\" href=\"{OWN_ACCOUNT}\" title=\"{}\">{}</a>\
                 <form class=\"out\" method=\"post\" action=\"/sign-out\"><button>{}</button></form>",
                words.own_account,
                Escaped(shown),
                words.sign_out
            )
        }
        (None, Some(Principal::Claimed { .. })) => format!("<a href=\"{SIGN_IN}\">{}</a>", words.sign_in),
        (None, _) => String::new(),
    }
}
