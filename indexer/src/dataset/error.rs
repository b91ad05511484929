//! What can be wrong with a data set. Oddities that lose nothing are [`super::Notes`], not errors.

use thiserror::Error;

/// Why a data set is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DataSetError {
    /// Sequences are nested deeper than the limit.
    #[error("sequences nested deeper than {limit}")]
    TooDeep {
        /// The limit, in nested sequences.
        limit: u32,
    },
    /// More elements, items and fragments than the limit.
    #[error("more than {limit} elements")]
    TooManyElements {
        /// The limit, in elements.
        limit: u32,
    },
    /// What is left after the bulk values are split off is larger than the limit.
    #[error("more than {limit} bytes besides bulk values")]
    SkeletonTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The whole data set is larger than the limit.
    #[error("more than {limit} bytes")]
    InstanceTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// A deflated data set inflates past the limit.
    #[error("inflates to more than {limit} bytes")]
    InflateTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// A deflated data set grows by more than the limit allows.
    #[error("inflates by more than {limit} to 1")]
    InflateRatio {
        /// The limit, in inflated bytes for each deflated byte.
        limit: u32,
    },
    /// A deflated data set is not a deflate stream.
    #[error("not a deflate stream after {inflated} inflated bytes")]
    NotDeflated {
        /// How many bytes came out before the damage.
        inflated: u64,
    },
    /// The data set ends before a declared length, or inside a header.
    #[error("data set ends at byte {at}, {missing} or more bytes are missing")]
    Truncated {
        /// Length of what arrived, in bytes.
        at: u64,
        /// At least so many bytes are missing.
        missing: u64,
    },
    /// The data set has no byte at all.
    #[error("data set is empty")]
    Empty,
    /// The fragments of an encapsulated value break the rules of PS3.5 A.4.
    #[error("encapsulated value is malformed at byte {at}")]
    Fragments {
        /// Position in the data set, in bytes.
        at: u64,
    },
    /// A skeleton and its splice points do not fit together.
    #[error("skeleton and splice points do not fit together")]
    Splices,
}

/// What an error means for whoever sent the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataSetErrorKind {
    /// A limit of this archive is passed.
    Limit,
    /// The data set is cut short.
    Truncated,
    /// The data set cannot be understood.
    Malformed,
}

impl DataSetError {
    /// The meaning of the error.
    pub fn kind(&self) -> DataSetErrorKind {
        match self {
            Self::TooDeep { .. }
            | Self::TooManyElements { .. }
            | Self::SkeletonTooLarge { .. }
            | Self::InstanceTooLarge { .. }
            | Self::InflateTooLarge { .. }
            | Self::InflateRatio { .. } => DataSetErrorKind::Limit,
            Self::Truncated { .. } | Self::Empty => DataSetErrorKind::Truncated,
            Self::NotDeflated { .. } | Self::Fragments { .. } | Self::Splices => DataSetErrorKind::Malformed,
        }
    }
}
