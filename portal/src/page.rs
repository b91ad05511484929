//! The state of the archive as a page, in Vietnamese and English.

use axum::extract::State;
use axum::response::Html;
use indexer::db::MachineClock;
use serde_json::{Value, json};

use crate::Portal;
use crate::api::ask;
use crate::problem::Problem;

/// A machine whose clock seems wrong, for programs.
pub(crate) fn clock_row(clock: &MachineClock) -> Value {
    json!({
        "station": clock.station, "device_serial": clock.serial, "source": clock.source,
        "first_ms": clock.first_ms, "last_ms": clock.last_ms, "instances": clock.instances,
        "off_seconds_least": clock.off_s.0, "off_seconds_most": clock.off_s.1,
    })
}

pub(crate) async fn state(State(portal): State<Portal>) -> Result<Html<String>, Problem> {
    let refused = portal.archive.refuses().map(|e| e.to_string());
    let (totals, unknown, clocks) = ask(&portal.archive, |archive| {
        let db = archive.db();
        Ok((db.totals()?, db.unknown_peers()?, db.machine_clocks(20)?))
    })
    .await?;
    let a = &portal.addresses;
    let mut rows = String::new();
    let mut row = |vi: &str, en: &str, value: &str| {
        rows.push_str(&format!("<tr><th>{vi} <small>{en}</small></th><td>{}</td></tr>\n", escape(value)));
    };
    match &refused {
        None => row("Trạng thái", "state", "đang nhận ảnh / taking images"),
        Some(why) => row("Trạng thái", "state", &format!("KHÔNG nhận ảnh / NOT taking images: {why}")),
    }
    row("Máy chụp gửi tới", "modalities send to", &format!("{} @ {}", a.ae_title, a.dimse.join(", ")));
    row("DICOMweb", "", &a.dicom_web);
    row("Người bệnh", "patients", &totals.patients.to_string());
    row("Ca chụp", "studies", &totals.studies.to_string());
    row("Chuỗi ảnh", "series", &totals.series.to_string());
    row("Ảnh", "instances", &totals.instances.to_string());
    row("Cần xem lại", "conflicts", &totals.conflicts.to_string());
    row("Không lập chỉ mục được", "unindexable", &totals.unindexable.to_string());
    for peer in unknown.iter().take(20) {
        let text = format!("{} @ {} ({}x)", peer.ae_title, peer.address, peer.attempts);
        row("Máy lạ chờ cho phép", "unknown caller", &text);
    }
    for clock in &clocks {
        let off = format!("{:+} .. {:+} h", clock.off_s.0 / 3600, clock.off_s.1 / 3600);
        let text = format!("{} {} ({}): {off}", clock.station, clock.serial, clock.source);
        row("Đồng hồ máy sai", "wrong clock", &text);
    }
    Ok(Html(PAGE.replace("{rows}", &rows)))
}

const PAGE: &str = r#"<!doctype html>
<html lang="vi"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Kho ảnh DICOM</title>
<style>body{font:16px system-ui,sans-serif;margin:2em auto;max-width:46em;padding:0 1em}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4em .6em;border-bottom:1px solid #ccc;
vertical-align:top;overflow-wrap:anywhere}small{color:#555;font-weight:normal}</style></head>
<body><h1>Kho ảnh DICOM <small>image archive</small></h1><table>
{rows}</table></body></html>
"#;

/// Text made safe within an element.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
