//! Packs that another server of the same index has on its disk and not in the bucket yet: read through that server
//! (STORE.md rule 28).
//!
//! What comes is checked as what comes from a disk. It counts as less safe than what this server or the bucket has: an
//! arrival is never answered by it. A server that does not answer is away; its bytes are not missing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use storage_config::object::{Blocks, Client, Effort, ObjectError, ObjectFile, ObjectPart, Objects};
use storage_config::pack::{PackName, PackReader};

use super::Archive;
use super::Shared;
use super::error::ReadError;
use crate::db::{DbError, PackId};

/// Bytes of other servers' packs in memory.
const BLOCK_BYTES: u64 = 32 << 20;

/// The other servers, as far as they were asked for anything.
pub(crate) struct Nodes {
    secret: String,
    blocks: Arc<Blocks>,
    /// By their addresses.
    clients: Mutex<HashMap<String, Objects>>,
}

impl Archive {
    /// Tells the other servers of the index where this one is reached, and reads through them from now on what they alone
    /// have. `secret` is what the servers prove to each other that they belong together.
    ///
    /// # Errors
    /// When the index fails.
    pub fn join(&self, url: &str, secret: &str) -> Result<(), DbError> {
        let shared = &self.shared;
        shared.db.note_node(shared.identity.writer, url, (shared.options.now_ms)())?;
        let blocks = Arc::new(Blocks::new(BLOCK_BYTES));
        // Who joins twice stays with the first secret.
        let _ = shared.nodes.set(Nodes { secret: secret.to_owned(), blocks, clients: Mutex::default() });
        Ok(())
    }
}

impl Shared {
    /// Opens a pack through the server that writes it; none where that cannot be: it is this one, or nobody knows where it is
    /// reached, or it does not have the pack (any more).
    pub(crate) fn open_at_owner(&self, name: &PackName) -> Result<Option<PackReader>, ReadError> {
        let Some(nodes) = self.nodes.get().filter(|_| name.identity.writer != self.identity.writer) else {
            return Ok(None);
        };
        let Some(url) = self.db.node_url(name.identity.writer)? else { return Ok(None) };
        let away = |error: ObjectError| ReadError::Away(format!("the server that has pack {name}: {error}"));
        let objects = nodes.client(&url).map_err(away)?;
        let Some(about) = objects.about(&name.file_name(), Effort::Quick).map_err(away)? else {
            return Ok(None);
        };
        // A pack that grows is opened anew: what is in memory of it is of one length.
        let key = format!("{}@{}", name.file_name(), about.length).into();
        let part = ObjectPart { key, start: 0, length: about.length };
        let file = ObjectFile::new(objects, nodes.blocks.clone(), vec![part]).passing();
        Ok(Some(PackReader::open_object(file, *name)?))
    }

    /// Whether a pack is this server's to verify: what another one has on its disk alone it verifies itself, and is not to be
    /// read over the network again and again.
    pub(crate) fn is_own_to_verify(&self, pack: PackId) -> bool {
        !self.asks_owners() || self.names.is_here(pack) || !matches!(self.db.pack_object(pack), Ok(None))
    }

    /// Whether packs may be read that are neither here nor in a bucket.
    pub(crate) fn asks_owners(&self) -> bool {
        self.nodes.get().is_some()
    }
}

impl Nodes {
    fn client(&self, url: &str) -> Result<Objects, ObjectError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clients.get(url) {
            return Ok(known.clone());
        }
        let client = Objects::Real(Arc::new(Client::of_node(url, &self.secret)?));
        clients.insert(url.to_owned(), client.clone());
        Ok(client)
    }

    /// Ends what is under way.
    pub(crate) fn stop(&self) {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.values().for_each(Objects::stop);
    }
}
