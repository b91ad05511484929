//! Whether a chain of entries is whole. An edit, a drop, an insertion or another order breaks it; a tail that was cut
//! off is seen where somebody knows a later head: a sealed pack, an export, whoever wrote one down.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use storage_config::ContentHash;

use crate::statement::{LedgerEntry, NO_ENTRY};

/// How far a chain was at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Head {
    /// Whose chain.
    pub writer: u32,
    /// Entries.
    pub count: u64,
    /// Hash of the last of them.
    pub head: ContentHash,
}

/// What is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Break {
    /// The content of an entry does not have its hash.
    #[error("entry {writer}:{count} was changed: its content does not have its hash")]
    Changed {
        /// The chain.
        writer: u32,
        /// The entry.
        count: u64,
    },
    /// Where an entry should stand, another one or none does.
    #[error("chain {writer}: entry {expected} is missing or out of place; {found} stands there")]
    OutOfPlace {
        /// The chain.
        writer: u32,
        /// The entry that should be there.
        expected: u64,
        /// The one that is.
        found: u64,
    },
    /// An entry names another one before it than the one that is there.
    #[error("entry {writer}:{count} does not follow the one before it")]
    NotFollowing {
        /// The chain.
        writer: u32,
        /// The entry.
        count: u64,
    },
    /// Somebody knows a head that the chain does not have.
    #[error(
        "chain {writer} had entry {count} with another hash, or has lost it; it has {entries} entries now"
    )]
    Cut {
        /// The chain.
        writer: u32,
        /// The entry that is known to have been its head.
        count: u64,
        /// Entries that are there.
        entries: u64,
    },
    /// A head that was given is that of no entry.
    #[error("no entry has the hash {head}: the end of a chain was cut off, or it was changed")]
    HeadUnknown {
        /// The head.
        head: ContentHash,
    },
}

/// Looks through the entries of all chains, those of one writer in the order of their chain, and holds them against
/// what others know: `known` heads with their place, and a `given` hash of the last entry somebody saw. The heads of
/// the chains, and all that is wrong.
#[must_use]
pub fn verify<'a>(
    entries: impl IntoIterator<Item = &'a LedgerEntry>,
    known: &[Head],
    given: Option<ContentHash>,
) -> (Vec<Head>, Vec<Break>) {
    let mut chains: BTreeMap<u32, Vec<ContentHash>> = BTreeMap::new();
    let mut breaks = Vec::new();
    for entry in entries {
        let (writer, count) = (entry.writer, entry.count);
        let chain = chains.entry(writer).or_default();
        let expected = chain.len() as u64 + 1;
        if count != expected {
            breaks.push(Break::OutOfPlace { writer, expected, found: count });
        }
        let hash = entry.computed_hash();
        if hash != entry.hash {
            breaks.push(Break::Changed { writer, count });
        }
        if entry.previous != chain.last().copied().unwrap_or(NO_ENTRY) {
            breaks.push(Break::NotFollowing { writer, count });
        }
        // What the content says, not what the entry says of itself: the next one has to follow the content.
        chain.push(hash);
    }
    for Head { writer, count, head } in known.iter().filter(|head| head.count > 0) {
        let chain = chains.get(writer).map_or(&[][..], Vec::as_slice);
        let there = usize::try_from(count - 1).ok().and_then(|at| chain.get(at));
        if there != Some(head) {
            breaks.push(Break::Cut { writer: *writer, count: *count, entries: chain.len() as u64 });
        }
    }
    if let Some(head) = given.filter(|head| !chains.values().any(|chain| chain.contains(head))) {
        breaks.push(Break::HeadUnknown { head });
    }
    let heads = chains
        .into_iter()
        .filter_map(|(writer, chain)| Some(Head { writer, count: chain.len() as u64, head: *chain.last()? }));
    (heads.collect(), breaks)
}
