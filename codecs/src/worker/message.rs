//! What goes between a pool and its workers: lengths, a header in JSON, bytes as they are.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use crate::pixels::{Decoded, Frame, Photometric, PixelAttributes, Samples};
use crate::render::{PictureFormat, Presentation, RenderError, RenderRequest, Rendered};

/// Bytes of the two lengths in front of a message: header in 4, body in 8.
pub(super) const LENGTHS: usize = 12;

/// Most bytes of a header: a palette of 65,536 entries takes about one mebibyte.
const HEADER_MAX: usize = 16 << 20;

/// The first message to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) memory_bytes: u64,
    pub(super) samples: u64,
    pub(super) frame_bytes: u64,
    pub(super) time_ms: u64,
    pub(super) idle_ms: u64,
}

/// What is to be done with the frame in the body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) transfer_syntax: String,
    pub(super) first_bit: u8,
    pub(super) words: bool,
    pub(super) attributes: PixelAttributes,
    /// Samples are wanted where this is none.
    pub(super) picture: Option<(Presentation, RenderRequest)>,
}

impl Job {
    pub(super) fn new(frame: &Frame<'_>, attributes: &PixelAttributes) -> Job {
        Job {
            transfer_syntax: frame.transfer_syntax.to_owned(),
            first_bit: frame.first_bit,
            words: frame.words,
            attributes: attributes.clone(),
            picture: None,
        }
    }
}

/// What came of it; picture or samples are in the body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    Rendered { format: PictureFormat, columns: u32, rows: u32 },
    Decoded { columns: u32, rows: u32, photometric: Photometric, bits: u32, width: usize, signed: bool },
    Failed(RenderError),
}

impl Reply {
    pub(super) fn rendered(result: Result<Rendered, RenderError>) -> (Reply, Vec<u8>) {
        match result {
            Ok(Rendered { format, columns, rows, bytes }) => {
                (Reply::Rendered { format, columns, rows }, bytes)
            }
            Err(error) => (Reply::Failed(error), Vec::new()),
        }
    }

    pub(super) fn decoded(result: Result<Decoded, RenderError>) -> (Reply, Vec<u8>) {
        match result {
            Ok(Decoded { rows, columns, photometric, bits, samples }) => {
                let (width, signed) = (samples.width(), samples.signed());
                (Reply::Decoded { columns, rows, photometric, bits, width, signed }, samples.into_le_bytes())
            }
            Err(error) => (Reply::Failed(error), Vec::new()),
        }
    }

    /// The picture; none for another kind of answer.
    pub(super) fn into_rendered(self, bytes: Vec<u8>) -> Option<Result<Rendered, RenderError>> {
        match self {
            Reply::Rendered { format, columns, rows } => Some(Ok(Rendered { format, columns, rows, bytes })),
            Reply::Failed(error) => Some(Err(error)),
            Reply::Decoded { .. } => None,
        }
    }

    /// The samples; none for another kind of answer.
    pub(super) fn into_decoded(self, bytes: &[u8]) -> Option<Result<Decoded, RenderError>> {
        match self {
            Reply::Decoded { columns, rows, photometric, bits, width, signed } => {
                let samples = Samples::from_le_bytes(bytes, width, signed)?;
                Some(Ok(Decoded { rows, columns, photometric, bits, samples }))
            }
            Reply::Failed(error) => Some(Err(error)),
            Reply::Rendered { .. } => None,
        }
    }
}

/// Lengths and header of a message.
pub(super) fn head<T: Serialize>(header: &T, body: usize) -> io::Result<Vec<u8>> {
    let header = serde_json::to_vec(header)?;
    let length = u32::try_from(header.len()).map_err(io::Error::other)?;
    let mut out = Vec::with_capacity(LENGTHS + header.len());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(body as u64).to_le_bytes());
    out.extend_from_slice(&header);
    Ok(out)
}

/// The lengths of header and body, unless one is beyond its limit.
pub(super) fn lengths(bytes: [u8; LENGTHS], body_max: u64) -> io::Result<(usize, usize)> {
    let [h0, h1, h2, h3, body @ ..] = bytes;
    let (header, body) = (u32::from_le_bytes([h0, h1, h2, h3]) as usize, u64::from_le_bytes(body));
    match usize::try_from(body) {
        Ok(length) if header <= HEADER_MAX && body <= body_max => Ok((header, length)),
        _ => Err(io::Error::other("a message beyond its limit")),
    }
}

/// Reads a message, its body into `body`, whose room is used again.
pub(super) fn read<T: for<'a> Deserialize<'a>>(
    from: &mut impl Read,
    body: &mut Vec<u8>,
    body_max: u64,
) -> io::Result<T> {
    let mut prefix = [0; LENGTHS];
    from.read_exact(&mut prefix)?;
    let (header_length, body_length) = lengths(prefix, body_max)?;
    let mut bytes = vec![0; header_length];
    from.read_exact(&mut bytes)?;
    let header = serde_json::from_slice(&bytes)?;
    body.resize(body_length, 0);
    from.read_exact(body)?;
    Ok(header)
}
