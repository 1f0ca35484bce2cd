//! What is done to files of subordinate IDs: by this same program, started as root of a user namespace in which they are
//! mapped. It has no more rights than the caller and those IDs have.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Gid, Signal, Uid, WaitId, WaitIdOptions, waitid};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{NoIds, ids};
use crate::launcher;
use crate::spec::IdMappings;
use crate::sys;
use crate::volume::{ChangePolicy, Ownership, own};

/// Does things in a user namespace.
#[derive(Debug)]
pub(crate) struct Helper<'a> {
    namespace: Namespace,
    /// A program that ends up in [`crate::inside::main`].
    binary: &'a Path,
}

#[derive(Debug)]
enum Namespace {
    /// All of the caller's IDs.
    All(BorrowedFd<'static>),
    /// As a pod has them.
    OfPod(OwnedFd),
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelperError {
    /// There is no namespace to do it in.
    #[error(transparent)]
    NoIds(&'static NoIds),
    /// Nor for these IDs.
    #[error("the user namespace for the pod's files could not be made")]
    Namespace(#[source] crate::engine::StartError),
    /// The helper did not start.
    #[error("the helper for files of subordinate IDs did not start")]
    Start(#[source] io::Error),
    /// It did, and failed.
    #[error("{0}")]
    Failed(String),
}

impl<'a> Helper<'a> {
    /// For the files of a pod with these mappings.
    pub(crate) fn new(mappings: &IdMappings, binary: &'a Path) -> Result<Self, HelperError> {
        let ids = ids().map_err(HelperError::NoIds)?;
        let namespace = if *mappings == ids.mappings(&[], &[]) {
            Namespace::All(ids.namespace.as_fd())
        } else {
            Namespace::OfPod(launcher::user_namespace(mappings, super::by_helpers()).map_err(HelperError::Namespace)?)
        };
        Ok(Self { namespace, binary })
    }

    /// For whatever belongs to the caller's subordinate IDs.
    pub(crate) fn of_all(binary: &'a Path) -> Result<Self, HelperError> {
        let ids = ids().map_err(HelperError::NoIds)?;
        Ok(Self { namespace: Namespace::All(ids.namespace.as_fd()), binary })
    }

    /// Removes a tree without following links.
    pub(crate) fn remove(&self, dir: &Path) -> Result<(), HelperError> {
        self.run(&[OsStr::new("remove"), dir.as_os_str()]).map(drop)
    }

    /// Gives a volume to a group, as its IDs are in the namespace.
    pub(crate) fn own(&self, dir: &Path, ownership: Ownership) -> Result<(), HelperError> {
        let group = ownership.fs_group.to_string();
        let access = if ownership.read_only { "ro" } else { "rw" };
        self.run(&[OsStr::new("own"), group.as_ref(), access.as_ref(), dir.as_os_str()]).map(drop)
    }

    /// Runs it and gives what it prints.
    fn run(&self, args: &[&OsStr]) -> Result<Vec<u8>, HelperError> {
        let start = HelperError::Start;
        let string = |text: &[u8]| CString::new(text).map_err(|nul| start(io::Error::other(nul)));
        let inside = [crate::inside::MARKER, "subordinate"].map(OsStr::new);
        let words = [self.binary.as_os_str()].into_iter().chain(inside).chain(args.iter().copied());
        let words = words.map(|word| string(word.as_bytes())).collect::<Result<_, _>>()?;
        let env = std::env::vars_os().map(|(name, value)| {
            let mut variable = name.into_vec();
            variable.push(b'=');
            variable.extend(value.into_vec());
            string(&variable)
        });
        let (words, env) =
            (sys::exec::StringList::new(words), sys::exec::StringList::new(env.collect::<Result<_, _>>()?));
        let file = string(self.binary.as_os_str().as_bytes())?;
        let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
        let null = above_streams(null.map_err(|errno| start(errno.into()))?).map_err(start)?;
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|e| start(e.into()))?;
        let write = above_streams(write).map_err(start)?;
        let namespace = match &self.namespace {
            Namespace::All(fd) => *fd,
            Namespace::OfPod(fd) => fd.as_fd(),
        };
        // Above the streams, too: what is placed must not close it.
        let namespace = rustix::io::fcntl_dupfd_cloexec(namespace, 3).map_err(|errno| start(errno.into()))?;
        let (_, process) = sys::clone::clone3(0, None, None, || {
            let entered = enter(&namespace).and_then(|()| {
                sys::fd::place(null.as_raw_fd(), 0)?;
                sys::fd::place(write.as_raw_fd(), 1)?;
                sys::fd::place(null.as_raw_fd(), 2)
            });
            if entered.is_ok() {
                sys::exec::execve(&file, &words, &env);
            }
            sys::exec::exit(NOT_STARTED)
        })
        .map_err(start)?;
        drop(write);
        let mut said = Vec::new();
        let read = File::from(read).take(MAX_SAID).read_to_end(&mut said);
        let status = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED));
        read.map_err(start)?;
        let status = status.map_err(|errno| start(errno.into()))?;
        match status.and_then(|status| status.exit_status()) {
            Some(0) => Ok(said),
            Some(code) if code == i32::from(NOT_STARTED) => {
                Err(start(io::Error::other(format!("{} cannot be executed there", self.binary.display()))))
            }
            Some(_) => Err(HelperError::Failed(String::from_utf8_lossy(&said).trim().to_owned())),
            None => Err(start(io::Error::other("it was killed"))),
        }
    }
}

/// The exit status of a helper that could not be executed.
const NOT_STARTED: u8 = 126;
/// More than a failure has words.
const MAX_SAID: u64 = 1 << 16;

fn above_streams(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 { Ok(fd) } else { Ok(rustix::io::fcntl_dupfd_cloexec(&fd, 3)?) }
}

/// Becomes root of the namespace, and ends with whoever waits for it. Only makes system calls.
fn enter(namespace: &OwnedFd) -> rustix::io::Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))?;
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
}

/// The helper itself.
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    // What is made has the mode that is asked for.
    rustix::process::umask(Mode::empty());
    match work(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever waits reads it there; there is nobody else to tell.
            let _ = writeln!(io::stdout(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn work(args: &[OsString]) -> io::Result<()> {
    let words: Vec<Option<&str>> = args.iter().map(|arg| arg.to_str()).collect();
    match (words.as_slice(), args) {
        ([Some("remove"), _], [_, dir]) => match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        },
        ([Some("own"), Some(group), Some(access), _], [.., dir]) => {
            let fs_group = group.parse().map_err(io::Error::other)?;
            let ownership = Ownership { fs_group, policy: ChangePolicy::Always, read_only: *access == "ro" };
            let owned = own(Path::new(dir), ownership).map_err(io::Error::other)?;
            match owned.first_failure {
                Some((path, error)) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
                None => Ok(()),
            }
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}
