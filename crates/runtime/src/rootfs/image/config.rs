//! The image's configuration (image-spec, `config.md`), and the user database of its root file system.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use ringfence_context::facts::ImageFacts;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use serde::Deserialize;

use super::ImageError;
use super::digest;
use super::manifest::Manifest;
use super::source::Source;

/// A user database is not larger than this.
pub(super) const MAX_DATABASE: u64 = 16 << 20;

#[derive(Deserialize)]
pub(crate) struct Config {
    #[serde(default)]
    config: Option<Execution>,
    rootfs: Rootfs,
}

#[derive(Deserialize)]
struct Rootfs {
    diff_ids: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Execution {
    user: Option<String>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
    stop_signal: Option<String>,
    volumes: Option<BTreeMap<String, Ignored>>,
}

/// The specification has an empty object there.
#[derive(Deserialize)]
#[serde(transparent)]
struct Ignored(#[allow(dead_code, reason = "only the keys say something")] serde_json::Value);

impl Config {
    pub(super) fn read(source: &Source, manifest: &Manifest) -> Result<Self, ImageError> {
        let document = source.document(&manifest.config.file)?;
        if let Some(wanted) = &manifest.config.digest {
            let found = digest::of(&document);
            if found != *wanted {
                return Err(ImageError::Digest { what: manifest.config.file.clone(), wanted: wanted.clone(), found });
            }
        }
        Self::parse(&document, manifest.layers.len())
    }

    /// A configuration for this many layers.
    pub(crate) fn parse(document: &[u8], layers: usize) -> Result<Self, ImageError> {
        let config: Self =
            serde_json::from_slice(document).map_err(|error| ImageError::malformed("the configuration", error))?;
        if config.rootfs.diff_ids.len() != layers {
            let why = format!("{layers} layers and {} diff_ids", config.rootfs.diff_ids.len());
            return Err(ImageError::malformed("the configuration", why));
        }
        Ok(config)
    }

    /// The digests of the layers' plain bytes, the lowest first.
    pub(crate) fn diff_ids(&self) -> &[String] {
        &self.rootfs.diff_ids
    }

    /// The digest of a layer's plain bytes. There is one for each layer.
    pub(super) fn diff_id(&self, layer: usize) -> &str {
        self.rootfs.diff_ids.get(layer).map(String::as_str).unwrap_or_default()
    }

    /// What the resolver needs to know of the image.
    pub(super) fn facts(self, root: &Path, name: &str) -> Result<ImageFacts, ImageError> {
        let (passwd, group) = (database(root, "etc/passwd")?, database(root, "etc/group")?);
        Ok(ImageFacts { passwd, group, ..self.execution(name) })
    }

    /// The same without the user database.
    pub(crate) fn execution(self, name: &str) -> ImageFacts {
        let execution = self.config.unwrap_or_default();
        ImageFacts {
            name: name.to_owned(),
            digest: None,
            user: execution.user.unwrap_or_default(),
            passwd: None,
            group: None,
            env: execution.env.unwrap_or_default(),
            working_dir: execution.working_dir.unwrap_or_default(),
            entrypoint: execution.entrypoint.unwrap_or_default(),
            cmd: execution.cmd.unwrap_or_default(),
            stop_signal: execution.stop_signal.unwrap_or_default(),
            volumes: execution.volumes.unwrap_or_default().into_keys().collect(),
        }
    }
}

/// A file of the unpacked root, links resolved within it.
fn database(root: &Path, path: &str) -> Result<Option<String>, ImageError> {
    let read = || ImageError::read(format!("read /{path} of the image"));
    let dir = File::open(root).map_err(read())?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat2(&dir, path, flags, Mode::empty(), resolve) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => return Ok(None),
        Err(errno) => return Err(read()(errno.into())),
    };
    if !file.metadata().map_err(read())?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(MAX_DATABASE).read_to_end(&mut bytes).map_err(read())?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
