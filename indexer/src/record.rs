//! The bodies of instance, holding and statement records, and the digest of an instance (docs/FORMAT.md).
//!
//! Bytes in, values out: nothing here reads a disk or a database. Every length is checked against the rest of the
//! body, because a record may come from a damaged disk.

use storage_config::{ContentHash, Hasher, Uid};

use crate::statement::{
    DatedCode, Facility, HybridTime, Kind, State, Statement, StatementError, Subject, Who,
};

/// Version of the bodies written here.
const VERSION: u16 = 1;
/// Longest source text that is kept, in bytes.
const SOURCE_MAX: usize = 255;
/// What the digest of an instance starts with, so that it can never equal the hash of something else.
const DIGEST_DOMAIN: &[u8] = b"dicom-instance/1\0";
const FLAG_PATIENT_ID_IS_ORDER: u8 = 1;

/// Why bytes are no record body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The body ends before the value that is named.
    #[error("the record body ends within its {0}")]
    Short(&'static str),
    /// A version this program does not know.
    #[error("record body version {0} is not known")]
    Version(u16),
    /// A value that cannot be.
    #[error("the record body has an invalid {0}")]
    Invalid(&'static str),
    /// No statement, or one of a kind that this program does not know.
    #[error("a statement whose {0}")]
    Statement(#[from] StatementError),
}

/// A bulk value's place in a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplicedBulk {
    /// Position in the skeleton before which the bulk value stands.
    pub at: u64,
    /// Bytes of the bulk value.
    pub length: u64,
    /// SHA-256 of the bulk value.
    pub hash: ContentHash,
}

/// Where an instance came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Milliseconds since 1970-01-01 UTC by this server's clock.
    pub received_ms: i64,
    /// `dimse:AE@ADDRESS`, `stow:NAME@ADDRESS`, `import:LABEL`.
    pub source: String,
    /// Whether this source's PatientID is a counter per order and never joins two studies.
    pub patient_id_is_order: bool,
    /// Who issued the PatientID of data sets that do not say it; empty where nobody told.
    pub issuer: String,
}

/// The body of an instance record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceBody {
    /// When and from whom it came.
    pub arrival: Arrival,
    /// Transfer syntax in which the data set was received and is kept.
    pub transfer_syntax: Uid,
    /// SOP Class UID.
    pub sop_class: Uid,
    /// SOP Instance UID.
    pub sop_instance: Uid,
    /// Frame table as `codecs::FrameTable` writes it, empty where there is none. It could be computed again, but
    /// only by reading the pixels, which a rebuild does not.
    pub frames: Vec<u8>,
    /// The data set without its bulk values.
    pub skeleton: Vec<u8>,
    /// The bulk values, in order.
    pub bulk: Vec<SplicedBulk>,
}

impl InstanceBody {
    /// The digest that identifies this instance: transfer syntax, skeleton, bulk values. Neither the arrival nor
    /// the file meta information is part of it.
    #[must_use]
    pub fn digest(&self) -> ContentHash {
        digest(&self.transfer_syntax, &self.skeleton, &self.bulk)
    }

