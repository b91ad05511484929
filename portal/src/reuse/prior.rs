//! The prior that is shown: what it is, of whom, what was found in it, why it counts or not, and what can be done.

use indexer::archive::reuse::StudySeen;
use indexer::db::Stated;
use indexer::query::QueryRow;
use indexer::reuse::answer::{CheckName, Line, Listed, Reason, ShortReason, Value};
use indexer::reuse::prior::{IdentityStatus, ReportStatus, Signature};
use indexer::reuse::words as sentences;
use indexer::reuse::{Outcome, Verdict};
use indexer::statement::{Report, State as Statement};

use super::page::Making;
use super::words::{said, sign};
use crate::calendar::{Day, moment};
use crate::html::{Escaped, Html};
use crate::language::Language;
use crate::list::rows::viewer;
use crate::shown;
use crate::terms::in_words;
use crate::words::with;

/// Values of lines that are words of codes.
const SPOKEN: [&str; 9] = ["grounds", "ordered", "there", "axes", "axis", "code", "images", "source", "view"];
/// Reasons that are not folded.
const WORST: usize = 3;

/// Writes the prior and its buttons.
pub(super) fn prior(out: &mut Html, making: &Making<'_>, listed: &Listed) {
    out.put(format_args!("<article class=\"prior task {}\">", class(making, listed)));
    question(out, making);
    what(out, making, listed);
    persons(out, making, listed);
    found(out, making, listed);
    reasons(out, making, listed);
    buttons(out, making, listed);
    out.put(format_args!("</article>"));
}

/// Whether the page still has to ask before anything is green.
fn asks(making: &Making<'_>) -> bool {
    making.answer().must_ask.is_some() && making.open()
}

