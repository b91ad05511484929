//! A sentence for each reason code, in Vietnamese and English. `{name}` stands for a value of the line.
//!
//! Knows words only: no rule reads them.

use std::collections::BTreeMap;

use super::answer::{CheckName, Outcome, Reason, Value, Verdict};

/// A text in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// Vietnamese, NFC.
    pub vi: &'static str,
    /// English.
    pub en: &'static str,
}

const fn words(vi: &'static str, en: &'static str) -> Words {
    Words { vi, en }
}

/// Fills the values of a line into its sentence; a value that is not there leaves a dash.
#[must_use]
pub fn filled(sentence: &str, values: &BTreeMap<String, Value>) -> String {
    let mut text = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, end)) = after.split_once('}') else { break };
        text.push_str(before);
        match values.get(name) {
            Some(Value::Number(number)) => text.push_str(&number.to_string()),
            Some(Value::Decimal(number)) => text.push_str(&number.to_string()),
            Some(Value::Text(value)) if !value.is_empty() => text.push_str(value),
            _ => text.push('–'),
        }
        rest = end;
    }
    text.push_str(rest);
    text
}

/// The badge of a verdict.
#[must_use]
pub fn verdict(verdict: Verdict) -> Words {
    match verdict {
        Verdict::Usable => words("Đủ điều kiện xem xét", "Meets the conditions"),
        Verdict::Review => words("Cần bác sĩ xem xét", "A doctor has to review it"),
        Verdict::NotUsable => words("Không đủ điều kiện", "Does not meet the conditions"),
        Verdict::NotApplicable => words("Không áp dụng", "Not applicable"),
    }
}

/// The outcome of a check.
#[must_use]
pub fn outcome(outcome: Outcome) -> Words {
    match outcome {
        Outcome::Pass => words("Đạt", "Pass"),
        Outcome::Fail => words("Không đạt", "Fail"),
        Outcome::Unknown => words("Chưa rõ", "Unknown"),
    }
}

/// The name of a check.
#[must_use]
pub fn check(name: CheckName) -> Words {
    match name {
        CheckName::Identity => words("Đúng người bệnh", "Identity"),
        CheckName::Coverage => words("Phù hợp chỉ định", "Coverage"),
        CheckName::Integrity => words("Toàn vẹn dữ liệu", "Integrity"),
        CheckName::Completeness => words("Đầy đủ hình ảnh", "Completeness"),
        CheckName::Report => words("Có kết quả đọc đã ký", "Signed report"),
        CheckName::QualityFloor => words("Thông số kỹ thuật tối thiểu", "Technical floor"),
        CheckName::Age => words("Thời gian từ khi chụp", "Age"),
        CheckName::Licence => words("Cơ sở được cấp phép thực hiện", "Licence of the facility"),
        CheckName::ClinicalState => words("Diễn biến lâm sàng", "Clinical state"),
    }
}

/// The sentence of a reason, with places for its values.
#[must_use]
pub fn reason(reason: Reason) -> Words {
    // The codes stand in the order of their checks.
    match reason {
        known if known <= Reason::IdentityConfirmed => of_person(reason),
        known if known <= Reason::RouteDiffers => of_coverage_failed(reason),
        known if known <= Reason::FieldStrength => of_coverage(reason),
        known if known <= Reason::LossyWithinLimit => of_integrity(reason),
        known if known <= Reason::NoGaps => of_completeness(reason),
        known if known <= Reason::ReportSignedDeclared => of_report(reason),
        _ => of_rest(reason),
    }
}

