//! What the caller has beside the command line.

use std::io::Read as _;

use ringfence_docker::Files;

/// The machine's files and the caller's environment.
pub(crate) struct CallersFiles;

/// No profile and no file of variables is larger.
const LARGEST: u64 = 16 << 20;

impl Files for CallersFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        // Go's words: in lower case, without the number.
        let words = |error: std::io::Error| {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_lowercase()
        };
        let file = std::fs::File::open(path).map_err(words)?;
        if !file.metadata().map_err(words)?.is_file() {
            return Err("not a regular file".to_owned());
        }
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(words)?;
        if bytes.len() as u64 > LARGEST {
            return Err(format!("larger than {} MiB", LARGEST >> 20));
        }
        Ok(bytes)
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}
