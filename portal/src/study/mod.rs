//! `/studies/{uid}`: one study, its series, the way into the viewer and the download.

mod around;
mod keeping;
mod notices;
mod person;
mod post;
mod withdrawn;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post as posting};
use indexer::archive::Archive;
use indexer::db::{Db, DbError};
use indexer::query::{Level, PatientScope, Query, QueryRow};
use storage_config::Uid;

use crate::api::ask;
use crate::arrival::{Arrivals, Facts};
use crate::calendar::moment;
use crate::figures::{bytes, count};
use crate::frame::{Failure, Frame, Place};
use crate::html::{Escaped, Html};
use crate::language::Language;
use crate::list::rows::{counts, description, exam, kinds, n_images, state, viewer};
use crate::shown;
use crate::sign_in::Who;
use crate::words::with;
use crate::{FORM_BYTES, Portal};
use around::Around;

/// Most series that a page shows.
const SERIES_MAX: u32 = 1_000;

/// Most other studies of the patient that a page shows.
const OTHERS_MAX: u32 = 30;

/// A study and its series.
struct Study {
    row: QueryRow,
    series: Vec<QueryRow>,
    /// The patient's other studies, newest first.
    others: Vec<QueryRow>,
    facts: Arc<Facts>,
    around: Around,
}

fn read(db: &Db, arrivals: &Arrivals, uid: &Uid) -> Result<Option<Study>, DbError> {
    let rows = |level, limit| {
        let mut query = Query::new(level);
        query.limit = limit;
        // A Uid is always a value of its attribute.
        let _ = query.key(0x0020_000D, uid.as_str());
        db.query(&query).map(|page| page.rows)
    };
    let Some(row) = rows(Level::Study, 1)?.pop() else { return Ok(None) };
    let facts = arrivals.of(db, uid, counts(&row))?;
    let around = Around::read(db, uid, row.patient)?;
    Ok(Some(Study {
        series: rows(Level::Series, SERIES_MAX)?,
        others: others(db, &row)?,
        row,
        facts,
        around,
    }))
}

/// The other studies of the same person: by the index's word on who is one person, never by a number alone.
fn others(db: &Db, row: &QueryRow) -> Result<Vec<QueryRow>, DbError> {
    let Some(key) = row.patient else { return Ok(Vec::new()) };
    let Some(group) = db.identity_group(&[key])? else { return Ok(Vec::new()) };
    let mut query = Query::new(Level::Study);
    query.scope = PatientScope::Group(group);
    query.limit = OTHERS_MAX;
    let mut rows = db.query(&query)?.rows;
    rows.retain(|other| other.study_uid != row.study_uid);
    Ok(rows)
}

/// The routes of this module.
pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/studies/{uid}", get(study))
        .route("/studies/{uid}/person", get(person::page).post(post::link))
        .route("/studies/{uid}/keeping", posting(post::keeping))
        .route("/withdrawn", get(withdrawn::list))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
}

async fn study(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
    Path(uid): Path<String>,
) -> Result<Response, Failure> {
    let uid = Uid::parse(&uid).map_err(|_| Failure::no_study(language))?;
    shown(&portal, language, &who, &uid, None).await
}

/// A study, or what is told of one of which nothing is shown any more.
enum Found {
    Study(Box<Study>),
    Withdrawn(Box<(around::Keeping, crate::persons::Codes)>),
}

fn find(archive: &Archive, arrivals: &Arrivals, uid: &Uid) -> Result<Option<Found>, DbError> {
    if let Some(study) = read(archive.db(), arrivals, uid)? {
        return Ok(Some(Found::Study(Box::new(study))));
    }
    Ok(withdrawn::read(archive, uid)?.map(|told| Found::Withdrawn(Box::new(told))))
}

