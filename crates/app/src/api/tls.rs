//! TLS by certificate and key files of the operator: 1.2 and 1.3, HTTP/1.1 over it.
//!
//! The files are read again when they have changed; what cannot be used is told in the log, and the
//! last good pair goes on. Deliberately absent: getting certificates (ACME), client certificates.

use arc_swap::ArcSwap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Why a pair of files cannot be served under.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds nothing of the kind.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: String,
        /// Why not.
        cause: pem::Error,
    },
    /// There is no certificate in the file.
    #[error("{0}: holds no certificate in PEM form")]
    Empty(String),
    /// They do not belong together, or are of a kind that is not spoken.
    #[error("certificate and key cannot be used together: {0}")]
    Pair(#[from] rustls::Error),
}

/// What tells a file from its successor: its place, its size, when it was written.
type Stamp = Option<(u64, u64, i64, i64)>;

/// Certificate and key.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: ArcSwap<ServerConfig>,
    seen: Mutex<[Stamp; 2]>,
}

impl Tls {
    /// Reads a certificate chain, the server's own first, and its key, both in PEM form.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        // Stamps first: a file that changes while it is read is read once more.
        let seen = Mutex::new([stamp(certificate), stamp(key)]);
        let config = ArcSwap::from_pointee(config(certificate, key)?);
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), config, seen })
    }

    /// Reads the files again if they have changed. Whether a new pair is served from now on.
    ///
    /// # Errors
    /// The new pair cannot be used; the last one stays.
    pub fn refresh(&self) -> Result<bool, TlsError> {
        let now = [stamp(&self.certificate), stamp(&self.key)];
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return Ok(false);
        }
        // A pair that cannot be used is told once, and looked at again when it changes.
        *seen = now;
        self.config.store(Arc::new(config(&self.certificate, &self.key)?));
        Ok(true)
    }

    /// What shakes hands, with the pair as it is now.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.config.load_full().into()
    }
}

fn stamp(path: &Path) -> Stamp {
    let about = std::fs::metadata(path).ok()?;
    Some((about.ino(), about.len(), about.mtime(), about.mtime_nsec()))
}

fn config(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let of = |path: &Path, cause| TlsError::File { path: path.display().to_string(), cause };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain: Vec<_> = chain.map_err(|cause| of(certificate, cause))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(certificate.display().to_string()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|cause| of(key, cause))?;
    let spoken = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    let mut config = spoken.with_no_client_auth().with_single_cert(chain, secret)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
