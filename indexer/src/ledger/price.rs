//! What an ordered exam would have cost: by the list of the facility in force on a day, else the general lists, else the
//! built-in national prices. Where the service code is open, the lowest price among those it can be.
//!
//! Knows lists; what is not stated there stays unknown.

use crate::codes::Catalogue;
use crate::codes::catalogue::list::{Entry, ImportedList, ListKind};
use crate::codes::catalogue::name::{service_code, technique_code};
use crate::reuse::Date;
use crate::statement::{LedgerLine, OrderedItem, Payers, Payment};

/// Coding schemes whose values are read by their form: techniques, insurance services.
const TECHNIQUES: &str = "99VNTT23";
const SERVICES: &str = "99VNBHYT";

/// The prices of one facility on one day.
pub struct Tariff<'a> {
    catalogue: &'a Catalogue,
    facility: &'a str,
    lists: Vec<&'a ImportedList>,
}

/// A price and where it stands.
struct Price {
    code: String,
    name: String,
    film: Option<u64>,
    no_film: Option<u64>,
    list: String,
}

impl Price {
    fn least(&self) -> u64 {
        self.no_film.or(self.film).unwrap_or(u64::MAX)
    }
}

impl<'a> Tariff<'a> {
    /// The prices of the facility with `code` on `day`. A list is in force from its date on, until the next of its kind
    /// and owner.
    #[must_use]
    pub fn new(catalogue: &'a Catalogue, code: &'a str, day: Date) -> Tariff<'a> {
        let begun = |list: &&ImportedList| list.version.parse::<Date>().is_ok_and(|from| from <= day);
        let mut lists: Vec<&ImportedList> = catalogue.lists().iter().filter(begun).collect();
        // The newest first; among the facility's own and the general ones, its own first.
        lists.sort_by(|one, other| {
            let own = |list: &ImportedList| !code.is_empty() && list.facility == code;
            (own(other), &other.version, other.kind).cmp(&(own(one), &one.version, one.kind))
        });
        let own_or_general = |list: &&ImportedList| list.facility.is_empty() || list.facility == code;
        lists.retain(own_or_general);
        // What the next list of that kind and owner leaves out has no price any more.
        let mut seen = std::collections::BTreeSet::new();
        lists.retain(|list| seen.insert((list.kind, list.facility.as_str())));
        Tariff { catalogue, facility: code, lists }
    }

    /// The price of an ordered exam.
    #[must_use]
    pub fn line(&self, item: &OrderedItem) -> LedgerLine {
        let candidates = self.candidates(item);
        let prices = candidates.iter().filter_map(|code| self.of_service(code));
        let best = self.own_code(item).or_else(|| prices.min_by_key(Price::least));
        let technique = self.techniques(item, &candidates).into_iter().next();
        let technique = technique.and_then(|code| self.catalogue.technique(&code));
        let mut line = LedgerLine {
            ordered: short(&item.code),
            name: short(&item.name),
            modality: technique.map_or(String::new(), |technique| technique.axes.imaging.label().to_owned()),
            lower_bound: candidates.len() > 1,
            code: if let [one] = &candidates[..] { one.clone() } else { String::new() },
            ..LedgerLine::default()
        };
        if line.name.is_empty() {
            line.name = technique.and_then(|of| of.names.first()).map_or(String::new(), |name| short(name));
        }
        if let Some(price) = best {
            let (film, no_film) = (price.film.map(signed), price.no_film.map(signed));
            line.exam_vnd = no_film.or(film);
            line.film_vnd = film.zip(no_film).map(|(film, no_film)| (film - no_film).max(0));
            line.film_included = no_film.is_none();
            line.list = price.list;
            line.code = price.code;
            if line.name.is_empty() {
                line.name = short(&price.name);
            }
        }
        line
    }

    /// A price under the facility's own code.
    fn own_code(&self, item: &OrderedItem) -> Option<Price> {
        let code = item.code.trim();
        let own =
            |list: &&&ImportedList| list.kind == ListKind::HospitalList && list.facility == self.facility;
        let list = self.lists.iter().find(own)?;
        let entry = list.entries.iter().find(|entry| entry.code == code)?;
        priced(entry).then(|| Price {
            code: entry.service.clone().unwrap_or_else(|| code.to_owned()),
            ..self.price_of(list, entry)
        })
    }

    /// The service codes that an ordered exam can be billed under.
    fn candidates(&self, item: &OrderedItem) -> Vec<String> {
        let code = item.code.trim();
        let of_scheme = |scheme: &str| item.scheme.is_empty() || item.scheme == scheme;
        if let Some(service) = service_code(code).filter(|_| of_scheme(SERVICES)) {
            return vec![service];
        }
        if let Some(service) = self.entry(code).and_then(|entry| entry.service.clone()) {
            return vec![service];
        }
        let technique = technique_code(code).filter(|_| of_scheme(TECHNIQUES));
        let technique = technique.or_else(|| self.entry(code)?.technique.clone());
        let technique = technique.and_then(|code| self.catalogue.technique(&code));
        let services = technique.into_iter().flat_map(|technique| &technique.services);
        services.filter_map(|at| Some(self.catalogue.services().get(*at)?.code.clone())).collect()
    }

    fn techniques(&self, item: &OrderedItem, candidates: &[String]) -> Vec<String> {
        let own = technique_code(item.code.trim()).filter(|_| service_code(item.code.trim()).is_none());
        if let Some(own) = own {
            return vec![own];
        }
        let services = candidates.iter().filter_map(|code| self.catalogue.service(code));
        let techniques = services.flat_map(|service| &service.techniques);
        techniques.filter_map(|at| Some(self.catalogue.techniques().get(*at)?.code.clone())).collect()
    }

    /// What a list in force says of a code of its own.
    fn entry(&self, code: &str) -> Option<&'a Entry> {
        if code.is_empty() {
            return None;
        }
        self.lists.iter().find_map(|list| list.entries.iter().find(|entry| entry.code == code))
    }

    fn of_service(&self, code: &str) -> Option<Price> {
        let is =
            |entry: &&Entry| priced(entry) && (entry.code == code || entry.service.as_deref() == Some(code));
        for list in &self.lists {
            // Several rows of one code differ by film or name: the one with the lowest price counts.
            let rows = list.entries.iter().filter(is).map(|entry| self.price_of(list, entry));
            if let Some(price) = rows.min_by_key(Price::least) {
                return Some(Price { code: code.to_owned(), ..price });
            }
        }
        let service = self.catalogue.service(code)?;
        service.price_film_vnd.or(service.price_no_film_vnd)?;
        Some(Price {
            code: service.code.clone(),
            name: service.names.first().cloned().unwrap_or_default(),
            film: service.price_film_vnd,
            no_film: service.price_no_film_vnd,
            list: format!("national {}", self.catalogue.version()),
        })
    }

    fn price_of(&self, list: &ImportedList, entry: &Entry) -> Price {
        Price {
            code: entry.code.clone(),
            name: entry.name.clone(),
            film: entry.price_film_vnd,
            no_film: entry.price_no_film_vnd,
            list: short(&format!("{} {}", list.source, list.version)),
        }
    }
}

