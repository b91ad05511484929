//! The part of the study list that changes: the studies of a page.

use indexer::query::QueryRow;

use super::Wanted;
use crate::Portal;
use crate::arrival::Arrival;
use crate::figures::count;
use crate::html::{Escaped, Html};
use crate::language::Language;
use crate::search::Found;
use crate::shown;
use crate::words::with;

/// Series and instances of a study.
pub(crate) fn counts(row: &QueryRow) -> (u64, u64) {
    (shown::number(&row.attributes, "00201206"), shown::number(&row.attributes, "00201208"))
}

/// The address of the viewer for a study, limited to its patient: priors are that person's, under whatever number.
pub(crate) fn viewer(language: Language, row: &QueryRow) -> String {
    let scope = row.patient.map(|key| format!("&scope={key}")).unwrap_or_default();
    let lng = match language {
        Language::Vietnamese => "vi",
        Language::English => "en-US",
    };
    format!("/ohif/viewer?StudyInstanceUIDs={}{scope}&lng={lng}", row.study_uid)
}

/// The part as HTML.
pub(super) fn part(portal: &Portal, language: Language, wanted: &Wanted, found: &Found) -> Html {
    let words = language.words();
    let mut out = Html::default();
    let notes = [
        (wanted.forgotten, words.search_forgotten),
        (found.too_much, words.too_much),
        (found.old_left_out, words.old_left_out),
    ];
    for (_, note) in notes.iter().filter(|(shown, _)| *shown) {
        out.put(format_args!("<p class=\"banner\" role=\"status\">{note}</p>"));
    }
    if found.rows.is_empty() {
        nothing(&mut out, portal, language, wanted);
    } else {
        table(&mut out, language, portal.site.quiet_seconds, &found.rows);
    }
    pager(&mut out, language, wanted, found.more);
    out
}

fn nothing(out: &mut Html, portal: &Portal, language: Language, wanted: &Wanted) {
    let words = language.words();
    if wanted.asked.narrows() || wanted.asked.page > 1 {
        out.put(format_args!(
            "<div class=\"nothing\" role=\"status\"><h2>{}</h2><p>{}</p></div>",
            words.none_found, words.none_found_hint
        ));
        return;
    }
    let to = format!("{} @ {}", portal.addresses.ae_title, portal.addresses.dimse.join(", "));
    out.put(format_args!(
        "<div class=\"nothing\" role=\"status\"><h2>{}</h2><p>{} <code>{}</code></p></div>",
        words.empty,
        words.empty_hint,
        Escaped(&to)
    ));
}

fn table(out: &mut Html, language: Language, quiet_seconds: u32, studies: &[QueryRow]) {
    let words = language.words();
    out.put(format_args!("<table class=\"studies\"><thead><tr>"));
    for (class, name) in [
        ("when", words.time),
        ("who", words.patient),
        ("id", words.patient_id),
        ("what", words.study),
        ("counts", words.images),
        ("state", words.state),
    ] {
        out.put(format_args!("<th scope=\"col\" class=\"{class}\">{name}</th>"));
    }
    out.put(format_args!(
        "<th scope=\"col\" class=\"act\"><span class=\"unseen\">{}</span></th></tr></thead><tbody>",
        words.open_viewer
    ));
    for row in studies {
        study(out, language, quiet_seconds, row);
    }
    out.put(format_args!("</tbody></table>"));
}

fn study(out: &mut Html, language: Language, quiet_seconds: u32, row: &QueryRow) {
    let (words, attributes) = (language.words(), &row.attributes);
    let text = |tag| shown::text(attributes, tag);
    let day = shown::day(attributes, "00080020").map(|day| day.shown(language));
    let minute = shown::minute(attributes, "00080030").unwrap_or_default();
    out.put(format_args!(
        "<tr><td class=\"when\"><span>{}</span><small>{minute}</small></td>",
        day.as_deref().unwrap_or(words.no_date),
    ));
    let name = shown::person(attributes, "00100010");
    let name = if name.is_empty() { words.no_name } else { &name };
    out.put(format_args!(
        "<td class=\"who\"><a class=\"name\" href=\"/studies/{}\">{}</a><small>{}</small></td>",
        row.study_uid,
        Escaped(name),
        Escaped(&shown::who(language, attributes)),
    ));
    out.put(format_args!(
        "<td class=\"id\"><span>{}</span><small>{}</small></td><td class=\"what\"><span>",
        Escaped(&shown::masked(&text("00100020"))),
        Escaped(&text("00100021")),
    ));
    kinds(out, &shown::modalities(attributes));
    out.put(format_args!("{}</span><small>", Escaped(&description(language, row))));
    let accession = text("00080050");
    let accession =
        if accession.is_empty() { String::new() } else { format!("{} {accession}", words.accession) };
    let beside = [accession, text("00080080")].into_iter().filter(|text| !text.is_empty());
    out.text(&beside.collect::<Vec<_>>().join(" · "));
    exam(out, language, row);
    let (series, images) = counts(row);
    out.put(format_args!(
        "</small></td><td class=\"counts\"><span>{}</span><small>{}</small></td><td class=\"state\">",
        images_of(language, row, images),
        with(words.n_series, count(language, series)),
    ));
    state(out, language, quiet_seconds, row);
    out.put(format_args!(
        "</td><td class=\"act\"><a class=\"button view\" href=\"{}\">{}</a></td></tr>",
        Escaped(&viewer(language, row)),
        words.open_viewer
    ));
}

