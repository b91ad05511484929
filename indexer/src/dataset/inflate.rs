//! Inflating a deflated data set under a cap, piece by piece (PS3.5 A.5, RFC 1951).

use super::error::DataSetError;
use flate2::{Decompress, FlushDecompress, Status};

/// What inflating may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InflateLimits {
    /// Bytes that may come out.
    pub bytes: u64,
    /// Bytes that may come out for each byte that went in, once [`RATIO_FREE_BYTES`] came out.
    pub ratio: u32,
}

/// Output up to this many bytes is free of the ratio: a small blank image compresses very well.
pub const RATIO_FREE_BYTES: u64 = 1 << 20;

const OUTPUT_BYTES: usize = 32 << 10;

/// Inflates a stream. Memory is bounded: the window and one output buffer.
///
/// A stream with a zlib header (RFC 1950) is taken too: some writers send it. The first byte of such a header cannot
/// start a deflate stream that any known encoder writes.
#[derive(Debug)]
pub struct Inflater {
    limits: InflateLimits,
    decoder: Option<Decompress>,
    zlib: bool,
    /// The first bytes, until there are enough to tell whether there is a zlib header.
    head: Vec<u8>,
    output: Vec<u8>,
    ended: bool,
    trailing: u64,
}

impl Inflater {
    /// An inflater with its limits.
    pub fn new(limits: InflateLimits) -> Self {
        Self {
            limits,
            decoder: None,
            zlib: false,
            head: Vec::new(),
            output: Vec::new(),
            ended: false,
            trailing: 0,
        }
    }

    /// Takes the next bytes of the stream and hands on what comes out. Bytes after the end of the stream are ignored.
    ///
    /// # Errors
    /// [`DataSetError::InflateTooLarge`], [`DataSetError::InflateRatio`], [`DataSetError::NotDeflated`], or what
    /// `out` returned.
    pub fn push<E: From<DataSetError>>(
        &mut self,
        bytes: &[u8],
        out: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.decoder.is_some() {
            return self.inflate(bytes, out);
        }
        self.head.extend_from_slice(bytes);
        let [cmf, flags, ..] = self.head[..] else { return Ok(()) };
        self.zlib = cmf & 0x0f == 8
            && cmf >> 4 <= 7
            && flags & 0x20 == 0
            && u16::from_be_bytes([cmf, flags]).is_multiple_of(31);
        self.decoder = Some(Decompress::new(self.zlib));
        self.output = vec![0; OUTPUT_BYTES];
        let head = std::mem::take(&mut self.head);
        self.inflate(&head, out)
    }

    fn inflate<E: From<DataSetError>>(
        &mut self,
        mut input: &[u8],
        out: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        while !self.ended {
            let (consumed, produced) = (decoder.total_in(), decoder.total_out());
            let status = decoder
                .decompress(input, &mut self.output, FlushDecompress::None)
                .map_err(|_| DataSetError::NotDeflated { inflated: produced })?;
            let taken = usize::try_from(decoder.total_in() - consumed).unwrap_or(usize::MAX);
            let made = usize::try_from(decoder.total_out() - produced).unwrap_or(usize::MAX);
            input = input.get(taken..).unwrap_or_default();
            check(&self.limits, decoder.total_in(), decoder.total_out())?;
            out(self.output.get(..made).unwrap_or_default())?;
            self.ended = status == Status::StreamEnd;
            if !self.ended && (taken, made) == (0, 0) && !input.is_empty() {
                return Err(DataSetError::NotDeflated { inflated: produced }.into());
            }
            if made < self.output.len() && input.is_empty() {
                return Ok(());
            }
        }
        self.trailing = self.trailing.saturating_add(input.len() as u64);
        Ok(())
    }

    /// Ends the stream: whether it had a zlib header, and whether more than a padding byte followed it.
    ///
    /// # Errors
    /// [`DataSetError::Truncated`] if the stream is not complete.
    pub fn finish(self) -> Result<(bool, bool), DataSetError> {
        if !self.ended {
            let at = self.decoder.map_or(self.head.len() as u64, |decoder| decoder.total_in());
            return Err(DataSetError::Truncated { at, missing: 1 });
        }
        Ok((self.zlib, self.trailing > 1))
    }
}

fn check(limits: &InflateLimits, taken: u64, made: u64) -> Result<(), DataSetError> {
    if made > limits.bytes {
        return Err(DataSetError::InflateTooLarge { limit: limits.bytes });
    }
    if made > RATIO_FREE_BYTES && made > taken.saturating_mul(u64::from(limits.ratio)) {
        return Err(DataSetError::InflateRatio { limit: limits.ratio });
    }
    Ok(())
}
