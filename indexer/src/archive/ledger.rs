//! The ledger of avoided exams: looks at orders of which something changed and makes the entries that are due.
//!
//! Which those are is decided by `crate::ledger::due` from what is known; this module gathers that, fills in amounts
//! and appends to the chain. An order that waits is a row, so that an end of the process forgets nothing.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use storage_config::Uid;

use super::deciding::{DECISIONS_MAX, said_once};
use super::error::OpenError;
use super::reuse::{Asked, ReuseAnswer};
use super::stating::{Basis, Said, StateError, Turn, hash_of};
use super::{Archive, ReadError, StoreError, spawn};
use crate::codes::Catalogue;
use crate::db::{DecisionsBy, FacilityId, Stated};
use crate::ledger::{Due, Holding, Tariff, due, negated, payers};
use crate::reuse::answer::Listed;
use crate::reuse::prior::{IdentityStatus, ReportStatus};
use crate::reuse::{CheckName, Date, Moment, Outcome};
use crate::statement::{
    Decision, Kind, LedgerEntry, LedgerEvent, LedgerLine, NO_ENTRY, Order, OrderStatus, Reversal, State, Who,
};

/// Orders of one turn.
const TURN: u32 = 8;
/// How long the thread waits when there is nothing to do.
const PAUSE: Duration = Duration::from_millis(500);
/// After so many pauses all decisions of the last while are looked at again, whatever was noted: an hour.
const SWEEP: u32 = 7200;
/// Decisions of so many milliseconds are looked at then: 100 days.
const SWEEP_MS: i64 = 100 * 86_400_000;
/// Minutes from UTC to the time of Vietnam, in which days are counted.
const UTC_OFFSET_MINUTES: i64 = 7 * 60;
/// Characters of a name in an entry at most.
const NAME_CHARS: usize = 200;

/// A decision that is in force.
struct InForce<'a> {
    stated: &'a Stated,
    decision: &'a Decision,
}

impl Archive {
    /// Keeps the ledger from now on. Called once.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn keep_ledger(&self) -> Result<(), OpenError> {
        let archive = Archive { shared: self.shared.clone(), threads: std::sync::Arc::default() };
        let thread = spawn("ledger", &self.shared, move |_| archive.look_at_orders())?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    fn look_at_orders(&self) {
        let mut pauses: u32 = 0;
        while !self.shared.wait_for_stop(PAUSE) {
            if pauses.is_multiple_of(SWEEP) {
                let since = (self.shared.options.now_ms)().saturating_sub(SWEEP_MS);
                if let Err(error) = self.db().all_ledger_due(since) {
                    tracing::warn!(%error, "decisions are looked at again later");
                }
            }
            pauses = pauses.wrapping_add(1);
            let mut begun = Instant::now();
            // What doctors wait for goes before: many orders are looked at in a quarter of one processor's time.
            while self.ledger_turn() && !self.shared.wait_for_stop(begun.elapsed() * 3) {
                begun = Instant::now();
            }
        }
    }

    /// Looks at some orders; whether there may be more.
    fn ledger_turn(&self) -> bool {
        if self.refuses().is_some() {
            return false;
        }
        let orders = match self.db().ledger_due(TURN) {
            Ok(orders) => orders,
            Err(error) => {
                tracing::warn!(%error, "orders that the ledger waits for could not be listed");
                return false;
            }
        };
        let mut done = 0;
        for (order, noted) in &orders {
            let settled = self.settle_order(order);
            match settled.and_then(|()| Ok(self.db().ledger_looked_at(order, *noted)?)) {
                Ok(()) => done += 1,
                Err(error) => tracing::warn!(%error, "an order was not entered; it is tried again"),
            }
        }
        done == TURN as usize
    }

