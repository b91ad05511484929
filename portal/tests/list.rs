//! The study list as people ask it: names in any spelling, numbers, days, pages, languages.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use axum::http::{StatusCode, header};
use fixtures::writer::{Attribute, DataSet, Syntax, Vr, keyword};
use support::{Rig, between};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

/// A study of one small instance.
fn data_set(n: u32, name: &str, patient_id: &str) -> Vec<u8> {
    let root = format!("1.2.826.0.1.3680043.9.7433.1.{n}");
    let mut set = DataSet::new();
    set.put(keyword::SPECIFIC_CHARACTER_SET, "ISO_IR 192")
        .put(keyword::SOP_CLASS_UID, CT)
        .put(keyword::SOP_INSTANCE_UID, format!("{root}.1.1").as_str())
        .put(keyword::STUDY_DATE, format!("2025{:02}{:02}", n / 28 % 12 + 1, n % 28 + 1).as_str())
        .put(keyword::MODALITY, "CT")
        .put(keyword::PATIENT_NAME, name)
        .put(keyword::PATIENT_ID, patient_id)
        .put(keyword::STUDY_INSTANCE_UID, root.as_str())
        .put(keyword::SERIES_INSTANCE_UID, format!("{root}.1").as_str());
    set.encode(Syntax::EXPLICIT_LITTLE)
}

