//! What stands in the head of every page for who asks: the pages that are theirs, their name, the way out.

use indexer::principal::{Action, Principal};

use super::{OWN_ACCOUNT, SIGN_IN, Who, words};
use crate::frame::Place;
use crate::html::{Escaped, Html};
use crate::language::Language;

/// Writes the entries of the navigation that not everybody has.
pub(crate) fn ways(page: &mut Html, language: Language, here: Place, who: &Who) {
    let words = words(language);
    let all = [
        (Place::Accounts, "/accounts", words.accounts, Action::ManageAccounts),
        (Place::Ledger, "/ledger", words.ledger, Action::SeeLedger),
        (Place::Log, "/log", words.log, Action::SeeLog),
    ];
    for (place, address, name, action) in all {
        if who.may(action) {
            let current = if place == here { " aria-current=\"page\"" } else { "" };
            page.put(format_args!("<a href=\"{address}\"{current}>{name}</a>"));
        }
    }
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
