//! The reuse check over stored studies: from an order to the decision and what was seen for it.
//!
//! | module | what |
//! | --- | --- |
//! | `answer` | the answer as it is given out |
//! | `gather` | from rows to what is known of each study |
//! | `exams` | which exams a study is said to be |
//!
//! The decision itself is [`crate::reuse::decide`]; this module gathers, it does not judge.

mod answer;
mod exams;
mod gather;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

pub use answer::{DocumentSeen, OrderSeen, ReuseAnswer, StudySeen, SubjectSeen};
use storage_config::ContentHash;

use super::related::issuer_of_facility;
use super::stating::StateError;
use super::{Archive, Related, StoreError};
use crate::codes::concept::{Equivalence, SCHEME_SERVICE, SCHEME_TECHNIQUE};
use crate::db::{Db, DbError, FacilityId};
use crate::identity::{PatientIdIs, Person};
use crate::ledger::LedgerVersion;
use crate::reuse::answer::Reason;
use crate::reuse::order::Archive as AskedArchive;
use crate::reuse::policy::PolicyVersion;
use crate::reuse::prior::{IdentityStatus, Prior};
use crate::reuse::{Date, Moment, SitePolicy, decide, stated, techniques};
use crate::statement;

/// What the check knows of the site.
#[derive(Debug, Clone)]
pub struct ReuseSite {
    /// The name under which this archive stands among those that were asked.
    pub name: String,
    /// The policies, of the decision and of the ledger.
    pub policy: SitePolicy,
    /// Licences of facilities by their codes.
    pub licences: BTreeMap<String, SiteLicence>,
}

/// The licence of a facility as the configuration tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SiteLicence {
    /// Whether it is licensed for imaging; none: not known.
    pub licensed: Option<bool>,
    /// Modalities it is licensed for (0008,0060); empty: not told.
    pub modalities: BTreeSet<String>,
}

#[expect(clippy::expect_used, reason = "the shipped policy is read by tests")]
static UNTOLD: LazyLock<ReuseSite> = LazyLock::new(|| ReuseSite {
    name: "this archive".to_owned(),
    policy: SitePolicy::shipped().expect("the shipped policy"),
    licences: BTreeMap::new(),
});

/// What is asked: an order that is kept here, or one that only comes with the question.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// By its name.
    Order(String),
    /// As it stands.
    Inline(Box<statement::Order>),
}

impl Archive {
    /// Tells the check of its site; before, it answers by the policy as shipped. Called once.
    pub fn answer_reuse_for(&self, site: ReuseSite) {
        if self.shared.reuse_site.set(site).is_err() {
            tracing::warn!("the reuse check was told of its site twice");
        }
    }

    pub(super) fn reuse_site(&self) -> &ReuseSite {
        self.shared.reuse_site.get().unwrap_or_else(|| LazyLock::force(&UNTOLD))
    }

    /// The policy of the reuse decision that is in force today.
    #[must_use]
    pub fn reuse_policy_today(&self) -> &PolicyVersion {
        self.reuse_site().policy.decision.in_force(self.today())
    }

    /// The policy of the ledger that is in force on a day.
    #[must_use]
    pub fn ledger_policy_on(&self, day: Date) -> &LedgerVersion {
        self.reuse_site().policy.ledger.in_force(day)
    }

    /// SHA-256 of the site's file of policies; none where they are as shipped.
    #[must_use]
    pub fn policy_file(&self) -> Option<ContentHash> {
        self.reuse_site().policy.file
    }

    /// The calendar day, at +07:00.
    #[must_use]
    pub fn today(&self) -> Date {
        Moment { ms: (self.shared.options.now_ms)() }.day(UTC_OFFSET_MINUTES)
    }

    /// Whether a stored exam can stand in for what is ordered: the decision over all that is known now.
    ///
    /// # Errors
    /// [`StateError::NotFound`] when there is no such order, [`StateError::Invalid`] when one that comes with the
    /// question is none; when the index cannot be read.
    pub fn reuse_check(&self, asked: &Asked) -> Result<ReuseAnswer, StateError> {
        self.reuse_check_on(asked, self.today())
    }

    /// The same, for a day.
    ///
    /// # Errors
    /// As [`Archive::reuse_check`].
    pub fn reuse_check_on(&self, asked: &Asked, today: Date) -> Result<ReuseAnswer, StateError> {
        let (order, mut seen) = match asked {
            Asked::Order(id) => {
                let (order, current) = self.ordered(id)?;
                (order, OrderSeen { id: Some(id.clone()), version: current.version, patient: None })
            }
            Asked::Inline(order) => {
                order.check()?;
                (statement::Order::clone(order), OrderSeen::default())
            }
        };
        let facilities = facility_codes(self.db())?;
        let facility = order.facility.map(FacilityId);
        let kin = match &seen.id {
            Some(id) => self.db().kin_of_order(id)?.ok_or(StateError::NotFound("order"))?,
            None => self.db().kin_of(&self.person_of(&order)?)?,
        };
        seen.patient = seen.id.is_some().then(|| kin.anchor.key.to_string());
        let related = self.related_to(&kin).map_err(unread)?;
        let group = identity_group(&related);
        let (priors, studies) = self.gather(&related, group.as_deref(), &facilities).map_err(unread)?;
        let asked = AskedArchive { name: self.reuse_site().name.clone(), answered: true };
        let code = facility.and_then(|facility| facilities.get(&facility).cloned());
        let question =
            stated::order(seen.id.as_deref().unwrap_or_default(), &order, code, group, vec![asked]);
        let mut question = crate::reuse::Order { id: seen.id.clone(), ..question };
        self.understand(&order, &mut question);
        let mut decision = decide(&question, &priors, &self.reuse_site().policy.decision, today);
        hide_reports(&mut decision);
        let studies = named(studies, &decision);
        Ok(ReuseAnswer {
            order: seen,
            checked_at: Moment { ms: (self.shared.options.now_ms)() },
            evidence_rule: crate::evidence::RULE.to_owned(),
            decision,
            studies,
        })
    }

