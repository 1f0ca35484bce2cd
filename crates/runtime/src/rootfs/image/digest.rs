//! `sha256:…` digests of what is read.

use std::fmt::Write as _;
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::ImageError;

/// Passes on what it reads and hashes it.
pub(crate) struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Hashing<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hash: Sha256::new() }
    }

    /// The digest of what was read.
    pub(crate) fn digest(self) -> String {
        text(&self.hash.finalize())
    }

    /// Reads what is left, at most `limit` bytes of it, and holds the digest of all against `wanted`.
    pub(crate) fn verify(mut self, what: &str, wanted: &str, limit: u64) -> Result<(), ImageError> {
        let left = io::copy(&mut (&mut self).take(limit.saturating_add(1)), &mut io::sink())
            .map_err(ImageError::read(format!("read {what}")))?;
        if left > limit {
            return Err(ImageError::TooLarge { limit, what: "bytes" });
        }
        let found = text(&self.hash.finalize());
        if found == wanted {
            Ok(())
        } else {
            Err(ImageError::Digest { what: what.to_owned(), wanted: wanted.to_owned(), found })
        }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

/// The digest of bytes at hand.
pub(crate) fn of(bytes: &[u8]) -> String {
    text(&Sha256::digest(bytes))
}

pub(crate) fn text(hash: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in hash {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The path of a blob in a layout: `blobs/sha256/…`. Only sha256 is in use, and only 64 hexadecimal digits are a path
/// without surprises.
pub(crate) fn blob_path(digest: &str) -> Result<String, ImageError> {
    match digest.strip_prefix("sha256:") {
        Some(hex) if hex.len() == 64 && hex.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) => {
            Ok(format!("blobs/sha256/{hex}"))
        }
        _ => Err(ImageError::malformed("a digest", format!("{digest:?} is not sha256: and 64 hexadecimal digits"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_noticed() {
        let digest = of(b"abc");
        assert_eq!(digest, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(Hashing::new(&b"abc"[..]).verify("x", &digest, 10).is_ok());
        assert!(matches!(Hashing::new(&b"abd"[..]).verify("x", &digest, 10), Err(ImageError::Digest { .. })));
        assert!(matches!(Hashing::new(&b"abc"[..]).verify("x", &digest, 2), Err(ImageError::TooLarge { .. })));
    }

    #[test]
    fn a_digest_is_no_way_out_of_the_layout() {
        assert!(blob_path("sha256:../../etc/passwd").is_err());
        assert!(blob_path("md5:00").is_err());
        assert!(blob_path(&of(b"")).is_ok());
    }
}
