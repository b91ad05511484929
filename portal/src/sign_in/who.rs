//! Who asks for a page, as the guard before the pages found out.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use indexer::principal::{Action, Principal};

use super::FromAddress;

/// Who asks, if anybody said so: without a guard nobody may anything that needs a role.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub principal: Option<Principal>,
    pub from: IpAddr,
}

impl Who {
    /// Whether they may do `action`.
    pub(crate) fn may(&self, action: Action) -> bool {
        self.principal.as_ref().is_some_and(|principal| principal.may(action))
    }

    /// The account of a person who signed in, and the person's name.
    pub(crate) fn person(&self) -> Option<(&str, &str)> {
        match &self.principal {
            Some(Principal::Person { account, name, .. }) => Some((account, name)),
            _ => None,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Who, Infallible> {
        let from =
            parts.extensions.get::<FromAddress>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |from| from.0);
        Ok(Who { principal: parts.extensions.get::<Principal>().cloned(), from })
    }
}
