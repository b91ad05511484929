//! What the forms of a study say: legal hold, withdrawing, giving back, who is one person with its patient.

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use indexer::archive::{Archive, LinkPatients, Said, StateError, StateErrorKind, Withdraw};
use indexer::principal::Action;
use indexer::statement::{LegalHold, Reason, State as Statement, Who as Says};
use serde::Deserialize;
use storage_config::Uid;

use super::words::{Words, words};
use super::{person, shown};
use crate::Portal;
use crate::form::{done, go_to, on_version};
use crate::frame::Failure;
use crate::language::Language;
use crate::sign_in::Who;
use crate::stating::who;
use crate::words::with;

/// A posted form; which fields count is told by `say`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    say: String,
    who: String,
    why: String,
    reason: String,
    withdrawal: String,
    version: u64,
    one: String,
    other: String,
    document: String,
}

/// Why a form became no statement.
enum Refused {
    Forbidden,
    Nobody,
    NoWhy,
    NoDocument,
    NotUnderstood(&'static str),
    State(StateError),
}

impl From<StateError> for Refused {
    fn from(error: StateError) -> Refused {
        Refused::State(error)
    }
}

fn notice(words: &Words, refused: &Refused) -> (StatusCode, String) {
    match refused {
        Refused::Forbidden => (StatusCode::FORBIDDEN, words.forbidden.to_owned()),
        Refused::Nobody => (StatusCode::BAD_REQUEST, words.nobody.to_owned()),
        Refused::NoWhy => (StatusCode::BAD_REQUEST, words.no_why.to_owned()),
        Refused::NoDocument => (StatusCode::BAD_REQUEST, words.no_document.to_owned()),
        Refused::NotUnderstood(field) => (StatusCode::BAD_REQUEST, with(words.failed, field)),
        Refused::State(error) if error.kind() == StateErrorKind::Conflict => {
            (StatusCode::CONFLICT, words.changed.to_owned())
        }
        Refused::State(error) => (StatusCode::BAD_REQUEST, with(words.failed, error)),
    }
}

/// POST `/studies/{uid}/keeping`.
pub(super) async fn keeping(
    State(portal): State<Portal>,
    language: Language,
    reader: Who,
    Path(uid): Path<String>,
    parts: Parts,
    Form(typed): Form<Typed>,
) -> Result<Response, Failure> {
    let uid = Uid::parse(&uid).map_err(|_| Failure::no_study(language))?;
    let of = uid.clone();
    match taken(&portal, language, (&parts, &reader), typed, move |archive, typed, says| {
        keep(archive, of, typed, says)
    })
    .await?
    {
        Ok(()) => Ok(go_to(&format!("/studies/{uid}"))),
        Err(refused) => {
            shown(&portal, language, &reader, &uid, Some(notice(words(language), &refused))).await
        }
    }
}

/// POST `/studies/{uid}/person`.
pub(super) async fn link(
    State(portal): State<Portal>,
    language: Language,
    reader: Who,
    Path(uid): Path<String>,
    parts: Parts,
    Form(typed): Form<Typed>,
) -> Result<Response, Failure> {
    let uid = Uid::parse(&uid).map_err(|_| Failure::no_study(language))?;
    match taken(&portal, language, (&parts, &reader), typed, join).await? {
        Ok(()) => Ok(go_to(&format!("/studies/{uid}/person"))),
        Err(refused) => {
            let notice = notice(words(language), &refused);
            person::shown(&portal, language, &reader, &uid, Some(notice)).await
        }
    }
}

/// Does what a form says, if whoever sent it may.
async fn taken(
    portal: &Portal,
    language: Language,
    (parts, reader): (&Parts, &Who),
    typed: Typed,
    work: impl FnOnce(&Archive, Typed, Says) -> Result<(), Refused> + Send + 'static,
) -> Result<Result<(), Refused>, Failure> {
    if !reader.may(Action::Withdraw) {
        return Ok(Err(Refused::Forbidden));
    }
    let Ok(says) = who::who(parts, Some(typed.who.clone())) else { return Ok(Err(Refused::Nobody)) };
    done(portal, language, move |archive| work(archive, typed, says)).await
}

fn keep(archive: &Archive, study: Uid, typed: Typed, who: Says) -> Result<(), Refused> {
    let why = typed.why.trim().to_owned();
    if why.is_empty() {
        return Err(Refused::NoWhy);
    }
    match typed.say.as_str() {
        say @ ("hold" | "lift") => {
            let state = Statement::LegalHold(LegalHold { held: say == "hold" });
            let based_on = on_version(typed.version);
            archive.state(Said { id: None, key: study.to_string(), state, based_on, who, why })?;
        }
        "withdraw" => {
            let reason = Reason::of_name(&typed.reason).ok_or(Refused::NotUnderstood("reason"))?;
            let text = if reason == Reason::Other { why.clone() } else { String::new() };
            let (id, series, sop_instance, facility) = (None, None, None, None);
            archive.withdraw(Withdraw {
                id,
                study,
                series,
                sop_instance,
                facility,
                reason,
                text,
                who,
                why,
            })?;
        }
        "restore" => drop(archive.restore(&typed.withdrawal, None, who, why)?),
        _ => return Err(Refused::NotUnderstood("say")),
    }
    Ok(())
}

fn join(archive: &Archive, typed: Typed, who: Says) -> Result<(), Refused> {
    let key = |text: &str, field| text.parse().map_err(|_| Refused::NotUnderstood(field));
    let (a, b) = (key(&typed.one, "one")?, key(&typed.other, "other")?);
    let document = typed.document.trim().to_owned();
    if document.is_empty() {
        return Err(Refused::NoDocument);
    }
    let linked = match typed.say.as_str() {
        "same" => true,
        "other" => false,
        _ => return Err(Refused::NotUnderstood("say")),
    };
    let link = LinkPatients { a, b, linked, document };
    let based_on = on_version(typed.version);
    archive.link_patients(link, (None, based_on), (who, String::new()))?;
    Ok(())
}