fn of_person(reason: Reason) -> Words {
    match reason {
        Reason::WithdrawnForSafety => words(
            "Đã thu hồi vì an toàn người bệnh (cơ sở {facility})",
            "Withdrawn for the safety of the patient (facility {facility})",
        ),
        Reason::Withdrawn => {
            words("Đã thu hồi tại mọi cơ sở lưu giữ", "Withdrawn by every facility that held it")
        }
        Reason::IdentityCollision => {
            words("Nghi nhầm người bệnh, chưa giải quyết", "An identity collision is open")
        }
        Reason::IdentityCandidate => words(
            "Có thể cùng người, chưa xác nhận ({grounds})",
            "Possibly the same person, not confirmed ({grounds})",
        ),
        Reason::IdentityHospitalNumber => {
            words("Cùng mã người bệnh tại cơ sở", "Same hospital number of the same facility")
        }
        Reason::IdentityPersonalNumber => words(
            "Cùng số định danh cá nhân, ngày sinh và giới tính",
            "Same personal number, birth date and sex",
        ),
        _ => words("Đã có người xác nhận cùng người bệnh", "A person confirmed that it is the same patient"),
    }
}

fn of_coverage_failed(reason: Reason) -> Words {
    match reason {
        Reason::ModalityDiffers => words(
            "Loại máy khác: chỉ định {ordered}, đã có {there}",
            "Other modality: {ordered} ordered, {there} there",
        ),
        Reason::RegionNotCovered => words(
            "Vùng khảo sát không phù hợp: chỉ định {ordered}, đã có {there}",
            "The region is not covered: {ordered} ordered, {there} there",
        ),
        Reason::SideDiffers => words(
            "Khác bên: chỉ định {ordered}, đã có {there}",
            "Other side: {ordered} ordered, {there} there",
        ),
        Reason::KindDiffers => words(
            "Khác loại kỹ thuật: chỉ định {ordered}, đã có {there}",
            "Other kind of exam: {ordered} ordered, {there} there",
        ),
        Reason::ViewMissing => words(
            "Thiếu tư thế: chỉ định {ordered}, đã có {there}",
            "The view is not there: {ordered} ordered, {there} there",
        ),
        Reason::ContrastMissing => words("Chưa tiêm thuốc cản quang", "No contrast medium was given"),
        Reason::UnenhancedMissing => {
            words("Không có chuỗi ảnh trước tiêm thuốc", "There is no series without contrast medium")
        }
        _ => words(
            "Đường dùng thuốc khác: chỉ định {ordered}, đã có {there}",
            "Other route of the contrast medium: {ordered} ordered, {there} there",
        ),
    }
}

fn of_coverage(reason: Reason) -> Words {
    match reason {
        Reason::OrderNotUnderstood => {
            words("Chưa rõ chỉ định: thiếu mã hoặc vùng khảo sát", "The order names no known exam")
        }
        Reason::ExamUnknown => words("Chưa rõ đã chụp gì", "It is not known what exam this is"),
        Reason::RegionUnknown => {
            words("Chưa rõ vùng khảo sát ({ordered})", "The region is not evidenced ({ordered})")
        }
        Reason::BodyPartNotOrdered => {
            words("Chỉ định chưa ghi bộ phận cần chụp", "The order does not name the body part")
        }
        Reason::SideNotOrdered => {
            words("Chỉ định chưa ghi bên phải hay trái", "The order does not name the side")
        }
        Reason::SideNotEvidenced => words("Chưa rõ bên đã chụp", "The side is not evidenced"),
        Reason::ViewNotOrdered => words("Chỉ định chưa ghi tư thế", "The order does not name the view"),
        Reason::ViewNotEvidenced => words(
            "Chưa rõ tư thế: chỉ định {ordered}, đã có {there}",
            "The view is not evidenced: {ordered} ordered, {there} there",
        ),
        Reason::KindNotEvidenced => {
            words("Chưa rõ loại kỹ thuật của chuỗi ảnh", "The kind of the series is not evidenced")
        }
        Reason::ContrastNotOrdered => words(
            "Chỉ định chưa ghi có tiêm thuốc hay không",
            "The order does not say with or without contrast medium",
        ),
        Reason::ContrastNotEvidenced => {
            words("Chưa rõ có tiêm thuốc hay không", "Contrast medium is not evidenced")
        }
        Reason::RouteNotEvidenced => {
            words("Chưa rõ đường dùng thuốc cản quang", "The route of the contrast medium is not evidenced")
        }
        Reason::AxesNotEvidenced => words(
            "Mã chỉ suy ra từ mô tả; chưa có căn cứ riêng cho: {axes}",
            "The code is derived only; not evidenced apart: {axes}",
        ),
        Reason::ImagesContradictCode => words(
            "Ảnh khác với mã ({axis}): mã ghi {code}, ảnh ghi {images}",
            "The images contradict the code ({axis}): code says {code}, images say {images}",
        ),
        Reason::UnenhancedSeriesCounts => words(
            "Có chuỗi ảnh trước tiêm thuốc",
            "A series without contrast medium counts as the plain exam",
        ),
        Reason::CoveredExactly => words("Đúng kỹ thuật được chỉ định", "Exactly the ordered exam"),
        Reason::CoveredByWider => words("Khảo sát rộng hơn chỉ định", "Wider than the ordered exam"),
        Reason::DetectorRows => words("Máy {rows} dãy", "{rows} detector rows"),
        _ => words("Từ lực {tesla} T", "Field strength {tesla} T"),
    }
}

