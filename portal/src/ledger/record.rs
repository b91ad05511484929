//! `/reuse/record?decision=ID`: the record of a decision on one page, to be printed and put into the file.

use axum::extract::{Query, State};
use axum::response::Response;
use indexer::archive::{Archive, StateError};
use indexer::db::{FacilityId, Stated};
use indexer::principal::Principal;
use indexer::reuse::answer::Listed;
use indexer::statement::{Decision, DecisionReason, LedgerEvent, Order, ReuseChoice, State as Statement};
use serde::Deserialize;

use crate::Portal;
use crate::calendar::moment;
use crate::figures::count;
use crate::frame::{Failure, Frame, Place};
use crate::html::{Escaped, Html, percent};
use crate::language::Language;
use crate::problem::Problem;
use crate::sign_in::Who;
use crate::stating::{changed_grounds, say, site};

crate::words::words! {
    title: "Biên bản sử dụng lại kết quả chẩn đoán hình ảnh", "Record of the reuse of an imaging result";
    print_hint: "In trang này để lưu hồ sơ bệnh án.", "Print this page for the medical record.";
    decision: "Quyết định", "Decision";
    reuse: "Sử dụng lại kết quả đã có", "Reuse the stored exam";
    second_reading: "Sử dụng lại và đọc lại lần hai", "Reuse with a second reading";
    repeat: "Chụp lại", "Repeat the exam";
    withdrawn: "Quyết định đã được thu hồi", "The decision was withdrawn";
    decided_by: "Người quyết định", "Decided by";
    decided_at: "Thời điểm", "Decided at";
    order: "Chỉ định", "Order";
    exams: "Kỹ thuật được chỉ định", "Ordered exams";
    facility: "Cơ sở chỉ định", "Ordering facility";
    episode: "Mã đợt điều trị (MA_LK)", "Episode (MA_LK)";
    patient: "Người bệnh", "Patient";
    prior: "Lần chụp trước", "Prior exam";
    performed: "Ngày chụp", "Performed";
    days_ago: "{n} ngày trước", "{n} days ago";
    performed_by: "Cơ sở thực hiện", "Performing facility";
    studies: "Mã ca chụp", "Studies";
    verdict: "Kết luận của hệ thống khi quyết định", "Answer of the archive at that time";
    usable: "Dùng lại được", "usable";
    review: "Cần bác sĩ xem xét", "to be reviewed";
    not_usable: "Không dùng lại được", "not usable";
    not_applicable: "Không áp dụng", "not applicable";
    found_nothing: "Không tìm thấy lần chụp nào", "found nothing";
    checks: "Các tiêu chí", "Checks";
    reasons: "Lý do", "Reasons";
    none: "Không có", "None";
    amounts: "Chi phí chụp tránh được (đã xác nhận)", "Avoided cost (confirmed)";
    exam_amount: "Tiền dịch vụ", "Exam";
    film_amount: "Phần tiền phim", "Film part";
    lower_bound: "mức thấp nhất trong các mã dịch vụ có thể", "lowest of the possible service codes";
    no_amount: "Chưa có số tiền được xác nhận.", "No amount is confirmed.";
    amended: "Phiếu kết quả đã được sửa, hủy hoặc thay thế sau quyết định này. Cần xem lại.", "A report was amended, cancelled or replaced after this decision. It has to be looked at again.";
    versions: "Phiên bản chính sách", "Version of the policy";
    clinical_change: "Tình trạng lâm sàng thay đổi", "Clinical change";
    too_old: "Kết quả đã quá cũ", "Too old";
    poor_quality: "Chất lượng hình ảnh không đạt", "Poor quality";
    other_technique: "Cần kỹ thuật khác", "Another technique is needed";
    follow_up: "Theo dõi sau can thiệp", "Follow-up after an intervention";
    emergency: "Cấp cứu", "Emergency";
    disagreement: "Không đồng ý với kết luận đọc", "Disagreement with the reading";
    not_accessible: "Không truy cập được hình ảnh", "Pictures not accessible";
    doubt: "Nghi ngờ không đúng người bệnh", "Doubt about the person";
    other: "Lý do khác", "Other";
    signature: "Chữ ký bác sĩ", "Signature of the doctor";
}