/// A form's value.
fn typed(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn names(rig: &Rig, text: &str) -> Vec<String> {
    rig.search(&format!("q={}", typed(text))).await.names()
}

#[tokio::test]
async fn a_vietnamese_name_is_found_in_any_spelling_and_order() {
    let (rig, _) = Rig::with_demo();
    let all = rig.get("/").await.names();
    assert!(all.len() >= 9, "{all:?}");
    for spelling in [
        "nguyen thi hong anh",
        "Nguyễn Thị Hồng Ánh",
        "ánh hồng",
        "HONG ANH NGUYEN",
        "hong  nguy",
        "Nguye\u{302}\u{303}n Ho\u{302}\u{300}ng",
        "NGUYỄN^THỊ^HỒNG",
    ] {
        let found = names(&rig, spelling).await;
        assert!(found.iter().any(|name| name == "NGUYỄN THỊ HỒNG ÁNH"), "{spelling}: {found:?}");
        assert!(found.iter().any(|name| name == "NGUYEN THI HONG ANH"), "{spelling}: {found:?}");
        assert!(found.iter().all(|name| name.starts_with("NGUY")), "{spelling}: {found:?}");
    }
    assert_eq!(names(&rig, "dang dung").await.len(), names(&rig, "Đặng Dung").await.len());
    assert!(names(&rig, "không ai cả").await.is_empty());
}

#[tokio::test]
async fn numbers_and_modalities_are_understood_in_the_same_box() {
    let (rig, _) = Rig::with_demo();
    let both = names(&rig, "2600012345").await;
    assert!(both.iter().any(|name| name.starts_with("NGUYỄN")), "{both:?}");
    assert!(both.iter().any(|name| name == "PHẠM VĂN ĐỨC"), "a number alone joins nobody: {both:?}");
    assert_eq!(names(&rig, "phạm 26000").await, ["PHẠM VĂN ĐỨC"]);
    assert_eq!(names(&rig, "pat_1182").await, ["HUỲNH THANH TÚ"], "capitals do not matter");
    assert_eq!(names(&rig, "118204").await, ["HUỲNH THANH TÚ"], "the end of a number");
    assert_eq!(names(&rig, "yen mri").await, ["VÕ HOÀNG YẾN"]);
    assert!(names(&rig, "yen ct").await.is_empty());
    let by_filter = rig.search(&format!("q={}&m=mr", typed("yen"))).await.names();
    assert_eq!(by_filter, ["VÕ HOÀNG YẾN"]);
}

#[tokio::test]
async fn an_address_tells_nothing_of_a_patient() {
    let (rig, _) = Rig::with_demo();
    let to = rig.search_address(&format!("q={}&from=2020-01-01&to=&m=xr", typed("Hồng Ánh"))).await;
    let (search, rest) = to.strip_prefix("/?s=").unwrap().split_once('&').unwrap();
    assert!(search.len() == 32 && search.bytes().all(|b| b.is_ascii_hexdigit()), "{to}");
    assert_eq!(rest, "from=2020-01-01&m=xr");
    let page = rig.get(&to).await;
    assert_eq!(page.header(header::REFERRER_POLICY), "same-origin");
    assert_eq!(page.header(header::CACHE_CONTROL), "private, no-store");
    assert!(page.text().contains("value=\"Hồng Ánh\""));
    let links = between(&page.text(), "href=\"", "\"");
    assert!(links.iter().all(|link| !link.to_lowercase().contains("anh")), "{links:?}");
    // A text that was forgotten is told of, and nothing pretends to be its result.
    let forgotten = rig.get("/?s=00000000000000000000000000000000").await.text();
    assert!(forgotten.contains("không còn giữ nội dung tìm kiếm"));
    assert_eq!(rig.search_address("q=++&from=&to=&m=").await, "/");
}

#[tokio::test]
async fn names_that_are_markup_stay_text() {
    let rig = Rig::new();
    let hostile = "<script>alert(1)</script>^\"'><img src=x>";
    rig.store("1.2.840.10008.1.2.1", &data_set(1, hostile, "<u>&\"'"));
    for path in ["/", "/studies/1.2.826.0.1.3680043.9.7433.1.1"] {
        let page = rig.get(path).await;
        let text = page.text();
        assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{text}");
        assert!(
            !text.contains("<script>alert") && !text.contains("<img src=x") && !text.contains("<u>"),
            "{text}"
        );
        let policy = page.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    }
    let searched = rig.search(&format!("q={}", typed("\"><script>alert(2)</script>"))).await.text();
    assert!(searched.contains("value=\"&quot;&gt;&lt;script&gt;") && !searched.contains("<script>alert"));
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let rig = Rig::new();
    for n in 0..120 {
        rig.store("1.2.840.10008.1.2.1", &data_set(n, "TRẦN^VĂN^AN", &format!("T{n:03}")));
    }
    for start in ["/".to_owned(), rig.search_address("q=tran").await, rig.search_address("q=t").await] {
        let (mut next, mut seen, mut lengths) = (Some(start), Vec::new(), Vec::new());
        while let Some(address) = next {
            let page = rig.get(&address).await;
            let studies = page.studies();
            lengths.push(studies.len());
            seen.extend(studies);
            next =
                between(&page.text(), "rel=\"next\" href=\"", "\"").pop().map(|to| to.replace("&amp;", "&"));
        }
        assert_eq!(lengths, [50, 50, 20]);
        let mut unique = seen.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), 120);
        let first = "1.2.826.0.1.3680043.9.7433.1.119";
        assert_eq!(seen[0], first, "newest first");
    }
    let october = rig.get("/?from=2025-01-03&to=2025-01-05").await.studies();
    assert_eq!(october.len(), 3);
    assert_eq!(rig.get("/?from=2025-01-05&to=2025-01-03").await.studies().len(), 3, "the wrong way round");
    for odd in ["/?page=0", "/?page=-3", "/?page=x", "/?from=yesterday", "/?m=%3Cb%3E", "/?page=99999999"] {
        assert_eq!(rig.get(odd).await.status, StatusCode::OK, "{odd}");
    }
}

