//! `/ledger`: what was avoided, by month, facility, modality and code, and the latest entries. Confirmed amounts, film and
//! estimates stand apart; sums are those of the index, this module only shows.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::response::Response;
use indexer::archive::Archive;
use indexer::db::{FacilityId, LedgerBy, LedgerSum, Stated};
use indexer::principal::Principal;
use indexer::reuse::Date;
use indexer::statement::{LedgerEntry, LedgerEvent, State as Statement};
use serde::Deserialize;

use super::chart::{self, Bar};
use crate::Portal;
use crate::calendar::{Day, moment, now_ms};
use crate::figures::count;
use crate::frame::{Failure, Frame, Place};
use crate::html::{Escaped, Html, percent};
use crate::language::Language;
use crate::problem::Problem;
use crate::sign_in::Who;
use crate::stating::say;
use crate::words::with;

crate::words::words! {
    title: "Sổ ghi nhận tiết kiệm", "Ledger of avoided exams";
    from: "Từ", "From";
    to: "Đến", "To";
    show: "Xem", "Show";
    export: "Xuất dữ liệu giám định", "Export for the insurer";
    confirmed: "Đã xác nhận", "Confirmed";
    exam_fee: "Chi phí chụp tránh được", "Avoided exam fees";
    film_part: "Phần tiền phim", "Film part";
    film_hint: "chỉ tính khi có biên nhận không in phim", "only with a hand-over record without film";
    orders: "Chỉ định đã dùng lại", "Orders closed as reused";
    exams: "Kỹ thuật", "Exams";
    reversed: "Đã đảo (chụp lại sau đó)", "Reversed (repeated later)";
    lower_bound: "{n} kỹ thuật lấy giá thấp nhất trong các mã có thể", "{n} exams at the lowest of several prices";
    unpriced: "{n} kỹ thuật chưa có giá", "{n} exams without a price";
    estimate: "Ước tính", "Estimates";
    offered_film: "Tiền phim của các ca chưa ghi nhận cách trả kết quả", "Film part where no hand-over is recorded yet";
    warnings: "Cần xem lại", "To look at";
    film_billed: "{n} lần thu tiền có phim nhưng không giao phim", "{n} hand-overs billed with film without one";
    changed_reports: "{n} quyết định dựa trên kết quả đã sửa đổi", "{n} decisions rest on a report that changed";
    by_month: "Theo tháng", "By month";
    by_facility: "Theo cơ sở chỉ định", "By ordering facility";
    by_modality: "Theo loại máy", "By modality";
    by_code: "Theo mã dịch vụ", "By service code";
    entries: "Bút toán mới nhất", "Latest entries";
    none: "Chưa có bút toán nào trong thời gian này.", "There is no entry in this time.";
    exam_avoided: "Tránh chụp lại", "Exam avoided";
    exam_reversed: "Đảo: đã chụp lại", "Exam reversed";
    film_avoided: "Không in phim", "Film avoided";
    film_reversed: "Đảo: đã in phim", "Film reversed";
    order: "Chỉ định", "Order";
    unknown: "chưa rõ", "not told";
    vnd: "{n} đ", "{n} VND";
}

/// Entries that are listed, and bars of a chart.
const ENTRIES: u32 = 50;
const BARS: usize = 12;
/// Most entries of a stretch that are looked through for the latest.
const LOOKED_THROUGH: u32 = 5_000;

/// Which days, both included.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Address {
    from: String,
    to: String,
}

struct Sums {
    by: [Vec<LedgerSum>; 4],
    entries: Vec<Stated>,
    film_billed: u64,
    changed_reports: u64,
    /// Film part of exams for which a film was handed over, in dong.
    handed_over_vnd: i64,
    codes: HashMap<String, String>,
}

fn read(archive: &Archive, token: Option<FacilityId>, (from, to): (&str, &str)) -> Result<Sums, Problem> {
    let db = archive.db();
    let sums = |by| db.ledger_sums(by, token, (from, to));
    let codes =
        db.facility_codes()?.into_iter().map(|code| (code.facility.0.to_string(), code.code)).collect();
    let mut entries = db.ledger_entries(token, (from, to), LOOKED_THROUGH, 0)?;
    entries.reverse();
    entries.truncate(ENTRIES as usize);
    let (film_billed, changed_reports) = super::to_look_at(archive, token)?;
    Ok(Sums {
        by: [
            sums(LedgerBy::Month)?,
            sums(LedgerBy::Facility)?,
            sums(LedgerBy::Modality)?,
            sums(LedgerBy::Code)?,
        ],
        entries,
        film_billed,
        changed_reports,
        handed_over_vnd: db.film_handed_over_vnd(token, (from, to))?,
        codes,
    })
}

