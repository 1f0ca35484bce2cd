//! Where the files of an image are: in a directory, or in a tar archive at a place that its index tells.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::archive::Archive;
use super::entry::Kind;
use super::{ImageError, ImageLimits, decompress};
use crate::state::StateDir;

/// A document of an image is not larger than this (the distribution specification asks registries for 4 MiB).
const MAX_DOCUMENT: u64 = 4 << 20;

/// An archive has a few files for each layer.
const MAX_FILES: u64 = 100_000;

/// Links in an archive that lead to links are followed this far.
const MAX_LINKS: usize = 8;

/// The files of an image.
pub(crate) enum Source {
    Directory { path: PathBuf, fd: File },
    Archive { path: PathBuf, files: HashMap<PathBuf, Place> },
}

/// Where a file of an archive is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    At {
        offset: u64,
        size: u64,
    },
    /// Old archives of docker link to layers that occur twice.
    Link(PathBuf),
}

impl Source {
    pub(crate) fn open(path: &Path, state: &StateDir, key: &str, limits: ImageLimits) -> Result<Self, ImageError> {
        let read = || ImageError::read(format!("open {}", path.display()));
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(read())?;
        let metadata = file.metadata().map_err(read())?;
        if metadata.is_dir() {
            return Ok(Self::Directory { path: path.to_path_buf(), fd: file });
        }
        if !metadata.is_file() {
            return Err(ImageError::NotAnImage {
                path: path.to_path_buf(),
                why: "it is neither a file nor a directory".to_owned(),
            });
        }
        let plain = plain(file, path, state, key, limits)?;
        let files = index(&plain, path)?;
        Ok(Self::Archive { path: plain, files })
    }

    /// The files of a layout directory.
    pub(crate) fn layout(path: &Path) -> Result<Self, ImageError> {
        let read = ImageError::read(format!("open {}", path.display()));
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let fd = File::options().read(true).custom_flags(flags).open(path).map_err(read)?;
        Ok(Self::Directory { path: path.to_path_buf(), fd })
    }

    /// The path by which people know the image.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Directory { path, .. } | Self::Archive { path, .. } => path,
        }
    }

    /// Whether the image has the file.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.file(name).is_ok()
    }

    /// A file of the image.
    pub(crate) fn file(&self, name: &str) -> Result<Box<dyn Read>, ImageError> {
        let missing = || ImageError::Missing(name.to_owned());
        match self {
            Self::Directory { fd, .. } => {
                let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
                match rustix::fs::openat2(fd, name, flags, Mode::empty(), resolve) {
                    Ok(file) => Ok(Box::new(File::from(file))),
                    Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Err(missing()),
                    Err(errno) => Err(ImageError::read(format!("open {name} of the image"))(errno.into())),
                }
            }
            Self::Archive { path, files } => {
                let mut name = clean(Path::new(name));
                for _ in 0..MAX_LINKS {
                    match files.get(&name).ok_or_else(missing)? {
                        Place::At { offset, size } => {
                            let read = || ImageError::read(format!("read {}", path.display()));
                            let mut file = File::open(path).map_err(read())?;
                            file.seek(SeekFrom::Start(*offset)).map_err(read())?;
                            return Ok(Box::new(file.take(*size)));
                        }
                        Place::Link(target) => {
                            name = clean(&name.parent().unwrap_or(Path::new("")).join(target));
                        }
                    }
                }
                Err(missing())
            }
        }
    }

    /// A whole document of the image.
    pub(crate) fn document(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Vec::new();
        self.file(name)?
            .take(MAX_DOCUMENT + 1)
            .read_to_end(&mut bytes)
            .map_err(ImageError::read(format!("read {name} of the image")))?;
        if bytes.len() as u64 > MAX_DOCUMENT {
            return Err(ImageError::malformed(name, format!("it is larger than {MAX_DOCUMENT} bytes")));
        }
        Ok(bytes)
    }
}

/// The archive uncompressed, so that its files can be read in any order: the file itself, or a copy in the state
/// directory.
fn plain(mut file: File, path: &Path, state: &StateDir, key: &str, limits: ImageLimits) -> Result<PathBuf, ImageError> {
    let read = || ImageError::read(format!("read {}", path.display()));
    let mut start = [0; 4];
    let compressed =
        file.read_exact(&mut start).is_ok() && (start.starts_with(&[0x1f, 0x8b]) || start == [0x28, 0xb5, 0x2f, 0xfd]);
    if !compressed {
        return std::path::absolute(path).map_err(read());
    }
    file.rewind().map_err(read())?;
    let dir = state.dir(&format!("archives/{key}"), 0o700)?;
    let copy = dir.join("archive.tar");
    let mut out = File::create_new(&copy).map_err(read())?;
    let mut plain = decompress::decompress(file).map_err(read())?.take(limits.bytes.saturating_add(1));
    let copied = io::copy(&mut plain, &mut out).map_err(read())?;
    out.flush().map_err(read())?;
    if copied > limits.bytes {
        return Err(ImageError::TooLarge { limit: limits.bytes, what: "bytes" });
    }
    Ok(copy)
}

/// The places of the archive's files.
fn index(plain: &Path, path: &Path) -> Result<HashMap<PathBuf, Place>, ImageError> {
    let not_an_image = |why: String| ImageError::NotAnImage { path: path.to_path_buf(), why };
    let file = File::open(plain).map_err(ImageError::read(format!("open {}", plain.display())))?;
    let mut archive = Archive::of_file(file);
    let mut files = HashMap::new();
    while let Some(entry) = archive.next().map_err(|error| not_an_image(error.to_string()))? {
        if files.len() as u64 >= MAX_FILES {
            return Err(ImageError::TooLarge { limit: MAX_FILES, what: "files in its archive" });
        }
        let name = clean(&entry.path);
        match (entry.kind, entry.link) {
            (Kind::File, _) if entry.sparse.is_some() => {
                return Err(not_an_image(format!("{} lies in it with holes", name.display())));
            }
            (Kind::File, _) => {
                files.insert(name, Place::At { offset: archive.position(), size: archive.left() });
            }
            (Kind::Symlink, Some(target)) => {
                files.insert(name, Place::Link(target));
            }
            // A hard link's target is a path from the archive's root.
            (Kind::HardLink, Some(target)) => {
                files.insert(name, Place::Link(Path::new("/").join(target)));
            }
            _ => {}
        }
    }
    Ok(files)
}

/// A relative path without `.`, `..` and slashes to spare. An absolute path counts from the archive's root.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => clean.push(part),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir => clean = PathBuf::new(),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}
