//! Which regions a series names: in its description, else in its protocol, else by its body part.
//!
//! Many machines write one body part into everything. It tells something of a series where the series of the study differ
//! in it; the study as a whole is told by `Evidence::body_parts`.

use std::collections::BTreeSet;

use super::{Series, body_parts, text};
use crate::codes::regions::named;

/// The regions, in words of the tables; empty where it names none.
pub(super) fn of_series(series: &Series, all: &[&Series]) -> BTreeSet<String> {
    let of = |text: Option<String>| text.map(|text| named(&text, &series.modality)).unwrap_or_default();
    let own = body_parts(series);
    let differ = all.iter().any(|other| body_parts(other) != own);
    let texts = [text(&series.attributes, "0008103E"), text(&series.attributes, "00181030")];
    let by_text = texts.into_iter().map(of).find(|regions| !regions.is_empty());
    by_text.unwrap_or_else(|| if differ { of(own.into_iter().next()) } else { BTreeSet::new() })
}
