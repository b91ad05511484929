//! Deciding about an order: to reuse a stored exam or to repeat it, and taking that back.
//!
//! The check is asked again at the time of the decision; what it answers then is frozen with it. A decision to reuse closes
//! the order; where the process ends between the two, `ledger` closes it at the next start.

use serde_json::json;
use storage_config::{ContentHash, Uid};

use super::reuse::{Asked, DocumentSeen, ReuseAnswer, StudySeen};
use super::stating::{Basis, Said, StateError, StateErrorKind, Turn, hash_of, invalid};
use super::{Archive, StoreError};
use crate::db::{DecisionsBy, Stated};
use crate::query::GroupKey;
use crate::reuse::answer::Listed;
use crate::reuse::{CheckName, Outcome, Verdict};
use crate::statement::{
    Decision, DecisionReason, Delivery, DocumentRelied, Kind, Order, OrderStatus, ReportRelied, ReuseChoice,
    Seen, State, Who,
};

/// Decisions about one order that are looked at.
pub(super) const DECISIONS_MAX: u32 = 1000;

/// What a page showed before somebody decided.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Shown {
    /// The verdict; none: nothing was found.
    pub verdict: Option<Verdict>,
    /// The name of the answer ([`answer_name`]), where it is told.
    pub answer: Option<String>,
}

/// What somebody decides.
#[derive(Debug, Clone)]
pub struct Decide {
    /// The client's idempotency key.
    pub id: Option<String>,
    /// The order.
    pub order: String,
    /// What is decided.
    pub choice: ReuseChoice,
    /// Studies of the prior that is meant; none: the first of the answer.
    pub studies: Vec<Uid>,
    /// Why.
    pub reasons: Vec<DecisionReason>,
    /// The same in words.
    pub text: String,
    /// What was shown.
    pub shown: Shown,
    /// Who decides.
    pub who: Who,
    /// Whether that names a person: a machine alone decides nothing.
    pub by_person: bool,
    /// Why, for the history.
    pub why: String,
}

/// Members of an answer that only say when something was looked at: looking again and finding the same changes nothing.
const TIMES: [&str; 3] = ["at", "examined_at", "verified_at"];

/// Names an answer: equal answers have equal names, whenever they were asked for, and whenever its evidence was made.
///
/// # Errors
/// When the answer cannot be written.
pub fn answer_name(answer: &ReuseAnswer) -> Result<String, StateError> {
    let mut told = json!([answer.order.version, answer.evidence_rule, answer.decision, answer.studies]);
    leave_out_times(&mut told);
    Ok(hash_of(&told)?.to_string().chars().take(32).collect())
}

fn leave_out_times(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            members.retain(|name, _| !TIMES.contains(&name.as_str()));
            members.values_mut().for_each(leave_out_times);
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(leave_out_times),
        _ => {}
    }
}

impl Archive {
    /// Decides about an order. The same request under the same id again has the same answer and does nothing.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::Conflicts`] when the answer is another one than was shown, or does not allow the
    /// choice, [`StateError::Exists`] when a decision about the order is in force.
    pub fn decide(&self, decide: Decide) -> Result<Stated, StateError> {
        by_person(decide.by_person)?;
        let order = decide.order.clone();
        let stated = {
            let _turn = self.shared.turns.take(Turn::Decision(order.clone()));
            let asked = hash_of(&(
                ("decide", &decide.order, decide.choice, &decide.studies),
                (&decide.reasons, &decide.text, &decide.shown),
                (&decide.who, &decide.why),
            ))?;
            self.once(decide.id.clone(), asked, |id| {
                let decision = self.decided(&decide)?;
                let (key, state) = (id.to_owned(), State::ReuseDecision(Box::new(decision)));
                let Decide { who, why, .. } = decide;
                Ok(Said { id: None, key, state, based_on: Basis::Exactly(None), who, why })
            })?
        };
        self.settle_soon(&order);
        Ok(stated)
    }

