//! Orders and reports: from what a source says to the statement about the right subject.

use std::collections::BTreeSet;

use super::Archive;
use storage_config::ContentHash;

use super::stating::{Basis, Said, StateError, Turn, hash_of, invalid};
use crate::db::{FacilityId, OrdersBy, Stated};
use crate::statement::{Kind, Order, OrderStatus, Report, State, Who};

/// Orders under one accession number that are compared.
const SAME_MAX: u32 = 100;

/// Whether two orders under one accession number ask for the same.
fn is_same(one: &Order, other: &Order) -> bool {
    let placed = |order: &Order| !order.placer_number.trim().is_empty();
    let exams = |order: &Order| {
        let exam = |item: &crate::statement::OrderedItem| {
            // By its code where it has one: how it is called may be spelled otherwise.
            let name = if item.code.trim().is_empty() { item.name.trim() } else { "" };
            let words = [item.scheme.trim(), item.code.trim(), name, item.body_part.trim()].join("\0");
            (words, format!("{:?} {:?}", item.side, item.contrast))
        };
        order.exams.iter().map(exam).collect::<BTreeSet<_>>()
    };
    let patient = |order: &Order| {
        let patient = &order.patient;
        (patient.patient_id.trim().to_owned(), patient.issuer.trim().to_owned())
    };
    let named = !one.patient.patient_id.trim().is_empty()
        || crate::identity::same_name(&one.patient.name, &other.patient.name);
    !(placed(one) && placed(other)) && patient(one) == patient(other) && named && exams(one) == exams(other)
}

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
    /// [`StateError`]; [`StateError::Exists`] when the facility has an order under this placer number, or one for the
    /// same exam under this accession number.
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
        let accession = order.accession.trim().to_owned();
        let _accession =
            (!accession.is_empty()).then(|| self.shared.turns.take(Turn::Accession(facility, accession)));
        self.once(id, asked, |id| {
            if !placer.is_empty() {
                let by = OrdersBy::PlacerNumber(placer.clone());
                if !self.shared.db.orders(&by, Some(FacilityId(facility)), 1, 0)?.is_empty() {
                    return Err(StateError::Exists("placer_number"));
                }
            }
            if !self.same_orders(&order)?.is_empty() {
                return Err(StateError::Exists("accession"));
            }
            let (key, state) = (id.to_owned(), State::Order(Box::new(order)));
            Ok(Said { id: None, key, state, based_on: Basis::Exactly(None), who, why })
        })
    }

    /// Orders that ask for the same exams of the same patient under the same accession number of the facility, unless
    /// both have placer numbers, which tell them apart, or it was cancelled: one exam that was ordered twice.
    pub(super) fn same_orders(&self, order: &Order) -> Result<Vec<String>, StateError> {
        if order.accession.trim().is_empty() {
            return Ok(Vec::new());
        }
        let by = OrdersBy::Accession(order.accession.clone());
        let facility = FacilityId(order.facility.unwrap_or(0));
        let all = self.shared.db.orders(&by, Some(facility), SAME_MAX, 0)?;
        let same = all.into_iter().filter(|stated| match &stated.statement.state {
            State::Order(other) => other.status != OrderStatus::Cancelled && is_same(order, other),
            _ => false,
        });
        Ok(same.map(|stated| stated.statement.subject.key).collect())
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
