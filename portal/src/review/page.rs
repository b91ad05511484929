//! The review queue as HTML: a card for each study, a button for each choice.

use indexer::codes::coded::{Offered, StudyCoding};
use indexer::codes::{Catalogue, StudyFacts};
use indexer::principal::Action;

use super::words::{Words, words};
use super::{Address, Notice, Queue, Task};
use crate::frame::pager;
use crate::html::{Escaped, Html, percent};
use crate::language::Language;
use crate::list::rows::{description, kinds, n_images, viewer};
use crate::shown;
use crate::sign_in::Who;
use crate::words::with;

/// Suggestions of a study that are shown, each with a key of its own.
const OFFERED: usize = 5;
/// Texts of one kind that are shown.
const TEXTS: usize = 6;

/// The page's content.
pub(super) fn content(
    language: Language,
    who: &Who,
    address: &Address,
    queue: &Queue,
    catalogue: Option<&Catalogue>,
    notice: &Notice,
) -> Html {
    let words = words(language);
    let mut out = Html::default();
    out.put(format_args!("<h1>{}</h1>", words.title));
    tabs(&mut out, words, address, queue);
    let hint = if address.proposed() { words.proposed_hint } else { words.hint };
    out.put(format_args!("<p>{hint}</p>"));
    match notice {
        Notice::Nothing => {}
        Notice::Done(study) => {
            let to = percent(study);
            out.put(format_args!(
                "<p class=\"banner good\" role=\"status\">✓ {} <a href=\"/studies/{to}\">{}</a></p>",
                words.done, words.see
            ));
        }
        Notice::Refused(_, why) => {
            out.put(format_args!("<p class=\"banner bad\" role=\"alert\">{}</p>", Escaped(why)));
        }
    }
    if queue.tasks.is_empty() {
        let none = if address.proposed() { words.none_proposed } else { words.none };
        out.put(format_args!("<p class=\"banner good\">✓ {none}</p>"));
        return out;
    }
    let may = who.may(Action::Store);
    let action = Escaped(&address.at(address.after().as_ref())).to_string();
    // A key pressed in a field must not press the first button of the first study.
    out.put(format_args!(
        "<form method=\"post\" action=\"{action}\" class=\"tasks\"><button type=\"submit\" disabled hidden></button>"
    ));
    if may {
        crate::stating::who_field(&mut out, who, words.who, words.who_hint);
    }
    for (n, task) in queue.tasks.iter().enumerate() {
        card(&mut out, language, queue, (n, task), may);
    }
    if may && let Some(catalogue) = catalogue {
        techniques(&mut out, catalogue);
    }
    out.put(format_args!("</form><p class=\"keys\">{}</p>", words.keys));
    let last = queue.tasks.last().filter(|_| queue.more).map(|task| &task.reviewed.study);
    let first = address.after().map(|_| address.at(None));
    pager(&mut out, language, first, last.map(|study| address.at(Some(study))));
    out
}

fn tabs(out: &mut Html, words: &Words, address: &Address, queue: &Queue) {
    out.put(format_args!("<p class=\"days\">"));
    for (proposed, to, name, n) in [
        (false, "/review", words.waiting, queue.waiting),
        (true, "/review?list=proposed", words.proposed, queue.proposed),
    ] {
        let current = if proposed == address.proposed() { " aria-current=\"page\"" } else { "" };
        out.put(format_args!("<a href=\"{to}\"{current}>{name} <b class=\"figure\">{n}</b></a>"));
    }
    out.put(format_args!("</p>"));
}

fn card(out: &mut Html, language: Language, queue: &Queue, (n, task): (usize, &Task), may: bool) {
    let words = words(language);
    let study = &task.reviewed.study;
    out.put(format_args!(
        "<article class=\"card task\" id=\"task-{n}\" tabindex=\"-1\"><div class=\"seen\"><span class=\"picture\">\
         <img loading=\"lazy\" decoding=\"async\" width=\"80\" height=\"80\" alt=\"\" \
         src=\"/dicom-web/studies/{study}/thumbnail?viewport=160,160\"></span><div><h2>"
    ));
    if let Some(row) = &task.row {
        kinds(out, &shown::modalities(&row.attributes));
        out.put(format_args!("{}</h2><small>", Escaped(&description(language, row))));
        let day = shown::day(&row.attributes, "00080020").map(|day| day.shown(language));
        let images = n_images(language, shown::number(&row.attributes, "00201208"));
        let facility = queue.facility_codes.get(&task.reviewed.facility).cloned().unwrap_or_default();
        let beside = [day.unwrap_or_default(), facility, shown::text(&row.attributes, "00080080"), images];
        let beside: Vec<String> = beside.into_iter().filter(|text| !text.is_empty()).collect();
        out.text(&beside.join(" · "));
        out.put(format_args!(
            "</small><a data-key=\"v\" href=\"{}\">{}</a>",
            Escaped(&viewer(language, row)),
            language.words().open_viewer
        ));
    } else {
        out.put(format_args!("{study}</h2>"));
    }
    out.put(format_args!("</div></div>"));
    evidence(out, language, &task.reviewed.coding, task.facts.as_ref());
    choices(out, words, (n, task), may);
    out.put(format_args!("</article>"));
}

