//! `/reconciliation`: what did not meet since a day, for whoever looks each morning: open orders without images, and
//! images without an order. Programs have the same under `/api/v1/reconciliation`.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use indexer::archive::Archive;
use indexer::db::{DbError, FacilityId, Stated, StudyWithoutOrder, UnmetAfter};
use indexer::query::{Level, Match, Query as Wanted, QueryRow};
use indexer::reuse::{Date, Moment, Urgency};
use indexer::statement::{Order, State as Statement};
use serde::Deserialize;

use crate::Portal;
use crate::api::ask;
use crate::calendar::{Day, ago, moment, now_ms};
use crate::figures::count;
use crate::frame::{Failure, Frame, Place, pager};
use crate::html::{Escaped, Html, address, percent};
use crate::language::Language;
use crate::list::rows::{description, kinds, n_images};
use crate::problem::Problem;
use crate::shown::{self, masked};
use crate::sign_in::Who;
use crate::words::with;

crate::words::words! {
    title: "Đối chiếu chỉ định và hình ảnh", "Orders and images that did not meet";
    hint: "Từ ngày {n}. Chỉ định và ca chụp gặp nhau theo cơ sở và số phiếu chụp.", "Since {n}. Orders and studies meet by facility and accession number.";
    since: "Từ ngày", "Since";
    show: "Xem", "Show";
    yesterday: "Hôm qua", "Yesterday";
    week: "7 ngày qua", "Last 7 days";
    orders: "Chỉ định chưa có hình", "Orders without images";
    orders_none: "Mọi chỉ định đều đã có hình.", "Every order has images.";
    studies: "Ca chưa khớp chỉ định", "Images without an order";
    studies_none: "Mọi ca chụp đều khớp chỉ định.", "Every study meets an order.";
    urgent: "Cấp cứu", "Urgent";
    check: "Kiểm tra kết quả đã có", "Check for a prior";
    no_accession: "không có số phiếu", "no accession";
}

/// Rows of each list.
const ROWS: u32 = 200;
const DAY_MS: i64 = 86_400_000;

/// The route of this module.
pub(crate) fn routes() -> Router<Portal> {
    Router::new().route("/reconciliation", get(page))
}

/// From which day on, and where each of the two lists begins.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Address {
    since: Option<String>,
    orders: Option<String>,
    studies: Option<String>,
}

/// Where each of the two lists begins; what is no place begins its list anew.
#[derive(Debug, Clone, Default)]
struct Places {
    orders: Option<UnmetAfter>,
    studies: Option<UnmetAfter>,
}

impl Places {
    fn of(address: &Address) -> Places {
        let place = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
        Places { orders: place(&address.orders), studies: place(&address.studies) }
    }

    /// The address of the page on which the lists begin there.
    fn at(&self, since: Date) -> String {
        let place = |name: &str, place: &Option<UnmetAfter>| {
            place.as_ref().map(|place| format!("{name}={}", percent(&place.to_string())))
        };
        let since = Some(format!("since={since}"));
        address("/reconciliation", [since, place("orders", &self.orders), place("studies", &self.studies)])
    }
}

struct Unmet {
    orders: Vec<Stated>,
    studies: Vec<(StudyWithoutOrder, Option<QueryRow>)>,
    codes: HashMap<FacilityId, String>,
    since: Date,
    here: Places,
    next: Places,
}

fn read(archive: &Archive, since: Date, begin_ms: i64, here: Places) -> Result<Unmet, DbError> {
    let db = archive.db();
    let orders = db.orders_without_images(begin_ms, ROWS, here.orders.as_ref())?;
    let day = since.to_string().replace('-', "");
    let studies = db.studies_without_order(&day, ROWS, here.studies.as_ref())?;
    let next = Places { orders: orders.next, studies: studies.next };
    let (orders, studies) = (orders.rows, studies.rows);
    let mut query = Wanted::new(Level::Study);
    query.keys.push(Match::StudyUid(studies.iter().map(|study| study.study_uid.clone()).collect()));
    query.limit = ROWS;
    let rows = if studies.is_empty() { Vec::new() } else { db.query(&query)?.rows };
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.study_uid.clone(), row)).collect();
    let studies = studies.into_iter().map(|study| {
        let row = rows.remove(&study.study_uid);
        (study, row)
    });
    let codes = db.facility_codes()?.into_iter().map(|code| (code.facility, code.code)).collect();
    Ok(Unmet { orders, studies: studies.collect(), codes, since, here, next })
}

async fn page(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
    Query(address): Query<Address>,
) -> Result<Response, Failure> {
    let yesterday = Day::at(now_ms() - DAY_MS).iso();
    let asked = address.since.as_deref().unwrap_or(&yesterday);
    let since: Result<Date, _> = asked.trim().parse().or_else(|_| yesterday.parse());
    let since = since.map_err(Problem::failed).map_err(Failure::of(language))?;
    let begin: Option<Moment> = format!("{since}T00:00:00+07:00").parse().ok();
    let begin_ms = begin.map_or(0, |moment| moment.ms);
    let places = Places::of(&address);
    let unmet = ask(&portal.archive, move |archive| read(archive, since, begin_ms, places)).await;
    let unmet = unmet.map_err(Failure::of(language))?;
    let words = words(language);
    let mut out = Html::default();
    out.put(format_args!("<h1>{}</h1>", words.title));
    head(&mut out, words, language, since, &yesterday);
    orders(&mut out, words, language, &unmet);
    studies(&mut out, words, language, &unmet);
    let here = unmet.here.at(since);
    Ok(Frame::new(&portal, language, Place::Reconciliation, words.title, &here).asked_by(&who).around(&out))
}

fn words(language: Language) -> &'static Words {
    match language {
        Language::Vietnamese => &VI,
        Language::English => &EN,
    }
}

