//! An image whose layers lie unpacked in directories of their own, shared by all that run it.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags};

use super::config::MAX_DATABASE;
use super::layered::{Found, Level};
use super::manifest::Part;
use super::source::Source;
use super::unpack::Unpacking;
use super::{ImageError, ImageLimits};

/// Layers for an overlay, and how to do without one.
#[derive(Clone, Debug)]
pub struct Stack {
    /// The directories, the uppermost first.
    dirs: Vec<PathBuf>,
    /// The layers as they came, the lowest first, each with its diff_id, in the blobs of this store.
    store: PathBuf,
    parts: Vec<(Part, String)>,
    limits: ImageLimits,
    /// Keep the directories from being removed.
    _leases: Arc<Vec<File>>,
}

/// What an image has in its root directory.
pub(crate) struct TopLevel {
    pub(crate) name: OsString,
    pub(crate) kind: TopLevelKind,
}

pub(crate) enum TopLevelKind {
    /// A directory, in these layers, the uppermost first.
    Directory(Vec<PathBuf>),
    /// A link or a file, in this layer.
    Link(PathBuf),
    File(PathBuf),
}

impl Stack {
    pub(crate) fn new(
        dirs: Vec<PathBuf>,
        store: PathBuf,
        layers: Vec<(String, String)>,
        limits: ImageLimits,
        leases: Vec<File>,
    ) -> Result<Self, ImageError> {
        let part = |(digest, diff_id): (String, String)| -> Result<_, ImageError> {
            Ok((Part { file: super::digest::blob_path(&digest)?, digest: Some(digest) }, diff_id))
        };
        let parts = layers.into_iter().map(part).collect::<Result<_, _>>()?;
        Ok(Self { dirs, store, parts, limits, _leases: Arc::new(leases) })
    }

    /// The directories of the layers, the uppermost first.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// What the root directory has, sorted by name.
    pub(crate) fn top_level(&self) -> Result<Vec<TopLevel>, ImageError> {
        let read = || ImageError::read("list the layers of the image");
        let level = self.level()?;
        let mut top = Vec::new();
        for name in level.names().map_err(read())? {
            let first = || self.dirs.iter().map(|dir| dir.join(&name)).find(|path| path.symlink_metadata().is_ok());
            let kind = match level.find(&name).map_err(|errno| read()(errno.into()))? {
                Found::Directory(merged) => {
                    let is_dir = |path: &PathBuf| path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
                    let dirs = self.dirs.iter().map(|dir| dir.join(&name)).filter(is_dir);
                    // What lies below a file of the same name is not merged.
                    TopLevelKind::Directory(dirs.take(merged.dirs.len()).collect())
                }
                Found::Link(_) => TopLevelKind::Link(first().unwrap_or_default()),
                Found::Other(_, FileType::RegularFile) => TopLevelKind::File(first().unwrap_or_default()),
                Found::Nothing | Found::Other(..) => continue,
            };
            top.push(TopLevel { name, kind });
        }
        Ok(top)
    }

    /// Unpacks all layers into one directory, where there can be no overlay.
    pub(crate) fn flatten(&self, root: &Path) -> Result<(), ImageError> {
        let source = Source::layout(&self.store)?;
        let mut unpacking = Unpacking::new(root, &[], self.limits)?;
        for (number, (part, diff_id)) in self.parts.iter().enumerate() {
            unpacking.layer(number, &source, part, diff_id)?;
        }
        unpacking.finish().map(drop)
    }

    /// The text of a file of the image, links resolved within it.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>, ImageError> {
        let read = || ImageError::read(format!("read /{path} of the image"));
        let Some(file) = self.level()?.open_file(Path::new(path)).map_err(read())? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(MAX_DATABASE).read_to_end(&mut bytes).map_err(read())?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn level(&self) -> Result<Level, ImageError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |path: &PathBuf| {
            let failed = ImageError::read(format!("open {}", path.display()));
            Ok(Rc::new(rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?))
        };
        Ok(Level { dirs: self.dirs.iter().map(open).collect::<Result<_, ImageError>>()? })
    }
}