fn of_integrity(reason: Reason) -> Words {
    match reason {
        Reason::HashMismatch => words("Ảnh hỏng: mã băm không khớp", "Damaged: hashes do not agree"),
        Reason::NoOriginalSeries => {
            words("Chỉ có ảnh dẫn xuất hoặc ảnh chụp màn hình", "Only derived images or screen captures")
        }
        Reason::FramesDoNotDecode => {
            words("{frames} khung hình không giải mã được", "{frames} frames do not decode")
        }
        Reason::LossyBeyondLimit => words(
            "Ảnh đã bị nén mất dữ liệu {ratio}:1, vượt mức {limit}:1",
            "Lossy compression {ratio}:1 beyond the limit {limit}:1",
        ),
        Reason::NoSeries => words("Chưa có chuỗi ảnh nào được kiểm tra", "No series of images is known"),
        Reason::NotVerified => words("Chưa đối chiếu mã băm", "Not yet verified by hash"),
        Reason::ChangedSinceVerification => {
            words("Đã thay đổi sau lần đối chiếu mã băm gần nhất", "Changed since it was verified by hash")
        }
        Reason::OriginalityUnknown => {
            words("Chưa rõ là ảnh gốc", "It is not known whether images are original")
        }
        Reason::DecodingNotExamined => words("Chưa thử giải mã ảnh", "Decoding was not examined"),
        Reason::LossyNotExamined => {
            words("Chưa rõ ảnh có bị nén mất dữ liệu", "Lossy compression was not examined")
        }
        Reason::LossyRatioNotTold => {
            words("Ảnh đã bị nén mất dữ liệu, không rõ mức", "Lossy compression of unknown ratio")
        }
        Reason::LossyNoLimit => words(
            "Ảnh đã bị nén mất dữ liệu {ratio}:1; chưa quy định mức cho phép",
            "Lossy compression {ratio}:1; no limit is configured",
        ),
        Reason::Verified => words("Đã đối chiếu mã băm {at}", "Verified by hash {at}"),
        Reason::OriginalSeries => words("Ảnh gốc", "Original images"),
        Reason::FramesDecode => words("Mọi khung hình giải mã được", "All frames decode"),
        Reason::SampledFramesDecode => words(
            "Đã thử giải mã {tried}/{frames} khung hình, đều được; các khung còn lại chưa thử",
            "{tried} of {frames} frames were decoded, all of them well; the others were not tried",
        ),
        Reason::NotLossy => words("Không bị nén mất dữ liệu", "No lossy compression"),
        _ => words(
            "Nén mất dữ liệu {ratio}:1, trong mức {limit}:1",
            "Lossy {ratio}:1 within the limit {limit}:1",
        ),
    }
}

