//! The viewer's files as a browser asks for them.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path as FilePath;

use super::*;

const HASHED: &str = "app.bundle.0123456789abcdef.js";

fn put(folder: &FilePath, list: &mut serde_json::Map<String, serde_json::Value>, name: &str, packed: bool) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let plain = format!("plain {name}");
    std::fs::write(&path, &plain).unwrap();
    let mut entry = serde_json::json!({
        "sha256": ContentHash::of(plain.as_bytes()).to_string(), "bytes": plain.len(),
    });
    if packed {
        std::fs::write(folder.join(format!("{name}.br")), "brotli").unwrap();
        std::fs::write(folder.join(format!("{name}.gz")), "gzipped").unwrap();
        entry["br"] = 6.into();
        entry["gz"] = 7.into();
    }
    list.insert(name.into(), entry);
}

fn install(folder: &FilePath) {
    let mut files = serde_json::Map::new();
    for name in ["index.html", HASHED, "app.bundle.css"] {
        put(folder, &mut files, name, true);
    }
    for name in ["0123456789abcdef.wasm", "assets/favicon.ico"] {
        put(folder, &mut files, name, false);
    }
    let list = serde_json::json!({ "version": "1", "files": files });
    std::fs::write(folder.join("viewer.json"), list.to_string()).unwrap();
}

fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
}

async fn ask(
    viewer: &Viewer,
    path: &str,
    sent: &[(header::HeaderName, &str)],
) -> (StatusCode, HeaderMap, String) {
    let response = serve(viewer, path.to_owned(), &headers(sent)).await;
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers.get(name).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_absent_viewer_says_how_to_install_it_and_appears_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let viewer = Viewer::new(folder.path().join("viewer"), "PACS");
    let (status, headers, body) = ask(&viewer, "viewer", &[]).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains("scripts/install-viewer"), "{body}");
    assert_eq!(text(&headers, header::CACHE_CONTROL), "no-store");
    std::fs::create_dir(folder.path().join("viewer")).unwrap();
    install(&folder.path().join("viewer"));
    assert_eq!(ask(&viewer, "viewer", &[]).await.0, StatusCode::OK);
}

#[tokio::test]
async fn addresses_of_the_viewer_give_its_page_and_missing_files_do_not() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path());
    let viewer = Viewer::new(folder.path().to_owned(), "PACS");
    for page in ["viewer", "viewer/archive", "segmentation", "viewer/1.2.840.10008"] {
        let (status, headers, body) = ask(&viewer, page, &[]).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "plain index.html"), "{page}");
        assert_eq!(text(&headers, header::CACHE_CONTROL), "no-cache");
        assert_eq!(text(&headers, header::CONTENT_TYPE), "text/html; charset=utf-8");
        assert!(text(&headers, header::CONTENT_SECURITY_POLICY).contains("'wasm-unsafe-eval'"));
    }
    for missing in ["9.bundle.js", "x.wasm", "viewer/a.CSS", "viewer.json", "index.html.br", "assets/x.png"] {
        assert_eq!(ask(&viewer, missing, &[]).await.0, StatusCode::NOT_FOUND, "{missing}");
    }
    for outside in ["../secret", "a/../../secret", "..", "./viewer", "..\\secret", "/etc/../passwd"] {
        assert_eq!(ask(&viewer, outside, &[]).await.0, StatusCode::NOT_FOUND, "{outside}");
    }
}

#[tokio::test]
async fn names_with_a_hash_are_kept_for_ever_and_others_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path());
    let viewer = Viewer::new(folder.path().to_owned(), "PACS");
    for (name, caching, media_type) in [
        (HASHED, FOR_EVER, "text/javascript; charset=utf-8"),
        ("0123456789abcdef.wasm", FOR_EVER, "application/wasm"),
        ("app.bundle.css", ASK_AGAIN, "text/css; charset=utf-8"),
        ("assets/favicon.ico", ASK_AGAIN, "image/x-icon"),
    ] {
        let (status, headers, body) = ask(&viewer, name, &[]).await;
        assert_eq!((status, body), (StatusCode::OK, format!("plain {name}")));
        assert_eq!(text(&headers, header::CACHE_CONTROL), caching, "{name}");
        assert_eq!(text(&headers, header::CONTENT_TYPE), media_type, "{name}");
        let tag = text(&headers, header::ETAG);
        let (status, headers, body) =
            ask(&viewer, name, &[(header::IF_NONE_MATCH, &format!("\"x\", W/{tag}"))]).await;
        assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{name}");
        assert_eq!(text(&headers, header::CACHE_CONTROL), caching, "{name}");
    }
}

