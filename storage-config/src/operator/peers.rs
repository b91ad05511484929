//! Application entities that were allowed while the server ran, beside those of the configuration.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::FileError;
use crate::AeTitle;
use crate::config::{PatientIdIs, PeerAddress};

/// Most application entities that can be allowed.
pub const PEERS: usize = 1_000;

const HEAD: &str = "# Machines that were allowed on the pages. The server writes this file; entries of the\n\
     # configuration come first. It is read at the start.\n\n";

/// An application entity that somebody allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedPeer {
    /// Its application entity title.
    pub ae_title: AeTitle,
    /// Where it calls from, and with a port, where it listens.
    pub address: PeerAddress,
    /// Code of the facility whose instances it sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
    /// What its PatientID identifies.
    #[serde(default)]
    pub patient_id_is: PatientIdIs,
    /// What people call it; empty where nobody said.
    #[serde(default)]
    pub name: String,
    /// When it was allowed, in milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub allowed_ms: i64,
}

/// Why an application entity was not allowed.
#[derive(Debug, thiserror::Error)]
pub enum AllowError {
    /// There are [`PEERS`] already.
    #[error("{PEERS} machines are allowed already; forget one first")]
    Full,
    /// It could not be remembered, so it is not allowed.
    #[error("the list of machines cannot be written: {0}")]
    Write(#[from] io::Error),
}

type Tell = Box<dyn Fn(&[AllowedPeer]) + Send>;

/// The list of them, durable in one file.
pub struct AllowedPeers {
    path: PathBuf,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    peers: Vec<AllowedPeer>,
    tell: Option<Tell>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    peer: Vec<AllowedPeer>,
}

impl AllowedPeers {
    /// The list in the data folder `data_dir`.
    ///
    /// # Errors
    /// When its file cannot be read or is not one.
    pub fn open(data_dir: &Path) -> Result<AllowedPeers, FileError> {
        let path = data_dir.join("peers.toml");
        let File { peer } = super::read(&path)?;
        Ok(AllowedPeers { path, list: Mutex::new(List { peers: peer, tell: None }) })
    }

    /// Has `tell` called with the list now, and whenever it changes before the change is answered.
    pub fn tell(&self, tell: impl Fn(&[AllowedPeer]) + Send + 'static) {
        let mut list = self.lock();
        tell(&list.peers);
        list.tell = Some(Box::new(tell));
    }

    /// All of them, in the order in which they were allowed.
    #[must_use]
    pub fn all(&self) -> Vec<AllowedPeer> {
        self.lock().peers.clone()
    }

    /// Allows `peer`, in the place of an entry of the same title and address. Durable and in force when this returns.
    ///
    /// # Errors
    /// [`AllowError`]; the list is as it was.
    pub fn allow(&self, peer: AllowedPeer) -> Result<(), AllowError> {
        let mut list = self.lock();
        let mut peers = list.peers.clone();
        peers.retain(|known| (&known.ae_title, &known.address) != (&peer.ae_title, &peer.address));
        if peers.len() >= PEERS {
            return Err(AllowError::Full);
        }
        peers.push(peer);
        self.put(&mut list, peers)?;
        Ok(())
    }

    /// Forgets the entry of a title and address. False when there is none.
    ///
    /// # Errors
    /// When the file cannot be written; the list is as it was.
    pub fn forget(&self, ae_title: &AeTitle, address: &PeerAddress) -> io::Result<bool> {
        let mut list = self.lock();
        let mut peers = list.peers.clone();
        peers.retain(|known| (&known.ae_title, &known.address) != (ae_title, address));
        if peers.len() == list.peers.len() {
            return Ok(false);
        }
        self.put(&mut list, peers).map(|()| true)
    }

    fn put(&self, list: &mut List, peers: Vec<AllowedPeer>) -> io::Result<()> {
        let file = File { peer: peers };
        super::write(&self.path, HEAD, &file)?;
        list.peers = file.peer;
        if let Some(tell) = &list.tell {
            tell(&list.peers);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;

    fn peer(title: &str, address: &str) -> AllowedPeer {
        AllowedPeer {
            ae_title: AeTitle::parse(title).unwrap(),
            address: PeerAddress::try_from(address.to_owned()).unwrap(),
            facility: Some("00000".into()),
            patient_id_is: PatientIdIs::Order,
            name: "Máy CT \"tầng 2\"".into(),
            allowed_ms: 1_780_000_000_000,
        }
    }

    #[test]
    fn what_is_allowed_is_told_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let list = AllowedPeers::open(folder.path()).unwrap();
        let (tell, told) = mpsc::channel();
        list.tell(move |peers| tell.send(peers.len()).unwrap());
        for one in [peer("CT 1", "192.0.2.7"), peer("CT 1", "2001:db8::/32"), peer("<b>'\"", "192.0.2.8:104")]
        {
            list.allow(one).unwrap();
        }
        let other = AllowedPeer { name: String::new(), facility: None, ..peer("CT 1", "192.0.2.7") };
        list.allow(other.clone()).unwrap();
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 3]);
        let again = AllowedPeers::open(folder.path()).unwrap();
        assert_eq!(again.all(), list.all());
        assert_eq!(again.all()[2], other, "replaced, not doubled");
        assert!(again.forget(&other.ae_title, &other.address).unwrap());
        assert!(!again.forget(&other.ae_title, &other.address).unwrap());
        assert_eq!(AllowedPeers::open(folder.path()).unwrap().all().len(), 2);
    }

    #[test]
    fn a_list_that_cannot_be_written_or_read_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let list = Arc::new(AllowedPeers::open(&folder.path().join("missing")).unwrap());
        assert!(matches!(list.allow(peer("CT1", "192.0.2.7")), Err(AllowError::Write(_))));
        assert!(list.all().is_empty());
        std::fs::write(folder.path().join("peers.toml"), "[[peer]]\nae_title = \"A\\\\B\"\n").unwrap();
        let why = AllowedPeers::open(folder.path()).err().unwrap().to_string();
        assert!(why.contains("peers.toml") && why.contains("AE title"), "{why}");
    }

    #[test]
    fn the_list_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let list = AllowedPeers::open(folder.path()).unwrap();
        list.lock().peers = (0..PEERS).map(|n| peer(&format!("A{n}"), "192.0.2.7")).collect();
        assert!(matches!(list.allow(peer("CT1", "192.0.2.7")), Err(AllowError::Full)));
        list.allow(peer("A7", "192.0.2.7")).unwrap();
        assert_eq!(list.all().len(), PEERS);
    }
}
