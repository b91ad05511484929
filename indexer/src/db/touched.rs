//! What a batch touched, so that each series and study is brought up to date once, at the end of the batch.

use std::collections::{BTreeMap, HashMap};

use storage_config::Uid;

/// Decides whose attributes a study or series shows: the least one's. It depends on nothing but the instance, so that
/// the outcome does not depend on the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Precedence {
    /// Images before what was derived from them.
    pub rank: i64,
    pub received_ms: i64,
    pub digest: [u8; 32],
}

/// A served instance that may be the one whose attributes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub precedence: Precedence,
    pub instance: i64,
    /// The row of its study's or series' attributes.
    pub variant: i64,
}

/// What happened to one series or study.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Touch {
    /// The least of the instances that came to be served.
    pub best: Option<Candidate>,
    /// An instance that was served is no longer, or is no longer what it was: look at all.
    pub look_at_all: bool,
    /// What the served instances say of patient and study is not what it was.
    pub says_other: bool,
    /// Latest receive time.
    pub changed_ms: i64,
}

/// An instance's rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub instance: i64,
    pub study: i64,
    pub series: i64,
    pub study_variant: i64,
    pub series_variant: i64,
    pub precedence: Precedence,
}

/// Rows added by a batch, for the totals.
#[derive(Debug, Default)]
pub(super) struct Added {
    pub bulk_copies: i64,
    pub bulk_bytes: i64,
    pub instances: i64,
    pub data_set_bytes: i64,
    pub holdings: i64,
}

/// All that a batch touched.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub series: BTreeMap<i64, Touch>,
    pub studies: BTreeMap<i64, Touch>,
    /// Change of the number of served instances per study variant.
    pub served: BTreeMap<i64, i64>,
    pub totals: Added,
    /// Rows found or made by this batch.
    pub study_rows: HashMap<Uid, i64>,
    pub series_rows: HashMap<(i64, Uid), i64>,
    pub study_variants: HashMap<(i64, [u8; 32]), i64>,
    pub series_variants: HashMap<(i64, [u8; 32]), i64>,
}

impl Touched {
    /// An instance came to be served.
    pub(super) fn appears(&mut self, placed: &Placed) {
        *self.served.entry(placed.study_variant).or_default() += 1;
        let candidate =
            |variant| Candidate { precedence: placed.precedence, instance: placed.instance, variant };
        for (touch, candidate) in [
            (self.series.entry(placed.series).or_default(), candidate(placed.series_variant)),
            (self.studies.entry(placed.study).or_default(), candidate(placed.study_variant)),
        ] {
            if touch.best.is_none_or(|best| candidate.precedence < best.precedence) {
                touch.best = Some(candidate);
            }
            touch.changed_ms = touch.changed_ms.max(placed.precedence.received_ms);
        }
    }

    /// An instance is no longer served.
    pub(super) fn disappears(&mut self, placed: &Placed) {
        *self.served.entry(placed.study_variant).or_default() -= 1;
        self.moved(placed);
    }

    /// What decides the precedence of an instance changed.
    pub(super) fn moved(&mut self, placed: &Placed) {
        self.series.entry(placed.series).or_default().look_at_all = true;
        self.studies.entry(placed.study).or_default().look_at_all = true;
    }
}
