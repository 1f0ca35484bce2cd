//! Images from registries, as the command line says, and the images of pods wherever they are.

use std::path::PathBuf;

use ringfence_context::facts::normalise_image_name;
use ringfence_registry::{Client, Options, Pulled, RegistryError};
use ringfence_runtime::rootfs::image::Image;
use ringfence_runtime::store::{Store, StoreError};

use crate::progress::Bytes;
use crate::store::{StoreArgs, StoreArgsError, unpacked};

/// When a registry is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Pull {
    /// For images that are not here.
    Missing,
    /// Also for those that are, in case the name stands for another one now.
    Always,
    /// Not at all.
    Never,
}

/// How registries are asked.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct RegistryArgs {
    /// A registry, HOST or HOST:PORT, that may be asked in the clear; this machine's own may be anyway.
    #[arg(long, value_name = "HOST", help_heading = "Images")]
    insecure_registry: Vec<String>,

    /// The mirrors of registries, instead of /etc/containers/registries.conf and the user's own.
    #[arg(long, value_name = "FILE", help_heading = "Images")]
    registries_conf: Option<PathBuf>,

    /// A directory of HOST:PORT/*.crt files with certificate authorities, beside /etc/containers/certs.d and /etc/docker/certs.d.
    #[arg(long, value_name = "DIR", help_heading = "Images")]
    cert_dir: Option<PathBuf>,

    /// A file of credentials, instead of those of docker, podman and skopeo.
    #[arg(long, value_name = "FILE", help_heading = "Images")]
    authfile: Option<PathBuf>,
}

impl RegistryArgs {
    /// The client. One that is not patient gives up at once on who does not answer.
    pub(crate) fn client(&self, max_bytes: u64, patient: bool) -> Result<Client, RegistryError> {
        Client::new(Options {
            insecure: self.insecure_registry.clone(),
            registries_conf: self.registries_conf.clone(),
            certificates: self.cert_dir.clone(),
            auth_file: self.authfile.clone(),
            max_bytes,
            patient,
        })
    }
}

/// Fetches an image, with a bar on a terminal.
pub(crate) fn pull(client: &Client, store: &Store, name: &str, args: &StoreArgs) -> Result<Pulled, RegistryError> {
    let bytes = Bytes::new(name);
    let pulled = client.pull(store, name, &args.platform(), &bytes);
    bytes.finish();
    pulled
}

impl ringfence_registry::Watch for Bytes {
    fn expect(&self, bytes: u64) {
        Self::expect(self, bytes);
    }

    fn came(&self, bytes: u64) {
        self.step(bytes);
    }

    fn lost(&self, bytes: u64) {
        self.back(bytes);
    }
}

/// Where the images of pods are looked for.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ImageArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// Whether a registry is asked for images: when they are missing, always, or never.
    #[arg(long, value_name = "WHEN", help_heading = "Images")]
    pull: Option<Pull>,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl ImageArgs {
    /// Opens the store, if there is one. `default` is when a registry is asked if the command line does not say.
    pub(crate) fn local(&self, default: Pull) -> Result<Local, StoreArgsError> {
        let store = match (self.store.named(), Store::default_root()) {
            (Some(root), _) => Store::existing(&root).map_err(Box::new)?,
            // A user without a home, or with somebody else's, may still run what needs no image.
            (None, Some(root)) => Store::existing(&root).unwrap_or_default(),
            (None, None) => None,
        };
        Ok(Local { store, default, client: None, args: self.clone() })
    }
}

/// The store and the registries as a place to look for the images of pods.
#[derive(Debug)]
pub(crate) struct Local {
    store: Option<Store>,
    default: Pull,
    client: Option<Client>,
    args: ImageArgs,
}

/// Why an image could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
    #[error(transparent)]
    Store(Box<StoreError>),
    #[error(transparent)]
    Registry(Box<RegistryError>),
    #[error(transparent)]
    Args(#[from] StoreArgsError),
}

impl From<StoreError> for LocalError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<RegistryError> for LocalError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(Box::new(error))
    }
}

impl Local {
    /// When a registry is asked if the command line does not say.
    pub(crate) fn pull_by_default(&mut self, pull: Pull) {
        self.default = pull;
    }

    /// The image called `name`, unpacked. `None` when it is neither here nor, as far as that was asked for, elsewhere.
    pub(crate) fn image(&mut self, name: &str) -> Result<Option<Image>, LocalError> {
        // The resolver says what is wrong with a name that is none.
        let Ok(name) = normalise_image_name(name) else { return Ok(None) };
        let when = self.args.pull.unwrap_or(self.default);
        if when != Pull::Always
            && let Some(image) = self.here(&name)?
        {
            return Ok(Some(image));
        }
        if when == Pull::Never {
            return Ok(None);
        }
        match self.fetch(&name) {
            Ok(_) => self.here(&name),
            // Nobody asked for it, so that a stand-in will do, as it does without a network.
            Err(error) if self.args.pull.is_none() => {
                crate::commands::warn(&format!("image {name:?} was not fetched: {}", crate::commands::chain(&error)));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn here(&self, name: &str) -> Result<Option<Image>, LocalError> {
        let Some(store) = &self.store else { return Ok(None) };
        let args = &self.args.store;
        let Some(resolved) = store.resolve(name, &args.platform())? else { return Ok(None) };
        Ok(Some(unpacked(store, &resolved, args.limits())?))
    }

    fn fetch(&mut self, name: &str) -> Result<Pulled, LocalError> {
        let args = &self.args;
        let store = match self.store.take() {
            Some(store) => store,
            None => args.store.open()?,
        };
        let store = self.store.insert(store);
        let client = match self.client.take() {
            Some(client) => client,
            None => args.registry.client(args.store.limits().bytes, args.pull.is_some())?,
        };
        let client = self.client.insert(client);
        Ok(pull(client, store, name, &args.store)?)
    }
}
