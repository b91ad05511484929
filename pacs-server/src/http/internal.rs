//! What the other servers of the same archive read of this one: packs that are not in the bucket yet.
//!
//! They prove by a secret of the configuration that they belong here; nobody signs in. Only packs are given out, by their
//! names, a bounded part at a time; whoever asks checks what comes.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use storage_config::config::Node;
use storage_config::disk::Disk;
use storage_config::pack::PackName;
use storage_config::{Config, ContentHash};

/// Bytes of one answer, at most.
const PART_BYTES: u64 = 8 << 20;

/// The packs of this server and the secret of those who may read them.
struct Packs {
    folder: PathBuf,
    /// Compared as hashes, so that the time it takes tells nothing of the secret.
    secret: ContentHash,
}

/// The routes; none where the other servers do not reach this one.
pub(crate) fn router(config: &Config) -> Router {
    let Node { url, secret, .. } = &config.node;
    if url.is_empty() {
        return Router::new();
    }
    let secret = ContentHash::of(secret.reveal().as_bytes());
    let packs = Arc::new(Packs { folder: config.packs_dir(), secret });
    Router::new().route("/internal/packs/{name}", get(part)).with_state(packs)
}

async fn part(
    State(packs): State<Arc<Packs>>,
    Path(name): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    if !packs.knows(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let name = name.split('@').next().unwrap_or_default().to_owned();
    let Ok(name) = PackName::of_path(std::path::Path::new(&name)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok()).and_then(bytes_of);
    let read = tokio::task::spawn_blocking(move || packs.read(&name, method == Method::HEAD, range)).await;
    match read {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => StatusCode::NOT_FOUND.into_response(),
        Ok(Err(error)) => {
            tracing::warn!(%error, "a pack could not be read for another server");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// First and last byte of a range (RFC 9110 14.1.2) that says both.
fn bytes_of(range: &str) -> Option<(u64, u64)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

impl Packs {
    /// Whether whoever asks has the secret.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|given| given.to_str().ok());
        let given = given.and_then(|given| given.strip_prefix("Bearer ")).unwrap_or_default();
        let hash = ContentHash::of(given.as_bytes());
        hash.0.iter().zip(&self.secret.0).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }

    fn read(&self, name: &PackName, head: bool, range: Option<(u64, u64)>) -> std::io::Result<Response> {
        let file = Disk::Real.open(&self.folder.join(name.file_name()))?;
        let length = file.len()?;
        if head {
            return Ok([(header::CONTENT_LENGTH, length.to_string())].into_response());
        }
        let Some((from, to)) = range.filter(|(from, to)| from <= to && *to < length) else {
            return Ok(StatusCode::RANGE_NOT_SATISFIABLE.into_response());
        };
        if to - from >= PART_BYTES {
            return Ok(StatusCode::RANGE_NOT_SATISFIABLE.into_response());
        }
        let mut bytes = vec![0; (to - from + 1) as usize];
        file.read_exact_at(&mut bytes, from)?;
        let said = [(header::CONTENT_RANGE, format!("bytes {from}-{to}/{length}"))];
        Ok((StatusCode::PARTIAL_CONTENT, said, bytes).into_response())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_the_secret_is_known() {
        let packs = Packs { folder: PathBuf::new(), secret: ContentHash::of(b"right") };
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            packs.knows(&headers)
        };
        assert!(with("Bearer right"));
        assert!(
            !with("Bearer wrong") && !with("right") && !with("Bearer ") && !packs.knows(&HeaderMap::new())
        );
        assert_eq!(bytes_of("bytes=3-7"), Some((3, 7)));
        assert_eq!((bytes_of("bytes=3-"), bytes_of("bytes=-7"), bytes_of("3-7")), (None, None, None));
    }
}
