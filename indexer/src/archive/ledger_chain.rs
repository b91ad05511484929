//! Looking through the ledger's chains as they stand in the packs, and holding the index against them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use storage_config::ContentHash;
use storage_config::pack::{
    FILE_HEADER_LENGTH, Kind, PackError, PackName, PackReader, Scanned, Verify, scan,
};

use super::{Archive, ReadError};
use crate::ledger::chain::{Break, Head, verify};
use crate::record::read_statement;
use crate::statement::{LedgerEntry, State};

/// What came of looking through the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerVerified {
    /// The heads of the chains.
    pub heads: Vec<Head>,
    /// Packs that were read.
    pub packs: u64,
    /// Heads that sealed packs carry.
    pub sealed_heads: u64,
    /// What is wrong with the chains.
    pub breaks: Vec<Break>,
    /// What is wrong beside that, in words: packs that cannot be read, an index that says something else.
    pub further: Vec<String>,
}

impl LedgerVerified {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.breaks.is_empty() && self.further.is_empty()
    }
}

/// What the packs say of the ledger.
#[derive(Default)]
struct Found {
    /// Entries by writer and place. One that stands twice with the same content is one.
    entries: BTreeMap<(u32, u64), Vec<LedgerEntry>>,
    heads: Vec<Head>,
    packs: u64,
    further: Vec<String>,
}

impl Archive {
    /// Looks through all chains in the packs. `head` is the hash of an entry that somebody wrote down, such as the last
    /// one of an export: without it, or a pack sealed later, nobody can see that the end of a chain was cut off.
    ///
    /// # Errors
    /// When packs cannot be listed or the index cannot be read.
    pub fn verify_ledger(&self, head: Option<ContentHash>) -> Result<LedgerVerified, ReadError> {
        let shared = &self.shared;
        let mut found = Found::default();
        for row in shared.db.packs()? {
            let Ok(name) = row.name.parse::<PackName>() else { continue };
            found.packs += 1;
            // What is behind the mark was never acknowledged.
            if let Err(error) = self.look_through(&name, row.checkpoint, &mut found) {
                found.further.push(format!("pack {} cannot be read: {error}", row.id.0));
            }
        }
        let doubled: Vec<String> = found
            .entries
            .iter()
            .filter(|(_, entries)| entries.len() > 1)
            .map(|((writer, count), _)| {
                format!("entry {writer}:{count} stands in packs with different content")
            })
            .collect();
        found.further.extend(doubled);
        let ordered = found.entries.values().filter_map(|entries| entries.first());
        let (heads, breaks) = verify(ordered, &found.heads, head);
        let indexed = shared.db.ledger_heads()?;
        if indexed != heads {
            found.further.push("the index has another ledger than the packs; rebuild makes it again".into());
        }
        let (packs, sealed_heads, further) = (found.packs, found.heads.len() as u64, found.further);
        Ok(LedgerVerified { heads, packs, sealed_heads, breaks, further })
    }

    fn look_through(&self, name: &PackName, mark: u64, found: &mut Found) -> Result<(), PackError> {
        let path = self.shared.options.packs_dir.join(name.file_name());
        let reader = PackReader::open_lenient(&self.shared.options.disk, Path::new(&path))?;
        if let Some(index) = reader.seal_index()? {
            let ledger = index.ledger;
            if ledger.count > 0 {
                let head = ContentHash(ledger.head);
                found.heads.push(Head { writer: ledger.writer, count: ledger.count, head });
            }
            for entry in index.entries.iter().filter(|entry| entry.kind == Kind::Statement) {
                take(&reader, &reader.record(entry.offset)?, found);
            }
            return Ok(());
        }
        let mut end = FILE_HEADER_LENGTH;
        let mut records = scan(&reader, end, Verify::Headers);
        // Behind the mark somebody may be writing.
        while end < mark {
            let Some(scanned) = records.next() else { break };
            if let Scanned::Record(record) = scanned? {
                end = record.end();
                if record.kind == Kind::Statement && end <= mark {
                    take(&reader, &record, found);
                }
            }
        }
        Ok(())
    }
}

fn take(reader: &PackReader, record: &storage_config::pack::Record, found: &mut Found) {
    let read = reader.read_body(record).map_err(|error| error.to_string());
    let statement = read.and_then(|body| read_statement(&body).map_err(|error| error.to_string()));
    match statement {
        Ok(statement) => {
            if let State::LedgerEntry(entry) = statement.state {
                let same = found.entries.entry((entry.writer, entry.count)).or_default();
                if !same.contains(&entry) {
                    same.push(*entry);
                }
            }
        }
        Err(error) => found.further.push(format!("a statement cannot be read: {error}")),
    }
}