async fn shown(
    portal: &Portal,
    language: Language,
    who: &Who,
    uid: &Uid,
    refused: Option<(StatusCode, String)>,
) -> Result<Response, Failure> {
    let (memory, wanted) = (portal.memory.clone(), uid.clone());
    let found = ask(&portal.archive, move |archive| find(archive, &memory.arrivals, &wanted))
        .await
        .map_err(Failure::of(language))?
        .ok_or_else(|| Failure::no_study(language))?;
    let study = match found {
        Found::Study(study) => study,
        Found::Withdrawn(told) => {
            return Ok(withdrawn::page(portal, language, who, (&told.0, &told.1), refused));
        }
    };
    let mut content = Html::default();
    if let Some((_, why)) = &refused {
        content.put(format_args!("<p class=\"banner bad\" role=\"alert\">{}</p>", Escaped(why)));
    }
    head(&mut content, language, portal.site.quiet_seconds, &study);
    series(&mut content, language, &study);
    other_studies(&mut content, language, &study.others);
    facts(&mut content, language, &study);
    keeping::section(&mut content, language, who, &study.around);
    let title = format!("{} – {}", name(language, &study.row), description(language, &study.row));
    let here = format!("/studies/{uid}");
    let frame = Frame::new(portal, language, Place::Inside, &title, &here).asked_by(who);
    Ok(frame.answering(refused.map_or(StatusCode::OK, |(status, _)| status), &content))
}

fn name(language: Language, row: &QueryRow) -> String {
    let name = shown::person(&row.attributes, "00100010");
    if name.is_empty() { language.words().no_name.to_owned() } else { name }
}

