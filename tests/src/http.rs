//! An HTTP/1.1 client on a plain socket: enough to ask DICOMweb and `/api/v1`, and to send what no library would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fixtures::hostile::Pieces;
use fixtures::studies::Instance;
use serde_json::Value;

use crate::data_set_of;

/// How long a server may leave us without a byte.
const ANSWER: Duration = Duration::from_secs(120);
/// The boundary of what is stored here: no instance of the fixtures holds it.
const BOUNDARY: &str = "f1f2f3f4f5f6f7f8f9f0";

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of a name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("{self:.300?}"))
    }
}

/// The body as JSON of an answer that has to have a status.
///
/// # Errors
/// When it has another one, or its body is no JSON.
pub fn good(answer: &Answer, status: u16) -> Result<Value> {
    if answer.status != status {
        bail!("{} in the place of {status}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    answer.json()
}

/// That an answer is a refusal with a status, whose problem names a field, or none.
///
/// # Errors
/// When it is another answer.
pub fn refused<'f>(answer: &Answer, status: u16, field: impl Into<Option<&'f str>>) -> Result<()> {
    let problem = good(answer, status)?;
    if answer.header("content-type") != Some("application/problem+json") {
        bail!("no problem: {answer:?}");
    }
    let field = field.into();
    if problem["field"].as_str() != field {
        bail!("{field:?} is not named: {problem}");
    }
    Ok(())
}

/// One version of an instance, as `/api/v1/instances/{sop_instance}/versions` lists it.
#[derive(Clone, Debug)]
pub struct Version {
    /// Whether it is the one that QIDO-RS and WADO-RS show.
    pub served: bool,
    /// Its data set.
    pub data_set: Vec<u8>,
}

/// A connection that is kept over requests and made again when it was closed.
pub struct Http {
    address: SocketAddr,
    open: Option<BufReader<TcpStream>>,
}

impl Http {
    /// A client of `address`; nothing is connected yet.
    #[must_use]
    pub fn new(address: SocketAddr) -> Http {
        Http { address, open: None }
    }

    /// A new connection.
    ///
    /// # Errors
    /// When there is none.
    pub fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        Ok(stream)
    }

    /// GET of `path`, percent-encoded as it is to be sent.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&mut self, path: &str) -> Result<Answer> {
        self.get_accepting(path, "*/*")
    }

    /// The same with an Accept header.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get_accepting(&mut self, path: &str, accept: &str) -> Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: {accept}\r\n\r\n", self.address);
        let mut reader = match self.open.take() {
            Some(open) => open,
            None => BufReader::new(self.connect()?),
        };
        reader.get_mut().write_all(request.as_bytes())?;
        let answer = read_answer(&mut reader)?;
        if answer.header("connection") != Some("close") {
            self.open = Some(reader);
        }
        Ok(answer)
    }

    /// GET of a path whose answer has to be 200 and JSON.
    ///
    /// # Errors
    /// When it is not.
    pub fn json(&mut self, path: &str) -> Result<Value> {
        let answer = self.get(path)?;
        if answer.status != 200 {
            bail!("{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        answer.json()
    }

    /// Instances in the archive, as `/api/v1/state` counts them.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn count(&mut self) -> Result<u64> {
        self.json("/api/v1/state")?["instances"].as_u64().context("no number of instances")
    }

    /// STOW-RS of whole files, each a part.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn stow(&mut self, files: &[Pieces]) -> Result<Answer> {
        let head = format!("\r\n--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n");
        let mut body = Pieces::default();
        for file in files {
            body = body.then(head.as_bytes(), 1);
            body.append(file.clone());
        }
        let body = body.then(format!("\r\n--{BOUNDARY}--\r\n").as_bytes(), 1);
        self.post(&related(BOUNDARY), &body)
    }

    /// POST of `body` to the root of STOW-RS, over a connection of its own.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn post(&mut self, content_type: &str, body: &Pieces) -> Result<Answer> {
        let mut stream = self.connect()?;
        stream.write_all(&post_head(content_type, &format!("Content-Length: {}", body.len())))?;
        let mut written = Ok(());
        for chunk in body.chunks(1 << 17) {
            written = stream.write_all(&chunk);
            if written.is_err() {
                break;
            }
        }
        // A server that has heard enough answers before the end.
        let answer = read_answer(&mut BufReader::new(stream));
        match (answer, written) {
            (Ok(answer), _) => Ok(answer),
            (Err(error), Ok(())) => Err(error),
            (Err(error), Err(cut)) => Err(error.context(cut)),
        }
    }

    /// A request of `method` with a JSON body and further headers.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn say(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Result<Answer> {
        let mut lines = vec!["Content-Type: application/json".to_owned()];
        lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        self.send(method, path, &lines, body.to_string().as_bytes())
    }

    /// A request with a body, over a connection of its own; `headers` are lines such as `Origin: http://...`.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Result<Answer> {
        let mut stream = self.connect()?;
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{lines}Content-Length: {length}\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes())?;
        // A server that has heard enough answers before the end.
        let written = stream.write_all(body);
        let answer = read_answer(&mut BufReader::new(stream));
        if answer.is_err() {
            written?;
        }
        answer
    }

    /// The data set of the served version, by WADO-RS.
    ///
    /// # Errors
    /// When it is not given out.
    pub fn instance(&mut self, instance: &Instance) -> Result<Vec<u8>> {
        let Instance { study, series, sop_instance, .. } = instance;
        let path = format!("/dicom-web/studies/{study}/series/{series}/instances/{sop_instance}");
        let answer = self.get_accepting(&path, "application/dicom; transfer-syntax=*")?;
        if answer.status != 200 {
            bail!("{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(data_set_of(&answer.body)?.to_vec())
    }

    /// All versions of an instance with their data sets; empty where the archive knows none.
    ///
    /// # Errors
    /// When the answer is not 200 or 404.
    pub fn versions(&mut self, sop_instance: &str) -> Result<Vec<Version>> {
        let path = format!("/api/v1/instances/{sop_instance}/versions");
        let answer = self.get(&path)?;
        if answer.status == 404 {
            return Ok(Vec::new());
        }
        if answer.status != 200 {
            bail!("{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        let mut versions = Vec::new();
        for row in answer.json()?.as_array().context("no list")? {
            let file = self.get(row["href"].as_str().context("no address")?)?;
            if file.status != 200 {
                bail!("a version of {sop_instance}: {}", file.status);
            }
            let data_set = data_set_of(&file.body)?.to_vec();
            versions.push(Version { served: row["served"] == true, data_set });
        }
        Ok(versions)
    }
}

/// Content-Type of a STOW-RS body.
#[must_use]
pub fn related(boundary: &str) -> String {
    format!("multipart/related; type=\"application/dicom\"; boundary={boundary}")
}

/// Request line and headers of a STOW-RS request whose body is framed by `framing`.
#[must_use]
pub fn post_head(content_type: &str, framing: &str) -> Vec<u8> {
    format!(
        "POST /dicom-web/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n\
         {framing}\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

/// Reads one answer.
///
/// # Errors
/// When the connection ends before it is whole.
pub fn read_answer(reader: &mut BufReader<TcpStream>) -> Result<Answer> {
    let first = line(reader)?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.with_context(|| format!("no status: {first:?}"))?;
    let mut headers = Vec::new();
    loop {
        let header = line(reader)?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').with_context(|| format!("no header: {header:?}"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    if status < 200 {
        return read_answer(reader);
    }
    if answer.header("transfer-encoding").is_some_and(|te| te.contains("chunked")) {
        while let length @ 1.. = usize::from_str_radix(line(reader)?.trim(), 16).context("no chunk length")? {
            let start = answer.body.len();
            answer.body.resize(start + length, 0);
            reader.read_exact(&mut answer.body[start..]).context("a chunk was cut off")?;
            line(reader)?;
        }
        line(reader)?;
    } else if let Some(length) = answer.header("content-length") {
        let length: usize = length.parse()?;
        answer.body.resize(length, 0);
        reader.read_exact(&mut answer.body).context("the body was cut off")?;
    } else if !matches!(status, 204 | 304) {
        reader.read_to_end(&mut answer.body)?;
    }
    Ok(answer)
}

fn line(reader: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        bail!("the connection was closed");
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
