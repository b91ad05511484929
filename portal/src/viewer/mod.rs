//! OHIF, the viewer, below `/ohif/`: its files out of a folder that `scripts/install-viewer` made, and its settings.
//!
//! Only what the folder's list names is ever opened: no path is built from a request. A file whose name carries a
//! hash never changes and is kept by browsers; everything else is asked for again with its ETag. What the viewer
//! shows it asks of DICOMweb; of the archive this module asks only whose a study is.

mod negotiation;
mod patient;
mod shelf;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use indexer::archive::Archive;
use storage_config::ContentHash;

use negotiation::Encoding;
use shelf::{Found, Shelf, ShelfError};

/// The settings of OHIF; `ARCHIVE_NAME` in it becomes the archive's name.
const APP_CONFIG: &str = include_str!("../../../viewer/app-config.js");

/// What the viewer's pages and workers may do: scripts and data of this server only. OHIF compiles WebAssembly, sets
/// styles inline, starts workers from blobs and shows PDF in an object.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; \
     connect-src 'self' data: blob:; media-src 'self' blob:; object-src 'self' blob:; frame-src 'self' blob:; \
     base-uri 'self'; form-action 'self'; frame-ancestors 'self'";

const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";

/// Endings of files: a path with one of them is never a page of the viewer.
const FILE_ENDINGS: [&str; 15] = [
    "js", "mjs", "css", "wasm", "map", "json", "html", "txt", "svg", "png", "ico", "woff2", "xml", "br", "gz",
];

/// The viewer of one archive. Cheap to clone.
#[derive(Clone)]
pub struct Viewer {
    shelf: Arc<Shelf>,
    app_config: Arc<str>,
    app_config_tag: Arc<str>,
    archive: Option<Archive>,
}

impl Viewer {
    /// The viewer in `folder`, which may be absent, appear or be replaced while the server runs; `archive_name` is
    /// what the viewer calls its source of images.
    #[must_use]
    pub fn new(folder: PathBuf, archive_name: &str) -> Viewer {
        let name = serde_json::Value::from(archive_name).to_string();
        let app_config: Arc<str> = APP_CONFIG.replace("'ARCHIVE_NAME'", &name).into();
        let tag = ContentHash::of(app_config.as_bytes()).to_string();
        Viewer { shelf: Arc::new(Shelf::new(folder)), app_config, app_config_tag: tag.into(), archive: None }
    }

    /// With `archive` to ask whose a study is: a page that opens it is then limited to that patient.
    #[must_use]
    pub fn with_patients_of(mut self, archive: Archive) -> Viewer {
        self.archive = Some(archive);
        self
    }
}

/// The routes, to be merged at the root.
pub fn router(viewer: Viewer) -> Router {
    Router::new()
        .route("/ohif", get(study_list))
        .route("/ohif/", get(study_list))
        .route("/ohif/index.html", get(study_list))
        .route("/ohif/app-config.js", get(app_config))
        .route("/ohif/{*path}", get(page_or_file))
        .with_state(viewer)
}

/// OHIF's own list of studies filters names in the browser and misses Vietnamese ones; ours stands at `/`.
async fn study_list() -> Response {
    go_to("/")
}

fn go_to(address: &str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, address), (header::CACHE_CONTROL, ASK_AGAIN)]).into_response()
}

async fn app_config(State(viewer): State<Viewer>, headers: HeaderMap) -> Response {
    let tag = format!("\"{}\"", viewer.app_config_tag);
    if negotiation::is_known(&headers, &tag) {
        return unchanged(&tag, ASK_AGAIN);
    }
    let body = Bytes::copy_from_slice(viewer.app_config.as_bytes());
    answer("app-config.js", &tag, ASK_AGAIN, Encoding::Identity, body)
}

