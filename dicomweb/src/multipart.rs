//! `multipart/related` bodies (RFC 2046 5.1, RFC 2387), read as they arrive.
//!
//! Sans-IO: chunks of the body in, parts out. The bytes of a part are slices of the chunks that were pushed; only
//! the few hundred bytes around a chunk's end, where a delimiter may be cut in two, are ever copied. Memory does
//! not depend on what the peer sends. This module knows neither HTTP nor DICOM.
//!
//! Tolerated: text before the first and after the last delimiter, blank space after a delimiter, folded header
//! lines, parts without header lines, an empty part, lines ended by a bare LF when the first delimiter's line is.
//! A part whose header block is wrong is reported as such and the next part is read. Not tolerated: a body that
//! ends without the closing delimiter, since its last part may be cut short.

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memmem, memrchr};

use crate::media::{self, MediaType};

/// Characters of a boundary, at most (RFC 2046 5.1.1).
pub const BOUNDARY_MAX: usize = 70;
/// Bytes of one part's header block, at most.
pub const HEADERS_MAX: usize = 16 * 1024;
/// Bytes before the first delimiter, at most.
pub const PREAMBLE_MAX: u64 = 64 * 1024;
/// Blank bytes between a delimiter and the end of its line, at most.
const PADDING_MAX: usize = 256;
/// How much of a chunk is joined to what was held back: a delimiter with its line is decided within this.
const JOIN: usize = 2 + 2 + BOUNDARY_MAX + 2 + PADDING_MAX + 2;

/// What is wrong with a body as a whole; the parts reported before stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// The boundary parameter cannot be one.
    #[error("the boundary has {0} characters or one that is not allowed; 1 to 70 are")]
    Boundary(usize),
    /// No delimiter line at the start.
    #[error("no delimiter line with the announced boundary was found at the start of the body")]
    NoDelimiter,
    /// The body ended before the closing delimiter.
    #[error("the body ends without the closing delimiter")]
    Unclosed,
}

/// What is wrong with one part; reading goes on at the next delimiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartFault {
    /// More header bytes than allowed.
    #[error("the header block of the part is larger than 16 KiB")]
    HeadersTooLarge,
    /// A line that is no header, or no blank line before the next delimiter.
    #[error("the header block of the part is not well formed")]
    Headers,
}

/// The headers of a part that matter here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartHeaders {
    /// Content-Type, when present and well formed.
    pub content_type: Option<MediaType>,
    /// Content-Transfer-Encoding or Content-Encoding other than `binary`, `8bit`, `7bit`, `identity`.
    pub encoded: bool,
}

/// One step of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A part begins.
    Part(Result<PartHeaders, PartFault>),
    /// Bytes of the part; never empty.
    Data(Bytes),
    /// The part is complete.
    PartEnd,
    /// The closing delimiter was read; what follows means nothing.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first delimiter; `true` at the start of a line.
    Preamble(bool),
    /// In a header block, collected in `headers`.
    Headers,
    /// A part has begun and ended in the same breath; `true` when the body closes with it.
    EmptyPart(bool),
    /// At the first byte of a part's content, where a delimiter needs no line end before it.
    ContentStart,
    /// In a part's content.
    Content,
    /// The closing delimiter was read and not yet reported.
    Closing,
    /// After the closing delimiter.
    Epilogue,
}

/// What follows `--boundary`.
enum Tail {
    /// It is no delimiter.
    No,
    /// More bytes are needed to say.
    Unknown,
    /// A delimiter: bytes up to and with the end of its line; whether it closes the body, whether LF ended it.
    Delimiter { length: usize, closes: bool, bare_lf: bool },
}

/// A reader of one multipart body.
#[derive(Debug)]
pub struct Multipart {
    /// `\r\n--boundary`; searches use it whole, without its CR, or without its line end.
    delimiter: Vec<u8>,
    finder: memmem::Finder<'static>,
    bare_lf: bool,
    state: State,
    window: Bytes,
    rest: Bytes,
    headers: Vec<u8>,
    preamble: u64,
    at_end: bool,
}

impl Multipart {
    /// A reader for `boundary`, as it stands in the Content-Type.
    ///
    /// # Errors
    /// When it is empty, longer than 70, not printable ASCII or ends with a space.
    pub fn new(boundary: &str) -> Result<Multipart, MultipartError> {
        let printable = boundary.bytes().all(|b| (b' '..=b'~').contains(&b));
        if !printable || boundary.is_empty() || boundary.len() > BOUNDARY_MAX || boundary.ends_with(' ') {
            return Err(MultipartError::Boundary(boundary.len()));
        }
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        let finder = memmem::Finder::new(&delimiter).into_owned();
        let (window, rest) = (Bytes::new(), Bytes::new());
        let (headers, state) = (Vec::new(), State::Preamble(true));
        Ok(Multipart {
            delimiter,
            finder,
            bare_lf: false,
            state,
            window,
            rest,
            headers,
            preamble: 0,
            at_end: false,
        })
    }