fn priced(entry: &Entry) -> bool {
    entry.price_film_vnd.or(entry.price_no_film_vnd).is_some()
}

fn signed(price: u64) -> i64 {
    // A price beyond this is a mistake of a list and must not make a sum overflow.
    i64::try_from(price).unwrap_or(0).min(1_000_000_000_000)
}

fn short(text: &str) -> String {
    text.trim().chars().take(200).collect()
}

/// The same lines taken back.
#[must_use]
pub fn negated(lines: &[LedgerLine]) -> Vec<LedgerLine> {
    let less = |amount: Option<i64>| amount.map(|amount| -amount);
    let line = |line: &LedgerLine| LedgerLine {
        exam_vnd: less(line.exam_vnd),
        film_vnd: less(line.film_vnd),
        ..line.clone()
    };
    lines.iter().map(line).collect()
}

/// Who would have paid an amount; none where the order does not tell.
#[must_use]
pub fn payers(payment: Option<Payment>, amount_vnd: i64) -> Option<Payers> {
    let payment = payment?;
    let part = |percent: u8| amount_vnd * i64::from(percent) / 100;
    let (insurance_vnd, copayment_vnd) = (part(payment.insurance_percent), part(payment.copayment_percent));
    Some(Payers { insurance_vnd, copayment_vnd, hospital_vnd: amount_vnd - insurance_vnd - copayment_vnd })
}
