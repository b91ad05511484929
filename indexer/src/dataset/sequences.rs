//! Which elements of Implicit VR are sequences: frozen, because digests depend on it.
//!
//! A later edition of PS3.6 may name more sequences. In data that is split by format version 1 those of defined length
//! stay opaque values for ever, or the same instance would get another digest after an update.

use super::Tag;
use std::sync::LazyLock;

static SEQUENCES: LazyLock<Vec<Tag>> = LazyLock::new(|| parse(include_str!("sequences_v1.txt")));

fn parse(text: &str) -> Vec<Tag> {
    let mut tags: Vec<Tag> = text
        .lines()
        .filter_map(|line| {
            let (group, element) = line.split_at_checked(4)?;
            Some(Tag(u16::from_str_radix(group, 16).ok()?, u16::from_str_radix(element, 16).ok()?))
        })
        .collect();
    tags.sort_unstable();
    tags
}

/// Whether an implicit element of defined length is a sequence in format version 1.
pub(super) fn is_sequence(tag: Tag) -> bool {
    SEQUENCES.binary_search(&tag).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};

    #[test]
    fn every_line_is_a_sequence_of_the_dictionary() {
        let text = include_str!("sequences_v1.txt");
        assert_eq!(SEQUENCES.len(), text.lines().filter(|line| !line.starts_with('#')).count());
        for tag in SEQUENCES.iter() {
            let entry = dicom_dictionary_std::StandardDataDictionary.by_tag(*tag).unwrap();
            assert_eq!(entry.vr(), VirtualVr::Exact(super::super::Vr::SQ), "{tag}");
        }
        assert!(is_sequence(Tag(0x0008, 0x1115)));
        assert!(!is_sequence(Tag(0x0008, 0x0016)));
        assert!(!is_sequence(Tag(0x7FE0, 0x0010)));
    }
}