#[tokio::test]
async fn the_packed_form_is_chosen_by_what_the_browser_accepts() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path());
    let viewer = Viewer::new(folder.path().to_owned(), "PACS");
    let plain = format!("plain {HASHED}");
    let mut tags = std::collections::BTreeSet::new();
    for (accept, coding, body) in [
        ("gzip, deflate, br, zstd", "br", "brotli"),
        ("gzip, br;q=0.5", "gzip", "gzipped"),
        ("br;q=0, *", "gzip", "gzipped"),
        ("x-gzip", "gzip", "gzipped"),
        ("deflate", "", plain.as_str()),
        ("br;q=0, gzip;q=0", "", plain.as_str()),
        ("br;q=nonsense", "", plain.as_str()),
    ] {
        let (_, headers, got) = ask(&viewer, HASHED, &[(header::ACCEPT_ENCODING, accept)]).await;
        assert_eq!(got, body, "{accept}");
        assert_eq!(text(&headers, header::CONTENT_ENCODING), coding, "{accept}");
        assert_eq!(text(&headers, header::CONTENT_LENGTH), body.len().to_string(), "{accept}");
        assert_eq!(text(&headers, header::VARY), "Accept-Encoding");
        tags.insert(text(&headers, header::ETAG));
    }
    assert_eq!(tags.len(), 3, "one ETag for each form");
}

#[tokio::test]
async fn a_folder_that_is_not_what_its_list_says_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path());
    let viewer = Viewer::new(folder.path().to_owned(), "PACS");
    std::fs::write(folder.path().join(HASHED), "cut").unwrap();
    let (status, _, body) = ask(&viewer, HASHED, &[]).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(body.contains("damaged"), "{body}");
    let outside = serde_json::json!({ "files": { "../x": { "sha256": "00".repeat(32), "bytes": 1 } } });
    std::fs::write(folder.path().join("viewer.json"), outside.to_string()).unwrap();
    assert_eq!(ask(&viewer, "../x", &[]).await.0, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn bytes_are_shared_by_answers_and_forgotten_after_the_last() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path());
    let shelf = Shelf::new(folder.path().to_owned());
    let found = shelf.list().unwrap().find(HASHED, &[Encoding::Identity]).unwrap();
    let (one, two) = (found.read().unwrap(), found.read().unwrap());
    assert_eq!(one.as_ptr(), two.as_ptr());
    drop((one, two));
    std::fs::write(folder.path().join(HASHED), format!("PLAIN {HASHED}")).unwrap();
    assert!(found.read().unwrap().starts_with(b"PLAIN"));
}

#[tokio::test]
async fn the_settings_name_the_archive_and_keep_their_form() {
    let viewer = Viewer::new("nowhere".into(), "BV \"Đa khoa\" </script>");
    let response = app_config(State(viewer.clone()), HeaderMap::new()).await;
    let tag = text(response.headers(), header::ETAG);
    assert_eq!(text(response.headers(), header::CONTENT_TYPE), "text/javascript; charset=utf-8");
    assert_eq!(text(response.headers(), header::CACHE_CONTROL), "no-cache");
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(body.contains(r#""BV \"Đa khoa\" </script>""#), "{body}");
    assert!(!body.contains("ARCHIVE_NAME"), "{body}");
    let again = app_config(State(viewer), headers(&[(header::IF_NONE_MATCH, &tag)])).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn ohif_does_not_list_studies() {
    let response = study_list().await;
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(text(response.headers(), header::LOCATION), "/");
}
