//! The configuration: one TOML file, every key overridable from the environment, every limit with its unit.
//!
//! `Config::default()` is what an empty file means; `config.example.toml` in the repository lists every key with
//! its default and is tested against this module. Unknown keys are errors. This module reads text and checks it;
//! it opens no socket and touches no data folder.

mod keeping;
mod limits;
mod load;
mod node;
mod objects;
mod sign_in;
mod store;

pub use keeping::{Retention, Reuse, Verify};
pub use limits::{DecodeLimits, DimseLimits, HttpLimits, ScanLimits, StoreLimits, UploadLimits};
pub use load::{ConfigError, load};
pub use node::Node;
pub use objects::{Azure, Bucket, Gcs, S3, Secret, Service};
pub use sign_in::{SignIn, SignInRequired};
pub use store::{Ack, Database, Store};

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{AeTitle, ContentHash};

/// All settings of one archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder that holds everything; relative paths below it are relative to it.
    pub data_dir: PathBuf,
    /// DIMSE listener.
    pub dimse: Dimse,
    /// HTTP listener.
    pub http: Http,
    /// How people sign in over HTTP.
    pub sign_in: SignIn,
    /// The index.
    pub database: Database,
    /// The packs.
    pub store: Store,
    /// This server among those that share one index.
    pub node: Node,
    /// Limits on what a data set may be.
    pub scan: ScanLimits,
    /// Limits on decoding frames for rendered pictures.
    pub decode: DecodeLimits,
    /// When a study counts as received.
    pub study: Study,
    /// Reading again what is stored.
    pub verify: Verify,
    /// What may be removed, and when.
    pub retention: Retention,
    /// The decision whether a stored exam can be used again.
    pub reuse: Reuse,
    /// Files that come in over the pages.
    pub upload: UploadLimits,
    /// Known application entities: sources and destinations.
    pub peer: Vec<Peer>,
    /// Facilities whose holdings are kept apart.
    pub facility: Vec<Facility>,
    /// Machines that sign in over HTTP with a bearer token.
    pub token: Vec<Token>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data_dir: "data".into(),
            dimse: Dimse::default(),
            http: Http::default(),
            sign_in: SignIn::default(),
            database: Database::default(),
            store: Store::default(),
            node: Node::default(),
            scan: ScanLimits::default(),
            decode: DecodeLimits::default(),
            study: Study::default(),
            verify: Verify::default(),
            retention: Retention::default(),
            reuse: Reuse::default(),
            upload: UploadLimits::default(),
            peer: Vec::new(),
            facility: Vec::new(),
            token: Vec::new(),
        }
    }
}

/// The DIMSE listener (PS3.7, PS3.8).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dimse {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Our application entity title.
    pub ae_title: AeTitle,
    /// Further titles this archive answers to, so that the title of a former archive can be taken over.
    pub also_ae_titles: Vec<AeTitle>,
    /// Further addresses to listen on, so that the address of a former archive can be taken over.
    pub also_listen: Vec<SocketAddr>,
    /// Who may associate; absent: anyone while every listening address is a loopback address, else known peers.
    pub accept: Option<Accept>,
    /// Bounds in size, number and time.
    pub limits: DimseLimits,
}

impl Default for Dimse {
    fn default() -> Self {
        Dimse {
            listen: SocketAddr::from(([127, 0, 0, 1], 11112)),
            ae_title: known_title("PACS"),
            also_ae_titles: Vec::new(),
            also_listen: Vec::new(),
            accept: None,
            limits: DimseLimits::default(),
        }
    }
}

#[expect(clippy::expect_used, reason = "only called with literals of this file, which a test parses")]
fn known_title(text: &str) -> AeTitle {
    AeTitle::parse(text).expect("a literal AE title")
}

/// Who may associate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accept {
    /// Peers of the configuration, by calling AE title and source address.
    Known,
    /// Any calling and called AE title.
    Anyone,
}