    /// Takes a decision back; `who` with whether that names a person.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn withdraw_decision(
        &self,
        key: &str,
        (id, based_on): (Option<String>, Basis),
        (who, is_person): (Who, bool),
        why: String,
    ) -> Result<Stated, StateError> {
        by_person(is_person)?;
        let order = self.decision(key)?.0.order;
        let stated = {
            let _turn = self.shared.turns.take(Turn::Decision(order.clone()));
            let asked = hash_of(&("withdraw decision", key, based_on, &who, &why))?;
            self.once(id, asked, |_| {
                if why.trim().is_empty() {
                    return Err(invalid("why", "is missing: say why the decision is withdrawn"));
                }
                let (decision, _) = self.decision(key)?;
                if decision.withdrawn {
                    return Err(StateError::Conflicts("decision", "it was withdrawn before".into()));
                }
                let state = State::ReuseDecision(Box::new(Decision { withdrawn: true, ..decision }));
                Ok(Said { id: None, key: key.to_owned(), state, based_on, who, why })
            })?
        };
        self.settle_soon(&order);
        Ok(stated)
    }

    /// A decision as it stands.
    ///
    /// # Errors
    /// [`StateError::NotFound`] when there is no such decision.
    pub fn decision(&self, key: &str) -> Result<(Decision, Stated), StateError> {
        let row = self.shared.db.subject(Kind::ReuseDecision, key)?;
        let stated = row.and_then(|row| Some(Stated { version: row.version, statement: row.current? }));
        let stated = stated.ok_or(StateError::NotFound("decision"))?;
        match &stated.statement.state {
            State::ReuseDecision(decision) => Ok((Decision::clone(decision), stated)),
            _ => Err(StateError::NotFound("decision")),
        }
    }

    /// Looks at an order at once; where that fails, the ledger's thread does it later.
    pub(super) fn settle_soon(&self, order: &str) {
        if let Err(error) = self.settle_order(order) {
            tracing::warn!(%error, "an order is closed or entered later");
        }
    }

    /// Whether there is an exam that a decision could still avoid: not where it was made or given up before, nor where it
    /// was ordered twice and the other order is closed by a decision.
    fn may_be_avoided(&self, key: &str, order: &Order) -> Result<(), StateError> {
        let conflict = |why: String| Err(StateError::Conflicts("order", why));
        match order.status {
            OrderStatus::Completed => return conflict("the exam of this order was made already".into()),
            OrderStatus::Cancelled => {
                return conflict("the order was cancelled before: no exam is avoided by deciding now".into());
            }
            OrderStatus::Requested | OrderStatus::InProgress | OrderStatus::Reused => {}
        }
        for other in self.same_orders(order)?.iter().filter(|other| *other != key) {
            let decisions =
                self.shared.db.decisions(&DecisionsBy::Order(other.clone()), None, DECISIONS_MAX, 0)?;
            let reuses = |stated: &Stated| matches!(&stated.statement.state, State::ReuseDecision(decision) if decision.reuses());
            if decisions.iter().any(reuses) {
                return conflict(format!("order {other} asks for the same exam and was closed as reused"));
            }
        }
        Ok(())
    }

    /// The decision with what is seen for it now.
    fn decided(&self, decide: &Decide) -> Result<Decision, StateError> {
        let (order, current) = self.ordered(&decide.order)?;
        let by = DecisionsBy::Order(decide.order.clone());
        let before = self.shared.db.decisions(&by, None, DECISIONS_MAX, 0)?;
        let in_force = |stated: &Stated| matches!(&stated.statement.state, State::ReuseDecision(decision) if !decision.withdrawn);
        if before.iter().any(in_force) {
            return Err(StateError::Exists("order"));
        }
        if decide.choice.reuses() {
            self.may_be_avoided(&decide.order, &order)?;
        }
        let answer = self.reuse_check(&Asked::Order(decide.order.clone()))?;
        let name = answer_name(&answer)?;
        let prior = chosen(&answer, &decide.studies)?;
        let verdict = prior.map_or(answer.decision.verdict, |prior| Some(prior.verdict));
        as_shown(&decide.shown, verdict, &name)?;
        if decide.choice.reuses() {
            may_be_reused(&answer, prior)?;
        }
        let studies = prior.map_or(&[][..], |prior| &prior.studies);
        let seen: Vec<&StudySeen> = answer.studies.iter().filter(|of| studies.contains(&of.study)).collect();
        let reports = seen.iter().flat_map(|of| &of.reports);
        let reports: Vec<ReportRelied> =
            reports.map(|of| ReportRelied { report: of.id.clone(), version: of.version }).collect();
        let documents = seen.iter().flat_map(|of| of.documents.iter().map(|seen| relied(&of.study, seen)));
        let documents = documents.collect::<Result<Vec<DocumentRelied>, StateError>>()?;
        let mut patients: Vec<GroupKey> =
            seen.iter().filter_map(|of| of.patient.as_ref()?.parse().ok()).collect();
        patients.extend(answer.order.patient.as_ref().and_then(|key| key.parse::<GroupKey>().ok()));
        patients.sort_unstable();
        patients.dedup();
        let uid = |study: &String| Uid::parse(study).map_err(|error| invalid("studies", error.to_string()));
        Ok(Decision {
            order: decide.order.clone(),
            facility: order.facility,
            choice: decide.choice,
            withdrawn: false,
            order_before: order.status,
            studies: studies.iter().map(uid).collect::<Result<_, _>>()?,
            reasons: decide.reasons.clone(),
            text: decide.text.clone(),
            seen: Seen {
                verdict,
                best: answer.decision.verdict,
                today: answer.decision.today,
                order_version: current.version.unwrap_or(0),
                answer: name,
                evidence: evidence(&answer, prior, &seen),
            },
            reports,
            documents,
            patients,
        })
    }
}

