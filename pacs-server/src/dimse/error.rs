//! Why an association is broken off, and the A-ABORT that says so.

use dicom_ul::pdu::{AbortRQServiceProviderReason as Provider, AbortRQSource};

use super::pdu::PduType;

/// What a peer did that ends its association (PS3.8 9.2: the actions AA-1 and AA-8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    /// The first byte is no PDU type: another protocol talks to this port.
    #[error("PDU type {0:#04x} is unknown")]
    UnrecognizedPdu(u8),
    /// The PDU is known but not allowed in this state.
    #[error("{0:?} PDU is not expected here")]
    UnexpectedPdu(PduType),
    /// The PDU is longer than this side accepts.
    #[error("{kind:?} PDU of {length} bytes, {limit} are allowed")]
    PduTooLong {
        /// Its type.
        kind: PduType,
        /// What it claims.
        length: u32,
        /// What is allowed.
        limit: u32,
    },
    /// Lengths or values within the PDU contradict each other.
    #[error("malformed PDU: {0}")]
    MalformedPdu(&'static str),
    /// A fragment names a presentation context that was not accepted, or not the one of its message.
    #[error("presentation context {0} is not in use")]
    WrongContext(u8),
    /// A command fragment where a data set fragment belongs, or the reverse.
    #[error("{0}")]
    WrongFragment(&'static str),
    /// The command set has more bytes than this side accepts, or never ends.
    #[error("the command set is longer than {0} bytes")]
    CommandTooLong(u32),
    /// The command set cannot be read.
    #[error("malformed command set: {0}")]
    MalformedCommand(&'static str),
    /// A response or another command that nobody asked for.
    #[error("command {0:#06x} is not expected here")]
    UnexpectedCommand(u16),
    /// A message arrives too slowly.
    #[error("a message arrives below the minimum rate")]
    TooSlow,
    /// Nothing arrived for too long.
    #[error("the association was silent for too long")]
    Silent,
}

impl Violation {
    /// Source and reason of the A-ABORT (PS3.8 9.3.8). What is wrong with a DIMSE message is not the provider's.
    pub fn abort(self) -> AbortRQSource {
        match self {
            Violation::UnrecognizedPdu(_) => AbortRQSource::ServiceProvider(Provider::UnrecognizedPdu),
            Violation::UnexpectedPdu(_) => AbortRQSource::ServiceProvider(Provider::UnexpectedPdu),
            Violation::PduTooLong { .. } | Violation::MalformedPdu(_) | Violation::WrongContext(_) => {
                AbortRQSource::ServiceProvider(Provider::InvalidPduParameter)
            }
            Violation::WrongFragment(_) => AbortRQSource::ServiceProvider(Provider::UnexpectedPduParameter),
            Violation::TooSlow | Violation::Silent => {
                AbortRQSource::ServiceProvider(Provider::ReasonNotSpecified)
            }
            Violation::CommandTooLong(_)
            | Violation::MalformedCommand(_)
            | Violation::UnexpectedCommand(_) => AbortRQSource::ServiceUser,
        }
    }

    /// A word for metrics.
    pub fn label(self) -> &'static str {
        match self {
            Violation::UnrecognizedPdu(_) => "unrecognized_pdu",
            Violation::UnexpectedPdu(_) => "unexpected_pdu",
            Violation::PduTooLong { .. } => "pdu_too_long",
            Violation::MalformedPdu(_) => "malformed_pdu",
            Violation::WrongContext(_) => "wrong_context",
            Violation::WrongFragment(_) => "wrong_fragment",
            Violation::CommandTooLong(_) => "command_too_long",
            Violation::MalformedCommand(_) => "malformed_command",
            Violation::UnexpectedCommand(_) => "unexpected_command",
            Violation::TooSlow => "too_slow",
            Violation::Silent => "silent",
        }
    }
}
