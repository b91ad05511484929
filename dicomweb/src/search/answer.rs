//! The answer of a search as bytes.

use std::io;

use serde_json::{Value, json};

use super::index::QueryRow;

/// The DICOM JSON array of `rows`, each with its Retrieve URL (PS3.18 10.6.3); addresses start with `base`.
///
/// # Errors
/// Never in practice: rows are text already.
pub fn json(rows: Vec<QueryRow>, base: &str) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(64 + 1024 * rows.len());
    let mut next = b'[';
    for row in rows {
        out.push(std::mem::replace(&mut next, b','));
        let mut address = format!("{base}/studies/{}", row.study_uid);
        if let Some(series) = &row.series_uid {
            address.push_str(&format!("/series/{series}"));
        }
        if let Some(instance) = &row.sop_instance {
            address.push_str(&format!("/instances/{instance}"));
        }
        let mut attributes = row.attributes;
        attributes.insert("00081190".to_owned(), json!({"vr": "UR", "Value": [address]}));
        serde_json::to_writer(&mut out, &Value::Object(attributes))?;
    }
    if next == b'[' {
        out.push(b'[');
    }
    out.push(b']');
    Ok(out)
}
