//! Reading a table of codes: columns recognised by their Vietnamese headings, rows checked one by one.
//!
//! Knows headings and cells; it may not know file formats.

use std::collections::BTreeMap;
use std::fmt;

use super::list::{Entry, ListKind, service_cell, technique_cell};
use crate::dataset::fold::fold;

/// A column that this project understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Shared code of Decision 1227.
    SharedCode,
    /// Insurance service code.
    ServiceCode,
    /// A hospital's own code.
    LocalCode,
    /// Technique of Circular 23.
    Technique,
    /// Name of the examination.
    Name,
    /// Reference LOINC code.
    Loinc,
    /// Price, or price with film.
    Price,
    /// Price without film.
    PriceNoFilm,
    /// Unit.
    Unit,
}

/// Column, the word of the command line, headings. The first heading that a cell equals, else contains, decides.
const COLUMNS: [(Column, &str, &[&str]); 9] = [
    (
        Column::SharedCode,
        "shared-code",
        &["ma dung chung", "ma chi so", "ma chi so dung chung", "ma dung chung chi so"],
    ),
    (
        Column::ServiceCode,
        "service-code",
        &["ma dich vu", "ma tuong duong", "ma dvkt", "ma dich vu ky thuat", "ma bhyt", "ma quoc gia"],
    ),
    (
        Column::LocalCode,
        "local-code",
        &["ma noi bo", "ma benh vien", "ma bv", "ma his", "ma dich vu benh vien", "ma cua benh vien"],
    ),
    (
        Column::Technique,
        "technique",
        &["ma ky thuat", "ma thong tu 23", "ma tt23", "ma ky thuat theo thong tu 23", "ma tt 23"],
    ),
    (
        Column::Name,
        "name",
        &[
            "ten ky thuat/chi so",
            "ten chi so",
            "ten dich vu",
            "ten dich vu ky thuat",
            "ten ky thuat",
            "ten dvkt",
            "ten",
        ],
    ),
    (Column::Loinc, "loinc", &["ma loinc", "ma loinc tham chieu", "loinc"]),
    (
        Column::PriceNoFilm,
        "price-no-film",
        &["gia khong in phim", "gia khong phim", "don gia khong in phim", "gia khong in phim (dong)"],
    ),
    (Column::Price, "price", &["don gia", "gia", "gia dich vu", "muc gia", "gia co phim", "gia toi da"]),
    (Column::Unit, "unit", &["don vi", "don vi tinh", "dvt", "don vi do"]),
];

/// A row that was not taken, with its number in the table (the heading row and what precedes it count, from 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// Number of the row.
    pub row: usize,
    /// What is wrong with it.
    pub what: String,
}

/// Why a table cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// No row has headings that tell what the list is.
    #[error("no row has the headings of a code list; name the columns, of {}", column_words())]
    NoHeadings,
    /// A column was named by option, but no such heading or column exists.
    #[error("there is no column {0:?}")]
    UnknownColumn(String),
}

/// A table that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What the headings say the list is.
    pub kind: ListKind,
    /// Which column stands where, from 0.
    pub columns: BTreeMap<Column, usize>,
    /// Rows that were taken.
    pub entries: Vec<Entry>,
    /// Rows that were not.
    pub errors: Vec<RowError>,
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = COLUMNS.iter().find(|(column, ..)| column == self).map_or("", |(_, word, _)| word);
        f.write_str(word)
    }
}

fn column_words() -> String {
    COLUMNS.iter().map(|(_, word, _)| *word).collect::<Vec<_>>().join(", ")
}

/// Rows looked through for headings: annexes have titles above their tables.
const HEADING_ROWS_SEARCHED: usize = 30;