    /// Takes the next chunk of the body. All events must have been taken before.
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.rest.is_empty(), "events are left");
        if self.window.is_empty() { self.window = chunk } else { self.rest = chunk }
    }

    /// Says that the body is complete; the last events can then be taken.
    pub fn end(&mut self) {
        self.at_end = true;
    }

    /// The next event, or `None` when a chunk is needed.
    ///
    /// # Errors
    /// When the body has no first or no closing delimiter.
    pub fn next_event(&mut self) -> Result<Option<Event>, MultipartError> {
        loop {
            let step = match self.state {
                State::Preamble(line_start) => self.preamble(line_start)?,
                State::Headers => self.header_block(),
                State::EmptyPart(closes) => {
                    self.state = after(closes);
                    Step::Event(Event::PartEnd)
                }
                State::ContentStart => self.content_start(),
                State::Content => self.content(),
                State::Closing => {
                    self.state = State::Epilogue;
                    return Ok(Some(Event::End));
                }
                State::Epilogue => {
                    (self.window, self.rest) = (Bytes::new(), Bytes::new());
                    return Ok(None);
                }
            };
            match step {
                Step::Event(event) => return Ok(Some(event)),
                Step::Again => {}
                Step::More if !self.rest.is_empty() => self.join(),
                Step::More if self.at_end => return Err(self.cut_short()),
                Step::More => return Ok(None),
            }
        }
    }

    fn cut_short(&self) -> MultipartError {
        match self.state {
            State::Preamble(_) => MultipartError::NoDelimiter,
            _ => MultipartError::Unclosed,
        }
    }

    /// Appends the start of the next chunk to what was held back of the last one.
    fn join(&mut self) {
        if self.window.is_empty() {
            self.window = std::mem::take(&mut self.rest);
            return;
        }
        let taken = self.rest.split_to(self.rest.len().min(JOIN));
        let mut joined = BytesMut::with_capacity(self.window.len() + taken.len());
        joined.extend_from_slice(&self.window);
        joined.extend_from_slice(&taken);
        self.window = joined.freeze();
    }

    /// The delimiter as it stands at the start of a line.
    fn dashed(&self) -> &[u8] {
        &self.delimiter[2..]
    }

    /// What stands before a delimiter: CR LF, or LF when the first delimiter's line ended so.
    fn line_end(&self) -> usize {
        if self.bare_lf { 1 } else { 2 }
    }

    /// Whether `window` starts with `--boundary` and the rest of a delimiter's line.
    fn delimiter_line(&self, window: &[u8]) -> Tail {
        let dashed = self.dashed();
        let common = window.len().min(dashed.len());
        if window[..common] != dashed[..common] {
            return Tail::No;
        }
        if common < dashed.len() {
            return if self.at_end { Tail::No } else { Tail::Unknown };
        }
        match tail(&window[common..], self.at_end) {
            Tail::Delimiter { length, closes, bare_lf } => {
                Tail::Delimiter { length: length + common, closes, bare_lf }
            }
            other => other,
        }
    }

    fn preamble(&mut self, line_start: bool) -> Result<Step, MultipartError> {
        if self.preamble > PREAMBLE_MAX {
            return Err(MultipartError::NoDelimiter);
        }
        if line_start {
            match self.delimiter_line(&self.window) {
                Tail::Unknown => return Ok(Step::More),
                Tail::Delimiter { length, closes, bare_lf } => {
                    self.bare_lf = bare_lf;
                    self.finder = memmem::Finder::new(&self.delimiter[usize::from(bare_lf)..]).into_owned();
                    self.take(length);
                    self.state = after(closes);
                    return Ok(Step::Again);
                }
                Tail::No => {}
            }
        }
        let passed = memchr(b'\n', &self.window).map_or(self.window.len(), |at| at + 1);
        let ended = passed > 0 && self.window[passed - 1] == b'\n';
        self.take(passed);
        self.preamble += passed as u64;
        self.state = State::Preamble(ended || (passed == 0 && line_start));
        Ok(if passed == 0 { Step::More } else { Step::Again })
    }

    /// Takes whole lines of a header block until the blank one.
    fn header_block(&mut self) -> Step {
        let at_line_start = self.headers.last().is_none_or(|b| *b == b'\n');
        if at_line_start {
            match self.delimiter_line(&self.window) {
                Tail::Unknown => return Step::More,
                Tail::Delimiter { length, closes, .. } => {
                    self.take(length);
                    self.headers.clear();
                    self.state = State::EmptyPart(closes);
                    return Step::Event(Event::Part(Err(PartFault::Headers)));
                }
                Tail::No => {}
            }
        }
        if self.window.is_empty() {
            return Step::More;
        }
        // A CR at the end stays: if the block proves too large here, it may begin the next delimiter.
        let whole = self.window.len() - usize::from(self.window.ends_with(b"\r"));
        let length = memchr(b'\n', &self.window).map_or(whole, |at| at + 1);
        if length == 0 {
            return Step::More;
        }
        if self.headers.len() + length > HEADERS_MAX {
            self.headers.clear();
            self.state = State::Content;
            return Step::Event(Event::Part(Err(PartFault::HeadersTooLarge)));
        }
        let line_start = self.headers.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let line = self.take(length);
        self.headers.extend_from_slice(&line);
        if !matches!(&self.headers[line_start..], b"\r\n" | b"\n") {
            return Step::Again;
        }
        let block = std::mem::take(&mut self.headers);
        let headers = part_headers(&block[..line_start]);
        self.state = State::ContentStart;
        Step::Event(Event::Part(headers))
    }

    fn content_start(&mut self) -> Step {
        match self.delimiter_line(&self.window) {
            Tail::Unknown => Step::More,
            Tail::Delimiter { length, closes, .. } => self.part_end(length, closes),
            Tail::No => {
                self.state = State::Content;
                Step::Again
            }
        }
    }

    fn content(&mut self) -> Step {
        let line_end = self.line_end();
        let Some(at) = self.finder.find(&self.window) else {
            let keep = self.possible_start();
            return if keep > 0 { Step::Event(Event::Data(self.take(keep))) } else { Step::More };
        };
        if at > 0 {
            return Step::Event(Event::Data(self.take(at)));
        }
        match self.delimiter_line(&self.window[line_end..]) {
            Tail::Unknown => Step::More,
            Tail::Delimiter { length, closes, .. } => self.part_end(line_end + length, closes),
            // The line's first characters are a delimiter's, the line is not: it belongs to the content.
            Tail::No => Step::Event(Event::Data(self.take(line_end + self.dashed().len()))),
        }
    }

    fn part_end(&mut self, length: usize, closes: bool) -> Step {
        self.take(length);
        self.state = after(closes);
        Step::Event(Event::PartEnd)
    }

    /// Where in the window, which holds no delimiter, one may begin that the next chunk completes.
    fn possible_start(&self) -> usize {
        let delimiter = self.finder.needle();
        let from = self.window.len().saturating_sub(delimiter.len() - 1);
        let tail = &self.window[from..];
        // The first byte of a delimiter stands nowhere else in it, so only its last occurrence can be a start.
        match memrchr(delimiter[0], tail) {
            Some(at) if delimiter.starts_with(&tail[at..]) => from + at,
            _ => self.window.len(),
        }
    }

    fn take(&mut self, length: usize) -> Bytes {
        self.window.split_to(length)
    }
}