pub(super) async fn page(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
    Query(address): Query<Address>,
) -> Result<Response, Failure> {
    let today = Day::at(now_ms());
    let (year, ..) = today.parts();
    let day =
        |text: &str, default: String| text.trim().parse::<Date>().map_or(default, |date| date.to_string());
    let days = (day(&address.from, format!("{year:04}-01-01")), day(&address.to, today.iso()));
    let asked = days.clone();
    let token = who.principal.as_ref().map(Principal::facility).filter(|own| *own != FacilityId(0));
    let sums = say(&portal.archive, move |archive| read(archive, token, (&asked.0, &asked.1))).await;
    let sums = sums.map_err(Failure::of(language))?;
    let words = words(language);
    let mut out = Html::default();
    out.put(format_args!(
        "<h1>{}</h1><form class=\"filters\" method=\"get\" action=\"/ledger\"><label>{} <input type=\"date\" name=\"from\" \
         value=\"{}\"></label><label>{} <input type=\"date\" name=\"to\" value=\"{}\"></label>\
         <button class=\"button plain\">{}</button></form>",
        words.title, words.from, days.0, words.to, days.1, words.show
    ));
    let part = format!("from={}&amp;to={}", days.0, days.1);
    out.put(format_args!(
        "<p class=\"acts\"><a class=\"button plain\" download href=\"/api/v1/ledger/export.xlsx?{part}\">{} (XLSX)</a>\
         <a class=\"button plain\" download href=\"/api/v1/ledger/export.csv?{part}\">{} (CSV)</a></p>",
        words.export, words.export
    ));
    totals(&mut out, language, &sums);
    charts(&mut out, language, &sums);
    entries(&mut out, language, &sums.entries);
    let here = format!("/ledger?from={}&to={}", days.0, days.1);
    Ok(Frame::new(&portal, language, Place::Ledger, words.title, &here).asked_by(&who).around(&out))
}

fn words(language: Language) -> &'static Words {
    match language {
        Language::Vietnamese => &VI,
        Language::English => &EN,
    }
}

/// An amount in dong.
fn vnd(language: Language, amount: i64) -> String {
    let sign = if amount < 0 { "−" } else { "" };
    with(words(language).vnd, format!("{sign}{}", count(language, amount.unsigned_abs())))
}

fn totals(out: &mut Html, language: Language, sums: &Sums) {
    let words = words(language);
    let total = |part: fn(&LedgerSum) -> i64| -> i64 { sums.by[0].iter().map(part).sum() };
    let n = |value: i64| count(language, value.unsigned_abs());
    out.put(format_args!(
        "<div class=\"cards\"><section class=\"card\"><h2>✓ {}</h2><dl><div><dt>{}</dt><dd class=\"figure\">{}</dd></div>\
         <div><dt>{}<small>{}</small></dt><dd class=\"figure\">{}</dd></div><div><dt>{}</dt><dd>{}</dd></div>\
         <div><dt>{}</dt><dd>{}</dd></div></dl>",
        words.confirmed,
        words.exam_fee,
        vnd(language, total(|sum| sum.exam_vnd)),
        words.film_part,
        words.film_hint,
        vnd(language, total(|sum| sum.film_vnd)),
        words.orders,
        n(total(|sum| sum.orders)),
        words.exams,
        n(total(|sum| sum.exams)),
    ));
    for (text, value) in
        [(words.lower_bound, total(|sum| sum.lower_bound)), (words.unpriced, total(|sum| sum.unpriced))]
    {
        if value > 0 {
            out.put(format_args!("<p><small>{}</small></p>", with(text, n(value))));
        }
    }
    out.put(format_args!(
        "</section><section class=\"card\"><h2>↩ {}</h2><dl><div><dt>{}</dt><dd class=\"figure\">{}</dd></div>\
         <div><dt>{}</dt><dd>{}</dd></div></dl></section>",
        words.reversed,
        words.exam_fee,
        vnd(language, total(|sum| sum.reversed_vnd)),
        words.exams,
        n(total(|sum| sum.exams_reversed)),
    ));
    out.put(format_args!(
        "<section class=\"card\"><h2>≈ {}</h2><dl><div><dt>{}</dt><dd>{}</dd></div></dl></section>",
        words.estimate,
        words.offered_film,
        vnd(language, (total(|sum| sum.offered_film_vnd - sum.film_vnd) - sums.handed_over_vnd).max(0)),
    ));
    if sums.film_billed + sums.changed_reports > 0 {
        out.put(format_args!("<section class=\"card\"><h2>! {}</h2>", words.warnings));
        for (text, value) in
            [(words.film_billed, sums.film_billed), (words.changed_reports, sums.changed_reports)]
        {
            if value > 0 {
                out.put(format_args!("<p class=\"warn\">{}</p>", with(text, count(language, value))));
            }
        }
        out.put(format_args!("</section>"));
    }
    out.put(format_args!("</div>"));
}

