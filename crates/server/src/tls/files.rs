//! The files that TLS needs, and what is made of them.

use crate::certificates::Kept;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No certificate or key is larger.
const LARGEST: u64 = 1 << 20;

/// The files that TLS needs.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Certificate and key that are kept elsewhere, in place of the files; these then only have names.
    pub kept: Option<Kept>,
    /// The server's certificate and those between it and its authority, as PEM.
    pub certificate: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
    /// The authorities of clients, as PEM. With them, a client without a certificate of theirs is refused.
    pub client_authorities: Option<PathBuf>,
    /// The names that a client's certificate must have one of, as its common name or a DNS name. Any, if there are none.
    pub client_names: Vec<String>,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} has {what}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The key is not the certificate's, or either is of a kind that is not supported.
    #[error("certificate {} and key {} cannot be used together", certificate.display(), key.display())]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The certificate has ended by this machine's clock.
    #[error("the certificate {} ended", certificate.display())]
    Expired {
        /// The certificate.
        certificate: PathBuf,
    },
    /// Names were asked for, but nothing would vouch for them.
    #[error("client names can only be checked with an authority for client certificates")]
    NamesWithoutAuthority,
}

/// What the files hold. The key does not show itself to who prints this.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Of a pair that is kept.
    pub(super) number: u64,
    certificate: Vec<u8>,
    key: Vec<u8>,
    authorities: Option<Vec<u8>>,
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contents")
    }
}

impl TlsFiles {
    pub(super) fn read(&self) -> Result<Contents, TlsError> {
        let (number, certificate, key) = match &self.kept {
            Some(kept) => kept.get(),
            None => (0, read(&self.certificate)?, read(&self.key)?),
        };
        Ok(Contents {
            number,
            certificate,
            key,
            authorities: self.client_authorities.as_deref().map(read).transpose()?,
        })
    }

    /// What a server does with these contents, and when its certificate ends in seconds since 1970. It must not have ended,
    /// unless it ends no earlier than the one `in_use`: then it is that one that is the worse, or the clock is wrong.
    pub(super) fn configure(&self, contents: &Contents, in_use: Option<u64>) -> Result<(ServerConfig, u64), TlsError> {
        if contents.authorities.is_none() && !self.client_names.is_empty() {
            return Err(TlsError::NamesWithoutAuthority);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = certificates(&self.certificate, &contents.certificate)?;
        let expiry = chain.first().and_then(super::expiry).unwrap_or(u64::MAX);
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        // One that is kept was made for the API server's clock, which may be another.
        if self.kept.is_none() && expiry <= now && in_use.is_none_or(|in_use| expiry < in_use) {
            return Err(TlsError::Expired { certificate: self.certificate.clone() });
        }
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|error| content(&self.key, format!("no private key: {error}")))?;
        let pair = CertifiedKey::from_der(chain, key, &provider).map_err(|source| TlsError::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            // Cannot happen with the provider's own cipher suites.
            .map_err(|source| content(&self.certificate, format!("no protocol: {source}")))?;
        let builder = match (&self.client_authorities, &contents.authorities) {
            (Some(path), Some(bytes)) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path, bytes)? {
                    roots.add(certificate).map_err(|error| content(path, format!("an unusable authority: {error}")))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|error| content(path, format!("unusable authorities: {error}")))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok((config, expiry))
    }

    /// The directories of the files, which are read again when they change.
    pub fn directories(&self) -> Vec<PathBuf> {
        let pair = self.kept.is_none().then_some([&self.certificate, &self.key]);
        let paths = pair.into_iter().flatten().map(Some).chain([self.client_authorities.as_ref()]);
        let mut directories: Vec<PathBuf> = paths.flatten().map(|path| directory(path)).collect();
        directories.sort_unstable();
        directories.dedup();
        directories
    }
}

fn directory(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_path_buf(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(content(path, "no certificate".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(content(path, format!("no readable certificate: {error}"))),
    }
}

fn content(path: &Path, what: String) -> TlsError {
    TlsError::Content { path: path.to_path_buf(), what }
}