/// Reads the rows of a table. `named` gives headings for columns by their words (`technique` to `Ma KT`).
///
/// # Errors
///
/// [`TableError`] where the headings do not tell what the list is. What is wrong with single rows stands in
/// [`Table::errors`].
pub fn read(rows: &[Vec<String>], named: &[(String, String)]) -> Result<Table, TableError> {
    for (word, _) in named {
        if !COLUMNS.iter().any(|(_, known, _)| known == word) {
            return Err(TableError::UnknownColumn(word.clone()));
        }
    }
    let searched = rows.iter().take(HEADING_ROWS_SEARCHED).enumerate();
    let mut best: Option<(usize, BTreeMap<Column, usize>, ListKind)> = None;
    for (at, row) in searched {
        let columns = recognise(row, named);
        let Some(kind) = kind(&columns) else { continue };
        if best.as_ref().is_none_or(|(_, found, _)| columns.len() > found.len()) {
            best = Some((at, columns, kind));
        }
    }
    let (heading, columns, kind) = best.ok_or(TableError::NoHeadings)?;
    let unmatched = named.iter().find(|(word, _)| !columns.keys().any(|column| column.to_string() == *word));
    if let Some((_, heading)) = unmatched {
        return Err(TableError::UnknownColumn(heading.clone()));
    }
    let mut table = Table { kind, columns, entries: Vec::new(), errors: Vec::new() };
    for (at, row) in rows.iter().enumerate().skip(heading + 1) {
        match table.entry(row) {
            Ok(Some(entry)) => table.entries.push(entry),
            Ok(None) => {}
            Err(what) => table.errors.push(RowError { row: at + 1, what }),
        }
    }
    Ok(table)
}

