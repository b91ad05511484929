//! The parts of the state page that stand there only when somebody has to look at something.

use super::page::table;
use super::{ROWS, Seen};
use crate::calendar::{ago, moment};
use crate::figures::count;
use crate::html::{Escaped, Html};
use crate::language::Language;
use crate::words::with;

/// Machines whose clock is wrong.
pub(super) fn clocks(out: &mut Html, language: Language, seen: &Seen) {
    let words = language.words();
    if seen.clocks.is_empty() {
        return;
    }
    out.put(format_args!(
        "<section class=\"attention\"><h2>{}</h2><p>{}</p>",
        words.clocks, words.clocks_hint
    ));
    table(out, &[words.station, words.sent_by, words.off_by, words.images, words.last_image], |out| {
        for clock in &seen.clocks {
            let (least, most) = (off(language, clock.off_s.0), off(language, clock.off_s.1));
            let off = if least == most { least } else { format!("{least} … {most}") };
            out.put(format_args!(
                "<tr><th scope=\"row\">{}<small>{}</small></th><td>{}</td><td>{off}</td><td>{}</td><td>{}</td></tr>",
                Escaped(&clock.station),
                Escaped(&clock.serial),
                Escaped(&clock.source),
                count(language, clock.instances),
                ago(language, clock.last_ms, seen.now_ms),
            ));
        }
    });
    out.put(format_args!("</section>"));
}

/// How far a clock is off: in minutes, hours or days.
fn off(language: Language, seconds: i64) -> String {
    let words = language.words();
    let (unit, per) = match seconds.abs() {
        0..7_200 => (words.minutes, 60),
        7_200..172_800 => (words.hours, 3_600),
        _ => (words.days, 86_400),
    };
    with(unit, format!("{:+}", seconds / per))
}

/// What needs a person's eye.
pub(super) fn conflicts(out: &mut Html, language: Language, seen: &Seen) {
    let words = language.words();
    if seen.conflicts.is_empty() {
        return;
    }
    out.put(format_args!(
        "<section class=\"attention\" id=\"conflicts\"><h2>{} <small>{}</small></h2><p>{}</p>",
        words.conflicts,
        count(language, seen.totals.conflicts),
        words.conflicts_hint
    ));
    table(out, &[words.conflicts, words.study, words.last_received], |out| {
        for conflict in &seen.conflicts {
            let kind = crate::stating::choosing::kind(language, conflict.kind);
            out.put(format_args!(
                "<tr><th scope=\"row\">{kind}</th><td><a href=\"/studies/{0}\">{0}</a>",
                conflict.study_uid
            ));
            if conflict.sop_instance.is_some() {
                let versions = words.versions;
                out.put(format_args!(
                    "<small><a href=\"/conflicts/{}\">{versions}</a></small>",
                    conflict.study_uid
                ));
            }
            let when = conflict.received_ms.map(|ms| moment(language, ms)).unwrap_or_default();
            out.put(format_args!("</td><td>{when}</td></tr>"));
        }
    });
    rest(out, language, seen.totals.conflicts);
    out.put(format_args!("</section>"));
}

/// What is damaged, in numbers, and the way to the list.
pub(super) fn damage(out: &mut Html, language: Language, seen: &Seen) {
    let (words, damage) = (language.words(), seen.damage);
    if damage.copies + damage.records + damage.missing_packs == 0 {
        return;
    }
    out.put(format_args!("<section class=\"attention\"><h2>{}</h2>", words.damaged));
    if damage.missing_packs > 0 {
        let n = count(language, damage.missing_packs);
        out.put(format_args!("<p class=\"warn\"><b>{}</b></p>", with(words.missing_packs, n)));
    }
    if damage.copies > 0 {
        let n = count(language, damage.copies);
        out.put(format_args!("<p><b>{}: {n}</b></p><p>{}</p>", words.quarantined, words.quarantined_hint));
    }
    out.put(format_args!(
        "<p><a class=\"button plain\" href=\"/damaged\">{}</a></p></section>",
        words.show_list
    ));
}

/// Decisions to reuse whose report was amended since, and hand-overs that were billed with film.
pub(super) fn reuse(out: &mut Html, language: Language, seen: &Seen) {
    let (words, counts) = (language.words(), seen.reuse);
    if counts.report_amended + counts.film_billed_without_film == 0 {
        return;
    }
    out.put(format_args!("<section class=\"attention\" id=\"reuse\"><h2>{}</h2><ul>", words.reuse_decisions));
    for (n, text, address) in [
        (counts.report_amended, words.reports_amended, "/api/v1/reuse/decisions?flagged=report_amended"),
        (counts.film_billed_without_film, words.film_billed, "/api/v1/deliveries?warnings=1"),
    ] {
        if n > 0 {
            out.put(format_args!("<li><a href=\"{address}\">{}</a></li>", with(text, count(language, n))));
        }
    }
    out.put(format_args!("</ul></section>"));
}

/// Records that do not show.
pub(super) fn unindexable(out: &mut Html, language: Language, seen: &Seen) {
    let words = language.words();
    if seen.unindexable.is_empty() {
        return;
    }
    out.put(format_args!(
        "<section class=\"attention\" id=\"unindexable\"><h2>{} <small>{}</small></h2><p>{}</p><ul>",
        words.unindexable,
        count(language, seen.totals.unindexable),
        words.unindexable_hint
    ));
    for record in &seen.unindexable {
        out.put(format_args!("<li>{}</li>", Escaped(&record.reason)));
    }
    out.put(format_args!("</ul>"));
    rest(out, language, seen.totals.unindexable);
    out.put(format_args!("</section>"));
}

/// How many rows a table left out.
pub(super) fn rest(out: &mut Html, language: Language, all: u64) {
    let left = all.saturating_sub(u64::from(ROWS));
    if left > 0 {
        out.put(format_args!("<p>{}</p>", with(language.words().more, count(language, left))));
    }
}
