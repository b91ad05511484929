//! The state page as HTML: what needs a look stands first.

use super::Seen;
use super::attention::{clocks, conflicts, damage, reuse, unindexable};
use super::machines::{machines, unknown};
use crate::Portal;
use crate::calendar::{ago, moment};
use crate::figures::{bytes, count};
use crate::html::{Escaped, Html};
use crate::language::Language;
use crate::words::with;

/// The page's content.
pub(super) fn page(portal: &Portal, language: Language, seen: &Seen, refused: bool) -> Html {
    let words = language.words();
    let mut out = Html::default();
    out.put(format_args!("<h1>{}</h1>", words.system_status));
    if !refused {
        out.put(format_args!("<p class=\"banner good\"><b>✓ {}</b></p>", words.taking));
    }
    out.put(format_args!("<div class=\"cards\">"));
    holdings(&mut out, language, seen);
    disk(&mut out, language, seen);
    connect(&mut out, portal, language);
    backups(&mut out, language, seen);
    verified(&mut out, language, seen);
    out.put(format_args!("</div>"));
    look(&mut out, language, seen);
    unknown(&mut out, portal, language, seen);
    machines(&mut out, language, seen);
    let nothing_wrong = seen.clocks.is_empty()
        && seen.conflicts.is_empty()
        && seen.damage.all() == 0
        && seen.collisions == 0
        && !seen.is_behind()
        && !refused;
    if nothing_wrong && seen.unknown.is_empty() && seen.silent() == 0 {
        out.put(format_args!("<p class=\"banner good\">✓ {}</p>", words.nothing_wrong));
    }
    clocks(&mut out, language, seen);
    conflicts(&mut out, language, seen);
    damage(&mut out, language, seen);
    unindexable(&mut out, language, seen);
    reuse(&mut out, language, seen);
    out
}

/// How much needs a look, at a glance; each leads to its list.
fn look(out: &mut Html, language: Language, seen: &Seen) {
    let words = language.words();
    let entries = [
        (words.unknown_machines, seen.unknown.len() as u64, "#unknown"),
        (words.silent_machines, seen.silent(), "#machines"),
        (words.identity_doubts, seen.totals.identity_conflicts, "#conflicts"),
        (words.collisions, seen.collisions, "/collisions"),
        (words.conflicts, seen.totals.conflicts, "#conflicts"),
        (words.damaged, seen.damage.all() - seen.damage.unindexable.min(seen.damage.all()), "/damaged"),
        (words.unindexable, seen.totals.unindexable, "#unindexable"),
    ];
    out.put(format_args!("<ul class=\"look\" aria-label=\"{}\">", words.look));
    for (name, n, to) in entries {
        let class = if n > 0 { "some" } else { "none" };
        out.put(format_args!(
            "<li class=\"{class}\"><a href=\"{to}\"><b class=\"figure\">{}</b> {name}</a></li>",
            count(language, n)
        ));
    }
    if let Some((waiting, seconds)) = seen.backlog {
        let class = if seen.is_behind() { "some" } else { "none" };
        out.put(format_args!(
            "<li class=\"{class}\"><a href=\"#verified\"><b class=\"figure\">{}</b> {}<small>{}</small></a></li>",
            bytes(language, waiting),
            words.backlog,
            with(words.minutes, seconds / 60)
        ));
    }
    out.put(format_args!("</ul>"));
}

/// When packs were last read again and hashed.
fn verified(out: &mut Html, language: Language, seen: &Seen) {
    let words = language.words();
    let (never, oldest) = seen.verified();
    out.put(format_args!("<section class=\"card\" id=\"verified\"><h2>{}</h2>", words.verification));
    let found: u64 = seen.packs.iter().map(|pack| pack.damaged).sum();
    let (class, text) = match (found, oldest) {
        (0, Some(ms)) => ("fine", format!("✓ {} {}", words.verified_oldest, ago(language, ms, seen.now_ms))),
        (0, None) => ("warn", format!("! {}", words.verified_never)),
        (n, _) => ("warn", format!("✗ {}", with(words.verified_damaged, count(language, n)))),
    };
    out.put(format_args!("<p class=\"{class}\"><b>{text}</b></p><dl>"));
    let waiting =
        with(words.n_of_m, count(language, never)).replace("{m}", &count(language, seen.packs.len() as u64));
    out.put(format_args!("<div><dt>{}</dt><dd>{waiting}</dd></div>", words.never_verified));
    if let Some((waiting, _)) = seen.backlog {
        out.put(format_args!("<div><dt>{}</dt><dd>{}</dd></div>", words.backlog, bytes(language, waiting)));
    }
    let running = if seen.verifying { words.verifying } else { "" };
    out.put(format_args!(
        "</dl><p>{running}</p><p><a class=\"button plain\" href=\"/damaged#packs\">{}</a></p></section>",
        words.show_list
    ));
}

