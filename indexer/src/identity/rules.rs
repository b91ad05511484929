//! The rules of a site: the policy's lists, and what single facilities said about their numbers.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::IdentityPolicy;
use crate::reuse::Policy;

/// Where a facility writes the personal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberIn {
    /// As PatientID (0010,0020).
    PatientId,
    /// Among OtherPatientIDs (0010,1000), without an issuer or a type.
    OtherPatientIds,
}

/// What a facility said about its numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FacilityRule {
    /// Where its twelve digits are a personal number.
    pub personal_number_in: Vec<NumberIn>,
    /// Beginnings of PatientIDs that are given for the time being.
    pub temporary_ids: Vec<String>,
    /// Whether its PatientIDs count orders, those that its orders name too: they join nobody.
    pub counts_orders: bool,
}

impl FacilityRule {
    /// Whether a number was given for the time being.
    #[must_use]
    pub fn is_temporary(&self, patient_id: &str) -> bool {
        let number = patient_id.trim().to_uppercase();
        self.temporary_ids.iter().any(|start| !start.is_empty() && number.starts_with(&start.to_uppercase()))
    }
}

/// The rules of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRules {
    /// Lists and numbers.
    pub policy: IdentityPolicy,
    /// By code of the facility.
    pub facilities: BTreeMap<String, FacilityRule>,
}

#[expect(clippy::expect_used, reason = "the shipped policy is read by tests")]
static SHIPPED: LazyLock<Arc<IdentityRules>> = LazyLock::new(|| {
    let policy = Policy::shipped().expect("the shipped policy");
    let policy = policy.latest().identity.clone();
    Arc::new(IdentityRules { policy, facilities: BTreeMap::new() })
});

impl IdentityRules {
    /// The policy as shipped, and no word of any facility.
    #[must_use]
    pub fn shipped() -> Arc<IdentityRules> {
        LazyLock::force(&SHIPPED).clone()
    }
}
