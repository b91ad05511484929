//! The ledger of avoided exams: which entries are due, at which prices, and whether a chain of entries is whole.
//!
//! Pure: what is known is an argument. Entries themselves are statements ([`crate::statement::LedgerEntry`]); who keeps
//! them is the business of the archive.

pub mod chain;
mod due;
mod policy;
mod price;

pub use due::{Due, Holding, Posted, due};
pub(crate) use policy::SHIPPED;
pub use policy::{LedgerPolicy, LedgerPolicyError, LedgerVersion};
pub use price::{Tariff, negated, payers};