    /// Bytes of the data set.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.skeleton.len() as u64 + self.bulk.iter().map(|b| b.length).sum::<u64>()
    }

    /// The bytes before the skeleton; the record's body is these and then [`InstanceBody::skeleton`].
    #[must_use]
    pub fn head(&self, digest: &ContentHash) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + 48 * self.bulk.len());
        out.extend(VERSION.to_le_bytes());
        out.push(if self.arrival.patient_id_is_order { FLAG_PATIENT_ID_IS_ORDER } else { 0 });
        out.push(0);
        out.extend(self.arrival.received_ms.to_le_bytes());
        out.extend(digest.0);
        for text in [self.transfer_syntax.as_str(), self.sop_class.as_str(), self.sop_instance.as_str()] {
            put_text(&mut out, text);
        }
        put_text(&mut out, &self.arrival.source);
        put_text(&mut out, &self.arrival.issuer);
        out.extend(u32::try_from(self.bulk.len()).unwrap_or(u32::MAX).to_le_bytes());
        for bulk in &self.bulk {
            out.extend(bulk.at.to_le_bytes());
            out.extend(bulk.length.to_le_bytes());
            out.extend(bulk.hash.0);
        }
        out.extend((self.frames.len() as u64).to_le_bytes());
        out.extend(&self.frames);
        out.extend((self.skeleton.len() as u64).to_le_bytes());
        out
    }

    /// Reads a body back, with the digest that stands in it.
    ///
    /// # Errors
    /// When the body is short, of an unknown version, or has a splice outside the skeleton.
    pub fn read(body: &[u8]) -> Result<(InstanceBody, ContentHash), RecordError> {
        let mut rest = Rest(body);
        rest.version()?;
        let flags = rest.array::<1>("flags")?[0];
        rest.array::<1>("flags")?;
        let received_ms = i64::from_le_bytes(rest.array("receive time")?);
        let digest = ContentHash(rest.array("digest")?);
        let transfer_syntax = rest.uid("transfer syntax")?;
        let sop_class = rest.uid("SOP class")?;
        let sop_instance = rest.uid("SOP instance")?;
        let source = rest.text("source")?;
        let issuer = rest.text("issuer")?;
        let count = u32::from_le_bytes(rest.array("splice count")?) as usize;
        if count > rest.0.len() / 48 {
            return Err(RecordError::Short("splices"));
        }
        let mut bulk = Vec::with_capacity(count);
        for _ in 0..count {
            bulk.push(SplicedBulk {
                at: u64::from_le_bytes(rest.array("splice position")?),
                length: u64::from_le_bytes(rest.array("splice length")?),
                hash: ContentHash(rest.array("splice hash")?),
            });
        }
        let length = u64::from_le_bytes(rest.array("frame table length")?);
        let frames = rest.slice(length, "frame table")?.to_vec();
        let length = u64::from_le_bytes(rest.array("skeleton length")?);
        if length != rest.0.len() as u64 {
            return Err(RecordError::Invalid("skeleton length"));
        }
        if bulk.iter().any(|b| b.at > length) || bulk.windows(2).any(|w| w[0].at > w[1].at) {
            return Err(RecordError::Invalid("splice position"));
        }
        let patient_id_is_order = flags & FLAG_PATIENT_ID_IS_ORDER != 0;
        let arrival = Arrival { received_ms, source, patient_id_is_order, issuer };
        let skeleton = rest.0.to_vec();
        Ok((
            InstanceBody { arrival, transfer_syntax, sop_class, sop_instance, frames, skeleton, bulk },
            digest,
        ))
    }
}

/// The digest of an instance from its parts; see [`InstanceBody::digest`].
#[must_use]
pub fn digest(transfer_syntax: &Uid, skeleton: &[u8], bulk: &[SplicedBulk]) -> ContentHash {
    let mut hasher = Hasher::new();
    hasher.update(DIGEST_DOMAIN);
    hasher.update(&[transfer_syntax.as_str().len() as u8]);
    hasher.update(transfer_syntax.as_str().as_bytes());
    hasher.update(&(skeleton.len() as u64).to_le_bytes());
    hasher.update(skeleton);
    hasher.update(&(bulk.len() as u64).to_le_bytes());
    for b in bulk {
        hasher.update(&b.at.to_le_bytes());
        hasher.update(&b.length.to_le_bytes());
        hasher.update(&b.hash.0);
    }
    hasher.finish()
}

/// The body of a holding record: this facility has that instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldingBody {
    /// When and from whom it came.
    pub arrival: Arrival,
    /// The instance.
    pub digest: ContentHash,
}

impl HoldingBody {
    /// The bytes of the body.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.arrival.source.len());
        out.extend(VERSION.to_le_bytes());
        out.push(if self.arrival.patient_id_is_order { FLAG_PATIENT_ID_IS_ORDER } else { 0 });
        out.push(0);
        out.extend(self.arrival.received_ms.to_le_bytes());
        out.extend(self.digest.0);
        put_text(&mut out, &self.arrival.source);
        put_text(&mut out, &self.arrival.issuer);
        out
    }

    /// Reads a body back.
    ///
    /// # Errors
    /// When the body is short or of an unknown version.
    pub fn read(body: &[u8]) -> Result<HoldingBody, RecordError> {
        let mut rest = Rest(body);
        rest.version()?;
        let flags = rest.array::<1>("flags")?[0];
        rest.array::<1>("flags")?;
        let received_ms = i64::from_le_bytes(rest.array("receive time")?);
        let digest = ContentHash(rest.array("digest")?);
        let source = rest.text("source")?;
        let issuer = rest.text("issuer")?;
        let patient_id_is_order = flags & FLAG_PATIENT_ID_IS_ORDER != 0;
        Ok(HoldingBody { arrival: Arrival { received_ms, source, patient_id_is_order, issuer }, digest })
    }
}

/// The body of a statement record: one JSON object after the version.
///
/// # Errors
/// [`RecordError::Statement`] when it cannot be written as JSON.
pub fn write_statement(statement: &Statement) -> Result<Vec<u8>, RecordError> {
    let mut out = VERSION.to_le_bytes().to_vec();
    out.extend(statement.to_json()?.into_bytes());
    Ok(out)
}

/// Reads a statement back.
///
/// # Errors
/// When the body is short, of an unknown version or no statement that this program knows.
pub fn read_statement(body: &[u8]) -> Result<Statement, RecordError> {
    let mut rest = Rest(body);
    rest.version()?;
    Statement::from_json(rest.0).or_else(|error| {
        let early = serde_json::from_slice::<EarlyFacility>(rest.0).map_err(|_| error)?;
        early.statement(rest.0)
    })
}