    /// Brings an order and the ledger in line with what is known: closes it or opens it again, and makes the entries
    /// that are due. Done again it does nothing.
    ///
    /// # Errors
    /// [`StateError`]; what was not done is done when it is asked for again.
    pub fn settle_order(&self, key: &str) -> Result<(), StateError> {
        let _turn = self.shared.turns.take(Turn::Ledger);
        let order = match self.ordered(key) {
            Ok((order, _)) => order,
            Err(StateError::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let by = DecisionsBy::Order(key.to_owned());
        let decisions = self.db().decisions(&by, None, DECISIONS_MAX, 0)?;
        let (entries, posted) = self.db().ledger_of_order(key)?;
        if decisions.is_empty() && posted.is_empty() {
            return Ok(());
        }
        self.close_or_reopen(key, &decisions)?;
        self.open_doubts(&decisions)?;
        let in_force = decisions.iter().find_map(|stated| match &stated.statement.state {
            State::ReuseDecision(decision) if decision.reuses() => Some(InForce { stated, decision }),
            _ => None,
        });
        let holding = self.holding(key, order.facility, in_force.as_ref(), &entries)?;
        for due in due(&holding, &posted) {
            self.enter(key, &due, &decisions, &entries)?;
        }
        Ok(())
    }

    /// What is known of an order.
    fn holding(
        &self,
        key: &str,
        facility: Option<u32>,
        in_force: Option<&InForce<'_>>,
        entries: &[Stated],
    ) -> Result<Holding, StateError> {
        let (order, _) = self.ordered(key)?;
        let mut holding = Holding { status: order.status, ..Holding::default() };
        let Some(InForce { stated, decision }) = in_force else { return Ok(holding) };
        holding.decision = Some(stated.statement.subject.key.clone());
        holding.given_up_before = decision.order_before == OrderStatus::Cancelled;
        holding.cancelled = self.cancelled(decision)?;
        holding.without_film = self.db().handed_over_without_film(key)?;
        let answer = self.reuse_check(&Asked::Order(key.to_owned()))?;
        holding.unlinked = unlinked(&answer, decision);
        let under = self.db().studies_under(FacilityId(facility.unwrap_or(0)), &order.accession)?;
        let own = under
            .iter()
            .find(|study| !decision.studies.contains(study) && !was_listed(decision, study.as_str()));
        let within = i64::from(self.ledger_policy_on(decision.seen.today).repeat_within_days);
        let known = known_repeat(entries, &stated.statement.subject.key, &answer);
        holding.performed =
            known.or_else(|| own.map(ToString::to_string)).or_else(|| performed(&answer, decision, within));
        Ok(holding)
    }

    /// A report that was relied on and is cancelled now.
    fn cancelled(&self, decision: &Decision) -> Result<Option<String>, StateError> {
        for relied in &decision.reports {
            let row = self.db().subject(Kind::Report, &relied.report)?;
            if let Some(State::Report(report)) = row.and_then(|row| row.current).map(|it| it.state)
                && report.status == ReportStatus::Cancelled
            {
                return Ok(Some(relied.report.clone()));
            }
        }
        Ok(None)
    }

    /// Makes one entry.
    fn enter(
        &self,
        key: &str,
        due: &Due,
        decisions: &[Stated],
        entries: &[Stated],
    ) -> Result<(), StateError> {
        let what = format!("{} {} {key}", due.event.name(), due.round);
        let (id, asked) = (said_once("ledger", &what), hash_of(&("ledger", &what))?);
        // Entries that were made by this very look are not among `entries`.
        let (later, _) = self.db().ledger_of_order(key)?;
        let earlier =
            |event| entry_of(&later, event, due.round).or_else(|| entry_of(entries, event, due.round));
        let content = match due.event {
            LedgerEvent::ExamReversed => {
                earlier(LedgerEvent::ExamAvoided).map(|entry| taken_back(entry, due))
            }
            LedgerEvent::FilmReversed => {
                earlier(LedgerEvent::FilmAvoided).map(|entry| taken_back(entry, due))
            }
            LedgerEvent::ExamAvoided => self.avoided(key, due, decisions)?,
            LedgerEvent::FilmAvoided => {
                latest(&later, LedgerEvent::ExamAvoided).and_then(|entry| film(entry, due))
            }
        };
        let Some(content) = content else { return Ok(()) };
        let writer = self.shared.identity.writer;
        let now = Moment { ms: (self.shared.options.now_ms)() };
        self.once(Some(id), asked, |_| {
            let head = self.db().ledger_head(writer)?;
            let entry = LedgerEntry {
                writer,
                count: head.map_or(0, |head| head.count) + 1,
                previous: head.map_or(NO_ENTRY, |head| head.head),
                entered_ms: now.ms,
                day: now.day(UTC_OFFSET_MINUTES),
                ..content
            };
            let entry = entry.sealed();
            let key = entry.key();
            let (state, why) = (State::LedgerEntry(Box::new(entry)), String::new());
            Ok(Said { id: None, key, state, based_on: Basis::Exactly(None), who: Who::system(), why })
        })?;
        Ok(())
    }

    /// An entry for an exam that was avoided, but for its place in the chain.
    fn avoided(&self, key: &str, due: &Due, decisions: &[Stated]) -> Result<Option<LedgerEntry>, StateError> {
        let found = decisions.iter().find(|stated| stated.statement.subject.key == due.decision);
        let Some((stated, State::ReuseDecision(decision))) = found.map(|it| (it, &it.statement.state)) else {
            return Ok(None);
        };
        let (order, _) = self.ordered(key)?;
        let facility = order.facility.unwrap_or(0);
        let codes = self.db().facility_codes()?;
        let code = codes.iter().rfind(|code| code.facility.0 == facility);
        let code = code.map_or(String::new(), |code| code.code.clone());
        let lines = self.lines(&order, &code, decision.seen.today);
        let made_with = self.made_with(&decision.studies).map_err(unread)?;
        let total = lines.iter().filter_map(|line| line.exam_vnd).sum();
        let priced = lines.iter().any(|line| line.exam_vnd.is_some());
        Ok(Some(LedgerEntry {
            writer: 0,
            count: 0,
            previous: NO_ENTRY,
            event: due.event,
            round: due.round,
            order: key.to_owned(),
            decision: due.decision.clone(),
            reversal: None,
            because: String::new(),
            entered_ms: 0,
            day: decision.seen.today,
            priced_on: decision.seen.today,
            facility,
            facility_code: code,
            performed_by: performed_by(decision),
            machine: made_with.machine,
            episode: short(&order.episode),
            ordered_by: short(&order.ordered_by),
            decided_by: short(&stated.statement.who.name),
            studies: decision.studies.clone(),
            payers: if priced { payers(order.payment, total) } else { None },
            lines,
            dose: made_with.dose,
            hash: NO_ENTRY,
        }))
    }

    fn lines(&self, order: &Order, facility: &str, day: Date) -> Vec<LedgerLine> {
        let catalogue = self.catalogue().unwrap_or_else(|| Arc::new(Catalogue::built_in()));
        let tariff = Tariff::new(&catalogue, facility, day);
        order.exams.iter().map(|item| tariff.line(item)).collect()
    }
}

fn unread(error: ReadError) -> StateError {
    match error {
        ReadError::Index(error) => error.into(),
        error => StoreError::Internal(error.to_string()).into(),
    }
}

fn short(text: &str) -> String {
    text.trim().chars().take(NAME_CHARS).collect()
}

/// A study of the decision whose patient is not known any more to be the person of the order.
fn unlinked(answer: &ReuseAnswer, decision: &Decision) -> Option<String> {
    use IdentityStatus::{ConfirmedByPerson, LinkedAutomatically, SameHospitalNumber};
    let is_same = |study: &&Uid| {
        answer.studies.iter().any(|seen| {
            seen.study == study.as_str()
                && matches!(seen.identity, SameHospitalNumber | LinkedAutomatically | ConfirmedByPerson)
        })
    };
    decision.studies.iter().find(|study| !is_same(study)).map(ToString::to_string)
}

/// Whether a study was there when it was decided.
fn was_listed(decision: &Decision, study: &str) -> bool {
    let listed = decision.seen.evidence["listed"].as_array();
    listed.is_some_and(|listed| listed.iter().any(|of| of == study))
}

/// An exam that took an entry of the decision back before, as long as it is here: it does so for good.
fn known_repeat(entries: &[Stated], decision: &str, answer: &ReuseAnswer) -> Option<String> {
    entries.iter().find_map(|stated| match &stated.statement.state {
        State::LedgerEntry(entry)
            if entry.reversal == Some(Reversal::ExamPerformed)
                && entry.decision == decision
                && answer.studies.iter().any(|seen| seen.study == entry.because) =>
        {
            Some(entry.because.clone())
        }
        _ => None,
    })
}

/// An exam that covers the order and was performed from the day of the decision on, within so many days.
fn performed(answer: &ReuseAnswer, decision: &Decision, within_days: i64) -> Option<String> {
    let day = decision.seen.today;
    let new = |study: &&String| {
        !was_listed(decision, study) && !decision.studies.iter().any(|of| of.as_str() == study.as_str())
    };
    let codes_of =
        |study: &str| answer.studies.iter().find(|seen| seen.study == study).map(|seen| &seen.codes);
    let decided: Vec<&String> =
        decision.studies.iter().filter_map(|study| codes_of(study.as_str())).flatten().collect();
    // Of the same visit as the prior: its own codes tell whether it is the same exam.
    let same = |study: &&String| {
        codes_of(study).is_some_and(|codes| codes.iter().any(|code| decided.contains(&code)))
    };
    let in_time = |prior: &&Listed| {
        // Where the machine's clock is not believable, the day on which it is first seen here counts.
        let on = prior.performed.unwrap_or(answer.decision.today);
        prior.confirmed && (0..=within_days).contains(&on.days_since(day))
    };
    answer.decision.priors.iter().filter(in_time).find_map(|prior| {
        let coverage = prior.checks.iter().find(|check| check.name == CheckName::Coverage);
        let covers = |study: &&String| match coverage.map(|check| check.outcome) {
            Some(Outcome::Pass) => true,
            Some(Outcome::Fail) => false,
            // It covers as well as the one that was decided on.
            _ => same(study),
        };
        let own = prior.studies.iter().filter(new).find(covers);
        own.or_else(|| prior.same_visit.iter().filter(new).find(same)).cloned()
    })
}

/// Codes of the facilities from which the studies of a decision came.
fn performed_by(decision: &Decision) -> String {
    let seen = decision.seen.evidence["studies"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut codes: Vec<&str> = seen.iter().filter_map(|study| study["facility"].as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    codes.join(" ").chars().take(NAME_CHARS).collect()
}

fn entry_of(entries: &[Stated], event: LedgerEvent, round: u32) -> Option<&LedgerEntry> {
    entries.iter().find_map(|stated| match &stated.statement.state {
        State::LedgerEntry(entry) if entry.event == event && entry.round == round => Some(&**entry),
        _ => None,
    })
}

fn latest(entries: &[Stated], event: LedgerEvent) -> Option<&LedgerEntry> {
    let all = entries.iter().filter_map(|stated| match &stated.statement.state {
        State::LedgerEntry(entry) if entry.event == event => Some(&**entry),
        _ => None,
    });
    all.max_by_key(|entry| entry.round)
}

/// The entry that takes another one back.
fn taken_back(entry: &LedgerEntry, due: &Due) -> LedgerEntry {
    let (reversal, because) =
        due.reversal.clone().map_or((None, String::new()), |(why, what)| (Some(why), what));
    let less = |of: crate::statement::Payers| crate::statement::Payers {
        insurance_vnd: -of.insurance_vnd,
        copayment_vnd: -of.copayment_vnd,
        hospital_vnd: -of.hospital_vnd,
    };
    LedgerEntry {
        event: due.event,
        round: due.round,
        reversal,
        because,
        lines: negated(&entry.lines),
        payers: entry.payers.map(less),
        ..entry.clone()
    }
}

/// The film part of an avoided exam; none where no price tells it.
fn film(entry: &LedgerEntry, due: &Due) -> Option<LedgerEntry> {
    let line = |line: &LedgerLine| LedgerLine { exam_vnd: None, film_vnd: line.film_vnd, ..line.clone() };
    let lines: Vec<LedgerLine> = entry.lines.iter().map(line).collect();
    let any = lines.iter().any(|line| line.film_vnd.is_some_and(|film| film > 0));
    any.then(|| LedgerEntry {
        event: due.event,
        round: due.round,
        lines,
        payers: None,
        dose: None,
        ..entry.clone()
    })
}
