//! PS3.10 files: where the data set starts, in which transfer syntax, and the file meta that goes out.
//!
//! The preamble is skipped and never kept: it may hold a program (PS3.10 7.5). File meta is read only for what is
//! needed to take the data set. Knows bytes, no files.

use super::encoding::{Encoding, Endian, Header};
use super::{Tag, Vr};
use storage_config::Uid;
use thiserror::Error;

/// Implementation Class UID (0002,0012) of what this archive writes; also for association negotiation.
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.231489167263042563171096743205311874907";
/// Implementation Version Name (0002,0013). Constant, so that what is sent does not change with a release.
pub const IMPLEMENTATION_VERSION_NAME: &str = "PACS_ARCHIVE_1";
/// Media Storage Directory Storage: the SOP class of a DICOMDIR.
pub const MEDIA_STORAGE_DIRECTORY: &str = "1.2.840.10008.1.3.10";
/// Most bytes of preamble and file meta.
pub const META_BYTES: usize = 1 << 20;
/// Most elements of file meta; the standard has 16.
pub const META_ELEMENTS: usize = 256;

const PREAMBLE: usize = 128;
const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";

/// What stands before the data set of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Transfer Syntax UID (0002,0010), or what the first elements show.
    pub transfer_syntax: Uid,
    /// Whether the transfer syntax was not written but found from the first elements. Then it cannot be told how
    /// Pixel Data is compressed, and a data set with encapsulated Pixel Data must not be taken.
    pub guessed: bool,
    /// Media Storage SOP Class UID (0002,0002).
    pub media_storage_sop_class: Option<Uid>,
    /// Media Storage SOP Instance UID (0002,0003).
    pub media_storage_sop_instance: Option<Uid>,
    /// Where the data set starts, in bytes from the start of the file.
    pub data_set_offset: u64,
    /// Whether there was a preamble with prefix.
    pub had_preamble: bool,
    /// Whether there was file meta.
    pub had_meta: bool,
}

impl Meta {
    /// Whether the file is a DICOMDIR: an index of other files, not an instance.
    pub fn is_dicomdir(&self) -> bool {
        self.media_storage_sop_class.as_ref().is_some_and(|uid| uid.as_str() == MEDIA_STORAGE_DIRECTORY)
    }
}

/// Why a file is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Part10Error {
    /// Nothing in it looks like DICOM.
    #[error("not DICOM")]
    NotDicom,
    /// DICOM, but neither the file meta nor the first elements tell the transfer syntax.
    #[error("transfer syntax is not given and cannot be determined")]
    NoTransferSyntax,
    /// The file meta has more bytes than the limit.
    #[error("file meta has more than {META_BYTES} bytes")]
    MetaTooLarge,
    /// The file meta has more elements than the limit.
    #[error("file meta has more than {META_ELEMENTS} elements")]
    MetaTooManyElements,
    /// The file meta has an element of undefined length.
    #[error("file meta is malformed")]
    MetaMalformed,
    /// The file ends within the file meta.
    #[error("file ends within the file meta")]
    Truncated,
}

/// The file meta, and what was given so far of the data set: `head`, then `rest`.
#[derive(Debug)]
pub struct Ready<'a> {
    /// What stands before the data set.
    pub meta: Meta,
    /// Bytes of the data set that had been kept.
    pub head: Vec<u8>,
    /// Bytes of the data set within what was pushed last.
    pub rest: &'a [u8],
}

/// Reads a file up to its data set, from pieces of any size.
#[derive(Debug)]
pub struct Part10 {
    buffer: Vec<u8>,
    /// How many bytes are needed before it pays to look again.
    want: usize,
}

enum Outcome {
    Need(usize),
    Found(Meta),
}

impl Default for Part10 {
    fn default() -> Self {
        Self::new()
    }
}

impl Part10 {
    /// A reader at the start of a file.
    pub fn new() -> Self {
        Self { buffer: Vec::new(), want: PREAMBLE + 12 }
    }

