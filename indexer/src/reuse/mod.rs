//! The reuse decision: is there a prior that can be used in place of an ordered exam?
//!
//! | module | what |
//! | --- | --- |
//! | [`order`], [`prior`], [`performed`], [`exam`] | what is asked, what is known about a study, what devices say they made of it, the axes of an exam |
//! | [`stated`] | orders and reports that were stated, in these words |
//! | [`policy`] | every number, list and "what counts", as dated data |
//! | [`site`] | what a site lays over it, from a file |
//! | [`techniques`] | the axes of the techniques of the catalogue |
//! | `coverage`, `checks`, `visit` | the rules |
//! | [`answer`] | verdicts, checks, reason codes |
//! | [`words`] | a sentence for each reason code, Vietnamese and English |
//!
//! [`fn@decide`] is a pure function: no store, no clock. `docs/REUSE.md` describes its rules.

pub mod answer;
mod body_part;
mod checks;
mod coverage;
pub mod day;
mod decide;
pub mod exam;
pub mod order;
pub mod performed;
pub mod policy;
pub mod prior;
mod series_regions;
pub mod site;
pub mod stated;
pub mod techniques;
mod visit;
pub mod words;

pub use answer::{Answer, Check, CheckName, Effect, Outcome, Reason, Verdict};
pub use day::{Date, Moment};
pub use decide::decide;
pub use exam::{Contrast, ExamAxes, Side};
pub use order::{Order, OrderedExam, Purpose, Urgency};
pub use policy::{Policy, PolicyError};
pub use prior::Prior;
pub(crate) use series_regions::{names_region_of, place_series};
pub use site::{SitePolicy, SitePolicyError};
