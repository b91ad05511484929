//! What the form of the review queue says, and its way into a statement.

use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use indexer::archive::{ChooseCodes, StateError, StateErrorKind};
use indexer::statement::{Verdict, Who as Says};
use storage_config::Uid;

use super::words::{Words, words};
use super::{Address, Notice, shown};
use crate::Portal;
use crate::form::{done, go_to, on_version};
use crate::frame::Failure;
use crate::language::Language;
use crate::sign_in::Who;
use crate::stating::who;

/// What a button says: `VERB ROW STUDY VERSION [TECHNIQUES]`.
struct Decision<'a> {
    verb: &'a str,
    row: &'a str,
    study: Uid,
    version: u64,
    techniques: Vec<String>,
}

impl Decision<'_> {
    fn of(text: &str) -> Option<Decision<'_>> {
        let mut parts = text.splitn(5, ' ');
        let (verb, row) = (parts.next()?, parts.next()?);
        let study = Uid::parse(parts.next()?).ok()?;
        let version = parts.next()?.parse().ok()?;
        let techniques = parts.next().unwrap_or_default().split('|').filter(|code| !code.is_empty());
        Some(Decision { verb, row, study, version, techniques: techniques.map(str::to_owned).collect() })
    }
}

/// A posted form, field by field.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn text(&self, name: &str) -> &str {
        let field = self.0.iter().find(|(known, _)| known == name);
        field.map_or("", |(_, value)| value.trim())
    }
}

pub(super) async fn decide(
    State(portal): State<Portal>,
    language: Language,
    reader: Who,
    Query(address): Query<Address>,
    parts: Parts,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Failure> {
    let words = words(language);
    let refused = |status, why: &str| Notice::Refused(status, why.to_owned());
    let notice = match choice(&Fields(fields), &parts) {
        Err(Refused::Nobody) => refused(StatusCode::BAD_REQUEST, words.nobody),
        Err(Refused::NotUnderstood) => refused(StatusCode::BAD_REQUEST, words.not_a_technique),
        Ok(choice) => {
            let study = choice.study.to_string();
            match done(&portal, language, move |archive| archive.choose_codes(choice)).await? {
                Ok(_) => {
                    let here = address.at(address.after().as_ref());
                    let to = format!("{here}{}done={study}", if here.contains('?') { '&' } else { '?' });
                    return Ok(go_to(&to));
                }
                Err(error) => told(words, &error),
            }
        }
    };
    shown(&portal, language, &reader, &address, notice).await
}

enum Refused {
    Nobody,
    NotUnderstood,
}

fn choice(fields: &Fields, parts: &Parts) -> Result<ChooseCodes, Refused> {
    let decision = Decision::of(fields.text("decide")).ok_or(Refused::NotUnderstood)?;
    let claimed = Some(fields.text("who").to_owned());
    let who: Says = who::who(parts, claimed).map_err(|_| Refused::Nobody)?;
    let verdict = match decision.verb {
        "assign" | "other" => Verdict::Assigned,
        "not_radiology" => Verdict::NotRadiology,
        "no_examination" => Verdict::NoExamination,
        _ => return Err(Refused::NotUnderstood),
    };
    let techniques = match decision.verb {
        // The code stands before the name, as the list of the field has it.
        "other" => {
            let typed = fields.text(&format!("other.{}", decision.row));
            typed.split([' ', '|']).take(1).map(str::to_owned).filter(|code| !code.is_empty()).collect()
        }
        _ => decision.techniques,
    };
    if verdict == Verdict::Assigned && techniques.is_empty() {
        return Err(Refused::NotUnderstood);
    }
    Ok(ChooseCodes {
        id: None,
        study: decision.study,
        verdict,
        techniques,
        service: None,
        as_rule: verdict == Verdict::Assigned && !fields.text(&format!("rule.{}", decision.row)).is_empty(),
        based_on: on_version(decision.version),
        who,
        why: String::new(),
    })
}

fn told(words: &Words, error: &StateError) -> Notice {
    let (status, why) = match error.kind() {
        StateErrorKind::Conflict => (StatusCode::CONFLICT, words.taken.to_owned()),
        StateErrorKind::Invalid => (StatusCode::BAD_REQUEST, words.not_a_technique.to_owned()),
        StateErrorKind::NotFound => (StatusCode::NOT_FOUND, words.refused.replace("{n}", &error.to_string())),
        StateErrorKind::Unavailable | StateErrorKind::Internal => {
            tracing::error!(%error, "a choice of codes was not noted");
            (StatusCode::SERVICE_UNAVAILABLE, words.refused.replace("{n}", &error.to_string()))
        }
    };
    Notice::Refused(status, why)
}
