//! `/collisions`: what should be one person and clashes, the two sayings side by side, until somebody finds out. Programs
//! have the same under `/api/v1/collisions`.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use indexer::archive::{Archive, StateErrorKind};
use indexer::db::{CollisionRow, DbError};
use indexer::principal::Action;
use indexer::query::GroupKey;
use indexer::statement::{Finding, Kind};
use serde::Deserialize;

use crate::api::ask;
use crate::form::{done, go_to, on_version};
use crate::frame::{Failure, Frame, Place, pager};
use crate::html::{Escaped, Html, address};
use crate::language::Language;
use crate::persons::{Codes, codes, side_by_side};
use crate::sign_in::Who;
use crate::stating::{who, who_field};
use crate::words::with;
use crate::{FORM_BYTES, Portal};

crate::words::words! {
    title: "Nghi nhầm / trùng người bệnh", "Identity collisions";
    hint: "Hai bên có cùng mã hoặc số định danh nhưng thông tin khác nhau. Đối chiếu giấy tờ rồi chọn; quyết định được ghi lại và có thể đổi.", "Both sides have one number and say different things. Compare a document and choose; the choice is kept and can be changed.";
    none: "Không có nghi nhầm nào đang mở.", "No collision is open.";
    open: "Đang mở", "Open";
    resolved: "Đã giải quyết", "Resolved";
    first: "Bên thứ nhất", "The one";
    second: "Bên thứ hai", "The other";
    doubted: "Có người nghi ngờ", "Somebody doubts it";
    document: "Giấy tờ đã xem", "Document seen";
    who: "Người xác nhận", "Confirmed by";
    who_hint: "Họ tên và chức danh", "Name and position";
    one: "Cùng một người", "One person";
    two: "Hai người khác nhau", "Two persons";
    forbidden: "Cần bác sĩ chẩn đoán hình ảnh hoặc quản trị kho ảnh.", "A radiologist or an administrator of the archive is needed.";
    nobody: "Hãy ghi tên người xác nhận.", "Say who confirms it.";
    no_document: "Hãy ghi giấy tờ đã xem.", "Say which document was seen.";
    changed: "Người khác vừa giải quyết. Hãy xem lại.", "Somebody else resolved it meanwhile. Please look again.";
    failed: "Chưa ghi được: {n}", "Not noted: {n}";
}

/// Collisions of a page.
const ROWS: u32 = 30;

/// The routes of this module.
pub(crate) fn routes() -> Router<Portal> {
    Router::new().route("/collisions", get(show).post(resolve)).layer(DefaultBodyLimit::max(FORM_BYTES))
}

/// Which list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Address {
    /// `resolved` for those that somebody resolved.
    list: String,
    /// The key of the collision after which this page begins.
    after: String,
}

impl Address {
    fn open(&self) -> bool {
        self.list != "resolved"
    }

    /// The keys after which this page begins; what is none begins the list anew.
    fn after(&self) -> Option<(GroupKey, GroupKey)> {
        let (a, b) = self.after.split_once('-')?;
        Some((a.parse().ok()?, b.parse().ok()?))
    }

    /// The address of the page of this list that begins after a collision.
    fn at(&self, after: Option<(GroupKey, GroupKey)>) -> String {
        let list = (!self.open()).then(|| "list=resolved".to_owned());
        let after = after.map(|(a, b)| format!("after={a}-{b}"));
        address("/collisions", [list, after])
    }

    /// The address of this page.
    fn here(&self) -> String {
        self.at(self.after())
    }
}

/// A collision with the version of what was said of it; 0 for none.
struct Seen(CollisionRow, u64);

struct Listed {
    rows: Vec<Seen>,
    next: Option<(GroupKey, GroupKey)>,
    codes: Codes,
}

fn read(archive: &Archive, open: bool, after: Option<(GroupKey, GroupKey)>) -> Result<Listed, DbError> {
    let db = archive.db();
    let page = db.collisions(open, ROWS, after)?;
    let rows = page.rows.into_iter().map(|row| {
        let said = db.subject(Kind::Collision, &format!("{}-{}", row.a, row.b))?;
        Ok(Seen(row, said.and_then(|said| said.version).unwrap_or(0)))
    });
    let rows = rows.collect::<Result<_, DbError>>()?;
    Ok(Listed { rows, next: page.next, codes: codes(db)? })
}

async fn show(
    State(portal): State<Portal>,
    language: Language,
    reader: Who,
    Query(address): Query<Address>,
) -> Result<Response, Failure> {
    shown(&portal, language, &reader, &address, None).await
}

