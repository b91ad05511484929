//! Machines that people allow to send: which callers would be taken now, and `/api/v1/peers` to allow and forget.
//!
//! Who may send is decided by the listener. This module writes the list that the listener follows.

use axum::Json;
use axum::extract::{Form, FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use storage_config::AeTitle;
use storage_config::config::{PatientIdIs, PeerAddress};
use storage_config::operator::{AllowError, AllowedPeer, AllowedPeers};

use crate::Portal;
use crate::api::ask;
use crate::calendar::now_ms;
use crate::problem::{Asked, Problem};

/// Most characters of what people call a machine.
const NAME_CHARS: usize = 64;
/// Where a form leads to.
const BACK: &str = "/state#machines";

/// What a form or a program says of a machine.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    ae_title: String,
    address: String,
    #[serde(default)]
    facility: String,
    #[serde(default)]
    patient_id_is: String,
    #[serde(default)]
    name: String,
}

/// Which machine is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    ae_title: String,
    address: String,
}

impl Named {
    fn parse(&self) -> Result<(AeTitle, PeerAddress), Problem> {
        let ae_title =
            AeTitle::parse(&self.ae_title).map_err(|e| Problem::Invalid("ae_title", e.to_string()))?;
        let address = PeerAddress::try_from(self.address.trim().to_owned())
            .map_err(|why| Problem::Invalid("address", why))?;
        Ok((ae_title, address))
    }
}

impl Wanted {
    fn parse(self, now_ms: i64) -> Result<AllowedPeer, Problem> {
        let named = Named { ae_title: self.ae_title, address: self.address };
        let (ae_title, address) = named.parse()?;
        let least = if address.ip.is_ipv4() { 8 } else { 32 };
        if address.bits < least {
            return Err(Problem::Invalid(
                "address",
                format!("a network of less than {least} bits is no machine"),
            ));
        }
        let patient_id_is = match self.patient_id_is.as_str() {
            "" | "patient" => PatientIdIs::Patient,
            "order" => PatientIdIs::Order,
            _ => return Err(Problem::Invalid("patient_id_is", "neither patient nor order".to_owned())),
        };
        let name = self.name.trim().to_owned();
        if name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
            let why = format!("more than {NAME_CHARS} characters, or one that cannot be shown");
            return Err(Problem::Invalid("name", why));
        }
        let facility = Some(self.facility.trim().to_owned()).filter(|code| !code.is_empty());
        Ok(AllowedPeer { ae_title, address, facility, patient_id_is, name, allowed_ms: now_ms })
    }
}

fn list(portal: &Portal) -> Result<std::sync::Arc<AllowedPeers>, Problem> {
    portal.site.allowed.clone().ok_or(Problem::NotFound("list of machines"))
}

/// Whether a request was made by a form, whose reader wants a page and not JSON.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.starts_with("application/x-www-form-urlencoded")
}

/// The body of a request, whether a form or JSON.
pub(crate) async fn body<T: serde::de::DeserializeOwned>(request: Request) -> Result<(T, bool), Problem> {
    let form = is_form(request.headers());
    let wrong = |why: String| Problem::Invalid("body", why);
    let body = if form {
        Form::<T>::from_request(request, &()).await.map(|Form(body)| body).map_err(|e| wrong(e.body_text()))
    } else {
        Json::<T>::from_request(request, &()).await.map(|Json(body)| body).map_err(|e| wrong(e.body_text()))
    };
    Ok((body?, form))
}

