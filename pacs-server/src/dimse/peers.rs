//! Who may associate: by calling AE title, source address and called AE title. Pure.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use indexer::db::FacilityId;
use storage_config::AeTitle;
use storage_config::config::{Accept, PatientIdIs};

use super::{DimseConfig, KnownPeer};

/// Why an association is rejected for good. An AE title is a label, not a credential: the address counts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The calling AE title is none (empty, or with characters no title may have).
    NoTitle,
    /// The calling AE title is not configured.
    UnknownPeer,
    /// The calling AE title is configured, but not at this address.
    OtherAddress,
    /// The called AE title is none of ours.
    OtherCalled,
}

impl Refusal {
    /// A word for metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Refusal::NoTitle => "no_title",
            Refusal::UnknownPeer => "unknown_peer",
            Refusal::OtherAddress => "other_address",
            Refusal::OtherCalled => "other_called",
        }
    }
}

/// A peer that may associate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// Its calling AE title.
    pub ae_title: AeTitle,
    /// Where it calls from, an IPv4 address never written as IPv6.
    pub address: IpAddr,
    /// Facility of what it sends.
    pub facility: FacilityId,
    /// What its PatientID identifies.
    pub patient_id_is: PatientIdIs,
}

impl Caller {
    /// What it sends comes from here, as records say it.
    pub fn source(&self) -> String {
        format!("dimse:{}@{}", self.ae_title, self.address)
    }
}

/// The application entities that are known, which may change while the listener runs. Clones are the same list.
#[derive(Debug, Clone, Default)]
pub struct KnownPeers(Arc<RwLock<HashMap<AeTitle, Vec<KnownPeer>>>>);

