//! Sayings with all that is known of their identifiers: what header or order says, what people stated, what a
//! facility's rule makes of it.

use crate::db::sql::{Row, ToValue, Value, params};

use super::{CODES, Kept, Saying, plain};
use crate::db::ahead::LookUp;
use crate::db::entry::FacilityId;
use crate::db::error::DbError;
use crate::db::patient::PatientKey;
use crate::db::session::Session;
use crate::identity::{
    Birth, FacilityRule, Identifier, IdentifierEvidence, IdentifierKind, IdentityRules, NumberIn,
    PatientIdIs, Person, Sex, is_personal_number, says_the_same,
};
use crate::query::GroupKey;
use crate::statement::{Kind, OrderedIdentifier};

/// What stands before the number of a facility that is the issuer of its numbers. Values of headers have no backslash.
const FACILITY: &str = "\\facility\\";

/// What stands before the order within which a PatientID is unique, where it counts orders.
pub(super) const COUNTED: &str = "order:";

/// Columns of a saying as [`raw`] reads them, of a table called `p`.
macro_rules! persons {
    ($rest:literal) => {
        concat!(
            "SELECT p.id, p.key, p.patient_key, p.patient_id, p.issuer, p.facility_id, p.scope, p.apart, p.name, ",
            "p.birth_date, p.sex, p.identifiers FROM ",
            $rest
        )
    };
}
pub(super) use persons;

const BY_KEY: &str = persons!("person p WHERE p.key = ?1");
const BY_ID: &str = persons!("person p WHERE p.id = ?1");
const IS_KNOWN: &str = "SELECT 1 FROM person WHERE key = ?1 UNION ALL SELECT 1 FROM person WHERE patient_key = ?1 \
     UNION ALL SELECT 1 FROM intake WHERE patient = ?1 LIMIT 1";
const OF_CODE: &str =
    "SELECT facility_id FROM facility_code WHERE code = ?1 ORDER BY facility_id DESC LIMIT 1";
const STATED: &str = "SELECT body FROM stated_number WHERE patient = ?1 ORDER BY value";
const HAS_STUDY: &str = "SELECT 1 FROM study WHERE person_row = ?1 LIMIT 1";
const HAS_ORDER: &str = "SELECT 1 FROM exam_order WHERE person_row = ?1 LIMIT 1";
const OF_ORDER: &str = persons!(
    "subject u JOIN exam_order o ON o.subject_row = u.id JOIN person p ON p.id = o.person_row \
     WHERE u.kind = ?1 AND u.key = ?2"
);

#[cfg(test)]
pub(super) const HOT: &[&str] = &[BY_KEY, BY_ID, IS_KNOWN, STATED, HAS_STUDY, HAS_ORDER, OF_ORDER];

/// What one header or order says of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRecord {
    /// Names the saying.
    pub key: GroupKey,
    /// Names the number under which it is said.
    pub number: GroupKey,
    /// Patient ID (0010,0020).
    pub patient_id: String,
    /// Issuer of Patient ID (0010,0021), empty where none is named.
    pub issuer: String,
    /// The facility whose number it is; 0 where that is not known.
    pub facility: FacilityId,
    /// Birth date as it is said: YYYYMMDD or less.
    pub birth_date: String,
    /// The person as the rules of identity see it.
    pub person: Person,
    /// Whether there are studies of it, withdrawn or not.
    pub has_study: bool,
    /// Whether its number counts orders, and an order says so and not only a header.
    pub(super) ordered_by_count: bool,
    pub(super) row: i64,
    pub(super) scope: String,
    pub(super) apart: String,
    /// All names of the number: by its issuer, and by the facility that is the issuer.
    pub(super) numbers: Vec<GroupKey>,
}

impl PersonRecord {
    /// Whether it is the saying of one study alone: name or number stand for nobody, or somebody doubts whose it is.
    #[must_use]
    pub fn stands_alone(&self) -> bool {
        !self.apart.is_empty()
    }

    /// Whether a key names it, or a number that it is said under.
    #[must_use]
    pub fn is_called(&self, key: &GroupKey) -> bool {
        self.key == *key || self.numbers.contains(key)
    }

