//! Pages as a browser gets them, and what a viewer finds below the root of a patient.

use anyhow::{Context as _, Result, bail};

use crate::http::Http;

/// A page that has to be there.
///
/// # Errors
/// When it is not.
pub fn page(web: &mut Http, path: &str) -> Result<String> {
    let page = web.get(path)?;
    if page.status != 200 {
        bail!("{path}: {}", page.status);
    }
    Ok(String::from_utf8_lossy(&page.body).into_owned())
}

/// The key of a study's patient, as the study's page gives it to the viewer.
///
/// # Errors
/// When the page shows no way into the viewer.
pub fn key(web: &mut Http, study: &str) -> Result<String> {
    let text = page(web, &format!("/studies/{study}"))?;
    let (_, rest) = text.split_once("scope=").context("no way into the viewer")?;
    Ok(rest.get(..32).context("no key")?.to_owned())
}

/// Studies below the root of a study's patient, where a viewer looks for priors, sorted.
///
/// # Errors
/// When there is no such root.
pub fn priors(web: &mut Http, study: &str) -> Result<Vec<String>> {
    let key = key(web, study)?;
    let rows = web.json(&format!("/patients/{key}/dicom-web/studies"))?;
    let rows = rows.as_array().context("no list")?;
    let uid = |row: &serde_json::Value| row["0020000D"]["Value"][0].as_str().map(str::to_owned);
    let mut all: Vec<String> = rows.iter().filter_map(uid).collect();
    all.sort();
    Ok(all)
}