impl KnownPeers {
    /// Puts `peers` in the place of those known so far, for associations that are asked for from now on. Of several
    /// that fit a caller the first one counts.
    pub fn replace(&self, peers: impl IntoIterator<Item = KnownPeer>) {
        let mut known: HashMap<AeTitle, Vec<KnownPeer>> = HashMap::new();
        for peer in peers {
            known.entry(peer.ae_title.clone()).or_default().push(peer);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

/// Who may associate.
#[derive(Debug)]
pub(super) struct Peers {
    accept: Accept,
    ours: Vec<AeTitle>,
    known: KnownPeers,
    default_facility: FacilityId,
}

impl Peers {
    /// The rules of `config`.
    pub fn new(config: &DimseConfig) -> Peers {
        let known = KnownPeers::default();
        known.replace(config.peers.iter().cloned());
        let (accept, ours) = (config.accept, config.ae_titles.clone());
        Peers { accept, ours, known, default_facility: config.default_facility }
    }

    /// The list of known peers, to be changed.
    pub fn known(&self) -> &KnownPeers {
        &self.known
    }

    /// Decides about an association by its titles, as they stand in the request, and its source address.
    ///
    /// With [`Accept::Anyone`] a peer of the configuration keeps its facility from any address.
    ///
    /// # Errors
    /// Why the association has to be rejected.
    pub fn admit(&self, calling: &str, called: &str, address: IpAddr) -> Result<Caller, Refusal> {
        let address = address.to_canonical();
        let ae_title = AeTitle::parse(calling).map_err(|_| Refusal::NoTitle)?;
        let known = self.known.0.read().unwrap_or_else(PoisonError::into_inner);
        let entries = known.get(&ae_title).map_or(&[][..], Vec::as_slice);
        let here = entries.iter().find(|peer| peer.address.contains(address));
        let peer = match self.accept {
            Accept::Anyone => here.or(entries.first()),
            Accept::Known if entries.is_empty() => return Err(Refusal::UnknownPeer),
            Accept::Known => Some(here.ok_or(Refusal::OtherAddress)?),
        };
        let ours = || AeTitle::parse(called).is_ok_and(|title| self.ours.contains(&title));
        if self.accept == Accept::Known && !ours() {
            return Err(Refusal::OtherCalled);
        }
        let (facility, patient_id_is) =
            peer.map_or((self.default_facility, PatientIdIs::default()), |p| (p.facility, p.patient_id_is));
        Ok(Caller { ae_title, address, facility, patient_id_is })
    }
}

#[cfg(test)]
mod tests {
    use storage_config::config::{DimseLimits, PeerAddress};

    use super::*;

    fn peers(accept: Accept) -> Peers {
        let peer = |title: &str, address: &str, facility| KnownPeer {
            ae_title: AeTitle::parse(title).unwrap(),
            address: PeerAddress::try_from(address.to_owned()).unwrap(),
            facility: FacilityId(facility),
            patient_id_is: PatientIdIs::Patient,
        };
        Peers::new(&DimseConfig {
            listen: vec![],
            ae_titles: ["PACS", "OLDPACS"].map(|t| AeTitle::parse(t).unwrap()).to_vec(),
            accept,
            peers: vec![
                peer("CT1", "192.0.2.7:104", 1),
                peer("CT1", "2001:db8::/32", 2),
                peer("US", "10.1.0.0/16", 3),
            ],
            default_facility: FacilityId(9),
            limits: DimseLimits::default(),
        })
    }

    #[test]
    fn known_peers_are_known_by_title_and_address() {
        let peers = peers(Accept::Known);
        let admit = |calling, called, ip: &str| {
            peers.admit(calling, called, ip.parse().unwrap()).map(|c| c.facility.0)
        };
        assert_eq!(admit("CT1", "PACS", "192.0.2.7"), Ok(1));
        assert_eq!(admit("CT1", "OLDPACS", "::ffff:192.0.2.7"), Ok(1));
        assert_eq!(admit("CT1", "PACS", "2001:db8::5"), Ok(2));
        assert_eq!(admit("US", "PACS", "10.1.200.3"), Ok(3));
        assert_eq!(admit("US", "PACS", "10.2.0.1"), Err(Refusal::OtherAddress));
        assert_eq!(admit("MR", "PACS", "192.0.2.7"), Err(Refusal::UnknownPeer));
        assert_eq!(admit("CT1", "pacs", "192.0.2.7"), Err(Refusal::OtherCalled));
        assert_eq!(admit("", "PACS", "192.0.2.7"), Err(Refusal::NoTitle));
        assert_eq!(admit("A\\B", "PACS", "192.0.2.7"), Err(Refusal::NoTitle));
    }

    #[test]
    fn the_known_peers_may_change() {
        let peers = peers(Accept::Known);
        let admit = |calling: &str| peers.admit(calling, "PACS", "192.0.2.9".parse().unwrap());
        assert_eq!(admit("MR"), Err(Refusal::UnknownPeer));
        let of = |facility| KnownPeer {
            ae_title: AeTitle::parse("MR").unwrap(),
            address: PeerAddress::try_from("192.0.2.0/24".to_owned()).unwrap(),
            facility: FacilityId(facility),
            patient_id_is: PatientIdIs::Order,
        };
        let list = peers.known().clone();
        list.replace([of(4), of(5)]);
        assert_eq!(admit("MR").unwrap().facility, FacilityId(4), "the first one counts");
        list.replace([]);
        assert_eq!(admit("MR"), Err(Refusal::UnknownPeer));
    }

    #[test]
    fn anyone_means_any_title_from_anywhere() {
        let peers = peers(Accept::Anyone);
        let admit = |calling, called, ip: &str| {
            peers.admit(calling, called, ip.parse().unwrap()).map(|c| c.facility.0)
        };
        assert_eq!(admit("MR", "WHOEVER", "127.0.0.1"), Ok(9));
        assert_eq!(admit("CT1", "", "127.0.0.1"), Ok(1));
        assert_eq!(admit("\u{fffd}", "PACS", "127.0.0.1"), Err(Refusal::NoTitle));
    }
}
