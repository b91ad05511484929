//! Encryption of HTTP by the certificate files of the configuration (rustls).
//!
//! Files that change are read again without a restart: a certificate lives for weeks. Files that do not fit leave the
//! old ones in force, and the log says so.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use storage_config::Config;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// How often the files are looked at. SIGHUP has them read at once.
const LOOK: Duration = Duration::from_secs(10);

/// Why HTTP cannot be encrypted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The certificate's file.
    #[error("http.tls_certificate = {0}: {1}")]
    Certificate(PathBuf, String),
    /// The key's file.
    #[error("http.tls_key = {0}: {1}")]
    Key(PathBuf, String),
    /// They do not fit each other, or this kind of key is not known.
    #[error("http.tls_certificate = {0} and http.tls_key = {1} do not fit: {2}")]
    Pair(PathBuf, PathBuf, rustls::Error),
}

/// The certificate in force.
pub(crate) struct Tls {
    files: [PathBuf; 2],
    current: RwLock<(Arc<ServerConfig>, [Option<SystemTime>; 2])>,
}

impl Tls {
    /// Reads the files that `config` names; nothing when it names none.
    ///
    /// # Errors
    /// When they cannot be read or do not fit.
    pub(crate) fn load(config: &Config) -> Result<Option<Arc<Tls>>, TlsError> {
        if !config.http_is_encrypted() {
            return Ok(None);
        }
        let files = [config.http.tls_certificate.clone(), config.http.tls_key.clone()];
        let times = times(&files);
        let current = RwLock::new((read(&files)?, times));
        Ok(Some(Arc::new(Tls { files, current })))
    }

    /// What the next connection is encrypted with.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.read().unwrap_or_else(PoisonError::into_inner).0.clone())
    }

    /// Reads the files again, if they changed or `always`.
    fn renew(&self, always: bool) {
        // Before the files: what changes while they are read is seen the next time.
        let now = times(&self.files);
        if !always && self.current.read().unwrap_or_else(PoisonError::into_inner).1 == now {
            return;
        }
        // Before the lock: connections do not wait for a disk.
        let read = read(&self.files);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.1 = now;
        match read {
            Ok(config) => {
                current.0 = config;
                tracing::info!("the certificate was read again");
            }
            Err(error) => tracing::error!(%error, "the certificate stays as it was"),
        }
    }
}

/// Keeps the certificate in step with its files, for as long as the server runs.
pub(crate) async fn keep_up(tls: Arc<Tls>) {
    let Ok(mut hang_up) = signal(SignalKind::hangup()) else {
        tracing::error!("SIGHUP is not heard");
        return;
    };
    let mut every = tokio::time::interval(LOOK);
    loop {
        let always = tokio::select! {
            _ = every.tick() => false,
            _ = hang_up.recv() => true,
        };
        let tls = tls.clone();
        // Files are read where waiting for a disk holds nobody up.
        let _ = tokio::task::spawn_blocking(move || tls.renew(always)).await;
    }
}

fn times(files: &[PathBuf; 2]) -> [Option<SystemTime>; 2] {
    files.each_ref().map(|file| file.metadata().and_then(|metadata| metadata.modified()).ok())
}

fn read([certificate, key]: &[PathBuf; 2]) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = chain(certificate).map_err(|error| TlsError::Certificate(certificate.clone(), error))?;
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| TlsError::Key(key.clone(), format!("no private key in PEM: {error}")))?;
    let pair = |error| TlsError::Pair(certificate.clone(), key.clone(), error);
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(file).map_err(|error| error.to_string())?;
    let chain = all.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    if chain.is_empty() { Err("it holds no certificate in PEM".into()) } else { Ok(chain) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(dir: &Path, name: &str) -> Config {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let mut config = Config::default();
        config.http.tls_certificate = dir.join(format!("{name}.pem"));
        config.http.tls_key = dir.join(format!("{name}.key"));
        std::fs::write(&config.http.tls_certificate, made.cert.pem()).unwrap();
        std::fs::write(&config.http.tls_key, made.signing_key.serialize_pem()).unwrap();
        config
    }

    #[test]
    fn what_does_not_fit_is_told_by_the_name_of_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (made(dir.path(), "one"), made(dir.path(), "other"));
        assert!(Tls::load(&Config::default()).unwrap().is_none());
        assert!(Tls::load(&one).unwrap().is_some());
        let said = |change: &dyn Fn(&mut Config)| {
            let mut config = one.clone();
            change(&mut config);
            Tls::load(&config).err().map(|error| error.to_string()).unwrap_or_default()
        };
        let text = said(&|config| config.http.tls_key = other.http.tls_key.clone());
        assert!(text.contains("do not fit"), "{text}");
        let text = said(&|config| config.http.tls_key = one.http.tls_certificate.clone());
        assert!(text.starts_with("http.tls_key") && text.contains("no private key"), "{text}");
        let text = said(&|config| config.http.tls_certificate = one.http.tls_key.clone());
        assert!(text.starts_with("http.tls_certificate") && text.contains("no certificate"), "{text}");
        let text = said(&|config| config.http.tls_certificate = dir.path().join("absent"));
        assert!(text.starts_with("http.tls_certificate"), "{text}");
    }

    #[test]
    fn a_certificate_that_changes_is_read_again_and_a_broken_one_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (made(dir.path(), "one"), made(dir.path(), "other"));
        let tls = Tls::load(&one).unwrap().unwrap();
        let now = || Arc::as_ptr(&tls.current.read().unwrap().0);
        let first = now();
        tls.renew(false);
        assert_eq!(now(), first, "nothing changed");
        std::fs::write(&one.http.tls_key, "nonsense").unwrap();
        tls.renew(true);
        assert_eq!(now(), first, "a broken one is not taken");
        std::fs::copy(&other.http.tls_certificate, &one.http.tls_certificate).unwrap();
        std::fs::copy(&other.http.tls_key, &one.http.tls_key).unwrap();
        tls.renew(true);
        assert_ne!(now(), first);
    }
}
