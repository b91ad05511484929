//! Which entries an order is due, from what is known of it and what was entered before. The one place where that is
//! decided: asked again, it asks for nothing more, so that a restart never doubles an entry.

use crate::statement::{LedgerEvent, OrderStatus, Reversal};

/// What is known of an order at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holding {
    /// How far the order is.
    pub status: OrderStatus,
    /// The decision that a stored exam stands in, unless it was withdrawn.
    pub decision: Option<String>,
    /// An exam that covers the order was made soon after the decision: the study.
    pub performed: Option<String>,
    /// A patient of the decision is not known any more to be the person of the order: the study.
    pub unlinked: Option<String>,
    /// A report that was relied on was cancelled: the report.
    pub cancelled: Option<String>,
    /// The order was cancelled before anybody decided: the decision avoided nothing.
    pub given_up_before: bool,
    /// The result was handed over, and never on film.
    pub without_film: bool,
}

/// An entry that was made before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// What it says.
    pub event: LedgerEvent,
    /// How often it was said of the order.
    pub round: u32,
    /// The decision.
    pub decision: String,
}

/// An entry that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What it says.
    pub event: LedgerEvent,
    /// How often it was said of the order, this once included.
    pub round: u32,
    /// The decision.
    pub decision: String,
    /// Why, where it takes an earlier entry back, and what that was.
    pub reversal: Option<(Reversal, String)>,
}

impl Holding {
    /// Why the exam does not count as avoided, if it does not: the first reason that holds.
    fn not_avoided(&self) -> Option<(Reversal, String)> {
        let because = |reversal, what: &Option<String>| what.clone().map(|what| (reversal, what));
        if self.decision.is_none() {
            return Some((Reversal::DecisionWithdrawn, String::new()));
        }
        because(Reversal::ExamPerformed, &self.performed)
            .or_else(|| because(Reversal::PatientUnlinked, &self.unlinked))
            .or_else(|| because(Reversal::ReportCancelled, &self.cancelled))
            .or_else(|| self.given_up_before.then(|| (Reversal::OrderGivenUpBefore, String::new())))
            .or_else(|| {
                let closed = matches!(self.status, OrderStatus::Cancelled | OrderStatus::Reused);
                (!closed).then(|| (Reversal::OrderNotClosed, String::new()))
            })
    }
}

/// The entry in force of one kind: the latest, unless it was taken back.
fn in_force(posted: &[Posted], said: LedgerEvent, back: LedgerEvent) -> (Option<&Posted>, u32) {
    let of = |event| posted.iter().filter(move |entry| entry.event == event).max_by_key(|entry| entry.round);
    let (last, reversed) = (of(said), of(back).map_or(0, |entry| entry.round));
    (last.filter(|entry| entry.round > reversed), last.map_or(0, |entry| entry.round))
}

/// The entries that an order is due, in the order in which they are to be made; none when all were made.
#[must_use]
pub fn due(holding: &Holding, posted: &[Posted]) -> Vec<Due> {
    let mut all = Vec::new();
    let exam = in_force(posted, LedgerEvent::ExamAvoided, LedgerEvent::ExamReversed);
    let film = in_force(posted, LedgerEvent::FilmAvoided, LedgerEvent::FilmReversed);
    let not_avoided = holding.not_avoided();
    // Another decision than the one that was entered: what was entered is taken back first.
    let replaced = |entry: &Posted| holding.decision.as_ref().is_some_and(|now| *now != entry.decision);
    let back = |entry: &Posted| match &not_avoided {
        Some(reason) => Some(reason.clone()),
        None if replaced(entry) => Some((Reversal::DecisionWithdrawn, String::new())),
        None => None,
    };
    let (film_now, film_rounds) = film;
    let film_back = film_now.and_then(|entry| {
        let delivered = (!holding.without_film).then(|| (Reversal::FilmDelivered, String::new()));
        Some((entry, back(entry).or(delivered)?))
    });
    if let Some((entry, reason)) = &film_back {
        all.push(taken_back(entry, LedgerEvent::FilmReversed, reason.clone()));
    }
    let (exam_now, exam_rounds) = exam;
    let exam_back = exam_now.and_then(|entry| Some((entry, back(entry)?)));
    if let Some((entry, reason)) = &exam_back {
        all.push(taken_back(entry, LedgerEvent::ExamReversed, reason.clone()));
    }
    let (Some(decision), None) = (&holding.decision, &not_avoided) else { return all };
    let new = |event, round| Due { event, round, decision: decision.clone(), reversal: None };
    if exam_now.is_none() || exam_back.is_some() {
        all.push(new(LedgerEvent::ExamAvoided, exam_rounds + 1));
    }
    if holding.without_film && (film_now.is_none() || film_back.is_some()) {
        all.push(new(LedgerEvent::FilmAvoided, film_rounds + 1));
    }
    all
}

