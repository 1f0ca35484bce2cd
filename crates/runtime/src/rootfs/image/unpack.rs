//! Unpacking layers one over the other (image-spec, `layer.md`).

use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use tar::EntryType;

use super::digest::Hashing;
use super::entry::{Pending, Wanted};
use super::manifest::Part;
use super::place::{Place, Root, chmod, clean};
use super::source::Source;
use super::{ImageError, ImageLimits, LeftOut, decompress};

/// Before the name of what a layer removes.
const WHITEOUT: &str = ".wh.";
/// In a directory whose entries of the layers below are all removed.
const OPAQUE: &str = ".wh..wh..opq";

/// Nothing of PATH_MAX (4096) or more can be made.
const MAX_PATH: usize = 4095;

pub(crate) struct Unpacking {
    root: Root,
    limits: ImageLimits,
    bytes: u64,
    entries: u64,
    left_out: LeftOut,
    /// Modes of directories that keep even their owner from writing, given to them at the end.
    directories: Vec<(PathBuf, Mode)>,
}

/// The layer that is being unpacked.
struct Layer {
    number: usize,
    /// What it has brought, which its own opaque directories do not remove; as hashes, so that a layer of long names
    /// does not fill the memory.
    brought: HashSet<u64>,
    hash: RandomState,
}

impl Layer {
    fn new(number: usize) -> Self {
        Self { number, brought: HashSet::new(), hash: RandomState::new() }
    }

    /// Notes the path and the directories above it, which the layer has brought with it.
    fn bring(&mut self, path: &Path) {
        for path in path.ancestors() {
            if !self.brought.insert(self.hash.hash_one(path)) {
                break;
            }
        }
    }

    fn has_brought(&self, path: &Path) -> bool {
        self.brought.contains(&self.hash.hash_one(path))
    }

    fn error(&self, action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ImageError {
        let (layer, path) = (self.number, path.to_path_buf());
        move |source| ImageError::Unpack { layer, action, path, source }
    }

    fn hostile(&self, path: &Path, why: &str) -> ImageError {
        ImageError::Hostile { layer: self.number, path: path.to_path_buf(), why: why.to_owned() }
    }
}

impl Unpacking {
    /// Unpacks into `root`, which lies over the layers unpacked in the directories `below`, the uppermost first. Without
    /// any, all layers may be unpacked into `root` itself, one over the other.
    pub(crate) fn new(root: &Path, below: &[PathBuf], limits: ImageLimits) -> Result<Self, ImageError> {
        let root = Root::open(root, below).map_err(ImageError::read("open the new root"))?;
        let left_out = LeftOut::default();
        Ok(Self { root, limits, bytes: 0, entries: 0, left_out, directories: Vec::new() })
    }

    /// Unpacks a layer over those before, and verifies its digests.
    pub(crate) fn layer(
        &mut self,
        number: usize,
        source: &Source,
        part: &Part,
        diff_id: &str,
    ) -> Result<(), ImageError> {
        let what = format!("layer {number}");
        let mut compressed = Hashing::new(source.file(&part.file)?);
        let read = || ImageError::read(format!("read {what}"));
        let plain = decompress::decompress(&mut compressed).map_err(read())?;
        let left = self.limits.bytes.saturating_sub(self.bytes);
        let mut plain = Hashing::new(plain);
        {
            let mut archive = tar::Archive::new((&mut plain).take(left.saturating_add(1)));
            let mut layer = Layer::new(number);
            let mut pending = Pending::default();
            for entry in archive.entries().map_err(read())?.raw(true) {
                let mut entry = entry.map_err(read())?;
                self.entries += 1;
                if self.entries > self.limits.entries {
                    return Err(ImageError::TooLarge { limit: self.limits.entries, what: "entries" });
                }
                if pending.take_in(&mut entry).map_err(read())?.is_some() {
                    continue;
                }
                let wanted = std::mem::take(&mut pending).resolve(&entry).map_err(read())?;
                self.entry(&mut layer, &wanted, &mut entry)?;
            }
        }
        // Padding after the last entry belongs to the digests too.
        plain.verify(&what, diff_id, left)?;
        match &part.digest {
            Some(wanted) => compressed.verify(&part.file, wanted, left),
            None => Ok(()),
        }
    }

    /// Bytes and entries so far.
    pub(crate) fn size(&self) -> (u64, u64) {
        (self.bytes, self.entries)
    }

    /// Gives the directories their modes.
    pub(crate) fn finish(self) -> Result<LeftOut, ImageError> {
        let layer = Layer::new(0);
        for (path, mode) in self.directories.iter().rev() {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let resolve = rustix::fs::ResolveFlags::BENEATH | rustix::fs::ResolveFlags::NO_SYMLINKS;
            let name = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            // A later layer may have removed it or put something else in its place.
            let Ok(fd) = rustix::fs::openat2(self.root.fd(), name, flags, Mode::empty(), resolve) else { continue };
            chmod(&fd, *mode).map_err(layer.error("set the mode of", path))?;
        }
        Ok(self.left_out)
    }

