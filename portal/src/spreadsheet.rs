//! Tables for spreadsheets as text (RFC 4180): the one place where a cell is written.

/// The mark by which spreadsheets know UTF-8.
pub const UTF8_MARK: &str = "\u{feff}";

/// Appends a row. Every cell is quoted, and none is a formula, whoever chose its text.
pub fn row<'a>(out: &mut String, cells: impl IntoIterator<Item = &'a str>) {
    for (n, text) in cells.into_iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        cell(out, text);
    }
    out.push_str("\r\n");
}

fn cell(out: &mut String, text: &str) {
    out.push('"');
    // Some programs look past white space for the beginning of a formula, and a number may be negative.
    let begins = text.trim_start_matches([' ', '\u{a0}', '\n', '\u{feff}']);
    let formula = begins.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    if formula && !is_number(text) {
        out.push('\'');
    }
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

/// A whole number with its sign, which no program takes for anything else.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.len() <= 19 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_every_cell_reads_back() {
        let mut out = String::new();
        row(
            &mut out,
            ["=HYPERLINK(\"http://evil.example\")", "-452400", "-1+1", " =1", "@x", "a,b\"c\nd", ""],
        );
        assert_eq!(
            out,
            "\"'=HYPERLINK(\"\"http://evil.example\"\")\",\"-452400\",\"'-1+1\",\"' =1\",\"'@x\",\"a,b\"\"c\nd\",\"\"\r\n"
        );
    }
}
