//! The words of the review queue, in Vietnamese and English, side by side.

use crate::language::Language;

crate::words::words! {
    title: "Ca chờ gán mã", "Studies that wait for a code";
    hint: "Máy chưa đủ căn cứ để gán mã các ca này. Chọn kỹ thuật đã thực hiện; lựa chọn được ghi lại cùng tên và thời gian.", "The evidence does not suffice to code these studies. Choose what was performed; the choice is kept with name and time.";
    waiting: "Chờ gán mã", "Waiting";
    proposed: "Danh mục mới gợi ý khác", "The new list says otherwise";
    proposed_hint: "Các ca này giữ mã và phiên bản danh mục đã gán. Danh mục hoặc quy tắc hiện hành sẽ gán khác; chỉ đổi khi có người xác nhận.", "These studies keep the code and list version they got. The list or rules in force would say otherwise; only a person changes them.";
    none: "Không còn ca nào chờ gán mã.", "No study waits for a code.";
    none_proposed: "Không có ca nào mà danh mục hiện hành gợi ý khác.", "There is no study of which the lists in force would say otherwise.";
    who: "Người xác nhận", "Confirmed by";
    who_hint: "Họ tên và chức danh", "Name and position";
    evidence: "Căn cứ gán mã", "Evidence";
    requested: "Chỉ định", "Requested";
    described: "Mô tả ca chụp", "Study";
    series: "Chuỗi ảnh", "Series";
    protocol: "Giao thức", "Protocol";
    views: "Tư thế", "Views";
    codes: "Mã trong ảnh", "Codes in the header";
    candidates: "Gợi ý", "Suggested";
    no_candidate: "Máy không có gợi ý nào.", "There is no suggestion.";
    keep: "Giữ mã đã gán", "Keep what was assigned";
    change: "Đổi mã", "Change";
    would_wait: "Danh mục hiện hành: cần người chọn", "The lists in force: a person has to choose";
    assigned_by: "Đã gán theo phiên bản {n}", "Assigned by version {n}";
    other: "Mã hoặc tên kỹ thuật khác", "Another technique, by code or name";
    rule: "Áp dụng cho mọi ca có cùng mô tả tại cơ sở này", "For all studies with the same text at this facility";
    not_radiology: "Không thuộc điện quang", "Not radiology";
    no_examination: "Không phải ca chụp (thử máy, tài liệu)", "No exam (test, document)";
    confidence: "độ tin cậy", "confidence";
    high: "cao", "high";
    middle: "trung bình", "medium";
    low: "thấp", "low";
    done: "Đã ghi nhận.", "Noted.";
    see: "Xem ca này", "See the study";
    nobody: "Hãy ghi tên người xác nhận.", "Say who confirms it.";
    not_a_technique: "Danh mục không có kỹ thuật này.", "The list has no such technique.";
    taken: "Người khác vừa chọn mã cho ca này. Hãy xem lại.", "Somebody else chose for this study meanwhile. Please look again.";
    refused: "Chưa ghi được: {n}", "Not noted: {n}";
    keys: "Phím: 1–9 gợi ý, o kỹ thuật khác, r quy tắc, n không thuộc điện quang, j k ca sau, ca trước, v xem hình", "Keys: 1–9 suggestion, o another, r rule, n not radiology, j k next, previous, v open";
    about_region: "Vùng", "Region";
    about_contrast: "Tiêm thuốc", "Contrast";
    about_code: "Mã", "Code";
    about_conflict: "Mâu thuẫn", "Contradiction";
    about_machine: "Máy", "Machine";
    about_name: "Tên", "Name";
    about_words: "Chữ", "Words";
    about_facility: "Quy tắc của cơ sở", "Rule of the facility";
    about_person: "Người", "Person";
    about_catalogue: "Danh mục", "List";
    about_exam: "Kỹ thuật", "Exam";
    about_other: "Khác", "Other";
}

/// The words of a language.
pub(super) fn words(language: Language) -> &'static Words {
    match language {
        Language::Vietnamese => &VI,
        Language::English => &EN,
    }
}

impl Words {
    /// What a line of evidence is about.
    pub(super) fn about(&self, about: &str) -> &'static str {
        match about {
            "region" => self.about_region,
            "contrast" => self.about_contrast,
            "code" => self.about_code,
            "conflict" => self.about_conflict,
            "machine" | "detector" | "modality" => self.about_machine,
            "examination" | "intervention" => self.about_exam,
            "name" => self.about_name,
            "words" => self.about_words,
            "facility" => self.about_facility,
            "person" => self.about_person,
            "catalogue" => self.about_catalogue,
            _ => self.about_other,
        }
    }

    /// A confidence from 0 to 1 in words.
    pub(super) fn sure(&self, confidence: f64) -> &'static str {
        match confidence {
            high if high >= 0.8 => self.high,
            middle if middle >= 0.5 => self.middle,
            _ => self.low,
        }
    }
}