fn of_completeness(reason: Reason) -> Words {
    match reason {
        Reason::ReceivedBelowHalf => words(
            "Nhận được {received}/{expected} ảnh (theo {source}), chưa tới một nửa",
            "{received} of {expected} images (told by {source}), below half",
        ),
        Reason::ReceivedFewer => words(
            "Chưa nhận đủ ảnh: {received}/{expected} (theo {source})",
            "Not all images received: {received} of {expected} (told by {source})",
        ),
        Reason::SliceGaps => words("Thiếu lát cắt: {gaps} chỗ", "Slices are missing in {gaps} places"),
        Reason::UndecodableFrames => words("{frames} khung hình hỏng", "{frames} frames are damaged"),
        Reason::PromisedViewMissing => words("Thiếu tư thế {view}", "The view {view} is missing"),
        Reason::ReceivedNotCounted => words("Chưa đếm số ảnh đã nhận", "Received images were not counted"),
        Reason::ExpectedNotTold => {
            words("Không rõ số ảnh cần có", "The expected number of images was not told")
        }
        Reason::GapsNotExamined => words("Chưa kiểm tra lát cắt", "Gaps between slices were not examined"),
        Reason::PromisedViewNotEvidenced => {
            words("Chưa rõ có tư thế {view}", "It is not evidenced that the view {view} is there")
        }
        Reason::DuplicatePositions => {
            words("{images} ảnh trùng vị trí", "{images} images at a position that another has")
        }
        Reason::ReceivedAll => words(
            "Đã nhận đủ {received}/{expected} ảnh (theo {source})",
            "All {received} of {expected} images (told by {source})",
        ),
        Reason::StepsNotExamined => words(
            "Thông báo của máy chụp (MPPS) chưa được đối chiếu",
            "What the device says it made (MPPS) was not compared yet",
        ),
        Reason::StepInProgress => words(
            "Máy chụp báo đang thực hiện (MPPS): chưa rõ đã đủ ảnh",
            "The device is still at it (MPPS): whether all images are here is not known",
        ),
        Reason::StepDiscontinued => words(
            "Máy chụp báo đã dừng trước khi xong (MPPS): {why}",
            "The device stopped before the end (MPPS): {why}",
        ),
        Reason::StepSeriesUnplaced => words(
            "Còn {series} chuỗi ảnh máy đã chụp (MPPS) chưa nhận, không rõ thuộc ca nào",
            "{series} series that the device made (MPPS) were not received; of which study is not told",
        ),
        _ => words("Không thiếu lát cắt", "No gaps between slices"),
    }
}

fn of_report(reason: Reason) -> Words {
    match reason {
        Reason::ReportCancelled => words("Kết quả đã hủy", "The report was cancelled"),
        Reason::ReportDraft => words("Kết quả chưa duyệt", "The report is a draft"),
        Reason::ReportUnsigned => words("Kết quả chưa ký", "The report is not signed"),
        Reason::ReportReaderMissing => {
            words("Kết quả không ghi bác sĩ đọc", "The report does not name its reader")
        }
        Reason::ReportNone => words("Chưa có kết quả đọc", "There is no report"),
        Reason::ReportHidden => words(
            "Kết quả đọc chỉ hiện khi đã xác nhận đúng người bệnh",
            "A report is shown once it is confirmed whose it is",
        ),
        Reason::ReportStatusNotTold => {
            words("Chưa rõ kết quả đã duyệt chưa", "The status of the report was not told")
        }
        Reason::ReportSignatureNotTold => {
            words("Chưa rõ kết quả đã ký chưa", "It was not told whether the report is signed")
        }
        Reason::ReportSignatureNotVerified => {
            words("Chữ ký theo khai báo, chưa xác minh", "Signed as declared, not verified")
        }
        Reason::ReportSignedVerified => {
            words("Đã ký số, đã xác minh ({reader})", "Signed, signature verified ({reader})")
        }
        _ => words("Đã ký theo khai báo ({reader})", "Signed as declared ({reader})"),
    }
}