fn taken_back(entry: &Posted, event: LedgerEvent, reason: (Reversal, String)) -> Due {
    Due { event, round: entry.round, decision: entry.decision.clone(), reversal: Some(reason) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn post(posted: &mut Vec<Posted>, holding: &Holding) -> Vec<LedgerEvent> {
        let all = due(holding, posted);
        posted.extend(all.iter().map(|due| Posted {
            event: due.event,
            round: due.round,
            decision: due.decision.clone(),
        }));
        assert!(due(holding, posted).is_empty(), "asked again it asks for nothing");
        all.into_iter().map(|due| due.event).collect()
    }

    #[test]
    fn an_exam_is_avoided_once_taken_back_once_and_may_be_avoided_again() {
        use LedgerEvent::{ExamAvoided, ExamReversed, FilmAvoided, FilmReversed};
        let mut posted = Vec::new();
        let mut now = Holding { decision: Some("d1".into()), ..Holding::default() };
        assert_eq!(post(&mut posted, &now), [], "the order is open");
        now.status = OrderStatus::Cancelled;
        assert_eq!(post(&mut posted, &now), [ExamAvoided]);
        now.without_film = true;
        assert_eq!(post(&mut posted, &now), [FilmAvoided]);
        now.without_film = false;
        assert_eq!(post(&mut posted, &now), [FilmReversed]);
        now.without_film = true;
        assert_eq!(post(&mut posted, &now), [FilmAvoided]);
        now.performed = Some("1.2".into());
        assert_eq!(post(&mut posted, &now), [FilmReversed, ExamReversed]);
        now.performed = None;
        assert_eq!(post(&mut posted, &now), [ExamAvoided, FilmAvoided]);
        now.decision = Some("d2".into());
        assert_eq!(post(&mut posted, &now), [FilmReversed, ExamReversed, ExamAvoided, FilmAvoided]);
        now.decision = None;
        assert_eq!(due(&now, &posted)[0].reversal.as_ref().unwrap().0, Reversal::DecisionWithdrawn);
        assert_eq!(post(&mut posted, &now), [FilmReversed, ExamReversed]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever happens in whatever order, an order never counts more than once nor less than not at all, every
        /// entry is another one, and what counts is what holds.
        #[test]
        fn an_order_counts_once(steps in prop::collection::vec((0..5u8, 0..3u8, 0..4u8, any::<bool>()), 1..40)) {
            let mut posted = Vec::new();
            for (status, decision, wrong, without_film) in steps {
                let status = [
                    OrderStatus::Requested, OrderStatus::InProgress, OrderStatus::Completed,
                    OrderStatus::Cancelled, OrderStatus::Reused,
                ][usize::from(status)];
                let holds = |n| (wrong == n).then(|| "x".to_owned());
                let now = Holding {
                    status,
                    decision: (decision > 0).then(|| format!("d{decision}")),
                    performed: holds(1),
                    unlinked: holds(2),
                    cancelled: holds(3),
                    without_film,
                    ..Holding::default()
                };
                post(&mut posted, &now);
                let count = |event| posted.iter().filter(|entry: &&Posted| entry.event == event).count();
                let exams = count(LedgerEvent::ExamAvoided) - count(LedgerEvent::ExamReversed);
                let films = count(LedgerEvent::FilmAvoided) - count(LedgerEvent::FilmReversed);
                let closed = matches!(status, OrderStatus::Cancelled | OrderStatus::Reused);
                prop_assert_eq!(exams, usize::from(decision > 0 && wrong == 0 && closed));
                prop_assert_eq!(films, usize::from(exams == 1 && without_film));
            }
            let mut names: Vec<_> = posted.iter().map(|entry| (entry.event, entry.round)).collect();
            names.sort_unstable();
            let before = names.len();
            names.dedup();
            prop_assert_eq!(names.len(), before);
        }
    }
}
