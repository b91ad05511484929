//! The query of a search: percent-encoded text in, typed keys out (PS3.18 8.3.4).

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::StandardDataDictionary;
use storage_config::Uid;

use crate::error::{Error, shortened};

/// Parameters of one query, at most.
const PARAMETERS_MAX: usize = 256;
/// Matching keys of one query, at most.
const KEYS_MAX: usize = 64;
/// Attributes asked for with `includefield`, at most.
const INCLUDED_MAX: usize = 1024;
/// Bytes of one key's value, at most; a list of unique identifiers is the longest there is.
const VALUE_MAX: usize = 8192;
/// Bytes of a value with wildcards, at most.
const WILDCARD_MAX: usize = 256;

/// ProcedureCodeSequence and CodeValue in it: the one path into a sequence that is matched.
const CODE_OF_STUDY: (Tag, Tag) = (0x0008_1032, 0x0008_0100);

/// A data element tag: group and element.
pub type Tag = u32;

/// A matching key: attribute and value as PS3.4 C.2.2.2 has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The sequence whose items have the attribute; none for one of the data set itself.
    pub within: Option<Tag>,
    /// The attribute.
    pub tag: Tag,
    /// The attribute as the client wrote it.
    pub name: String,
    /// Its value, several divided by backslash.
    pub value: String,
}

/// A search as the client wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Matching keys in the order of the query.
    pub keys: Vec<Key>,
    /// Attributes to return besides the usual ones.
    pub include: Vec<Tag>,
    /// All attributes are to be returned.
    pub include_all: bool,
    /// Names may be matched by sound or spelling.
    pub fuzzy: bool,
    /// Rows to return.
    pub limit: u32,
    /// Rows to pass over.
    pub offset: u32,
    /// Keys and parameters that are understood and cannot be served.
    pub ignored: Vec<String>,
}

impl Search {
    /// Reads `query`, the part of an address after `?`, still percent-encoded. `page_rows` bounds the rows.
    ///
    /// # Errors
    /// When a parameter is unknown, given twice or has a value that it cannot have.
    pub fn read(query: &str, page_rows: u32) -> Result<Search, Error> {
        let mut search = Search {
            keys: Vec::new(),
            include: Vec::new(),
            include_all: false,
            fuzzy: false,
            limit: page_rows,
            offset: 0,
            ignored: Vec::new(),
        };
        for (name, value) in pairs(query)? {
            match name.to_ascii_lowercase().as_str() {
                "limit" => search.limit = number(&name, &value)?.min(page_rows),
                "offset" => search.offset = number(&name, &value)?,
                "fuzzymatching" => search.fuzzy = boolean(&name, &value)?,
                "includefield" => search.include(&value)?,
                "emptyvaluematching" | "multiplevaluematching" if boolean(&name, &value)? => {
                    search.ignored.push(name.to_ascii_lowercase());
                }
                "accept" | "emptyvaluematching" | "multiplevaluematching" => {}
                _ => search.key(&name, &value)?,
            }
        }
        Ok(search)
    }

    fn include(&mut self, list: &str) -> Result<(), Error> {
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if name.eq_ignore_ascii_case("all") {
                self.include_all = true;
                continue;
            }
            // Of a path through sequences the sequence is returned whole.
            let outer = name.split('.').next().unwrap_or(name);
            let tag = tag(outer).ok_or_else(|| unknown("includefield", name))?;
            if self.include.len() == INCLUDED_MAX {
                return Err(Error::invalid("includefield", "there are more than 1024 attributes"));
            }
            if !self.include.contains(&tag) {
                self.include.push(tag);
            }
        }
        Ok(())
    }

    fn key(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let mut steps = name.split('.').map(|step| tag(step).ok_or_else(|| unknown(&shortened(name), step)));
        let first = steps.next().unwrap_or_else(|| Err(unknown("query", name)))?;
        let further = steps.collect::<Result<Vec<_>, _>>()?;
        let (within, tag) = match further.as_slice() {
            [] => (None, first),
            [inner] if (first, *inner) == CODE_OF_STUDY => (Some(first), *inner),
            _ => {
                self.ignored.push(format!(
                    "{first:08X}.{}",
                    further.iter().map(|t| format!("{t:08X}")).collect::<Vec<_>>().join(".")
                ));
                return Ok(());
            }
        };
        if value.len() > VALUE_MAX {
            return Err(Error::invalid(name, format!("the value has more than {VALUE_MAX} bytes")));
        }
        if self.keys.iter().any(|key| (key.within, key.tag) == (within, tag)) {
            return Err(Error::invalid(name, "the attribute is given twice"));
        }
        if self.keys.len() == KEYS_MAX {
            return Err(Error::invalid(name, format!("there are more than {KEYS_MAX} matching keys")));
        }
        let value = if is_list(tag) { value.replace(',', "\\") } else { value.to_owned() };
        check_value(tag, name, &value)?;
        self.keys.push(Key { within, tag, name: name.to_owned(), value });
        Ok(())
    }
}