    /// Whether two orders name one number that counts orders, and one name and birth date beside it: a number that was
    /// given again says nothing else.
    pub(super) fn has_counted_number_of(&self, other: &PersonRecord) -> bool {
        self.ordered_by_count
            && other.ordered_by_count
            && (&self.patient_id, self.facility) == (&other.patient_id, other.facility)
            && says_the_same(&self.person, &other.person)
    }
}

/// A row of `person` before its identifiers are known.
pub(super) struct Raw {
    row: i64,
    keys: [Vec<u8>; 2],
    facility: u32,
    /// PatientID, issuer, scope, study that stands alone, name, birth date, sex, identifiers.
    texts: [String; 8],
}

impl Raw {
    pub(super) fn row(&self) -> i64 {
        self.row
    }
}

pub(super) fn raw(row: &Row<'_>) -> Result<Raw, DbError> {
    let texts = [
        row.get(3)?,
        row.get(4)?,
        row.get(6)?,
        row.get(7)?,
        row.get(8)?,
        row.get(9)?,
        row.get(10)?,
        row.get(11)?,
    ];
    Ok(Raw { row: row.get(0)?, keys: [row.get(1)?, row.get(2)?], facility: row.get(5)?, texts })
}

/// The facility whose numbers an issuer's are: the one whose code the issuer is, else the one that stands for it.
pub(super) fn facility_of(session: &Session<'_>, issuer: &str, facility: u32) -> Result<u32, DbError> {
    if issuer.is_empty() {
        return Ok(facility);
    }
    Ok(session.row(OF_CODE, [issuer], |row| row.get(0))?.unwrap_or(0))
}

/// Whose numbers the issuers of many sayings are.
pub(super) fn facilities_ahead<'i>(issuers: impl Iterator<Item = &'i str>) -> LookUp<'i> {
    let named = issuers.filter(|issuer| !issuer.is_empty());
    LookUp::always(OF_CODE, named.map(|issuer| vec![issuer.to_value()]).collect())
}

/// The codes of facilities.
pub(super) fn codes_ahead(facilities: &[u32]) -> LookUp<'static> {
    let named = facilities.iter().filter(|facility| **facility != 0);
    LookUp::always(CODES, named.map(|facility| vec![Value::Integer(i64::from(*facility))]).collect())
}

/// What people stated of many sayings and numbers.
pub(super) fn stated_ahead(records: &[PersonRecord]) -> LookUp<'_> {
    let keys = records.iter().flat_map(|record| std::iter::once(&record.key).chain(&record.numbers));
    LookUp::once(STATED, keys.map(|key| vec![key.as_bytes().to_value()]).collect())
}

fn codes_of(session: &Session<'_>, facility: u32) -> Result<Vec<String>, DbError> {
    if facility == 0 { Ok(Vec::new()) } else { session.rows(CODES, [facility], |row| row.get(0)) }
}

/// What a facility said about its numbers.
pub(super) fn rule_of<'r>(
    session: &Session<'_>,
    rules: &'r IdentityRules,
    facility: u32,
) -> Result<Option<&'r FacilityRule>, DbError> {
    if rules.facilities.is_empty() {
        return Ok(None);
    }
    Ok(codes_of(session, facility)?.iter().find_map(|code| rules.facilities.get(code)))
}

/// A saying with all that is known of it.
pub(super) fn whole(session: &Session<'_>, raw: Raw, rules: &IdentityRules) -> Result<PersonRecord, DbError> {
    let mut record = bare(session, raw, rules)?;
    record.has_study = session.row(HAS_STUDY, [record.row], |_| Ok(()))?.is_some();
    record.ordered_by_count =
        record.scope.starts_with(COUNTED) && session.row(HAS_ORDER, [record.row], |_| Ok(()))?.is_some();
    add_stated(session, &mut record)?;
    Ok(record)
}

/// A saying that becomes a row just now, without what people stated of it: no study and no order names the row yet.
pub(super) fn of_new(
    session: &Session<'_>,
    saying: &Saying,
    (key, apart): (&GroupKey, &str),
    row: i64,
    rules: &IdentityRules,
) -> Result<PersonRecord, DbError> {
    let PatientKey { patient_id, issuer, facility, scope } = &saying.patient;
    let texts = [
        patient_id,
        issuer,
        scope,
        apart,
        &saying.name,
        &saying.birth_date,
        &saying.sex,
        &saying.identifiers,
    ];
    let keys = [key.as_bytes().to_vec(), saying.patient.named().as_bytes().to_vec()];
    bare(session, Raw { row, keys, facility: *facility, texts: texts.map(str::to_owned) }, rules)
}

