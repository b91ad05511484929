//! Which of the stored forms a client accepts (PS3.18 8.7).
//!
//! Instances are sent in the transfer syntax in which they are stored. A range that names no transfer syntax, or
//! `*`, takes any; one that names a transfer syntax takes only that one, and a study of which a part would have to
//! be left out is not sent at all.

use axum::http::{HeaderMap, header};

use indexer::picture::PictureFormat;

use crate::archive::Found;
use crate::error::Error;
use crate::media::{self, MediaType};
use crate::search::parameters;

/// Form of an answer with instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `multipart/related; type="application/dicom"`.
    Related,
    /// `application/dicom`: one Part 10 file.
    Single,
}

/// The forms a client accepts, best first, each with its transfer syntax (`None`: any).
pub struct Accepted(Vec<(Form, Option<String>)>);

/// Reads what a client accepts for instances.
///
/// # Errors
/// When the header cannot be read, or no range in it can hold instances.
pub fn instances(headers: &HeaderMap, query: Option<&str>) -> Result<Accepted, Error> {
    let ranges = ranges(headers, query)?;
    let forms: Vec<_> = ranges.iter().filter_map(instance_form).collect();
    if forms.is_empty() {
        let have = "instances are sent as multipart/related; type=\"application/dicom\", a single one also as \
                    application/dicom";
        return Err(Error::NotAcceptable(have.to_owned()));
    }
    Ok(Accepted(forms))
}

fn instance_form(range: &MediaType) -> Option<(Form, Option<String>)> {
    let form = match range.essence.as_str() {
        "*/*" | "multipart/*" => Form::Related,
        "multipart/related" => {
            let inner = range.parameter("type").unwrap_or("*/*").trim().to_ascii_lowercase();
            matches!(inner.as_str(), "application/dicom" | "application/*" | "*/*")
                .then_some(Form::Related)?
        }
        "application/dicom" | "application/*" => Form::Single,
        _ => return None,
    };
    let syntax =
        range.parameter("transfer-syntax").map(str::trim).filter(|uid| *uid != "*" && !uid.is_empty());
    Some((form, syntax.map(str::to_owned)))
}

impl Accepted {
    /// The form in which all of `found` can be sent. `single`: the path names one instance; else several are sent
    /// as multipart also to those who asked for `application/dicom`.
    ///
    /// # Errors
    /// When some instance is stored in a transfer syntax that is not accepted.
    pub fn choose(&self, single: bool, found: &[Found]) -> Result<Form, Error> {
        let single = single && found.len() == 1;
        let form_of = |form: Form| if single { form } else { Form::Related };
        let takes = |form: Form, one: &Found| {
            self.0.iter().any(|(accepted, syntax)| {
                form_of(*accepted) == form
                    && syntax.as_deref().is_none_or(|uid| uid == one.transfer_syntax().as_str())
            })
        };
        let mut forms = self.0.iter().map(|(form, _)| form_of(*form));
        forms.find(|form| found.iter().all(|one| takes(*form, one))).ok_or_else(|| {
            let mut stored: Vec<&str> = found.iter().map(|one| one.transfer_syntax().as_str()).collect();
            stored.sort_unstable();
            stored.dedup();
            stored.truncate(16);
            Error::NotAcceptable(format!(
                "instances are sent in the transfer syntax in which they are stored; here: {}",
                stored.join(", ")
            ))
        })
    }
}

/// Quality of JPEG pictures where the request names none: no loss that an eye finds on a diagnostic screen's
/// thumbnail or overview.
const QUALITY: u8 = 90;

/// The names of forms in ETags of frames: multipart, single.
pub const FORM_OF_FRAMES: [&str; 2] = ["related", "single"];

/// The media ranges of a request, best first.
pub struct Ranges(Vec<MediaType>);

/// Reads what a client accepts.
///
/// # Errors
/// When the header cannot be read.
pub fn ranges_of(headers: &HeaderMap, query: Option<&str>) -> Result<Ranges, Error> {
    ranges(headers, query).map(Ranges)
}

impl Ranges {
    /// The form in which frames are sent that are `media_type` in the transfer syntax `sent`, of an instance stored in
    /// `stored`. One frame may also go alone, to those who ask for its own type and nothing else.
    ///
    /// `application/octet-stream` without a transfer syntax means pixels that need no decoding (PS3.18 8.7.3.3), so that
    /// compressed frames are not sent for it.
    ///
    /// # Errors
    /// When no range takes them.
    pub fn frames(&self, media_type: &str, sent: &str, stored: &str, one: bool) -> Result<Form, Error> {
        let compressed = sent == stored && sent != "1.2.840.10008.1.2.1";
        let takes = |range: &MediaType| {
            let (form, inner) = match range.essence.as_str() {
                "*/*" | "multipart/*" => (Form::Related, "*/*".to_owned()),
                "multipart/related" => (Form::Related, inner_type(range)),
                single => (Form::Single, single.to_owned()),
            };
            let syntax = range.parameter("transfer-syntax").map(str::trim).filter(|uid| !uid.is_empty());
            let named = match syntax {
                Some("*") => true,
                Some(uid) => uid == sent || uid == stored,
                None => !compressed || inner != "application/octet-stream",
            };
            let family = inner
                .strip_suffix("/*")
                .is_some_and(|family| family == "*" || media_type.split('/').next() == Some(family));
            // As it is stored, whatever that is called.
            let octets = inner == "application/octet-stream" && syntax.is_some();
            let typed = inner == media_type || family || octets;
            (named && typed && (form == Form::Related || one)).then_some(form)
        };
        self.0.iter().find_map(takes).ok_or_else(|| {
            Error::NotAcceptable(format!(
                "frames are sent as stored: multipart/related; type=\"{media_type}\"; transfer-syntax={sent}"
            ))
        })
    }

