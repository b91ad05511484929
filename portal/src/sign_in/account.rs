//! `/account`: everybody's own account, where the password is changed.

use axum::extract::{Form, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde::Deserialize;

use super::door::{go_to, refused_in_words};
use super::words::role;
use super::{Gate, OWN_ACCOUNT, Refused, SIGN_IN, Who, words};
use crate::Portal;
use crate::accounts::{AccountError, Secret};
use crate::frame::{Frame, Place};
use crate::html::{Escaped, Html};
use crate::language::Language;
use crate::words::with;

/// What the form says.
#[derive(Deserialize)]
pub(super) struct Typed {
    old: Secret,
    new: Secret,
    again: Secret,
}

pub(super) async fn show(State(portal): State<Portal>, language: Language, who: Who) -> Response {
    page(&portal, language, &who, StatusCode::OK, None)
}

pub(super) async fn change(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
    Form(typed): Form<Typed>,
) -> Response {
    let words = words(language);
    let (Some(gate), Some((account, _))) = (&portal.site.gate, who.person()) else { return go_to(SIGN_IN) };
    if typed.new != typed.again {
        return page(
            &portal,
            language,
            &who,
            StatusCode::UNPROCESSABLE_ENTITY,
            Some((false, words.differ.into())),
        );
    }
    match gate.change_password(account, (typed.old, typed.new), who.from).await {
        Ok(Ok(cookie)) => {
            let mut response =
                page(&portal, language, &who, StatusCode::OK, Some((true, words.changed.into())));
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Ok(Err(error)) => {
            let said = in_words(&error, language);
            page(&portal, language, &who, StatusCode::UNPROCESSABLE_ENTITY, Some((false, said)))
        }
        Err(refused) => {
            let (status, said) = refused_in_words(Some(refused), words);
            let wrong = refused == Refused::Wrong;
            let said = if wrong { Some(words.old_wrong.to_owned()) } else { said };
            page(&portal, language, &who, status, said.map(|said| (false, said)))
        }
    }
}

/// Why a change was refused.
pub(super) fn in_words(error: &AccountError, language: Language) -> String {
    let words = words(language);
    match error {
        AccountError::Name => words.name_wrong.into(),
        AccountError::Person => words.person_wrong.into(),
        AccountError::Exists(_) => words.exists.into(),
        AccountError::Unknown(_) => words.unknown.into(),
        AccountError::NoRole => words.no_role.into(),
        AccountError::LastAdministrator => words.last_administrator.into(),
        AccountError::Short(characters) => with(words.short, characters),
        AccountError::Long => words.long.into(),
        AccountError::Weak => words.weak.into(),
        AccountError::Old => words.old_wrong.into(),
        AccountError::Full | AccountError::File { .. } | AccountError::Hash(_) => {
            tracing::error!(%error, "the accounts were not changed");
            words.failed.into()
        }
    }
}

fn page(
    portal: &Portal,
    language: Language,
    who: &Who,
    status: StatusCode,
    said: Option<(bool, String)>,
) -> Response {
    let words = words(language);
    let (account, person) = who.person().unwrap_or_default();
    let listed = portal.site.gate.as_deref().map(Gate::accounts).map(|accounts| accounts.list());
    let listed = listed.into_iter().flatten().find(|listed| listed.name == account);
    let mut content = Html::default();
    content.put(format_args!("<div class=\"card door\"><h1>{}</h1><p><b>{account}</b>", words.own_account));
    content.put(format_args!(" {}</p><p>", Escaped(person)));
    for one in listed.iter().flat_map(|listed| &listed.roles) {
        content.put(format_args!("<span class=\"badge\">{}</span> ", role(words, *one)));
    }
    content.put(format_args!("</p>"));
    if listed.is_some_and(|listed| listed.must_change) {
        content.put(format_args!("<p class=\"banner\" role=\"alert\">{}</p>", words.must_change));
    }
    if let Some((good, said)) = said {
        let class = if good { "good" } else { "bad" };
        content.put(format_args!("<p class=\"banner {class}\" role=\"alert\">{said}</p>"));
    }
    content.put(format_args!(
        "<h2>{}</h2><form class=\"fields\" method=\"post\" action=\"{OWN_ACCOUNT}\">\
         <input type=\"hidden\" name=\"username\" autocomplete=\"username\" value=\"{account}\">",
        words.change_password
    ));
    let fields = [
        ("old", words.old_password, "current-password"),
        ("new", words.new_password, "new-password"),
        ("again", words.repeat_password, "new-password"),
    ];
    for (name, label, hint) in fields {
        content.put(format_args!(
            "<label>{label}<input name=\"{name}\" type=\"password\" required maxlength=\"256\" autocomplete=\"{hint}\"></label>"
        ));
    }
    content.put(format_args!("<button class=\"button\">{}</button></form></div>", words.change_password));
    Frame::new(portal, language, Place::Inside, words.own_account, OWN_ACCOUNT)
        .asked_by(who)
        .answering(status, &content)
}