/// A saying as its row has it.
fn bare(session: &Session<'_>, raw: Raw, rules: &IdentityRules) -> Result<PersonRecord, DbError> {
    let [key, number] = raw.keys.map(|bytes| GroupKey::from_bytes(&bytes));
    let (key, number) = key.zip(number).ok_or(DbError::Invalid("person key"))?;
    let [patient_id, issuer, scope, apart, name, birth_date, sex, identifiers] = raw.texts;
    let facility = facility_of(session, &issuer, raw.facility)?;
    let rule = rule_of(session, rules, facility)?;
    let told = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let mut record = PersonRecord {
        key,
        number,
        facility: FacilityId(facility),
        person: Person {
            issuer: if facility > 0 { Some(format!("{FACILITY}{facility}")) } else { told(&issuer) },
            // A number that counts orders is a patient's within its order.
            hospital_number: if scope.is_empty() {
                told(&patient_id)
            } else {
                Some(format!("{patient_id}\0{scope}"))
            },
            patient_id_is: PatientIdIs::Patient,
            temporary: rule.is_some_and(|rule| rule.is_temporary(&patient_id)),
            name: told(&name),
            birth: Birth::read(&birth_date),
            sex: sex_of(&sex),
            identifiers: read(&Kept::of_text(&identifiers)?, &patient_id, rule, rules),
        },
        has_study: false,
        ordered_by_count: false,
        row: raw.row,
        numbers: vec![number],
        patient_id,
        issuer,
        birth_date,
        scope,
        apart,
    };
    add_numbers(session, &mut record)?;
    Ok(record)
}

fn sex_of(text: &str) -> Option<Sex> {
    match text.trim() {
        "M" => Some(Sex::Male),
        "F" => Some(Sex::Female),
        "O" => Some(Sex::Other),
        _ => None,
    }
}

/// The other names of a number: a facility is the issuer of its numbers under each of its codes, or unnamed.
fn add_numbers(session: &Session<'_>, record: &mut PersonRecord) -> Result<(), DbError> {
    let facility = record.facility.0;
    if facility == 0 || record.patient_id.is_empty() || !record.scope.is_empty() {
        return Ok(());
    }
    let id = &record.patient_id;
    let unnamed = GroupKey::of(id, "", facility, "");
    let codes = codes_of(session, facility)?;
    let named = codes.iter().map(|code| GroupKey::of(id, code, 0, ""));
    for key in std::iter::once(unnamed).chain(named) {
        if !record.numbers.contains(&key) {
            record.numbers.push(key);
        }
    }
    Ok(())
}

/// Adds what people stated of the saying or its number.
pub(super) fn add_stated(session: &Session<'_>, record: &mut PersonRecord) -> Result<(), DbError> {
    for key in std::iter::once(record.key).chain(record.numbers.clone()) {
        for body in session.rows(STATED, [&key.as_bytes()[..]], |row| row.get::<_, String>(0))? {
            let stated: OrderedIdentifier =
                serde_json::from_str(&body).map_err(|_| DbError::Invalid("identifiers"))?;
            record.person.identifiers.push(of_ordered(&stated, IdentifierEvidence::Person));
        }
    }
    Ok(())
}

fn of_ordered(ordered: &OrderedIdentifier, evidence: IdentifierEvidence) -> Identifier {
    let value = plain(&ordered.value);
    Identifier { kind: ordered.kind, value, evidence, whose: ordered.whose }
}