fn class(making: &Making<'_>, listed: &Listed) -> &'static str {
    match listed.verdict {
        Verdict::Usable if making.answer().must_ask.is_some() => "asks",
        Verdict::Usable => "usable",
        Verdict::Review => "review",
        Verdict::NotUsable => "unusable",
        Verdict::NotApplicable => "aside",
    }
}

/// The verdict as a badge; not in green while a question is open.
pub(super) fn badge(making: &Making<'_>, listed: &Listed) -> String {
    let (class, sign) = match listed.verdict {
        Verdict::Usable if making.answer().must_ask.is_some() => ("receiving", "?"),
        Verdict::Usable => ("received", "✓"),
        Verdict::Review => ("incomplete", "!"),
        Verdict::NotUsable => ("doubt", "✗"),
        Verdict::NotApplicable => ("", "–"),
    };
    let word = said(making.language, sentences::verdict(listed.verdict));
    format!("<span class=\"badge {class}\"><i aria-hidden=\"true\">{sign}</i> {word}</span>")
}

/// The question that stands before an urgent order's answer.
fn question(out: &mut Html, making: &Making<'_>) {
    if !asks(making) {
        return;
    }
    let words = making.words;
    out.put(format_args!("<form class=\"ask\" method=\"post\" action=\"{}\">", here(making)));
    out.put(format_args!("<p><b>? {}</b></p>", words.question));
    crate::stating::who_field(out, making.who, words.who, words.who_hint);
    out.put(format_args!(
        "<p class=\"acts\"><button class=\"button\" name=\"say\" value=\"unchanged\" data-key=\"n\">{}</button>\
         <button class=\"button plain\" name=\"say\" value=\"changed\" data-key=\"y\">{}</button></p></form>",
        words.changed_no, words.changed_yes
    ));
}

/// The address that forms post to.
pub(super) fn here(making: &Making<'_>) -> String {
    Escaped(&making.address.of(making.shown.at)).to_string()
}

/// The exam in full, with the words of the catalogue.
pub(super) fn exam(making: &Making<'_>, listed: &Listed) -> String {
    let seen = &making.shown.answer.studies;
    let of = |study: &String| seen.iter().find(|seen| seen.study == *study);
    let names = listed.studies.iter().filter_map(of).map(|seen| seen.exam.as_str());
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    if names.is_empty() { making.words.unnamed.to_owned() } else { names.join(" + ") }
}

/// The first of the studies of a prior, as it was seen.
pub(super) fn seen<'a>(making: &'a Making<'_>, listed: &Listed) -> Option<&'a StudySeen> {
    let first = listed.studies.first()?;
    making.shown.answer.studies.iter().find(|seen| seen.study == *first)
}

fn row<'a>(making: &'a Making<'_>, listed: &Listed) -> Option<&'a QueryRow> {
    making.shown.row(listed.studies.first()?)
}

fn what(out: &mut Html, making: &Making<'_>, listed: &Listed) {
    let words = making.words;
    out.put(format_args!("<div class=\"what\"><span class=\"picture\">"));
    match row(making, listed).filter(|_| listed.pictures) {
        Some(row) => out.put(format_args!(
            "<img decoding=\"async\" width=\"80\" height=\"80\" alt=\"{}\" \
             src=\"/dicom-web/studies/{}/thumbnail?viewport=160,160\">",
            Escaped(&shown::modalities(&row.attributes).join(" ")),
            row.study_uid
        )),
        None => out.put(format_args!("<span aria-hidden=\"true\">⊘</span>")),
    };
    let day = listed.performed.map_or(words.clock.to_owned(), |day| making.day(day));
    let ago = match listed.days_ago {
        Some(0) => words.today.to_owned(),
        Some(days) => with(words.days_ago, days),
        None => String::new(),
    };
    let institution =
        row(making, listed).filter(|_| listed.confirmed).map(|row| shown::text(&row.attributes, "00080080"));
    let place = [listed.facility.clone().unwrap_or_default(), institution.unwrap_or_default()];
    let place: Vec<String> = place.into_iter().filter(|text| !text.is_empty()).collect();
    out.put(format_args!(
        "</span><div>{}<h2>{}</h2><p>{} <b>{day}</b> · <b>{ago}</b> · {}</p></div></div>",
        badge(making, listed),
        Escaped(&exam(making, listed)),
        words.performed,
        Escaped(&place.join(" · ")),
    ));
}

/// The person of the order and the person of the study, side by side.
fn persons(out: &mut Html, making: &Making<'_>, listed: &Listed) {
    let (words, patient) = (making.words, &making.shown.order.patient);
    let Some(row) = row(making, listed) else { return };
    let text = |tag: &str| shown::text(&row.attributes, tag);
    let personal: Vec<String> = patient.identifiers.iter().map(|one| shown::masked(&one.value)).collect();
    let pairs = [
        (words.name, patient.name.replace('^', " "), shown::person(&row.attributes, "00100010")),
        (
            words.birth,
            joined([born(making, &patient.birth_date), sex(making, &patient.sex)]),
            joined([born(making, &text("00100030")), sex(making, &text("00100040"))]),
        ),
        (words.number, shown::masked(&patient.patient_id), shown::masked(&text("00100020"))),
        (words.personal, personal.join(", "), String::new()),
    ];
    out.put(format_args!(
        "<table class=\"persons\"><thead><tr><td></td><th scope=\"col\">{}</th><th scope=\"col\">{}</th></tr></thead><tbody>",
        words.in_order, words.in_study
    ));
    for (name, ordered, there) in pairs {
        if ordered.is_empty() && there.is_empty() {
            continue;
        }
        let dash = |text: &str| if text.is_empty() { "–".to_owned() } else { Escaped(text).to_string() };
        out.put(format_args!(
            "<tr><th scope=\"row\">{name}</th><td>{}</td><td>{}</td></tr>",
            dash(&ordered),
            dash(&there)
        ));
    }
    out.put(format_args!("</tbody></table>"));
}

/// Birth date and sex on one line.
fn joined(texts: [String; 2]) -> String {
    texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn born(making: &Making<'_>, date: &str) -> String {
    Day::of_text(&date.replace('-', "")).map_or(date.to_owned(), |day| day.shown(making.language))
}

fn sex(making: &Making<'_>, sex: &str) -> String {
    let words = making.language.words();
    match sex {
        "M" => words.male.to_owned(),
        "F" => words.female.to_owned(),
        other => other.to_owned(),
    }
}

/// The conclusion with reader and status.
fn found(out: &mut Html, making: &Making<'_>, listed: &Listed) {
    let words = making.words;
    out.put(format_args!("<div class=\"found\">"));
    match making.shown.report.as_ref().map(|Stated { statement, .. }| &statement.state) {
        Some(Statement::Report(report)) => conclusion(out, making, making.words.conclusion, report),
        _ if !listed.confirmed => {
            out.put(format_args!("<p class=\"warn\">{}</p>", words.hidden));
        }
        _ if is_withdrawn(listed) => {
            out.put(format_args!("<p class=\"warn\">{}</p>", words.withdrawn));
        }
        _ => {
            out.put(format_args!("<p>{}</p>", words.no_report));
        }
    }
    for (stated, standing) in &making.shown.others {
        let name =
            if standing.second_reading_of.is_some() { words.second_reading } else { words.second_opinion };
        if let Statement::Report(report) = &stated.statement.state {
            conclusion(out, making, name, report);
        }
    }
    out.put(format_args!("</div>"));
}

fn is_withdrawn(listed: &Listed) -> bool {
    let withdrawn =
        |reason: &ShortReason| matches!(reason.reason, Reason::Withdrawn | Reason::WithdrawnForSafety);
    listed.reasons.iter().any(withdrawn)
}

fn conclusion(out: &mut Html, making: &Making<'_>, name: &str, report: &Report) {
    let words = making.words;
    let status = match report.status {
        ReportStatus::Draft => words.draft,
        ReportStatus::Final => words.final_,
        ReportStatus::Amended => words.amended,
        ReportStatus::Cancelled => words.cancelled,
    };
    let signed = match report.signature {
        Signature::Verified => said(making.language, sentences::reason(Reason::ReportSignedVerified)),
        Signature::Declared => said(making.language, sentences::reason(Reason::ReportSignedDeclared)),
        Signature::Unsigned => said(making.language, sentences::reason(Reason::ReportUnsigned)),
        Signature::NotTold => said(making.language, sentences::reason(Reason::ReportSignatureNotTold)),
    };
    // The sentence of a signature names the reader in brackets; here the name stands before it.
    let signed = signed.split(" (").next().unwrap_or_default();
    let reader = if report.reader.is_empty() { words.no_reader } else { &report.reader };
    let text = report.conclusion.trim();
    let text = if text.is_empty() { words.no_conclusion } else { text };
    let at = report.signed_at.map(|at| format!(" · {}", moment(making.language, at.ms))).unwrap_or_default();
    out.put(format_args!(
        "<details class=\"conclusion\"><summary><b>{name}:</b> {}</summary></details>\
         <small><b>{}</b> · {status} · {signed}{at}</small>",
        Escaped(text),
        Escaped(reader),
    ));
}

/// The three worst reasons, all checks folded.
fn reasons(out: &mut Html, making: &Making<'_>, listed: &Listed) {
    let words = making.words;
    out.put(format_args!("<ul class=\"checks\">"));
    for reason in listed.reasons.iter().take(WORST) {
        let line = line_of(listed, reason);
        one_line(
            out,
            making,
            reason.check,
            line.map_or(Outcome::Unknown, |line| line.outcome),
            (reason.reason, &reason.values),
        );
    }
    if listed.reasons.is_empty() {
        out.put(format_args!(
            "<li class=\"pass\"><i aria-hidden=\"true\">✓</i> <span>{}</span></li>",
            words.all_met
        ));
    }
    let lines: usize = listed.checks.iter().map(|check| check.lines.len()).sum();
    out.put(format_args!(
        "</ul><details class=\"all\"><summary data-key=\"c\">{} ({lines})</summary><ul class=\"checks\">",
        words.all_checks
    ));
    for check in &listed.checks {
        for line in &check.lines {
            one_line(out, making, check.name, line.outcome, (line.reason, &line.values));
        }
    }
    let checked = moment(making.language, making.shown.answer.checked_at.ms);
    out.put(format_args!(
        "</ul><small>{} · {}</small></details>",
        with(words.seen_at, checked),
        Escaped(&making.answer().policy)
    ));
}

fn line_of<'a>(listed: &'a Listed, reason: &ShortReason) -> Option<&'a Line> {
    let check = listed.checks.iter().find(|check| check.name == reason.check)?;
    check.lines.iter().find(|line| line.reason == reason.reason)
}

