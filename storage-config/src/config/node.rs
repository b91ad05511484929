//! How the servers of one archive reach each other.

use serde::{Deserialize, Serialize};

use super::objects::Secret;
use super::{Config, objects};

/// Shortest secret, in bytes.
const SECRET_BYTES: usize = 32;

/// This server as the others of the same index see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Node {
    /// Where the others reach this server over HTTP, such as `https://pacs-1.example.org:8080`, and read what it has not
    /// uploaded yet; empty: they do not.
    pub url: String,
    /// What the servers prove to each other that they belong together: the same for all.
    pub secret: Secret,
    /// Whether an unencrypted connection will do.
    pub allow_http: bool,
}

impl Config {
    /// Settings of the node that cannot work together.
    pub(super) fn node_problems(&self) -> Vec<String> {
        let (node, mut found) = (&self.node, Vec::new());
        if node.url.is_empty() {
            return found;
        }
        found.extend(objects::endpoint_problem("node.url", "node.allow_http", &node.url, node.allow_http));
        if node.secret.reveal().len() < SECRET_BYTES {
            found.push(format!("node.url is set and node.secret is shorter than {SECRET_BYTES} characters"));
        }
        if !node.secret.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
            found.push("node.secret is not of visible ASCII characters alone".into());
        }
        if !self.database.is_postgres() {
            found.push("node.url is set and database.url is no index that servers share".into());
        }
        found
    }
}
