//! Style, script and icon of the pages: part of the program, addressed by their content, so that a browser keeps them
//! for good and a new version of the program is a new address.

use std::sync::LazyLock;

use axum::extract::{Path, Query};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use storage_config::ContentHash;

/// A file.
pub(crate) struct Asset {
    name: &'static str,
    media_type: &'static str,
    text: &'static str,
    version: String,
}

impl Asset {
    fn new(name: &'static str, media_type: &'static str, text: &'static str) -> Asset {
        let mut version = ContentHash::of(text.as_bytes()).to_string();
        version.truncate(16);
        Asset { name, media_type, text, version }
    }

    /// The address that pages use.
    pub(crate) fn address(&self) -> String {
        format!("/assets/{}?v={}", self.name, self.version)
    }
}

/// The style.
pub(crate) static CSS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("portal.css", "text/css; charset=utf-8", include_str!("../assets/portal.css"))
});
/// The script.
pub(crate) static JS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("portal.js", "text/javascript; charset=utf-8", include_str!("../assets/portal.js"))
});
/// The script of the page where files are dropped.
pub(crate) static IMPORT_JS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("import.js", "text/javascript; charset=utf-8", include_str!("../assets/import.js"))
});
/// The script of pages where something is decided: keys for buttons.
pub(crate) static DESK_JS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("desk.js", "text/javascript; charset=utf-8", include_str!("../assets/desk.js"))
});
/// The icon.
pub(crate) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")));

/// The version that a page asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Version {
    #[serde(default)]
    v: String,
}

pub(crate) async fn asset(Path(name): Path<String>, Query(version): Query<Version>) -> Response {
    let all = [&*CSS, &*JS, &*IMPORT_JS, &*DESK_JS, &*ICON];
    let Some(asset) = all.into_iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kept = if version.v == asset.version { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static(kept)),
    ];
    (headers, asset.text).into_response()
}
