//! Which abstract syntaxes are for something else than storing (PS3.4, PS3.6 table A-1).
//!
//! The one table of it. Whatever is not named here is taken for a storage SOP class, so that private ones and those
//! of future editions are stored too.

use super::negotiation::VERIFICATION;

/// What this archive does for an abstract syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// C-ECHO (PS3.4 annex A).
    Verification,
    /// C-STORE (PS3.4 annex B, GG).
    Storage,
    /// N-CREATE and N-SET of performed procedure steps (PS3.4 F.7).
    PerformedStep,
    /// Nothing: the presentation context is rejected.
    None,
}

/// Modality Performed Procedure Step (PS3.4 F.7.3).
pub(super) const PERFORMED_STEP: &str = "1.2.840.10008.3.1.2.3.3";

/// Everything below these is for something else, but for [`STORED_NEVERTHELESS`].
const ROOTS: [&str; 9] = [
    "1.2.840.10008.1.20.",       // storage commitment
    "1.2.840.10008.3.1.", // patient, visit, study, results management; performed steps retrieved, notified
    "1.2.840.10008.5.1.1.", // print, media creation, display system
    "1.2.840.10008.5.1.4.1.2.", // query/retrieve
    "1.2.840.10008.5.1.4.20.", // defined procedure protocol query/retrieve
    "1.2.840.10008.5.1.4.32.", // general purpose worklist
    "1.2.840.10008.5.1.4.34.4.", // unified procedure step, trial
    "1.2.840.10008.5.1.4.34.6.", // unified procedure step
    "1.2.840.10008.5.1.4.37.", // relevant patient information
];

/// Storage SOP classes below one of [`ROOTS`]; all retired.
const STORED_NEVERTHELESS: [&str; 3] = [
    "1.2.840.10008.5.1.1.27", // Stored Print Storage
    "1.2.840.10008.5.1.1.29", // Hardcopy Grayscale Image Storage
    "1.2.840.10008.5.1.1.30", // Hardcopy Color Image Storage
];

/// Single ones.
const SINGLE: [&str; 37] = [
    "1.2.840.10008.1.3.10",          // Media Storage Directory, never sent over a network
    "1.2.840.10008.1.9",             // Basic Study Content Notification
    "1.2.840.10008.1.40",            // Procedural Event Logging
    "1.2.840.10008.1.42",            // Substance Administration Logging
    "1.2.840.10008.4.2",             // Storage Service Class, which is no SOP class
    "1.2.840.10008.5.1.4.1.1.200.4", // Protocol Approval FIND, MOVE, GET
    "1.2.840.10008.5.1.4.1.1.200.5",
    "1.2.840.10008.5.1.4.1.1.200.6",
    "1.2.840.10008.5.1.4.1.1.201.2", // Inventory FIND, MOVE, GET, creation; repository query
    "1.2.840.10008.5.1.4.1.1.201.3",
    "1.2.840.10008.5.1.4.1.1.201.4",
    "1.2.840.10008.5.1.4.1.1.201.5",
    "1.2.840.10008.5.1.4.1.1.201.6",
    "1.2.840.10008.5.1.4.31",   // Modality Worklist FIND
    "1.2.840.10008.5.1.4.32",   // General Purpose Worklist Management
    "1.2.840.10008.5.1.4.33",   // Instance Availability Notification
    "1.2.840.10008.5.1.4.34.2", // RT Conventional, Ion Machine Verification, trial
    "1.2.840.10008.5.1.4.34.3",
    "1.2.840.10008.5.1.4.34.4", // Unified Procedure Step Service Class, trial; and final
    "1.2.840.10008.5.1.4.34.6",
    "1.2.840.10008.5.1.4.34.8", // RT Conventional, Ion Machine Verification
    "1.2.840.10008.5.1.4.34.9",
    "1.2.840.10008.5.1.4.38.2", // Hanging Protocol FIND, MOVE, GET
    "1.2.840.10008.5.1.4.38.3",
    "1.2.840.10008.5.1.4.38.4",
    "1.2.840.10008.5.1.4.39.2", // Color Palette FIND, MOVE, GET
    "1.2.840.10008.5.1.4.39.3",
    "1.2.840.10008.5.1.4.39.4",
    "1.2.840.10008.5.1.4.41", // Product Characteristics, Substance Approval Query
    "1.2.840.10008.5.1.4.42",
    "1.2.840.10008.5.1.4.43.2", // Generic Implant Template FIND, MOVE, GET
    "1.2.840.10008.5.1.4.43.3",
    "1.2.840.10008.5.1.4.43.4",
    "1.2.840.10008.10.1", // Real-time communication
    "1.2.840.10008.10.2",
    "1.2.840.10008.10.3",
    "1.2.840.10008.10.4",
];

/// FIND, MOVE, GET of implant assembly templates (44) and implant template groups (45).
const IMPLANTS: [&str; 6] = [
    "1.2.840.10008.5.1.4.44.2",
    "1.2.840.10008.5.1.4.44.3",
    "1.2.840.10008.5.1.4.44.4",
    "1.2.840.10008.5.1.4.45.2",
    "1.2.840.10008.5.1.4.45.3",
    "1.2.840.10008.5.1.4.45.4",
];

/// What this archive does for an abstract syntax.
pub(super) fn service(abstract_syntax: &str) -> Service {
    match abstract_syntax {
        VERIFICATION => return Service::Verification,
        PERFORMED_STEP => return Service::PerformedStep,
        _ => {}
    }
    let other = SINGLE.contains(&abstract_syntax)
        || IMPLANTS.contains(&abstract_syntax)
        || (ROOTS.iter().any(|root| abstract_syntax.starts_with(root))
            && !STORED_NEVERTHELESS.contains(&abstract_syntax));
    if other { Service::None } else { Service::Storage }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_classes_are_stored_private_ones_too_and_the_others_are_not() {
        for storage in [
            "1.2.840.10008.5.1.4.1.1.2",
            "1.2.840.10008.5.1.4.1.1.88.33",
            "1.2.840.10008.5.1.4.1.1.200.2",
            "1.2.840.10008.5.1.4.1.1.201.1",
            "1.2.840.10008.5.1.4.34.7",
            "1.2.840.10008.5.1.4.34.10",
            "1.2.840.10008.5.1.4.38.1",
            "1.2.840.10008.5.1.4.45.1",
            "1.2.840.10008.5.1.1.29",
            "1.3.12.2.1107.5.9.1",
            "1.2.840.113619.4.30",
        ] {
            assert_eq!(service(storage), Service::Storage, "{storage}");
        }
        for other in [
            "1.2.840.10008.5.1.4.1.2.2.1",
            "1.2.840.10008.5.1.4.31",
            "1.2.840.10008.3.1.2.3.4",
            "1.2.840.10008.3.1.2.3.5",
            "1.2.840.10008.5.1.1.9",
            "1.2.840.10008.5.1.1.2",
            "1.2.840.10008.1.20.1",
            "1.2.840.10008.5.1.4.34.6.1",
            "1.2.840.10008.5.1.4.45.4",
        ] {
            assert_eq!(service(other), Service::None, "{other}");
        }
        assert_eq!(service("1.2.840.10008.1.1"), Service::Verification);
        assert_eq!(service("1.2.840.10008.3.1.2.3.3"), Service::PerformedStep);
    }
}
