//! From what was read to techniques: regions, contrast, detector class, sides, and the table of examinations.
//!
//! Knows the order of evidence; it may not know single codes.

pub mod caution;
pub(super) mod contrast;
pub(super) mod detector;
pub(super) mod evidence;
mod reason;
pub(super) mod regions;
pub mod rules;
pub mod side;
mod stated;
