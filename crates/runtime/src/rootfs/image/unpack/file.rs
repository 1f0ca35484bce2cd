//! A regular file of a layer, with or without holes.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::super::ImageError;
use super::super::archive::Archive;
use super::super::entry::Entry;
use super::super::place::Place;
use super::metadata::times;
use super::{Layer, Unpacking};

/// All holes of an image together are not larger than this: the size of the largest file of ext4. They take no room, so
/// that they do not count as bytes: a lastlog for one user with a high ID comes to more than a terabyte.
const MAX_HOLES: u64 = 16 << 40;

/// Below this it is not worth the while to ask whether there is room.
const LARGE: u64 = 64 << 20;

impl Unpacking {
    pub(super) fn file(
        &mut self,
        layer: &Layer,
        path: &Path,
        place: &Place,
        entry: &Entry,
        data: &mut Archive<impl Read>,
    ) -> Result<(), ImageError> {
        let failed = |action| layer.error(action, path);
        let wanted = data.left();
        self.count(entry, wanted)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&*place.dir, &place.name, flags, Mode::from_raw_mode(0o600))
            .map_err(|errno| failed("make")(errno.into()))?;
        let mut file = File::from(fd);
        if wanted >= LARGE {
            room(layer, path, &file, wanted)?;
        }
        let written = match &entry.sparse {
            Some(sparse) => sparse.write(data, &mut file),
            None => io::copy(data, &mut file).map(drop),
        };
        written.map_err(failed("write"))?;
        if data.left() > 0 {
            return Err(failed("read")(io::ErrorKind::UnexpectedEof.into()));
        }
        self.own(layer, path, file.as_fd(), entry)?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(entry.mode))
            .map_err(|errno| failed("set the mode of")(errno.into()))?;
        self.attributes(layer, path, file.as_fd(), entry)?;
        rustix::fs::futimens(&file, &times(entry)).map_err(|errno| failed("set the time of")(errno.into()))
    }

    /// Counts the file's bytes and holes before any of them is written.
    fn count(&mut self, entry: &Entry, wanted: u64) -> Result<(), ImageError> {
        self.bytes = self.bytes.saturating_add(wanted);
        if self.bytes > self.limits.bytes {
            return Err(ImageError::TooLarge { limit: self.limits.bytes, what: "bytes" });
        }
        let holes = entry.sparse.as_ref().map_or(0, super::super::sparse::Sparse::holes);
        self.holes = self.holes.saturating_add(holes);
        if self.holes > MAX_HOLES {
            return Err(ImageError::TooLarge { limit: MAX_HOLES, what: "bytes of holes in files" });
        }
        Ok(())
    }
}

/// Says that the file does not fit before it has filled the disk.
fn room(layer: &Layer, path: &Path, file: &File, wanted: u64) -> Result<(), ImageError> {
    let stat = rustix::fs::fstatvfs(file).map_err(|errno| layer.error("find room for", path)(errno.into()))?;
    let free = stat.f_bfree.saturating_mul(stat.f_frsize);
    if wanted > free {
        return Err(ImageError::NoRoom { layer: layer.number, path: path.to_path_buf(), wanted, free });
    }
    Ok(())
}