/// What the header says and what was made of it.
fn evidence(out: &mut Html, language: Language, coding: &StudyCoding, facts: Option<&StudyFacts>) {
    let words = words(language);
    out.put(format_args!("<div class=\"why\"><h3>{}</h3><dl>", words.evidence));
    if let Some(facts) = facts {
        let some = |texts: &[String]| texts.iter().take(TEXTS).cloned().collect::<Vec<_>>().join(" · ");
        let codes: Vec<String> = facts
            .codes
            .iter()
            .map(|code| format!("{} {} {}", code.value, code.scheme, code.meaning).trim().to_owned())
            .collect();
        for (name, text) in [
            (words.requested, facts.requested_procedure.clone()),
            (words.described, facts.study_description.clone()),
            (words.series, some(&facts.series_descriptions)),
            (words.protocol, some(&facts.protocol_names)),
            (words.about_region, facts.body_part.clone()),
            (words.views, some(&facts.view_positions)),
            (words.about_contrast, facts.contrast_agent.clone()),
            (words.codes, some(&codes)),
        ] {
            if !text.is_empty() {
                out.put(format_args!("<div><dt>{name}</dt><dd>{}</dd></div>", Escaped(&text)));
            }
        }
    }
    out.put(format_args!("</dl><ul>"));
    for line in &coding.why {
        let what = crate::terms::evidence(language, &line.what);
        out.put(format_args!("<li><b>{}</b> {}</li>", words.about(&line.about), Escaped(&what)));
    }
    out.put(format_args!("</ul></div>"));
}

fn choices(out: &mut Html, words: &Words, (n, task): (usize, &Task), may: bool) {
    let (coding, study, version) = (&task.reviewed.coding, &task.reviewed.study, task.version);
    out.put(format_args!("<div class=\"choose\"><h3>{}</h3>", words.candidates));
    let closed = if may { "" } else { " disabled" };
    let button = |out: &mut Html, key: usize, (techniques, name, beside): (&str, &str, &str)| {
        let class = if key == 1 { "button" } else { "button plain" };
        out.put(format_args!(
            "<button class=\"{class} offer\" name=\"decide\" value=\"assign {n} {study} {version} {}\" \
             data-key=\"{key}\"{closed}><kbd>{key}</kbd> <span>{} <small>{} {}</small></span></button>",
            Escaped(techniques),
            Escaped(name),
            Escaped(techniques),
            Escaped(beside),
        ));
    };
    if let Some(proposed) = &coding.proposed {
        let assigned = coding.techniques.join("|");
        let by = format!("· {} · {}", with(words.assigned_by, &coding.version), words.keep);
        button(out, 1, (&assigned, &coding.name, &by));
        if proposed.techniques.is_empty() {
            out.put(format_args!("<p>{}</p>", words.would_wait));
        } else {
            let by = format!("· {}", proposed.version);
            button(out, 2, (&proposed.techniques.join("|"), &proposed.name, &by));
        }
    } else if coding.candidates.is_empty() {
        out.put(format_args!("<p>{}</p>", words.no_candidate));
    } else {
        for (at, Offered { technique, name, confidence }) in
            coding.candidates.iter().take(OFFERED).enumerate()
        {
            let by = format!("· {} {} ({confidence:.2})", words.confidence, words.sure(*confidence));
            button(out, at + 1, (technique, name, &by));
        }
    }
    if may {
        further(out, words, (n, task));
    }
    out.put(format_args!("</div>"));
}

/// What else may be said of a study.
fn further(out: &mut Html, words: &Words, (n, task): (usize, &Task)) {
    let (study, version) = (&task.reviewed.study, task.version);
    out.put(format_args!(
        "<div class=\"row\"><label class=\"unseen\" for=\"other-{n}\">{0}</label>\
         <input id=\"other-{n}\" name=\"other.{n}\" list=\"techniques\" maxlength=\"300\" placeholder=\"{0}\" \
         data-key=\"o\"><button class=\"button plain\" name=\"decide\" value=\"other {n} {study} {version}\" \
         data-enter=\"other-{n}\">{1}</button></div><label class=\"choice\"><input type=\"checkbox\" \
         name=\"rule.{n}\" data-key=\"r\"> {2}</label><div class=\"row\">",
        words.other, words.change, words.rule
    ));
    for (verb, key, name) in
        [("not_radiology", "n", words.not_radiology), ("no_examination", "x", words.no_examination)]
    {
        out.put(format_args!(
            "<button class=\"button plain small\" name=\"decide\" value=\"{verb} {n} {study} {version}\" \
             data-key=\"{key}\">{name}</button>"
        ));
    }
    out.put(format_args!("</div>"));
}

/// All techniques for the fields in which another one is named.
fn techniques(out: &mut Html, catalogue: &Catalogue) {
    out.put(format_args!("<datalist id=\"techniques\">"));
    for technique in catalogue.techniques() {
        let name = technique.names.first().map_or("", String::as_str);
        out.put(format_args!("<option value=\"{} {}\"></option>", Escaped(&technique.code), Escaped(name)));
    }
    out.put(format_args!("</datalist>"));
}