#[tokio::test]
async fn the_part_that_changes_is_sent_only_when_it_did() {
    let rig = Rig::new();
    assert!(rig.get("/").await.text().contains("Kho chưa có ca chụp nào"));
    rig.store("1.2.840.10008.1.2.1", &data_set(1, "LÊ^AN", "P1"));
    let part = rig.get("/?part=1").await;
    assert!(!part.text().contains("<html") && part.names() == ["LÊ AN"]);
    let etag = part.header(header::ETAG).to_owned();
    let same = rig.get_with("/?part=1", &[(header::IF_NONE_MATCH, &etag)]).await;
    assert_eq!((same.status, same.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let whole = rig.get("/").await.text();
    assert!(whole.contains(&format!("data-etag={etag}")), "the page knows the ETag of its part");
    rig.store("1.2.840.10008.1.2.1", &data_set(2, "LÊ^BA", "P2"));
    let other = rig.get_with("/?part=1", &[(header::IF_NONE_MATCH, &etag)]).await;
    assert_eq!(other.names(), ["LÊ BA", "LÊ AN"]);
}

#[tokio::test]
async fn only_an_announced_number_makes_a_study_complete_or_not() {
    let rig = Rig::new();
    let announced = Attribute::new(0x0020, 0x1208, Vr::Is);
    let with = |n: u32, number: &str, sop: u32, told: Option<&str>| {
        let root = format!("1.2.826.0.1.3680043.9.7433.5.{n}");
        let mut set = DataSet::new();
        set.put(keyword::SOP_CLASS_UID, CT)
            .put(keyword::SOP_INSTANCE_UID, format!("{root}.1.{sop}").as_str())
            .put(keyword::MODALITY, "CT")
            .put(keyword::STUDY_INSTANCE_UID, root.as_str())
            .put(keyword::SERIES_INSTANCE_UID, format!("{root}.1").as_str())
            .put(keyword::INSTANCE_NUMBER, number);
        if let Some(told) = told {
            set.put(announced, told);
        }
        rig.store("1.2.840.10008.1.2.1", &set.encode(Syntax::EXPLICIT_LITTLE));
    };
    for (sop, number) in ["1", "2", "3", "4", "9"].iter().enumerate() {
        with(1, number, sop as u32 + 1, None);
    }
    let list = rig.get("/").await.text();
    assert!(list.contains("Đã nhận</span>") && !list.contains("Thiếu ảnh"), "holes are no number: {list}");
    let study = rig.get("/studies/1.2.826.0.1.3680043.9.7433.5.1").await.text();
    assert!(study.contains("Thiếu số ảnh: 5–8"), "{study}");
    with(2, "1", 1, Some("2"));
    let list = rig.get("/").await.text();
    assert!(list.contains("Thiếu ảnh</span>") && list.contains("1/2 ảnh"), "{list}");
    with(2, "2", 2, Some("2"));
    let list = rig.get("/").await.text();
    assert!(list.contains("Đã nhận đủ</span>") && !list.contains("Thiếu ảnh"), "{list}");
}

#[tokio::test]
async fn the_language_is_the_readers() {
    let rig = Rig::new();
    let page = rig.get("/").await.text();
    assert!(page.contains("<html lang=\"vi\">") && page.contains("Danh sách ca chụp"));
    let english = rig.get_with("/", &[(header::ACCEPT_LANGUAGE, "en-US,en;q=0.9")]).await.text();
    assert!(english.contains("<html lang=\"en\">") && english.contains("Study list"));
    let chosen = rig.get("/language/en?to=%2Fstate").await;
    assert_eq!((chosen.status, chosen.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/state"));
    let cookie = chosen.header(header::SET_COOKIE).split(';').next().unwrap().to_owned();
    let state = rig.get_with("/state", &[(header::COOKIE, &cookie), (header::ACCEPT_LANGUAGE, "vi")]).await;
    assert!(state.text().contains("System status"));
    let elsewhere = rig.get("/language/vi?to=%2F%2Fevil.example").await;
    assert_eq!(elsewhere.header(header::LOCATION), "/");
    assert_eq!(rig.get("/language/xx").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn files_of_the_pages_are_kept_by_their_content() {
    let rig = Rig::new();
    let page = rig.get("/").await.text();
    for kind in ["portal.css", "portal.js", "icon.svg"] {
        let address = between(&page, "=\"", "\"").into_iter().find(|a| a.contains(kind)).unwrap();
        let file = rig.get(&address).await;
        assert_eq!(file.status, StatusCode::OK);
        assert!(file.header(header::CACHE_CONTROL).contains("immutable"), "{address}");
        assert_eq!(rig.get(&format!("/assets/{kind}")).await.header(header::CACHE_CONTROL), "no-cache");
    }
    assert_eq!(rig.get("/assets/..%2Fsrc%2Flib.rs").await.status, StatusCode::NOT_FOUND);
}
