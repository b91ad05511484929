//! From what was stated to what the decision reads: orders, the people they are for, and reports.
//!
//! Pure. A code is understood by its scheme, or by its form where the order names no scheme; a hospital's own code says
//! nothing here until a list of that hospital maps it. Nothing is guessed from names.

use super::day::Moment;
use super::exam::ExamAxes;
use super::order::{Archive, Order, OrderedExam};
use super::prior::{ReportVersion, Stamp};
use crate::codes::catalogue::name::{service_code, technique_code};
use crate::identity::{Birth, Identifier, IdentifierEvidence, PatientIdIs, Person, Sex};
use crate::statement::{self, OrderedFor, OrderedItem, Report};

/// Coding schemes whose values are read by their form: techniques, insurance services.
const TECHNIQUES: &str = "99VNTT23";
const SERVICES: &str = "99VNBHYT";

/// The order as the decision reads it. `facility` is the code of the facility that orders, `group` names the identity
/// group of the patient, `archives` are those that were asked.
#[must_use]
pub fn order(
    id: &str,
    stated: &statement::Order,
    facility: Option<String>,
    group: Option<String>,
    archives: Vec<Archive>,
) -> Order {
    Order {
        id: Some(id.to_owned()),
        exams: stated.exams.iter().map(exam).collect(),
        purpose: stated.purpose,
        urgency: stated.urgency,
        clinical_state_changed: stated.clinical_state_changed,
        ordering_facility: facility,
        requested_at: stated.requested_at,
        patient_group: group,
        archives,
    }
}

fn exam(item: &OrderedItem) -> OrderedExam {
    let of_scheme = |scheme: &str| item.scheme.is_empty() || item.scheme == scheme;
    let code = item.code.trim();
    let service = service_code(code).filter(|_| of_scheme(SERVICES));
    // A service code begins like a technique and is none.
    let technique = technique_code(code).filter(|_| service.is_none() && of_scheme(TECHNIQUES));
    let kept = service.or_else(|| (technique.is_none() && !code.is_empty()).then(|| code.to_owned()));
    // A local code that only looks like a service must not be read as one.
    let local = !item.scheme.is_empty() && !item.scheme.starts_with("99VN");
    let codes = kept.filter(|_| !local).into_iter().collect();
    let axes = ExamAxes {
        side: item.side,
        contrast: item.contrast,
        body_part: Some(item.body_part.trim().to_owned()).filter(|part| !part.is_empty()),
        ..ExamAxes::default()
    };
    OrderedExam { technique, codes, axes }
}

/// The person of an order. `issuer` stands for the source of the PatientID where the order names none: the facility.
/// What an order says of its identifiers is evidence of their kind. `number_is` tells what PatientIDs of that source are.
#[must_use]
pub fn person(stated: &OrderedFor, issuer: Option<String>, number_is: PatientIdIs) -> Person {
    let told = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let identifier = |identifier: &statement::OrderedIdentifier| Identifier {
        kind: identifier.kind,
        value: identifier.value.clone(),
        evidence: IdentifierEvidence::Order,
        whose: identifier.whose,
    };
    Person {
        issuer: told(&stated.issuer).or(issuer),
        hospital_number: told(&stated.patient_id),
        patient_id_is: number_is,
        temporary: false,
        name: told(&stated.name),
        birth: Birth::read(&stated.birth_date),
        sex: match stated.sex.as_str() {
            "M" => Some(Sex::Male),
            "F" => Some(Sex::Female),
            "O" => Some(Sex::Other),
            _ => None,
        },
        identifiers: stated.identifiers.iter().map(identifier).collect(),
    }
}

