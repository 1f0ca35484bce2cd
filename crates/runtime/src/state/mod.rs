//! The directory in which a run keeps what it prepares, and its removal by all means: when the run ends, when it is
//! killed (by the [guardian](guardian_main)), and at the latest when the next run starts.

mod base;
mod clean;
mod guardian;
mod levels;
mod record;
mod users;

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

pub use base::base_dir;
pub(crate) use clean::remove;
pub use guardian::main as guardian_main;
pub use levels::TakenLevels;
pub use record::{ContainerRecord, ContainerState, FoundPod, PodPhase, PodRecord, ProcessRecord, pods_in};
pub(crate) use record::{log_path, start_time};
pub(crate) use users::POD_IDS;

/// The name of a file in `work/*/` that holds a command, its arguments separated by NUL bytes, which ends what an engine
/// has started there. It runs when the run was killed.
pub const CLEANUP: &str = "cleanup";

/// Why there is no state directory.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The directory above is not what it must be.
    #[error("{} cannot hold the state of a run: {why}", path.display())]
    Base {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A system call failed.
    #[error("{action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// With which path.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

pub(crate) fn io_error<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> StateError + 'p {
    move |source| StateError::Io { action, path: path.to_path_buf(), source }
}

/// The state directory of one run, locked. Dropping it removes it with all that is mounted or started there.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Holds the lock that tells the directory of a living run from a stale one.
    _lock: File,
    guardian: Option<guardian::Guardian>,
    binary: PathBuf,
}

impl StateDir {
    /// Makes a directory below [`base_dir`], after removing those of runs that were killed. `binary` is started as the
    /// guardian; it must end up in [`crate::inside::main`].
    pub fn create(binary: &Path) -> Result<Self, StateError> {
        Self::create_in(&base_dir()?, binary)
    }

    /// Makes a directory below `base`, which belongs to the caller alone.
    pub fn create_in(base: &Path, binary: &Path) -> Result<Self, StateError> {
        let base_lock = base::open(base)?;
        // Held while directories are made and swept, so that nobody takes one for stale before it is locked.
        rustix::fs::flock(&base_lock, FlockOperation::LockExclusive)
            .map_err(|errno| io_error("lock", base)(errno.into()))?;
        sweep(base, binary);

        let path = base.join(random_name().map_err(io_error("name a directory in", base))?);
        // The guardian comes first: were this process killed between the two, nobody would remove the directory.
        let guardian = guardian::Guardian::start(binary, &path)?;
        DirBuilder::new().mode(0o700).create(&path).map_err(io_error("make", &path))?;
        let lock = File::open(&path).map_err(io_error("open", &path))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|errno| io_error("lock", &path)(errno.into()))?;
        Ok(Self { path, _lock: lock, guardian: Some(guardian), binary: binary.to_path_buf() })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory inside, with this mode whatever the umask says, and the directories above it.
    pub fn dir(&self, name: &str, mode: u32) -> Result<PathBuf, StateError> {
        let path = self.path.join(name);
        if let Some(parent) = path.parent() {
            DirBuilder::new().mode(0o711).recursive(true).create(parent).map_err(io_error("make", parent))?;
        }
        DirBuilder::new().mode(0o700).create(&path).map_err(io_error("make", &path))?;
        fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(io_error("set the mode of", &path))?;
        Ok(path)
    }

    /// Lets other users pass through the directory: the root of a user namespace is another user.
    pub fn let_others_pass(&self) -> Result<(), StateError> {
        fs::set_permissions(&self.path, Permissions::from_mode(0o711)).map_err(io_error("set the mode of", &self.path))
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        // Where this fails the guardian tries again, and then the next run.
        if clean::clean(&self.path, &self.binary).is_ok()
            && let Some(guardian) = self.guardian.take()
        {
            guardian.dismiss();
        }
    }
}

/// Removes the directories of runs that are gone, as the start of a run does. `binary` must end up in
/// [`crate::inside::main`].
pub fn sweep_base(binary: &Path) -> Result<(), StateError> {
    let base = base_dir()?;
    let base_lock = base::open(&base)?;
    rustix::fs::flock(&base_lock, FlockOperation::LockExclusive)
        .map_err(|errno| io_error("lock", &base)(errno.into()))?;
    sweep(&base, binary);
    Ok(())
}

/// Removes the directories below `base` whose runs are gone.
fn sweep(base: &Path, binary: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let Ok(lock) = File::open(entry.path()) else { continue };
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            // What cannot be removed now is tried again by the next run.
            let _ = clean::clean(&entry.path(), binary);
        }
    }
}

/// 16 hexadecimal digits that nobody can guess.
pub(crate) fn random_name() -> io::Result<String> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}
