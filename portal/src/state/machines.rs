//! Machines on the state page: those that may send, and callers that were refused, each with one button.

use indexer::db::{PeerRow, UnknownPeer};
use storage_config::AeTitle;

use super::attention::rest;
use super::page::table;
use super::{Condition, ROWS, SILENT_H, Seen};
use crate::Portal;
use crate::calendar::{ago, moment};
use crate::figures::count;
use crate::html::{Escaped, Html};
use crate::language::Language;
use crate::words::with;

/// Machines that may send, and how they do.
pub(super) fn machines(out: &mut Html, language: Language, seen: &Seen) {
    let words = language.words();
    out.put(format_args!("<h2 id=\"machines\">{}</h2>", words.machines));
    if seen.peers.is_empty() {
        out.put(format_args!("<p>{}</p>", words.machines_none));
        return;
    }
    let columns = [
        words.ae_title,
        words.address,
        words.state,
        words.last_image,
        words.last_echo,
        words.last_error,
        words.allowed_by,
    ];
    table(out, &columns, |out| {
        for peer in &seen.peers {
            machine(out, language, peer, seen);
        }
    });
}

fn machine(out: &mut Html, language: Language, peer: &PeerRow, seen: &Seen) {
    let words = language.words();
    let (class, sign, word, why) = match Condition::of(peer, seen.now_ms) {
        Condition::Fails => ("doubt", "!", words.fails, String::new()),
        Condition::Silent => ("incomplete", "…", words.silent, with(words.silent_why, SILENT_H)),
        Condition::Never => ("quiet", "–", words.never, String::new()),
        Condition::Works => ("received", "✓", words.works, String::new()),
    };
    let time = |ms: i64| {
        if ms == 0 {
            return "–".to_owned();
        }
        format!("<span title=\"{}\">{}</span>", moment(language, ms), ago(language, ms, seen.now_ms))
    };
    let here = seen.doors.allowed_here(&peer.ae_title, &peer.address);
    let name = here.map_or("", |here| here.name.as_str());
    out.put(format_args!(
        "<tr><th scope=\"row\">{}<small>{}</small></th><td data-name=\"{}\">{}</td>\
         <td data-name=\"{}\"><span class=\"badge {class}\" title=\"{why}\"><i aria-hidden=\"true\">{sign}</i> {word}</span></td>\
         <td data-name=\"{}\">{}</td><td data-name=\"{}\">{}</td><td data-name=\"{}\">{}",
        Escaped(&peer.ae_title),
        Escaped(name),
        words.address,
        Escaped(&peer.address),
        words.state,
        words.last_image,
        time(peer.store_ms),
        words.last_echo,
        time(peer.echo_ms),
        words.last_error,
        time(peer.error_ms),
    ));
    if peer.error_ms != 0 {
        out.put(format_args!("<small>{}</small>", Escaped(&peer.error)));
    }
    out.put(format_args!("</td><td data-name=\"{}\">", words.allowed_by));
    match here {
        Some(here) => out.put(format_args!(
            "{}<form method=\"post\" action=\"/api/v1/peers/forget\">{}\
             <button class=\"button plain small\">{}</button></form>",
            words.allowed_here,
            hidden(here.ae_title.as_str(), &String::from(here.address.clone())),
            words.forget,
        )),
        None if seen.doors.is_configured(&peer.ae_title, &peer.address) => {
            out.put(format_args!("{}", words.configured))
        }
        None => out.put(format_args!("–")),
    };
    out.put(format_args!("</td></tr>"));
}

/// The fields by which a machine is named.
fn hidden(ae_title: &str, address: &str) -> String {
    format!(
        "<input type=\"hidden\" name=\"ae_title\" value=\"{}\"><input type=\"hidden\" name=\"address\" value=\"{}\">",
        Escaped(ae_title),
        Escaped(address)
    )
}

/// Callers that were refused.
pub(super) fn unknown(out: &mut Html, portal: &Portal, language: Language, seen: &Seen) {
    let words = language.words();
    if seen.unknown.is_empty() {
        return;
    }
    out.put(format_args!(
        "<section class=\"attention\" id=\"unknown\"><h2>{} <small>{}</small></h2><p>{}</p>",
        words.unknown_machines,
        count(language, seen.unknown.len() as u64),
        words.unknown_hint
    ));
    let columns =
        [words.ae_title, words.address, words.called, words.attempts, words.last_attempt, words.allow];
    let may = portal.site.allowed.is_some();
    table(out, &columns, |out| {
        for peer in seen.unknown.iter().take(ROWS as usize) {
            caller(out, portal, language, seen, (peer, may));
        }
    });
    rest(out, language, seen.unknown.len() as u64);
    out.put(format_args!("</section>"));
}

fn caller(
    out: &mut Html,
    portal: &Portal,
    language: Language,
    seen: &Seen,
    (peer, may): (&UnknownPeer, bool),
) {
    let words = language.words();
    out.put(format_args!(
        "<tr><th scope=\"row\">{}</th><td data-name=\"{}\">{}</td><td data-name=\"{}\">{}",
        Escaped(&peer.ae_title),
        words.address,
        Escaped(&peer.address),
        words.called,
        Escaped(&peer.called),
    ));
    if !seen.doors.is_ours(&peer.called) {
        let should = with(words.called_wrong, &portal.addresses.ae_title);
        out.put(format_args!("<small class=\"lacks\">! {}</small>", Escaped(&should)));
    }
    out.put(format_args!(
        "</td><td data-name=\"{}\">{}</td><td data-name=\"{}\"><span title=\"{}\">{}</span></td><td>",
        words.attempts,
        count(language, peer.attempts),
        words.last_attempt,
        moment(language, peer.last_ms),
        ago(language, peer.last_ms, seen.now_ms),
    ));
    if AeTitle::parse(&peer.ae_title).is_err() {
        out.put(format_args!("<small>{}</small>", words.no_title));
    } else if seen.doors.is_known(&peer.ae_title, &peer.address) {
        out.put(format_args!("{}", words.known_already));
    } else if may {
        allowing(out, language, seen, peer);
    }
    out.put(format_args!("</td></tr>"));
}

/// One click; who wants to say more opens the rest.
fn allowing(out: &mut Html, language: Language, seen: &Seen, peer: &UnknownPeer) {
    let words = language.words();
    out.put(format_args!(
        "<form class=\"allow\" method=\"post\" action=\"/api/v1/peers\">{}<button class=\"button\">{}</button>\
         <details><summary>{}</summary><label>{} <input name=\"name\" maxlength=\"64\"></label>",
        hidden(&peer.ae_title, &peer.address),
        words.allow,
        words.more_about,
        words.machine_name,
    ));
    if !seen.facilities.is_empty() {
        out.put(format_args!(
            "<label>{} <select name=\"facility\"><option value=\"\">–</option>",
            words.facility
        ));
        for code in &seen.facilities {
            out.put(format_args!("<option>{}</option>", Escaped(code)));
        }
        out.put(format_args!("</select></label>"));
    }
    out.put(format_args!(
        "<label>{} <select name=\"patient_id_is\"><option value=\"patient\">{}</option>\
         <option value=\"order\">{}</option></select></label></details></form>",
        words.patient_id_is, words.id_of_patient, words.id_of_order,
    ));
}
