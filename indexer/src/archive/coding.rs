//! Giving stored studies their national codes: when they went quiet, when a person chose, when rules or lists changed.
//!
//! Work that waits is a row, so that an end of the process forgets nothing; rows are written when no answer waits. Knows
//! when studies are mapped; how is the business of `codes`.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use storage_config::{ContentHash, Uid};

use super::error::{OpenError, ReadError, StoreError};
use super::stating::{Basis, Said, StateError, invalid};
use super::{Archive, SourcedFacts, spawn};
use crate::codes::coded::StudyCoding;
use crate::codes::kept::Looked;
use crate::codes::{Catalogue, OrderedCode, Rules, StudyFacts, map, version};
use crate::dataset::fold::fold;
use crate::db::{DbError, FacilityId, NewCoding, Stated};
use crate::statement::{
    ASSIGNED_STUDIES_MAX, AssignedCodes, CodeRule, CodesAssigned, OrderStatus, State, StudyCode, Verdict, Who,
};

/// Studies of one turn.
const TURN: u32 = 16;
/// How long the thread waits when there is nothing to do.
const PAUSE: Duration = Duration::from_millis(500);
/// How often a wait for the index writer looks for the stop.
const PATIENCE: Duration = Duration::from_millis(200);

/// What studies are coded by.
pub(crate) struct Coder {
    catalogue: Arc<Catalogue>,
    version: String,
    rules: Mutex<Rules>,
}

/// What studies are coded by, which another list replaces while the archive runs.
pub(crate) struct Coders(RwLock<Arc<Coder>>);

impl Coder {
    fn of(catalogue: Catalogue) -> Arc<Coder> {
        let rules = Mutex::new(Rules::built_in(&catalogue));
        Arc::new(Coder { version: version(&catalogue), catalogue: Arc::new(catalogue), rules })
    }
}

/// What a person chooses for a study.
#[derive(Debug, Clone)]
pub struct ChooseCodes {
    /// The client's idempotency key.
    pub id: Option<String>,
    /// The study.
    pub study: Uid,
    /// What it is.
    pub verdict: Verdict,
    /// Its techniques.
    pub techniques: Vec<String>,
    /// Its service code, where it is known.
    pub service: Option<String>,
    /// Whether studies of its facility with the same text, or the same code in their order, are to be that too.
    pub as_rule: bool,
    /// What it is based on.
    pub based_on: Basis,
    /// Who chooses.
    pub who: Who,
    /// Why.
    pub why: String,
}

impl Archive {
    /// Codes studies from now on: those that wait, each of which nothing came for `quiet`, and all that were looked at by
    /// other rules or lists, of which what is assigned stays as it is. Called once.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn code_studies(&self, catalogue: Catalogue, quiet: Duration) -> Result<(), OpenError> {
        if self.shared.coder.set(Coders(RwLock::new(Coder::of(catalogue)))).is_err() {
            return Ok(());
        }
        let archive = Archive { shared: self.shared.clone(), threads: Arc::default() };
        let thread = spawn("codes", &self.shared, move |_| archive.keep_coding(quiet))?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// Codes by `catalogue` from now on; whether studies are coded here at all. Studies that wait for a person are mapped
    /// again; those that have a code keep it with its version ([`StudyCoding::after`]).
    pub fn use_catalogue(&self, catalogue: Catalogue) -> bool {
        let Some(Coders(current)) = self.shared.coder.get() else { return false };
        let coder = Coder::of(catalogue);
        *current.write().unwrap_or_else(PoisonError::into_inner) = coder;
        true
    }

    /// The catalogue by which studies are coded; none where they are not.
    #[must_use]
    pub fn catalogue(&self) -> Option<Arc<Catalogue>> {
        Some(self.coder()?.catalogue.clone())
    }