fn words_of(language: Language) -> &'static Words {
    match language {
        Language::Vietnamese => &VI,
        Language::English => &EN,
    }
}

/// Which decision.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    decision: String,
}

/// What the page shows.
struct Seen {
    stated: Stated,
    decision: Decision,
    order: Order,
    facility: String,
    amended: bool,
    exam_vnd: i64,
    film_vnd: i64,
    lower_bound: bool,
    any_amount: bool,
}

pub(super) async fn page(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Failure> {
    let here = format!("/reuse/record?decision={}", percent(&wanted.decision));
    let token = who.principal.as_ref().map(Principal::facility).filter(|own| *own != FacilityId(0));
    let seen = say(&portal.archive, move |archive| look(archive, &wanted.decision, token)).await;
    let seen = match seen {
        Ok(seen) => seen,
        Err(Problem::NotFound(_)) => return Err(Failure::no_study(language)),
        Err(problem) => return Err(Failure::of(language)(problem)),
    };
    let words = words_of(language);
    let out = shown(language, words, &seen);
    Ok(Frame::new(&portal, language, Place::Inside, words.title, &here).around(&out))
}

fn look(archive: &Archive, key: &str, token: Option<FacilityId>) -> Result<Seen, Problem> {
    let problem = |error: StateError| Problem::from(error);
    let (decision, stated) = archive.decision(key).map_err(problem)?;
    if !site::concerns(token, decision.facility) {
        return Err(Problem::NotFound("decision"));
    }
    let (order, _) = archive.ordered(&decision.order).map_err(problem)?;
    let codes = site::codes(archive.db())?;
    let facility = site::code(&codes, order.facility).cloned().unwrap_or_default();
    let flag = changed_grounds(archive, &decision)?.flag();
    let (entries, _) = archive.db().ledger_of_order(&decision.order)?;
    let mut seen = Seen {
        stated,
        decision,
        order,
        facility,
        amended: flag.is_some(),
        exam_vnd: 0,
        film_vnd: 0,
        lower_bound: false,
        any_amount: false,
    };
    for stated in &entries {
        let Statement::LedgerEntry(entry) = &stated.statement.state else { continue };
        if entry.decision != key {
            continue;
        }
        seen.any_amount = true;
        for line in &entry.lines {
            seen.lower_bound |= line.lower_bound;
            seen.exam_vnd += line.exam_vnd.unwrap_or(0);
            if matches!(entry.event, LedgerEvent::FilmAvoided | LedgerEvent::FilmReversed) {
                seen.film_vnd += line.film_vnd.unwrap_or(0);
            }
        }
    }
    Ok(seen)
}

fn shown(language: Language, words: &Words, seen: &Seen) -> Html {
    let (decision, statement) = (&seen.decision, &seen.stated.statement);
    let mut out = Html::default();
    out.put(format_args!("<article class=\"record\"><h1>{}</h1>", words.title));
    if decision.withdrawn {
        out.put(format_args!("<p class=\"banner bad\"><b>{}</b></p>", words.withdrawn));
    }
    if seen.amended {
        out.put(format_args!("<p class=\"banner bad\" role=\"alert\">{}</p>", words.amended));
    }
    out.put(format_args!("<dl>"));
    let choice = match decision.choice {
        ReuseChoice::Reuse => words.reuse,
        ReuseChoice::ReuseWithSecondReading => words.second_reading,
        ReuseChoice::Repeat => words.repeat,
    };
    term(&mut out, words.decision, choice);
    term(&mut out, words.decided_by, &statement.who.name);
    term(&mut out, words.decided_at, &moment(language, statement.time.ms()));
    term(&mut out, words.order, &decision.order);
    let exams: Vec<String> =
        seen.order.exams.iter().map(|exam| [&*exam.code, &*exam.name].join(" ").trim().to_owned()).collect();
    term(&mut out, words.exams, &exams.join("; "));
    term(&mut out, words.facility, &seen.facility);
    term(&mut out, words.episode, &seen.order.episode);
    let patient = &seen.order.patient;
    term(&mut out, words.patient, &[&*patient.name, &*patient.patient_id, &*patient.birth_date].join(" · "));
    prior(&mut out, language, words, decision);
    let reasons: Vec<&str> = decision.reasons.iter().map(|reason| reason_word(words, *reason)).collect();
    let text = [reasons.join("; "), decision.text.clone(), statement.why.clone()];
    let text: Vec<&str> = text.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
    term(
        &mut out,
        words.reasons,
        if text.is_empty() { words.none.to_owned() } else { text.join(". ") }.as_str(),
    );
    amounts(&mut out, language, words, seen);
    let policy = decision.seen.evidence["policy"].as_str().unwrap_or_default();
    term(&mut out, words.versions, policy);
    out.put(format_args!(
        "</dl><p>{}: ........................................</p><p class=\"noprint\"><small>{}</small></p></article>",
        words.signature, words.print_hint
    ));
    out
}

fn term(out: &mut Html, name: &str, value: &str) {
    if !value.trim().is_empty() {
        out.put(format_args!("<dt>{name}</dt><dd>{}</dd>", Escaped(value)));
    }
}

fn prior(out: &mut Html, language: Language, words: &Words, decision: &Decision) {
    let verdict = match decision.seen.verdict {
        Some(indexer::reuse::Verdict::Usable) => words.usable,
        Some(indexer::reuse::Verdict::Review) => words.review,
        Some(indexer::reuse::Verdict::NotUsable) => words.not_usable,
        Some(indexer::reuse::Verdict::NotApplicable) => words.not_applicable,
        None => words.found_nothing,
    };
    term(out, words.verdict, verdict);
    let prior = decision.seen.evidence["prior"].clone();
    let Ok(prior) = serde_json::from_value::<Listed>(prior) else { return };
    if let Some(day) = prior.performed {
        let ago = prior.days_ago.map(|days| crate::words::with(words.days_ago, days)).unwrap_or_default();
        term(out, words.performed, &format!("{day} ({ago})"));
    }
    term(out, words.performed_by, &prior.facility.clone().unwrap_or_default());
    let uids: Vec<String> = decision.studies.iter().map(ToString::to_string).collect();
    term(out, words.studies, &uids.join(", "));
    let exams = decision.seen.evidence["studies"].as_array().cloned().unwrap_or_default();
    let exams: Vec<&str> = exams.iter().filter_map(|study| study["exam"].as_str()).collect();
    term(out, words.prior, &exams.join("; "));
    let sign = |outcome| match outcome {
        indexer::reuse::Outcome::Pass => "✓",
        indexer::reuse::Outcome::Unknown => "?",
        indexer::reuse::Outcome::Fail => "✗",
    };
    let checks: Vec<String> = prior
        .checks
        .iter()
        .map(|check| {
            let name = indexer::reuse::words::check(check.name);
            let name = if language == Language::Vietnamese { name.vi } else { name.en };
            format!("{} {name}", sign(check.outcome))
        })
        .collect();
    term(out, words.checks, &checks.join(", "));
}

fn amounts(out: &mut Html, language: Language, words: &Words, seen: &Seen) {
    if !seen.any_amount {
        term(out, words.amounts, words.no_amount);
        return;
    }
    let vnd = |amount: i64| {
        let sign = if amount < 0 { "-" } else { "" };
        format!("{sign}{} VND", count(language, amount.unsigned_abs()))
    };
    let mut text = format!("{}: {}", words.exam_amount, vnd(seen.exam_vnd));
    if seen.lower_bound {
        text = format!("{text} ({})", words.lower_bound);
    }
    text = format!("{text}; {}: {}", words.film_amount, vnd(seen.film_vnd));
    term(out, words.amounts, &text);
}

fn reason_word(words: &Words, reason: DecisionReason) -> &'static str {
    match reason {
        DecisionReason::ClinicalChange => words.clinical_change,
        DecisionReason::TooOld => words.too_old,
        DecisionReason::PoorQuality => words.poor_quality,
        DecisionReason::OtherTechniqueNeeded => words.other_technique,
        DecisionReason::FollowUpAfterIntervention => words.follow_up,
        DecisionReason::Emergency => words.emergency,
        DecisionReason::DisagreementWithReading => words.disagreement,
        DecisionReason::NotAccessible => words.not_accessible,
        DecisionReason::DoubtAboutPerson => words.doubt,
        DecisionReason::Other => words.other,
    }
}
