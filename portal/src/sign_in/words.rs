//! The words of signing in, of accounts and of the log, in Vietnamese and English, side by side.

use indexer::principal::Role;

use crate::language::Language;

crate::words::words! {
    sign_in: "Đăng nhập", "Sign in";
    sign_out: "Đăng xuất", "Sign out";
    account: "Tài khoản", "Account";
    password: "Mật khẩu", "Password";
    wrong: "Tên tài khoản hoặc mật khẩu không đúng.", "The account or the password is wrong.";
    wait: "Đã nhập sai quá nhiều lần. Hãy thử lại sau {n} giây.", "Too many failures. Try again in {n} seconds.";
    busy: "Máy chủ đang bận. Hãy thử lại sau ít giây.", "The server is busy. Try again in a few seconds.";
    ask_administrator: "Quên mật khẩu? Hãy liên hệ quản trị viên của kho ảnh.", "Forgotten the password? Ask the administrator of the archive.";
    no_accounts: "Chưa có tài khoản nào. Trên máy chủ, hãy chạy:", "There is no account yet. On the server, run:";
    forbidden: "Tài khoản này chưa được cấp quyền cho việc đó.", "This account may not do that.";
    forbidden_open: "Việc này cần đăng nhập.", "This needs a sign-in.";

    own_account: "Tài khoản của tôi", "My account";
    change_password: "Đổi mật khẩu", "Change the password";
    old_password: "Mật khẩu hiện tại", "Current password";
    new_password: "Mật khẩu mới", "New password";
    repeat_password: "Nhập lại mật khẩu mới", "New password again";
    must_change: "Mật khẩu này do quản trị viên đặt. Hãy chọn mật khẩu của riêng bạn trước khi tiếp tục.", "An administrator set this password. Choose one of your own before you go on.";
    changed: "Đã đổi mật khẩu. Các phiên đăng nhập khác đã kết thúc.", "The password was changed. All other sessions have ended.";
    differ: "Hai lần nhập mật khẩu mới không giống nhau.", "The two new passwords differ.";
    old_wrong: "Mật khẩu hiện tại không đúng.", "The current password is wrong.";
    short: "Mật khẩu cần ít nhất {n} ký tự.", "The password needs at least {n} characters.";
    long: "Mật khẩu quá dài.", "The password is too long.";
    weak: "Mật khẩu quá dễ đoán: lặp lại vài ký tự hoặc chứa tên tài khoản.", "The password is guessed too easily: it repeats a few characters or holds the account's name.";

    ledger: "Sổ ghi nhận", "Ledger";
    accounts: "Tài khoản người dùng", "Accounts";
    person: "Họ tên", "Name of the person";
    roles: "Vai trò", "Roles";
    name_hint: "Chữ thường không dấu, số, dấu chấm, gạch nối", "Lower-case letters, digits, dot, hyphen";
    add: "Thêm tài khoản", "Add an account";
    first_password: "Mật khẩu ban đầu", "First password";
    first_password_hint: "Người dùng phải đổi ở lần đăng nhập đầu tiên.", "It has to be changed at the first sign-in.";
    save: "Lưu", "Save";
    edit: "Sửa", "Edit";
    reset: "Đặt lại mật khẩu", "Set a new password";
    disable: "Khóa tài khoản", "Disable";
    enable: "Mở khóa", "Enable";
    disabled: "Đã khóa", "Disabled";
    enabled: "Đang dùng", "In use";
    waits_for_password: "Chờ đổi mật khẩu", "Has to change its password";
    password_set: "Đặt mật khẩu lúc {n}", "Password set {n}";
    name_wrong: "Tên tài khoản chỉ gồm 1 đến 64 ký tự a–z, 0–9, dấu chấm, gạch nối, gạch dưới.", "The name of an account is 1 to 64 of a–z, 0–9, dot, hyphen, underscore.";
    person_wrong: "Họ tên quá dài.", "The name of the person is too long.";
    exists: "Đã có tài khoản tên này.", "There is an account of this name already.";
    unknown: "Không có tài khoản này.", "There is no such account.";
    no_role: "Hãy chọn ít nhất một vai trò.", "Choose at least one role.";
    last_administrator: "Đây là quản trị viên cuối cùng còn đăng nhập được.", "This is the last administrator who can sign in.";
    failed: "Chưa lưu được. Nhật ký của máy chủ ghi rõ lý do.", "It could not be saved; the server's log says why.";

    doctor: "Bác sĩ lâm sàng", "Doctor";
    radiologist: "Bác sĩ chẩn đoán hình ảnh", "Radiologist";
    technician: "Kỹ thuật viên", "Technician";
    administrator: "Quản trị viên", "Administrator";
    auditor: "Người kiểm tra nhật ký", "Auditor";

    log: "Nhật ký truy cập", "Access log";
    log_hint: "Ai đã xem ca chụp nào, lúc nào, từ đâu. Xem liên tục cùng một nội dung chỉ ghi một dòng.", "Who looked at which study, when and from where. Looking at the same thing again soon is one line.";
    who: "Ai", "Who";
    what: "Nội dung", "What";
    from_where: "Từ địa chỉ", "From";
    when: "Lúc", "When";
    show: "Xem", "Show";
    study_uid: "Mã ca chụp (UID)", "Study Instance UID";
    account_or_token: "Tài khoản hoặc máy", "Account or token";
    export: "Xuất CSV", "Export CSV";
    none: "Chưa có lượt xem nào phù hợp.", "No view matches.";
    earlier: "Cũ hơn", "Earlier";
    local: "(tại máy chủ)", "(at the server)";
    claimed: "{n} (tự khai)", "{n} (as claimed)";
    machine: "{n} (máy)", "{n} (machine)";
    looked_at_page: "Trang ca chụp", "Study page";
    downloaded: "Tải về", "Download";
    took_instances: "Lấy ảnh DICOM", "Instances";
    took_metadata: "Mở ca chụp", "Opened";
    took_frames: "Xem hình", "Images";
    took_rendered: "Xem hình thu nhỏ, tài liệu", "Rendered images, documents";
    took_bulkdata: "Dữ liệu kèm theo", "Bulk data";
    took_version: "Phiên bản của một ảnh", "A version of an instance";
    looked_at_patient: "Danh sách ca chụp của một người bệnh", "A patient's studies";
    lost: "{n} lượt xem chưa ghi được từ khi máy chủ khởi động.", "{n} views could not be written down since the server started.";
}

/// The words of a language.
pub(crate) fn words(language: Language) -> &'static Words {
    match language {
        Language::Vietnamese => &VI,
        Language::English => &EN,
    }
}

/// What a role is called.
pub(crate) fn role(words: &Words, role: Role) -> &'static str {
    match role {
        Role::Doctor => words.doctor,
        Role::Radiologist => words.radiologist,
        Role::Technician => words.technician,
        Role::Administrator => words.administrator,
        Role::Auditor => words.auditor,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn vietnamese_is_composed() {
        let source = include_str!("words.rs");
        assert!(!source.chars().any(|c| ('\u{300}'..='\u{36f}').contains(&c)));
    }
}
