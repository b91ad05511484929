//! What the forms of the reuse page say, and its way into statements.

use axum::extract::{Form, Query, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use indexer::archive::{Archive, Basis, Said, StateError, StateErrorKind};
use indexer::principal::Action;
use indexer::statement::{Order, PatientLink, State as Statement, Who as Says};
use serde::Deserialize;
use serde_json::json;
use storage_config::ContentHash;

use super::words::{Words, words};
use super::{Address, shown};
use crate::Portal;
use crate::frame::Failure;
use crate::language::Language;
use crate::problem::Problem;
use crate::sign_in::Who;
use crate::stating::who;

/// A posted form; which fields count is told by `say`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    say: String,
    who: String,
    reason: String,
    text: String,
    version: u64,
    a: String,
    b: String,
}

/// Why a form became no statement.
enum Refused {
    Nobody,
    Forbidden,
    NotUnderstood(&'static str),
    State(StateError),
}

impl From<StateError> for Refused {
    fn from(error: StateError) -> Refused {
        Refused::State(error)
    }
}

pub(super) async fn said(
    State(portal): State<Portal>,
    language: Language,
    reader: Who,
    Query(address): Query<Address>,
    parts: Parts,
    Form(typed): Form<Typed>,
) -> Result<Response, Failure> {
    let to = address.of(address.prior.unwrap_or(0));
    let told = match who::who(&parts, Some(typed.who.clone())) {
        Err(_) => Err(Refused::Nobody),
        Ok(says) => {
            let (archive, order, may) =
                (portal.archive.clone(), address.order.clone(), reader.may(Action::Withdraw));
            let done = tokio::task::spawn_blocking(move || state(&archive, &order, &typed, says, may)).await;
            done.map_err(Problem::failed).map_err(Failure::of(language))?
        }
    };
    match told {
        Ok(()) => Ok((StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()),
        Err(refused) => {
            let notice = notice(words(language), &refused);
            shown(&portal, language, &reader, &address, Some(notice)).await
        }
    }
}

fn state(archive: &Archive, order: &str, typed: &Typed, who: Says, may_link: bool) -> Result<(), Refused> {
    match typed.say.as_str() {
        "unchanged" => clinical_state(archive, order, false, who),
        "changed" => clinical_state(archive, order, true, who),
        "same_person" | "other_person" if !may_link => Err(Refused::Forbidden),
        "same_person" => link(archive, typed, true, who),
        "other_person" => link(archive, typed, false, who),
        _ => Err(Refused::NotUnderstood("say")),
    }
}

/// Answers whether the clinical state has changed: a field of the order.
fn clinical_state(archive: &Archive, id: &str, changed: bool, who: Says) -> Result<(), Refused> {
    let asked = json!(["clinical state", id, changed, who.name]);
    let asked = ContentHash::of(asked.to_string().as_bytes());
    archive.change_order(id, (None, Basis::Current), asked, (who, String::new()), |order| {
        Ok(Order { clinical_state_changed: Some(changed), ..order.clone() })
    })?;
    Ok(())
}

/// Says that two patients are one person, or that they are not, by the document that was seen.
fn link(archive: &Archive, typed: &Typed, linked: bool, who: Says) -> Result<(), Refused> {
    let a = typed.a.parse().map_err(|_| Refused::NotUnderstood("a"))?;
    let b = typed.b.parse().map_err(|_| Refused::NotUnderstood("b"))?;
    let document = typed.text.trim();
    if document.is_empty() {
        return Err(Refused::NotUnderstood("text"));
    }
    let link = PatientLink::between(a, b, linked);
    let said = Said {
        id: None,
        key: link.key(),
        state: Statement::PatientLink(link),
        based_on: Basis::Current,
        who,
        why: format!("document seen: {document}"),
    };
    archive.state(said)?;
    Ok(())
}

fn notice(words: &Words, refused: &Refused) -> (StatusCode, String) {
    let because = |status, why: &str| (status, words.refused.replace("{n}", why));
    match refused {
        Refused::Nobody => (StatusCode::BAD_REQUEST, words.nobody.to_owned()),
        Refused::Forbidden => (StatusCode::FORBIDDEN, words.forbidden.to_owned()),
        Refused::NotUnderstood(field) => because(StatusCode::BAD_REQUEST, field),
        Refused::State(error) => match error.kind() {
            StateErrorKind::Conflict => (StatusCode::CONFLICT, words.stale.to_owned()),
            StateErrorKind::Invalid => because(StatusCode::BAD_REQUEST, &error.to_string()),
            StateErrorKind::NotFound => because(StatusCode::NOT_FOUND, &error.to_string()),
            StateErrorKind::Unavailable | StateErrorKind::Internal => {
                tracing::error!(%error, "what was said on the reuse page was not noted");
                because(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
            }
        },
    }
}
