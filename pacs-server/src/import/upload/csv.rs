//! The report of an import as a table for a spreadsheet (RFC 4180, UTF-8 with a mark, as spreadsheets expect).

use portal::spreadsheet::row;

use crate::import::report::ImportReport;

/// The report as text.
pub(super) fn csv(report: &ImportReport) -> String {
    let mut out = String::from("\u{feff}outcome,reason,files,examples\r\n");
    let counts = [
        ("stored", report.stored),
        ("duplicates", report.duplicates),
        ("versions", report.versions),
        ("not DICOM", report.not_dicom),
        ("DICOMDIR", report.dicomdir),
    ];
    for (outcome, count) in counts {
        row(&mut out, [outcome, "", &count.to_string(), ""]);
    }
    for refusal in &report.refusals {
        let examples = refusal.examples.join("\n");
        row(&mut out, ["refused", &refusal.reason, &refusal.count.to_string(), &examples]);
    }
    row(&mut out, ["all files", "", &report.files().to_string(), ""]);
    out
}
