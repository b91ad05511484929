//! Orders and reports: from what a source says to the statement about the right subject.

use super::Archive;
use storage_config::ContentHash;

use super::stating::{Basis, Said, StateError, Turn, hash_of, invalid};
use crate::db::{FacilityId, OrdersBy, Stated};
use crate::statement::{Kind, Order, Report, State, Who};

impl Archive {
    /// The internal number of a facility whose code was seen before, by configuration or by what came.
    ///
    /// # Errors
    /// [`StateError::Invalid`] naming `field` where nobody has the code.
    pub fn known_facility(&self, field: &'static str, code: &str) -> Result<FacilityId, StateError> {
        let codes = self.shared.db.facility_codes()?;
        let known = codes.iter().rfind(|known| known.code == code).map(|known| known.facility);
        known.ok_or_else(|| invalid(field, "is no code of a facility"))
    }

    /// Takes an order in. Its name is the client's idempotency key, or random.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::Exists`] when the facility has an order under this placer number.
    pub fn order(
        &self,
        id: Option<String>,
        order: Order,
        who: Who,
        why: String,
    ) -> Result<Stated, StateError> {
        let asked = hash_of(&("order", &order, &who, &why))?;
        let placer = order.placer_number.trim().to_owned();
        let facility = order.facility.unwrap_or(0);
        let _turn =
            (!placer.is_empty()).then(|| self.shared.turns.take(Turn::Placer(facility, placer.clone())));
        self.once(id, asked, |id| {
            if !placer.is_empty() {
                let by = OrdersBy::PlacerNumber(placer.clone());
                if !self.shared.db.orders(&by, Some(FacilityId(facility)), 1, 0)?.is_empty() {
                    return Err(StateError::Exists("placer_number"));
                }
            }
            let (key, state) = (id.to_owned(), State::Order(Box::new(order)));
            Ok(Said { id: None, key, state, based_on: Basis::Exactly(None), who, why })
        })
    }

    /// Changes an order by what `change` makes of it; `asked` is what the client asked, by which the same request under
    /// the same id is known again.
    ///
    /// # Errors
    /// [`StateError`], also those of `change`; [`StateError::Version`] when others changed it meanwhile.
    pub fn change_order(
        &self,
        key: &str,
        (id, based_on): (Option<String>, Basis),
        asked: ContentHash,
        (who, why): (Who, String),
        change: impl FnOnce(&Order) -> Result<Order, StateError>,
    ) -> Result<Stated, StateError> {
        self.once(id, asked, |_| {
            let (order, current) = self.ordered(key)?;
            if based_on != Basis::Current && based_on != Basis::Exactly(current.version) {
                return Err(StateError::Version { current: current.version });
            }
            let (key, state) = (key.to_owned(), State::Order(Box::new(change(&order)?)));
            Ok(Said { id: None, key, state, based_on: Basis::Exactly(current.version), who, why })
        })
    }

    /// The current state of an order.
    ///
    /// # Errors
    /// [`StateError::NotFound`] when there is no such order.
    pub fn ordered(&self, order: &str) -> Result<(Order, Stated), StateError> {
        let row = self.shared.db.subject(Kind::Order, order)?;
        let stated = row.and_then(|row| Some(Stated { version: row.version, statement: row.current? }));
        match stated {
            Some(stated) => match &stated.statement.state {
                State::Order(order) => Ok((Order::clone(order), stated)),
                _ => Err(StateError::NotFound("order")),
            },
            None => Err(StateError::NotFound("order")),
        }
    }

    /// Takes a version of a report in: the next one of the report with its number, else of what is known as the report
    /// of its study or accession number.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::Invalid`] when the report was about another study before.
    pub fn report(
        &self,
        (id, based_on): (Option<String>, Basis),
        report: Report,
        who: Who,
        why: String,
    ) -> Result<Stated, StateError> {
        let asked = hash_of(&("report", &report, based_on, &who, &why))?;
        self.once(id, asked, |_| {
            let (key, before) = self.report_before(&report)?;
            let mut report = report;
            if let Some(before) = before {
                if before.study.is_some() && report.study.is_some() && before.study != report.study {
                    return Err(invalid("study", "is not the one that this report was about"));
                }
                // What the next version leaves out of where it belongs stays as it was.
                report.study = report.study.or(before.study);
                if report.accession.is_empty() {
                    report.accession = before.accession;
                }
            }
            Ok(Said { id: None, key, state: State::Report(Box::new(report)), based_on, who, why })
        })
    }

    /// The subject of a report and its state so far. A report that came by accession number before its images goes on
    /// under that key when the next version names the study, and the other way round.
    fn report_before(&self, report: &Report) -> Result<(String, Option<Report>), StateError> {
        let mut keys = vec![report.key()];
        if report.number.is_empty() {
            let facility = report.facility.unwrap_or(0);
            if !report.accession.is_empty() {
                keys.push(Report::key_of_accession(facility, &report.accession));
                let studies = self.shared.db.studies_under(FacilityId(facility), &report.accession)?;
                // Of several studies under one number nobody can tell which is meant.
                if let ([study], None) = (&studies[..], &report.study) {
                    keys.push(Report::key_of_study(facility, study));
                }
            }
        }
        for key in &keys {
            let current = self.shared.db.subject(Kind::Report, key)?.and_then(|row| row.current);
            if let Some(State::Report(before)) = current.map(|current| current.state) {
                return Ok((key.clone(), Some(*before)));
            }
        }
        Ok((keys.swap_remove(0), None))
    }
}