/// Identifiers with their evidence.
fn read(
    kept: &Kept,
    patient_id: &str,
    rule: Option<&FacilityRule>,
    rules: &IdentityRules,
) -> Vec<Identifier> {
    let says = |place| rule.is_some_and(|rule| rule.personal_number_in.contains(&place));
    let carried = kept.header.iter().filter_map(|carried| {
        let mut identifier = carried.read(&rules.policy)?;
        let bare = carried.issuer.is_empty() && identifier.kind == IdentifierKind::PersonalNumber;
        if bare && identifier.evidence == IdentifierEvidence::LooksLike && says(NumberIn::OtherPatientIds) {
            identifier.evidence = IdentifierEvidence::FacilityRule;
        }
        Some(identifier)
    });
    let ordered = kept.order.iter().map(|ordered| of_ordered(ordered, IdentifierEvidence::Order));
    let own = (says(NumberIn::PatientId) && is_personal_number(patient_id)).then(|| Identifier {
        kind: IdentifierKind::PersonalNumber,
        value: patient_id.to_owned(),
        evidence: IdentifierEvidence::FacilityRule,
        whose: Default::default(),
    });
    carried.chain(ordered).chain(own).collect()
}

/// What an order says of its person.
pub(in crate::db) fn of_order(
    session: &Session<'_>,
    order: &str,
    rules: &IdentityRules,
) -> Result<Option<PersonRecord>, DbError> {
    let found = session.row(OF_ORDER, params![Kind::Order.number(), order], raw)?;
    found.map(|found| whole(session, found, rules)).transpose()
}

/// Whether the PatientIDs of a facility's orders count orders.
pub(in crate::db) fn counts_orders(
    session: &Session<'_>,
    facility: u32,
    rules: &IdentityRules,
) -> Result<bool, DbError> {
    Ok(rule_of(session, rules, facility)?.is_some_and(|rule| rule.counts_orders))
}

/// A person who is in no row: of an order that only comes with a question.
pub(in crate::db) fn stranger(
    session: &Session<'_>,
    person: &Person,
    rules: &IdentityRules,
) -> Result<PersonRecord, DbError> {
    let issuer = person.issuer.clone().unwrap_or_default();
    let stands_for = issuer.strip_prefix(FACILITY).and_then(|number| number.parse::<u32>().ok());
    let (issuer, facility) = match stands_for {
        Some(facility) => (String::new(), facility),
        None => (issuer.trim().to_owned(), 0),
    };
    let is_number = person.patient_id_is == PatientIdIs::Patient;
    let patient_id = person.hospital_number.clone().unwrap_or_default().trim().to_owned();
    // A number that counts orders names nobody; it stands for this question alone.
    let counted = !is_number && person.hospital_number.is_some();
    let scope = if counted { format!("{COUNTED}\0asked") } else { String::new() };
    let number = GroupKey::of(&patient_id, &issuer, facility, &scope);
    let facility = facility_of(session, &issuer, facility)?;
    let rule = rule_of(session, rules, facility)?;
    let mut whole =
        Person { temporary: rule.is_some_and(|rule| rule.is_temporary(&patient_id)), ..person.clone() };
    whole.temporary |= person.temporary;
    whole.hospital_number = Some(patient_id.clone()).filter(|number| is_number && !number.is_empty());
    if facility > 0 {
        whole.issuer = Some(format!("{FACILITY}{facility}"));
    }
    let mut record = PersonRecord {
        key: number.said(&["\0asked"]),
        number,
        facility: FacilityId(facility),
        person: whole,
        has_study: false,
        ordered_by_count: counted,
        row: -1,
        numbers: if patient_id.is_empty() || counted { Vec::new() } else { vec![number] },
        patient_id,
        issuer,
        birth_date: String::new(),
        scope,
        apart: String::new(),
    };
    add_numbers(session, &mut record)?;
    add_stated(session, &mut record)?;
    Ok(record)
}

/// A saying by its key.
pub(super) fn by_key(
    session: &Session<'_>,
    key: &GroupKey,
    rules: &IdentityRules,
) -> Result<Option<PersonRecord>, DbError> {
    let found = session.row(BY_KEY, [&key.as_bytes()[..]], raw)?;
    found.map(|found| whole(session, found, rules)).transpose()
}

pub(super) fn by_id(
    session: &Session<'_>,
    id: i64,
    rules: &IdentityRules,
) -> Result<Option<PersonRecord>, DbError> {
    session.row(BY_ID, params![id], raw)?.map(|found| whole(session, found, rules)).transpose()
}

/// Whether a key names a saying or a number, also one that pictures were only brought for.
pub(in crate::db) fn is_known(session: &Session<'_>, key: &GroupKey) -> Result<bool, DbError> {
    Ok(session.row(IS_KNOWN, [&key.as_bytes()[..]], |_| Ok(()))?.is_some())
}
