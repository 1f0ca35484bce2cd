//! The client as callers see it.

use std::path::PathBuf;
use std::time::Duration;

use ringfence_runtime::store::{Platform, Store};

use super::RegistryError;
use super::hosts::Hosts;
use super::http_client::Http;
use super::pull::{self, Pulled, Watch};
use super::reference::Reference;
use super::{credentials, retry};

/// How registries are asked.
#[derive(Clone, Debug)]
pub struct Options {
    /// Hosts, with their ports, that may be asked in the clear.
    pub insecure: Vec<String>,
    /// A configuration of registries instead of the system's and the user's.
    pub registries_conf: Option<PathBuf>,
    /// A directory of certificates to be read before the system's.
    pub certificates: Option<PathBuf>,
    /// A file of credentials instead of docker's and containers'.
    pub auth_file: Option<PathBuf>,
    /// The most bytes that the layers of an image may have together, as they come.
    pub max_bytes: u64,
    /// Whether there is somebody to wait for what is not reached at once.
    pub patient: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            insecure: Vec::new(),
            registries_conf: None,
            certificates: None,
            auth_file: None,
            max_bytes: 32 << 30,
            patient: true,
        }
    }
}

/// A client of registries.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    http: Http,
    pub(crate) auth_files: Vec<PathBuf>,
    options: Options,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Client {
    /// Reads the configuration. Nothing is sent yet.
    pub fn new(options: Options) -> Result<Self, RegistryError> {
        let hosts = Hosts::read(options.registries_conf.as_deref(), &options.insecure)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // They look up names, and stay for a while. Signals are the caller's: one that watches for them would not see
            // what these take.
            .on_thread_start(ringfence_runtime::run::signals::take_none)
            .build()
            .map_err(|error| RegistryError::Setup(error.to_string()))?;
        let mut certificates: Vec<PathBuf> = options.certificates.clone().into_iter().collect();
        if let Some(home) = std::env::var_os("HOME").filter(|home| !home.is_empty()) {
            certificates.push(PathBuf::from(home).join(".config/containers/certs.d"));
        }
        certificates.extend(["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from));
        let auth_files = options.auth_file.clone().map_or_else(credentials::files, |file| vec![file]);
        let connect = Duration::from_secs(if options.patient { 10 } else { 3 });
        Ok(Self { runtime, http: Http::new(hosts, certificates, connect), auth_files, options })
    }

    /// Fetches the image called `name` for `platform` into the store and gives it its name there. What is there already is
    /// not fetched again.
    pub fn pull(
        &self,
        store: &Store,
        name: &str,
        platform: &Platform,
        watch: &dyn Watch,
    ) -> Result<Pulled, RegistryError> {
        let reference = Reference::parse(name)?;
        let endpoints = self.http.hosts.endpoints(&reference)?;
        let _guard = store.guard()?;
        let tries = if self.options.patient { retry::TRIES } else { 1 };
        let mut errors = Vec::new();
        for endpoint in endpoints {
            let asked = pull::Asked {
                http: &self.http,
                auth_files: &self.auth_files,
                endpoint: &endpoint,
                reference: &reference,
                platform,
                store,
                watch,
                max_bytes: self.options.max_bytes,
                tries,
            };
            match self.runtime.block_on(pull::pull(&asked)) {
                Ok(pulled) => return Ok(pulled),
                // This machine's own trouble does not go away by asking somebody else.
                Err(error @ RegistryError::Store(_)) => return Err(error),
                Err(error) => errors.push((endpoint.host.clone(), error)),
            }
        }
        Err(match errors.pop() {
            Some((_, only)) if errors.is_empty() => only,
            Some(last) => {
                errors.push(last);
                RegistryError::All(errors)
            }
            None => RegistryError::Setup("there is nobody to ask".to_owned()),
        })
    }
}
