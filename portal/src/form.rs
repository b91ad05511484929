//! What every posted form comes to: work where waiting is allowed, the version that its page showed, and the way back to a
//! page. Knows no form and no statement.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use indexer::archive::{Archive, Basis};

use crate::Portal;
use crate::frame::Failure;
use crate::language::Language;
use crate::problem::Problem;

/// Does the work of a form on a thread where waiting is allowed; what it refuses is told on its page.
pub(crate) async fn done<T: Send + 'static, E: Send + 'static>(
    portal: &Portal,
    language: Language,
    work: impl FnOnce(&Archive) -> Result<T, E> + Send + 'static,
) -> Result<Result<T, E>, Failure> {
    let archive = portal.archive.clone();
    let done = tokio::task::spawn_blocking(move || work(&archive)).await;
    done.map_err(Problem::failed).map_err(Failure::of(language))
}

/// The version that a form's page showed; 0 stands for none.
pub(crate) fn on_version(version: u64) -> Basis {
    Basis::Exactly(Some(version).filter(|version| *version > 0))
}

/// Sends the browser to a page after its form was taken, so that asking for it again says nothing anew.
pub(crate) fn go_to(page: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, page.to_owned())]).into_response()
}
