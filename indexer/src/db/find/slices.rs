//! Looks for the rows of a page from the newest study down, a slice of days at a time, and no further than the page needs.
//!
//! How far down matches stand is not known before. A slice holds about as many studies as are still to be looked at, the
//! next one a multiple of that: what is read in vain is bounded by what has to be read.

use super::conditions::range_in;
use super::sql::{Bound, Fragment};
use super::{Found, Plan, read};
use crate::db::error::DbError;
use crate::db::session::Session;
use crate::query::{PagePart, Query, Range};

/// Studies that are looked at beyond those that a page has.
const FIRST: usize = 32;
/// How much more of them each slice has than the one before.
const GROWTH: usize = 4;

/// Studies between two places in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Slice {
    /// What the last study of it is sorted by; none for all that follow.
    pub from: Option<String>,
    /// What stands before it, and whether studies that are sorted by the same belong to it.
    pub to: Option<(String, bool)>,
    /// The days that are asked for.
    pub moments: Option<Range>,
}

impl Slice {
    /// All that a query may find.
    pub(super) fn of(query: &Query, moments: Option<Range>) -> Slice {
        let to = match query.after.as_ref().and_then(|after| after.0.first()) {
            Some(PagePart::Text(newest)) => Some((newest.clone(), true)),
            _ => None,
        };
        Slice { from: None, to, moments }
    }

    /// That the study of `column` is in it. Always says something, so that the order of an index is gone along.
    pub(super) fn on(&self, column: &str) -> Fragment {
        let from = self.from.clone().unwrap_or_default();
        let mut all = Fragment::with(&format!("{column} >= ?"), [Bound::Text(from)]);
        if let Some((to, inclusive)) = &self.to {
            let sign = if *inclusive { "<=" } else { "<" };
            all.and(&format!("{column} {sign} ?"), [Bound::Text(to.clone())]);
        }
        if let Some(moments) = &self.moments {
            all.push(&range_in(column, moments));
        }
        all
    }
}

/// The rows of a page, slice by slice.
pub(super) fn search(session: &Session<'_>, plan: &Plan, query: &Query) -> Result<Found, DbError> {
    let (offset, limit) = (query.offset as usize, query.limit as usize);
    let wanted = offset + limit;
    let most = plan.window();
    let mut step = (wanted + wanted / 4 + FIRST).min(most);
    let mut slice = Slice::of(query, plan.conditions.moments.clone());
    let mut found = Found::default();
    loop {
        let end = plan.end(&slice, step);
        let end: Option<Option<String>> = session.row(&end.text, &end.bound[..], |row| row.get(0))?;
        slice.from = end.flatten();
        let left = wanted.saturating_sub(found.rows.len());
        found.rows.extend(read(session, &plan.statement(Some(&slice), (left, 0)))?);
        found.looked_at += step;
        let Some(from) = slice.from.take() else { break };
        if found.rows.len() >= wanted {
            break;
        }
        if found.looked_at >= most {
            found.old_left_out = true;
            break;
        }
        slice.to = Some((from, false));
        step = (step * GROWTH).min(most - found.looked_at);
    }
    found.rows.drain(..offset.min(found.rows.len()));
    Ok(found)
}
