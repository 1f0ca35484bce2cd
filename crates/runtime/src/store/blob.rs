//! Blobs: written under their digest when they have it, and held against it when they are read.

use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::{Descriptor, MAX_DOCUMENT, Store, StoreError, io_error, lock_file, random_name};
use crate::rootfs::image::digest;

/// Who fetches a blob.
#[derive(Debug)]
pub enum Claim {
    /// Nobody has to: it is here.
    Present,
    /// Another process, or another task of this one, does.
    Busy,
    /// The caller does.
    Yours(Box<Ingest>),
}

/// A blob on its way into the store. What came before an interruption is kept for the next try.
#[derive(Debug)]
pub struct Ingest {
    _lock: File,
    file: File,
    path: PathBuf,
    target: PathBuf,
    digest: String,
    size: u64,
    have: u64,
    hash: Sha256,
}

impl Store {
    /// Where a blob is or would be.
    pub(super) fn blob_path(&self, digest: &str) -> Result<PathBuf, StoreError> {
        Ok(self.root.join(digest::blob_path(digest)?))
    }

    /// Whether the blob is here, by its name alone.
    pub fn has(&self, digest: &str) -> bool {
        self.blob_path(digest).is_ok_and(|path| path.is_file())
    }

    /// A document, verified.
    pub fn document(&self, digest: &str) -> Result<Vec<u8>, StoreError> {
        let path = self.blob_path(digest)?;
        let file = match File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing(digest.to_owned()));
            }
            other => other.map_err(io_error("open", &path))?,
        };
        let mut bytes = Vec::new();
        file.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(io_error("read", &path))?;
        let found = digest::of(&bytes);
        if found != digest {
            return Err(StoreError::Digest { what: path.display().to_string(), wanted: digest.to_owned(), found });
        }
        Ok(bytes)
    }

    /// Adds a document and returns its digest.
    pub fn add_document(&self, bytes: &[u8]) -> Result<String, StoreError> {
        let digest = digest::of(bytes);
        let path = self.blob_path(&digest)?;
        // A damaged one is written again.
        if !matches!(self.document(&digest), Ok(known) if known == bytes) {
            self.replace(&path, bytes)?;
        }
        Ok(digest)
    }

    /// Adds what `source` has, up to `limit` bytes of it. With `wanted`, only if it has this digest.
    pub(super) fn add(
        &self,
        source: &mut dyn Read,
        what: &str,
        wanted: Option<&str>,
        limit: u64,
    ) -> Result<Descriptor, StoreError> {
        let new = self.root.join("ingest").join(format!(".{}", random_name()?));
        let mut add = || -> Result<Descriptor, StoreError> {
            let file = File::options().write(true).create_new(true).mode(0o600).open(&new);
            let mut file = file.map_err(io_error("make", &new))?;
            let mut hashing = digest::Hashing::new(source.take(limit.saturating_add(1)));
            let size = io::copy(&mut hashing, &mut file).map_err(io_error("write", &new))?;
            if size > limit {
                return Err(crate::rootfs::image::ImageError::TooLarge { limit, what: "bytes" }.into());
            }
            let found = hashing.digest();
            if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
                return Err(StoreError::Digest { what: what.to_owned(), wanted: wanted.to_owned(), found });
            }
            file.sync_data().map_err(io_error("write", &new))?;
            let path = self.blob_path(&found)?;
            fs::rename(&new, &path).map_err(io_error("make", &path))?;
            Ok(Descriptor { digest: found, size, ..Descriptor::default() })
        };
        add().inspect_err(|_| {
            // It may never have been made.
            let _ = fs::remove_file(&new);
        })
    }

    /// Says who fetches the blob. The store's [guard](Store::guard) must be held meanwhile.
    pub fn claim(&self, digest: &str, size: u64) -> Result<Claim, StoreError> {
        let target = self.blob_path(digest)?;
        let is_here = || fs::metadata(&target).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size);
        if is_here() {
            return Ok(Claim::Present);
        }
        let name = target.file_name().unwrap_or_default();
        let lock_path = self.root.join("locks").join(name);
        let lock = lock_file(&lock_path)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(Claim::Busy),
            Err(errno) => return Err(io_error("lock", &lock_path)(errno.into())),
        }
        if is_here() {
            return Ok(Claim::Present);
        }
        let path = self.root.join("ingest").join(name);
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(io_error("open", &path))?;
        let digest = digest.to_owned();
        let mut ingest = Ingest { _lock: lock, file, path, target, digest, size, have: 0, hash: Sha256::new() };
        ingest.take_up()?;
        Ok(Claim::Yours(Box::new(ingest)))
    }

    /// Takes a blob away that is not what its name says, so that it is fetched again.
    pub(super) fn forget_damaged(&self, digest: &str) {
        if let Ok(path) = self.blob_path(digest) {
            // Whoever reads it next notices, too.
            let _ = fs::remove_file(path);
        }
    }
}

