//! The version of what the mapper goes by: words, rules and lists. Studies that were mapped by another are mapped again.

use storage_config::Hasher;

use super::catalogue::Catalogue;

/// Raised when the mapper itself decides otherwise than before on the same words, rules and lists.
const MAPPER: u32 = 4;

/// Words and rules as they come with the program.
const DATA: [&str; 5] = [
    include_str!("../../data/codes/vocabulary.tsv"),
    include_str!("../../data/codes/concepts.tsv"),
    include_str!("../../data/codes/techniques.tsv"),
    include_str!("../../data/codes/scanners.tsv"),
    include_str!("../../data/codes/caution.tsv"),
];

/// The version: date of the built-in list, number of imported lists, and twelve digits of a digest of it all.
#[must_use]
pub fn version(catalogue: &Catalogue) -> String {
    let mut hasher = Hasher::new();
    hasher.update(&MAPPER.to_le_bytes());
    let lists = catalogue.lists().iter().map(|list| serde_json::to_string(list).unwrap_or_default());
    for text in DATA.iter().map(|text| (*text).to_owned()).chain(lists) {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    let digest: String = hasher.finish().to_string().chars().take(12).collect();
    format!("{}+{}.{digest}", catalogue.version(), catalogue.lists().len())
}
