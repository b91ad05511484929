//! The words of what stands around a study: doubts about its person, what keeps it, what was verified, where it came from.

use indexer::identity::Ground;
use indexer::statement::Reason;

use crate::language::Language;

crate::words::words! {
    collision: "Đang nghi nhầm / trùng người bệnh: ca này chưa được coi là của ai khác. ", "The person is in collision with another record: until that is resolved this study is nobody else's. ";
    to_collisions: "Xem và giải quyết", "Look and resolve";
    candidates: "{n} hồ sơ có thể cùng một người, chưa xác nhận. ", "{n} records are possibly the same person, not confirmed. ";
    to_person: "Đối chiếu", "Compare";
    damaged: "Có ảnh hỏng ở {n} chuỗi: ảnh hỏng không được hiển thị. ", "Images of {n} series are damaged; what is damaged is not shown. ";
    to_damage: "Xem dữ liệu hỏng", "Show the damage";
    withdrawn_part: "Một phần ca này đã thu hồi. ", "Parts of this study are withdrawn. ";
    to_keeping: "Xem", "Show";
    versions_mix_up: "{n} ảnh giống nhau nhưng ghi người bệnh khác: có thể nhầm người. ", "{n} images are the same and name another patient: possibly a mix-up. ";
    versions_correction: "{n} ảnh được cùng máy gửi lại với thông tin đã sửa. ", "{n} images were sent again by the same source with a corrected header. ";
    versions_other: "{n} ảnh cùng mã nhưng khác nội dung. ", "{n} images have one identifier and other content. ";
    versions_patients: "Ảnh của ca này ghi nhiều người bệnh khác nhau. ", "The images of this study name several patients. ";
    versions_shared: "{n} mã ảnh có trong nhiều ca chụp. ", "{n} identifiers stand in several studies. ";

    keeping: "Lưu giữ và kiểm tra", "Keeping and verification";
    verified: "Kiểm tra toàn vẹn gần nhất", "Last verified";
    verified_all: "{n}: nguyên vẹn", "{n}: whole";
    verified_bad: "{n}: CÓ HỎNG", "{n}: DAMAGED";
    not_verified: "Chưa kiểm tra bản hiện tại", "Not verified as it is now";
    hold: "Lưu giữ theo yêu cầu pháp lý", "Legal hold";
    held: "Đang giữ – không được xóa", "Held – nothing of it may be removed";
    not_held: "Không", "No";
    set_hold: "Bắt đầu giữ", "Set the hold";
    lift_hold: "Bỏ giữ", "Lift the hold";
    lifted: "Đã bỏ giữ", "Lifted";
    why: "Lý do", "Why";
    who: "Người ghi nhận", "Said by";
    who_hint: "Họ tên và chức danh", "Name and position";
    withdraw: "Thu hồi ca này", "Withdraw this study";
    withdraw_hint: "Ca sẽ không còn hiện ở đâu nữa; dữ liệu vẫn được giữ và có thể khôi phục.", "The study is shown nowhere any more; it stays stored and can be given back.";
    reason: "Loại lý do", "Reason";
    withdraw_now: "Thu hồi", "Withdraw";
    restore: "Khôi phục", "Give back";
    restored: "Đã khôi phục", "Given back";
    in_force: "Đang thu hồi", "Withdrawn";
    withdrawals: "Thu hồi", "Withdrawals";
    of_facility: "của cơ sở {n}", "of facility {n}";
    of_all: "của mọi cơ sở", "of all facilities";
    n_images: "{n} ảnh", "{n} images";
    origins: "Nguồn nhận", "Received from";
    origin_line: "{n} ảnh, từ {m}", "{n} images, since {m}";
    steps: "Máy chụp báo (MPPS)", "Told by the device (MPPS)";
    steps_received: "Đã nhận {n}/{m} ảnh máy đã chụp", "{n} of {m} pictures that it made are here";
    step_in_progress: "Đang thực hiện", "Under way";
    step_completed: "Đã xong, {n} ảnh", "Completed, {n} images";
    step_discontinued: "Đã dừng trước khi xong", "Stopped before the end";
    brought: "Ảnh mang đến", "Brought pictures";
    brought_by: "nhập bởi {n}", "imported by {n}";
    withdrawn_title: "Ca chụp đã thu hồi", "This study is withdrawn";
    withdrawn_list: "Ca đã thu hồi", "Withdrawn studies";
    withdrawn_none: "Không có ca nào đang thu hồi.", "Nothing is withdrawn.";
    withdrawn_hint: "Dữ liệu vẫn được giữ. Người có thẩm quyền có thể khôi phục.", "The data are kept. Whoever may withdraw may give them back.";

    person_title: "Ai là một người", "Who is one person";
    person_hint: "Đối chiếu giấy tờ với cả hai bên trước khi xác nhận. Mọi quyết định được ghi lại và đổi lại được ngay.", "Compare a document with both sides before you confirm. Each choice is kept and can be changed at once.";
    this_study: "Ca này", "This study";
    other: "Hồ sơ kia", "The other record";
    linked: "Đã xác nhận cùng một người", "Confirmed as one person";
    by_number: "Cùng mã hoặc số định danh", "By the same number";
    possible: "Có thể cùng một người – chưa xác nhận", "Possibly the same person – not confirmed";
    nobody_else: "Không có hồ sơ nào khác có thể là người này.", "No other record may be this person.";
    same: "Cùng một người – xác nhận", "The same person – confirm";
    not_same: "Không phải cùng người", "Not the same person";
    part: "Tách ra", "Part them";
    document: "Giấy tờ đã xem", "Document seen";
    document_hint: "Ví dụ: CCCD bản gốc", "Such as: identity card, original";
    with_document: "giấy tờ: {n}", "document: {n}";
    agrees: "Trùng khớp", "Agrees in";
    g_number: "mã người bệnh", "patient ID";
    g_personal: "số định danh", "personal number";
    g_name: "họ tên", "name";
    g_birth: "ngày sinh", "birth date";
    g_year: "năm sinh", "year of birth";
    g_sex: "giới", "sex";
    g_card: "thẻ BHYT", "insurance card";
    g_confirmed: "đã xác nhận", "confirmed";
    g_brought: "ảnh do người bệnh mang đến", "pictures that the patient brought";

    r_duplicate: "Trùng lặp", "Duplicate";
    r_wrong_object: "Sai nội dung", "Wrong object";
    r_wrong_patient: "Sai người bệnh", "Wrong patient";
    r_quality: "Chất lượng không đạt", "Poor quality";
    r_patient_safety: "An toàn người bệnh (gửi lại vẫn ẩn)", "Patient safety (hidden also when sent again)";
    r_other: "Khác", "Other";

    forbidden: "Cần bác sĩ chẩn đoán hình ảnh hoặc quản trị kho ảnh.", "A radiologist or an administrator of the archive is needed.";
    nobody: "Hãy ghi tên người ghi nhận.", "Say who says so.";
    no_why: "Hãy ghi lý do.", "Say why.";
    no_document: "Hãy ghi giấy tờ đã xem.", "Say which document was seen.";
    changed: "Người khác vừa thay đổi. Hãy xem lại.", "Somebody else changed it meanwhile. Please look again.";
    failed: "Chưa ghi được: {n}", "Not noted: {n}";
}

/// The words of a language.
pub(super) fn words(language: Language) -> &'static Words {
    match language {
        Language::Vietnamese => &VI,
        Language::English => &EN,
    }
}

impl Words {
    /// Why something is withdrawn.
    pub(super) fn reason_of(&self, reason: Reason) -> &'static str {
        match reason {
            Reason::Duplicate => self.r_duplicate,
            Reason::WrongObject => self.r_wrong_object,
            Reason::WrongPatient => self.r_wrong_patient,
            Reason::Quality => self.r_quality,
            Reason::PatientSafety => self.r_patient_safety,
            Reason::Other => self.r_other,
        }
    }

    /// What speaks for one person.
    pub(super) fn ground(&self, ground: Ground) -> &'static str {
        match ground {
            Ground::HospitalNumber => self.g_number,
            Ground::PersonalNumber => self.g_personal,
            Ground::Name => self.g_name,
            Ground::FullBirthDate => self.g_birth,
            Ground::BirthYear => self.g_year,
            Ground::Sex => self.g_sex,
            Ground::InsuranceCard => self.g_card,
            Ground::Confirmed => self.g_confirmed,
            Ground::Brought => self.g_brought,
        }
    }
}
