//! The rows of a CSV or XLSX file.
//!
//! Knows file formats; it may not know headings.

use std::fs;
use std::io;
use std::path::Path;

use calamine::{Data, Reader, Xlsx};

/// Largest file that is read, in bytes. The longest national annex has some megabytes.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Most rows of a table.
const ROWS_MAX: usize = 500_000;

/// Why a file gives no rows.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is larger than a code list can be.
    #[error("the file has {0} bytes, a list has at most {FILE_BYTES_MAX}")]
    TooLarge(u64),
    /// The table has more rows than a code list can have.
    #[error("the table has more than {ROWS_MAX} rows")]
    TooManyRows,
    /// CSV that is not UTF-8: no other encoding can be told from its bytes.
    #[error("the file is not UTF-8 text; save it as \"CSV UTF-8\" or XLSX")]
    NotUtf8,
    /// The CSV is damaged.
    #[error("{0}")]
    Csv(#[from] csv::Error),
    /// The workbook is damaged.
    #[error("{0}")]
    Xlsx(#[from] calamine::XlsxError),
    /// The workbook has no such sheet, or none at all.
    #[error("the workbook has no sheet {0:?}")]
    NoSheet(String),
}

/// The rows of `file`: CSV with `,`, `;` or tabs, or one sheet of an XLSX workbook, the first where none is named.
///
/// # Errors
///
/// [`RowsError`].
pub fn read_rows(file: &Path, sheet: Option<&str>) -> Result<Vec<Vec<String>>, RowsError> {
    let length = fs::metadata(file)?.len();
    if length > FILE_BYTES_MAX {
        return Err(RowsError::TooLarge(length));
    }
    let bytes = fs::read(file)?;
    if bytes.starts_with(b"PK") { workbook(bytes, sheet) } else { text(bytes) }
}

fn text(bytes: Vec<u8>) -> Result<Vec<Vec<String>>, RowsError> {
    let text = String::from_utf8(bytes).map_err(|_| RowsError::NotUtf8)?;
    let text = text.trim_start_matches('\u{feff}');
    let beginning: String = text.lines().take(10).collect();
    let count = |mark: u8| beginning.bytes().filter(|byte| *byte == mark).count();
    let delimiter = [b',', b';', b'\t'].into_iter().max_by_key(|mark| count(*mark)).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        if rows.len() == ROWS_MAX {
            return Err(RowsError::TooManyRows);
        }
        rows.push(record?.iter().map(str::to_owned).collect());
    }
    Ok(rows)
}

fn workbook(bytes: Vec<u8>, sheet: Option<&str>) -> Result<Vec<Vec<String>>, RowsError> {
    let mut workbook = Xlsx::new(io::Cursor::new(bytes))?;
    let names = workbook.sheet_names();
    let name = match sheet {
        Some(wanted) => names.into_iter().find(|name| name == wanted),
        None => names.into_iter().next(),
    };
    let name = name.ok_or_else(|| RowsError::NoSheet(sheet.unwrap_or_default().to_owned()))?;
    let range = workbook.worksheet_range(&name)?;
    if range.height() > ROWS_MAX {
        return Err(RowsError::TooManyRows);
    }
    Ok(range.rows().map(|row| row.iter().map(cell).collect()).collect())
}

/// A cell as it is shown: whole numbers without decimals.
fn cell(data: &Data) -> String {
    match data {
        Data::Empty => String::new(),
        Data::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use indexer::codes::catalogue::list::ListKind;
    use indexer::codes::catalogue::table;

    #[test]
    fn an_annex_is_read_and_a_broken_row_is_told() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/codes/decision-1227-made-up.csv");
        let table = table::read(&read_rows(&file, None).unwrap(), &[]).unwrap();
        assert_eq!(table.kind, ListKind::Decision1227);
        assert_eq!(table.entries.len(), 2);
        assert_eq!(table.entries[0].technique.as_deref(), Some("18.119"));
        assert_eq!(table.entries[0].loinc.as_deref(), Some("36554-4"));
        assert_eq!(table.errors.len(), 1);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.csv");
        fs::write(&file, [0xff, 0xfe, b'a', 0]).unwrap();
        let Err(RowsError::NotUtf8) = read_rows(&file, None) else { panic!("not refused") };
        fs::write(&file, b"PK\x03\x04 no workbook").unwrap();
        let Err(RowsError::Xlsx(_)) = read_rows(&file, None) else { panic!("not refused") };
    }
}