fn relied(study: &str, seen: &DocumentSeen) -> Result<DocumentRelied, StateError> {
    let uid = |text: &str| Uid::parse(text).map_err(|error| invalid("studies", error.to_string()));
    Ok(DocumentRelied { study: uid(study)?, sop_instance: uid(&seen.sop_instance)?, digest: seen.digest })
}

/// A decision is a person's: a machine has to name the doctor.
fn by_person(is: bool) -> Result<(), StateError> {
    if is { Ok(()) } else { Err(invalid("who", "is missing: a token has to name the doctor who decides")) }
}

/// The prior that is meant: the first, or the one with one of the studies.
fn chosen<'a>(answer: &'a ReuseAnswer, studies: &[Uid]) -> Result<Option<&'a Listed>, StateError> {
    let Some(first) = studies.first() else { return Ok(answer.decision.priors.first()) };
    let has = |prior: &&Listed, study: &Uid| prior.studies.iter().any(|of| of == study.as_str());
    let prior = answer.decision.priors.iter().find(|prior| has(prior, first));
    match prior {
        Some(prior) if studies.iter().all(|study| has(&prior, study)) => Ok(Some(prior)),
        _ => Err(invalid("studies", "are not listed as one prior of this order")),
    }
}

fn as_shown(shown: &Shown, verdict: Option<Verdict>, name: &str) -> Result<(), StateError> {
    let changed = |what: String| Err(StateError::Conflicts("verdict", what));
    if shown.verdict != verdict {
        let now = verdict.map_or("nothing is found", |verdict| match verdict {
            Verdict::Usable => "it is usable",
            Verdict::Review => "it is review",
            Verdict::NotUsable => "it is not_usable",
            Verdict::NotApplicable => "it is not_applicable",
        });
        return changed(format!("the answer changed: {now} now; look again before deciding"));
    }
    match &shown.answer {
        Some(answer) if answer != name => {
            changed("the answer changed since it was shown; look again before deciding".into())
        }
        _ => Ok(()),
    }
}

/// Whether a prior may stand in at all, whatever the doctor thinks of it.
fn may_be_reused(answer: &ReuseAnswer, prior: Option<&Listed>) -> Result<(), StateError> {
    let conflict = |field, why: &str| Err(StateError::Conflicts(field, why.to_owned()));
    let Some(prior) = prior else { return conflict("studies", "nothing was found that could be reused") };
    let identity = prior.checks.iter().find(|check| check.name == CheckName::Identity);
    match identity.map(|check| check.outcome) {
        Some(Outcome::Fail) => {
            return conflict(
                "identity",
                "it is contested that the prior is of this person; that cannot be overridden, only resolved",
            );
        }
        Some(Outcome::Pass) if prior.confirmed => {}
        _ => {
            return conflict(
                "identity",
                "nobody has confirmed that the prior is of this person; that has to be done first",
            );
        }
    }
    if !prior.pictures {
        return conflict("studies", "the pictures of the prior were withdrawn");
    }
    if answer.decision.must_ask.is_some() {
        let why = "the order is urgent and does not say whether the clinical state has changed; change the order first";
        return conflict("clinical_state_changed", why);
    }
    Ok(())
}

/// What is frozen: versions of rules, the prior with its checks, what was seen of its studies, and all that was listed.
fn evidence(answer: &ReuseAnswer, prior: Option<&Listed>, seen: &[&StudySeen]) -> serde_json::Value {
    let listed: Vec<&String> = answer.studies.iter().map(|of| &of.study).collect();
    json!({
        "checked_at": answer.checked_at,
        "evidence_rule": answer.evidence_rule,
        "policy": answer.decision.policy,
        "found_nothing": answer.decision.found_nothing,
        "not_applicable": answer.decision.not_applicable,
        "archives": answer.decision.archives,
        "prior": prior,
        "studies": seen,
        "listed": listed,
    })
}

