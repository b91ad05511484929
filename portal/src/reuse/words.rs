//! The words of the reuse page, in Vietnamese and English, side by side. Sentences of checks are those of the decision.

use indexer::reuse::words as of_decision;
use indexer::reuse::{Outcome, Purpose};
use indexer::statement::OrderStatus;

use crate::language::Language;

crate::words::words! {
    title: "Kiểm tra kết quả đã có", "Is there a usable prior?";
    no_order: "Không có chỉ định này.", "There is no such order.";
    ordered: "Chỉ định", "Ordered";
    urgent: "Cấp cứu", "Urgent";
    found_nothing: "Chưa tìm thấy kết quả trước", "Found nothing";
    asked: "Đã hỏi: {n}", "Asked: {n}";
    not_answered: "Chưa trả lời: {n}", "Not answered: {n}";
    other_exams: "Các lần chụp khác của người bệnh", "Other exams of the patient";
    more_priors: "Kết quả khác ({n})", "Further priors ({n})";
    performed: "Chụp ngày", "Performed";
    today: "hôm nay", "today";
    days_ago: "{n} ngày trước", "{n} days ago";
    clock: "Không rõ ngày chụp", "Day unknown";
    in_order: "Theo chỉ định", "In the order";
    in_study: "Theo ca chụp", "In the study";
    name: "Họ tên", "Name";
    birth: "Ngày sinh", "Born";
    number: "Mã NB", "Patient ID";
    personal: "Số định danh", "Personal no.";
    conclusion: "Kết luận", "Conclusion";
    second_opinion: "Ý kiến khác", "Second opinion";
    second_reading: "Đọc lại tại đây", "Second reading";
    no_report: "Chưa có kết quả đọc.", "There is no report.";
    no_conclusion: "(không ghi kết luận)", "(no conclusion)";
    no_reader: "không ghi bác sĩ đọc", "reader not named";
    draft: "Chưa duyệt", "Draft";
    final_: "Đã duyệt", "Final";
    amended: "Đã sửa đổi", "Amended";
    cancelled: "Đã hủy", "Cancelled";
    report_changed: "Kết quả đã được sửa, hủy hoặc thay thế sau quyết định này. Cần xem lại.", "A report was amended, cancelled or replaced after this decision. It has to be looked at again.";
    made_again: "Đã chụp lại sau quyết định này: khoản tránh chụp lại đã bị đảo.", "The exam was made after this decision: the avoided amount was reversed.";
    taken_back: "Khoản tránh chụp lại của chỉ định này đã bị đảo.", "The avoided amount of this order was reversed.";
    hidden: "Hình ảnh và kết quả được ẩn cho đến khi xác nhận đúng người bệnh.", "Pictures and report are hidden until the identity is confirmed.";
    withdrawn: "Ca chụp đã thu hồi: không hiển thị hình ảnh.", "The study was withdrawn: no pictures are shown.";
    unnamed: "Ca chụp chưa xác nhận người bệnh", "An exam of a person who is not confirmed";
    all_checks: "Tất cả căn cứ", "All checks";
    all_met: "Mọi điều kiện đều đạt", "Every condition is met";
    seen_at: "lúc {n}", "at {n}";
    question: "Diễn biến lâm sàng có thay đổi từ lần chụp này không?", "Has the clinical state changed since this exam?";
    changed_no: "Không thay đổi", "Not changed";
    changed_yes: "Có thay đổi", "Changed";
    ask_first: "Trả lời câu hỏi trước", "Answer the question first";
    view: "Xem hình", "View";
    reuse: "Dùng lại kết quả này", "Reuse";
    second: "Dùng lại hình, đọc lại tại đây", "Reuse with second reading";
    repeat: "Vẫn chụp mới", "Repeat";
    confirm: "Xác nhận", "Confirm";
    back: "Quay lại", "Back";
    reason_needed: "Bắt buộc ghi lý do", "A reason is required";
    despite: "Dùng lại dù có cảnh báo – lý do", "Reuse despite the warnings – reason";
    reason_text: "Ghi rõ (bắt buộc với lý do khác)", "In words (required for another reason)";
    responsible: "Bác sĩ điều trị quyết định và chịu trách nhiệm. Hệ thống chỉ kiểm tra điều kiện.", "The treating doctor decides and is responsible. The archive only checks the conditions.";
    who: "Bác sĩ", "Doctor";
    who_hint: "Họ tên", "Name";
    confirm_person: "Xác nhận đúng người bệnh", "Confirm the person";
    confirm_hint: "Đối chiếu giấy tờ với cả hai bên. Mọi lần xem, chỉ định sau đó đều coi là cùng một người; có thể tách lại bất cứ lúc nào.", "Compare a document with both sides. From then on both are one person everywhere; it can be undone at any time.";
    document: "Giấy tờ đã xem", "Document seen";
    document_hint: "Ví dụ: CCCD bản gốc", "Such as: identity card, original";
    same_person: "Cùng một người", "The same person";
    other_person: "Không phải cùng người", "Not the same person";
    may_not_confirm: "Cần bác sĩ chẩn đoán hình ảnh hoặc quản trị kho ảnh xác nhận đúng người bệnh.", "A radiologist or an administrator of the archive has to confirm the person.";
    cannot_confirm: "Người bệnh của chỉ định chưa có ca nào trong kho nên chưa thể liên kết tại đây.", "The patient of the order has no study here yet and cannot be linked here.";
    collisions: "Cần giải quyết nghi nhầm người bệnh trước khi dùng lại.", "The collision has to be resolved before anything is reused.";
    not_applicable: "Không áp dụng cho chỉ định này; các lần chụp trước để so sánh.", "The question does not arise for this order; priors are listed for comparison.";
    follow_up: "theo dõi", "follow-up";
    post_procedure: "kiểm tra sau can thiệp/phẫu thuật", "control after a procedure";
    intra_operative: "trong mổ", "during an operation";
    closed_reused: "Chỉ định đã đóng: dùng lại kết quả trước.", "The order is closed: a prior is reused.";
    closed_cancelled: "Chỉ định đã hủy.", "The order is cancelled.";
    closed_made: "Đã chụp theo chỉ định này.", "The ordered exam was made.";
    decided_reuse: "Đã dùng lại kết quả trước", "A prior is reused";
    decided_second: "Đã dùng lại hình, đọc lại tại đây", "A prior is reused, with a second reading";
    decided_repeat: "Đã quyết định chụp mới", "The exam is repeated";
    record: "Phiếu ghi nhận", "Record";
    withdraw: "Hủy quyết định", "Withdraw the decision";
    withdraw_why: "Lý do hủy", "Why it is withdrawn";
    ledger: "Sổ ghi nhận", "Ledger";
    refused: "Chưa ghi được: {n}", "Not noted: {n}";
    stale: "Thông tin đã thay đổi từ khi mở trang. Hãy xem lại rồi quyết định.", "Something changed since the page was opened. Please look again and decide.";
    forbidden: "Tài khoản này chưa được cấp quyền cho việc đó.", "This account may not do that.";
    nobody: "Hãy ghi tên bác sĩ quyết định.", "Say who decides.";
}

