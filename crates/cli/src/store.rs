//! The local store of images, as the command line names it, and the images of pods in it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ringfence_manifest::Workload;
use ringfence_runtime::rootfs::image::{Image, ImageLimits};
use ringfence_runtime::store::{Platform, Resolved, Store, StoreError};

use crate::progress::Progress;

/// Which store, and what is done about images that it does not have.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct StoreArgs {
    /// The local store of images. Without it $RINGFENCE_STORE, /var/lib/ringfence for root, and otherwise
    /// $XDG_DATA_HOME/ringfence.
    #[arg(long, value_name = "DIR", help_heading = "Images")]
    store: Option<PathBuf>,

    /// For which machine an image shall be, when there are several: os/architecture[/variant].
    #[arg(long, value_name = "PLATFORM", help_heading = "Images")]
    platform: Option<Platform>,

    /// The most bytes that an image may come to when it is unpacked, with a suffix such as GiB.
    #[arg(long, value_name = "SIZE", default_value = "32GiB", value_parser = bytes, help_heading = "Images")]
    max_image_size: u64,
}

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreArgsError {
    #[error("there is no place for images: give --store, or set HOME")]
    NoRoot,
    #[error(transparent)]
    Store(#[from] Box<StoreError>),
}

impl StoreArgs {
    /// How far to trust an image.
    pub(crate) fn limits(&self) -> ImageLimits {
        ImageLimits { bytes: self.max_image_size, ..ImageLimits::default() }
    }

    /// Where the store is, whether or not it is there.
    pub(crate) fn root(&self) -> Result<PathBuf, StoreArgsError> {
        self.named().or_else(Store::default_root).ok_or(StoreArgsError::NoRoot)
    }

    /// The store that somebody has named.
    pub(crate) fn named(&self) -> Option<PathBuf> {
        let variable = || std::env::var_os("RINGFENCE_STORE").filter(|value| !value.is_empty()).map(PathBuf::from);
        self.store.clone().or_else(variable)
    }

    /// The store, made when it is not there.
    pub(crate) fn open(&self) -> Result<Store, StoreArgsError> {
        Ok(Store::open(&self.root()?).map_err(Box::new)?)
    }

    /// The machine for which images are chosen.
    pub(crate) fn platform(&self) -> Platform {
        self.platform.clone().unwrap_or_else(Platform::host)
    }
}

/// Unpacks an image, and says so when it takes a while and what cannot be done here.
pub(crate) fn unpacked(store: &Store, resolved: &Resolved, limits: ImageLimits) -> Result<Image, StoreError> {
    let progress = Progress::new("unpacking", resolved.layers.len());
    let image = store.unpack(resolved, limits, &mut |_| progress.step());
    progress.finish();
    let image = image?;
    warn_of_left_out(&resolved.name, &image);
    Ok(image)
}

/// Says what of an image is not there as the image has it.
pub(crate) fn warn_of_left_out(name: &str, image: &Image) {
    let count = |number: u64, what: &str| crate::commands::count(usize::try_from(number).unwrap_or(usize::MAX), what);
    let left_out = image.left_out;
    if left_out.devices > 0 {
        crate::commands::warn(&format!("image {name}: {} left out", count(left_out.devices, "device node")));
    }
    if left_out.attributes > 0 {
        let attributes = count(left_out.attributes, "attribute");
        crate::commands::warn(&format!("image {name}: {attributes} of files left out, such as file capabilities"));
    }
    if left_out.owners > 0 {
        let files = count(left_out.owners, "file");
        let user = &*image.facts.user;
        let user = match user.split(':').next() {
            Some("" | "0" | "root") | None => String::new(),
            Some(_) => format!("; USER {user} may find its own files closed"),
        };
        crate::commands::warn(&format!(
            "image {name}: {files} of other users are root's in the container, because they were unpacked without \
             root{user}"
        ));
    }
}

/// Every image that a workload's containers name.
pub(crate) fn images_of(workload: &Workload) -> BTreeSet<String> {
    let spec = &workload.spec;
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers).map(|c| &c.image);
    let ephemeral = spec.ephemeral_containers.iter().flatten().map(|c| &c.image);
    containers.chain(ephemeral).flatten().filter(|image| !image.is_empty()).cloned().collect()
}

/// A number of bytes with or without a suffix.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let factor: u64 = match suffix.trim() {
        "" | "B" => 1,
        "K" | "KiB" | "Ki" => 1 << 10,
        "M" | "MiB" | "Mi" => 1 << 20,
        "G" | "GiB" | "Gi" => 1 << 30,
        "T" | "TiB" | "Ti" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err("expected a number of bytes, such as 500MiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "expected a number of bytes, such as 500MiB".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "larger than anything".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_suffixes() {
        assert_eq!(bytes("12"), Ok(12));
        assert_eq!(bytes("2KiB"), Ok(2048));
        assert_eq!(bytes("3GB"), Ok(3_000_000_000));
        for text in ["", "GiB", "-1", "1XB", "99999999999TiB"] {
            assert!(bytes(text).is_err(), "{text:?}");
        }
    }
}
