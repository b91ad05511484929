//! Pieces of SQL with what is bound to them, in order.

use crate::db::sql::{ToValue, Value};

/// A value bound to a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::db) enum Bound {
    Text(String),
    Number(i64),
}

impl ToValue for Bound {
    fn to_value(&self) -> Value<'_> {
        match self {
            Bound::Text(text) => text.to_value(),
            Bound::Number(number) => Value::Integer(*number),
        }
    }
}

/// A piece of SQL. Its text is made of literals of this program alone.
#[derive(Debug, Clone, Default)]
pub(super) struct Fragment {
    pub text: String,
    pub bound: Vec<Bound>,
}

impl Fragment {
    pub(super) fn new(text: &str) -> Fragment {
        Fragment { text: text.to_owned(), bound: Vec::new() }
    }

    pub(super) fn with(text: &str, bound: impl IntoIterator<Item = Bound>) -> Fragment {
        Fragment { text: text.to_owned(), bound: bound.into_iter().collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn raw(&mut self, text: &str) -> &mut Fragment {
        self.text.push_str(text);
        self
    }

    pub(super) fn append(&mut self, other: &Fragment) -> &mut Fragment {
        self.text.push_str(&other.text);
        self.bound.extend_from_slice(&other.bound);
        self
    }

    /// Adds a condition that must hold too.
    pub(super) fn and(&mut self, condition: &str, bound: impl IntoIterator<Item = Bound>) {
        if !self.text.is_empty() {
            self.text.push_str(" AND ");
        }
        self.text.push_str(condition);
        self.bound.extend(bound);
    }

    /// Adds the conditions of another piece, if it has any.
    pub(super) fn push(&mut self, other: &Fragment) {
        if !other.is_empty() {
            self.and(&other.text, other.bound.iter().cloned());
        }
    }
}

/// A text as part of a LIKE pattern with `!` as its escape, so that it stands for itself.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '!' | '%' | '_') {
            out.push('!');
        }
        out.push(letter);
    }
    out
}

/// A DICOM wildcard pattern as a LIKE pattern.
pub(super) fn like(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    for letter in pattern.chars() {
        match letter {
            '*' => out.push('%'),
            '?' => out.push('_'),
            '!' | '%' | '_' => out.extend(['!', letter]),
            _ => out.push(letter),
        }
    }
    out
}

/// What a pattern begins with before its first wildcard.
pub(super) fn literal_start(pattern: &str) -> &str {
    pattern.split(['*', '?']).next().unwrap_or("")
}

/// The least text after all that begin so: nothing sorts behind the last code point.
pub(super) fn past(start: &str) -> String {
    format!("{start}\u{10ffff}")
}

/// `(?, ?, ?)`.
pub(super) fn placeholders(count: usize) -> String {
    format!("({})", vec!["?"; count].join(", "))
}