/// The answer to a form.
pub(crate) fn back(to: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// POST `/api/v1/peers`: allows a machine, in force when this is answered.
pub(crate) async fn allow(State(portal): State<Portal>, request: Request) -> Result<Response, Problem> {
    let allowed = list(&portal)?;
    let (wanted, form) = body::<Wanted>(request).await?;
    let peer = wanted.parse(now_ms())?;
    if let Some(code) = peer.facility.clone() {
        let codes = ask(&portal.archive, |archive| archive.db().facility_codes()).await?;
        if !codes.iter().any(|known| known.code == code) {
            return Err(Problem::Invalid("facility", "no such facility".to_owned()));
        }
    }
    let told = shown(&peer);
    tracing::info!(ae = %peer.ae_title, address = %String::from(peer.address.clone()), "a machine is allowed");
    match tokio::task::spawn_blocking(move || allowed.allow(peer)).await.map_err(Problem::failed)? {
        Ok(()) if form => Ok(back(BACK)),
        Ok(()) => Ok((StatusCode::CREATED, Json(told)).into_response()),
        Err(error @ AllowError::Full) => Err(Problem::Conflict(None, error.to_string())),
        Err(error) => Err(Problem::failed(error)),
    }
}

async fn forget_named(portal: &Portal, named: &Named) -> Result<(), Problem> {
    let allowed = list(portal)?;
    let (ae_title, address) = named.parse()?;
    tracing::info!(ae = %ae_title, address = %String::from(address.clone()), "a machine is forgotten");
    let forgotten = tokio::task::spawn_blocking(move || allowed.forget(&ae_title, &address)).await;
    match forgotten.map_err(Problem::failed)?.map_err(Problem::failed)? {
        true => Ok(()),
        false => Err(Problem::NotFound("machine among those that were allowed here")),
    }
}

/// DELETE `/api/v1/peers`: forgets a machine that was allowed here.
pub(crate) async fn forget(
    State(portal): State<Portal>,
    Asked(named): Asked<Named>,
) -> Result<Response, Problem> {
    forget_named(&portal, &named).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// POST `/api/v1/peers/forget`: the same for forms, which cannot delete.
pub(crate) async fn forget_posted(
    State(portal): State<Portal>,
    request: Request,
) -> Result<Response, Problem> {
    let (named, form) = body::<Named>(request).await?;
    forget_named(&portal, &named).await?;
    Ok(if form { back(BACK) } else { StatusCode::NO_CONTENT.into_response() })
}

/// GET `/api/v1/peers/allowed`: the machines that were allowed here.
pub(crate) async fn allowed(State(portal): State<Portal>) -> Result<Json<Value>, Problem> {
    Ok(Json(list(&portal)?.all().iter().map(shown).collect()))
}

fn shown(peer: &AllowedPeer) -> Value {
    json!({
        "ae_title": peer.ae_title, "address": String::from(peer.address.clone()), "facility": peer.facility,
        "patient_id_is": peer.patient_id_is, "name": peer.name, "allowed_ms": peer.allowed_ms,
    })
}

/// Who would be taken now, by what the pages know.
pub(crate) struct Doors {
    ours: Vec<AeTitle>,
    machines: Vec<(AeTitle, PeerAddress)>,
    /// Those that were allowed here.
    pub(crate) allowed: Vec<AllowedPeer>,
}

impl Doors {
    pub(crate) fn of(portal: &Portal) -> Doors {
        let site = &portal.site;
        let own = AeTitle::parse(&portal.addresses.ae_title).ok();
        let machines = site.machines.iter().filter_map(|machine| {
            let address = PeerAddress::try_from(machine.address.clone()).ok()?;
            Some((AeTitle::parse(&machine.ae_title).ok()?, address))
        });
        Doors {
            ours: own.into_iter().chain(site.further_titles.iter().cloned()).collect(),
            machines: machines.collect(),
            allowed: site.allowed.as_ref().map(|allowed| allowed.all()).unwrap_or_default(),
        }
    }

    /// Whether a title is one of ours.
    pub(crate) fn is_ours(&self, called: &str) -> bool {
        AeTitle::parse(called).is_ok_and(|called| self.ours.contains(&called))
    }

    /// Whether a caller is known.
    pub(crate) fn is_known(&self, ae_title: &str, address: &str) -> bool {
        self.allowed_here(ae_title, address).is_some() || self.is_configured(ae_title, address)
    }

    /// Whether the configuration knows a caller.
    pub(crate) fn is_configured(&self, ae_title: &str, address: &str) -> bool {
        let Ok(title) = AeTitle::parse(ae_title) else { return false };
        let ip = address.parse().ok();
        self.machines.iter().any(|(known, at)| {
            *known == title && (ip.is_some_and(|ip| at.contains(ip)) || String::from(at.clone()) == address)
        })
    }

    /// The entry that was made here for a caller.
    pub(crate) fn allowed_here(&self, ae_title: &str, address: &str) -> Option<&AllowedPeer> {
        let title = AeTitle::parse(ae_title).ok()?;
        let ip = address.parse().ok();
        self.allowed.iter().find(|peer| {
            let at = &peer.address;
            peer.ae_title == title
                && (ip.is_some_and(|ip| at.contains(ip)) || String::from(at.clone()) == address)
        })
    }
}
