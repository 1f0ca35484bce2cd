//! Unpacking layers one over the other (image-spec, `layer.md`).

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::archive::Archive;
use super::digest::Hashing;
use super::entry::{Entry, Kind};
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

mod file;
mod metadata;

pub(crate) struct Unpacking {
    root: Root,
    limits: ImageLimits,
    bytes: u64,
    /// Bytes that no layer has written, in files with holes.
    holes: u64,
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
        Ok(Self { root, limits, bytes: 0, holes: 0, entries: 0, left_out, directories: Vec::new() })
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
            let mut stream = (&mut plain).take(left.saturating_add(1));
            let mut archive = Archive::new(&mut stream);
            let mut layer = Layer::new(number);
            loop {
                let entry = match archive.next() {
                    Ok(Some(entry)) => entry,
                    Ok(None) => break,
                    // No more of it was to be read.
                    Err(_) if archive.source().limit() == 0 => {
                        return Err(ImageError::TooLarge { limit: self.limits.bytes, what: "bytes" });
                    }
                    Err(error) => return Err(read()(error)),
                };
                self.entries += 1;
                if self.entries > self.limits.entries {
                    return Err(ImageError::TooLarge { limit: self.limits.entries, what: "entries" });
                }
                self.entry(&mut layer, &entry, &mut archive)?;
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

    fn entry(&mut self, layer: &mut Layer, entry: &Entry, data: &mut Archive<impl Read>) -> Result<(), ImageError> {
        if entry.path.as_os_str().len() > MAX_PATH {
            return Err(layer.hostile(Path::new("…"), "has a path longer than any file's"));
        }
        let Some(path) = clean(&entry.path) else {
            return Err(layer.hostile(&entry.path, "leads out of the root with '..'"));
        };
        if path.as_os_str().is_empty() {
            // The root directory itself.
            if entry.kind == Kind::Directory {
                let fd = self.root.fd().try_clone().map_err(layer.error("open", &path))?;
                self.own(layer, &path, fd.as_fd(), entry)?;
                self.directory_mode(&path, &fd, entry.mode).map_err(layer.error("set the mode of", &path))?;
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
        self.make(layer, &path, &place, entry, data)
    }

    fn make(
        &mut self,
        layer: &Layer,
        path: &Path,
        place: &Place,
        entry: &Entry,
        data: &mut Archive<impl Read>,
    ) -> Result<(), ImageError> {
        let failed = |action| layer.error(action, path);
        let is_new = !(entry.kind == Kind::Directory && place.is_dir());
        if is_new {
            self.root.forget();
            place.clear().map_err(failed("replace"))?;
        }
        match entry.kind {
            Kind::File => self.file(layer, path, place, entry, data),
            Kind::Directory => {
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
                self.own(layer, path, fd.as_fd(), entry)?;
                self.attributes(layer, path, fd.as_fd(), entry)?;
                self.directory_mode(&place.path(), &fd, entry.mode).map_err(failed("set the mode of"))
            }
            Kind::Symlink => {
                let target = entry.link.as_deref().ok_or_else(|| layer.hostile(path, "is a link to nothing"))?;
                rustix::fs::symlinkat(target, &*place.dir, &place.name)
                    .map_err(|errno| failed("link")(errno.into()))?;
                let fd = Self::opened(layer, path, place)?;
                self.own(layer, path, fd.as_fd(), entry)
            }
            Kind::HardLink => self.hard_link(layer, path, place, entry),
            Kind::Fifo => {
                rustix::fs::mknodat(&*place.dir, &place.name, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
                    .map_err(|errno| failed("make")(errno.into()))?;
                let fd = Self::opened(layer, path, place)?;
                self.own(layer, path, fd.as_fd(), entry)?;
                chmod(&fd, Mode::from_raw_mode(entry.mode)).map_err(failed("set the mode of"))
            }
            Kind::Character if entry.device == (0, 0) => {
                // How an overlay marks what is removed; some tools put it into layers.
                place.hide().map_err(failed("remove"))
            }
            Kind::Character | Kind::Block => {
                self.left_out.devices += 1;
                place.hide().map_err(failed("remove"))
            }
            Kind::Other(kind) => Err(layer.hostile(path, &format!("is of the unknown type {:?}", char::from(kind)))),
        }
    }

    /// A second name for a file of the new root, and of nothing else.
    fn hard_link(&mut self, layer: &Layer, path: &Path, place: &Place, entry: &Entry) -> Result<(), ImageError> {
        let target = entry.link.as_deref().and_then(clean).filter(|target| !target.as_os_str().is_empty());
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
}
