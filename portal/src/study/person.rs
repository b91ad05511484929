//! `/studies/{uid}/person`: who is, or may be, one person with the patient of a study, each side by side with it, and the
//! word of a person who saw a document. What was said can be taken back there.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use indexer::archive::{Archive, StateError};
use indexer::db::{Db, PersonRecord, Stated};
use indexer::identity::{Clash, Ground, clashes};
use indexer::principal::Action;
use indexer::reuse::prior::IdentityStatus;
use indexer::statement::State as Statement;
use storage_config::Uid;

use super::words::{Words, words};
use crate::Portal;
use crate::calendar::moment;
use crate::frame::{Failure, Frame, Place};
use crate::html::{Escaped, Html};
use crate::intakes::{self, by};
use crate::language::Language;
use crate::persons::{Codes, codes, named, side_by_side};
use crate::sign_in::Who;
use crate::stating::say;
use crate::words::with;

/// People of a page.
const PEOPLE: usize = 30;

/// Somebody who is or may be the person.
struct Other {
    record: PersonRecord,
    /// None for a candidate.
    status: Option<IdentityStatus>,
    grounds: Vec<Ground>,
    clashes: Vec<Clash>,
    said: Option<Stated>,
}

struct Seen {
    own: PersonRecord,
    others: Vec<Other>,
    collides: bool,
    codes: Codes,
}

fn read(archive: &Archive, study: &Uid) -> Result<Option<Seen>, StateError> {
    let db: &Db = archive.db();
    let Some((key, _)) = db.keys_of_study(study)? else { return Ok(None) };
    let Some(kin) = db.kin(&key)? else { return Ok(None) };
    let candidates = db.candidates(&kin)?;
    let rules = db.identity_rules();
    let other = |record: &PersonRecord, status, grounds: &[Ground]| {
        Ok::<Other, StateError>(Other {
            clashes: clashes(&kin.anchor.person, &record.person, &rules.policy),
            said: archive.said_of(kin.anchor.key, record.key)?,
            record: record.clone(),
            status,
            grounds: grounds.to_vec(),
        })
    };
    let candidates = candidates.iter().map(|one| other(&one.record, None, &one.grounds));
    let members = kin.members.iter().map(|one| other(&one.record, Some(one.status), &one.grounds));
    Ok(Some(Seen {
        others: candidates.chain(members).take(PEOPLE).collect::<Result<_, _>>()?,
        collides: !kin.clashing.is_empty(),
        codes: codes(db)?,
        own: kin.anchor,
    }))
}

/// GET `/studies/{uid}/person`.
pub(super) async fn page(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
    Path(uid): Path<String>,
) -> Result<Response, Failure> {
    let uid = Uid::parse(&uid).map_err(|_| Failure::no_study(language))?;
    shown(&portal, language, &who, &uid, None).await
}

pub(super) async fn shown(
    portal: &Portal,
    language: Language,
    who: &Who,
    uid: &Uid,
    refused: Option<(StatusCode, String)>,
) -> Result<Response, Failure> {
    let wanted = uid.clone();
    let seen = say(&portal.archive, move |archive| read(archive, &wanted))
        .await
        .map_err(Failure::of(language))?
        .ok_or_else(|| Failure::no_study(language))?;
    let words = words(language);
    let mut out = Html::default();
    out.put(format_args!(
        "<p class=\"back\"><a href=\"/studies/{uid}\" rel=\"up\">← {}</a></p><h1>{}</h1><p>{}</p>",
        words.this_study, words.person_title, words.person_hint
    ));
    if let Some((_, why)) = &refused {
        out.put(format_args!("<p class=\"banner bad\" role=\"alert\">{}</p>", Escaped(why)));
    }
    if seen.collides {
        out.put(format_args!(
            "<p class=\"banner bad\" role=\"alert\">✗ {}<a href=\"/collisions\">{}</a></p>",
            words.collision, words.to_collisions
        ));
    }
    if seen.others.is_empty() {
        out.put(format_args!("<p class=\"banner good\">✓ {}</p>", words.nobody_else));
    }
    for other in &seen.others {
        one(&mut out, language, who, (uid, &seen), other);
    }
    let here = format!("/studies/{uid}/person");
    let frame = Frame::new(portal, language, Place::Inside, words.person_title, &here).asked_by(who);
    Ok(frame.answering(refused.map_or(StatusCode::OK, |(status, _)| status), &out))
}

