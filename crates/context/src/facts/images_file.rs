//! The file format of `--images`: what is known of images.
//!
//! ```yaml
//! layers:                      # anything; a place for anchors
//!   alpine: &alpine
//!     passwd: |
//!       root:x:0:0:root:/root:/bin/sh
//!     group: |
//!       root:x:0:root
//! images:
//! - {name: example.com/app:1, user: "1000", <<: *alpine}
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::image_name::{ImageNameError, normalise_image_name};
use super::{Facts, ImageFacts};

/// An images file. An unknown key is an error, because a misspelt one would change who a process is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImagesFile {
    /// What is known, image by image.
    pub images: Vec<ImageFacts>,
    /// A place for anchors; nothing reads it.
    #[serde(default, rename = "layers")]
    _layers: Option<IgnoredAny>,
}

/// Why an images file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImagesError {
    /// An image has no name, or one that no runtime would pull.
    #[error("images[{index}]")]
    Name {
        /// Its place in the list.
        index: usize,
        /// What is wrong.
        #[source]
        source: ImageNameError,
    },
    /// Two entries are about the same image.
    #[error("images[{index}]: {name:?} is described already")]
    Duplicate {
        /// The place of the later one.
        index: usize,
        /// The normalised name.
        name: String,
    },
}

impl Facts {
    /// Adds what an images file says, under normalised names. Nothing is added when it returns an error.
    pub fn add_images(&mut self, file: ImagesFile) -> Result<(), ImagesError> {
        let mut images = BTreeMap::new();
        for (index, image) in file.images.into_iter().enumerate() {
            let name = normalise_image_name(&image.name).map_err(|source| ImagesError::Name { index, source })?;
            if self.images.contains_key(&name) || images.contains_key(&name) {
                return Err(ImagesError::Duplicate { index, name });
            }
            images.insert(name, image);
        }
        self.images.append(&mut images);
        Ok(())
    }

    /// What is known of an image, by any of its names.
    pub fn image(&self, name: &str) -> Option<&ImageFacts> {
        if self.images.is_empty() {
            return None;
        }
        self.images.get(name).or_else(|| self.images.get(&normalise_image_name(name).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(json: &str) -> ImagesFile {
        serde_json::from_str(json).expect("an images file")
    }

    #[test]
    fn an_image_is_found_by_each_of_its_names() {
        let mut facts = Facts::default();
        facts.add_images(file(r#"{"layers": {"any": 1}, "images": [{"name": "busybox", "user": "7"}]}"#)).unwrap();
        for name in ["busybox", "busybox:latest", "docker.io/library/busybox:latest", "index.docker.io/busybox"] {
            assert_eq!(facts.image(name).map(|image| image.user.as_str()), Some("7"), "{name}");
        }
        assert_eq!(facts.image("busybox:1"), None);
        assert_eq!(facts.image("not a name"), None);
    }

    #[test]
    fn a_misspelt_key_is_an_error_that_lists_the_right_ones() {
        let error = serde_json::from_str::<ImagesFile>(r#"{"images": [{"name": "a", "usr": "7"}]}"#).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("unknown field `usr`, expected one of `name`"), "{message}");
        assert!(message.contains("`user`"), "{message}");
    }

    #[test]
    fn an_image_described_twice_is_an_error_and_adds_nothing() {
        let mut facts = Facts::default();
        let error = facts.add_images(file(r#"{"images": [{"name": "a"}, {"name": "docker.io/a:latest"}]}"#));
        assert_eq!(error, Err(ImagesError::Duplicate { index: 1, name: "docker.io/library/a:latest".to_owned() }));
        assert!(facts.images.is_empty());
    }

    #[test]
    fn an_image_without_a_name_is_an_error() {
        let error = Facts::default().add_images(file(r#"{"images": [{"user": "1"}]}"#));
        assert!(matches!(error, Err(ImagesError::Name { index: 0, .. })), "{error:?}");
    }
}