fn charts(out: &mut Html, language: Language, sums: &Sums) {
    let words = words(language);
    out.put(format_args!("<div class=\"charts\">"));
    let titles = [words.by_month, words.by_facility, words.by_modality, words.by_code];
    for (at, (title, rows)) in titles.into_iter().zip(&sums.by).enumerate() {
        if rows.is_empty() {
            continue;
        }
        let bar = |sum: &LedgerSum| {
            let name = match at {
                1 => sums.codes.get(&sum.key).unwrap_or(&sum.key),
                _ => &sum.key,
            };
            let (exam, back) = (sum.exam_vnd, sum.reversed_vnd.saturating_neg());
            let back_said = if back > 0 { format!(" (↩ {})", vnd(language, back)) } else { String::new() };
            Bar {
                name: if name.is_empty() || name == "0" { words.unknown.to_owned() } else { name.clone() },
                counts: exam,
                reversed: back,
                said: vnd(language, exam) + &back_said,
            }
        };
        let mut bars: Vec<Bar> = rows.iter().map(bar).collect();
        if at == 0 {
            bars.drain(..bars.len().saturating_sub(BARS));
        } else {
            bars.sort_by_key(|bar| std::cmp::Reverse(bar.counts));
            bars.truncate(BARS);
        }
        chart::bars(out, title, &bars);
    }
    out.put(format_args!("</div>"));
}

fn entries(out: &mut Html, language: Language, entries: &[Stated]) {
    let words = words(language);
    out.put(format_args!("<h2>{}</h2>", words.entries));
    if entries.is_empty() {
        out.put(format_args!("<p>{}</p>", words.none));
        return;
    }
    out.put(format_args!("<ul class=\"unmet\">"));
    for stated in entries {
        if let Statement::LedgerEntry(entry) = &stated.statement.state {
            one(out, language, entry);
        }
    }
    out.put(format_args!("</ul>"));
}

fn one(out: &mut Html, language: Language, entry: &LedgerEntry) {
    let words = words(language);
    let (class, sign, event) = match entry.event {
        LedgerEvent::ExamAvoided => ("received", "✓", words.exam_avoided),
        LedgerEvent::FilmAvoided => ("received", "✓", words.film_avoided),
        LedgerEvent::ExamReversed => ("incomplete", "↩", words.exam_reversed),
        LedgerEvent::FilmReversed => ("incomplete", "↩", words.film_reversed),
    };
    let film = matches!(entry.event, LedgerEvent::FilmAvoided | LedgerEvent::FilmReversed);
    let amount = entry.lines.iter().filter_map(|line| if film { line.film_vnd } else { line.exam_vnd });
    let amount: i64 = amount.sum();
    let names = entry.lines.iter().map(|line| if line.name.is_empty() { &line.ordered } else { &line.name });
    let names: Vec<&str> = names.map(String::as_str).collect();
    out.put(format_args!(
        "<li><div><span class=\"badge {class}\"><i aria-hidden=\"true\">{sign}</i> {event}</span> <b>{}</b>\
         <small>{} · {} · {}</small></div><b class=\"figure\">{}</b><a class=\"button plain\" \
         href=\"/reuse?order={}\">{}</a></li>",
        Escaped(&names.join(" + ")),
        moment(language, entry.entered_ms),
        Escaped(&entry.facility_code),
        Escaped(&entry.decided_by),
        vnd(language, amount),
        percent(&entry.order),
        words.order,
    ));
}