async fn shown(
    portal: &Portal,
    language: Language,
    reader: &Who,
    address: &Address,
    refused: Option<(StatusCode, String)>,
) -> Result<Response, Failure> {
    let (open, after) = (address.open(), address.after());
    let listed = ask(&portal.archive, move |archive| read(archive, open, after)).await;
    let listed = listed.map_err(Failure::of(language))?;
    let words = words(language);
    let mut out = Html::default();
    out.put(format_args!("<h1>{}</h1><p class=\"days\">", words.title));
    for (to, name, current) in
        [("/collisions", words.open, open), ("/collisions?list=resolved", words.resolved, !open)]
    {
        let current = if current { " aria-current=\"page\"" } else { "" };
        out.put(format_args!("<a href=\"{to}\"{current}>{name}</a>"));
    }
    out.put(format_args!("</p><p>{}</p>", words.hint));
    if let Some((_, why)) = &refused {
        out.put(format_args!("<p class=\"banner bad\" role=\"alert\">{}</p>", Escaped(why)));
    }
    if listed.rows.is_empty() && listed.next.is_none() {
        out.put(format_args!("<p class=\"banner good\">✓ {}</p>", words.none));
    }
    for seen in &listed.rows {
        collision(&mut out, language, reader, (address, &listed), seen);
    }
    let next = listed.next.map(|next| address.at(Some(next)));
    pager(&mut out, language, after.map(|_| address.at(None)), next);
    let status = refused.map_or(StatusCode::OK, |(status, _)| status);
    let here = address.here();
    let frame = Frame::new(portal, language, Place::Collisions, words.title, &here).asked_by(reader);
    Ok(frame.answering(status, &out))
}

fn words(language: Language) -> &'static Words {
    match language {
        Language::Vietnamese => &VI,
        Language::English => &EN,
    }
}

fn collision(
    out: &mut Html,
    language: Language,
    reader: &Who,
    (address, listed): (&Address, &Listed),
    Seen(row, version): &Seen,
) {
    let words = words(language);
    out.put(format_args!(
        "<form class=\"card collision task\" method=\"post\" action=\"{}\">",
        Escaped(&address.here())
    ));
    let persons = [row.persons[0].as_ref(), row.persons[1].as_ref()];
    side_by_side(out, language, &listed.codes, [words.first, words.second], (persons, &row.clashes));
    if row.clashes.is_empty() && row.open {
        out.put(format_args!("<p class=\"warn\">! {}</p>", words.doubted));
    }
    if reader.may(Action::Withdraw) {
        choices(out, words, reader, (row, *version));
    }
    out.put(format_args!("</form>"));
}

fn choices(out: &mut Html, words: &Words, reader: &Who, (row, version): (&CollisionRow, u64)) {
    out.put(format_args!(
        "<input type=\"hidden\" name=\"a\" value=\"{}\"><input type=\"hidden\" name=\"b\" value=\"{}\">\
         <input type=\"hidden\" name=\"version\" value=\"{version}\"><div class=\"row\">",
        row.a, row.b
    ));
    who_field(out, reader, words.who, words.who_hint);
    out.put(format_args!(
        "<p class=\"who row\"><label>{} <input name=\"document\" maxlength=\"200\" required></label></p></div>\
         <p class=\"acts\"><button class=\"button\" name=\"finding\" value=\"one_person\">{}</button>\
         <button class=\"button plain\" name=\"finding\" value=\"different_persons\">{}</button></p>",
        words.document, words.one, words.two
    ));
}

/// What the form says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    a: String,
    b: String,
    version: u64,
    finding: String,
    document: String,
    who: String,
}

async fn resolve(
    State(portal): State<Portal>,
    language: Language,
    reader: Who,
    Query(address): Query<Address>,
    parts: Parts,
    Form(typed): Form<Typed>,
) -> Result<Response, Failure> {
    let words = words(language);
    let bad = |why: &str| (StatusCode::BAD_REQUEST, why.to_owned());
    let refused = match said(&typed, &parts) {
        _ if !reader.may(Action::Withdraw) => (StatusCode::FORBIDDEN, words.forbidden.to_owned()),
        Err(NotSaid::Nobody) => bad(words.nobody),
        Err(NotSaid::Document) => bad(words.no_document),
        Err(NotSaid::Field(field)) => bad(&with(words.failed, field)),
        Ok((pair, finding, says)) => {
            let basis = on_version(typed.version);
            let work = move |archive: &Archive| {
                archive.resolve_collision(pair, finding, (None, basis), (says, String::new()))
            };
            match done(&portal, language, work).await? {
                Ok(_) => return Ok(go_to(&address.here())),
                Err(error) if error.kind() == StateErrorKind::Conflict => {
                    (StatusCode::CONFLICT, words.changed.to_owned())
                }
                Err(error) => bad(&with(words.failed, &error)),
            }
        }
    };
    shown(&portal, language, &reader, &address, Some(refused)).await
}

enum NotSaid {
    Nobody,
    Document,
    Field(&'static str),
}

type Resolution = ((GroupKey, GroupKey), (Finding, String), indexer::statement::Who);

fn said(typed: &Typed, parts: &Parts) -> Result<Resolution, NotSaid> {
    let says = who::who(parts, Some(typed.who.clone())).map_err(|_| NotSaid::Nobody)?;
    let a = typed.a.parse().map_err(|_| NotSaid::Field("a"))?;
    let b = typed.b.parse().map_err(|_| NotSaid::Field("b"))?;
    let finding = match typed.finding.as_str() {
        "one_person" => Finding::OnePerson,
        "different_persons" => Finding::DifferentPersons,
        _ => return Err(NotSaid::Field("finding")),
    };
    let document = typed.document.trim().to_owned();
    if document.is_empty() {
        return Err(NotSaid::Document);
    }
    Ok(((a, b), (finding, document), says))
}
