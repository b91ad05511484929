//! National codes: the catalogue of services and techniques, and the mapper from the header of a study to them.
//!
//! | module | what |
//! | --- | --- |
//! | [`concept`] | a coded concept, the schemes, the crosswalk between them |
//! | [`catalogue`] | the built-in list, imported lists, what a name of the list tells |
//! | [`facts`] | what is known of a study, as it was received |
//! | [`reading`] | from damaged text to concepts of the vocabulary |
//! | [`choice`] | from concepts to techniques: regions, contrast, detector class, sides |
//! | [`mod@map`] | the whole way, and the answer |
//! | [`coded`] | the answer with what a person chose, as it is kept and shown |
//! | [`kept`] | what of it a study keeps when lists change |
//! | [`regions`] | from free words to the regions of the axes of techniques |
//! | [`score`] | measuring answers against labelled headers |
//!
//! Everything here is pure: no clock, no file, no SQL. The words and rules stand in `data/codes`, not in the code.

pub mod catalogue;
pub mod choice;
pub mod coded;
pub mod concept;
pub mod facts;
pub mod kept;
mod map;
mod outcome;
pub mod reading;
pub mod regions;
pub mod score;
mod service;
mod version;

pub use catalogue::Catalogue;
pub use concept::CodedConcept;
pub use facts::{OrderedCode, StudyFacts};
pub use map::map;
pub use outcome::{Candidate, FacilityRule, Level, Line, Mapping, Outcome, Rules};
pub use version::version;
