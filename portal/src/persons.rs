//! Two sayings of a person side by side, what clashes marked: on the pages where somebody decides whether they are one.

use std::collections::HashMap;

use indexer::db::{Db, DbError, FacilityId, PersonRecord};
use indexer::identity::{Clash, IdentifierKind, Sex};

use crate::calendar::Day;
use crate::html::{Escaped, Html};
use crate::language::Language;
use crate::shown::masked;

crate::words::words! {
    name: "Họ tên", "Name";
    birth: "Ngày sinh", "Born";
    sex: "Giới", "Sex";
    number: "Mã NB", "Patient ID";
    personal: "Số định danh", "Personal no.";
    card: "Thẻ BHYT", "Insurance card";
    facility: "Cơ sở", "Facility";
    differs: "khác nhau", "differs";
}

/// Codes of facilities by their numbers; of several codes the latest.
pub(crate) type Codes = HashMap<FacilityId, String>;

/// The codes of all facilities.
pub(crate) fn codes(db: &Db) -> Result<Codes, DbError> {
    Ok(db.facility_codes()?.into_iter().map(|code| (code.facility, code.code)).collect())
}

/// Writes a table of two sayings; an absent one leaves its column empty but for `alone`, its number.
pub(crate) fn side_by_side(
    out: &mut Html,
    language: Language,
    codes: &Codes,
    heads: [&str; 2],
    (persons, clashes): ([Option<&PersonRecord>; 2], &[Clash]),
) {
    let words = words(language);
    let clash = |clash: Clash| clashes.contains(&clash);
    let of = |tell: &dyn Fn(&PersonRecord) -> String| -> [String; 2] {
        persons.map(|person| person.map(tell).unwrap_or_default())
    };
    let identifiers = |kind: IdentifierKind| {
        move |one: &PersonRecord| {
            let those = one.person.identifiers.iter().filter(|identifier| identifier.kind == kind);
            those.map(|identifier| masked(&identifier.value)).collect::<Vec<_>>().join(", ")
        }
    };
    let lines: [(&str, [String; 2], bool); 7] = [
        (words.name, of(&named), clash(Clash::Name)),
        (words.birth, of(&|one| born(language, &one.birth_date)), clash(Clash::BirthDate)),
        (words.sex, of(&|one| sex(language, one.person.sex)), clash(Clash::Sex)),
        (words.number, of(&|one| masked(&one.patient_id)), false),
        (words.personal, of(&identifiers(IdentifierKind::PersonalNumber)), clash(Clash::PersonalNumber)),
        (words.card, of(&identifiers(IdentifierKind::InsuranceCard)), false),
        (words.facility, of(&|one| facility(codes, one)), false),
    ];
    out.put(format_args!(
        "<table class=\"persons\"><thead><tr><td></td><th scope=\"col\">{}</th><th scope=\"col\">{}</th></tr></thead><tbody>",
        heads[0], heads[1]
    ));
    for (name, [one, other], clashes) in lines {
        if one.is_empty() && other.is_empty() {
            continue;
        }
        let mark =
            if clashes { format!(" <b class=\"lacks\">≠ {}</b>", words.differs) } else { String::new() };
        let shown = |text: &str| if text.is_empty() { "–".to_owned() } else { Escaped(text).to_string() };
        out.put(format_args!(
            "<tr><th scope=\"row\">{name}{mark}</th><td>{}</td><td>{}</td></tr>",
            shown(&one),
            shown(&other)
        ));
    }
    out.put(format_args!("</tbody></table>"));
}

/// The name in reading order.
pub(crate) fn named(one: &PersonRecord) -> String {
    let name = one.person.name.as_deref().unwrap_or_default();
    let alphabetic = name.split('=').next().unwrap_or_default();
    alphabetic.split(['^', ' ']).filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Name, birth date and number on one line.
pub(crate) fn line(language: Language, codes: &Codes, one: &PersonRecord) -> String {
    let parts = [
        named(one),
        born(language, &one.birth_date),
        sex(language, one.person.sex),
        masked(&one.patient_id),
        facility(codes, one),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn words(language: Language) -> &'static Words {
    match language {
        Language::Vietnamese => &VI,
        Language::English => &EN,
    }
}

fn facility(codes: &Codes, one: &PersonRecord) -> String {
    if one.issuer.is_empty() {
        codes.get(&one.facility).cloned().unwrap_or_default()
    } else {
        one.issuer.clone()
    }
}

fn born(language: Language, date: &str) -> String {
    Day::of_text(&date.replace('-', "")).map_or(date.to_owned(), |day| day.shown(language))
}

fn sex(language: Language, sex: Option<Sex>) -> String {
    let words = language.words();
    match sex {
        Some(Sex::Male) => words.male.to_owned(),
        Some(Sex::Female) => words.female.to_owned(),
        Some(Sex::Other) => words.other_sex.to_owned(),
        None => String::new(),
    }
}
