//! The words of what was brought from elsewhere, in Vietnamese and English, side by side.

use indexer::archive::Standing;

use crate::language::Language;

crate::words::words! {
    title: "Ảnh người bệnh mang đến", "Pictures that patients brought";
    hint: "Ảnh từ đĩa CD, USB, tệp ZIP. Chỉ sau khi người có thẩm quyền đối chiếu giấy tờ và xác nhận, các ca này mới thuộc hồ sơ của người bệnh tại đây.", "From CD, USB or zip. Only after an authorised person compared a document and confirmed it do these studies belong to the patient here.";
    none: "Chưa có ảnh nào được mang đến.", "Nothing was brought yet.";
    from: "Nơi chụp", "Made at";
    brought_for: "Người bệnh tại đây", "Patient here";
    in_pictures: "Ghi trong ảnh mang đến", "In the pictures";
    only_number: "Chưa có ảnh hay chỉ định nào với mã này; hãy kiểm tra lại mã trước khi xác nhận.", "There are no pictures and no orders under this number yet; check the number before you confirm.";
    several: "Nhiều người khác nhau cùng mã này tại đây. Hãy giải quyết nghi nhầm / trùng trước.", "Several people have this number here. Resolve the collision first.";
    number: "Mã NB", "Patient ID";
    label: "Nguồn", "Source";
    imported_by: "Người nhập", "Imported by";
    imported_at: "Lúc nhập", "Imported at";
    studies: "Ca chụp", "Studies";
    n_studies: "{n} ca", "{n} studies";
    gone: "{n} ca đã thu hồi", "{n} studies are withdrawn";
    open: "Chưa xác nhận", "Not confirmed";
    confirmed: "Đã xác nhận", "Confirmed";
    by_number: "Cùng mã hoặc số định danh", "By the same number";
    parted: "Không phải người này", "Not this person";
    collision: "Đang nghi nhầm", "In collision";
    waits: "chờ xác nhận", "to be confirmed";
    with_document: "giấy tờ: {n}", "document: {n}";
    document: "Giấy tờ đã xem", "Document seen";
    document_hint: "Ví dụ: CCCD bản gốc", "Such as: identity card, original";
    who: "Người xác nhận", "Confirmed by";
    who_hint: "Họ tên và chức danh", "Name and position";
    same: "Cùng một người – xác nhận", "The same person – confirm";
    other: "Không phải cùng người", "Not the same person";
    undo: "Tách ra", "Part them again";
    change: "Đổi xác nhận", "Change it";
    forbidden: "Cần bác sĩ chẩn đoán hình ảnh hoặc quản trị kho ảnh xác nhận.", "A radiologist or an administrator of the archive has to confirm it.";
    nobody: "Hãy ghi tên người xác nhận.", "Say who confirms it.";
    no_document: "Hãy ghi giấy tờ đã xem.", "Say which document was seen.";
    changed: "Người khác vừa ghi nhận hoặc đang có nghi nhầm. Hãy xem lại.", "Somebody else said something meanwhile, or a collision is open. Please look again.";
    failed: "Chưa ghi được: {n}", "Not noted: {n}";
    no_such: "Không có lần nhập này.", "There is no such import.";
    to_collisions: "Mở trang nghi nhầm / trùng", "Open the collisions";
    by_account: "tài khoản", "signed in";
    by_claim: "tự khai", "as claimed";
    by_token: "hệ thống khác", "by token";
    by_command: "lệnh trên máy chủ", "by command";
}

/// The words of a language.
pub(crate) fn words(language: Language) -> &'static Words {
    match language {
        Language::Vietnamese => &VI,
        Language::English => &EN,
    }
}

impl Words {
    /// How somebody who was brought stands to the patient: class, sign, word.
    pub(crate) fn standing(&self, standing: Standing) -> (&'static str, &'static str, &'static str) {
        match standing {
            Standing::Open => ("incomplete", "?", self.open),
            Standing::Confirmed => ("received", "✓", self.confirmed),
            Standing::ByNumber => ("received", "✓", self.by_number),
            Standing::Parted => ("quiet", "–", self.parted),
            Standing::Collision => ("doubt", "✗", self.collision),
        }
    }
}