    /// Takes the next bytes of the file; the result once the data set is reached.
    ///
    /// # Errors
    /// [`Part10Error`]; nothing more may be pushed then.
    pub fn push<'a>(&mut self, mut bytes: &'a [u8]) -> Result<Option<Ready<'a>>, Part10Error> {
        loop {
            let (head, rest) = bytes.split_at(self.want.saturating_sub(self.buffer.len()).min(bytes.len()));
            self.buffer.extend_from_slice(head);
            bytes = rest;
            if self.buffer.len() < self.want {
                return Ok(None);
            }
            match parse(&self.buffer, false)? {
                Outcome::Found(meta) => return Ok(Some(self.ready(meta, bytes))),
                Outcome::Need(want) if want > PREAMBLE + META_BYTES => return Err(Part10Error::MetaTooLarge),
                Outcome::Need(want) => self.want = want.max(self.buffer.len() + 1),
            }
        }
    }

    /// The result when the file ended before [`Part10::push`] had one: it is shorter than any usual file.
    ///
    /// # Errors
    /// [`Part10Error`].
    pub fn finish(mut self) -> Result<Ready<'static>, Part10Error> {
        match parse(&self.buffer, true)? {
            Outcome::Found(meta) => Ok(self.ready(meta, &[])),
            Outcome::Need(_) => Err(Part10Error::Truncated),
        }
    }

    fn ready<'a>(&mut self, meta: Meta, rest: &'a [u8]) -> Ready<'a> {
        let offset = usize::try_from(meta.data_set_offset).unwrap_or(usize::MAX).min(self.buffer.len());
        Ready { meta, head: self.buffer.split_off(offset), rest }
    }
}

fn header_at(bytes: &[u8], at: usize, encoding: Encoding) -> Option<Header> {
    let rest = bytes.get(at..)?;
    let second = rest.get(8..).and_then(|rest| rest.first_chunk::<4>());
    Header::read(*rest.first_chunk::<8>()?, second.copied(), encoding)
}

fn is_meta(bytes: &[u8], at: usize) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(&[2, 0]) && rest.get(3) == Some(&0))
}

/// Looks at the start of a file; `complete` if there is no more of it.
fn parse(bytes: &[u8], complete: bool) -> Result<Outcome, Part10Error> {
    let prefixed = bytes.get(PREAMBLE..PREAMBLE + 4) == Some(b"DICM");
    let after = PREAMBLE + 4;
    if prefixed && (is_meta(bytes, after) || guess(bytes, 0, complete).is_err()) {
        return read_meta(bytes, after, true, complete);
    }
    if bytes.starts_with(b"DICM") {
        return read_meta(bytes, 4, false, complete);
    }
    read_meta(bytes, 0, false, complete)
}

/// Walks the elements of group 0002, whatever its group length says, then settles the transfer syntax.
fn read_meta(bytes: &[u8], start: usize, had_preamble: bool, complete: bool) -> Result<Outcome, Part10Error> {
    let (mut at, mut count) = (start, 0);
    let (mut syntax, mut class, mut instance) = (None, None, None);
    while at < bytes.len() || !complete {
        if bytes.len() < at.saturating_add(2) && !complete {
            return Ok(Outcome::Need(at.saturating_add(12)));
        }
        if !bytes.get(at..).is_some_and(|rest| rest.starts_with(&[2, 0])) {
            break;
        }
        let Some(header) = header_at(bytes, at, Encoding::EXPLICIT_LITTLE) else {
            return if complete { Err(Part10Error::Truncated) } else { Ok(Outcome::Need(at + 12)) };
        };
        if header.odd_vr && at == 0 {
            return Err(Part10Error::NotDicom);
        }
        count += 1;
        if count > META_ELEMENTS {
            return Err(Part10Error::MetaTooManyElements);
        }
        let length = header.length.ok_or(Part10Error::MetaMalformed)?;
        let length = usize::try_from(length).map_err(|_| Part10Error::MetaTooLarge)?;
        let from = at + header.size as usize;
        let to = from.checked_add(length).filter(|to| *to <= META_BYTES).ok_or(Part10Error::MetaTooLarge)?;
        let Some(value) = bytes.get(from..to) else {
            return if complete { Err(Part10Error::Truncated) } else { Ok(Outcome::Need(to + 12)) };
        };
        match header.tag {
            Tag(2, 0x0002) => class = Uid::parse_bytes(value).ok(),
            Tag(2, 0x0003) => instance = Uid::parse_bytes(value).ok(),
            Tag(2, 0x0010) => syntax = Uid::parse_bytes(value).ok(),
            _ => {}
        }
        at = to;
    }
    let had_meta = count > 0;
    let (transfer_syntax, guessed) = match syntax {
        Some(syntax) => (syntax, false),
        None => match guess(bytes, at, complete) {
            Ok(Guess::Need(want)) => return Ok(Outcome::Need(want)),
            Ok(Guess::Found(syntax)) => (syntax, true),
            Err(_) if had_meta || had_preamble => return Err(Part10Error::NoTransferSyntax),
            Err(error) => return Err(error),
        },
    };
    Ok(Outcome::Found(Meta {
        transfer_syntax,
        guessed,
        media_storage_sop_class: class,
        media_storage_sop_instance: instance,
        data_set_offset: at as u64,
        had_preamble,
        had_meta,
    }))
}