/// When the last backup was, and how to say that there was one.
fn backups(out: &mut Html, language: Language, seen: &Seen) {
    let words = language.words();
    let Some(last) = &seen.backup else { return };
    out.put(format_args!("<section class=\"card\"><h2>{}</h2>", words.backup));
    match last {
        None => out.put(format_args!("<p class=\"warn\"><b>! {}</b></p>", words.backup_never)),
        Some(note) => {
            let old = seen.now_ms - note.at_ms > super::BACKUP_OLD_DAYS * super::DAY_MS;
            let (class, sign) = if old { ("warn", "!") } else { ("fine", "✓") };
            out.put(format_args!(
                "<p class=\"{class}\"><b>{sign} {} {}</b><small>{} {}</small></p>",
                words.backup_last,
                ago(language, note.at_ms, seen.now_ms),
                moment(language, note.at_ms),
                Escaped(&note.label),
            ))
        }
    };
    out.put(format_args!(
        "<form class=\"row\" method=\"post\" action=\"/api/v1/backups\"><label class=\"unseen\" for=\"label\">{0}\
         </label><input id=\"label\" name=\"label\" maxlength=\"64\" placeholder=\"{0}\">\
         <button class=\"button plain\">{1}</button></form><p><small>{2}</small></p></section>",
        words.backup_label, words.backup_note, words.backup_hint
    ));
}

fn holdings(out: &mut Html, language: Language, seen: &Seen) {
    let (words, totals) = (language.words(), &seen.totals);
    out.put(format_args!("<section class=\"card\"><h2>{}</h2><dl>", words.holdings));
    let counts = [
        (words.patients, totals.patients),
        (words.studies, totals.studies),
        (words.series, totals.series),
        (words.images, totals.instances),
    ];
    for (name, n) in counts {
        out.put(format_args!("<div><dt>{name}</dt><dd class=\"figure\">{}</dd></div>", count(language, n)));
    }
    if totals.other_versions > 0 {
        let n = count(language, totals.other_versions);
        out.put(format_args!("<div><dt>{}</dt><dd class=\"figure\">{n}</dd></div>", words.other_versions));
    }
    out.put(format_args!("</dl></section>"));
}

fn disk(out: &mut Html, language: Language, seen: &Seen) {
    let words = language.words();
    out.put(format_args!("<section class=\"card\"><h2>{}</h2>", words.disk));
    let Some(room) = &seen.room else {
        out.put(format_args!("<p>{}</p></section>", words.disk_unknown));
        return;
    };
    let (free, total) = (room.space.available, room.space.total);
    let text = words.disk_free.replace("{n}", &bytes(language, free)).replace("{m}", &bytes(language, total));
    let used = (total.saturating_sub(free)).saturating_mul(100) / total.max(1);
    out.put(format_args!(
        "<meter min=\"0\" max=\"100\" low=\"80\" high=\"90\" optimum=\"0\" value=\"{used}\">{used}%</meter><p>{text}</p><dl>"
    ));
    let stored = bytes(language, seen.totals.bulk_bytes);
    let sent = bytes(language, seen.totals.data_set_bytes);
    let stored = words.stored_as_sent.replace("{n}", &stored).replace("{m}", &sent);
    let pace = room.growth.map_or(words.growth_unknown.to_owned(), |growth| {
        let text = words.growth_over.replace("{m}", &growth.days.to_string());
        with(&text, bytes(language, growth.bytes_a_day))
    });
    let left = room.days_left().map(|days| with(words.days, count(language, days)));
    let rows =
        [(words.days_left, left.unwrap_or_else(|| "?".into())), (words.growth, pace), (words.stored, stored)];
    for (name, value) in rows.iter().skip(usize::from(room.days_left().is_none())) {
        out.put(format_args!("<div><dt>{name}</dt><dd>{value}</dd></div>"));
    }
    out.put(format_args!("</dl></section>"));
}

fn connect(out: &mut Html, portal: &Portal, language: Language) {
    let words = language.words();
    let addresses = &portal.addresses;
    out.put(format_args!(
        "<section class=\"card\"><h2>{}</h2><dl><div><dt>{}</dt><dd><code>{}</code></dd></div>",
        words.connect,
        words.ae_title,
        Escaped(&addresses.ae_title)
    ));
    for at in &addresses.dimse {
        out.put(format_args!("<div><dt>{}</dt><dd><code>{}</code></dd></div>", words.send_to, Escaped(at)));
    }
    out.put(format_args!(
        "<div><dt>DICOMweb</dt><dd><code>{}</code></dd></div></dl></section>",
        Escaped(&addresses.dicom_web)
    ));
}

/// A table with its heading; `columns` are names.
pub(crate) fn table(out: &mut Html, columns: &[&str], rows: impl FnOnce(&mut Html)) {
    out.put(format_args!("<div class=\"wide\"><table class=\"plain\"><thead><tr>"));
    for column in columns {
        out.put(format_args!("<th scope=\"col\">{column}</th>"));
    }
    out.put(format_args!("</tr></thead><tbody>"));
    rows(out);
    out.put(format_args!("</tbody></table></div>"));
}
