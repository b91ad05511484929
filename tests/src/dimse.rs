//! A DIMSE sender over a plain socket: associations, C-ECHO and C-STORE (PS3.7, PS3.8).

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fixtures::pdu;
use fixtures::studies::Instance;

pub use fixtures::pdu::Context;

/// How long a peer may leave us without an answer.
const ANSWER: Duration = Duration::from_secs(120);
/// Bytes of a PDU that this side takes, and sends at most.
const PDU_BYTES: u32 = 131_072;

/// An answer to C-STORE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status (0000,0900).
    pub status: u16,
    /// Error Comment (0000,0902).
    pub comment: String,
}

/// What a request for an association was answered with.
pub enum Reply {
    /// It stands.
    Accepted(Association),
    /// A-ASSOCIATE-RJ: result, source, reason (PS3.8 9.3.4).
    Rejected([u8; 3]),
}

/// An association that was accepted.
pub struct Association {
    stream: TcpStream,
    message_id: u16,
}

/// Presentation contexts for `instances`, one for each pair of SOP class and transfer syntax.
#[must_use]
pub fn contexts_for<'a>(instances: impl IntoIterator<Item = &'a Instance>) -> Vec<Context> {
    let mut contexts: Vec<Context> = Vec::new();
    for one in instances {
        if context_of(&contexts, one).is_none() {
            contexts.push(Context::new(2 * contexts.len() as u8 + 1, &one.sop_class, one.syntax.uid));
        }
    }
    contexts
}

/// The number of the context for `instance`.
#[must_use]
pub fn context_of(contexts: &[Context], instance: &Instance) -> Option<u8> {
    let fits = |c: &&Context| {
        c.abstract_syntax == instance.sop_class && c.transfer_syntaxes == [instance.syntax.uid.to_owned()]
    };
    contexts.iter().find(fits).map(|context| context.id)
}

impl Association {
    /// Asks for an association.
    ///
    /// # Errors
    /// When there is no answer, or none of the two that PS3.8 has.
    pub fn request(address: SocketAddr, calling: &str, called: &str, contexts: &[Context]) -> Result<Reply> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        stream.write_all(&pdu::associate_rq(called, calling, contexts, PDU_BYTES, &[]))?;
        let (kind, body) = read_pdu(&mut stream)?;
        match (kind, body.get(1..4)) {
            (2, _) => Ok(Reply::Accepted(Association { stream, message_id: 0 })),
            (3, Some(&[result, source, reason])) => Ok(Reply::Rejected([result, source, reason])),
            _ => bail!("a request for an association was answered with PDU {kind} {body:?}"),
        }
    }

    /// An association for `contexts`.
    ///
    /// # Errors
    /// When it is not accepted.
    pub fn open(
        address: SocketAddr,
        calling: &str,
        called: &str,
        contexts: &[Context],
    ) -> Result<Association> {
        match Association::request(address, calling, called, contexts)? {
            Reply::Accepted(association) => Ok(association),
            Reply::Rejected(why) => bail!("the association was rejected: {why:?}"),
        }
    }

    /// C-ECHO; returns the status.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn echo(&mut self, context: u8) -> Result<u16> {
        let message_id = self.next_message();
        self.stream.write_all(&pdu::message(context, true, &pdu::c_echo_rq(message_id), 4096))?;
        Ok(self.response()?.status)
    }

    /// C-STORE of an instance over the context that `contexts` has for it.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn store(&mut self, contexts: &[Context], instance: &Instance) -> Result<Response> {
        let context = context_of(contexts, instance).context("no context for the instance")?;
        let data_set = instance.data_set.chunks(PDU_BYTES as usize - 6).map(<[u8]>::to_vec);
        self.store_chunks(context, (&instance.sop_class, &instance.sop_instance), data_set)
    }

    /// C-STORE of a data set in chunks of at most [`CHUNK`] bytes, of the named SOP class and instance.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn store_chunks(
        &mut self,
        context: u8,
        (sop_class, sop_instance): (&str, &str),
        data_set: impl Iterator<Item = Vec<u8>>,
    ) -> Result<Response> {
        let command = pdu::c_store_rq(self.next_message(), sop_class, sop_instance);
        let mut written = self.stream.write_all(&pdu::message(context, true, &command, PDU_BYTES as usize));
        let mut chunks = data_set.peekable();
        let mut next = Some(chunks.next().unwrap_or_default());
        while let (Some(chunk), Ok(())) = (next, &written) {
            let last = chunks.peek().is_none();
            written = self.stream.write_all(&pdu::p_data(context, false, last, &chunk));
            next = chunks.next();
        }
        // Whoever stops listening may have said why.
        match (self.response(), written) {
            (Err(silence), Err(cut)) => Err(silence.context(cut)),
            (Ok(response), Err(cut)) => bail!("{response:?} before the end of the data set: {cut}"),
            (response, Ok(())) => response,
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is closed.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// A-RELEASE.
    ///
    /// # Errors
    /// When it is not answered.
    pub fn release(mut self) -> Result<()> {
        self.stream.write_all(&pdu::release_rq())?;
        match read_pdu(&mut self.stream)? {
            (6, _) => Ok(self.stream.shutdown(Shutdown::Both).or_else(gone)?),
            other => bail!("A-RELEASE was answered with {other:?}"),
        }
    }

    fn next_message(&mut self) -> u16 {
        self.message_id = self.message_id.wrapping_add(1);
        self.message_id
    }

    /// Reads one response.
    ///
    /// # Errors
    /// When something else comes, or nothing.
    pub fn response(&mut self) -> Result<Response> {
        let mut command = Vec::new();
        loop {
            let (kind, body) = read_pdu(&mut self.stream)?;
            if kind != 4 {
                bail!("in the place of a response came PDU {kind} {body:?}");
            }
            let control = *body.get(5).context("a stump of a PDV")?;
            command.extend_from_slice(&body[6..]);
            if control & 2 != 0 {
                break;
            }
        }
        let status = element(&command, 0x0900).and_then(|v| Some(u16::from_le_bytes(v.try_into().ok()?)));
        let comment = element(&command, 0x0902).map_or(String::new(), |v| String::from_utf8_lossy(v).into());
        Ok(Response { status: status.context("a response without status")?, comment })
    }
}

/// Bytes of a data set in one PDU.
pub const CHUNK: usize = PDU_BYTES as usize - 6;

/// The other side has closed already: that is an end too.
fn gone(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotConnected { Ok(()) } else { Err(error) }
}

/// The value of (0000,`number`) in a command set.
fn element(mut command: &[u8], number: u16) -> Option<&[u8]> {
    while let Some((head, rest)) = command.split_at_checked(8) {
        let length = u32::from_le_bytes(head[4..8].try_into().ok()?) as usize;
        let (value, after) = rest.split_at_checked(length)?;
        if head[..4] == [0, 0, number.to_le_bytes()[0], number.to_le_bytes()[1]] {
            return Some(value);
        }
        command = after;
    }
    None
}

fn read_pdu(stream: &mut TcpStream) -> Result<(u8, Vec<u8>)> {
    let mut head = [0; 6];
    stream.read_exact(&mut head).context("no PDU came")?;
    let length = u32::from_be_bytes([head[2], head[3], head[4], head[5]]);
    if length > 1 << 20 {
        bail!("a PDU of {length} bytes");
    }
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body).context("a PDU was cut off")?;
    Ok((head[0], body))
}
