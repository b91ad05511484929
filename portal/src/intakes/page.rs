//! The pages of what was brought: the list, and one import with its forms.

use axum::http::StatusCode;
use axum::response::Response;
use indexer::archive::{Brought, IntakeSeen, Standing};
use indexer::principal::Action;
use indexer::statement::{Evidence, Who as Says};

use super::code;
use super::words::{Words, words};
use crate::Portal;
use crate::calendar::moment;
use crate::frame::{Frame, Place};
use crate::html::{Escaped, Html};
use crate::language::Language;
use crate::persons::{Codes, line, named, side_by_side};
use crate::shown::masked;
use crate::sign_in::Who;
use crate::stating::who_field;
use crate::words::with;

/// Who said something and how that is known.
pub(crate) fn by(words: &Words, who: &Says) -> String {
    let how = match who.by {
        Evidence::Account => words.by_account,
        Evidence::Claimed => words.by_claim,
        Evidence::Token => words.by_token,
        Evidence::Command => words.by_command,
        Evidence::System => return Escaped(&who.name).to_string(),
    };
    format!("{} <small class=\"inline\">({how})</small>", Escaped(&who.name))
}

/// The list of imports.
pub(super) fn list(
    portal: &Portal,
    language: Language,
    who: &Who,
    rows: &[IntakeSeen],
    codes: &Codes,
) -> Response {
    let words = words(language);
    let mut out = Html::default();
    out.put(format_args!("<h1>{}</h1><p>{}</p>", words.title, words.hint));
    if rows.is_empty() {
        out.put(format_args!("<div class=\"nothing\"><p>{}</p></div>", words.none));
    } else {
        out.put(format_args!("<ul class=\"unmet\">"));
    }
    for seen in rows {
        let open = seen.brought.iter().filter(|brought| brought.standing == Standing::Open).count();
        let badge = match (open, seen.brought.iter().map(|brought| brought.standing).max_by_key(severity)) {
            (0, Some(standing)) => words.standing(standing),
            (_, _) => ("incomplete", "?", words.waits),
        };
        let person = seen.brought.first().map(|brought| line(language, codes, &brought.person));
        let statement = &seen.stated.statement;
        let at = moment(language, statement.time.ms());
        out.put(format_args!(
            "<li><div><a class=\"name\" href=\"/intakes/{}\">{}</a> <span class=\"badge {}\"><i aria-hidden=\"true\">{}</i> {}</span>\
             <small>{} {} · {} {} · {at} · {}</small></div></li>",
            statement.subject.key,
            Escaped(person.as_deref().unwrap_or(&seen.intake.patient_id)),
            badge.0,
            badge.1,
            badge.2,
            words.from,
            Escaped(code(codes, seen.intake.origin)),
            words.brought_for,
            Escaped(&masked(&seen.intake.patient_id)),
            Escaped(&statement.who.name),
        ));
    }
    if !rows.is_empty() {
        out.put(format_args!("</ul>"));
    }
    Frame::new(portal, language, Place::Intakes, words.title, "/intakes").asked_by(who).around(&out)
}

/// The worst standing is told of an import with several people.
fn severity(standing: &Standing) -> u8 {
    match standing {
        Standing::ByNumber => 0,
        Standing::Confirmed => 1,
        Standing::Parted => 2,
        Standing::Open => 3,
        Standing::Collision => 4,
    }
}

/// One import.
pub(super) fn one(
    portal: &Portal,
    language: Language,
    who: &Who,
    (seen, codes): (&IntakeSeen, &Codes),
    refused: Option<(StatusCode, String)>,
) -> Response {
    let words = words(language);
    let mut out = Html::default();
    out.put(format_args!(
        "<p class=\"back\"><a href=\"/intakes\" rel=\"up\">← {0}</a></p><h1>{0}</h1><p>{1}</p>",
        words.title, words.hint
    ));
    if let Some((_, why)) = &refused {
        out.put(format_args!("<p class=\"banner bad\" role=\"alert\">{}</p>", Escaped(why)));
    }
    facts(&mut out, language, seen, codes);
    match seen.patients.len() {
        0 => out.put(format_args!("<p class=\"banner\">! {}</p>", words.only_number)),
        1 => &mut out,
        _ => out.put(format_args!(
            "<p class=\"banner bad\">✗ {} <a href=\"/collisions\">{}</a></p>",
            words.several, words.to_collisions
        )),
    };
    for brought in &seen.brought {
        person(&mut out, language, who, (seen, codes), brought);
    }
    if !seen.gone.is_empty() {
        out.put(format_args!("<p>{}</p>", with(words.gone, seen.gone.len())));
    }
    let here = format!("/intakes/{}", seen.stated.statement.subject.key);
    let frame = Frame::new(portal, language, Place::Intakes, words.title, &here).asked_by(who);
    frame.answering(refused.map_or(StatusCode::OK, |(status, _)| status), &out)
}