/// A version of a report. `key` is its subject, `version` the number of the version, `said_ms` when it was said, in
/// milliseconds since 1970-01-01 UTC.
#[must_use]
pub fn report(key: &str, version: u64, stated: &Report, said_ms: i64) -> ReportVersion {
    ReportVersion {
        report: key.to_owned(),
        version: u32::try_from(version).unwrap_or(u32::MAX),
        status: Some(stated.status),
        reader: Some(stated.reader.clone()).filter(|reader| !reader.trim().is_empty()),
        signature: stated.signature,
        stamp: Stamp { at: Some(Moment { ms: said_ms }), rule: None },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;
    use crate::identity::{IdentifierKind, Whose};
    use crate::reuse::prior::{ReportStatus, Signature};
    use crate::reuse::{Contrast, Side};

    fn read(code: &str, scheme: &str) -> (Option<String>, Vec<String>) {
        let item = OrderedItem { code: code.into(), scheme: scheme.into(), ..OrderedItem::default() };
        let OrderedExam { technique, codes, .. } = exam(&item);
        (technique, codes)
    }

    #[test]
    fn codes_are_understood_by_scheme_or_form() {
        let technique = |code: &str| (Some(code.to_owned()), Vec::new());
        let codes = |code: &str| (None, vec![code.to_owned()]);
        assert_eq!(read("18.149", ""), technique("18.149"));
        assert_eq!(read("BS_18.149", "99VNTT23").0, None);
        assert_eq!(read("18.0149", "99VNTT23"), technique("18.149"));
        assert_eq!(read("18.149.40_TB", ""), codes("18.0149.0040"));
        assert_eq!(read("18.0149.0040", "99VNBHYT"), codes("18.0149.0040"));
        assert_eq!(read("1234567", "99VN1227"), codes("1234567"));
        assert_eq!(read("CT-SO-NAO", ""), codes("CT-SO-NAO"));
        for local in ["18.149", "18.0149.0040", "CT01"] {
            assert_eq!(read(local, "99BVX"), (None, Vec::new()), "{local} of a hospital's own list");
        }
    }

    #[test]
    fn what_an_order_says_is_what_the_decision_reads() {
        let item = OrderedItem {
            code: "18.0149.0040".into(),
            side: Some(Side::Left),
            contrast: Some(Contrast::Without),
            body_part: " knee ".into(),
            ..OrderedItem::default()
        };
        let stated = statement::Order {
            exams: vec![item],
            clinical_state_changed: Some(false),
            ..statement::Order::default()
        };
        let read = order("o1", &stated, Some("01001".into()), None, Vec::new());
        let axes = &read.exams[0].axes;
        assert_eq!((axes.side, axes.contrast), (Some(Side::Left), Some(Contrast::Without)));
        assert_eq!((axes.body_part.as_deref(), read.clinical_state_changed), (Some("knee"), Some(false)));
        let number = statement::OrderedIdentifier {
            kind: IdentifierKind::PersonalNumber,
            value: "001080001234".into(),
            whose: Whose::Own,
        };
        let patient = OrderedFor {
            patient_id: " P-1 ".into(),
            birth_date: "1980-04-12".into(),
            sex: "M".into(),
            identifiers: vec![number],
            ..OrderedFor::default()
        };
        let person = person(&patient, Some("facility 1".into()), PatientIdIs::Patient);
        assert_eq!(person.hospital_number.as_deref(), Some("P-1"));
        assert_eq!((person.issuer.as_deref(), person.name.clone()), (Some("facility 1"), None));
        assert_eq!(person.personal_numbers(14).collect::<Vec<_>>(), ["001080001234"]);
        assert!(person.agrees_with("001080001234"), "year and sex");
    }

    #[test]
    fn a_report_without_a_reader_names_none() {
        let stated = Report {
            facility: None,
            number: String::new(),
            study: None,
            accession: "A".into(),
            description: String::new(),
            conclusion: "c".into(),
            status: ReportStatus::Final,
            reader: " ".into(),
            practice_certificate: String::new(),
            signed_at: None,
            signature: Signature::Declared,
        };
        let version = report("k", 3, &stated, 1000);
        assert_eq!((version.reader, version.version), (None, 3));
        assert_eq!(version.stamp.at, Some(Moment { ms: 1000 }));
    }
}