/// The HTTP listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How people reach this server, such as `https://pacs.example.org`; empty: relative addresses in answers.
    pub public_url: String,
    /// Folder of the viewer that is served at `/ohif/`, relative to the working directory.
    pub viewer_dir: PathBuf,
    /// File of the certificate chain (PEM) with which HTTP is encrypted, relative to the working directory; empty: plain
    /// HTTP.
    pub tls_certificate: PathBuf,
    /// File of the certificate's private key (PEM).
    pub tls_key: PathBuf,
    /// Exactly `I accept` to listen beyond loopback although nobody signs in.
    pub insecure_non_loopback: String,
    /// Exactly `I accept` to listen beyond loopback without encryption; people and tokens sign in all the same.
    pub unencrypted_non_loopback: String,
    /// Bounds in size, number and time.
    pub limits: HttpLimits,
}

impl Default for Http {
    fn default() -> Self {
        Http {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: String::new(),
            viewer_dir: "build/viewer".into(),
            tls_certificate: PathBuf::new(),
            tls_key: PathBuf::new(),
            insecure_non_loopback: String::new(),
            unencrypted_non_loopback: String::new(),
            limits: HttpLimits::default(),
        }
    }
}

/// When a study counts as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Study {
    /// Seconds without a new instance after which a study is no longer being received.
    pub quiet_seconds: u32,
}

impl Default for Study {
    fn default() -> Self {
        Study { quiet_seconds: 10 }
    }
}

/// A known application entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its application entity title.
    pub ae_title: AeTitle,
    /// `ADDRESS`, `ADDRESS:PORT` or `ADDRESS/BITS`: where it calls from, and with a port, where it listens.
    pub address: PeerAddress,
    /// Code of the facility whose instances it sends.
    #[serde(default)]
    pub facility: Option<String>,
    /// What its PatientID identifies.
    #[serde(default)]
    pub patient_id_is: PatientIdIs,
}

/// What the PatientID of a source identifies. At many sites it is a counter per order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PatientIdIs {
    /// One person.
    #[default]
    Patient,
    /// One order: it never joins two studies to one patient.
    Order,
}

/// Where a peer calls from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerAddress {
    /// Its address, or the network's.
    pub ip: IpAddr,
    /// Leading bits of the address that must agree.
    pub bits: u8,
    /// Where it listens, when it is a destination.
    pub port: Option<u16>,
}

impl PeerAddress {
    /// Whether `ip` is this peer's address or lies in its network.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        fn bits(ip: IpAddr) -> u128 {
            match ip.to_canonical() {
                IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
                IpAddr::V6(v6) => v6.to_bits(),
            }
        }
        self.ip.is_ipv4() == ip.to_canonical().is_ipv4()
            && (bits(self.ip) ^ bits(ip)).leading_zeros() >= u32::from(self.bits)
    }
}

impl TryFrom<String> for PeerAddress {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is none of ADDRESS, ADDRESS:PORT, ADDRESS/BITS");
        let full = |ip: IpAddr| if ip.is_ipv4() { 32 } else { 128 };
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(PeerAddress { ip, bits: full(ip), port: None });
        }
        if let Ok(at) = text.parse::<SocketAddr>() {
            return Ok(PeerAddress { ip: at.ip(), bits: full(at.ip()), port: Some(at.port()) });
        }
        let (ip, bits) = text.split_once('/').ok_or_else(wrong)?;
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let bits: u8 = bits.parse().map_err(|_| wrong())?;
        if bits > full(ip) { Err(wrong()) } else { Ok(PeerAddress { ip, bits, port: None }) }
    }
}

impl From<PeerAddress> for String {
    fn from(a: PeerAddress) -> String {
        match a.port {
            Some(port) => SocketAddr::new(a.ip, port).to_string(),
            None if a.bits == if a.ip.is_ipv4() { 32 } else { 128 } => a.ip.to_string(),
            None => format!("{}/{}", a.ip, a.bits),
        }
    }
}

