//! The report of an import as a table for a spreadsheet (RFC 4180, UTF-8 with a mark, as spreadsheets expect).

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
        line(&mut out, &[outcome, "", &count.to_string(), ""]);
    }
    for refusal in &report.refusals {
        let examples = refusal.examples.join("\n");
        line(&mut out, &["refused", &refusal.reason, &refusal.count.to_string(), &examples]);
    }
    line(&mut out, &["all files", "", &report.files().to_string(), ""]);
    out
}

fn line(out: &mut String, cells: &[&str]) {
    for (n, cell) in cells.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        out.push('"');
        // What a file is called must not be a formula.
        if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            out.push('\'');
        }
        out.push_str(&cell.replace('"', "\"\""));
        out.push('"');
    }
    out.push_str("\r\n");
}
