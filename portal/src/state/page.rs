//! The state page as HTML: what needs a look stands first.

use indexer::db::{PeerRow, UnknownPeer};

use super::attention::{clocks, conflicts, rest, unindexable};
use super::{Condition, ROWS, SILENT_H, Seen};
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
    out.put(format_args!("</div>"));
    unknown(&mut out, language, seen);
    machines(&mut out, language, seen);
    let nothing_wrong = seen.clocks.is_empty() && seen.conflicts.is_empty() && seen.unindexable.is_empty();
    if nothing_wrong && seen.unknown.is_empty() {
        out.put(format_args!("<p class=\"banner good\">✓ {}</p>", words.nothing_wrong));
    }
    clocks(&mut out, language, seen);
    conflicts(&mut out, language, seen);
    unindexable(&mut out, language, seen);
    out
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
pub(super) fn table(out: &mut Html, columns: &[&str], rows: impl FnOnce(&mut Html)) {
    out.put(format_args!("<div class=\"wide\"><table class=\"plain\"><thead><tr>"));
    for column in columns {
        out.put(format_args!("<th scope=\"col\">{column}</th>"));
    }
    out.put(format_args!("</tr></thead><tbody>"));
    rows(out);
    out.put(format_args!("</tbody></table></div>"));
}

fn machines(out: &mut Html, language: Language, seen: &Seen) {
    let words = language.words();
    out.put(format_args!("<h2>{}</h2>", words.machines));
    if seen.peers.is_empty() {
        out.put(format_args!("<p>{}</p>", words.machines_none));
        return;
    }
    let columns =
        [words.ae_title, words.address, words.state, words.last_image, words.last_echo, words.last_error];
    table(out, &columns, |out| {
        for peer in &seen.peers {
            machine(out, language, peer, seen.now_ms);
        }
    });
}

fn machine(out: &mut Html, language: Language, peer: &PeerRow, now_ms: i64) {
    let words = language.words();
    let (class, sign, word, why) = match Condition::of(peer, now_ms) {
        Condition::Fails => ("doubt", "!", words.fails, String::new()),
        Condition::Silent => ("incomplete", "…", words.silent, with(words.silent_why, SILENT_H)),
        Condition::Never => ("quiet", "–", words.never, String::new()),
        Condition::Works => ("received", "✓", words.works, String::new()),
    };
    let time = |ms: i64| {
        if ms == 0 {
            return "–".to_owned();
        }
        format!("<span title=\"{}\">{}</span>", moment(language, ms), ago(language, ms, now_ms))
    };
    out.put(format_args!(
        "<tr><th scope=\"row\">{}</th><td>{}</td>\
         <td><span class=\"badge {class}\" title=\"{why}\"><i aria-hidden=\"true\">{sign}</i> {word}</span></td>\
         <td>{}</td><td>{}</td><td>{}",
        Escaped(&peer.ae_title),
        Escaped(&peer.address),
        time(peer.store_ms),
        time(peer.echo_ms),
        time(peer.error_ms),
    ));
    if peer.error_ms != 0 {
        out.put(format_args!("<small>{}</small>", Escaped(&peer.error)));
    }
    out.put(format_args!("</td></tr>"));
}

fn unknown(out: &mut Html, language: Language, seen: &Seen) {
    let words = language.words();
    if seen.unknown.is_empty() {
        return;
    }
    out.put(format_args!("<section class=\"attention\"><h2>{}</h2>", words.unknown_machines));
    let columns = [words.ae_title, words.address, words.called, words.attempts, words.last_attempt];
    table(out, &columns, |out| {
        for peer in seen.unknown.iter().take(ROWS as usize) {
            out.put(format_args!(
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                Escaped(&peer.ae_title),
                Escaped(&peer.address),
                Escaped(&peer.called),
                count(language, peer.attempts),
                ago(language, peer.last_ms, seen.now_ms),
            ));
        }
    });
    out.put(format_args!("<p>{}</p>", words.unknown_hint));
    for peer in seen.unknown.iter().take(ROWS as usize) {
        out.put(format_args!("<pre>{}</pre>", Escaped(&allowing(peer))));
    }
    rest(out, language, seen.unknown.len() as u64);
    out.put(format_args!("</section>"));
}

/// The lines of the configuration that allow a caller.
fn allowing(peer: &UnknownPeer) -> String {
    format!("[[peer]]\nae_title = {}\naddress = {}\n", quoted(&peer.ae_title), quoted(&peer.address))
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            letter if letter.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_allow_a_caller_are_toml_whatever_it_calls_itself() {
        let peer = UnknownPeer {
            ae_title: "CT\"\\\u{1}".into(),
            address: "192.0.2.7".into(),
            called: "PACS".into(),
            first_ms: 0,
            last_ms: 0,
            attempts: 1,
        };
        let want = "[[peer]]\nae_title = \"CT\\\"\\\\\\u0001\"\naddress = \"192.0.2.7\"\n";
        assert_eq!(allowing(&peer), want);
    }
}
