//! Which requests are views of a study, for the log of views: every resource below a study, also one that comes later,
//! but for searches.

use axum::http::{Method, StatusCode};
use portal::views::{Subject, What};
use storage_config::Uid;

/// What a request looked at, if it was answered with something to look at.
pub(super) fn viewed(method: &Method, path: &str) -> Option<(What, Subject)> {
    if *method != Method::GET {
        return None;
    }
    // Handlers get the parts of a path with their encoding taken off: a study has many addresses.
    let parts: Vec<String> = path.split('/').skip(1).map(decoded).collect::<Option<_>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["studies", study] => Some((What::Page, Subject::Study(uid(study)?))),
        ["studies", study, "download.zip"] => Some((What::Download, Subject::Study(uid(study)?))),
        ["studies", study, ..] => Some((What::Page, Subject::Study(uid(study)?))),
        ["api", "v1", "instances", instance, "versions", _] => {
            Some((What::Version, Subject::Instance(uid(instance)?)))
        }
        ["patients", patient, "dicom-web", "studies"] => {
            // The router takes numbers only; anything else was not answered.
            Some((What::Patient, Subject::Patient((*patient).to_owned())))
        }
        ["patients", _, "dicom-web", rest @ ..] | ["dicom-web", rest @ ..] => below(rest),
        _ => None,
    }
}

/// What a path below the root of DICOMweb names.
fn below(parts: &[&str]) -> Option<(What, Subject)> {
    let ["studies", study, rest @ ..] = parts else { return None };
    let what = match rest.last() {
        // Searches below a study (PS3.18 10.6).
        Some(&"series" | &"instances") => return None,
        Some(&"metadata") => What::Metadata,
        Some(&"rendered" | &"thumbnail") => What::Rendered,
        _ if rest.contains(&"frames") => What::Frames,
        _ if rest.contains(&"bulkdata") => What::Bulkdata,
        _ => What::Instances,
    };
    Some((what, Subject::Study(uid(study)?)))
}

/// A part of a path as the router hands it on; none where it refuses it too, or nothing can have such a name.
fn decoded(part: &str) -> Option<String> {
    let mut out = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

fn uid(text: &str) -> Option<Uid> {
    Uid::parse(text).ok()
}

/// Whether an answer showed something: what it holds, or that what the client kept still holds.
pub(super) fn showed(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::NOT_MODIFIED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_look_at_a_study_is_a_view() {
        let of = |path: &str| viewed(&Method::GET, path).map(|(what, _)| what);
        for root in ["/dicom-web", "/patients/7/dicom-web"] {
            let at = |rest: &str| of(&format!("{root}{rest}"));
            assert_eq!(at("/studies/1.2"), Some(What::Instances));
            assert_eq!(at("/studies/1.2/metadata"), Some(What::Metadata));
            assert_eq!(at("/studies/1.2/series/1.3"), Some(What::Instances));
            assert_eq!(at("/studies/1.2/series/1.3/instances/1.4"), Some(What::Instances));
            assert_eq!(at("/studies/1.2/series/1.3/instances/1.4/frames/1,2"), Some(What::Frames));
            assert_eq!(at("/studies/1.2/series/1.3/instances/1.4/frames/1/rendered"), Some(What::Rendered));
            assert_eq!(at("/studies/1.2/series/1.3/thumbnail"), Some(What::Rendered));
            assert_eq!(at("/studies/1.2/series/1.3/instances/1.4/bulkdata/1"), Some(What::Bulkdata));
            assert_eq!(at("/studies/1.2/something-new"), Some(What::Instances));
            assert_eq!(at("/studies/1.2/series"), None);
            assert_eq!(at("/series"), None);
        }
        assert_eq!(of("/dicom-web/studies"), None);
        assert_eq!(of("/patients/7/dicom-web/studies"), Some(What::Patient));
        assert_eq!(of("/studies/1.2"), Some(What::Page));
        assert_eq!(of("/studies/1.2/download.zip"), Some(What::Download));
        assert_eq!(of("/api/v1/instances/1.4/versions/ab"), Some(What::Version));
        for none in ["/", "/state", "/ohif/viewer", "/studies/..%2f", "/api/v1/instances/1.4/versions"] {
            assert_eq!(of(none), None, "{none}");
        }
        assert_eq!(viewed(&Method::POST, "/dicom-web/studies/1.2"), None);
    }

    /// The router hands a study to its handler with the encoding taken off.
    #[test]
    fn no_way_to_write_an_address_hides_a_view() {
        let study = Some(Subject::Study(uid("1.2").unwrap()));
        let of = |path: &str| viewed(&Method::GET, path).map(|(_, subject)| subject);
        for path in ["/dicom-web/studies/1%2E2/metadata", "/dicom-web/studies/%31.2", "/studies/1.2%20"] {
            assert_eq!(of(path), study, "{path}");
        }
        for path in ["/studies/1.2/download.zip", "/patients/7/dicom-web/studies/1%2e2/series/1.3/rendered"] {
            assert_eq!(of(path), study, "{path}");
        }
        assert_eq!(of("/api/v1/instances/1%2E4/versions/ab"), Some(Subject::Instance(uid("1.4").unwrap())));
        for none in ["/studies/1.2%", "/studies/%FF", "/studies/1.2%2F3"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
