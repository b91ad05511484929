//! Unique identifiers in paths: checked once, here.

use axum::extract::RawPathParams;
use axum::extract::rejection::RawPathParamsRejection;
use indexer::query::GroupKey;
use storage_config::Uid;

use crate::error::{Error, shortened};

/// What a path names: study, series, instance (PS3.18 10.1), and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// Study Instance UID.
    pub study: Option<Uid>,
    /// Series Instance UID.
    pub series: Option<Uid>,
    /// SOP Instance UID.
    pub instance: Option<Uid>,
    /// The patient to whose identity group the resources below the path are limited.
    pub patient: Option<GroupKey>,
    /// What is asked for of the instance: a list of frames, the number of a bulk value. As it stands in the path.
    pub part: Option<String>,
}

impl Named {
    /// Reads the parameters `study`, `series`, `instance`, `patient` and `part` of a route.
    ///
    /// # Errors
    /// When one is no unique identifier or patient key exactly as it stands.
    pub fn read(parameters: Result<RawPathParams, RawPathParamsRejection>) -> Result<Named, Error> {
        let parameters =
            parameters.map_err(|_| Error::invalid("path", "the path is not percent-encoded UTF-8"))?;
        let mut named = Named::default();
        for (name, text) in &parameters {
            let (field, place) = match name {
                "study" => ("StudyInstanceUID", &mut named.study),
                "series" => ("SeriesInstanceUID", &mut named.series),
                "instance" => ("SOPInstanceUID", &mut named.instance),
                "patient" => {
                    let key: Result<GroupKey, _> = text.parse();
                    named.patient = Some(key.map_err(|error| Error::invalid("patient", error.to_string()))?);
                    continue;
                }
                "part" => {
                    named.part = Some(text.to_owned());
                    continue;
                }
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
