//! `/import`: the page where a folder, a zip archive or a disc is dropped. The page only shows and sends; what becomes
//! of the files is told by `/api/v1/imports`.

use axum::extract::State;
use axum::response::Response;

use crate::Portal;
use crate::api::ask;
use crate::frame::{Failure, Frame, Place};
use crate::html::{Escaped, Html};
use crate::language::Language;
use crate::sign_in::Who;

pub(crate) async fn page(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
) -> Result<Response, Failure> {
    let codes =
        ask(&portal.archive, |archive| archive.db().facility_codes()).await.map_err(Failure::of(language))?;
    let mut codes: Vec<String> = codes.into_iter().map(|known| known.code).collect();
    codes.dedup();
    let words = language.words();
    let mut out = Html::default();
    out.put(format_args!(
        "<h1>{}</h1><p>{}</p><noscript><p class=\"banner bad\">{}</p></noscript>",
        words.import_title, words.import_hint, words.import_no_script
    ));
    out.put(format_args!("<form id=\"import\" class=\"import\" autocomplete=\"off\""));
    texts(&mut out, language);
    out.put(format_args!(">"));
    brought(&mut out, language, &who, &codes);
    out.put(format_args!(
        "<div class=\"drop\" id=\"drop\"><p aria-hidden=\"true\" class=\"sign\">⤓</p><p><b>{}</b> {}</p><p class=\"pick\">\
         <input class=\"unseen\" type=\"file\" id=\"folder\" webkitdirectory multiple>\
         <label class=\"button\" for=\"folder\">{}</label>\
         <input class=\"unseen\" type=\"file\" id=\"files\" multiple>\
         <label class=\"button plain\" for=\"files\">{}</label></p></div>",
        words.import_drop, words.import_or, words.import_folder, words.import_files
    ));
    options(&mut out, language);
    out.put(format_args!(
        "</form><section class=\"card\" id=\"progress\" hidden><p id=\"said\" role=\"status\" aria-live=\"polite\"></p>\
         <progress id=\"bar\" max=\"1000\" value=\"0\"></progress><p id=\"trouble\" class=\"warn\" role=\"alert\" hidden></p>\
         <p class=\"acts\"><button type=\"button\" class=\"button\" id=\"continue\" hidden>{}</button>\
         <button type=\"button\" class=\"button plain\" id=\"stop\">{}</button></p></section>",
        words.import_continue, words.import_stop
    ));
    out.put(format_args!(
        "<section id=\"result\" hidden><h2>{}</h2><div class=\"wide\"><table class=\"plain\"><thead><tr>\
         <th scope=\"col\">{}</th><th scope=\"col\" class=\"number\">{}</th><th scope=\"col\">{}</th></tr></thead>\
         <tbody id=\"rows\"></tbody></table></div>\
         <p id=\"confirm\" class=\"banner\" hidden>{} <a class=\"button\" href=\"#\">{}</a></p>\
         <p><a class=\"button plain\" id=\"csv\" href=\"#\" hidden download>{}</a></p></section>",
        words.import_result, words.state, words.import_outcome, words.import_examples,
        words.import_unconfirmed, words.import_confirm, words.import_csv
    ));
    let frame = Frame::new(&portal, language, Place::Import, words.import_title, "/import");
    Ok(frame.asked_by(&who).around(&out))
}

/// What the script says, in the reader's language.
fn texts(out: &mut Html, language: Language) {
    let words = language.words();
    let texts = [
        ("looking", words.import_looking),
        ("sending", words.import_sending),
        ("unpacking", words.import_unpacking),
        ("waiting", words.import_waiting),
        ("no-server", words.import_no_server),
        ("lost", words.import_lost),
        ("refused", words.import_refused),
        ("done", words.import_done),
        ("stopped", words.import_stopped),
        ("not-sent", words.import_not_sent),
        ("stored", words.import_stored),
        ("duplicates", words.import_duplicates),
        ("versions", words.import_versions),
        ("not-dicom", words.import_not_dicom),
        ("dicomdir", words.import_dicomdir),
        ("refusals", words.import_refusals),
        ("needs-facility", words.import_needs_facility),
        ("needs-who", words.import_needs_who),
    ];
    for (name, text) in texts {
        out.put(format_args!(" data-{name}=\"{}\"", Escaped(text)));
    }
}

/// Where the pictures were made and for whom they were brought. With a number here they wait until a person confirms it.
fn brought(out: &mut Html, language: Language, who: &Who, codes: &[String]) {
    let words = language.words();
    out.put(format_args!(
        "<fieldset class=\"card fields brought\"><legend>{}</legend><p>{}</p>\
         <label>{} <input name=\"facility\" list=\"codes\" maxlength=\"16\" autocomplete=\"off\" placeholder=\"{}\"></label>\
         <datalist id=\"codes\">",
        words.import_brought, words.import_brought_hint, words.import_facility, words.import_code
    ));
    for code in codes {
        out.put(format_args!("<option value=\"{}\"></option>", Escaped(code)));
    }
    out.put(format_args!(
        "</datalist><label>{} <input name=\"patient_id\" maxlength=\"64\" autocomplete=\"off\"></label>",
        words.import_patient
    ));
    if !codes.is_empty() {
        out.put(format_args!(
            "<label>{} <select name=\"patient_facility\"><option value=\"\">–</option>",
            words.import_here
        ));
        for code in codes {
            out.put(format_args!("<option>{}</option>", Escaped(code)));
        }
        out.put(format_args!("</select></label>"));
    }
    out.put(format_args!(
        "<label>{} <input name=\"source\" maxlength=\"64\" placeholder=\"{}\"></label>",
        words.import_source, words.import_source_hint
    ));
    if who.person().is_none() {
        out.put(format_args!(
            "<label>{} <input name=\"who\" maxlength=\"64\" autocomplete=\"name\"></label>",
            words.import_who
        ));
    }
    out.put(format_args!("<p><a href=\"/intakes\">{}</a></p></fieldset>", words.intakes));
}

fn options(out: &mut Html, language: Language) {
    let words = language.words();
    out.put(format_args!(
        "<details class=\"card\"><summary>{}</summary><div class=\"fields\">\
         <label>{} <input name=\"issuer\" maxlength=\"64\"></label></div></details>",
        words.import_options, words.import_issuer
    ));
}
