//! The image's configuration (image-spec, `config.md`), and the user database of its root file system.

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
const MAX_DATABASE: u64 = 16 << 20;

#[derive(Deserialize)]
pub(super) struct Config {
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
}

impl Config {
    pub(super) fn read(source: &Source, manifest: &Manifest) -> Result<Self, ImageError> {
        let document = source.document(&manifest.config.file)?;
        if let Some(wanted) = &manifest.config.digest {
            let found = digest::of(&document);
            if found != *wanted {
                return Err(ImageError::Digest { what: manifest.config.file.clone(), wanted: wanted.clone(), found });
            }
        }
        let config: Self =
            serde_json::from_slice(&document).map_err(|error| ImageError::malformed("the configuration", error))?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            let why = format!("{} layers and {} diff_ids", manifest.layers.len(), config.rootfs.diff_ids.len());
            return Err(ImageError::malformed("the configuration", why));
        }
        Ok(config)
    }

    /// The digest of a layer's plain bytes. There is one for each layer.
    pub(super) fn diff_id(&self, layer: usize) -> &str {
        self.rootfs.diff_ids.get(layer).map(String::as_str).unwrap_or_default()
    }

    /// What the resolver needs to know of the image.
    pub(super) fn facts(self, root: &Path, name: &str) -> Result<ImageFacts, ImageError> {
        let execution = self.config.unwrap_or_default();
        Ok(ImageFacts {
            name: name.to_owned(),
            user: execution.user.unwrap_or_default(),
            passwd: database(root, "etc/passwd")?,
            group: database(root, "etc/group")?,
            env: execution.env.unwrap_or_default(),
            working_dir: execution.working_dir.unwrap_or_default(),
            entrypoint: execution.entrypoint.unwrap_or_default(),
            cmd: execution.cmd.unwrap_or_default(),
        })
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