/// The words of a language.
pub(super) fn words(language: Language) -> &'static Words {
    match language {
        Language::Vietnamese => &VI,
        Language::English => &EN,
    }
}

/// A text of the decision in a language.
pub(super) fn said(language: Language, words: of_decision::Words) -> &'static str {
    match language {
        Language::Vietnamese => words.vi,
        Language::English => words.en,
    }
}

/// The class and the sign of an outcome: never colour alone.
pub(super) fn sign(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Pass => ("pass", "✓"),
        Outcome::Fail => ("fail", "✗"),
        Outcome::Unknown => ("unknown", "?"),
    }
}

impl Words {
    /// A purpose for which the decision does not apply.
    pub(super) fn purpose(&self, purpose: Purpose) -> &'static str {
        match purpose {
            Purpose::FollowUp => self.follow_up,
            Purpose::PostProcedureControl => self.post_procedure,
            Purpose::IntraOperative => self.intra_operative,
            Purpose::Diagnosis | Purpose::Screening | Purpose::Other => "",
        }
    }

    /// What became of an order that is not open any more.
    pub(super) fn closed(&self, status: OrderStatus) -> Option<&'static str> {
        match status {
            OrderStatus::Reused => Some(self.closed_reused),
            OrderStatus::Cancelled => Some(self.closed_cancelled),
            OrderStatus::Completed => Some(self.closed_made),
            OrderStatus::Requested | OrderStatus::InProgress => None,
        }
    }
}