/// Where a delimiter leads.
fn after(closes: bool) -> State {
    if closes { State::Closing } else { State::Headers }
}

/// Outcome of one step of the state machine.
enum Step {
    Event(Event),
    Again,
    More,
}

/// Judges what follows `--boundary`: `--`, blank space, the end of the line (or of the body after `--`).
fn tail(bytes: &[u8], at_end: bool) -> Tail {
    let dashes = bytes.iter().take(2).take_while(|b| **b == b'-').count();
    let unknown = if at_end { Tail::No } else { Tail::Unknown };
    if dashes == 1 {
        return if bytes.len() == 1 { unknown } else { Tail::No };
    }
    let closes = dashes == 2;
    let padding = bytes[dashes..].iter().take_while(|b| matches!(**b, b' ' | b'\t')).count();
    if padding > PADDING_MAX {
        return Tail::No;
    }
    let length = dashes + padding;
    match &bytes[length..] {
        [b'\r', b'\n', ..] => Tail::Delimiter { length: length + 2, closes, bare_lf: false },
        [b'\n', ..] => Tail::Delimiter { length: length + 1, closes, bare_lf: true },
        [] | [b'\r'] if at_end && closes => Tail::Delimiter { length: bytes.len(), closes, bare_lf: false },
        [] | [b'\r'] => unknown,
        _ => Tail::No,
    }
}

/// Reads a header block without its blank line.
fn part_headers(block: &[u8]) -> Result<PartHeaders, PartFault> {
    let text = String::from_utf8_lossy(block);
    let mut lines: Vec<String> = Vec::new();
    for line in text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).filter(|l| !l.is_empty())
    {
        match lines.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => {
                last.push(' ');
                last.push_str(line.trim());
            }
            _ => lines.push(line.to_owned()),
        }
    }
    let mut headers = PartHeaders::default();
    for line in &lines {
        let (name, value) = line.split_once(':').ok_or(PartFault::Headers)?;
        let (name, value) = (name.trim_end(), value.trim());
        if name.is_empty() || !name.bytes().all(media::is_token_byte) {
            return Err(PartFault::Headers);
        }
        if name.eq_ignore_ascii_case("content-type") {
            headers.content_type = Some(media::parse(value).ok_or(PartFault::Headers)?);
        } else if name.eq_ignore_ascii_case("content-transfer-encoding")
            || name.eq_ignore_ascii_case("content-encoding")
        {
            let plain = ["binary", "8bit", "7bit", "identity", ""];
            headers.encoded |= !plain.iter().any(|known| value.eq_ignore_ascii_case(known));
        }
    }
    Ok(headers)
}