fn facts(out: &mut Html, language: Language, seen: &IntakeSeen, codes: &Codes) {
    let (words, intake, statement) = (words(language), &seen.intake, &seen.stated.statement);
    let here = [code(codes, intake.facility), intake.issuer.as_str()];
    let here: Vec<&str> = here.into_iter().filter(|text| !text.is_empty()).collect();
    let number = format!("{} {}", Escaped(&masked(&intake.patient_id)), Escaped(&here.join(" ")));
    let pairs = [
        (words.from, Escaped(code(codes, intake.origin)).to_string()),
        (words.label, Escaped(&intake.label).to_string()),
        (words.brought_for, format!("{}: {}", words.number, number.trim())),
        (words.imported_by, by(words, &statement.who)),
        (words.imported_at, moment(language, statement.time.ms())),
        (words.studies, with(words.n_studies, intake.studies.len())),
    ];
    out.put(format_args!("<dl class=\"facts card\">"));
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        out.put(format_args!("<div><dt>{name}</dt><dd>{value}</dd></div>"));
    }
    out.put(format_args!("</dl>"));
}

fn person(
    out: &mut Html,
    language: Language,
    who: &Who,
    (seen, codes): (&IntakeSeen, &Codes),
    brought: &Brought,
) {
    let words = words(language);
    let (class, sign, word) = words.standing(brought.standing);
    let id = &seen.stated.statement.subject.key;
    out.put(format_args!(
        "<form class=\"card collision task\" method=\"post\" action=\"/intakes/{id}\"><h2>{} \
         <span class=\"badge {class}\"><i aria-hidden=\"true\">{sign}</i> {word}</span></h2>",
        Escaped(&named(&brought.person)),
    ));
    let here = seen.patients.iter().find(|patient| Some(patient.key) == brought.patient);
    let sides = [here, Some(&brought.person)];
    side_by_side(out, language, codes, [words.brought_for, words.in_pictures], (sides, &brought.clashes));
    out.put(format_args!("<p>{}: ", words.studies));
    for (at, study) in brought.studies.iter().enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        out.put(format_args!("{comma}<a href=\"/studies/{study}\">{}</a>", at + 1));
    }
    out.put(format_args!("</p>"));
    said(out, language, brought);
    if !who.may(Action::Withdraw) {
        out.put(format_args!("<p class=\"warn\">{}</p></form>", words.forbidden));
        return;
    }
    if brought.standing == Standing::Collision {
        out.put(format_args!(
            "<p><a class=\"button plain\" href=\"/collisions\">{}</a></p></form>",
            words.to_collisions
        ));
        return;
    }
    choices(out, words, who, brought);
    out.put(format_args!("</form>"));
}

/// What a person said of the two before.
fn said(out: &mut Html, language: Language, brought: &Brought) {
    let words = words(language);
    let Some(stated) = &brought.said else { return };
    let statement = &stated.statement;
    let document = match &statement.state {
        indexer::statement::State::PatientLink(link) if !link.document.is_empty() => {
            format!(" · {}", with(words.with_document, Escaped(&link.document)))
        }
        _ => String::new(),
    };
    out.put(format_args!(
        "<p class=\"said\">{}: {} · {}{document}</p>",
        words.who,
        by(words, &statement.who),
        moment(language, statement.time.ms()),
    ));
}

fn choices(out: &mut Html, words: &Words, who: &Who, brought: &Brought) {
    let version = brought.said.as_ref().and_then(|said| said.version).unwrap_or(0);
    let decided = brought.standing != Standing::Open;
    if decided {
        out.put(format_args!("<details><summary>{}</summary>", words.change));
    }
    let id = brought.person.key;
    out.put(format_args!(
        "<input type=\"hidden\" name=\"person\" value=\"{id}\"><input type=\"hidden\" name=\"version\" value=\"{version}\">\
         <input type=\"hidden\" name=\"patient\" value=\"{}\"><div class=\"row\">",
        brought.patient.map(|key| key.to_string()).unwrap_or_default()
    ));
    who_field(out, who, words.who, words.who_hint);
    out.put(format_args!(
        "<p class=\"who row\"><label>{} <input name=\"document\" maxlength=\"200\" placeholder=\"{}\" required></label></p></div>\
         <p class=\"acts\">",
        words.document, words.document_hint
    ));
    let together = matches!(brought.standing, Standing::Confirmed | Standing::ByNumber);
    if !together {
        out.put(format_args!("<button class=\"button\" name=\"say\" value=\"same\">{}</button>", words.same));
    }
    if brought.standing != Standing::Parted {
        let text = if together { words.undo } else { words.other };
        out.put(format_args!("<button class=\"button plain\" name=\"say\" value=\"other\">{text}</button>"));
    }
    out.put(format_args!("</p>"));
    if decided {
        out.put(format_args!("</details>"));
    }
}
