//! The files, directories and standard input that a command is given.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use walkdir::WalkDir;

/// The most bytes that one file may have: a dump of a large cluster fits, a device or a disk image does not.
const SIZE_LIMIT: u64 = 1 << 30;

/// What is read of a directory.
const EXTENSIONS: [&str; 4] = ["yaml", "yml", "json", "jsonl"];

/// What a command reads.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Inputs {
    /// Manifests: files, directories (every .yaml, .yml, .json and .jsonl below them, by path), or - for standard input.
    #[arg(value_name = "FILE|DIR|-")]
    paths: Vec<PathBuf>,
}

/// What standard input had, once somebody has looked ahead: it cannot be read twice.
static HELD: OnceLock<Vec<u8>> = OnceLock::new();

/// One file, or standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Stdin,
    File(PathBuf),
}

/// Why something could not be read. The rest still is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("no manifest given: name a file, a directory, or - for standard input")]
    Nothing,
    #[error("{}: cannot read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}: not a regular file or directory", path.display())]
    Special { path: PathBuf },
    #[error("{}: larger than {} MiB", path.display(), SIZE_LIMIT >> 20)]
    TooLarge { path: PathBuf },
    #[error("{}: no .yaml, .yml, .json or .jsonl file in this directory", path.display())]
    EmptyDirectory { path: PathBuf },
}

impl Inputs {
    /// These paths.
    pub(crate) fn of(paths: Vec<PathBuf>) -> Self {
        Self { paths }
    }

    /// Whether any was named.
    pub(crate) fn are_named(&self) -> bool {
        !self.paths.is_empty()
    }

    /// The files to read, in order: arguments as given, a directory's files sorted by path. Directories and files whose
    /// names begin with a dot are passed over, as version control keeps its own there; symbolic links to directories
    /// are not followed, so that a loop cannot arise.
    pub(crate) fn entries(&self) -> (Vec<Entry>, Vec<InputError>) {
        let mut entries = Vec::new();
        let mut errors = Vec::new();
        if self.paths.is_empty() {
            if io::stdin().is_terminal() {
                errors.push(InputError::Nothing);
            } else {
                entries.push(Entry::Stdin);
            }
        }
        for path in &self.paths {
            if path.as_os_str() == "-" {
                entries.push(Entry::Stdin);
            } else if path.is_dir() {
                walk(path, &mut entries, &mut errors);
            } else {
                entries.push(Entry::File(path.clone()));
            }
        }
        (entries, errors)
    }
}

fn walk(root: &Path, entries: &mut Vec<Entry>, errors: &mut Vec<InputError>) {
    let before = (entries.len(), errors.len());
    let hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().first() == Some(&b'.');
    let walk = WalkDir::new(root).into_iter().filter_entry(|entry| entry.depth() == 0 || !hidden(entry.file_name()));
    let mut files = Vec::new();
    for entry in walk {
        match entry {
            Ok(entry) => {
                let known = entry
                    .path()
                    .extension()
                    .is_some_and(|ext| EXTENSIONS.iter().any(|known| ext.eq_ignore_ascii_case(known)));
                if known && !entry.file_type().is_dir() {
                    files.push(entry.into_path());
                }
            }
            Err(error) => {
                let path = error.path().unwrap_or(root).to_path_buf();
                let looped = || io::Error::other("a symbolic link leads back to a directory above it");
                errors.push(InputError::Unreadable { path, source: error.into_io_error().unwrap_or_else(looped) });
            }
        }
    }
    files.sort();
    entries.extend(files.into_iter().map(Entry::File));
    if before == (entries.len(), errors.len()) {
        errors.push(InputError::EmptyDirectory { path: root.to_path_buf() });
    }
}

impl Entry {
    /// The name that reports show: the path as found, `-` for standard input.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin => "-".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// The bytes, which will have to be read once more: standard input is kept for that.
    pub(crate) fn peek(&self) -> Result<Vec<u8>, InputError> {
        let bytes = self.read()?;
        if *self == Self::Stdin {
            return Ok(HELD.get_or_init(|| bytes).clone());
        }
        Ok(bytes)
    }

    /// The bytes.
    pub(crate) fn read(&self) -> Result<Vec<u8>, InputError> {
        match self {
            Self::Stdin if HELD.get().is_some() => Ok(HELD.get().cloned().unwrap_or_default()),
            Self::Stdin => take(io::stdin().lock(), Path::new("standard input")),
            Self::File(path) => {
                let unreadable = |source| InputError::Unreadable { path: path.clone(), source };
                // Asked before opening: opening a fifo would wait for a writer.
                if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
                    return Err(InputError::Special { path: path.clone() });
                }
                take(File::open(path).map_err(unreadable)?, path)
            }
        }
    }
}

fn take(reader: impl io::Read, path: &Path) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::new();
    let read = reader.take(SIZE_LIMIT + 1).read_to_end(&mut bytes);
    read.map_err(|source| InputError::Unreadable { path: path.to_path_buf(), source })?;
    if bytes.len() as u64 > SIZE_LIMIT {
        return Err(InputError::TooLarge { path: path.to_path_buf() });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(paths: &[&Path]) -> Inputs {
        Inputs { paths: paths.iter().map(|path| path.to_path_buf()).collect() }
    }

    #[test]
    fn a_directory_gives_its_manifests_sorted_by_path_without_hidden_ones() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("b/.git")).unwrap();
        for name in ["b/2.yaml", "b/1.YML", "a.json", "notes.txt", ".hidden.yaml", "b/.git/x.yaml"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let (entries, errors) = inputs(&[dir.path()]).entries();
        let expected: Vec<_> = ["a.json", "b/1.YML", "b/2.yaml"].map(|name| Entry::File(dir.path().join(name))).into();
        assert_eq!(entries, expected);
        assert!(errors.is_empty(), "{errors:?}");
    }

    #[test]
    fn a_directory_without_manifests_is_an_error_not_a_clean_result() {
        let dir = tempfile::tempdir().unwrap();
        let (entries, errors) = inputs(&[dir.path()]).entries();
        assert!(entries.is_empty());
        assert!(matches!(errors[..], [InputError::EmptyDirectory { .. }]));
    }

    #[test]
    fn a_fifo_is_refused_and_not_waited_for() {
        assert!(matches!(Entry::File("/dev/null".into()).read(), Err(InputError::Special { .. })));
    }
}
