//! Lists of studies that have something by which they are looked for, a word of a name or a code: kept in tables of their
//! own in the order in which studies are shown, so that a search reads a list only as far as its page needs.

use super::slices::Slice;
use super::sql::{Bound, Fragment, escaped, past, placeholders};
use crate::db::error::DbError;
use crate::db::session::Session;

/// Most words that a part of a word stands for where their lists are read; a shorter beginning is of so many names that
/// the newest studies are looked at instead.
const KEYS_MAX: usize = 128;
/// Most lists in which a study is looked up before its row is.
const LOOKED_UP_MAX: usize = 4;

/// What studies are looked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// A word of a patient's name.
    Word {
        /// The word, or what is known of it.
        text: String,
        /// Whether more may stand before it in the same word.
        open_start: bool,
        /// Whether more may stand after it in the same word.
        open_end: bool,
    },
    /// The value of a code.
    Code(String),
}

/// The studies that have one of some words, or a code.
#[derive(Debug, Clone)]
pub(super) struct List {
    is_of_words: bool,
    keys: Vec<Bound>,
}

impl List {
    /// The list of what is asked for; none where that stands for too many.
    pub(super) fn of(session: &Session<'_>, asked: &Asked) -> Result<Option<List>, DbError> {
        let keys = match asked {
            Asked::Code(value) => vec![Bound::Text(value.clone())],
            Asked::Word { text, open_start, open_end } => {
                let mut all = words(text, *open_start, *open_end);
                all.raw(" LIMIT ?").bound.push(Bound::Number(KEYS_MAX as i64 + 1));
                session.rows(&all.text, &all.bound[..], |row| row.get(0).map(Bound::Number))?
            }
        };
        let is_of_words = matches!(asked, Asked::Word { .. });
        Ok(Some(List { is_of_words, keys }).filter(|list| list.keys.len() <= KEYS_MAX))
    }

    /// Whether no study is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Table and column of the keys.
    fn table(&self) -> (&'static str, &'static str) {
        if self.is_of_words { ("study_word", "word_id") } else { ("study_code_value", "value") }
    }

    /// Rows of the studies in a slice of the list that are in `others` too, as far as that costs less than to look at
    /// the studies.
    pub(super) fn select(&self, others: &[List], slice: &Slice) -> Fragment {
        let (table, column) = self.table();
        let mut all = Fragment::new(&format!(
            "SELECT k.study_row FROM {table} k WHERE k.{column} IN {}",
            placeholders(self.keys.len())
        ));
        all.bound.extend_from_slice(&self.keys);
        all.push(&slice.on("k.newest"));
        for other in others.iter().filter(|other| other.keys.len() <= LOOKED_UP_MAX) {
            let (table, column) = other.table();
            let mut has = Fragment::new(&format!(
                "SELECT 1 FROM {table} o WHERE o.{column} IN {} AND o.newest = k.newest AND o.study_row = k.study_row",
                placeholders(other.keys.len())
            ));
            has.bound.extend_from_slice(&other.keys);
            // Follows from the rest: whoever joins lists instead of looking up reads no more than the slice either.
            has.push(&slice.on("o.newest"));
            all.and(&format!("EXISTS ({})", has.text), has.bound);
        }
        all
    }

    /// Gives what the study is sorted by that stands about `step` places down in a slice of the list, or nothing where
    /// the slice has fewer: of several keys the nearest such, so that no more are above it.
    pub(super) fn end(&self, slice: &Slice, step: usize) -> Fragment {
        let each = i64::try_from(step / self.keys.len().max(1)).unwrap_or(i64::MAX);
        let (table, column) = self.table();
        let mut one = Fragment::new(&format!("SELECT k.newest FROM {table} k WHERE k.{column} = "));
        one.raw(if self.is_of_words { "w.id" } else { "?" });
        if !self.is_of_words {
            one.bound.extend_from_slice(&self.keys);
        }
        one.push(&slice.on("k.newest"));
        one.raw(" ORDER BY k.newest DESC LIMIT 1 OFFSET ?").bound.push(Bound::Number(each));
        if !self.is_of_words {
            return one;
        }
        let mut all = Fragment::new("SELECT max((");
        all.append(&one).raw(")) FROM word w WHERE w.id IN ").raw(&placeholders(self.keys.len()));
        all.bound.extend_from_slice(&self.keys);
        all
    }
}

/// The words that are asked for.
fn words(text: &str, open_start: bool, open_end: bool) -> Fragment {
    let text = text.to_owned();
    match (open_start, open_end) {
        (false, false) => Fragment::with("SELECT id FROM word WHERE text = ?", [Bound::Text(text)]),
        (false, true) => {
            let bound = [Bound::Text(text.clone()), Bound::Text(past(&text))];
            Fragment::with("SELECT id FROM word WHERE text >= ? AND text < ?", bound)
        }
        (true, open_end) => {
            let like = format!("%{}{}", escaped(&text), if open_end { "%" } else { "" });
            Fragment::with("SELECT id FROM word WHERE text LIKE ? ESCAPE '!'", [Bound::Text(like)])
        }
    }
}
