//! From the text of a header to concepts: repairs of damaged text, words, phrases of the vocabulary.
//!
//! Knows how Vietnamese text is damaged and typed; it may not know techniques.

mod phrases;
pub mod repair;
mod spelling;
pub mod vocabulary;

pub use phrases::{Found, Reading};
pub use vocabulary::{Concept, Kind, Vocabulary};