    fn entry(&mut self, layer: &mut Layer, wanted: &Wanted, data: &mut dyn Read) -> Result<(), ImageError> {
        if wanted.path.as_os_str().len() > MAX_PATH {
            return Err(layer.hostile(Path::new("…"), "has a path longer than any file's"));
        }
        let Some(path) = clean(&wanted.path) else {
            return Err(layer.hostile(&wanted.path, "leads out of the root with '..'"));
        };
        if path.as_os_str().is_empty() {
            // The root directory itself.
            if wanted.kind == EntryType::Directory {
                let fd = self.root.fd().try_clone().map_err(layer.error("open", &path))?;
                self.own(layer, &path, fd.as_fd(), wanted)?;
                self.directory_mode(&path, &fd, wanted.mode).map_err(layer.error("set the mode of", &path))?;
            }
            return Ok(());
        }
        let place = self.root.place(&path).map_err(layer.error("find the directory of", &path))?;
        let name = place.name.to_string_lossy();
        if name == OPAQUE {
            return self.make_opaque(layer, &path, &place);
        }
        if let Some(removed) = name.strip_prefix(WHITEOUT) {
            if removed.is_empty() || removed == "." || removed == ".." {
                return Err(layer.hostile(&path, "removes no file"));
            }
            let removed = std::ffi::OsStr::new(removed);
            let place = place.beside(removed);
            self.root.forget();
            return Self::white_out(layer, &path.with_file_name(removed), &place).map_err(layer.error("remove", &path));
        }
        layer.bring(&path);
        self.make(layer, &path, &place, wanted, data)
    }

    fn make(
        &mut self,
        layer: &Layer,
        path: &Path,
        place: &Place,
        wanted: &Wanted,
        data: &mut dyn Read,
    ) -> Result<(), ImageError> {
        let failed = |action| layer.error(action, path);
        let is_new = !(wanted.kind == EntryType::Directory && place.is_dir());
        if is_new {
            self.root.forget();
            place.clear().map_err(failed("replace"))?;
        }
        match wanted.kind {
            EntryType::Regular | EntryType::Continuous => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(&*place.dir, &place.name, flags, Mode::from_raw_mode(0o600))
                    .map_err(|errno| failed("make")(errno.into()))?;
                let mut file = File::from(fd);
                let left = self.limits.bytes.saturating_sub(self.bytes);
                let written = io::copy(&mut data.take(left.saturating_add(1)), &mut file).map_err(failed("write"))?;
                self.bytes += written;
                if written > left {
                    return Err(ImageError::TooLarge { limit: self.limits.bytes, what: "bytes" });
                }
                self.own(layer, path, file.as_fd(), wanted)?;
                rustix::fs::fchmod(&file, Mode::from_raw_mode(wanted.mode))
                    .map_err(|errno| failed("set the mode of")(errno.into()))?;
                self.attributes(layer, path, file.as_fd(), wanted)?;
                rustix::fs::futimens(&file, &times(wanted)).map_err(|errno| failed("set the time of")(errno.into()))
            }
            EntryType::Directory => {
                match rustix::fs::mkdirat(&*place.dir, &place.name, Mode::from_raw_mode(0o700)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(failed("make")(errno.into())),
                }
                if is_new {
                    place.hide_children().map_err(failed("empty"))?;
                }
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(&*place.dir, &place.name, flags, Mode::empty())
                    .map_err(|errno| failed("open")(errno.into()))?;
                self.own(layer, path, fd.as_fd(), wanted)?;
                self.attributes(layer, path, fd.as_fd(), wanted)?;
                self.directory_mode(&place.path(), &fd, wanted.mode).map_err(failed("set the mode of"))
            }
            EntryType::Symlink => {
                let target = wanted.link.as_deref().ok_or_else(|| layer.hostile(path, "is a link to nothing"))?;
                rustix::fs::symlinkat(target, &*place.dir, &place.name)
                    .map_err(|errno| failed("link")(errno.into()))?;
                let fd = Self::opened(layer, path, place)?;
                self.own(layer, path, fd.as_fd(), wanted)
            }
            EntryType::Link => self.hard_link(layer, path, place, wanted),
            EntryType::Fifo => {
                rustix::fs::mknodat(&*place.dir, &place.name, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
                    .map_err(|errno| failed("make")(errno.into()))?;
                let fd = Self::opened(layer, path, place)?;
                self.own(layer, path, fd.as_fd(), wanted)?;
                chmod(&fd, Mode::from_raw_mode(wanted.mode)).map_err(failed("set the mode of"))
            }
            EntryType::Char if wanted.device == (0, 0) => {
                // How an overlay marks what is removed; some tools put it into layers.
                place.hide().map_err(failed("remove"))
            }
            EntryType::Char | EntryType::Block => {
                self.left_out.devices += 1;
                place.hide().map_err(failed("remove"))
            }
            other => Err(layer.hostile(path, &format!("is of the unknown type {:?}", char::from(other.as_byte())))),
        }
    }

