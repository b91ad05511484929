//! A workbook of one sheet (ECMA-376, SpreadsheetML): texts stand in their cells as texts, so that none is a formula.

use std::fmt::Write as _;

use super::rows::Cell;
use crate::html::Escaped;
use crate::zip::{Crc, Stamp, Zip};

const TYPES: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
<Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
<Default Extension=\"xml\" ContentType=\"application/xml\"/>\
<Override PartName=\"/xl/workbook.xml\" \
ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/>\
<Override PartName=\"/xl/worksheets/sheet1.xml\" \
ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/></Types>";
const ROOT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" \
Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" \
Target=\"xl/workbook.xml\"/></Relationships>";
const SHEETS: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" \
Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" \
Target=\"worksheets/sheet1.xml\"/></Relationships>";

/// A workbook as the bytes of its file.
pub(super) fn write(sheet: &str, columns: &[&str], rows: &[Vec<Cell>], day: (i64, i64, i64)) -> Vec<u8> {
    let book = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
         <workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
         xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets>\
         <sheet name=\"{}\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>",
        Escaped(sheet)
    );
    let mut cells = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
         <worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>",
    );
    let head: Vec<Cell> = columns.iter().map(|name| Cell::Text((*name).to_owned())).collect();
    for (n, row) in std::iter::once(&head).chain(rows).enumerate() {
        write_row(&mut cells, n + 1, row);
    }
    cells.push_str("</sheetData></worksheet>");
    let mut zip = Zip::new(Stamp::of_day(day));
    let mut out = Vec::new();
    for (name, text) in [
        ("[Content_Types].xml", TYPES),
        ("_rels/.rels", ROOT),
        ("xl/workbook.xml", &book),
        ("xl/_rels/workbook.xml.rels", SHEETS),
        ("xl/worksheets/sheet1.xml", &cells),
    ] {
        let mut crc = Crc::new();
        crc.update(text.as_bytes());
        out.extend(zip.begin(name, text.len() as u64, crc.sum()));
        out.extend_from_slice(text.as_bytes());
    }
    out.extend(zip.end());
    out
}

fn write_row(out: &mut String, number: usize, row: &[Cell]) {
    let _ = write!(out, "<row r=\"{number}\">");
    for (n, cell) in row.iter().enumerate() {
        let at = format!("{}{number}", column(n));
        let _ = match cell {
            Cell::Number(value) => write!(out, "<c r=\"{at}\"><v>{value}</v></c>"),
            Cell::Text(text) if text.is_empty() => Ok(()),
            Cell::Text(text) => write!(
                out,
                "<c r=\"{at}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">{}</t></is></c>",
                Escaped(&allowed(text))
            ),
        };
    }
    out.push_str("</row>");
}

/// The name of a column: A, B, ... Z, AA.
fn column(n: usize) -> String {
    let letter = |n: usize| char::from(b'A' + u8::try_from(n % 26).unwrap_or(0));
    match n / 26 {
        0 => letter(n).to_string(),
        more => format!("{}{}", letter(more - 1), letter(n)),
    }
}

/// Text without what XML does not allow.
fn allowed(text: &str) -> String {
    let fits = |c: &char| (*c >= ' ' || matches!(c, '\t' | '\n')) && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_and_texts_stay_texts() {
        assert_eq!([0, 25, 26, 51, 52].map(column), ["A", "Z", "AA", "AZ", "BA"]);
        let mut out = String::new();
        write_row(
            &mut out,
            2,
            &[Cell::Text("=1+1 <đ>\u{1}".into()), Cell::Number(-5), Cell::Text(String::new())],
        );
        assert_eq!(
            out,
            "<row r=\"2\"><c r=\"A2\" t=\"inlineStr\"><is><t xml:space=\"preserve\">=1+1 &lt;đ&gt;</t></is></c>\
             <c r=\"B2\"><v>-5</v></c></row>"
        );
    }
}