/// Refuses values that the key's attribute cannot have and that would only be guessed at.
fn check_value(tag: Tag, name: &str, value: &str) -> Result<(), Error> {
    if value.len() > WILDCARD_MAX && value.contains(['*', '?']) {
        return Err(Error::invalid(name, format!("a value with wildcards has at most {WILDCARD_MAX} bytes")));
    }
    if is_uid(tag) {
        for uid in value.split('\\').filter(|uid| !uid.is_empty() && *uid != "*") {
            Uid::parse(uid).map_err(|error| Error::invalid(name, error.to_string()))?;
        }
    }
    Ok(())
}

/// Study, Series and SOP Instance UID, SOP Class UID and their like at the levels of a search.
fn is_uid(tag: Tag) -> bool {
    matches!(tag, 0x0020_000D | 0x0020_000E | 0x0008_0018 | 0x0008_0016 | 0x0008_0062)
}

/// Attributes whose values hold no comma, so that a comma divides several (PS3.18 8.3.4.1 has it so for unique
/// identifiers; OHIF and others send modalities alike).
fn is_list(tag: Tag) -> bool {
    is_uid(tag) || matches!(tag, 0x0008_0060 | 0x0008_0061)
}

fn unknown(field: &str, name: &str) -> Error {
    Error::invalid(
        field,
        format!("{:?} is no attribute of PS3.6 and no parameter of a search", shortened(name)),
    )
}

fn number(name: &str, value: &str) -> Result<u32, Error> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let parsed = digits.then(|| value.parse::<u32>().ok()).flatten();
    parsed.ok_or_else(|| Error::invalid(name, format!("this is no whole number from 0 to {}", u32::MAX)))
}

fn boolean(name: &str, value: &str) -> Result<bool, Error> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Error::invalid(name, "this is neither true nor false")),
    }
}

/// The tag that `name` stands for: a keyword of PS3.6 or eight hexadecimal digits, as `00100020`, `0010,0020`,
/// `(0010,0020)` or `0x00100020`.
fn tag(name: &str) -> Option<Tag> {
    let bare = name.strip_prefix('(').and_then(|name| name.strip_suffix(')')).unwrap_or(name);
    let bare = bare.strip_prefix("0x").or_else(|| bare.strip_prefix("0X")).unwrap_or(bare);
    let digits: String = match bare.split_once(',') {
        Some((group, element)) if group.len() == 4 && element.len() == 4 => [group, element].concat(),
        _ => bare.to_owned(),
    };
    if digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return u32::from_str_radix(&digits, 16).ok();
    }
    StandardDataDictionary
        .by_name(name)
        .map(|entry| entry.tag())
        .map(|tag| u32::from(tag.group()) << 16 | u32::from(tag.element()))
}

/// The parameters of a query with their percent-encoding taken off.
///
/// # Errors
/// When there are too many, or one is not percent-encoded UTF-8 or holds a control character.
pub fn pairs(query: &str) -> Result<Vec<(String, String)>, Error> {
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if pairs.len() == PARAMETERS_MAX {
            return Err(Error::invalid("query", format!("there are more than {PARAMETERS_MAX} parameters")));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let wrong = || {
            Error::invalid(shortened(name), "this is not percent-encoded UTF-8 without control characters")
        };
        pairs.push((decoded(name).ok_or_else(wrong)?, decoded(value).ok_or_else(wrong)?));
    }
    Ok(pairs)
}