    fn coder(&self) -> Option<Arc<Coder>> {
        let Coders(current) = self.shared.coder.get()?;
        Some(current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn keep_coding(&self, quiet: Duration) {
        while !self.shared.wait_for_stop(PAUSE) {
            let mut more = true;
            while more {
                more = self.code_turn(quiet);
                more |= self.state_codes();
                if self.shared.wait_for_stop(Duration::ZERO) {
                    return;
                }
            }
        }
    }

    /// Codes some studies; whether there may be more.
    fn code_turn(&self, quiet: Duration) -> bool {
        let Some(coder) = self.coder() else { return false };
        let quiet_ms = i64::try_from(quiet.as_millis()).unwrap_or(i64::MAX);
        let before = (self.shared.options.now_ms)().saturating_sub(quiet_ms);
        let studies = match self.db().studies_to_code(&coder.version, before, TURN) {
            Ok(studies) => studies,
            Err(error) => {
                tracing::warn!(%error, "studies that wait for their codes could not be listed");
                return false;
            }
        };
        for study in &studies {
            if let Err(error) = self.code(&coder, study) {
                tracing::warn!(%error, "a study was not given its codes; it is tried again");
                return false;
            }
        }
        studies.len() == TURN as usize
    }

    /// States codes that studies got, so that they keep them when the index is made again; whether there may be more.
    fn state_codes(&self) -> bool {
        if self.refuses().is_some() {
            return false;
        }
        let state = || -> Result<bool, StateError> {
            let studies = self.db().unstated_codes(ASSIGNED_STUDIES_MAX as u32)?;
            let more = studies.len() == ASSIGNED_STUDIES_MAX;
            if studies.is_empty() {
                return Ok(false);
            }
            let assigned = CodesAssigned { studies };
            let key = assigned.key();
            self.state(Said {
                id: Some(format!("codes.{key}")),
                key,
                state: State::CodesAssigned(assigned),
                based_on: Basis::Exactly(None),
                who: Who::system(),
                why: String::new(),
            })?;
            Ok(more)
        };
        state().unwrap_or_else(|error| {
            tracing::warn!(%error, "codes that studies got are stated later");
            false
        })
    }

    /// Codes one study as it is now.
    fn code(&self, coder: &Coder, study: &Uid) -> Result<(), ReadError> {
        let Some(sourced) = self.sourced_facts(study)? else {
            let study = study.clone();
            return Ok(self.in_index(move |db| db.clear_coding(&study))?);
        };
        // Choice and rules are read after the generation: what is said meanwhile raises it, and the study is done again.
        let chosen = self.db().chosen_codes(study)?;
        let facility_rules = self.db().code_rules(sourced.facility)?;
        let before = match self.db().coding(study)? {
            // After the index was made again it has what was stated of it.
            None => self.db().assigned_codes(study)?.map(AssignedCodes::coding),
            some => some,
        };
        let SourcedFacts { mut facts, facility, generation, came } = sourced;
        let ordered = self.add_order(&mut facts, study)?;
        let came = ContentHash::of(format!("{came}\n{ordered}").as_bytes()).to_string();
        let mapping = {
            let mut rules = coder.rules.lock().unwrap_or_else(PoisonError::into_inner);
            rules.facility = facility_rules;
            map(&facts, &coder.catalogue, &rules)
        };
        let coding = StudyCoding::of(&mapping, chosen.as_ref(), &coder.catalogue, &coder.version);
        let looked = Some(Looked::at(&facts, generation, came));
        let coding = StudyCoding { looked, ..coding }.after(before);
        let (coded, basis, looked_by) = (study.clone(), basis(&facts), coder.version.clone());
        let new = NewCoding { study: study.clone(), generation, facility, basis, looked_by, coding };
        self.in_index(move |db| db.set_coding(&new))?;
        // An exam that was made although a stored one was to stand in takes an entry of the ledger back.
        Ok(self.in_index(move |db| db.study_coded(&coded))?)
    }

    /// What the order of a study says it is, before what its header says. An order of several exams that several studies
    /// came under does not tell which of them each one is, so it tells nothing. Returns what the order says, empty where
    /// none says anything.
    fn add_order(&self, facts: &mut StudyFacts, study: &Uid) -> Result<String, DbError> {
        for stated in self.db().orders_of_study(study)? {
            let State::Order(order) = stated.statement.state else { continue };
            let facility = FacilityId(order.facility.unwrap_or(0));
            let cancelled = order.status == OrderStatus::Cancelled;
            let alone = || Ok::<_, DbError>(self.db().studies_under(facility, &order.accession)?.len() == 1);
            if cancelled || (order.exams.len() != 1 && !alone()?) {
                continue;
            }
            let said: Vec<[&String; 3]> =
                order.exams.iter().map(|exam| [&exam.code, &exam.scheme, &exam.name]).collect();
            let said = format!("{said:?}");
            let ordered = order.exams.iter().filter(|exam| !exam.code.is_empty());
            let codes: Vec<OrderedCode> = ordered
                .map(|exam| OrderedCode {
                    value: exam.code.clone(),
                    scheme: exam.scheme.clone(),
                    meaning: exam.name.clone(),
                })
                .filter(|code| !facts.codes.contains(code))
                .collect();
            facts.codes.splice(0..0, codes);
            if facts.requested_procedure.is_empty() {
                let names = order.exams.iter().map(|exam| exam.name.as_str());
                facts.requested_procedure = names.collect::<Vec<_>>().join(" ").trim().to_owned();
            }
            return Ok(said);
        }
        Ok(String::new())
    }

    /// Runs a small change when no answer waits, and waits for it.
    pub(super) fn in_index(
        &self,
        change: impl FnOnce(&crate::db::Db) -> Result<(), DbError> + Send + 'static,
    ) -> Result<(), DbError> {
        let (tell, told) = channel();
        self.in_background(move |db| drop(tell.send(change(db))));
        loop {
            match told.recv_timeout(PATIENCE) {
                Ok(result) => return result,
                // After the stop nobody may be left who does it; the study still waits at the next start.
                Err(RecvTimeoutError::Timeout) if !self.shared.wait_for_stop(Duration::ZERO) => {}
                Err(_) => return Ok(()),
            }
        }
    }

    /// States the codes of a study as a person chose them; they outweigh the mapper's from then on. With
    /// [`ChooseCodes::as_rule`] the choice becomes a rule of the facility too.
    ///
    /// # Errors
    /// [`StateError`]; what is not in the catalogue is invalid.
    pub fn choose_codes(&self, choose: ChooseCodes) -> Result<Stated, StateError> {
        let unready = || StoreError::Unavailable("studies are not given codes".into());
        let coder = self.coder().ok_or_else(unready)?;
        let sourced = self.sourced_facts(&choose.study).map_err(unread)?;
        let sourced = sourced.ok_or(StateError::NotFound("study"))?;
        let state = in_catalogue(&coder.catalogue, &choose)?;
        let rule = match choose.as_rule {
            true => Some(rule_of(&sourced, &state)?),
            false => None,
        };
        let stated = self.state(Said {
            id: choose.id,
            key: choose.study.to_string(),
            state: State::StudyCode(state),
            based_on: choose.based_on,
            who: choose.who.clone(),
            why: choose.why.clone(),
        })?;
        if let Some(rule) = rule {
            // The same request again says the same again: the last word is what it was.
            self.state(Said {
                id: Some(format!("{}.rule", stated.statement.id.chars().take(58).collect::<String>())),
                key: rule.key(),
                state: State::CodeRule(rule),
                based_on: Basis::Current,
                who: choose.who,
                why: choose.why,
            })?;
        }
        if let Err(error) = self.code(&coder, &choose.study) {
            tracing::warn!(%error, "a choice of codes is shown later");
        }
        Ok(stated)
    }
}

fn unread(error: ReadError) -> StateError {
    match error {
        ReadError::Index(error) => error.into(),
        error => StoreError::Internal(error.to_string()).into(),
    }
}

/// Folded text of order and study, as rules of facilities go by it.
fn basis(facts: &StudyFacts) -> String {
    fold(&[&*facts.requested_procedure, &*facts.study_description].join(" "))
}

/// The choice with its codes as the catalogue writes them.
fn in_catalogue(catalogue: &Catalogue, choose: &ChooseCodes) -> Result<StudyCode, StateError> {
    let known = |code: &String| {
        let technique = catalogue.technique(code);
        technique.ok_or_else(|| invalid("techniques", format!("the catalogue has no {:?}", short(code))))
    };
    let techniques = choose.techniques.iter().map(known).collect::<Result<Vec<_>, _>>()?;
    let service = match &choose.service {
        None => None,
        Some(code) => {
            let service = catalogue.service(code);
            let service = service.ok_or_else(|| invalid("service_code", "is not in the catalogue"))?;
            let billed = service.techniques.iter().filter_map(|at| catalogue.techniques().get(*at));
            if !billed.into_iter().any(|of| techniques.iter().any(|technique| technique.code == of.code)) {
                return Err(invalid("service_code", "is not a service of the technique"));
            }
            Some(service.code.clone())
        }
    };
    let techniques = techniques.into_iter().map(|technique| technique.code.clone()).collect();
    Ok(StudyCode { verdict: choose.verdict, techniques, service })
}

fn short(text: &str) -> String {
    text.chars().take(32).collect()
}

/// The rule that a choice becomes: by the text of order and study, without one by the code of the order.
fn rule_of(sourced: &SourcedFacts, state: &StudyCode) -> Result<CodeRule, StateError> {
    let facts = &sourced.facts;
    if state.verdict != Verdict::Assigned {
        return Err(invalid("rule", "is made of a choice that assigns techniques"));
    }
    let text = basis(facts);
    let text = if text.trim().is_empty() { String::new() } else { text };
    let code = match text.is_empty() {
        true => facts.codes.iter().map(|code| code.value.clone()).find(|code| !code.is_empty()),
        false => None,
    };
    let rule = CodeRule {
        facility: sourced.facility.0,
        modality: facts.modality.clone(),
        code: code.unwrap_or_default(),
        text,
        techniques: state.techniques.clone(),
    };
    if rule.code.is_empty() && rule.text.is_empty() {
        return Err(invalid("rule", "the study has no text and no code of its order to go by"));
    }
    Ok(rule)
}
