//! Protocol Data Units (PS3.8 9.3): headers, and the PDUs this side writes.
//!
//! Nothing here keeps state or allocates from what a peer claims.

use dicom_ul::pdu::{AbortRQServiceProviderReason as Provider, AbortRQSource, AssociationRJ, Pdu, write_pdu};

/// Bytes before the variable field of a PDU: type, reserved, length.
pub(super) const PDU_HEADER: usize = 6;
/// Bytes before the fragment of a PDV: length, presentation context, message control header.
pub(super) const PDV_HEADER: usize = 6;
/// Bit of the message control header: command set, not data set (PS3.8 E.2).
pub(super) const COMMAND: u8 = 1;
/// Bit of the message control header: last fragment (PS3.8 E.2).
pub(super) const LAST: u8 = 2;

/// The PDU types of PS3.8 9.3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PduType {
    /// A-ASSOCIATE-RQ
    AssociateRequest,
    /// A-ASSOCIATE-AC
    AssociateAccept,
    /// A-ASSOCIATE-RJ
    AssociateReject,
    /// P-DATA-TF
    Data,
    /// A-RELEASE-RQ
    ReleaseRequest,
    /// A-RELEASE-RP
    ReleaseResponse,
    /// A-ABORT
    Abort,
}

impl PduType {
    /// The type that a PDU's first byte names.
    pub fn from_byte(byte: u8) -> Option<PduType> {
        Some(match byte {
            1 => PduType::AssociateRequest,
            2 => PduType::AssociateAccept,
            3 => PduType::AssociateReject,
            4 => PduType::Data,
            5 => PduType::ReleaseRequest,
            6 => PduType::ReleaseResponse,
            7 => PduType::Abort,
            _ => return None,
        })
    }
}

/// A-RELEASE-RP (PS3.8 9.3.7).
pub(super) const RELEASE_RESPONSE: [u8; 10] = [6, 0, 0, 0, 0, 4, 0, 0, 0, 0];

/// A-ABORT (PS3.8 9.3.8).
pub(super) fn abort(source: &AbortRQSource) -> [u8; 10] {
    let (source, reason) = match source {
        AbortRQSource::ServiceUser => (0, 0),
        AbortRQSource::Reserved => (1, 0),
        AbortRQSource::ServiceProvider(reason) => (
            2,
            match reason {
                Provider::ReasonNotSpecified => 0,
                Provider::UnrecognizedPdu => 1,
                Provider::UnexpectedPdu => 2,
                Provider::Reserved => 3,
                Provider::UnrecognizedPduParameter => 4,
                Provider::UnexpectedPduParameter => 5,
                Provider::InvalidPduParameter => 6,
            },
        ),
    };
    [7, 0, 0, 0, 0, 4, 0, 0, source, reason]
}

/// A-ASSOCIATE-RJ (PS3.8 9.3.4).
pub(super) fn reject(rejection: &AssociationRJ) -> Vec<u8> {
    encode(&Pdu::AssociationRJ(rejection.clone()))
}

/// An association PDU as bytes. What cannot be encoded (a text outside ASCII) becomes an A-ABORT, which is always
/// a correct answer; the callers give it checked text only.
pub(super) fn encode(pdu: &Pdu) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    match write_pdu(&mut bytes, pdu) {
        Ok(()) => bytes,
        Err(_) => abort(&AbortRQSource::ServiceProvider(Provider::ReasonNotSpecified)).to_vec(),
    }
}

/// Appends a command set as P-DATA-TF PDUs of at most `max_pdu` bytes each (0: no bound), usually one.
pub(super) fn write_command(out: &mut Vec<u8>, context: u8, command: &[u8], max_pdu: u32) {
    let room = match max_pdu as usize {
        0 => command.len(),
        n => n.saturating_sub(PDV_HEADER),
    };
    let mut fragments = command.chunks(room.max(1)).peekable();
    while let Some(fragment) = fragments.next() {
        // A fragment is at most a few hundred bytes long.
        let length = u32::try_from(fragment.len() + 2).unwrap_or(u32::MAX);
        let last = if fragments.peek().is_none() { LAST } else { 0 };
        out.extend_from_slice(&[4, 0]);
        out.extend_from_slice(&(length + 4).to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&[context, COMMAND | last]);
        out.extend_from_slice(fragment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aborts_are_as_dicom_ul_writes_them() {
        let reasons = [
            Provider::ReasonNotSpecified,
            Provider::UnrecognizedPdu,
            Provider::UnexpectedPdu,
            Provider::UnrecognizedPduParameter,
            Provider::UnexpectedPduParameter,
            Provider::InvalidPduParameter,
        ];
        for source in
            reasons.into_iter().map(AbortRQSource::ServiceProvider).chain([AbortRQSource::ServiceUser])
        {
            assert_eq!(abort(&source).to_vec(), encode(&Pdu::AbortRQ { source }));
        }
        assert_eq!(RELEASE_RESPONSE.to_vec(), encode(&Pdu::ReleaseRP));
    }

    #[test]
    fn a_command_is_cut_to_the_peers_pdu_size() {
        for (max, pdus) in [(0, 1), (16_384, 1), (106, 1), (105, 2), (56, 2), (16, 10), (7, 100)] {
            let mut out = Vec::new();
            write_command(&mut out, 3, &[9; 100], max);
            let (mut at, mut count, mut bytes) = (0, 0, 0);
            while at < out.len() {
                let length = u32::from_be_bytes(out[at + 2..at + 6].try_into().unwrap());
                assert!(max == 0 || length <= max, "{length} over {max}");
                bytes += length as usize - PDV_HEADER;
                count += 1;
                at += PDU_HEADER + length as usize;
                assert_eq!(out[at - (length as usize) + 5] & LAST != 0, at == out.len());
            }
            assert_eq!((count, bytes), (pdus, 100), "max {max}");
        }
    }
}
