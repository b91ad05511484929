//! Reports that are objects of the study: structured reports (PS3.3 C.17.2) and encapsulated PDFs.
//!
//! Somebody who verified a structured report declares it; nobody here checked a signature. A PDF says nothing of its
//! status.

use super::{Image, Series, text};
use crate::reuse::prior::{ReportStatus, ReportVersion, Signature, Stamp};

const ENCAPSULATED_PDF: &str = "1.2.840.10008.5.1.4.1.1.104.1";
/// Basic Text, Enhanced, Comprehensive and Comprehensive 3D SR.
const TEXTS: [&str; 4] = [
    "1.2.840.10008.5.1.4.1.1.88.11",
    "1.2.840.10008.5.1.4.1.1.88.22",
    "1.2.840.10008.5.1.4.1.1.88.33",
    "1.2.840.10008.5.1.4.1.1.88.34",
];
/// Titles in the scheme DCM of what devices measure: no reader's report.
const MEASURED: [&str; 5] = ["113701", "125000", "125100", "125200", "126000"];
/// Documents of one study that are listed at most.
const DOCUMENTS_MAX: usize = 50;

/// What stands before the SOP Instance UID in the name of a report that is an object.
const OBJECT: &str = "object:";

/// The SOP Instance UID of a report that is an object; none for one that was stated.
#[must_use]
pub fn sop_instance(report: &str) -> Option<&str> {
    report.strip_prefix(OBJECT)
}

/// Whether a SOP class may hold a report.
#[must_use]
pub fn may_be_report(sop_class: &str) -> bool {
    sop_class == ENCAPSULATED_PDF || TEXTS.contains(&sop_class)
}

pub(super) fn of(series: &[Series]) -> Vec<ReportVersion> {
    let images = series.iter().flat_map(|series| &series.images);
    images.filter_map(report).take(DOCUMENTS_MAX).collect()
}

fn report(image: &Image) -> Option<ReportVersion> {
    let uid = text(&image.attributes, "00080018").unwrap_or_default();
    let version = |status, reader, signature| ReportVersion {
        report: format!("{OBJECT}{uid}"),
        version: 1,
        status,
        reader,
        signature,
        stamp: Stamp::default(),
    };
    if image.sop_class == ENCAPSULATED_PDF {
        return Some(version(None, None, Signature::NotTold));
    }
    if !TEXTS.contains(&image.sop_class.as_str()) {
        return None;
    }
    let header = image.header.as_ref();
    let title = header.and_then(|header| header.title.as_ref());
    if title.is_some_and(|(value, scheme)| scheme == "DCM" && MEASURED.contains(&value.as_str())) {
        return None;
    }
    let flag = |tag: &str| text(&image.attributes, tag).unwrap_or_default();
    let reader = header.and_then(|header| header.verified_by.clone());
    Some(match (flag("0040A491").as_str(), flag("0040A493").as_str()) {
        ("COMPLETE", "VERIFIED") => version(Some(ReportStatus::Final), reader, Signature::Declared),
        ("COMPLETE", "UNVERIFIED") => version(Some(ReportStatus::Final), reader, Signature::Unsigned),
        ("PARTIAL", _) => version(Some(ReportStatus::Draft), reader, Signature::Unsigned),
        _ => version(None, reader, Signature::NotTold),
    })
}
