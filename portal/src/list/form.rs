//! The search form of the study list.

use super::Wanted;
use crate::calendar::{Day, now_ms};
use crate::html::{Escaped, Html};
use crate::language::Language;
use crate::search::MODALITIES;

/// Writes the form.
pub(super) fn form(out: &mut Html, language: Language, wanted: &Wanted) {
    let (words, asked) = (language.words(), &wanted.asked);
    let day =
        |text: &Option<String>| text.as_deref().and_then(Day::of_text).map(Day::iso).unwrap_or_default();
    let filtered =
        if asked.from.is_some() || asked.to.is_some() || asked.modality.is_some() { " checked" } else { "" };
    out.put(format_args!(
        "<form class=\"search\" method=\"post\" action=\"/search\" role=\"search\">\
         <div class=\"box\"><label class=\"unseen\" for=\"q\">{}</label>\
         <input id=\"q\" name=\"q\" type=\"search\" maxlength=\"200\" autocomplete=\"off\" autocapitalize=\"off\" \
         spellcheck=\"false\" enterkeyhint=\"search\" placeholder=\"{}\" value=\"{}\">\
         <button>{}</button></div>\
         <input type=\"checkbox\" id=\"filters\" class=\"unseen\"{filtered}>\
         <label class=\"toggle\" for=\"filters\">{}</label><div class=\"filters\">",
        words.search_label,
        words.search_hint,
        Escaped(&asked.text),
        words.search,
        words.filters,
    ));
    days(out, language, wanted);
    out.put(format_args!(
        "<label>{} <input type=\"date\" name=\"from\" value=\"{}\"></label>\
         <label>{} <input type=\"date\" name=\"to\" value=\"{}\"></label>\
         <label>{} <select name=\"m\"><option value=\"\">{}</option>",
        words.from,
        day(&asked.from),
        words.to,
        day(&asked.to),
        words.modality,
        words.any_modality,
    ));
    for kind in &MODALITIES {
        let selected = if asked.modality == Some(kind.key) { " selected" } else { "" };
        let name = match language {
            Language::Vietnamese => kind.vietnamese,
            Language::English => kind.english,
        };
        out.put(format_args!("<option value=\"{}\"{selected}>{name}</option>", kind.key));
    }
    out.put(format_args!("</select></label>"));
    if asked.narrows() || wanted.forgotten {
        out.put(format_args!("<a class=\"clear\" href=\"/\">{}</a>", words.clear));
    }
    out.put(format_args!("</div></form>"));
}

/// Links to usual ranges of days, which keep what else is asked for.
fn days(out: &mut Html, language: Language, wanted: &Wanted) {
    let words = language.words();
    let today = Day::at(now_ms());
    let back = |days: i64| Day(today.0 - days);
    let ranges = [
        (words.any_day, None),
        (words.today, Some((today, today))),
        (words.last_7_days, Some((back(6), today))),
        (words.last_30_days, Some((back(29), today))),
    ];
    out.put(format_args!("<div class=\"days\">"));
    for (name, range) in ranges {
        let (from, to) = range.map(|(from, to)| (from.dicom(), to.dicom())).unzip();
        let chosen = wanted.asked.from == from && wanted.asked.to == to;
        let current = if chosen { " aria-current=\"true\"" } else { "" };
        let mut there =
            Wanted { asked: wanted.asked.clone(), search: wanted.search.clone(), forgotten: false };
        (there.asked.from, there.asked.to) = (from, to);
        out.put(format_args!("<a href=\"{}\"{current}>{name}</a>", Escaped(&there.address(1))));
    }
    out.put(format_args!("</div>"));
}

/// Writes which keys do what. Shown where there is a keyboard.
pub(super) fn keys(out: &mut Html, language: Language) {
    let words = language.words();
    let keys = [
        ("/", words.key_search),
        ("↑ ↓", words.key_move),
        ("Enter", words.key_study),
        ("v", words.key_viewer),
        ("← →", words.key_page),
    ];
    out.put(format_args!("<p class=\"keys\"><b>{}</b>", words.keys));
    for (key, does) in keys {
        out.put(format_args!(" <span><kbd>{key}</kbd> {does}</span>"));
    }
    out.put(format_args!("</p>"));
}