    /// A second name for a file of the new root, and of nothing else.
    fn hard_link(&mut self, layer: &Layer, path: &Path, place: &Place, wanted: &Wanted) -> Result<(), ImageError> {
        let target = wanted.link.as_deref().and_then(clean).filter(|target| !target.as_os_str().is_empty());
        let Some(target) = target else {
            return Err(layer.hostile(path, "is a hard link that leads out of the root"));
        };
        let original = self.root.place(&target).map_err(layer.error("find the file that has the second name", path))?;
        self.root.forget();
        let left = self.limits.bytes.saturating_sub(self.bytes);
        self.bytes += original.copy_up(left).map_err(layer.error("copy the file that has the second name", path))?;
        rustix::fs::linkat(&*original.dir, &original.name, &*place.dir, &place.name, AtFlags::empty())
            .map_err(|errno| layer.error("link", path)(errno.into()))
    }

    /// Removes what the layers below put into the directory.
    fn make_opaque(&mut self, layer: &Layer, path: &Path, place: &Place) -> Result<(), ImageError> {
        let above = path.parent().unwrap_or(Path::new(""));
        self.root.forget();
        Self::empty(layer, above, place).map_err(layer.error("empty", above))
    }

    /// Removes what is in the directory of `place`, other than what this layer has brought.
    fn empty(layer: &Layer, path: &Path, place: &Place) -> io::Result<()> {
        // Directories are as deep as a path is long, too deep to call for each.
        let mut open = vec![(path.to_path_buf(), place.beside(std::ffi::OsStr::new("")))];
        while let Some((path, place)) = open.pop() {
            for name in place.siblings()? {
                let (path, place) = (path.join(&name), place.beside(&name));
                if !layer.has_brought(&path) {
                    place.remove()?;
                } else if let Some(inside) = place.inside()? {
                    open.push((path, inside));
                }
            }
        }
        Ok(())
    }

    /// Removes a path of the layers below. What this layer itself has there stays (image-spec, `layer.md`: a whiteout is
    /// about the layers below).
    fn white_out(layer: &Layer, path: &Path, place: &Place) -> io::Result<()> {
        if !layer.has_brought(path) {
            return place.remove();
        }
        match place.inside()? {
            Some(inside) => Self::empty(layer, path, &inside),
            None => Ok(()),
        }
    }

    fn directory_mode(&mut self, path: &Path, fd: &OwnedFd, mode: u32) -> io::Result<()> {
        let mode = Mode::from_raw_mode(mode);
        if !mode.contains(Mode::RWXU) {
            self.directories.push((path.to_path_buf(), mode));
            return Ok(());
        }
        chmod(fd, mode)
    }

    fn opened(layer: &Layer, path: &Path, place: &Place) -> Result<OwnedFd, ImageError> {
        rustix::fs::openat(&*place.dir, &place.name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| layer.error("open", path)(errno.into()))
    }

    fn own(
        &mut self,
        layer: &Layer,
        path: &Path,
        fd: std::os::fd::BorrowedFd<'_>,
        wanted: &Wanted,
    ) -> Result<(), ImageError> {
        let (uid, gid) = (Uid::from_raw(wanted.uid), Gid::from_raw(wanted.gid));
        match rustix::fs::chownat(fd, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH) {
            Ok(()) => Ok(()),
            Err(Errno::PERM) => {
                self.left_out.owners += 1;
                Ok(())
            }
            Err(errno) => Err(layer.error("change the owner of", path)(errno.into())),
        }
    }

    /// File capabilities and attributes of users; those of security modules are the machine's own.
    fn attributes(
        &mut self,
        layer: &Layer,
        path: &Path,
        fd: std::os::fd::BorrowedFd<'_>,
        wanted: &Wanted,
    ) -> Result<(), ImageError> {
        let at = format!("/proc/self/fd/{}", fd.as_raw_fd());
        for (name, value) in &wanted.xattrs {
            // An overlay's own would tell it what to hide and where to look.
            let known =
                name == "security.capability" || name.starts_with("user.") && !name.starts_with("user.overlay.");
            if !known {
                continue;
            }
            match rustix::fs::setxattr(&at, name.as_str(), value, XattrFlags::empty()) {
                Ok(()) => {}
                Err(Errno::PERM | Errno::OPNOTSUPP) => self.left_out.owners += 1,
                Err(errno) => return Err(layer.error("set an attribute of", path)(errno.into())),
            }
        }
        Ok(())
    }
}

fn times(wanted: &Wanted) -> Timestamps {
    let time = Timespec { tv_sec: wanted.mtime, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