/// Takes percent-encoding off; `+` is a space, as forms and most client libraries write it.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?].map(|digit| char::from(digit).to_digit(16));
                let [Some(high), Some(low)] = digits else { return None };
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok().filter(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Search {
        Search::read(query, 1000).unwrap()
    }

    #[test]
    fn keys_are_keywords_and_tags_in_every_spelling() {
        for name in ["PatientID", "00100020", "0010%2C0020", "%280010,0020%29", "0x00100020"] {
            let search = read(&format!("{name}=a%5Cb%20c+d"));
            assert_eq!(
                (search.keys[0].tag, search.keys[0].value.as_str()),
                (0x0010_0020, "a\\b c d"),
                "{name}"
            );
        }
        assert_eq!(read("00081030=").keys[0].value, "");
    }

    #[test]
    fn lists_are_divided_by_comma_and_backslash_alike() {
        for query in ["ModalitiesInStudy=CT%2CMR", "ModalitiesInStudy=CT,MR", "00080061=CT%5CMR"] {
            assert_eq!(read(query).keys[0].value, "CT\\MR", "{query}");
        }
        assert_eq!(read("StudyInstanceUID=1.2,1.3%5C1.4").keys[0].value, "1.2\\1.3\\1.4");
        // A comma in a name is a comma.
        assert_eq!(read("PatientName=NGUY%E1%BB%84N%2C%20AN").keys[0].value, "NGUYỄN, AN");
    }

    #[test]
    fn what_the_viewer_sends_is_read() {
        let search = read(
            "limit=101&offset=0&fuzzymatching=true&includefield=00081030%2C00080060&includefield=PatientSex,all\
             &StudyDate=20240101-20241231",
        );
        assert_eq!((search.limit, search.offset, search.fuzzy, search.include_all), (101, 0, true, true));
        assert_eq!(search.include, [0x0008_1030, 0x0008_0060, 0x0010_0040]);
        assert_eq!(read("limit=1000000000").limit, 1000);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_name() {
        for (query, field) in [
            ("Nonsense=1", "Nonsense"),
            ("orderby=PatientName", "orderby"),
            ("includefield=Nonsense", "includefield"),
            ("limit=-1", "limit"),
            ("limit=", "limit"),
            ("offset=99999999999", "offset"),
            ("fuzzymatching=maybe", "fuzzymatching"),
            ("PatientID=1&00100020=2", "00100020"),
            ("PatientID=%0d%0a", "PatientID"),
            ("PatientID=%00", "PatientID"),
            ("PatientID=%f", "PatientID"),
            ("PatientID=%ff", "PatientID"),
            ("StudyInstanceUID=..%2F..%2Fx", "StudyInstanceUID"),
        ] {
            match Search::read(query, 1000) {
                Err(Error::Invalid { field: found, .. }) => assert_eq!(found, field, "{query}"),
                other => panic!("{query}: {other:?}"),
            }
        }
        let wild = format!("PatientName={}*", "a".repeat(10_000));
        assert!(Search::read(&wild, 1000).is_err());
        assert!(Search::read(&"a=b&".repeat(257), 1000).is_err());
    }

    #[test]
    fn a_path_into_a_sequence_is_understood_and_ignored() {
        let search = read("RequestAttributesSequence.ScheduledProcedureStepID=7&emptyvaluematching=true");
        assert_eq!(search.ignored, ["00400275.00400009", "emptyvaluematching"]);
        assert!(search.keys.is_empty());
        for name in ["ProcedureCodeSequence.CodeValue", "00081032.00080100"] {
            let search = read(&format!("{name}=18.149"));
            assert_eq!(
                (search.keys[0].within, search.keys[0].tag),
                (Some(0x0008_1032), 0x0008_0100),
                "{name}"
            );
        }
    }
}
