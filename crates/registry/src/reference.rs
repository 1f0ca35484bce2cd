//! The parts of an image's name.

use ringfence_context::facts::{ImageNameError, normalise_image_name};

/// Where an image is and which it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// In full.
    pub(crate) name: String,
    /// `docker.io`, `registry.example.com:5000`.
    pub(crate) registry: String,
    /// `library/busybox`.
    pub(crate) repository: String,
    /// A tag or a digest.
    pub(crate) version: String,
}

impl Reference {
    pub(crate) fn parse(text: &str) -> Result<Self, ImageNameError> {
        let name = normalise_image_name(text)?;
        // A name in full has a registry, a path and a version.
        let (registry, rest) = name.split_once('/').unwrap_or(("", &name));
        let (repository, version) = rest.split_once('@').or_else(|| rest.rsplit_once(':')).unwrap_or((rest, "latest"));
        let (registry, repository, version) = (registry.to_owned(), repository.to_owned(), version.to_owned());
        Ok(Self { name, registry, repository, version })
    }

    /// The digest, when the name has one.
    pub(crate) fn digest(&self) -> Option<&str> {
        self.version.contains(':').then_some(&*self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_three_parts() {
        let parts = |text: &str| {
            let reference = Reference::parse(text).unwrap();
            (reference.registry, reference.repository, reference.version)
        };
        let own = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(parts("busybox"), own("docker.io", "library/busybox", "latest"));
        assert_eq!(parts("localhost:5000/a/b:1"), own("localhost:5000", "a/b", "1"));
        let digest = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(parts(&format!("[::1]:5000/a:1@{digest}")), own("[::1]:5000", "a", &digest));
    }
}
