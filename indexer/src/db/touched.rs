//! What a batch touched, so that each series and study is brought up to date once, at the end of the batch.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use storage_config::Uid;

use super::entry::PackId;
use super::machine::Clocks;
use super::pack::LostPacks;
use super::sqlite::DbOptions;
use crate::identity::IdentityRules;

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
    /// Of a study: how many sayings about it nobody said before.
    pub new_variants: u32,
    /// Of a study: the modality of a series came up or changed.
    pub new_modality: bool,
    /// Of a series: its study.
    pub study: i64,
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

/// What rows add up to, for the totals.
#[derive(Debug, Default)]
pub(super) struct Added {
    pub bulk_copies: i64,
    pub bulk_bytes: i64,
    pub instances: i64,
    pub data_set_bytes: i64,
    pub holdings: i64,
}

/// All that a batch touched.
#[derive(Debug)]
pub(super) struct Touched {
    /// When two records are of one person.
    pub rules: Arc<IdentityRules>,
    pub series: BTreeMap<i64, Touch>,
    pub studies: BTreeMap<i64, Touch>,
    /// Packs whose bytes are nowhere.
    pub lost: LostPacks,
    /// Subjects of statements that are to be decided.
    pub subjects: BTreeSet<i64>,
    /// Subjects whose current statement is to be applied again: what it was applied by has changed.
    pub again: BTreeSet<i64>,
    /// By pack.
    pub added: BTreeMap<PackId, Added>,
    /// Rows found or made by this batch.
    pub study_rows: HashMap<Uid, i64>,
    pub series_rows: HashMap<(i64, Uid), i64>,
    pub study_variants: HashMap<(i64, [u8; 32]), i64>,
    pub series_variants: HashMap<(i64, [u8; 32]), i64>,
    /// Studies that this batch made, with their UIDs, and its series: nothing is known of them but what it brings.
    pub new_studies: HashMap<i64, Uid>,
    pub new_series: HashSet<i64>,
    /// Machines whose clock seems wrong.
    pub clocks: Clocks,
    /// Whether any copy of a bulk value is known to be damaged, once that was looked up.
    pub any_damaged: Option<bool>,
}

impl Touched {
    /// Nothing yet, in a database with these options.
    pub(super) fn by(options: &DbOptions) -> Touched {
        Touched {
            rules: options.identity.clone(),
            lost: options.lost.clone(),
            series: BTreeMap::new(),
            studies: BTreeMap::new(),
            subjects: BTreeSet::new(),
            again: BTreeSet::new(),
            added: BTreeMap::new(),
            study_rows: HashMap::new(),
            series_rows: HashMap::new(),
            study_variants: HashMap::new(),
            series_variants: HashMap::new(),
            new_studies: HashMap::new(),
            new_series: HashSet::new(),
            clocks: Clocks::default(),
            any_damaged: None,
        }
    }

    /// An instance came to be served.
    pub(super) fn appears(&mut self, placed: &Placed) {
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
            touch.study = placed.study;
        }
    }

    /// An instance is no longer served, or what decides its precedence changed.
    pub(super) fn disturbed(&mut self, placed: &Placed) {
        let series = self.series.entry(placed.series).or_default();
        series.look_at_all = true;
        series.study = placed.study;
        self.studies.entry(placed.study).or_default().look_at_all = true;
    }

    /// What the rows of a pack's records add up to in this batch.
    pub(super) fn added(&mut self, pack: PackId) -> &mut Added {
        self.added.entry(pack).or_default()
    }
}