fn one(out: &mut Html, language: Language, who: &Who, (uid, seen): (&Uid, &Seen), other: &Other) {
    let words = words(language);
    let (class, sign, word) = match other.status {
        None => ("incomplete", "?", words.possible),
        Some(IdentityStatus::ConfirmedByPerson) => ("received", "✓", words.linked),
        Some(_) => ("received", "✓", words.by_number),
    };
    out.put(format_args!(
        "<form class=\"card collision task\" method=\"post\" action=\"/studies/{uid}/person\"><h2>{} \
         <span class=\"badge {class}\"><i aria-hidden=\"true\">{sign}</i> {word}</span></h2>",
        Escaped(&named(&other.record))
    ));
    let sides = [Some(&seen.own), Some(&other.record)];
    side_by_side(out, language, &seen.codes, [words.this_study, words.other], (sides, &other.clashes));
    let grounds: Vec<&str> = other.grounds.iter().map(|ground| words.ground(*ground)).collect();
    if !grounds.is_empty() {
        out.put(format_args!("<p>{}: {}</p>", words.agrees, grounds.join(", ")));
    }
    said(out, language, other);
    if who.may(Action::Withdraw) {
        choices(out, words, who, (seen, other));
    } else {
        out.put(format_args!("<p class=\"warn\">{}</p>", words.forbidden));
    }
    out.put(format_args!("</form>"));
}

/// What a person said of the two before.
fn said(out: &mut Html, language: Language, other: &Other) {
    let words = words(language);
    let Some(statement) = other.said.as_ref().map(|said| &said.statement) else { return };
    let document = match &statement.state {
        Statement::PatientLink(link) if !link.document.is_empty() => {
            format!(" · {}", with(words.with_document, Escaped(&link.document)))
        }
        _ => String::new(),
    };
    out.put(format_args!(
        "<p class=\"said\">{}: {} · {}{document}</p>",
        words.who,
        by(intakes::words(language), &statement.who),
        moment(language, statement.time.ms()),
    ));
}

fn choices(out: &mut Html, words: &Words, who: &Who, (seen, other): (&Seen, &Other)) {
    let version = other.said.as_ref().and_then(|said| said.version).unwrap_or(0);
    if other.status.is_some() {
        out.put(format_args!("<details><summary>{}</summary>", words.part));
    }
    out.put(format_args!(
        "<input type=\"hidden\" name=\"one\" value=\"{}\"><input type=\"hidden\" name=\"other\" value=\"{}\">\
         <input type=\"hidden\" name=\"version\" value=\"{version}\"><div class=\"row\">",
        seen.own.key, other.record.key
    ));
    crate::stating::who_field(out, who, words.who, words.who_hint);
    out.put(format_args!(
        "<p class=\"who row\"><label>{} <input name=\"document\" maxlength=\"200\" placeholder=\"{}\" required></label></p></div>\
         <p class=\"acts\">",
        words.document, words.document_hint
    ));
    if other.status.is_none() {
        out.put(format_args!(
            "<button class=\"button\" name=\"say\" value=\"same\">{}</button>\
             <button class=\"button plain\" name=\"say\" value=\"other\">{}</button></p>",
            words.same, words.not_same
        ));
    } else {
        out.put(format_args!(
            "<button class=\"button plain\" name=\"say\" value=\"other\">{}</button></p></details>",
            words.part
        ));
    }
}
