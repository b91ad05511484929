//! The reasons of a decision in words.

use crate::language::Language;

crate::words::words! {
    clinical_change: "Diễn biến lâm sàng thay đổi", "Clinical change";
    too_old: "Kết quả đã quá lâu", "Too old";
    poor_quality: "Chất lượng hình ảnh không đạt", "Poor image quality";
    other_technique_needed: "Cần kỹ thuật khác (vùng, bên, tư thế, tiêm thuốc)", "Another technique is needed";
    follow_up_after_intervention: "Theo dõi, kiểm tra sau can thiệp/phẫu thuật", "Follow-up, control after intervention";
    emergency: "Cấp cứu, không thể chờ", "Emergency";
    disagreement_with_reading: "Không thống nhất với kết quả đọc trước", "Disagreement with the prior reading";
    not_accessible: "Không mở được hình ảnh hoặc kết quả", "Not accessible";
    doubt_about_person: "Nghi ngờ không đúng người bệnh", "Doubt about the person";
    other: "Lý do khác (ghi rõ)", "Other (say which)";
}

/// Each reason by its name in records, with its words.
pub(super) fn reasons(language: Language) -> [(&'static str, &'static str); 10] {
    let words = match language {
        Language::Vietnamese => &VI,
        Language::English => &EN,
    };
    [
        ("clinical_change", words.clinical_change),
        ("too_old", words.too_old),
        ("poor_quality", words.poor_quality),
        ("other_technique_needed", words.other_technique_needed),
        ("follow_up_after_intervention", words.follow_up_after_intervention),
        ("emergency", words.emergency),
        ("disagreement_with_reading", words.disagreement_with_reading),
        ("not_accessible", words.not_accessible),
        ("doubt_about_person", words.doubt_about_person),
        ("other", words.other),
    ]
}