fn of_rest(reason: Reason) -> Words {
    match reason {
        Reason::MarkedNonDiagnostic => {
            words("Bác sĩ đánh giá: không chẩn đoán được", "A reader marked it non-diagnostic")
        }
        Reason::MarkedLimited => words("Bác sĩ đánh giá: hạn chế", "A reader marked it of limited quality"),
        Reason::BelowFloor => {
            words("{name} = {value}, không đạt mức tối thiểu", "{name} = {value} does not meet the floor")
        }
        Reason::FloorValueNotTold => words("Không rõ {name}", "{name} is not told"),
        Reason::NoFloor => words("Chưa quy định thông số tối thiểu", "No technical floor is in force"),
        Reason::MarkedAdequate => words("Bác sĩ đánh giá: đạt", "A reader marked it adequate"),
        Reason::FloorMet => words("{name} = {value}, đạt", "{name} = {value} meets the floor"),
        Reason::TooOld => words(
            "{days} ngày trước, quá thời hạn {window_days} ngày",
            "{days} days ago, beyond the window of {window_days} days",
        ),
        Reason::ClockNotBelievableWindowInForce => words(
            "Giờ máy chụp không tin cậy; thời hạn là {window_days} ngày",
            "The device's clock is not believable; a window of {window_days} days is in force",
        ),
        Reason::ClockNotBelievable => {
            words("Giờ máy chụp không tin cậy", "The device's clock is not believable")
        }
        Reason::NoWindowAndOld => words(
            "{days} ngày trước; danh mục chưa quy định thời hạn, quá {limit_days} ngày",
            "{days} days ago; no window is in force, older than {limit_days} days",
        ),
        Reason::NoWindow => words(
            "{days} ngày trước; danh mục chưa quy định thời hạn",
            "{days} days ago; no window is in force",
        ),
        Reason::InsideWindow => words(
            "{days} ngày trước, trong thời hạn {window_days} ngày",
            "{days} days ago, within the window of {window_days} days",
        ),
        Reason::NotLicensed => {
            words("Cơ sở không được cấp phép cho kỹ thuật này", "The facility is not licensed for this exam")
        }
        Reason::LicenceUnknown => words("Chưa rõ giấy phép của cơ sở", "The facility's licence is not known"),
        Reason::Licensed => words("Cơ sở được cấp phép", "The facility is licensed"),
        Reason::ClinicalStateHasChanged => {
            words("Diễn biến lâm sàng thay đổi", "The clinical state has changed")
        }
        Reason::ClinicalStateNotAsked => {
            words("Diễn biến lâm sàng có thay đổi không?", "Has the clinical state changed?")
        }
        _ => words("Diễn biến lâm sàng không thay đổi", "The clinical state has not changed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in() {
        let values = BTreeMap::from([("days".to_owned(), Value::Number(12))]);
        assert_eq!(filled(reason(Reason::NoWindow).en, &values), "12 days ago; no window is in force");
        assert_eq!(filled("{reader} {", &values), "– {");
    }

    #[test]
    fn each_reason_has_its_own_sentence() {
        let mut seen = std::collections::BTreeSet::new();
        let source = include_str!("answer.rs");
        let (_, list) = source.split_once("pub enum Reason {").unwrap();
        for name in list.lines().filter_map(|line| line.trim().strip_suffix(',')) {
            let snake: String = name.chars().enumerate().fold(String::new(), |mut snake, (at, letter)| {
                if letter.is_uppercase() && at > 0 {
                    snake.push('_');
                }
                snake.extend(letter.to_lowercase());
                snake
            });
            let code: Reason = serde_json::from_value(snake.clone().into()).unwrap();
            let words = reason(code);
            assert!(
                seen.insert(words.en) && seen.insert(words.vi),
                "{snake} has the sentence of another: {}",
                words.en
            );
        }
        assert!(seen.len() > 150, "only {} sentences", seen.len());
    }
}