type Values = std::collections::BTreeMap<String, indexer::reuse::answer::Value>;

fn one_line(
    out: &mut Html,
    making: &Making<'_>,
    check: CheckName,
    outcome: Outcome,
    (reason, values): (Reason, &Values),
) {
    let (class, sign) = sign(outcome);
    let values = in_language(making.language, values);
    let sentence = sentences::filled(said(making.language, sentences::reason(reason)), &values);
    out.put(format_args!(
        "<li class=\"{class}\"><i aria-hidden=\"true\">{sign}</i> <span><b>{}</b> <span class=\"unseen\">{}</span> {}</span></li>",
        said(making.language, sentences::check(check)),
        said(making.language, sentences::outcome(outcome)),
        Escaped(&sentence),
    ));
}

/// Values of a line that name regions, sides, kinds or grounds, in the reader's language; names of people stay.
fn in_language(language: Language, values: &Values) -> Values {
    let shown = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::Text(text) if SPOKEN.contains(&name.as_str()) => Value::Text(in_words(language, text)),
            other => other.clone(),
        };
        (name.clone(), value)
    };
    values.iter().map(shown).collect()
}

/// What can be done, with the keys 1 to 4.
fn buttons(out: &mut Html, making: &Making<'_>, listed: &Listed) {
    let words = making.words;
    out.put(format_args!("<div class=\"decide\">"));
    match row(making, listed).filter(|_| listed.pictures) {
        Some(row) => out.put(format_args!(
            "<a class=\"button plain\" data-key=\"1\" target=\"_blank\" rel=\"noopener\" href=\"{}\"><kbd>1</kbd> {}</a>",
            Escaped(&viewer(making.language, row)),
            words.view
        )),
        None => out.put(format_args!("<button class=\"button plain\" disabled><kbd>1</kbd> {}</button>", words.view)),
    };
    let asks = asks(making);
    let resolved = listed.confirmed && !collides(making, listed);
    let may_reuse = making.open() && resolved && !is_withdrawn(listed) && !asks;
    let why = if asks { words.ask_first } else { "" };
    for (key, to, name, may) in [
        ("2", "#reuse", words.reuse, may_reuse),
        ("3", "#second", words.second, may_reuse),
        ("4", "#repeat", words.repeat, making.open()),
    ] {
        let class = if key == "2" { "button" } else { "button plain" };
        if may {
            out.put(format_args!(
                "<a class=\"{class}\" data-key=\"{key}\" href=\"{to}\"><kbd>{key}</kbd> {name}</a>"
            ));
        } else {
            out.put(format_args!(
                "<button class=\"{class}\" disabled title=\"{why}\"><kbd>{key}</kbd> {name}</button>"
            ));
        }
    }
    out.put(format_args!("</div>"));
    if collides(making, listed) {
        out.put(format_args!("<p class=\"further warn\">{}</p>", words.collisions));
    } else if !listed.confirmed {
        out.put(format_args!(
            "<p class=\"further\"><a class=\"button plain small\" data-key=\"5\" href=\"#person\">{}</a></p>",
            words.confirm_person
        ));
    }
    out.put(format_args!("<p class=\"responsible\">{}</p>", words.responsible));
}

/// Whether a collision is open on the pair.
pub(super) fn collides(making: &Making<'_>, listed: &Listed) -> bool {
    seen(making, listed).is_some_and(|seen| seen.identity == IdentityStatus::Collision)
}
