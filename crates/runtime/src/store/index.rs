//! Names, and which document each stands for: `index.json` of the layout.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::{Descriptor, OCI_INDEX, Store, StoreError, io_error, lock_file};

/// Where a descriptor has its name (image-spec, `annotations.md`).
const NAME: &str = "org.opencontainers.image.ref.name";

/// A name and the document that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// In full, such as `docker.io/library/busybox:latest`.
    pub name: String,
    /// The manifest or index.
    pub descriptor: Descriptor,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    manifests: Vec<Descriptor>,
}

impl Store {
    /// Every name, sorted.
    pub fn names(&self) -> Result<Vec<Named>, StoreError> {
        Ok(self.read_index()?.into_iter().map(|(name, descriptor)| Named { name, descriptor }).collect())
    }

    /// Gives the document a name, which stood for another one before or for none.
    pub fn tag(&self, name: &str, descriptor: Descriptor) -> Result<(), StoreError> {
        self.change(|names| {
            names.insert(name.to_owned(), descriptor);
        })
    }

    /// Takes a name away. Returns whether it was there.
    pub(super) fn untag(&self, name: &str) -> Result<bool, StoreError> {
        let mut was_there = false;
        self.change(|names| was_there = names.remove(name).is_some())?;
        Ok(was_there)
    }

    fn read_index(&self) -> Result<BTreeMap<String, Descriptor>, StoreError> {
        let path = self.root.join("index.json");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            other => other.map_err(io_error("read", &path))?,
        };
        let index: Index = serde_json::from_slice(&bytes).map_err(|source| StoreError::Index { path, source })?;
        let named = index.manifests.into_iter().filter_map(|mut descriptor| {
            let name = descriptor.annotations.remove(NAME)?;
            Some((name, descriptor))
        });
        Ok(named.collect())
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Descriptor>)) -> Result<(), StoreError> {
        let path = self.root.join("locks/index");
        let lock = lock_file(&path)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|errno| io_error("lock", &path)(errno.into()))?;
        let mut names = self.read_index()?;
        change(&mut names);
        let manifests = names.into_iter().map(|(name, mut descriptor)| {
            descriptor.annotations.insert(NAME.to_owned(), name);
            descriptor
        });
        let index = Index { schema_version: 2, media_type: OCI_INDEX.to_owned(), manifests: manifests.collect() };
        let path = self.root.join("index.json");
        let bytes = serde_json::to_vec(&index).map_err(|source| StoreError::Index { path: path.clone(), source })?;
        self.replace(&path, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_given_at_once_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        Store::open(dir.path()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let root = dir.path();
                scope.spawn(move || {
                    let store = Store::open(root).unwrap();
                    for n in 0..8 {
                        store.tag(&format!("{thread}-{n}"), Descriptor::default()).unwrap();
                    }
                });
            }
        });
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.names().unwrap().len(), 64);
        assert!(store.untag("0-0").unwrap());
        assert!(!store.untag("0-0").unwrap());
        assert_eq!(store.names().unwrap().len(), 63);
    }
}