fn head(out: &mut Html, words: &Words, language: Language, since: Date, yesterday: &str) {
    let day = Day::of_text(&since.to_string().replace('-', "")).map(|day| day.shown(language));
    let week = Day::at(now_ms() - 7 * DAY_MS).iso();
    out.put(format_args!(
        "<p>{}</p><form class=\"filters\" method=\"get\" action=\"/reconciliation\"><label>{} \
         <input type=\"date\" name=\"since\" value=\"{since}\"></label><button class=\"button plain\">{}</button>\
         <span class=\"days\"><a href=\"?since={yesterday}\">{}</a><a href=\"?since={week}\">{}</a></span></form>",
        with(words.hint, day.unwrap_or_default()),
        words.since,
        words.show,
        words.yesterday,
        words.week,
    ));
}

fn orders(out: &mut Html, words: &Words, language: Language, unmet: &Unmet) {
    let common = language.words();
    let n = count(language, unmet.orders.len() as u64);
    out.put(format_args!("<h2>{} <small>{n}</small></h2>", words.orders));
    if unmet.orders.is_empty() {
        out.put(format_args!("<p class=\"banner good\">✓ {}</p>", words.orders_none));
        return;
    }
    out.put(format_args!("<ul class=\"unmet\">"));
    for stated in &unmet.orders {
        let Statement::Order(order) = &stated.statement.state else { continue };
        let name = if order.patient.name.is_empty() { common.no_name } else { &order.patient.name };
        let facility = order.facility.and_then(|number| unmet.codes.get(&FacilityId(number)));
        let urgent = if order.urgency == Urgency::Routine {
            String::new()
        } else {
            format!(" <span class=\"badge doubt\"><i aria-hidden=\"true\">!</i> {}</span>", words.urgent)
        };
        let at = order.requested_at.map_or(stated.statement.time.ms(), |at| at.ms);
        let beside = [
            masked(&order.patient.patient_id),
            accession(words, common.accession, &order.accession),
            facility.cloned().unwrap_or_default(),
            order.ordered_by.clone(),
        ];
        out.put(format_args!(
            "<li><div><b>{}</b>{urgent}<small>{} · {}</small><small>{} ({})</small></div>\
             <a class=\"button plain\" href=\"/reuse?order={}\">{}</a></li>",
            Escaped(&exams(order)),
            Escaped(&name.replace('^', " ")),
            Escaped(&joined(&beside)),
            moment(language, at),
            ago(language, at, now_ms()),
            percent(&stated.statement.subject.key),
            words.check,
        ));
    }
    out.put(format_args!("</ul>"));
    let first = Places { orders: None, ..unmet.here.clone() };
    let next = unmet.next.orders.clone().map(|next| Places { orders: Some(next), ..unmet.here.clone() });
    turn(out, language, unmet, (unmet.here.orders.is_some().then_some(first), next));
}

fn studies(out: &mut Html, words: &Words, language: Language, unmet: &Unmet) {
    let common = language.words();
    let n = count(language, unmet.studies.len() as u64);
    out.put(format_args!("<h2>{} <small>{n}</small></h2>", words.studies));
    if unmet.studies.is_empty() {
        out.put(format_args!("<p class=\"banner good\">✓ {}</p>", words.studies_none));
        return;
    }
    out.put(format_args!("<ul class=\"unmet\">"));
    for (study, row) in &unmet.studies {
        out.put(format_args!("<li><div>"));
        let modalities: Vec<String> =
            study.modalities.split('\\').filter(|text| !text.is_empty()).map(str::to_owned).collect();
        kinds(out, &modalities);
        let (what, name, id, images) = match row {
            Some(row) => (
                description(language, row),
                shown::person(&row.attributes, "00100010"),
                masked(&shown::text(&row.attributes, "00100020")),
                n_images(language, shown::number(&row.attributes, "00201208")),
            ),
            None => Default::default(),
        };
        let day = Day::of_text(&study.day).map(|day| day.shown(language)).unwrap_or_default();
        let facility = unmet.codes.get(&study.facility).cloned().unwrap_or_default();
        let beside = [id, accession(words, common.accession, &study.accession), facility, images];
        out.put(format_args!(
            "<b>{}</b><small>{} · {}</small><small>{day}</small></div><a class=\"button plain\" \
             href=\"/studies/{}\">{}</a></li>",
            Escaped(&what),
            Escaped(if name.is_empty() { common.no_name } else { &name }),
            Escaped(&joined(&beside)),
            study.study_uid,
            common.study,
        ));
    }
    out.put(format_args!("</ul>"));
    let first = Places { studies: None, ..unmet.here.clone() };
    let next = unmet.next.studies.clone().map(|next| Places { studies: Some(next), ..unmet.here.clone() });
    turn(out, language, unmet, (unmet.here.studies.is_some().then_some(first), next));
}

/// The ways on in one of the two lists, which leave the other where it is.
fn turn(out: &mut Html, language: Language, unmet: &Unmet, (first, next): (Option<Places>, Option<Places>)) {
    let at = |places: Places| places.at(unmet.since);
    pager(out, language, first.map(at), next.map(at));
}

/// The exams of an order in words, by their codes where they have no name.
pub(crate) fn exams(order: &Order) -> String {
    let named = order.exams.iter().map(|exam| if exam.name.is_empty() { &exam.code } else { &exam.name });
    named.map(String::as_str).collect::<Vec<_>>().join(" + ")
}

fn accession(words: &Words, name: &str, number: &str) -> String {
    if number.is_empty() { words.no_accession.to_owned() } else { format!("{name} {number}") }
}

fn joined(texts: &[String]) -> String {
    texts.iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join(" · ")
}
