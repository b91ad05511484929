//! Media types with their parameters, and which of them a client accepts (RFC 9110 8.3.1, 12.5.1; PS3.18 8.7).
//!
//! Read as clients send them, not only as the grammar has it: parameters quoted or not (`type=application/dicom`
//! has a slash that a token may not have), in any order, in any case. Text in, values out; no HTTP, no archive.

/// Parameters of one media type, at most.
const PARAMETERS_MAX: usize = 16;
/// Media ranges of one Accept, at most.
const RANGES_MAX: usize = 64;

/// A media type or range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    /// `type/subtype`, lower case; a range has `*` in it.
    pub essence: String,
    /// Parameters, names in lower case, values as sent without quotes.
    pub parameters: Vec<(String, String)>,
}

impl MediaType {
    /// The first value of parameter `name` (lower case).
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Quality in thousandths (RFC 9110 12.4.2); 1000 when absent or not readable.
    #[must_use]
    pub fn quality(&self) -> u16 {
        let parsed =
            self.parameter("q").and_then(|q| q.parse::<f32>().ok()).filter(|q| (0.0..=1.0).contains(q));
        // Within 0 and 1000 by the filter.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 and 1000")]
        parsed.map_or(1000, |q| (q * 1000.0).round() as u16)
    }
}

/// Whether `byte` may stand in a token (RFC 9110 5.6.2).
#[must_use]
pub fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Reads one media type; `None` when it is none.
#[must_use]
pub fn parse(text: &str) -> Option<MediaType> {
    let mut cursor = Cursor { rest: text };
    let found = cursor.media_type()?;
    cursor.rest.is_empty().then_some(found)
}

/// Reads a list of media ranges, such as an Accept header; `None` when it is none.
#[must_use]
pub fn parse_list(text: &str) -> Option<Vec<MediaType>> {
    let mut cursor = Cursor { rest: text };
    let mut ranges = Vec::new();
    loop {
        cursor.skip_space();
        while let Some(rest) = cursor.rest.strip_prefix(',') {
            cursor.rest = rest;
            cursor.skip_space();
        }
        if cursor.rest.is_empty() {
            return Some(ranges);
        }
        if ranges.len() == RANGES_MAX {
            return None;
        }
        ranges.push(cursor.media_type()?);
        if !cursor.rest.is_empty() && !cursor.rest.starts_with(',') {
            return None;
        }
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a str {
        // Stops at a byte of its own, so at a character boundary as long as `keep` takes no byte above ASCII.
        let length = self.rest.bytes().position(|b| !b.is_ascii() || !keep(b)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn media_type(&mut self) -> Option<MediaType> {
        self.skip_space();
        let kind = self.take_while(is_token_byte);
        self.rest = self.rest.strip_prefix('/')?;
        let subtype = self.take_while(is_token_byte);
        if kind.is_empty() || subtype.is_empty() {
            return None;
        }
        let essence = format!("{kind}/{subtype}").to_ascii_lowercase();
        let mut parameters = Vec::new();
        loop {
            self.skip_space();
            let Some(rest) = self.rest.strip_prefix(';') else {
                return Some(MediaType { essence, parameters });
            };
            self.rest = rest;
            self.skip_space();
            if self.rest.is_empty() || self.rest.starts_with([';', ',']) {
                continue;
            }
            if parameters.len() == PARAMETERS_MAX {
                return None;
            }
            parameters.push(self.parameter()?);
        }
    }

    fn parameter(&mut self) -> Option<(String, String)> {
        let name = self.take_while(is_token_byte).to_ascii_lowercase();
        self.skip_space();
        self.rest = self.rest.strip_prefix('=')?;
        self.skip_space();
        let value = match self.rest.strip_prefix('"') {
            Some(rest) => {
                self.rest = rest;
                self.quoted()?
            }
            // More than a token: boundaries hold `=`, `/`, `:`, `?`, `(`, `)` unquoted, types hold `/`.
            None => self.take_while(|b| (b'!'..=b'~').contains(&b) && !b";,\"".contains(&b)).to_owned(),
        };
        (!name.is_empty()).then_some((name, value))
    }

    fn quoted(&mut self) -> Option<String> {
        let mut value = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Some(value);
                }
                '\\' => value.push(characters.next()?.1),
                c if c.is_control() && c != '\t' => return None,
                c => value.push(c),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_quoted_and_unquoted_in_any_order() {
        for text in [
            "multipart/related; type=\"application/dicom\"; boundary=\"a b\"",
            "Multipart/Related;boundary=\"a b\" ; charset=utf-8; TYPE=application/dicom",
            "multipart/related ; ; type = application/dicom;boundary=\"a\\ b\";",
        ] {
            let media = parse(text).unwrap();
            assert_eq!(media.essence, "multipart/related");
            assert_eq!(media.parameter("type"), Some("application/dicom"), "{text}");
            assert_eq!(media.parameter("boundary"), Some("a b"), "{text}");
        }
        assert_eq!(
            parse("multipart/related; boundary==_a/b:c?").unwrap().parameter("boundary"),
            Some("=_a/b:c?")
        );
    }

    #[test]
    fn what_is_no_media_type_is_none() {
        for text in
            ["", "x", "/", "a/", "a/b; c", "a/b; c=\"d", "a/b c/d", "a/b; =c", "a/b; c=\"\r\n\"", "ă/b"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse(&format!("a/b{}", "; c=d".repeat(17))), None);
    }

    #[test]
    fn a_list_is_split_at_commas_outside_quotes() {
        let list =
            parse_list("multipart/related; type=\"a/b,c\"; q=0.5, , application/dicom,*/*;q=0").unwrap();
        assert_eq!(
            list.iter().map(|m| m.essence.as_str()).collect::<Vec<_>>(),
            ["multipart/related", "application/dicom", "*/*"]
        );
        assert_eq!(list.iter().map(MediaType::quality).collect::<Vec<_>>(), [500, 1000, 0]);
        assert_eq!(parse_list("a/b;q=NaN").unwrap()[0].quality(), 1000);
        assert_eq!(parse_list(&"a/b,".repeat(65)), None);
        assert_eq!(parse_list("  ").unwrap(), []);
    }
}
