//! Matching keys: from the text a peer gave to what must hold (PS3.4 C.2.2.2).

use storage_config::Uid;

use crate::dataset::attributes::{date, time};
use crate::dataset::fold::fold;

/// Most characters of a key's value; no attribute that can be matched may be longer.
pub const VALUE_MAX: usize = 512;
/// Most wildcards of a value, runs of `*` counted once: each multiplies the work of a comparison.
pub const WILDCARDS_MAX: usize = 12;
/// Most characters of an identifier.
const UID_MAX: usize = 64;
/// Most values of a list.
pub const LIST_MAX: usize = 1_000;

/// One matching key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// StudyInstanceUID, one of a list.
    StudyUid(Vec<Uid>),
    /// SeriesInstanceUID, one of a list.
    SeriesUid(Vec<Uid>),
    /// SOPInstanceUID, one of a list.
    SopInstance(Vec<Uid>),
    /// SOPClassUID, one of a list.
    SopClass(Vec<Uid>),
    /// PatientID.
    PatientId(Text),
    /// IssuerOfPatientID.
    Issuer(Text),
    /// PatientName, folded.
    PatientName(Text),
    /// PatientBirthDate.
    BirthDate(Range),
    /// PatientSex.
    Sex(Text),
    /// StudyDate.
    StudyDate(Range),
    /// StudyTime.
    StudyTime(Range),
    /// AccessionNumber.
    Accession(Text),
    /// StudyID.
    StudyId(Text),
    /// StudyDescription, folded.
    StudyDescription(Text),
    /// ReferringPhysicianName, folded.
    Referring(Text),
    /// ModalitiesInStudy, one of a list.
    ModalitiesInStudy(Vec<String>),
    /// Modality, one of a list.
    Modality(Vec<String>),
    /// SeriesNumber.
    SeriesNumber(i64),
    /// SeriesDescription, folded.
    SeriesDescription(Text),
    /// BodyPartExamined.
    BodyPart(Text),
    /// PerformedProcedureStepStartDate.
    PerformedDate(Range),
    /// CodeValue of an item of ProcedureCodeSequence.
    ProcedureCode(Text),
    /// InstanceNumber.
    InstanceNumber(i64),
}

/// A text to match: single value matching, or wildcard matching with `*` and `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// Equal to this.
    Is(String),
    /// Like this: `*` is any text, also none, `?` any character.
    Like(String),
}

/// A range of dates or times in a form that compares as text; what is given only to some precision includes all of
/// it. One end may be open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The first moment, none for any.
    pub from: Option<String>,
    /// The last moment, none for any.
    pub to: Option<String>,
}

/// Why a key's value cannot be matched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The value is no value of its attribute.
    #[error("the value of {0:08X} is not one of its kind")]
    Value(u32),
    /// The value is too long, or has too many wildcards or values.
    #[error("the value of {0:08X} asks for too much")]
    TooMuch(u32),
}

/// What a key amounts to.
pub(super) enum Parsed {
    /// Something that must hold.
    Key(Match),
    /// Nothing: universal matching.
    Universal,
    /// The attribute cannot be matched here.
    Unsupported,
}

impl Match {
    pub(super) fn parse(tag: u32, value: &str) -> Result<Parsed, QueryError> {
        let value = value.trim_matches([' ', '\0']);
        let list_room = LIST_MAX * (UID_MAX + 1);
        let room = if matches!(tag, 0x0020_000D | 0x0020_000E | 0x0008_0018 | 0x0008_0016) {
            list_room
        } else {
            VALUE_MAX
        };
        if value.len() > room {
            return Err(QueryError::TooMuch(tag));
        }
        let Some(key) = key_of(tag, value) else { return Ok(Parsed::Unsupported) };
        if value.is_empty() || value.bytes().all(|b| b == b'*') {
            return Ok(Parsed::Universal);
        }
        key.map(|key| if key.matches_all() { Parsed::Universal } else { Parsed::Key(key) })
    }

    /// The key that an attribute in the items of a sequence and a value make.
    pub(super) fn parse_within(sequence: u32, tag: u32, value: &str) -> Result<Parsed, QueryError> {
        let value = value.trim_matches([' ', '\0']);
        if value.chars().count() > VALUE_MAX {
            return Err(QueryError::TooMuch(tag));
        }
        if (sequence, tag) != (0x0008_1032, 0x0008_0100) {
            return Ok(Parsed::Unsupported);
        }
        if value.bytes().all(|b| b == b'*') {
            return Ok(Parsed::Universal);
        }
        text(tag, value).map(|text| Parsed::Key(Match::ProcedureCode(text)))
    }

    /// Whether nothing was left of the value by folding.
    fn matches_all(&self) -> bool {
        match self {
            Match::PatientName(text)
            | Match::StudyDescription(text)
            | Match::Referring(text)
            | Match::SeriesDescription(text) => match text {
                Text::Is(text) => text.is_empty(),
                Text::Like(pattern) => pattern.bytes().all(|b| matches!(b, b'*' | b' ')),
            },
            _ => false,
        }
    }
}

