//! What the form of an import says, and its way into a statement.

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use indexer::archive::{Archive, BroughtIs, StateErrorKind};
use indexer::principal::Action;
use serde::Deserialize;

use super::{shown, words};
use crate::Portal;
use crate::form::{done, go_to, on_version};
use crate::frame::Failure;
use crate::language::Language;
use crate::sign_in::Who;
use crate::stating::who;
use crate::words::with;

/// A posted form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    say: String,
    person: String,
    patient: String,
    version: u64,
    document: String,
    who: String,
}

pub(super) async fn said(
    State(portal): State<Portal>,
    language: Language,
    reader: Who,
    Path(id): Path<String>,
    parts: Parts,
    Form(typed): Form<Typed>,
) -> Result<Response, Failure> {
    let words = words(language);
    let bad = |why: &str| Some((StatusCode::BAD_REQUEST, why.to_owned()));
    let refused = match (who::who(&parts, Some(typed.who.clone())), typed.person.parse()) {
        _ if !reader.may(Action::Withdraw) => Some((StatusCode::FORBIDDEN, words.forbidden.to_owned())),
        (Err(_), _) => bad(words.nobody),
        _ if typed.document.trim().is_empty() => bad(words.no_document),
        (_, Err(_)) => bad(&with(words.failed, "person")),
        (Ok(says), Ok(person)) => {
            let is = BroughtIs {
                intake: id.clone(),
                person,
                patient: typed.patient.parse().ok(),
                linked: typed.say == "same",
                document: typed.document.trim().to_owned(),
            };
            let basis = on_version(typed.version);
            let work =
                move |archive: &Archive| archive.confirm_brought(is, (None, basis), (says, String::new()));
            match done(&portal, language, work).await? {
                Ok(_) => None,
                Err(error) if error.kind() == StateErrorKind::Conflict => {
                    Some((StatusCode::CONFLICT, words.changed.to_owned()))
                }
                Err(error) => bad(&with(words.failed, &error)),
            }
        }
    };
    match refused {
        None => Ok(go_to(&format!("/intakes/{id}"))),
        refused => shown(&portal, language, &reader, &id, refused).await,
    }
}
