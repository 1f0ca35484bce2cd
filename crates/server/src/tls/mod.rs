//! TLS: the server's certificate, read anew when it changes, and whose clients are let in.

mod certificate;
mod files;
mod reload;

pub(crate) use certificate::{expiry, validity};
pub use files::{TlsError, TlsFiles};

use rustls::{ServerConfig, ServerConnection};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;

/// What the server proves itself with. It may be exchanged at any time; connections that are there keep theirs.
#[derive(Debug)]
pub(crate) struct Identity {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
    expiry: std::sync::atomic::AtomicU64,
    /// What the files held when they were last taken, or last refused.
    seen: RwLock<files::Contents>,
    /// Whether they were refused for having ended, which a clock that is put right makes untrue.
    had_ended: std::sync::atomic::AtomicBool,
}

impl Identity {
    /// Reads the files. All must be as they should be.
    pub(crate) fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let contents = files.read()?;
        let (config, expiry) = files.configure(&contents, None)?;
        Ok(Self {
            files,
            current: RwLock::new(Arc::new(config)),
            expiry: expiry.into(),
            seen: RwLock::new(contents),
            had_ended: false.into(),
        })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        // Only whole configurations are ever put there.
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)).into()
    }

    /// Whether the client, whose certificate has been verified, may ask. Its names are returned when not.
    pub(crate) fn check_peer(&self, connection: &ServerConnection) -> Result<(), String> {
        if self.files.client_names.is_empty() {
            return Ok(());
        }
        let Some(certificate) = connection.peer_certificates().and_then(<[_]>::first) else {
            return Err("no client certificate".to_owned());
        };
        let names = certificate::names(certificate).ok_or("the client certificate cannot be read")?;
        if names.iter().any(|name| self.files.client_names.contains(name)) {
            return Ok(());
        }
        Err(format!("the client certificate is for {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests;