/// The key of a supported attribute.
fn key_of(tag: u32, value: &str) -> Option<Result<Match, QueryError>> {
    let text = || text(tag, value);
    let folded = || folded(tag, value);
    Some(match tag {
        0x0020_000D => uids(tag, value).map(Match::StudyUid),
        0x0020_000E => uids(tag, value).map(Match::SeriesUid),
        0x0008_0018 => uids(tag, value).map(Match::SopInstance),
        0x0008_0016 => uids(tag, value).map(Match::SopClass),
        0x0010_0020 => text().map(Match::PatientId),
        0x0010_0021 => text().map(Match::Issuer),
        0x0010_0010 => folded().map(Match::PatientName),
        0x0010_0030 => range(tag, value, date).map(Match::BirthDate),
        0x0010_0040 => text().map(Match::Sex),
        0x0008_0020 => range(tag, value, date).map(Match::StudyDate),
        0x0008_0030 => range(tag, value, clock).map(Match::StudyTime),
        0x0008_0050 => text().map(Match::Accession),
        0x0020_0010 => text().map(Match::StudyId),
        0x0008_1030 => folded().map(Match::StudyDescription),
        0x0008_0090 => folded().map(Match::Referring),
        0x0008_0061 => words(tag, value).map(Match::ModalitiesInStudy),
        0x0008_0060 => words(tag, value).map(Match::Modality),
        0x0020_0011 => number(tag, value).map(Match::SeriesNumber),
        0x0008_103E => folded().map(Match::SeriesDescription),
        0x0018_0015 => text().map(Match::BodyPart),
        0x0040_0244 => range(tag, value, date).map(Match::PerformedDate),
        0x0020_0013 => number(tag, value).map(Match::InstanceNumber),
        _ => return None,
    })
}

fn text(tag: u32, value: &str) -> Result<Text, QueryError> {
    if !value.contains(['*', '?']) {
        return Ok(Text::Is(value.to_owned()));
    }
    let mut pattern = String::with_capacity(value.len());
    for letter in value.chars() {
        if letter != '*' || !pattern.ends_with('*') {
            pattern.push(letter);
        }
    }
    if pattern.chars().filter(|letter| matches!(letter, '*' | '?')).count() > WILDCARDS_MAX {
        return Err(QueryError::TooMuch(tag));
    }
    Ok(Text::Like(pattern))
}

/// Text that is compared without case, accents and punctuation of names. Wildcards survive folding.
fn folded(tag: u32, value: &str) -> Result<Text, QueryError> {
    text(tag, &fold(value))
}

/// A list with backslashes, as in DICOM, or commas, as in web addresses.
fn uids(tag: u32, value: &str) -> Result<Vec<Uid>, QueryError> {
    list(tag, value, |value| Uid::parse(value).ok())
}

fn words(tag: u32, value: &str) -> Result<Vec<String>, QueryError> {
    list(tag, value, |value| (value.len() <= 64 && !value.contains(['*', '?'])).then(|| value.to_owned()))
}

fn list<T>(tag: u32, value: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, QueryError> {
    let values = value.split(['\\', ',']).map(str::trim).filter(|value| !value.is_empty());
    let values: Option<Vec<T>> = values.take(LIST_MAX + 1).map(parse).collect();
    let values = values.filter(|values| !values.is_empty()).ok_or(QueryError::Value(tag))?;
    if values.len() > LIST_MAX { Err(QueryError::TooMuch(tag)) } else { Ok(values) }
}

fn number(tag: u32, value: &str) -> Result<i64, QueryError> {
    value.parse().map_err(|_| QueryError::Value(tag))
}

/// A single value, `a-b`, `a-` or `-b` (PS3.4 C.2.2.2.5).
fn range(tag: u32, value: &str, parse: impl Fn(&str) -> Option<String>) -> Result<Range, QueryError> {
    let end = |text: &str| {
        let text = text.trim();
        if text.is_empty() { Ok(None) } else { parse(text).map(Some).ok_or(QueryError::Value(tag)) }
    };
    let range = match value.split_once('-') {
        None => Range { from: end(value)?, to: end(value)? },
        Some((from, to)) => Range { from: end(from)?, to: end(to)? },
    };
    if range.from.is_none() && range.to.is_none() { Err(QueryError::Value(tag)) } else { Ok(range) }
}

/// A time to the precision it was given with: `10` is all of ten o'clock.
fn clock(text: &str) -> Option<String> {
    time(text)?;
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let whole: String = whole.chars().filter(|letter| *letter != ':').collect();
    Some(match fraction {
        Some(fraction) => format!("{whole}.{}", fraction.get(..6).unwrap_or(fraction)),
        None => whole,
    })
}