async fn page_or_file(
    State(viewer): State<Viewer>,
    Path(path): Path<String>,
    Query(parameters): Query<Vec<(String, String)>>,
    address: Uri,
    headers: HeaderMap,
) -> Response {
    let unlimited = page_for(&path).and_then(|_| patient::unlimited(&parameters)).zip(viewer.archive.clone());
    if let Some((studies, archive)) = unlimited {
        match crate::api::ask(&archive, move |archive| patient::of(archive, &studies)).await {
            Ok(Some(key)) => return go_to(&patient::limited(&address, key)),
            Ok(None) => {}
            Err(problem) => return problem.into_response(),
        }
    }
    serve(&viewer, path, &headers).await
}

/// The file `path`, or the viewer's page where `path` is one of its addresses.
async fn serve(viewer: &Viewer, path: String, headers: &HeaderMap) -> Response {
    let encodings = negotiation::accepted(headers);
    let shelf = viewer.shelf.clone();
    // Files are looked up and read where waiting for a disk holds nobody up.
    let looked_up = tokio::task::spawn_blocking(move || {
        let listed = shelf.list()?;
        let name =
            if listed.holds(&path) { path.as_str() } else { page_for(&path).ok_or(ShelfError::NoFile)? };
        let found = listed.find(name, &encodings).ok_or(ShelfError::NoFile)?;
        Ok((name.to_owned(), found))
    });
    let found = match looked_up.await {
        Ok(found) => found,
        Err(error) => Err(ShelfError::Damaged(error.to_string())),
    };
    match found {
        Ok((name, found)) => give(&name, found, headers).await,
        Err(error) => refuse(&error),
    }
}

async fn give(name: &str, found: Found, headers: &HeaderMap) -> Response {
    let caching = if found.named_by_hash() { FOR_EVER } else { ASK_AGAIN };
    let tag = found.tag();
    if negotiation::is_known(headers, &tag) {
        return unchanged(&tag, caching);
    }
    let encoding = found.encoding();
    match tokio::task::spawn_blocking(move || found.read()).await {
        Ok(Ok(body)) => answer(name, &tag, caching, encoding, body),
        Ok(Err(error)) => refuse(&error),
        Err(error) => refuse(&ShelfError::Damaged(error.to_string())),
    }
}

/// The page that stands for every address of the viewer, unless `path` looks like a file or like an attempt to
/// leave the folder.
fn page_for(path: &str) -> Option<&'static str> {
    if path.contains(['\\', '\0']) || path.split('/').any(|part| part == ".." || part == ".") {
        return None;
    }
    let last = path.rsplit('/').next().unwrap_or(path);
    let ending = last.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let is_file = ending.is_some_and(|ending| FILE_ENDINGS.contains(&ending.as_str()));
    (!is_file).then_some("index.html")
}

fn answer(name: &str, tag: &str, caching: &'static str, encoding: Encoding, body: Bytes) -> Response {
    let length = body.len();
    let mut response = Body::from(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(token) = encoding.token() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(token));
    }
    describe(headers, tag, caching);
    response
}

fn unchanged(tag: &str, caching: &'static str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    describe(response.headers_mut(), tag, caching);
    response
}

fn describe(headers: &mut HeaderMap, tag: &str, caching: &'static str) {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    // A worker obeys the policy of its own script, so every file carries it.
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
}

fn refuse(error: &ShelfError) -> Response {
    let (status, text) = match error {
        ShelfError::NotInstalled => (
            StatusCode::NOT_FOUND,
            "Chưa cài trình xem ảnh OHIF. Chạy scripts/install-viewer rồi tải lại trang này.\n\
             The viewer OHIF is not installed. Run scripts/install-viewer, then load this page again.\n",
        ),
        ShelfError::NoFile => (StatusCode::NOT_FOUND, "The viewer has no such file.\n"),
        ShelfError::Damaged(why) => {
            tracing::error!(%why, "the viewer's folder cannot be used");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Thư mục của trình xem ảnh bị hỏng. Xóa thư mục đó rồi chạy lại scripts/install-viewer.\n\
                 The viewer's folder is damaged. Remove it and run scripts/install-viewer again.\n",
            )
        }
    };
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, text).into_response()
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
