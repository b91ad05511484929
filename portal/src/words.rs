//! All words of the pages, in Vietnamese and English, side by side. Vietnamese terms are those of the law and of the
//! shop floor: *người bệnh*, *ca chụp*, *chuỗi ảnh*, *số phiếu chụp*. `{n}` and `{m}` stand for numbers.

/// Makes [`Words`] and one table for each language, so that no word can lack a translation.
macro_rules! words {
    ($($name:ident: $vi:literal, $en:literal;)*) => {
        /// The words of one language.
        #[derive(Debug)]
        pub(crate) struct Words { $(pub $name: &'static str,)* }
        /// Vietnamese.
        pub(crate) static VI: Words = Words { $($name: $vi,)* };
        /// English.
        pub(crate) static EN: Words = Words { $($name: $en,)* };
    };
}

pub(crate) use words;

words! {
    product: "Kho ảnh DICOM", "DICOM archive";
    skip: "Đến nội dung chính", "Skip to the content";
    other_language: "English", "Tiếng Việt";
    study_list: "Danh sách ca chụp", "Study list";
    import: "Nhập ảnh", "Import";
    review: "Chờ gán mã", "Codes";
    reconciliation: "Đối chiếu chỉ định", "Orders";
    collisions: "Nghi nhầm / trùng", "Collisions";
    intakes: "Ảnh mang đến", "Brought pictures";
    withdrawn_studies: "Ca đã thu hồi", "Withdrawn studies";
    to_do: "Việc cần làm", "To do";
    system: "Hệ thống", "System";
    system_status: "Tình trạng hệ thống", "System status";
    offline: "Mất kết nối với máy chủ – danh sách chưa được cập nhật.", "The server cannot be reached – this list is not up to date.";
    refused_disk: "Ổ đĩa bị lỗi khi ghi; hệ thống sẽ nhận lại khi ổ đĩa ghi được.", "The disk failed; images are taken again when it passes a self-test.";
    refused_space: "Ổ đĩa sắp đầy.", "The disk is almost full.";
    refused_index: "Cơ sở dữ liệu chỉ mục không ghi được hoặc không trả lời.", "The index cannot be written or does not answer.";
    refused_upload: "Kho đám mây không nhận hoặc còn quá nhiều dữ liệu chờ tải lên.", "The object store takes nothing, or too much waits for its upload.";
    refused_stopping: "Hệ thống đang dừng.", "The archive is stopping.";
    not_taking: "Hệ thống KHÔNG nhận ảnh", "The archive is NOT taking images";

    search: "Tìm", "Search";
    search_label: "Tìm ca chụp", "Search studies";
    search_hint: "Tìm theo tên (có dấu hoặc không dấu), mã, số phiếu", "Name (any spelling), patient ID, accession";
    filters: "Bộ lọc", "Filters";
    from: "Từ", "From";
    to: "Đến", "To";
    modality: "Loại chụp", "Modality";
    any_modality: "Tất cả", "All";
    any_day: "Mọi ngày", "Any day";
    today: "Hôm nay", "Today";
    last_7_days: "7 ngày qua", "Last 7 days";
    last_30_days: "30 ngày qua", "Last 30 days";
    clear: "Xóa tìm kiếm", "Clear search";
    search_forgotten: "Máy chủ không còn giữ nội dung tìm kiếm này. Hãy tìm lại.", "The server no longer remembers this search. Please search again.";
    too_much: "Nội dung tìm kiếm quá dài hoặc có quá nhiều ký tự thay thế.", "The search is too long or has too many wildcards.";
    old_left_out: "Chỉ tìm trong các ca mới nhất. Hãy thêm tên hoặc khoảng ngày để tìm cả ca cũ.", "Only the newest studies were searched. Add a name or a range of days to reach older ones.";
    none_found: "Chưa tìm thấy ca chụp nào phù hợp.", "No matching study was found.";
    none_found_hint: "Thử ít chữ hơn, bỏ bớt bộ lọc, hoặc tìm theo mã người bệnh.", "Try fewer words, fewer filters, or the patient ID.";
    empty: "Kho chưa có ca chụp nào.", "The archive holds no study yet.";
    empty_hint: "Cho máy chụp gửi ảnh tới:", "Let modalities send to:";
    reuse_decisions: "Quyết định sử dụng lại kết quả", "Reuse decisions";
    reports_amended: "{n} quyết định dựa trên phiếu kết quả đã được sửa sau đó", "{n} decisions rely on a report that was amended since";
    film_billed: "{n} lần trả kết quả thu tiền có phim nhưng không giao phim", "{n} hand-overs were billed with film although none was handed over";
    page: "Trang {n}", "Page {n}";
    newer: "Mới hơn", "Newer";
    older: "Cũ hơn", "Older";
    pages: "Các trang", "Pages";
    first_page: "Về trang đầu", "First page";
    next_page: "Trang sau", "Next page";

    time: "Thời gian", "Time";
    patient: "Người bệnh", "Patient";
    patient_id: "Mã người bệnh", "Patient ID";
    study: "Ca chụp", "Study";
    images: "Ảnh", "Images";
    state: "Trạng thái", "State";
    no_name: "(không có tên)", "(no name)";
    no_date: "Không rõ ngày", "Date unknown";
    no_description: "Không có mô tả", "No description";
    exam_waits: "chờ duyệt", "to be reviewed";
    exam_waits_why: "Tên dịch vụ do máy gợi ý, chờ người có thẩm quyền xác nhận", "The archive suggests this examination; a person still has to confirm it";
    exam_named: "Tên kỹ thuật theo danh mục", "Examination by the national list";
    male: "Nam", "Male";
    female: "Nữ", "Female";
    other_sex: "Khác", "Other";
    years_old: "{n} tuổi", "{n} y";
    months_old: "{n} tháng tuổi", "{n} months";
    accession: "Số phiếu", "Accession";
    n_series: "{n} chuỗi", "{n} series";
    n_images: "{n} ảnh", "{n} images";
    one_image: "1 ảnh", "1 image";
    receiving: "Đang nhận", "Receiving";
    received: "Đã nhận", "Received";
    incomplete: "Thiếu ảnh", "Incomplete";
    receiving_why: "Ảnh cuối cùng tới cách đây chưa quá {n} giây", "The last image came less than {n} seconds ago";
    received_why: "Không có ảnh mới trong {n} giây; tổng số ảnh chưa được máy chụp xác nhận", "No new image for {n} seconds; the modality has not confirmed the number";
    incomplete_why: "Máy gửi báo có {m} ảnh, mới nhận được {n}", "The sender announced {m} images, {n} are here";
    complete: "Đã nhận đủ", "Complete";
    complete_why: "Đủ {n} ảnh như máy gửi đã báo", "All {n} images that the sender announced";
    thumbnail: "Ảnh thu nhỏ", "Picture";
    identity_conflict: "Nghi nhầm người bệnh", "Patient in doubt";
    open_viewer: "Xem hình", "Open";

    back_to_list: "Về danh sách", "Back to the list";
    series: "Chuỗi ảnh", "Series";
    other_studies: "Các lần chụp khác của người bệnh này", "Other studies of this patient";
    download: "Tải về (ZIP, {n})", "Download (ZIP, {n})";
    download_hint: "Các tệp DICOM nguyên gốc, đúng từng byte như đã nhận.", "The original DICOM files, byte for byte as received.";
    number: "Số", "No.";
    description: "Mô tả", "Description";
    body_part: "Vùng khảo sát", "Body part";
    machine: "Máy chụp", "Modality station";
    missing_numbers: "Thiếu số ảnh: {n}", "Missing instance numbers: {n}";
    issuer: "Nơi cấp mã", "Issuer";
    institution: "Cơ sở chụp", "Institution";
    referring: "Bác sĩ chỉ định", "Referring physician";
    last_received: "Ảnh cuối tới lúc", "Last image received";
    study_uid: "Mã ca chụp (UID)", "Study Instance UID";
    identity_conflict_why: "Các ảnh của ca này ghi khác nhau về người bệnh. Hãy đối chiếu trước khi đọc kết quả.", "The images of this study name different patients. Check before reading.";
    no_study: "Không có ca chụp này trong kho.", "There is no such study in the archive.";
    failed: "Máy chủ chưa trả lời được. Nhật ký của máy chủ ghi rõ lý do.", "The server could not answer; its log says why.";

    taking: "Đang nhận ảnh", "Taking images";
    connect: "Kết nối", "Connections";
    send_to: "Máy chụp gửi ảnh tới", "Modalities send to";
    ae_title: "AE title", "AE title";
    address: "Địa chỉ", "Address";
    holdings: "Đang lưu trữ", "Holdings";
    patients: "Người bệnh", "Patients";
    studies: "Ca chụp", "Studies";
    other_versions: "Phiên bản khác", "Other versions";
    disk: "Ổ đĩa", "Disk";
    disk_free: "Còn trống {n} trong tổng số {m}", "{n} free of {m}";
    disk_unknown: "Chưa biết dung lượng ổ đĩa.", "The size of the disk is not known.";
    growth: "Tăng thêm mỗi ngày", "Growth per day";
    growth_unknown: "Chưa đủ số liệu (cần ít nhất một ngày)", "Not enough figures yet (at least a day is needed)";
    growth_over: "{n} mỗi ngày, tính trong {m} ngày gần nhất", "{n} a day over the last {m} days";
    days_left: "Dung lượng còn khoảng", "Room for about";
    days: "{n} ngày", "{n} days";
    stored: "Dữ liệu đã lưu", "Stored data";
    stored_as_sent: "{n} (máy chụp đã gửi {m})", "{n} (modalities sent {m})";
    machines: "Máy chụp và kết nối", "Machines and connections";
    machines_none: "Chưa có máy nào gửi ảnh.", "No machine has sent an image yet.";
    last_image: "Nhận ảnh gần nhất", "Last image";
    last_echo: "Kiểm tra kết nối gần nhất", "Last verification";
    last_error: "Lỗi gần nhất", "Last failure";
    never: "chưa bao giờ", "never";
    silent: "Im lặng", "Silent";
    silent_why: "Không gửi ảnh quá {n} giờ", "No image for more than {n} hours";
    works: "Hoạt động", "Working";
    fails: "Đang lỗi", "Failing";
    unknown_machines: "Máy lạ chờ cho phép", "Unknown machines waiting";
    unknown_hint: "Đã bị từ chối vì chưa được phép gửi. Chỉ cho phép khi đúng là máy của đơn vị; có hiệu lực ngay.", "Refused because nobody allowed them. Allow a machine only if it is yours; it takes effect at once.";
    allow: "Cho phép", "Allow";
    forget: "Bỏ cho phép", "Forget";
    more_about: "Thêm thông tin", "More";
    machine_name: "Tên gọi", "Name";
    facility: "Cơ sở", "Facility";
    patient_id_is: "Mã người bệnh (PatientID) là", "PatientID identifies";
    id_of_patient: "mã của người bệnh", "the patient";
    id_of_order: "số của mỗi phiếu chỉ định", "one order";
    allowed_by: "Được phép", "Allowed";
    allowed_here: "Trên trang này", "On this page";
    configured: "Tệp cấu hình", "Configuration";
    called_wrong: "Gọi sai tên; trên máy hãy đặt AE đích là {n}", "Calls a wrong title; set {n} on the machine";
    no_title: "AE title không hợp lệ nên không thể cho phép", "Not a valid AE title: it cannot be allowed";
    known_already: "Máy đã được phép", "Allowed already";
    attempts: "Số lần gọi", "Attempts";
    called: "Gọi tới", "Called";
    last_attempt: "Lần cuối", "Last attempt";
    clocks: "Đồng hồ máy sai", "Wrong clocks";
    clocks_hint: "Giờ chụp ghi trong ảnh lệch so với lúc nhận. Ảnh không bị sửa; hãy chỉnh giờ trên máy.", "The time in the images does not fit the time of receipt. Nothing is corrected; set the clock of the machine.";
    station: "Trạm", "Station";
    sent_by: "Gửi bởi", "Sent by";
    off_by: "Lệch", "Off by";
    minutes: "{n} phút", "{n} min";
    hours: "{n} giờ", "{n} h";
    conflicts: "Xung đột dữ liệu", "Data conflicts";
    no_conflicts: "Ca này không có xung đột nào chưa xử lý.", "Nothing of this study is in conflict.";
    choose_version: "Xem và chọn bản dùng", "Compare and choose";
    served_now: "Đang dùng", "Shown now";
    serve_correction: "Dùng bản này: bản đã sửa", "Show this one: a correction";
    serve_mix_up: "Dùng bản này: bản kia bị nhầm", "Show this one: the other is a mix-up";
    your_name: "Tên của bạn", "Your name";
    conflicts_hint: "Không có gì bị ghi đè: mọi phiên bản đều được giữ.", "Nothing is overwritten: all versions are kept.";
    conflict_identity: "Cùng ảnh, khác người bệnh", "Same image, other patient";
    conflict_correction: "Gửi lại với thông tin đã sửa", "Sent again with a corrected header";
    conflict_content: "Cùng mã ảnh, khác nội dung", "Same identifier, other content";
    conflict_patients: "Một ca chụp ghi nhiều người bệnh", "One study names several patients";
    conflict_shared: "Một mã ảnh trong nhiều ca chụp", "One identifier in several studies";
    versions: "Các phiên bản", "Versions";
    more: "… và {n} mục nữa", "… and {n} more";
    unindexable: "Không lập chỉ mục được", "Could not be indexed";
    unindexable_hint: "Dữ liệu vẫn nằm trong kho nhưng không hiện trong danh sách.", "The data are kept but do not show in lists.";
    look: "Việc cần xem", "To look at";
    silent_machines: "Máy im lặng", "Silent machines";
    identity_doubts: "Ca nghi nhầm người bệnh", "Studies with a patient in doubt";
    damaged: "Dữ liệu hỏng", "Damaged data";
    nothing_damaged: "Chưa phát hiện dữ liệu hỏng.", "No damage is known.";
    quarantined: "Ảnh hỏng, đã cách ly", "In quarantine";
    quarantined_hint: "Các bản lưu không khớp mã băm và không được dùng nữa. Nếu không còn bản khác, hãy phục hồi từ bản sao lưu.", "These copies do not match their hash and are not used any more. Where there is no other copy, restore it from a backup.";
    missing_packs: "{n} tệp kho không còn trên ổ đĩa", "{n} packs are not on the disk";
    show_list: "Xem danh sách", "Show the list";
    pack: "Tệp kho số", "Pack no.";
    position: "Vị trí (byte)", "Position (byte)";
    size: "Kích thước", "Size";
    other_copy: "Còn bản khác", "Another copy";
    hash: "Mã băm", "Hash";
    reason: "Lý do", "Reason";
    yes: "Có", "Yes";
    no: "Không", "No";
    verification: "Kiểm tra toàn vẹn", "Verification";
    verified_oldest: "Tệp kho kiểm tra lâu nhất:", "The oldest verification of a pack:";
    verified_never: "Chưa tệp kho nào được kiểm tra", "No pack was verified yet";
    verified_damaged: "Lần kiểm tra gần nhất thấy {n} chỗ hỏng", "The last passes found {n} damaged stretches";
    never_verified: "Tệp kho chưa kiểm tra", "Packs not verified yet";
    n_of_m: "{n} trên {m}", "{n} of {m}";
    verifying: "Đang kiểm tra…", "Being verified now…";
    verified_at: "Kiểm tra lúc", "Verified";
    found_damaged: "Chỗ hỏng", "Damaged";
    open_pack: "đang ghi", "being written";
    packs: "Tệp kho", "Packs";
    backlog: "Chờ tải lên kho đám mây", "Waiting for upload";
    backup: "Sao lưu", "Backup";
    backup_last: "Lần sao lưu gần nhất:", "Last backup:";
    backup_never: "Chưa ghi nhận lần sao lưu nào", "No backup was ever noted";
    backup_label: "Tên bản sao lưu", "Name of the backup";
    backup_note: "Ghi nhận vừa sao lưu", "Note a backup";
    backup_hint: "Hệ thống không tự sao lưu; đây chỉ là ghi nhận của người vận hành.", "The archive makes no backups itself; this is the operator's note.";
    nothing_wrong: "Không có việc gì cần xem lại.", "Nothing needs attention.";
    just_now: "vừa xong", "just now";
    minutes_ago: "{n} phút trước", "{n} min ago";
    hours_ago: "{n} giờ trước", "{n} h ago";
    days_ago: "{n} ngày trước", "{n} days ago";

    import_title: "Nhận hình từ nơi khác", "Import from elsewhere";
    import_hint: "Kéo thả thư mục, tệp ZIP hoặc cả đĩa CD/USB vào đây. Tệp không phải DICOM được bỏ qua; ảnh đã có trong kho không bị lưu lại lần nữa.", "Drop a folder, a ZIP file or a whole CD or USB disk here. Files that are not DICOM are passed over; images that are here already are not stored again.";
    import_drop: "Thả thư mục, tệp ZIP hoặc ảnh vào đây", "Drop a folder, a ZIP file or images here";
    import_or: "hoặc", "or";
    import_folder: "Chọn thư mục hoặc đĩa", "Choose a folder or disc";
    import_files: "Chọn tệp", "Choose files";
    import_options: "Tùy chọn (đặt trước khi gửi)", "Options (before sending)";
    import_brought: "Ảnh người bệnh mang đến (CD, USB, ZIP)", "Pictures that a patient brought (CD, USB, zip)";
    import_brought_hint: "Ghi nơi chụp và mã người bệnh tại đây trước khi thả ảnh. Ảnh chỉ vào hồ sơ của người bệnh sau khi được xác nhận với giấy tờ. Không có người bệnh cụ thể thì để trống.", "Say where they were made and the patient's number here before you drop them. They join the patient's record only after a person confirmed it with a document. Leave it empty where they are for nobody in particular.";
    import_facility: "Nơi chụp (mã cơ sở)", "Facility where they were made (code)";
    import_code: "Mã CSKCB, 5 ký tự", "MA_CSKCB, 5 characters";
    import_patient: "Mã người bệnh tại đây", "The patient's number here";
    import_here: "Cơ sở của mã này", "Facility of that number";
    import_who: "Người nhập", "Imported by";
    import_needs_facility: "Hãy ghi nơi chụp: mã người bệnh trong ảnh là của nơi đó.", "Say where they were made: the numbers in them are of that place.";
    import_needs_who: "Hãy ghi tên người nhập.", "Say who imports them.";
    import_unconfirmed: "Chưa xác nhận đúng người bệnh.", "The person is not confirmed yet.";
    import_confirm: "Đối chiếu và xác nhận", "Compare and confirm";
    import_issuer: "Nơi cấp mã người bệnh", "Issuer of the patient IDs";
    import_source: "Nguồn", "Source";
    import_source_hint: "Ví dụ: CD của bệnh viện tỉnh", "Such as: CD of the province";
    import_no_script: "Trang này cần JavaScript. Không có JavaScript, hãy dùng lệnh: pacs-server import THƯ_MỤC", "This page needs JavaScript. Without it, use the command: pacs-server import FOLDER";
    import_looking: "Đang tìm tệp… {n}", "Looking for files… {n}";
    import_sending: "Đang gửi: {n} trên {m} tệp", "Sending: {n} of {m} files";
    import_unpacking: "Máy chủ đang mở tệp ZIP: {n} trên {m} tệp", "The server is reading the ZIP file: {n} of {m} files";
    import_waiting: "Máy chủ tạm chưa nhận, sẽ tự thử lại: {n}", "The server takes nothing at the moment and is tried again: {n}";
    import_no_server: "Mất kết nối với máy chủ, đang thử lại…", "The server cannot be reached; trying again…";
    import_lost: "Máy chủ đã khởi động lại giữa chừng. Ảnh đã lưu vẫn còn; bấm Tiếp tục để gửi phần còn lại.", "The server was started again meanwhile. What was stored is stored; press Continue to send the rest.";
    import_refused: "Máy chủ từ chối: {n}", "The server refuses: {n}";
    import_done: "Đã xong: {n} tệp", "Done: {n} files";
    import_stopped: "Đã dừng. Ảnh đã lưu vẫn còn trong kho; có thể gửi lại bất cứ lúc nào.", "Stopped. What was stored stays stored; send again at any time.";
    import_stop: "Dừng", "Stop";
    import_continue: "Tiếp tục", "Continue";
    import_not_sent: "Không gửi được", "Not sent";
    import_result: "Kết quả", "Result";
    import_outcome: "Tệp", "Files";
    import_stored: "Đã lưu", "Stored";
    import_duplicates: "Đã có trong kho", "Here already";
    import_versions: "Cùng mã ảnh, khác nội dung (giữ cả hai)", "Same identifier, other content (all kept)";
    import_not_dicom: "Không phải DICOM", "Not DICOM";
    import_dicomdir: "Mục lục đĩa (DICOMDIR)", "Directories of discs (DICOMDIR)";
    import_refusals: "Bị từ chối", "Refused";
    import_csv: "Tải bảng kết quả (CSV)", "Download the table (CSV)";
    import_examples: "Ví dụ", "Examples";

    keys: "Phím tắt", "Keys";
    key_search: "tìm", "search";
    key_move: "lên, xuống", "up, down";
    key_study: "mở ca chụp", "study";
    key_viewer: "xem hình", "viewer";
    key_page: "trang mới hơn, cũ hơn", "newer, older page";
}

/// A text with `n` in the place of its `{n}`.
pub(crate) fn with(text: &str, n: impl std::fmt::Display) -> String {
    text.replace("{n}", &n.to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn vietnamese_is_composed() {
        // A decomposed letter would show and search differently from what people type.
        let source = include_str!("words.rs");
        assert!(!source.chars().any(|c| ('\u{300}'..='\u{36f}').contains(&c)));
    }
}