fn heading(cell: &str) -> String {
    let spaced: String =
        fold(cell).chars().map(|c| if c.is_alphanumeric() || c == '/' { c } else { ' ' }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn recognise(row: &[String], named: &[(String, String)]) -> BTreeMap<Column, usize> {
    let cells: Vec<String> = row.iter().map(|cell| heading(cell)).collect();
    let mut columns = BTreeMap::new();
    let mut taken = vec![false; cells.len()];
    let mut take = |column: Column, matches: &dyn Fn(&str) -> bool, columns: &mut BTreeMap<Column, usize>| {
        if columns.contains_key(&column) {
            return;
        }
        if let Some(at) = cells.iter().zip(&taken).position(|(cell, taken)| !taken && matches(cell)) {
            taken[at] = true;
            columns.insert(column, at);
        }
    };
    for (column, word, _) in COLUMNS {
        for (_, wanted) in named.iter().filter(|(name, _)| name == word) {
            let wanted = heading(wanted);
            take(column, &|cell| cell == wanted, &mut columns);
        }
    }
    for (column, _, headings) in COLUMNS {
        for known in headings {
            take(column, &|cell| cell == heading(known), &mut columns);
        }
    }
    for (column, _, headings) in COLUMNS {
        for known in headings.iter().filter(|known| known.contains(' ')) {
            take(column, &|cell| cell.contains(&heading(known)), &mut columns);
        }
    }
    columns
}

fn kind(columns: &BTreeMap<Column, usize>) -> Option<ListKind> {
    let has = |column| columns.contains_key(&column);
    if !has(Column::Name) {
        None
    } else if has(Column::SharedCode) {
        Some(ListKind::Decision1227)
    } else if has(Column::LocalCode) && (has(Column::ServiceCode) || has(Column::Technique)) {
        Some(ListKind::HospitalList)
    } else if has(Column::ServiceCode) {
        Some(ListKind::PriceList)
    } else {
        None
    }
}

impl Table {
    fn entry(&self, row: &[String]) -> Result<Option<Entry>, String> {
        let cell = |column| {
            let at = self.columns.get(&column);
            at.and_then(|at| row.get(*at)).map(|cell| cell.trim()).filter(|cell| !cell.is_empty())
        };
        let code_column = match self.kind {
            ListKind::Decision1227 => Column::SharedCode,
            ListKind::PriceList => Column::ServiceCode,
            ListKind::HospitalList => Column::LocalCode,
        };
        let (code, name) = match (cell(code_column), cell(Column::Name)) {
            // Empty rows, titles of sections and totals have no code: they are no rows of the list.
            (None, _) => return Ok(None),
            (Some(_), None) => return Err("the name is missing".to_owned()),
            (Some(code), Some(name)) => (code, name),
        };
        let checked = |column, read: fn(&str) -> Option<String>| match cell(column) {
            None => Ok(None),
            Some(text) => match read(text) {
                Some(code) => Ok(Some(code)),
                None if text.starts_with("18.") => Err(format!("{column}: {text:?} is no code")),
                None => Ok(None),
            },
        };
        let code = match self.kind {
            ListKind::Decision1227 if code.len() == 7 && code.bytes().all(|b| b.is_ascii_digit()) => {
                code.to_owned()
            }
            ListKind::Decision1227 => return Err(format!("{code:?} is not a shared code of seven digits")),
            // A price list has all chapters; this catalogue keeps the one of imaging.
            ListKind::PriceList if !code.starts_with("18.") => return Ok(None),
            ListKind::PriceList => {
                service_cell(code).ok_or_else(|| format!("{code:?} is no service code"))?
            }
            ListKind::HospitalList => code.to_owned(),
        };
        Ok(Some(Entry {
            code,
            name: name.to_owned(),
            technique: checked(Column::Technique, technique_cell)?,
            service: checked(Column::ServiceCode, service_cell)?,
            loinc: cell(Column::Loinc).map(str::to_owned),
            price_film_vnd: cell(Column::Price).map(price).transpose()?,
            price_no_film_vnd: cell(Column::PriceNoFilm).map(price).transpose()?,
            unit: cell(Column::Unit).map(str::to_owned),
        }))
    }
}

/// A price in dong: `73.300`, `73,300`, `73300`, `73300.0`.
fn price(cell: &str) -> Result<u64, String> {
    let wrong = || format!("{cell:?} is no price");
    let text: String = cell.chars().filter(|c| !c.is_whitespace() && *c != 'đ' && *c != '₫').collect();
    let whole = match text.rsplit_once(['.', ',']) {
        // What follows the last mark are decimals unless they are three, as in thousands.
        Some((whole, decimals)) if decimals.len() != 3 => whole.to_owned(),
        _ => text,
    };
    let digits: String = whole.chars().filter(|c| !matches!(c, '.' | ',')).collect();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    digits.parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn rows(text: &str) -> Vec<Vec<String>> {
        text.lines().map(|line| line.split(';').map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_price_list_is_recognised_below_its_title() {
        let text = "BẢNG GIÁ;;;\nSTT;MÃ DỊCH VỤ;Tên dịch vụ kỹ thuật;Đơn giá\n1;18.0119.0028;Ngực;73.300\n2;18.01x9.0028;Hỏng;1\n3;18.0120.0028;Ngực nghiêng;abc\n;;CỘNG;\n4;03.0001.0001;Khác;5";
        let table = read(&rows(text), &[]).unwrap();
        assert_eq!(table.kind, ListKind::PriceList);
        assert_eq!(table.entries.len(), 1);
        assert_eq!(table.entries[0].price_film_vnd, Some(73_300));
        assert_eq!(table.errors.iter().map(|e| e.row).collect::<Vec<_>>(), [4, 5]);
    }

    #[test]
    fn a_hospital_list_is_read_by_named_columns() {
        let text = "Code;Label;National\nX1;Made up;18.0119.0028";
        assert_eq!(read(&rows(text), &[]), Err(TableError::NoHeadings));
        let named = [("local-code", "CODE"), ("name", "Label"), ("service-code", "National")];
        let named = named.map(|(a, b)| (a.to_owned(), b.to_owned()));
        let table = read(&rows(text), &named).unwrap();
        assert_eq!(table.kind, ListKind::HospitalList);
        assert_eq!(table.entries[0].service.as_deref(), Some("18.0119.0028"));
        let wrong = [("colour".to_owned(), "x".to_owned())];
        assert_eq!(read(&rows(text), &wrong), Err(TableError::UnknownColumn("colour".to_owned())));
    }

    #[test]
    fn prices_have_many_spellings() {
        for (text, dong) in
            [("73.300", 73_300), ("73,300", 73_300), ("1.341.500", 1_341_500), ("45700.0", 45_700)]
        {
            assert_eq!(price(text), Ok(dong), "{text}");
        }
        assert!(price("miễn phí").is_err());
        assert!(price("99999999999999999999999").is_err());
    }
}
