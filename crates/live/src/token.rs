//! A token in a file, which somebody exchanges before it ends: that of a pod, or that of a kubeconfig's `tokenFile`.
//!
//! The client of kube reads such a file again by the system's clock, so that one that is set back by a year has it show
//! the same token for a year. Here, as in client-go's `transport/token_source.go`, space around the token does not count,
//! and a file that is gone or empty leaves the token as it was.

use http::{HeaderValue, Request, header::AUTHORIZATION};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a token is shown before the file is read again.
const FRESH: Duration = Duration::from_secs(10);
/// No token is longer.
const LONGEST: u64 = 1 << 20;

/// The token of a file. It does not show itself to who prints this.
#[derive(Clone)]
pub(crate) struct TokenFile {
    path: PathBuf,
    /// As a header has it, and when it was read.
    known: Arc<Mutex<(HeaderValue, Instant)>>,
}

impl TokenFile {
    /// Reads it for the first time.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let known = Arc::new(Mutex::new((read(path)?, Instant::now())));
        Ok(Self { path: path.to_owned(), known })
    }

    /// Has a request say who asks.
    pub(crate) fn sign<B>(&self, mut request: Request<B>) -> Request<B> {
        request.headers_mut().insert(AUTHORIZATION, self.header(Instant::now()));
        request
    }

    fn header(&self, now: Instant) -> HeaderValue {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(known.1) >= FRESH {
            let header = read(&self.path).unwrap_or_else(|_| known.0.clone());
            *known = (header, now);
        }
        known.0.clone()
    }
}

fn read(path: &Path) -> io::Result<HeaderValue> {
    let mut text = String::new();
    File::open(path)?.take(LONGEST).read_to_string(&mut text)?;
    let token = text.trim();
    if token.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "there is no token in it"));
    }
    let mut header = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it holds what no token does"))?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_again_and_kept_while_there_is_none() {
        let at = tempfile::tempdir().unwrap();
        let path = at.path().join("token");
        assert_eq!(TokenFile::new(&path).err().unwrap().kind(), io::ErrorKind::NotFound);
        std::fs::write(&path, " \n").unwrap();
        assert_eq!(TokenFile::new(&path).err().unwrap().kind(), io::ErrorKind::InvalidData);
        std::fs::write(&path, "one\n").unwrap();
        let (token, began) = (TokenFile::new(&path).unwrap(), Instant::now());
        let at_second = |second| {
            let header = token.header(began + Duration::from_secs(second));
            assert!(header.is_sensitive());
            header.to_str().unwrap().to_owned()
        };
        std::fs::write(&path, "two").unwrap();
        assert_eq!(at_second(5), "Bearer one");
        assert_eq!(at_second(20), "Bearer two");
        // Half written, and gone.
        std::fs::write(&path, "").unwrap();
        assert_eq!(at_second(40), "Bearer two");
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert_eq!(at_second(60), "Bearer two");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(at_second(80), "Bearer two");
        std::fs::write(&path, "three\n").unwrap();
        assert_eq!(at_second(100), "Bearer three");
    }
}
