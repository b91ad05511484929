//! DIMSE: the listener that modalities push to (PS3.7, PS3.8, PS3.4 annexes A, B and F.7).
//!
//! A connection costs next to nothing until it has asked for an association: accepting and negotiating run on the
//! asynchronous runtime with small buffers ([`listener`]). An accepted association gets a thread of its own and
//! the socket in blocking mode ([`service`]), because storing is disk work. What bytes and time mean is decided
//! without any I/O in [`association`]; bytes go from the read buffer straight to the archive ([`store`], [`performed`]).
//!
//! This module knows PDUs, command sets and statuses. It does not know what is in a data set, where it is kept or
//! how it is found again. Nothing of a data set is ever logged.

mod answer;
mod association;
mod command;
mod error;
mod listener;
mod negotiation;
mod pdu;
mod peers;
mod pending;
mod performed;
mod registry;
mod request;
mod service;
mod socket;
mod sop_classes;
mod status;
mod store;

#[cfg(test)]
mod mutations;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use indexer::db::FacilityId;
use storage_config::AeTitle;
use storage_config::config::{Accept, DimseLimits, PatientIdIs, PeerAddress};

/// Implementation Class UID of this program (PS3.7 D.3.3.2): the one that stands in the files it writes.
pub use indexer::dataset::part10::IMPLEMENTATION_CLASS_UID;
pub use listener::{DimseError, DimseServer, Drained};
pub use peers::{KnownPeers, Refusal};
pub use status::Status;

/// Implementation Version Name of this program (PS3.7 D.3.3.2), at most 16 characters.
pub const IMPLEMENTATION_VERSION_NAME: &str = concat!("PACS_", env!("CARGO_PKG_VERSION"));

/// What the listener needs to know, resolved from the configuration.
#[derive(Debug, Clone)]
pub struct DimseConfig {
    /// Addresses and ports to listen on; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Titles this archive answers to. Unused with [`Accept::Anyone`].
    pub ae_titles: Vec<AeTitle>,
    /// Who may associate.
    pub accept: Accept,
    /// Application entities known at the start; [`DimseServer::known_peers`] changes them.
    pub peers: Vec<KnownPeer>,
    /// Facility of what unknown peers send, with [`Accept::Anyone`].
    pub default_facility: FacilityId,
    /// Bounds in size, number and time.
    pub limits: DimseLimits,
}

/// An application entity that is known.
#[derive(Debug, Clone)]
pub struct KnownPeer {
    /// Its title, the calling AE title of its associations.
    pub ae_title: AeTitle,
    /// Where it calls from.
    pub address: PeerAddress,
    /// Facility of what it sends.
    pub facility: FacilityId,
    /// What its PatientID identifies.
    pub patient_id_is: PatientIdIs,
}

/// Something that a peer did, for whoever keeps the last echo, store and error of each.
///
/// Called on the association's thread or on the runtime: it has to return quickly.
#[derive(Debug, Clone, Copy)]
pub struct PeerEvent<'a> {
    /// Calling AE title. Of a refused peer it is as the peer sent it, escaped where it is no title.
    pub ae_title: &'a str,
    /// Where it called from.
    pub address: IpAddr,
    /// What it did.
    pub action: PeerAction<'a>,
}

/// What a peer did.
#[derive(Debug, Clone, Copy)]
pub enum PeerAction<'a> {
    /// Its C-ECHO was answered.
    Echo,
    /// An instance was stored (or was there already), durable and indexed.
    Store {
        /// Bytes of the data set.
        bytes: u64,
    },
    /// What it says of a performed procedure step was stated, durable and indexed.
    PerformedStep,
    /// An operation was answered with a failure status.
    Failure {
        /// The status that was answered.
        status: Status,
        /// The Error Comment that was answered.
        comment: &'a str,
    },
    /// The association was broken off because the peer broke the protocol or fell silent.
    Broken {
        /// What happened.
        reason: &'a str,
    },
    /// The association was rejected because the peer is not known here.
    Refused {
        /// Called AE title, escaped like [`PeerEvent::ae_title`].
        called: &'a str,
        /// Why.
        reason: Refusal,
    },
}

/// Told of everything peers do.
pub type OnPeer = Arc<dyn Fn(PeerEvent<'_>) + Send + Sync>;

/// Tells the metrics recorder what the series of this module mean.
pub fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("dimse_connections_pending", "Connections that have not yet asked for an association");
    describe_gauge!("dimse_associations_open", "Associations open now");
    describe_counter!("dimse_connections_total", "Connections accepted");
    describe_counter!("dimse_associations_accepted_total", "Associations accepted");
    describe_counter!("dimse_associations_rejected_total", "Associations rejected, by reason");
    describe_counter!(
        "dimse_associations_broken_total",
        "Associations and connections broken off, by reason"
    );
    describe_counter!("dimse_instances_total", "Instances acknowledged with Success");
    describe_counter!(
        "dimse_performed_steps_total",
        "Messages of performed procedure steps acknowledged with Success"
    );
    describe_counter!("dimse_received_bytes_total", Unit::Bytes, "Bytes of data sets received");
    describe_counter!("dimse_errors_total", "Operations answered with a failure, by status");
    describe_histogram!("dimse_operation_seconds", Unit::Seconds, "Command received to response sent");
}