/// A facility (hospital, clinic) whose holdings are kept apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facility {
    /// Its code MA_CSKCB, 5 characters.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Whether it is licensed for imaging; absent: not known.
    #[serde(default)]
    pub licensed: Option<bool>,
    /// Modalities it is licensed for (PS3.3 C.7.3.1.1.1); empty: not told.
    #[serde(default)]
    pub modalities: Vec<String>,
    /// Where twelve digits of this facility are the personal number, without an issuer or a type that says so.
    #[serde(default)]
    pub personal_number_in: Vec<PersonalNumberIn>,
    /// Beginnings of PatientIDs that it gives for the time being (emergency, newborn): they never join two studies.
    #[serde(default)]
    pub temporary_ids: Vec<String>,
}

/// Where a facility writes the personal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonalNumberIn {
    /// As PatientID (0010,0020).
    PatientId,
    /// Among OtherPatientIDs (0010,1000).
    OtherPatientIds,
}

/// A machine that signs in with a bearer token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// SHA-256 of the token, lower-case hexadecimal; the token itself is nowhere kept.
    pub sha256: ContentHash,
    /// Who uses it.
    pub name: String,
    /// Code of the facility it acts for.
    #[serde(default)]
    pub facility: Option<String>,
    /// What it may do.
    pub roles: Vec<TokenRole>,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenRole {
    /// Search and retrieve.
    Read,
    /// Store.
    Store,
}

impl Config {
    /// The folder of the packs that are written.
    #[must_use]
    pub fn packs_dir(&self) -> PathBuf {
        self.data_dir.join("packs")
    }

    /// The file of the SQLite index.
    #[must_use]
    pub fn index_path(&self) -> PathBuf {
        self.data_dir.join(self.database.url.strip_prefix("sqlite:").unwrap_or("index.sqlite"))
    }

    /// The site's file of policies; none: as shipped.
    #[must_use]
    pub fn policy_path(&self) -> Option<PathBuf> {
        let file = &self.reuse.policy;
        (!file.as_os_str().is_empty()).then(|| self.data_dir.join(file))
    }

    /// Whether every address of the DIMSE listener is a loopback address.
    #[must_use]
    pub fn dimse_is_loopback(&self) -> bool {
        std::iter::once(&self.dimse.listen).chain(&self.dimse.also_listen).all(|a| a.ip().is_loopback())
    }

    /// Who may associate, the default resolved.
    #[must_use]
    pub fn dimse_accept(&self) -> Accept {
        match self.dimse.accept {
            Some(accept) => accept,
            None if self.dimse_is_loopback() && self.peer.is_empty() => Accept::Anyone,
            None => Accept::Known,
        }
    }

    /// What cannot work or would not be safe, each as a sentence that names the key.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = self.limit_problems();
        found.extend(self.sign_in_problems());
        if !self.database.url.starts_with("sqlite:") && !self.database.is_postgres() {
            let shown = self.database.shown();
            found.push(format!("database.url = {shown:?}: only sqlite:FILE and postgres://... are known"));
        }
        found.extend(self.store_problems());
        found.extend(self.node_problems());
        if self.retention.compact_percent == 0 || self.retention.compact_percent > 100 {
            found.push("retention.compact_percent is not 1 to 100".to_owned());
        }
        if self.verify.bytes_per_second == 0 {
            found.push("verify.bytes_per_second is 0: nothing could ever be verified".to_owned());
        }
        let known =
            |code: &Option<String>| code.as_ref().is_none_or(|c| self.facility.iter().any(|f| &f.code == c));
        for peer in self.peer.iter().filter(|p| !known(&p.facility)) {
            found.push(format!("peer {}: facility {:?} has no [[facility]]", peer.ae_title, peer.facility));
        }
        for token in self.token.iter().filter(|t| !known(&t.facility)) {
            found.push(format!("token {:?}: facility {:?} has no [[facility]]", token.name, token.facility));
        }
        for f in self.facility.iter().filter(|f| f.code.is_empty() || f.code.len() > 16 || !f.code.is_ascii())
        {
            found.push(format!("facility.code = {:?} is not 1 to 16 ASCII characters", f.code));
        }
        found
    }
}