/// Who, what, when, and what can be done.
fn head(out: &mut Html, language: Language, quiet_seconds: u32, study: &Study) {
    let (words, row) = (language.words(), &study.row);
    let attributes = &row.attributes;
    out.put(format_args!(
        "<p class=\"back\"><a href=\"/\" rel=\"up\">← {}</a></p><div class=\"head\"><div><h1>{}</h1><p>{}",
        words.back_to_list,
        Escaped(&name(language, row)),
        Escaped(&shown::who(language, attributes)),
    ));
    let patient_id = shown::text(attributes, "00100020");
    if !patient_id.is_empty() {
        out.put(format_args!(" · {} <b>{}</b>", words.patient_id, Escaped(&patient_id)));
    }
    out.put(format_args!("</p><p>"));
    kinds(out, &shown::modalities(attributes));
    out.put(format_args!("<b>{}</b> ", Escaped(&description(language, row))));
    let day = shown::day(attributes, "00080020").map(|day| day.shown(language));
    let when =
        [day, shown::minute(attributes, "00080030")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    out.put(format_args!("· {} ", if when.is_empty() { words.no_date } else { &when }));
    state(out, language, quiet_seconds, row);
    exam(out, language, row);
    out.put(format_args!(
        "</p></div><div class=\"acts\"><a class=\"button view\" href=\"{}\">{}</a>\
         <a class=\"button plain\" href=\"/studies/{}/download.zip\" download title=\"{}\">{}</a></div></div>",
        Escaped(&viewer(language, row)),
        words.open_viewer,
        row.study_uid,
        words.download_hint,
        with(words.download, bytes(language, study.facts.bytes)),
    ));
    if row.identity_conflict {
        out.put(format_args!("<p class=\"banner bad\" role=\"alert\">{}</p>", words.identity_conflict_why));
    }
    notices::notices(out, language, &row.study_uid, &study.around);
}

fn series(out: &mut Html, language: Language, study: &Study) {
    let words = language.words();
    out.put(format_args!(
        "<h2>{} <small>{}</small></h2><table class=\"series\"><thead><tr><th scope=\"col\" class=\"thumb\">\
         <span class=\"unseen\">{}</span></th><th scope=\"col\" class=\"no\">{}</th>\
         <th scope=\"col\" class=\"what\">{}</th><th scope=\"col\" class=\"part\">{}</th>\
         <th scope=\"col\" class=\"counts\">{}</th><th scope=\"col\" class=\"from\">{}</th>\
         <th scope=\"col\" class=\"act\"><span class=\"unseen\">{}</span></th></tr></thead><tbody>",
        words.series,
        count(language, study.series.len() as u64),
        words.thumbnail,
        words.number,
        words.description,
        words.body_part,
        words.images,
        words.machine,
        words.open_viewer,
    ));
    for row in &study.series {
        one_series(out, language, study, row);
    }
    out.put(format_args!("</tbody></table>"));
}

fn one_series(out: &mut Html, language: Language, study: &Study, row: &QueryRow) {
    let words = language.words();
    let text = |tag| shown::text(&row.attributes, tag);
    let said = ["0008103E", "00181030", "00400254"].map(text).into_iter().find(|text| !text.is_empty());
    out.put(format_args!("<tr><td class=\"thumb\">"));
    thumbnail(out, study, row);
    out.put(format_args!(
        "</td><td class=\"no\">{}</td><td class=\"what\"><span>",
        Escaped(&text("00200011"))
    ));
    kinds(out, &[text("00080060")]);
    out.put(format_args!("{}</span>", Escaped(said.as_deref().unwrap_or(words.no_description))));
    if let Some(holes) = row.series_uid.as_ref().and_then(|uid| study.facts.holes.get(uid)) {
        out.put(format_args!(
            "<small class=\"lacks\">! {}</small>",
            Escaped(&with(words.missing_numbers, holes))
        ));
    }
    out.put(format_args!(
        "</td><td class=\"part\">{}</td><td class=\"counts\">{}</td><td class=\"from\">{}</td><td class=\"act\">",
        Escaped(&text("00180015")),
        n_images(language, shown::number(&row.attributes, "00201209")),
        Escaped(&text("00081010")),
    ));
    if let Some(uid) = &row.series_uid {
        let there = format!("{}&initialSeriesInstanceUID={uid}", viewer(language, &study.row));
        out.put(format_args!(
            "<a class=\"button plain\" href=\"{}\">{}</a>",
            Escaped(&there),
            words.open_viewer
        ));
    }
    out.put(format_args!("</td></tr>"));
}

/// Modalities of series that hold no images (PS3.3 C.7.3.1.1.1): nothing is asked for.
const WITHOUT_IMAGES: [&str; 12] =
    ["SR", "KO", "PR", "DOC", "AU", "ECG", "EPS", "HD", "PLAN", "REG", "RTPLAN", "RTSTRUCT"];

/// A picture of a series in a box of a fixed size, which shows the modality where there is no picture.
fn thumbnail(out: &mut Html, study: &Study, row: &QueryRow) {
    let Some(uid) = &row.series_uid else { return };
    let modality = shown::text(&row.attributes, "00080060");
    if WITHOUT_IMAGES.contains(&modality.as_str()) {
        out.put(format_args!("<span class=\"picture\">{}</span>", Escaped(&modality)));
        return;
    }
    out.put(format_args!(
        "<span class=\"picture\"><img loading=\"lazy\" decoding=\"async\" width=\"80\" height=\"80\" \
         alt=\"{}\" src=\"/dicom-web/studies/{}/series/{uid}/thumbnail?viewport=160,160\"></span>",
        Escaped(&modality),
        study.row.study_uid,
    ));
}

fn other_studies(out: &mut Html, language: Language, others: &[QueryRow]) {
    let words = language.words();
    if others.is_empty() {
        return;
    }
    out.put(format_args!("<h2>{}</h2><ul class=\"others\">", words.other_studies));
    for row in others {
        let day = shown::day(&row.attributes, "00080020").map(|day| day.shown(language));
        out.put(format_args!("<li><a href=\"/studies/{}\"><span>", row.study_uid));
        out.put(format_args!("{}</span> ", day.as_deref().unwrap_or(words.no_date)));
        kinds(out, &shown::modalities(&row.attributes));
        out.put(format_args!("{}</a></li>", Escaped(&description(language, row))));
    }
    out.put(format_args!("</ul>"));
}

/// What else is known of the study.
fn facts(out: &mut Html, language: Language, study: &Study) {
    let (words, attributes) = (language.words(), &study.row.attributes);
    let text = |tag| shown::text(attributes, tag);
    let pairs = [
        (words.accession, text("00080050")),
        (words.issuer, text("00100021")),
        (words.institution, text("00080080")),
        (words.referring, shown::person(attributes, "00080090")),
        (words.last_received, moment(language, study.row.changed_ms)),
        (words.study_uid, study.row.study_uid.to_string()),
    ];
    out.put(format_args!("<dl class=\"facts\">"));
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        out.put(format_args!("<div><dt>{name}</dt><dd>{}</dd></div>", Escaped(value)));
    }
    out.put(format_args!("</dl>"));
}
