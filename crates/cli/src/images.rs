//! Where the images of pods are found: given on the command line as a layout directory or an archive, or in the local
//! store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ringfence_context::facts::{Facts, normalise_image_name};
use ringfence_runtime::rootfs::image::{Image, ImageError, unpack};
use ringfence_runtime::state::{StateDir, StateError};

use crate::pull::{ImageArgs, Local, LocalError, Pull};
use crate::store::StoreArgsError;

/// `[NAME=]PATH`: where an image lies, and which it is; without a name it is every image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    name: Option<String>,
    path: PathBuf,
}

impl Given {
    /// Every image lies there.
    pub(crate) fn every(path: PathBuf) -> Self {
        Self { name: None, path }
    }
}

impl FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) => (Some(normalise_image_name(name).map_err(|error| error.to_string())?), path),
            None => (None, text),
        };
        if path.is_empty() {
            return Err("expected [NAME=]PATH".to_owned());
        }
        Ok(Self { name, path: PathBuf::from(path) })
    }
}

/// Why an image could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImagesError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("image {}", path.display())]
    Image {
        path: PathBuf,
        #[source]
        source: ImageError,
    },
    #[error("image {name:?}")]
    Store {
        name: String,
        #[source]
        source: LocalError,
    },
    #[error(transparent)]
    Args(#[from] StoreArgsError),
}

/// The images, unpacked.
#[derive(Debug)]
pub(crate) struct Images {
    given: Vec<(Option<String>, Image)>,
    /// What was looked for elsewhere, by its name as written; `None` when it was not found.
    found: BTreeMap<String, Option<Image>>,
    local: Local,
    /// Holds what the given ones were unpacked into.
    _state: Option<StateDir>,
}

impl Images {
    /// Unpacks every given image; others are looked for when they are asked for.
    pub(crate) fn open(given: &[Given], args: &ImageArgs, binary: &Path) -> Result<Self, ImagesError> {
        let local = args.local(Pull::Never)?;
        if given.is_empty() {
            return Ok(Self { given: Vec::new(), found: BTreeMap::new(), local, _state: None });
        }
        let state = StateDir::create(binary)?;
        let mut images = Vec::new();
        for (i, Given { name, path }) in given.iter().enumerate() {
            // An archive of one image is that image, whatever it calls itself.
            let unpacked = unpack(&state, &format!("image-{i}"), path, None, args.store.limits())
                .map_err(|source| ImagesError::Image { path: path.clone(), source })?;
            crate::store::warn_of_left_out(&path.display().to_string(), &unpacked);
            images.push((name.clone(), unpacked));
        }
        Ok(Self { given: images, found: BTreeMap::new(), local, _state: Some(state) })
    }

    /// When a registry is asked, if the command line does not say.
    pub(crate) fn pull_by_default(&mut self, pull: Pull) {
        self.local.pull_by_default(pull);
    }

    /// Looks for the image: among those given, then in the local store, then, as the command line says, in a registry.
    /// Returns whether it was found.
    pub(crate) fn find(&mut self, name: &str) -> Result<bool, ImagesError> {
        if self.get(name).is_some() {
            return Ok(true);
        }
        // What no runtime would pull is nowhere; the resolver says so.
        if self.found.contains_key(name) || normalise_image_name(name).is_err() {
            return Ok(false);
        }
        let found = self.local.image(name).map_err(|source| ImagesError::Store { name: name.to_owned(), source })?;
        let is_found = found.is_some();
        self.found.insert(name.to_owned(), found);
        Ok(is_found)
    }

    /// The image of this name, if it was found.
    pub(crate) fn get(&self, name: &str) -> Option<&Image> {
        let wanted = normalise_image_name(name).ok();
        let named = self.given.iter().find(|(known, _)| known.is_some() && *known == wanted);
        named
            .or_else(|| self.given.iter().find(|(known, _)| known.is_none()))
            .map(|(_, image)| image)
            .or_else(|| self.found.get(name)?.as_ref())
    }

    /// Puts what an image says of its user into the facts; it is better known than what anybody wrote down.
    pub(crate) fn add_facts(&mut self, name: &str, facts: &mut Facts) -> Result<bool, ImagesError> {
        self.find(name)?;
        let Some(image) = self.get(name) else { return Ok(false) };
        facts.images.insert(name.to_owned(), image.facts.clone());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_normalised_and_may_be_left_out() {
        let named: Given = "busybox:1=./image.tar".parse().unwrap();
        assert_eq!(named, Given { name: Some("docker.io/library/busybox:1".into()), path: "./image.tar".into() });
        assert_eq!("layout".parse::<Given>().unwrap(), Given { name: None, path: "layout".into() });
        assert!("Bad Name=x".parse::<Given>().is_err());
        assert!("busybox=".parse::<Given>().is_err());
    }
}
