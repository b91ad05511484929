//! Look-ups that are made for many keys at once, where each way to a database costs.
//!
//! The nouns are written one row after the other and stay so: what they will look up is asked for together before, and
//! the look-up itself then finds its answer here. Knows look-ups, not what they are for.

use super::sql::Value;

/// How long an answer that was asked for before holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// For one look-up, and only that nothing is there: what is there may change before.
    Absence,
    /// For one look-up: what follows it may change it.
    Once,
    /// While something is found, until it is told otherwise; that nothing is there, for one look-up.
    WhileFound,
    /// Until all is forgotten.
    Always,
}

/// One look-up for many keys.
pub(super) struct LookUp<'v> {
    pub sql: &'static str,
    /// What is bound to it, for each key.
    pub keys: Vec<Vec<Value<'v>>>,
    pub holds: Holds,
}

impl<'v> LookUp<'v> {
    /// Whose rows may change before they are looked up, but not come.
    pub(super) fn absence(sql: &'static str, keys: Vec<Vec<Value<'v>>>) -> LookUp<'v> {
        LookUp { sql, keys, holds: Holds::Absence }
    }

    /// Whose answers are good for one use each.
    pub(super) fn once(sql: &'static str, keys: Vec<Vec<Value<'v>>>) -> LookUp<'v> {
        LookUp { sql, keys, holds: Holds::Once }
    }

    /// The same by ids of rows.
    pub(super) fn of_rows(sql: &'static str, ids: &[i64]) -> LookUp<'static> {
        LookUp { sql, keys: ids.iter().map(|id| vec![Value::Integer(*id)]).collect(), holds: Holds::Once }
    }

    /// Of rows that stay where they are found: whoever removes one says so by `Session::forget_ahead`.
    pub(super) fn while_found(sql: &'static str, keys: Vec<Vec<Value<'v>>>) -> LookUp<'v> {
        LookUp { sql, keys, holds: Holds::WhileFound }
    }

    /// Of what nothing else in the transaction changes without saying so by `Session::forget_ahead`.
    pub(super) fn always(sql: &'static str, keys: Vec<Vec<Value<'v>>>) -> LookUp<'v> {
        LookUp { sql, keys, holds: Holds::Always }
    }
}
