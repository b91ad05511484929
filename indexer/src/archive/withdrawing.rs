//! Withdrawing instances, giving them back, choosing which version is served: from what a person says to the
//! statement that says it of each instance.

use serde::Serialize;
use storage_config::{ContentHash, Uid};

use super::stating::{Basis, Said, StateError, hash_of, invalid};
use super::{Archive, Shared};
use crate::db::{FacilityId, Stated};
use crate::statement::{
    INSTANCES_MAX, Kind, Reason, Resolution, ServedVersion, State, VERSIONS_MAX, Who, Withdrawal, sop_key,
};

/// What is to be withdrawn: a study, one of its series, or one SOP instance of it with all its versions.
#[derive(Debug, Clone, Serialize)]
pub struct Withdraw {
    /// The client's idempotency key.
    #[serde(skip)]
    pub id: Option<String>,
    /// Study Instance UID.
    pub study: Uid,
    /// Series Instance UID.
    pub series: Option<Uid>,
    /// SOP Instance UID.
    pub sop_instance: Option<Uid>,
    /// Code of the facility whose holding is meant; none: everybody's.
    pub facility: Option<String>,
    /// Why.
    pub reason: Reason,
    /// What the reason is, where it is [`Reason::Other`].
    pub text: String,
    /// Who says so.
    pub who: Who,
    /// Why, in words.
    pub why: String,
}

impl Archive {
    /// Withdraws what is visible of a study, series or instance. Each instance leaves all answers unless another
    /// facility holds it; a later store shows it again, except after a rejection for patient safety.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::NotFound`] when nothing of it is visible.
    pub fn withdraw(&self, request: Withdraw) -> Result<Stated, StateError> {
        let asked = hash_of(&request)?;
        self.once(request.id.clone(), asked, |id| self.withdrawal(id, request))
    }

    /// What `request` says, by what is visible now.
    fn withdrawal(&self, id: &str, request: Withdraw) -> Result<Said, StateError> {
        let shared = &self.shared;
        let facility = match &request.facility {
            Some(code) => Some(facility_of(shared, code)?),
            None => None,
        };
        let of = (&request.study, request.series.as_ref(), request.sop_instance.as_ref());
        let (instances, last_ms) = shared.db.coverable(of, facility, INSTANCES_MAX + 1)?;
        if instances.is_empty() {
            return Err(StateError::NotFound("instance that is shown"));
        }
        let withdrawal = Withdrawal {
            restored: false,
            study: request.study,
            instances,
            facility: facility.map(|facility| facility.0),
            // Nothing that is here may stay because the clock was wrong when it came.
            through_ms: last_ms.max((shared.options.now_ms)()),
            reason: request.reason,
            text: request.text,
        };
        Ok(Said {
            key: id.to_owned(),
            id: Some(id.to_owned()),
            state: State::Withdrawal(withdrawal),
            based_on: Basis::Exactly(None),
            who: request.who,
            why: request.why,
        })
    }

    /// Gives back what a withdrawal hid, by the withdrawal's id.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::NotFound`] when there is no such withdrawal.
    pub fn restore(
        &self,
        withdrawal: &str,
        id: Option<String>,
        who: Who,
        why: String,
    ) -> Result<Stated, StateError> {
        let asked = hash_of(&("restore", withdrawal, &who, &why))?;
        self.once(id, asked, |id| {
            let row = self.shared.db.subject(Kind::Withdrawal, withdrawal)?;
            let (version, current) = row.map_or((None, None), |row| (row.version, row.current));
            let Some(State::Withdrawal(state)) = current.map(|current| current.state) else {
                return Err(StateError::NotFound("withdrawal"));
            };
            if state.restored {
                return Err(StateError::Version { current: version });
            }
            Ok(Said {
                id: Some(id.to_owned()),
                key: withdrawal.to_owned(),
                state: State::Withdrawal(Withdrawal { restored: true, ..state }),
                based_on: Basis::Exactly(version),
                who,
                why,
            })
        })
    }

    /// Chooses which version of a SOP instance is served; all other versions that are visible now count as looked at.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::NotFound`] when there is no such version.
    pub fn serve_version(
        &self,
        (study, series, sop_instance): (&Uid, &Uid, &Uid),
        (digest, resolution): (ContentHash, Resolution),
        (id, based_on): (Option<String>, Basis),
        (who, why): (Who, String),
    ) -> Result<Stated, StateError> {
        let key = sop_key(study, series, sop_instance);
        let asked = hash_of(&(&key, &digest, resolution, based_on, &who, &why))?;
        self.once(id, asked, |id| {
            let versions = self.shared.db.versions(Some(study), sop_instance)?;
            let of_series =
                versions.iter().map(|version| &version.instance).filter(|i| i.series_uid == *series);
            let others: Vec<ContentHash> =
                of_series.filter(|i| !i.withdrawn && i.digest != digest).map(|i| i.digest).collect();
            if others.len() > VERSIONS_MAX {
                return Err(invalid("sop_instance", format!("more than {VERSIONS_MAX} versions")));
            }
            let state = State::ServedVersion(ServedVersion { digest, others, resolution });
            Ok(Said { id: Some(id.to_owned()), key, state, based_on, who, why })
        })
    }
}

fn facility_of(shared: &Shared, code: &str) -> Result<FacilityId, StateError> {
    let codes = shared.db.facility_codes()?;
    let known = codes.iter().rfind(|known| known.code == code).map(|known| known.facility);
    known.ok_or_else(|| invalid("facility", "is no code of a facility"))
}