impl Ingest {
    /// Hashes what an earlier try has left.
    fn take_up(&mut self) -> Result<(), StoreError> {
        let length = self.file.metadata().map_err(io_error("look at", &self.path))?.len();
        if length > self.size {
            return self.restart();
        }
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = self.file.read(&mut buffer).map_err(io_error("read", &self.path))?;
            if read == 0 {
                return Ok(());
            }
            self.hash.update(buffer.get(..read).unwrap_or_default());
            self.have += read as u64;
        }
    }

    /// Bytes that are here already.
    pub fn have(&self) -> u64 {
        self.have
    }

    /// Bytes that there will be.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The blob.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Begins anew.
    pub fn restart(&mut self) -> Result<(), StoreError> {
        let restart = || {
            self.file.set_len(0)?;
            (&self.file).seek(SeekFrom::Start(0))
        };
        restart().map_err(io_error("empty", &self.path))?;
        self.have = 0;
        self.hash = Sha256::new();
        Ok(())
    }

    /// Adds bytes. More than the blob's size is an error.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let found = self.have + bytes.len() as u64;
        if found > self.size {
            self.restart()?;
            return Err(StoreError::Size { digest: self.digest.clone(), wanted: self.size, found });
        }
        if let Err(error) = self.file.write_all(bytes) {
            // A part of them may be written. Without room, what is there is in the way, too.
            let _ = self.restart();
            return Err(io_error("write", &self.path)(error));
        }
        self.hash.update(bytes);
        self.have = found;
        Ok(())
    }

    /// Verifies the blob and gives it its name.
    pub fn commit(mut self) -> Result<(), StoreError> {
        if self.have != self.size {
            return Err(StoreError::Size { digest: self.digest, wanted: self.size, found: self.have });
        }
        let found = digest::text(&self.hash.clone().finalize());
        if found != self.digest {
            self.restart()?;
            let what = "what the registry sent".to_owned();
            return Err(StoreError::Digest { what, wanted: self.digest, found });
        }
        self.file.sync_data().map_err(io_error("write", &self.path))?;
        fs::rename(&self.path, &self.target).map_err(io_error("make", &self.target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        (dir, store)
    }

    fn claim(store: &Store, digest: &str, size: u64) -> Ingest {
        match store.claim(digest, size).unwrap() {
            Claim::Yours(ingest) => *ingest,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_blob_is_taken_up_where_it_was_left() {
        let (_dir, store) = store();
        let digest = digest::of(b"abcdef");
        let mut first = claim(&store, &digest, 6);
        first.write(b"abc").unwrap();
        assert!(matches!(store.claim(&digest, 6).unwrap(), Claim::Busy));
        drop(first);
        let mut second = claim(&store, &digest, 6);
        assert_eq!(second.have(), 3);
        second.write(b"def").unwrap();
        second.commit().unwrap();
        assert!(matches!(store.claim(&digest, 6).unwrap(), Claim::Present));
        assert_eq!(store.document(&digest).unwrap(), b"abcdef");
    }

    #[test]
    fn what_has_another_digest_or_size_never_gets_the_name() {
        let (_dir, store) = store();
        let digest = digest::of(b"abcdef");
        let mut wrong = claim(&store, &digest, 6);
        wrong.write(b"abcdeX").unwrap();
        assert!(matches!(wrong.commit(), Err(StoreError::Digest { .. })));
        let mut long = claim(&store, &digest, 6);
        assert_eq!(long.have(), 0);
        assert!(matches!(long.write(b"abcdefg"), Err(StoreError::Size { .. })));
        long.write(b"abc").unwrap();
        assert!(matches!(long.commit(), Err(StoreError::Size { .. })));
        assert!(!store.has(&digest));
    }

    #[test]
    fn a_damaged_document_is_noticed() {
        let (_dir, store) = store();
        let digest = store.add_document(b"{}").unwrap();
        fs::write(store.blob_path(&digest).unwrap(), b"[]").unwrap();
        assert!(matches!(store.document(&digest), Err(StoreError::Digest { .. })));
        store.add_document(b"{}").unwrap();
        assert_eq!(store.document(&digest).unwrap(), b"{}");
    }
}
