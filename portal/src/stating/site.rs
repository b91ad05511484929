//! For which facility something is said: the one that a request names by its code, or the one that its token acts for.

use std::collections::HashMap;

use axum::http::request::Parts;
use indexer::archive::Archive;
use indexer::db::{Db, DbError, FacilityId};
use indexer::principal::Principal;

use crate::problem::Problem;

/// Codes of facilities by their numbers.
pub(crate) type Codes = HashMap<FacilityId, String>;

/// The latest code of each facility.
pub(crate) fn codes(db: &Db) -> Result<Codes, DbError> {
    Ok(db.facility_codes()?.into_iter().map(|code| (code.facility, code.code)).collect())
}

/// The code of a facility by its number, where it has one.
pub(crate) fn code(codes: &Codes, number: Option<u32>) -> Option<&String> {
    codes.get(&FacilityId(number?))
}

/// The facility that the token of a request acts for.
pub(crate) fn of_token(parts: &Parts) -> Option<FacilityId> {
    let principal = parts.extensions.get::<Principal>()?;
    Some(principal.facility()).filter(|facility| *facility != FacilityId(0))
}

/// Whether something of a facility is a token's business: of its own facility, or of none that is told.
pub(crate) fn concerns(token: Option<FacilityId>, facility: Option<u32>) -> bool {
    token.is_none_or(|own| facility.is_none_or(|facility| own.0 == facility))
}

/// The number of the facility that a request is about. A token speaks for its own facility alone.
pub(super) fn resolve(
    archive: &Archive,
    field: &'static str,
    code: Option<&str>,
    token: Option<FacilityId>,
) -> Result<Option<u32>, Problem> {
    let Some(code) = code.map(str::trim).filter(|code| !code.is_empty()) else {
        return Ok(token.map(|facility| facility.0));
    };
    let named = archive.known_facility(field, code)?;
    match token {
        Some(own) if own != named => {
            Err(Problem::Invalid(field, "is not the facility that the token acts for".into()))
        }
        _ => Ok(Some(named.0)),
    }
}