/// A name of 32 digits for what is said once of something: statements of the archive itself are known by it.
pub(super) fn said_once(what: &str, of: &str) -> String {
    let hash = ContentHash::of(of.as_bytes()).to_string();
    format!("{what}.{}", hash.get(..32).unwrap_or_default())
}

impl Archive {
    /// Closes an order whose decision says that a stored exam stands in, and opens one again whose decision was
    /// withdrawn: once for each decision, so that what its source says afterwards stays.
    pub(super) fn close_or_reopen(&self, order: &str, decisions: &[Stated]) -> Result<(), StateError> {
        let in_force = |stated: &Stated| matches!(&stated.statement.state, State::ReuseDecision(decision) if decision.reuses());
        let any_in_force = decisions.iter().any(in_force);
        for stated in decisions {
            let State::ReuseDecision(decision) = &stated.statement.state else { continue };
            // One that was withdrawn opens nothing that another one closed.
            if !decision.choice.reuses() || (decision.withdrawn && any_in_force) {
                continue;
            }
            let key = &stated.statement.subject.key;
            let open = |status| matches!(status, OrderStatus::Requested | OrderStatus::InProgress);
            let (name, from, to): (_, fn(OrderStatus) -> bool, _) = match decision.withdrawn {
                false => ("reused", |status| status != OrderStatus::Reused, OrderStatus::Reused),
                true if open(decision.order_before) => {
                    ("reopened", |status| status == OrderStatus::Reused, decision.order_before)
                }
                true => continue,
            };
            let status = self.ordered(order)?.0.status;
            if !from(status) || (!decision.withdrawn && !open(status)) {
                continue;
            }
            let who = stated.statement.who.clone();
            self.set_status(order, (said_once(name, key), to), from, (who, format!("decision {key}")))?;
        }
        Ok(())
    }

    /// Opens a collision for each study of which a decision says that it may be of somebody else: once, so that what
    /// people find out afterwards stays.
    pub(super) fn open_doubts(&self, decisions: &[Stated]) -> Result<(), StateError> {
        for stated in decisions {
            let State::ReuseDecision(decision) = &stated.statement.state else { continue };
            if decision.withdrawn || !decision.reasons.contains(&DecisionReason::DoubtAboutPerson) {
                continue;
            }
            for study in &decision.studies {
                let key = &stated.statement.subject.key;
                let id = said_once("doubt", &format!("{key} {study}"));
                if self.db().statement(&id)?.is_some() {
                    continue;
                }
                let Some((person, alone)) = self.db().keys_of_study(study)? else { continue };
                // A study that stands alone is doubted to be of the person of the order.
                let kin = if person == alone { self.db().kin_of_order(&decision.order)? } else { None };
                let person = kin.map_or(person, |kin| kin.anchor.key);
                let by = (stated.statement.who.clone(), format!("decision {key}"));
                match self.open_collision(&person, study, Some(id), by) {
                    Err(error) if error.kind() != StateErrorKind::Unavailable => {
                        tracing::warn!(%error, %study, "a doubt about the person of a study was not opened");
                    }
                    opened => drop(opened?),
                }
            }
        }
        Ok(())
    }

    fn set_status(
        &self,
        order: &str,
        (id, status): (String, OrderStatus),
        from: fn(OrderStatus) -> bool,
        (who, why): (Who, String),
    ) -> Result<(), StateError> {
        let asked = hash_of(&("status of order", order, status))?;
        // Others may change the order meanwhile: what they said is kept, and the status changed on top of it.
        for _ in 0..8 {
            let (id, by) = ((Some(id.clone()), Basis::Current), (who.clone(), why.clone()));
            let changed = self.change_order(order, id, asked, by, |order| match from(order.status) {
                true => Ok(Order { status, ..order.clone() }),
                false => Err(StateError::Exists("status")),
            });
            match changed {
                Err(StateError::Version { .. }) => {}
                Ok(_) | Err(StateError::Exists(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Unavailable("others are changing this order".into()).into())
    }
}

impl Archive {
    /// Takes the record of a hand-over in. Its name is the client's idempotency key, or random.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn deliver(
        &self,
        id: Option<String>,
        delivery: Delivery,
        who: Who,
        why: String,
    ) -> Result<Stated, StateError> {
        let order = delivery.order.clone();
        let asked = hash_of(&("deliver", &delivery, &who, &why))?;
        let stated = self.once(id, asked, |id| {
            let (key, state) = (id.to_owned(), State::Delivery(Box::new(delivery)));
            Ok(Said { id: None, key, state, based_on: Basis::Exactly(None), who, why })
        })?;
        if !order.is_empty() {
            self.settle_soon(&order);
        }
        Ok(stated)
    }
}
