//! `/api/v1/conflicts/{study}/{series}/{sop_instance}/served`: which version of an instance is served.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use indexer::statement::Resolution;
use serde_json::{Value, json};

use super::body::{Request, uid};
use super::{say, told_with};
use crate::Portal;
use crate::problem::Problem;

pub(super) async fn serve(
    State(portal): State<Portal>,
    Path((study, series, sop_instance)): Path<(String, String, String)>,
    parts: Parts,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let names = (uid("study", &study)?, uid("series", &series)?, uid("sop_instance", &sop_instance)?);
    let mut request = Request::read(&parts, &body)?;
    let digest = request.digest("digest")?;
    let resolution = match request.needed("kind")?.as_str() {
        "correction" => Resolution::Correction,
        "mix_up" => Resolution::MixUp,
        _ => return Err(Problem::Invalid("kind", "is none of correction, mix_up".into())),
    };
    let basis = request.basis()?;
    request.end()?;
    let Request { who, why, key, .. } = request;
    let stated = say(&portal.archive, move |archive| {
        let names = (&names.0, &names.1, &names.2);
        archive.serve_version(names, (digest, resolution), (key, basis), (who, why))
    })
    .await?;
    let more = json!({ "digest": digest, "kind": resolution.name() });
    Ok((StatusCode::CREATED, Json(told_with(&stated, more))))
}
