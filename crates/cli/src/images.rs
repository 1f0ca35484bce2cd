//! Images that are given on the command line, as a layout directory or an archive.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use ringfence_context::facts::{Facts, normalise_image_name};
use ringfence_runtime::rootfs::image::{Image, ImageError, ImageLimits, unpack};
use ringfence_runtime::state::{StateDir, StateError};

/// `[NAME=]PATH`: where an image lies, and which it is; without a name it is every image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    name: Option<String>,
    path: PathBuf,
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
}

/// The images, unpacked.
#[derive(Debug, Default)]
pub(crate) struct Images {
    images: Vec<(Option<String>, Image)>,
    /// Holds what they were unpacked into.
    _state: Option<StateDir>,
}

impl Images {
    /// Unpacks every image.
    pub(crate) fn unpack(given: &[Given], binary: &Path) -> Result<Self, ImagesError> {
        if given.is_empty() {
            return Ok(Self::default());
        }
        let state = StateDir::create(binary)?;
        let mut images = Vec::new();
        for (i, Given { name, path }) in given.iter().enumerate() {
            // An archive of one image is that image, whatever it calls itself.
            let unpacked = unpack(&state, &format!("image-{i}"), path, None, ImageLimits::default())
                .map_err(|source| ImagesError::Image { path: path.clone(), source })?;
            if unpacked.left_out.devices > 0 {
                let count = crate::commands::count(unpacked.left_out.devices as usize, "device node");
                crate::commands::warn(&format!("image {}: {count} left out", path.display()));
            }
            images.push((name.clone(), unpacked));
        }
        Ok(Self { images, _state: Some(state) })
    }

    /// The image of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Image> {
        let wanted = normalise_image_name(name).ok();
        let named = self.images.iter().find(|(known, _)| known.is_some() && *known == wanted);
        named.or_else(|| self.images.iter().find(|(known, _)| known.is_none())).map(|(_, image)| image)
    }

    /// Puts what an image says of its user into the facts; it is better known than what anybody wrote down.
    pub(crate) fn add_facts(&self, name: &str, facts: &mut Facts) -> bool {
        let Some(image) = self.get(name) else { return false };
        facts.images.insert(name.to_owned(), image.facts.clone());
        true
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
