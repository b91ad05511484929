//! What opens over the reuse page when a decision needs a word more: each is reached by an address of its own (`#reuse`),
//! so that it works without scripts.

use indexer::principal::Action;
use indexer::reuse::Verdict;
use indexer::reuse::answer::Listed;

use super::page::Making;
use super::prior::{collides, here, seen};
use super::reasons::reasons;
use crate::html::{Escaped, Html};

/// Writes the panels that belong to a prior.
pub(super) fn panels(out: &mut Html, making: &Making<'_>, listed: &Listed) {
    let words = making.words;
    if making.open() {
        let warned = listed.verdict != Verdict::Usable;
        let best = making.answer().verdict;
        let despite = matches!(best, Some(Verdict::Usable | Verdict::Review));
        for (id, name, needs_reason) in [
            ("reuse", words.reuse, warned),
            ("second", words.second, warned),
            ("repeat", words.repeat, despite),
        ] {
            decision(out, making, listed, (id, name, needs_reason));
        }
    }
    if !listed.confirmed && !collides(making, listed) {
        person(out, making, listed);
    }
}

/// The verdict by its name in records.
fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Usable => "usable",
        Verdict::Review => "review",
        Verdict::NotUsable => "not_usable",
        Verdict::NotApplicable => "not_applicable",
    }
}

/// Takes the decision back that is in force.
pub(super) fn withdraw(out: &mut Html, making: &Making<'_>, decision: &str) {
    let words = making.words;
    out.put(format_args!(
        "<section class=\"panel\" id=\"withdraw\" role=\"dialog\" aria-labelledby=\"withdraw-name\"><form class=\"card\" \
         method=\"post\" action=\"{}\"><h2 id=\"withdraw-name\">{}</h2><input type=\"hidden\" name=\"decision\" value=\"{}\">",
        here(making),
        words.withdraw,
        Escaped(decision)
    ));
    who(out, making, "withdraw");
    out.put(format_args!(
        "<p class=\"who row\"><label for=\"withdraw-why\">{}</label><input id=\"withdraw-why\" name=\"text\" \
         maxlength=\"1000\" required></p><p class=\"acts\"><button class=\"button\" name=\"say\" value=\"withdraw\">{}</button>\
         <a class=\"button plain\" href=\"#\" data-back>{}</a></p></form></section>",
        words.withdraw_why, words.confirm, words.back
    ));
}

fn decision(
    out: &mut Html,
    making: &Making<'_>,
    listed: &Listed,
    (id, name, needs_reason): (&str, &str, bool),
) {
    let words = making.words;
    out.put(format_args!(
        "<section class=\"panel\" id=\"{id}\" role=\"dialog\" aria-labelledby=\"{id}-name\"><form class=\"card\" \
         method=\"post\" action=\"{}\"><h2 id=\"{id}-name\">{name}</h2>\
         <input type=\"hidden\" name=\"answer\" value=\"{}\"><input type=\"hidden\" name=\"verdict\" value=\"{}\">\
         <input type=\"hidden\" name=\"study\" value=\"{}\">",
        here(making),
        making.shown.name,
        verdict_word(listed.verdict),
        Escaped(listed.studies.first().map_or("", String::as_str)),
    ));
    who(out, making, id);
    if needs_reason {
        let legend = if id == "repeat" { words.reason_needed } else { words.despite };
        out.put(format_args!("<fieldset><legend>{legend}</legend>"));
        for (value, text) in reasons(making.language) {
            out.put(format_args!(
                "<label class=\"choice\"><input type=\"radio\" name=\"reason\" value=\"{value}\" required> {text}</label>"
            ));
        }
        out.put(format_args!(
            "<input name=\"text\" maxlength=\"1000\" aria-label=\"{0}\" placeholder=\"{0}\"></fieldset>",
            words.reason_text
        ));
    }
    out.put(format_args!(
        "<p class=\"responsible\">{}</p><p class=\"acts\"><button class=\"button\" name=\"say\" value=\"{id}\">{}</button>\
         <a class=\"button plain\" href=\"#\" data-back>{}</a></p></form></section>",
        words.responsible, words.confirm, words.back
    ));
}

/// The person who signed in, else a field for a name; each panel has its own.
fn who(out: &mut Html, making: &Making<'_>, id: &str) {
    let words = making.words;
    match making.who.person() {
        Some((account, person)) => {
            let shown = if person.is_empty() { account } else { person };
            out.put(format_args!("<p>{}: <b>{}</b></p>", words.who, Escaped(shown)))
        }
        None => out.put(format_args!(
            "<p class=\"who row\"><label for=\"who-{id}\">{}</label><input id=\"who-{id}\" data-who name=\"who\" \
             maxlength=\"100\" autocomplete=\"name\" placeholder=\"{}\" required></p>",
            words.who, words.who_hint
        )),
    };
}

/// Confirms that two patients are one person, or that they are not, with the document that was seen.
fn person(out: &mut Html, making: &Making<'_>, listed: &Listed) {
    let words = making.words;
    out.put(format_args!(
        "<section class=\"panel\" id=\"person\" role=\"dialog\" aria-labelledby=\"person-name\"><form class=\"card\" \
         method=\"post\" action=\"{}\"><h2 id=\"person-name\">{}</h2>",
        here(making),
        words.confirm_person
    ));
    let ordered = making.shown.answer.order.patient.as_deref();
    let there = seen(making, listed).and_then(|seen| seen.patient.as_deref());
    match (ordered, there) {
        _ if !making.who.may(Action::Withdraw) => {
            out.put(format_args!("<p>{}</p>", words.may_not_confirm));
        }
        (Some(ordered), Some(there)) => {
            out.put(format_args!(
                "<p>{}</p><input type=\"hidden\" name=\"a\" value=\"{}\"><input type=\"hidden\" name=\"b\" value=\"{}\">",
                words.confirm_hint,
                Escaped(ordered),
                Escaped(there)
            ));
            who(out, making, "person");
            out.put(format_args!(
                "<p class=\"who row\"><label for=\"document\">{}</label><input id=\"document\" name=\"text\" \
                 maxlength=\"200\" placeholder=\"{}\" required></p><p class=\"acts\"><button class=\"button\" name=\"say\" \
                 value=\"same_person\">{}</button><button class=\"button plain\" name=\"say\" value=\"other_person\">{}</button></p>",
                words.document, words.document_hint, words.same_person, words.other_person
            ));
        }
        _ => {
            out.put(format_args!("<p>{}</p>", words.cannot_confirm));
        }
    }
    out.put(format_args!(
        "<p class=\"acts\"><a class=\"button plain\" href=\"#\" data-back>{}</a></p></form></section>",
        words.back
    ));
}
