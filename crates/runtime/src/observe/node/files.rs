//! Files below the node's root. A link of the node leads within the node, wherever that is mounted.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};

/// The most that is read of one file; the largest that is asked for is a configuration of some kilobytes.
const MOST: u64 = 1 << 20;

pub(super) struct Files {
    root: OwnedFd,
}

impl Files {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: openat(CWD, root, flags, Mode::empty())? })
    }

    fn resolve(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        // Not waiting for the writer of a fifo, and not following the links of /proc that lead anywhere.
        let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        self.open_at(path, flags)
    }

    fn open_at(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(openat2(self.root.as_fd(), path.trim_start_matches('/'), flags, Mode::empty(), how)?)
    }

    /// The text of a file, bytes that are no UTF-8 replaced.
    pub(super) fn read(&self, path: &str) -> io::Result<String> {
        let file = self.resolve(path, OFlags::empty())?;
        if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("not a regular file"));
        }
        let mut bytes = Vec::new();
        File::from(file).take(MOST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST {
            return Err(io::Error::other("larger than a mebibyte"));
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The text without the white space around it; `None` where there is no such file.
    pub(super) fn line(&self, path: &str) -> Option<String> {
        self.read(path).ok().map(|text| text.trim().to_owned())
    }

    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.line(path)?.parse().ok()
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.open_at(path, OFlags::PATH | OFlags::CLOEXEC).is_ok()
    }

    /// The names in a directory, sorted.
    pub(super) fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let dir = self.resolve(path, OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in Dir::new(dir)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}