    /// The form and media type in which a bulk value is sent that is of type `own`: alone, unless multipart is asked
    /// for.
    ///
    /// # Errors
    /// When no range takes it.
    pub fn bulk(&self, own: &'static str) -> Result<(Form, &'static str), Error> {
        const OCTETS: &str = "application/octet-stream";
        let typed = |inner: &str| match inner {
            "*/*" | "application/*" => Some(own),
            OCTETS => Some(OCTETS),
            inner => (inner == own).then_some(own),
        };
        let takes = |range: &MediaType| match range.essence.as_str() {
            "multipart/*" => Some((Form::Related, own)),
            "multipart/related" => typed(&inner_type(range)).map(|media_type| (Form::Related, media_type)),
            single => typed(single).map(|media_type| (Form::Single, media_type)),
        };
        let refused = || Error::NotAcceptable(format!("the value is sent as {own} or {OCTETS}"));
        self.0.iter().find_map(takes).ok_or_else(refused)
    }

    /// The form and format in which pictures are sent: JPEG unless PNG is asked for.
    ///
    /// # Errors
    /// When no range takes them.
    pub fn picture(&self) -> Result<(Form, PictureFormat), Error> {
        let format = |inner: &str| match inner {
            "*/*" | "image/*" | "image/jpeg" | "image/jpg" => Some(PictureFormat::Jpeg { quality: QUALITY }),
            "image/png" => Some(PictureFormat::Png),
            _ => None,
        };
        let takes = |range: &MediaType| match range.essence.as_str() {
            "multipart/*" => Some((Form::Related, PictureFormat::Jpeg { quality: QUALITY })),
            "multipart/related" => format(&inner_type(range)).map(|format| (Form::Related, format)),
            single => format(single).map(|format| (Form::Single, format)),
        };
        let refused = || Error::NotAcceptable("pictures are sent as image/jpeg or image/png".to_owned());
        self.0.iter().find_map(takes).ok_or_else(refused)
    }

    /// Checks that a document of type `own` is accepted alone.
    ///
    /// # Errors
    /// When no range takes it.
    pub fn document(&self, own: &str) -> Result<(), Error> {
        let takes = |range: &MediaType| {
            matches!(range.essence.as_str(), "*/*" | "application/*") || range.essence == own
        };
        let refused = || Error::NotAcceptable(format!("the instance is rendered as {own}"));
        self.0.iter().any(takes).then_some(()).ok_or_else(refused)
    }
}

/// The type of the parts that a range of `multipart/related` asks for.
fn inner_type(range: &MediaType) -> String {
    range.parameter("type").unwrap_or("*/*").trim().to_ascii_lowercase()
}

/// Checks that a client accepts DICOM JSON.
///
/// # Errors
/// When it does not, or its Accept header cannot be read.
pub fn json(headers: &HeaderMap, query: Option<&str>) -> Result<(), Error> {
    accepts_json(&ranges(headers, query)?)
}

/// Checks that one of `ranges` takes DICOM JSON.
///
/// # Errors
/// When none does.
pub fn accepts_json(ranges: &[MediaType]) -> Result<(), Error> {
    let known = ["application/dicom+json", "application/json", "application/*", "*/*"];
    if ranges.iter().any(|range| known.contains(&range.essence.as_str())) {
        return Ok(());
    }
    Err(Error::NotAcceptable("the answer is application/dicom+json".to_owned()))
}

/// The media ranges of the request, best first: the `accept` parameter (PS3.18 8.3.3.1), else the header, else
/// anything.
fn ranges(headers: &HeaderMap, query: Option<&str>) -> Result<Vec<MediaType>, Error> {
    let unreadable = || Error::invalid("Accept", "this is no list of media ranges");
    let mut text = String::new();
    for (name, value) in parameters::pairs(query.unwrap_or_default())? {
        if name.eq_ignore_ascii_case("accept") {
            text = value;
        }
    }
    if text.is_empty() {
        for value in headers.get_all(header::ACCEPT) {
            text.push_str(value.to_str().map_err(|_| unreadable())?);
            text.push(',');
        }
    }
    let mut ranges = media::parse_list(&text).ok_or_else(unreadable)?;
    if ranges.is_empty() {
        ranges.extend(media::parse("*/*"));
    }
    ranges.retain(|range| range.quality() > 0);
    // Stable: among equals the order of the client holds.
    ranges.sort_by_key(|range| std::cmp::Reverse(range.quality()));
    Ok(ranges)
}
