//! Unique identifiers in paths: checked once, here.

use axum::extract::RawPathParams;
use axum::extract::rejection::RawPathParamsRejection;
use storage_config::Uid;

use crate::error::{Error, shortened};

/// The study, series or instance that a path names (PS3.18 10.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// Study Instance UID.
    pub study: Option<Uid>,
    /// Series Instance UID.
    pub series: Option<Uid>,
    /// SOP Instance UID.
    pub instance: Option<Uid>,
}

impl Named {
    /// Reads the parameters `study`, `series` and `instance` of a route.
    ///
    /// # Errors
    /// When one is no unique identifier exactly as it stands.
    pub fn read(parameters: Result<RawPathParams, RawPathParamsRejection>) -> Result<Named, Error> {
        let parameters =
            parameters.map_err(|_| Error::invalid("path", "the path is not percent-encoded UTF-8"))?;
        let mut named = Named::default();
        for (name, text) in &parameters {
            let (field, place) = match name {
                "study" => ("StudyInstanceUID", &mut named.study),
                "series" => ("SeriesInstanceUID", &mut named.series),
                "instance" => ("SOPInstanceUID", &mut named.instance),
                _ => continue,
            };
            let uid = Uid::parse(text).map_err(|error| Error::invalid(field, error.to_string()))?;
            if uid.as_str() != text {
                return Err(Error::invalid(field, format!("{:?} has padding", shortened(text))));
            }
            *place = Some(uid);
        }
        Ok(named)
    }
}