enum Guess {
    Need(usize),
    Found(Uid),
}

/// The transfer syntax of a data set without file meta, from its first two elements.
///
/// The first element must be of group 0008, and a second one must follow where the first one says it ends: a file of
/// another kind passes that by no accident worth fearing.
fn guess(bytes: &[u8], start: usize, complete: bool) -> Result<Guess, Part10Error> {
    const LONGEST: u64 = 1024;
    let missing = |want: usize| if complete { Err(Part10Error::NotDicom) } else { Ok(Guess::Need(want)) };
    let Some(first) = bytes.get(start..).and_then(|rest| rest.first_chunk::<8>()) else {
        return missing(start.saturating_add(12));
    };
    let encoding = Encoding::EXPLICIT_LITTLE.found(*first);
    let Some(header) = header_at(bytes, start, encoding) else {
        return missing(start.saturating_add(12));
    };
    let length = header.length.filter(|length| *length <= LONGEST).ok_or(Part10Error::NotDicom)?;
    if header.tag.0 != 0x0008 || header.odd_vr {
        return Err(Part10Error::NotDicom);
    }
    let next = start + (header.size + length) as usize;
    match header_at(bytes, next, encoding) {
        Some(second) => {
            let follows = second.tag > header.tag && second.tag.0 <= 0x0020 && !second.odd_vr;
            if !follows {
                return Err(Part10Error::NotDicom);
            }
        }
        None if complete && next == bytes.len() => {}
        None => return missing(next + 12),
    }
    let uid = match encoding {
        Encoding { explicit: true, endian: Endian::Little } => EXPLICIT_LITTLE,
        Encoding { explicit: true, endian: Endian::Big } => EXPLICIT_BIG,
        Encoding { explicit: false, endian: Endian::Little } => IMPLICIT_LITTLE,
        Encoding { explicit: false, endian: Endian::Big } => return Err(Part10Error::NoTransferSyntax),
    };
    Uid::parse(uid).map(Guess::Found).map_err(|_| Part10Error::NoTransferSyntax)
}

/// Preamble, prefix and file meta for a data set that goes out: a pure function of these three (PS3.10 7.1).
pub fn header(sop_class: &Uid, sop_instance: &Uid, transfer_syntax: &Uid) -> Vec<u8> {
    let mut elements = Vec::with_capacity(256);
    put(&mut elements, 0x0001, Vr::OB, &[0, 1]);
    put_text(&mut elements, 0x0002, Vr::UI, sop_class.as_str());
    put_text(&mut elements, 0x0003, Vr::UI, sop_instance.as_str());
    put_text(&mut elements, 0x0010, Vr::UI, transfer_syntax.as_str());
    put_text(&mut elements, 0x0012, Vr::UI, IMPLEMENTATION_CLASS_UID);
    put_text(&mut elements, 0x0013, Vr::SH, IMPLEMENTATION_VERSION_NAME);
    let mut file = vec![0; PREAMBLE];
    file.extend_from_slice(b"DICM");
    put(&mut file, 0x0000, Vr::UL, &(elements.len() as u32).to_le_bytes());
    file.append(&mut elements);
    file
}

fn put_text(out: &mut Vec<u8>, element: u16, vr: Vr, text: &str) {
    let mut value = text.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == Vr::UI { 0 } else { b' ' });
    }
    put(out, element, vr, &value);
}

/// Values are UIDs and constants: always shorter than a 16-bit length can tell.
fn put(out: &mut Vec<u8>, element: u16, vr: Vr, value: &[u8]) {
    out.extend_from_slice(&[2, 0]);
    out.extend_from_slice(&element.to_le_bytes());
    out.extend_from_slice(&vr.to_bytes());
    match vr {
        Vr::OB => out.extend_from_slice(&[&[0, 0], &(value.len() as u32).to_le_bytes()[..]].concat()),
        _ => out.extend_from_slice(&(value.len() as u16).to_le_bytes()),
    }
    out.extend_from_slice(value);
}