/// A number of images.
pub(crate) fn n_images(language: Language, n: u64) -> String {
    let words = language.words();
    if n == 1 { words.one_image.to_owned() } else { with(words.n_images, count(language, n)) }
}

/// A number of images of a study, with the announced one where that is larger.
pub(crate) fn images_of(language: Language, row: &QueryRow, n: u64) -> String {
    match row.announced.filter(|announced| *announced > n) {
        Some(announced) => {
            let both = format!("{}/{}", count(language, n), count(language, announced));
            with(language.words().n_images, both)
        }
        None => n_images(language, n),
    }
}

/// What was done, in the words of whoever did it.
pub(crate) fn description(language: Language, row: &QueryRow) -> String {
    let said = ["00081030", "00321060"].map(|tag| shown::text(&row.attributes, tag));
    said.into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_else(|| language.words().no_description.to_owned())
}

/// The examination by the national list, with a mark where a person still has to confirm it.
pub(crate) fn exam(out: &mut Html, language: Language, row: &QueryRow) {
    let words = language.words();
    let Some(exam) = row.exam.as_ref().filter(|exam| !exam.name.is_empty()) else { return };
    out.put(format_args!(
        "<span class=\"exam\" title=\"{}\">{}",
        if exam.waits { words.exam_waits_why } else { words.exam_named },
        Escaped(&exam.name)
    ));
    if exam.waits {
        out.put(format_args!(" <em>({})</em>", words.exam_waits));
    }
    out.put(format_args!("</span>"));
}

/// Modalities as marks before a text.
pub(crate) fn kinds(out: &mut Html, modalities: &[String]) {
    for modality in modalities.iter().take(6) {
        out.put(format_args!("<b class=\"kind\">{}</b> ", Escaped(modality)));
    }
}

/// The state of a study in words, with its evidence as a title.
pub(crate) fn state(out: &mut Html, language: Language, quiet_seconds: u32, row: &QueryRow) {
    let words = language.words();
    let announced = row.announced.unwrap_or(0);
    let here = counts(row).1;
    let (class, sign, word, why) = match Arrival::now(row, quiet_seconds) {
        Arrival::Receiving => ("receiving", "↓", words.receiving, with(words.receiving_why, quiet_seconds)),
        Arrival::Received => ("received", "✓", words.received, with(words.received_why, quiet_seconds)),
        Arrival::Complete => ("received", "✓", words.complete, with(words.complete_why, announced)),
        Arrival::Incomplete => {
            let why = words.incomplete_why.replace("{m}", &announced.to_string());
            ("incomplete", "!", words.incomplete, with(&why, here))
        }
    };
    out.put(format_args!(
        "<span class=\"badge {class}\" title=\"{}\"><i aria-hidden=\"true\">{sign}</i> {word}</span>",
        Escaped(&why)
    ));
    if row.identity_conflict {
        out.put(format_args!(
            " <span class=\"badge doubt\" title=\"{}\"><i aria-hidden=\"true\">!</i> {}</span>",
            words.identity_conflict_why, words.identity_conflict
        ));
    }
}

fn pager(out: &mut Html, language: Language, wanted: &Wanted, more: bool) {
    let (words, page) = (language.words(), wanted.asked.page);
    if page == 1 && !more {
        return;
    }
    out.put(format_args!("<nav class=\"pager\" aria-label=\"{}\">", words.pages));
    if page > 1 {
        let there = wanted.address(page - 1);
        out.put(format_args!(
            "<a class=\"button\" rel=\"prev\" href=\"{}\">← {}</a>",
            Escaped(&there),
            words.newer
        ));
    }
    out.put(format_args!("<span>{}</span>", with(words.page, page)));
    if more {
        let there = wanted.address(page + 1);
        out.put(format_args!(
            "<a class=\"button\" rel=\"next\" href=\"{}\">{} →</a>",
            Escaped(&there),
            words.older
        ));
    }
    out.put(format_args!("</nav>"));
}