/// The first form of a facility statement, from before there were others: one code, nobody's word.
#[derive(serde::Deserialize)]
struct EarlyFacility {
    r#type: String,
    id: u32,
    code: String,
    from: String,
    time_ms: u64,
}

impl EarlyFacility {
    fn statement(self, bytes: &[u8]) -> Result<Statement, RecordError> {
        if self.r#type != "facility" {
            return Err(RecordError::Invalid("type of statement"));
        }
        let asked = ContentHash::of(bytes);
        let state = Facility { codes: vec![DatedCode { code: self.code, from: self.from }] };
        let statement = Statement {
            id: asked.to_string(),
            writer: 1,
            time: HybridTime::new(self.time_ms, 0).map_err(|_| RecordError::Invalid("time"))?,
            subject: Subject { kind: Kind::Facility, key: self.id.to_string() },
            based_on: None,
            state: State::Facility(state),
            who: Who::system(),
            why: String::new(),
            asked,
        };
        statement.check()?;
        Ok(statement)
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let mut end = text.len().min(SOURCE_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.push(end as u8);
    out.extend(&text.as_bytes()[..end]);
}

/// What is left of a body that is read from front to back.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], RecordError> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(RecordError::Short(what))?;
        self.0 = tail;
        Ok(*head)
    }

    fn version(&mut self) -> Result<(), RecordError> {
        match u16::from_le_bytes(self.array("version")?) {
            VERSION => Ok(()),
            other => Err(RecordError::Version(other)),
        }
    }

    fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], RecordError> {
        let length = u64::from(self.array::<1>(what)?[0]);
        self.slice(length, what)
    }

    fn slice(&mut self, length: u64, what: &'static str) -> Result<&'a [u8], RecordError> {
        let length = usize::try_from(length).map_err(|_| RecordError::Short(what))?;
        let (head, tail) = self.0.split_at_checked(length).ok_or(RecordError::Short(what))?;
        self.0 = tail;
        Ok(head)
    }

    fn text(&mut self, what: &'static str) -> Result<String, RecordError> {
        String::from_utf8(self.bytes(what)?.to_vec()).map_err(|_| RecordError::Invalid(what))
    }

    fn uid(&mut self, what: &'static str) -> Result<Uid, RecordError> {
        Uid::parse_bytes(self.bytes(what)?).map_err(|_| RecordError::Invalid(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> InstanceBody {
        InstanceBody {
            arrival: Arrival {
                received_ms: 1_763_700_000_123,
                source: "dimse:CT1@192.0.2.7".into(),
                patient_id_is_order: true,
                issuer: "79001".into(),
            },
            transfer_syntax: Uid::parse("1.2.840.10008.1.2.1").unwrap(),
            sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.2").unwrap(),
            sop_instance: Uid::parse("2.25.1").unwrap(),
            frames: vec![0, 1, 16],
            skeleton: b"skeleton".to_vec(),
            bulk: vec![SplicedBulk { at: 8, length: 5000, hash: ContentHash::of(b"pixels") }],
        }
    }

    fn bytes(body: &InstanceBody) -> Vec<u8> {
        let mut bytes = body.head(&body.digest());
        bytes.extend(&body.skeleton);
        bytes
    }

    #[test]
    fn an_instance_body_reads_back() {
        let body = example();
        assert_eq!(InstanceBody::read(&bytes(&body)), Ok((body.clone(), body.digest())));
    }

    #[test]
    fn every_cut_body_is_refused_and_nothing_panics() {
        let whole = bytes(&example());
        for end in 0..whole.len() {
            assert!(InstanceBody::read(&whole[..end]).is_err(), "cut at {end}");
        }
        let holding = HoldingBody { arrival: example().arrival, digest: example().digest() };
        assert_eq!(HoldingBody::read(&holding.write()), Ok(holding.clone()));
        for end in 0..holding.write().len() {
            assert!(HoldingBody::read(&holding.write()[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn the_digest_depends_on_content_alone() {
        let body = example();
        let mut later = body.clone();
        later.arrival.received_ms += 1;
        assert_eq!(body.digest(), later.digest());
        let mut edited = body.clone();
        edited.skeleton[0] ^= 1;
        assert_ne!(body.digest(), edited.digest());
        let mut other_pixels = body.clone();
        other_pixels.bulk[0].hash = ContentHash::of(b"others");
        assert_ne!(body.digest(), other_pixels.digest());
        let mut other_syntax = body.clone();
        other_syntax.transfer_syntax = Uid::parse("1.2.840.10008.1.2").unwrap();
        assert_ne!(body.digest(), other_syntax.digest());
    }
}
