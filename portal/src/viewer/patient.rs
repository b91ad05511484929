//! Whose studies a page of the viewer may show.
//!
//! The viewer looks for priors by PatientID, which at many sites two people share. So a page that opens a study is
//! limited to the study's patient: where its address does not say so (`scope`), it is sent to the one that does.

use axum::http::Uri;
use indexer::archive::Archive;
use indexer::db::DbError;
use indexer::query::{GroupKey, Level, Match, Query};
use storage_config::Uid;

/// Studies that one address may open.
const STUDIES_MAX: usize = 8;

/// The studies of an address that names studies and no patient; none for any other address.
pub(super) fn unlimited(parameters: &[(String, String)]) -> Option<Vec<Uid>> {
    let named = |name: &'static str| parameters.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name));
    if named("scope").next().is_some() {
        return None;
    }
    let texts = named("StudyInstanceUIDs").flat_map(|(_, value)| value.split(','));
    let studies: Vec<Uid> = texts.map(|text| Uid::parse(text).ok()).collect::<Option<_>>()?;
    (1..=STUDIES_MAX).contains(&studies.len()).then_some(studies)
}

/// The patient whose `studies` all are; none when one is unknown or they are of several.
///
/// # Errors
/// When the index fails.
pub(super) fn of(archive: &Archive, studies: &[Uid]) -> Result<Option<GroupKey>, DbError> {
    let mut patient = None;
    for study in studies {
        let mut query = Query::new(Level::Study);
        query.keys.push(Match::StudyUid(vec![study.clone()]));
        query.limit = 1;
        let key = archive.db().query(&query)?.rows.first().and_then(|row| row.patient);
        if key.is_none() || patient.is_some_and(|known| Some(known) != key) {
            return Ok(None);
        }
        patient = key;
    }
    Ok(patient)
}

/// `address` limited to `patient`.
pub(super) fn limited(address: &Uri, patient: GroupKey) -> String {
    let query = address.query().map_or(String::new(), |query| format!("{query}&"));
    format!("{}?{query}scope={patient}", address.path())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    fn unlimited_in(parameters: &[(&str, &str)]) -> Option<Vec<String>> {
        let owned: Vec<_> = parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        unlimited(&owned).map(|uids| uids.iter().map(|uid| uid.as_str().to_owned()).collect())
    }

    #[test]
    fn an_address_with_studies_and_without_a_patient_is_unlimited() {
        assert_eq!(unlimited_in(&[("StudyInstanceUIDs", "1.2")]), Some(vec!["1.2".into()]));
        assert_eq!(unlimited_in(&[("studyinstanceuids", "1.2,1.3")]), Some(vec!["1.2".into(), "1.3".into()]));
        let twice = [("StudyInstanceUIDs", "1.2"), ("lng", "vi"), ("StudyInstanceUIDs", "1.3")];
        assert_eq!(unlimited_in(&twice), Some(vec!["1.2".into(), "1.3".into()]));
        assert_eq!(unlimited_in(&[("StudyInstanceUIDs", "1.2"), ("Scope", "anything")]), None);
        assert_eq!(unlimited_in(&[("StudyInstanceUIDs", "")]), None);
        assert_eq!(unlimited_in(&[("StudyInstanceUIDs", "1.2,<b>")]), None);
        assert_eq!(unlimited_in(&[("StudyInstanceUIDs", &["1.2"; STUDIES_MAX + 1].join(","))]), None);
        assert_eq!(unlimited_in(&[("lng", "vi")]), None);
    }

    #[test]
    fn the_limited_address_keeps_all_that_was_asked() {
        let key: GroupKey = "00112233445566778899aabbccddeeff".parse().unwrap();
        let address = Uri::from_static("/ohif/viewer?StudyInstanceUIDs=1.2&hangingprotocolId=mpr");
        let expected =
            "/ohif/viewer?StudyInstanceUIDs=1.2&hangingprotocolId=mpr&scope=00112233445566778899aabbccddeeff";
        assert_eq!(limited(&address, key), expected);
    }
}