    /// The person of an order that only comes with the question.
    fn person_of(&self, order: &statement::Order) -> Result<Person, StateError> {
        let facility = order.facility.map(FacilityId);
        let counts = facility.map_or(Ok(false), |facility| self.db().counts_orders(facility))?;
        let number_is = if counts { PatientIdIs::Order } else { PatientIdIs::Patient };
        Ok(stated::person(&order.patient, facility.map(issuer_of_facility), number_is))
    }

    /// Codes of the order that are no national ones, as far as a list says that they mean the same as one.
    fn understand(&self, order: &statement::Order, question: &mut crate::reuse::Order) {
        let Some(catalogue) = self.catalogue() else { return };
        for (item, exam) in order.exams.iter().zip(&mut question.exams) {
            if exam.technique.is_some() || techniques::technique(None, &exam.codes).is_some() {
                continue;
            }
            let links = catalogue.crosswalk().of(item.scheme.trim(), item.code.trim());
            let same = |scheme: &str| {
                let equal =
                    links.iter().filter(|(to, how, _)| to.scheme == scheme && *how == Equivalence::Equal);
                equal.map(|(to, ..)| to.value.clone()).collect::<BTreeSet<String>>()
            };
            // Of several nobody can tell which is meant.
            let one = |mut all: BTreeSet<String>| if all.len() == 1 { all.pop_first() } else { None };
            match one(same(SCHEME_SERVICE)) {
                Some(service) => exam.codes.insert(0, service),
                None => exam.technique = one(same(SCHEME_TECHNIQUE)),
            }
        }
    }

    fn gather(
        &self,
        related: &[Related],
        group: Option<&str>,
        facilities: &BTreeMap<FacilityId, String>,
    ) -> Result<(Vec<Prior>, Vec<StudySeen>), super::ReadError> {
        let gathering = gather::Gathering { archive: self, facilities, group };
        let mut priors: Vec<(Prior, StudySeen)> = Vec::new();
        for one in related {
            if priors.len() >= PRIORS_MAX {
                break;
            }
            gathering.of_patient(one, &mut priors)?;
        }
        Ok(priors.into_iter().unzip())
    }
}

/// Studies from which on no further patient is looked at.
const PRIORS_MAX: usize = 500;
/// Minutes from UTC to the time of Vietnam, in which days are counted.
const UTC_OFFSET_MINUTES: i64 = 7 * 60;

/// The latest code of each facility.
fn facility_codes(db: &Db) -> Result<BTreeMap<FacilityId, String>, DbError> {
    Ok(db.facility_codes()?.into_iter().map(|code| (code.facility, code.code)).collect())
}

/// The identity group: named by its least patient, so that it is one name whoever of them is ordered for.
fn identity_group(related: &[Related]) -> Option<String> {
    let same = related.iter().filter(|one| is_same(one.status));
    same.map(|one| one.patient).min().map(|key| key.to_string())
}

fn is_same(status: IdentityStatus) -> bool {
    use IdentityStatus::{ConfirmedByPerson, LinkedAutomatically, SameHospitalNumber};
    matches!(status, SameHospitalNumber | LinkedAutomatically | ConfirmedByPerson)
}

/// Of a person who is not confirmed nobody is told whether there is a report.
fn hide_reports(decision: &mut crate::reuse::Answer) {
    for listed in decision.priors.iter_mut().filter(|listed| !listed.confirmed) {
        let lines = listed.checks.iter_mut().flat_map(|check| &mut check.lines).map(|line| &mut line.reason);
        let reasons = listed.reasons.iter_mut().map(|short| &mut short.reason);
        lines
            .chain(reasons)
            .filter(|reason| **reason == Reason::ReportNone)
            .for_each(|reason| *reason = Reason::ReportHidden);
    }
}

/// What was seen of the studies that the decision names. Of a person who is not confirmed nothing more is told.
fn named(studies: Vec<StudySeen>, decision: &crate::reuse::Answer) -> Vec<StudySeen> {
    let listed = decision.priors.iter().flat_map(|prior| prior.studies.iter().chain(&prior.same_visit));
    let names: BTreeSet<&String> =
        listed.chain(decision.other_exams.iter().map(|other| &other.study)).collect();
    studies.into_iter().filter(|seen| names.contains(&seen.study)).collect()
}

fn unread(error: super::ReadError) -> StateError {
    match error {
        super::ReadError::Index(error) => error.into(),
        error => StoreError::Internal(error.to_string()).into(),
    }
}
