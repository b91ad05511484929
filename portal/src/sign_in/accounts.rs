//! `/accounts`: all accounts, for administrators.

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use indexer::principal::{Action, Role};

use super::account::in_words;
use super::door::{forbidden_in, go_to};
use super::words::{Words, role};
use super::{Gate, Who, words};
use crate::Portal;
use crate::accounts::{AccountError, AccountJob, Listed, Secret};
use crate::calendar::moment;
use crate::frame::{Frame, Place};
use crate::html::{Escaped, Html};
use crate::language::Language;
use crate::words::with;

/// A form as it was sent: a name may stand there several times.
type Fields = Vec<(String, String)>;

fn field<'f>(fields: &'f Fields, name: &str) -> &'f str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

fn roles(fields: &Fields) -> Vec<Role> {
    fields.iter().filter(|(name, _)| name == "role").filter_map(|(_, value)| value.parse().ok()).collect()
}

pub(super) async fn show(State(portal): State<Portal>, language: Language, who: Who) -> Response {
    if !who.may(Action::ManageAccounts) {
        return forbidden_in(language, who.person().is_some());
    }
    page(&portal, language, &who, None)
}

pub(super) async fn add(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
    Form(fields): Form<Fields>,
) -> Response {
    let job = AccountJob::Add {
        name: field(&fields, "account").to_owned(),
        person: field(&fields, "person").to_owned(),
        roles: roles(&fields),
        password: Secret::new(field(&fields, "password")),
        must_change: true,
    };
    run(&portal, language, &who, job).await
}

pub(super) async fn change(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
    Path(name): Path<String>,
    Form(fields): Form<Fields>,
) -> Response {
    let job = match field(&fields, "what") {
        "roles" => AccountJob::Roles { name, roles: roles(&fields) },
        "password" => AccountJob::Password {
            name,
            password: Secret::new(field(&fields, "password")),
            must_change: true,
        },
        "disable" => AccountJob::Disable(name),
        "enable" => AccountJob::Enable(name),
        _ => return StatusCode::BAD_REQUEST.into_response(),
    };
    run(&portal, language, &who, job).await
}

async fn run(portal: &Portal, language: Language, who: &Who, job: AccountJob) -> Response {
    let Some(gate) = portal.site.gate.clone() else { return StatusCode::NOT_FOUND.into_response() };
    if !who.may(Action::ManageAccounts) {
        return forbidden_in(language, who.person().is_some());
    }
    // What is done stands in the log without the password, which does not show itself.
    tracing::info!(by = who.person().map_or("", |(account, _)| account), ?job, "an account is changed");
    match tokio::task::spawn_blocking(move || gate.accounts().run(&job)).await {
        Ok(Ok(_)) => go_to("/accounts"),
        Ok(Err(error)) => page(portal, language, who, Some(&error)),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn page(portal: &Portal, language: Language, who: &Who, error: Option<&AccountError>) -> Response {
    let words = words(language);
    let all = portal.site.gate.as_deref().map(Gate::accounts).map(|accounts| accounts.list());
    let mut content = Html::default();
    content.put(format_args!("<h1>{}</h1>", words.accounts));
    if let Some(error) = error {
        let said = in_words(error, language);
        content.put(format_args!("<p class=\"banner bad\" role=\"alert\">{said}</p>"));
    }
    adding(&mut content, words);
    content.put(format_args!("<div class=\"cards people\">"));
    for listed in all.iter().flatten() {
        one(&mut content, language, listed);
    }
    content.put(format_args!("</div>"));
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Frame::new(portal, language, Place::Accounts, words.accounts, "/accounts")
        .asked_by(who)
        .answering(status, &content)
}

fn adding(out: &mut Html, words: &Words) {
    out.put(format_args!(
        "<details class=\"card\"><summary>{}</summary><form class=\"fields\" method=\"post\" action=\"/accounts\">\
         <label>{}<input name=\"account\" required maxlength=\"64\" pattern=\"[A-Za-z0-9._\\-]+\" autocomplete=\"off\" \
         autocapitalize=\"none\" spellcheck=\"false\"><small>{}</small></label>\
         <label>{}<input name=\"person\" maxlength=\"100\" autocomplete=\"off\"></label>",
        words.add, words.account, words.name_hint, words.person,
    ));
    choices(out, words, &[]);
    password(out, words, words.first_password);
    out.put(format_args!("<button class=\"button\">{}</button></form></details>", words.add));
}

fn password(out: &mut Html, words: &Words, label: &str) {
    out.put(format_args!(
        "<label>{label}<input name=\"password\" type=\"password\" required maxlength=\"256\" autocomplete=\"new-password\">\
         <small>{}</small></label>",
        words.first_password_hint
    ));
}

fn choices(out: &mut Html, words: &Words, chosen: &[Role]) {
    out.put(format_args!("<fieldset><legend>{}</legend>", words.roles));
    for one in Role::ALL {
        let checked = if chosen.contains(&one) { " checked" } else { "" };
        let name = role(words, one);
        out.put(format_args!(
            "<label class=\"choice\"><input type=\"checkbox\" name=\"role\" value=\"{one}\"{checked}> {name}</label>"
        ));
    }
    out.put(format_args!("</fieldset>"));
}

fn one(out: &mut Html, language: Language, listed: &Listed) {
    let words = words(language);
    // The name of an account has only letters that mean nothing in HTML.
    let name = &listed.name;
    let (class, sign, state) =
        if listed.disabled { ("doubt", "✗", words.disabled) } else { ("received", "✓", words.enabled) };
    out.put(format_args!(
        "<section class=\"card\" id=\"{name}\"><h2>{name} <small>{}</small></h2>\
         <p><span class=\"badge {class}\"><i aria-hidden=\"true\">{sign}</i> {state}</span> ",
        Escaped(&listed.person)
    ));
    for one in &listed.roles {
        out.put(format_args!("<span class=\"badge\">{}</span> ", role(words, *one)));
    }
    if listed.must_change {
        out.put(format_args!("<span class=\"badge incomplete\">{}</span>", words.waits_for_password));
    }
    let set = with(words.password_set, moment(language, listed.password_ms));
    out.put(format_args!("</p><small>{set}</small><details><summary>{}</summary>", words.edit));
    let form = format!("<form class=\"fields\" method=\"post\" action=\"/accounts/{name}\">");
    out.put(format_args!("{form}"));
    choices(out, words, &listed.roles);
    out.put(format_args!(
        "<button class=\"button\" name=\"what\" value=\"roles\">{}</button></form>{form}",
        words.save
    ));
    password(out, words, words.new_password);
    out.put(format_args!(
        "<button class=\"button\" name=\"what\" value=\"password\">{}</button></form>{form}",
        words.reset
    ));
    let (what, label) = if listed.disabled { ("enable", words.enable) } else { ("disable", words.disable) };
    out.put(format_args!(
        "<button class=\"button plain\" name=\"what\" value=\"{what}\">{label}</button></form></details></section>"
    ));
}
