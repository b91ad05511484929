//! What the forms of the reuse page say, and its way into statements.

use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use indexer::archive::{Archive, Asked, Basis, Decide, LinkPatients, Shown, StateError, StateErrorKind};
use indexer::db::FacilityId;
use indexer::principal::{Action, Principal};
use indexer::statement::{DecisionReason, Order, ReuseChoice, Who as Says};
use serde::Deserialize;
use serde_json::json;
use storage_config::{ContentHash, Uid};

use super::words::{Words, words};
use super::{Address, shown};
use crate::Portal;
use crate::form::{done, go_to};
use crate::frame::Failure;
use crate::language::Language;
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
    answer: String,
    verdict: String,
    study: String,
    decision: String,
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
        // What is said here is said by a person: a token alone names none.
        Ok(_) if !who::names_person(&parts, Some(&typed.who)) => Err(Refused::Nobody),
        Ok(says) => {
            let (order, reader) = (address.order.clone(), reader.clone());
            done(&portal, language, move |archive| state(archive, &order, &typed, says, &reader)).await?
        }
    };
    match told {
        Ok(()) => Ok(go_to(&to)),
        Err(refused) => {
            let notice = notice(words(language), &refused);
            shown(&portal, language, &reader, &address, Some(notice)).await
        }
    }
}

fn state(archive: &Archive, order: &str, typed: &Typed, who: Says, reader: &Who) -> Result<(), Refused> {
    let links = matches!(typed.say.as_str(), "same_person" | "other_person");
    let needs = if links { Action::Withdraw } else { Action::Decide };
    if !reader.may(needs) || !own_facility(archive, order, reader)? {
        return Err(Refused::Forbidden);
    }
    match typed.say.as_str() {
        "reuse" => decide(archive, order, typed, ReuseChoice::Reuse, who),
        "second" => decide(archive, order, typed, ReuseChoice::ReuseWithSecondReading, who),
        "repeat" => decide(archive, order, typed, ReuseChoice::Repeat, who),
        "withdraw" => take_back(archive, order, typed, who),
        "unchanged" => clinical_state(archive, order, false, who),
        "changed" => clinical_state(archive, order, true, who),
        "same_person" => link(archive, order, typed, (true, who)),
        "other_person" => link(archive, order, typed, (false, who)),
        _ => Err(Refused::NotUnderstood("say")),
    }
}

/// Whether the order is of the facility that a token acts for; a person acts for none.
fn own_facility(archive: &Archive, order: &str, reader: &Who) -> Result<bool, Refused> {
    let own = reader.principal.as_ref().map(Principal::facility).filter(|own| *own != FacilityId(0));
    let (order, _) = archive.ordered(order)?;
    Ok(own.is_none_or(|own| order.facility.is_none_or(|facility| facility == own.0)))
}

/// Decides about the order, by the answer that the page showed.
fn decide(
    archive: &Archive,
    order: &str,
    typed: &Typed,
    choice: ReuseChoice,
    who: Says,
) -> Result<(), Refused> {
    let verdict =
        serde_json::from_value(json!(typed.verdict)).map_err(|_| Refused::NotUnderstood("verdict"))?;
    let study = Uid::parse(&typed.study).map_err(|_| Refused::NotUnderstood("study"))?;
    let reasons = match typed.reason.as_str() {
        "" => Vec::new(),
        name => vec![DecisionReason::of_name(name).ok_or(Refused::NotUnderstood("reason"))?],
    };
    archive.decide(Decide {
        id: None,
        order: order.to_owned(),
        choice,
        studies: vec![study],
        reasons,
        text: typed.text.trim().to_owned(),
        shown: Shown { verdict, answer: Some(typed.answer.clone()) },
        who,
        by_person: true,
        why: String::new(),
    })?;
    Ok(())
}

/// Takes a decision about this order back.
fn take_back(archive: &Archive, order: &str, typed: &Typed, who: Says) -> Result<(), Refused> {
    if archive.decision(&typed.decision)?.0.order != order {
        return Err(Refused::NotUnderstood("decision"));
    }
    let why = typed.text.trim().to_owned();
    archive.withdraw_decision(&typed.decision, (None, Basis::Current), (who, true), why)?;
    Ok(())
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
fn link(archive: &Archive, order: &str, typed: &Typed, (linked, who): (bool, Says)) -> Result<(), Refused> {
    let answer = archive.reuse_check(&Asked::Order(order.to_owned()))?;
    // The person of this order, and one whom the page showed beside it.
    if answer.order.patient.as_deref() != Some(typed.a.as_str()) {
        return Err(Refused::NotUnderstood("a"));
    }
    if !answer.studies.iter().any(|seen| seen.patient.as_deref() == Some(typed.b.as_str())) {
        return Err(Refused::NotUnderstood("b"));
    }
    let a = typed.a.parse().map_err(|_| Refused::NotUnderstood("a"))?;
    let b = typed.b.parse().map_err(|_| Refused::NotUnderstood("b"))?;
    let document = typed.text.trim();
    if document.is_empty() {
        return Err(Refused::NotUnderstood("text"));
    }
    let link = LinkPatients { a, b, linked, document: document.to_owned() };
    archive.link_patients(link, (None, Basis::Current), (who, String::new()))?;
    Ok(())
}

fn notice(words: &Words, refused: &Refused) -> (StatusCode, String) {
    let because = |status, why: &str| (status, words.refused.replace("{n}", why));
    match refused {
        Refused::Nobody => (StatusCode::BAD_REQUEST, words.nobody.to_owned()),
        Refused::Forbidden => (StatusCode::FORBIDDEN, words.forbidden.to_owned()),
        Refused::NotUnderstood(field) => because(StatusCode::BAD_REQUEST, field),
        Refused::State(error) => match error.kind() {
            StateErrorKind::Conflict => (StatusCode::CONFLICT, format!("{} ({error})", words.stale)),
            StateErrorKind::Invalid => because(StatusCode::BAD_REQUEST, &error.to_string()),
            StateErrorKind::NotFound => because(StatusCode::NOT_FOUND, &error.to_string()),
            StateErrorKind::Unavailable | StateErrorKind::Internal => {
                tracing::error!(%error, "what was said on the reuse page was not noted");
                because(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
            }
        },
    }
}
