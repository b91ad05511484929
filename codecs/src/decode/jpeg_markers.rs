//! The marker segments in front of the first scan of a JPEG or JPEG-LS codestream (ISO/IEC 10918-1 annex B, 14495-1
//! annex C).

use super::{DecodeError, damaged};

/// Start of image.
pub(crate) const SOI: u8 = 0xd8;
/// Frame header of JPEG-LS.
pub(crate) const SOF55: u8 = 0xf7;
const SOS: u8 = 0xda;
const EOI: u8 = 0xd9;
const APP0: u8 = 0xe0;
const APP14: u8 = 0xee;

/// A marker segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    /// Second byte of the marker.
    pub(crate) marker: u8,
    /// The whole segment from its marker on.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Segment<'a> {
    /// What follows the length.
    fn body(&self) -> &'a [u8] {
        self.bytes.get(4..).unwrap_or(&[])
    }

    /// Whether this is the JFIF segment.
    pub(crate) fn is_jfif(&self) -> bool {
        self.marker == APP0 && self.body().starts_with(b"JFIF\0")
    }

    /// The colour transform that an Adobe segment states.
    pub(crate) fn adobe_transform(&self) -> Option<u8> {
        (self.marker == APP14 && self.body().starts_with(b"Adobe")).then(|| self.body().get(11).copied())?
    }
}

/// The frame header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// Which kind of frame: second byte of the SOF marker.
    pub(crate) marker: u8,
    /// Bits of a sample.
    pub(crate) precision: u32,
    /// Number of lines.
    pub(crate) rows: u32,
    /// Samples per line.
    pub(crate) columns: u32,
    /// Component identifiers.
    pub(crate) components: Vec<u8>,
}

impl FrameHeader {
    /// Whether samples are predicted instead of transformed.
    pub(crate) fn lossless(&self) -> bool {
        self.marker == 0xc3
    }
}

/// What stands in front of the entropy-coded data.
#[derive(Debug, Clone)]
pub(crate) struct Header<'a> {
    /// All segments between the start of the image and the first scan.
    pub(crate) segments: Vec<Segment<'a>>,
    /// The frame header among them.
    pub(crate) frame: FrameHeader,
    /// The first scan header and everything behind it.
    pub(crate) scans: &'a [u8],
}

impl Header<'_> {
    /// Number of components in the first scan.
    pub(crate) fn components_in_scan(&self) -> u8 {
        self.scans.get(4).copied().unwrap_or(0)
    }
}

/// Reads up to the first scan.
pub(crate) fn read(stream: &[u8]) -> Result<Header<'_>, DecodeError> {
    let mut rest = stream.strip_prefix(&[0xff, SOI]).ok_or_else(|| damaged("no start of a JPEG image"))?;
    let mut segments = Vec::new();
    let mut frame = None;
    loop {
        // Any number of fill bytes may stand in front of a marker.
        while rest.starts_with(&[0xff, 0xff]) {
            rest = rest.get(1..).unwrap_or(&[]);
        }
        let [0xff, marker, ..] = *rest else { return Err(damaged("no marker where one must be")) };
        if marker == SOS {
            let frame = frame.ok_or_else(|| damaged("no frame header before the first scan"))?;
            return Ok(Header { segments, frame, scans: rest });
        }
        if marker == EOI || marker == 0 || (0xd0..=0xd7).contains(&marker) {
            return Err(damaged("a JPEG image without a scan"));
        }
        let length = match rest.get(2..4) {
            Some([high, low]) => usize::from(*high) << 8 | usize::from(*low),
            _ => return Err(damaged("the JPEG header ends early")),
        };
        let bytes = rest.get(..length + 2).ok_or_else(|| damaged("the JPEG header ends early"))?;
        if length < 2 {
            return Err(damaged("a marker segment without its length"));
        }
        let segment = Segment { marker, bytes };
        if is_frame_header(marker) {
            if frame.is_some() {
                return Err(damaged("a second frame header"));
            }
            frame = Some(frame_header(segment)?);
        }
        segments.push(segment);
        rest = rest.get(length + 2..).unwrap_or(&[]);
    }
}

/// SOF0 to SOF15 without DHT, JPG and DAC, and that of JPEG-LS.
fn is_frame_header(marker: u8) -> bool {
    (0xc0..=0xcf).contains(&marker) && ![0xc4, 0xc8, 0xcc].contains(&marker) || marker == SOF55
}

fn frame_header(segment: Segment<'_>) -> Result<FrameHeader, DecodeError> {
    let [precision, r1, r0, c1, c0, count, rest @ ..] = segment.body() else {
        return Err(damaged("a frame header that ends early"));
    };
    let components: Vec<u8> = rest.as_chunks::<3>().0.iter().map(|[id, ..]| *id).collect();
    if components.len() != usize::from(*count) {
        return Err(damaged("a frame header without its components"));
    }
    Ok(FrameHeader {
        marker: segment.marker,
        precision: u32::from(*precision),
        rows: u32::from(*r1) << 8 | u32::from(*r0),
        columns: u32::from(*c1) << 8 | u32::from(*c0),
        components,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: [u8; 37] = [
        0xff, 0xd8, 0xff, 0xff, 0xee, 0, 14, b'A', b'd', b'o', b'b', b'e', 0, 100, 0, 0, 0, 0, 1, 0xff, 0xc0,
        0, 11, 8, 1, 2, 3, 4, 1, 1, 0x11, 0, 0xff, 0xda, 0, 8, 1,
    ];

    #[test]
    fn a_header_is_read_to_its_first_scan() {
        let header = read(&STREAM).unwrap();
        let expected =
            FrameHeader { marker: 0xc0, precision: 8, rows: 258, columns: 772, components: vec![1] };
        assert_eq!(header.frame, expected);
        assert_eq!(header.segments[0].adobe_transform(), Some(1));
        assert_eq!(header.components_in_scan(), 1);
    }

    #[test]
    fn no_cut_is_taken_for_a_header() {
        for end in 0..33 {
            assert!(read(&STREAM[..end]).is_err(), "{end}");
        }
        for at in 0..STREAM.len() {
            for byte in [0, 1, 0xff, 0xd8, 0xd9] {
                let mut stream = STREAM;
                stream[at] = byte;
                let _ = read(&stream);
            }
        }
    }
}
