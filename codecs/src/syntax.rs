//! Transfer syntaxes by what their bytes are (PS3.5 chapter 10 and annex A, PS3.6 annex A).

/// How the elements of a data set are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Implicit VR Little Endian.
    ImplicitLittle,
    /// Explicit VR Little Endian, also within every encapsulated syntax.
    ExplicitLittle,
    /// Explicit VR Big Endian (retired).
    ExplicitBig,
    /// Explicit VR Little Endian after raw deflate of the whole data set.
    Deflated,
}

/// What is known of a transfer syntax from its identifier alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferSyntax {
    /// How elements are encoded.
    pub encoding: Encoding,
    /// Whether Pixel Data is a sequence of fragments.
    pub encapsulated: bool,
    /// Media type of one frame (PS3.18 table 8.7.3-5); `application/octet-stream` where there is none.
    pub frame_media_type: &'static str,
}

const OCTETS: &str = "application/octet-stream";

impl TransferSyntax {
    /// Looks `uid` up. Unknown and private syntaxes are taken as encapsulated Explicit VR Little Endian, which is
    /// what every standard syntax since 1994 is.
    #[must_use]
    pub fn of(uid: &str) -> TransferSyntax {
        let (encoding, encapsulated, frame_media_type) = match uid {
            "1.2.840.10008.1.2" => (Encoding::ImplicitLittle, false, OCTETS),
            "1.2.840.10008.1.2.1" => (Encoding::ExplicitLittle, false, OCTETS),
            "1.2.840.10008.1.2.2" => (Encoding::ExplicitBig, false, OCTETS),
            "1.2.840.10008.1.2.1.99" | "1.2.840.10008.1.2.4.95" | "1.2.840.10008.1.2.4.205" => {
                (Encoding::Deflated, false, OCTETS)
            }
            "1.2.840.10008.1.2.4.50"
            | "1.2.840.10008.1.2.4.51"
            | "1.2.840.10008.1.2.4.57"
            | "1.2.840.10008.1.2.4.70" => (Encoding::ExplicitLittle, true, "image/jpeg"),
            "1.2.840.10008.1.2.4.80" | "1.2.840.10008.1.2.4.81" => {
                (Encoding::ExplicitLittle, true, "image/jls")
            }
            "1.2.840.10008.1.2.4.90" | "1.2.840.10008.1.2.4.91" => {
                (Encoding::ExplicitLittle, true, "image/jp2")
            }
            "1.2.840.10008.1.2.4.92" | "1.2.840.10008.1.2.4.93" => {
                (Encoding::ExplicitLittle, true, "image/jpx")
            }
            "1.2.840.10008.1.2.4.110" | "1.2.840.10008.1.2.4.111" | "1.2.840.10008.1.2.4.112" => {
                (Encoding::ExplicitLittle, true, "image/jxl")
            }
            "1.2.840.10008.1.2.4.201" | "1.2.840.10008.1.2.4.202" | "1.2.840.10008.1.2.4.203" => {
                (Encoding::ExplicitLittle, true, "image/jphc")
            }
            "1.2.840.10008.1.2.5" => (Encoding::ExplicitLittle, true, "image/dicom-rle"),
            "1.2.840.10008.1.2.4.100" | "1.2.840.10008.1.2.4.101" => {
                (Encoding::ExplicitLittle, true, "video/mpeg2")
            }
            "1.2.840.10008.1.2.4.102" | "1.2.840.10008.1.2.4.103" | "1.2.840.10008.1.2.4.104" => {
                (Encoding::ExplicitLittle, true, "video/mp4")
            }
            _ => (Encoding::ExplicitLittle, true, OCTETS),
        };
        TransferSyntax { encoding, encapsulated, frame_media_type }
    }
}
