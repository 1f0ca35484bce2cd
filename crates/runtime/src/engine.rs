//! What can start a container: the built-in launcher, or an external OCI runtime. Both get the same OCI runtime spec,
//! so that each can be held against the other.

use std::os::fd::OwnedFd;
use std::path::Path;

use oci_spec::runtime::Spec;

/// What an engine is asked to start.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Unique on this machine, of letters, digits, `-`, `_` and `.`.
    pub id: &'a str,
    /// Everything that is applied. `root.path` is absolute; the mounts' sources are absolute.
    pub spec: &'a Spec,
    /// An empty directory of the caller's, private to this container, in which an engine may keep what it needs
    /// (config.json, a runtime's state). The caller removes it.
    pub work_dir: &'a Path,
    /// The standard streams of the process.
    pub stdio: Stdio,
    /// Further file descriptors that the process keeps under the given numbers (3 and up, contiguous). None else leak in.
    pub keep: Vec<OwnedFd>,
}

/// The standard streams of a process.
#[derive(Debug)]
pub enum Stdio {
    /// The caller's own.
    Inherit,
    /// The given descriptors.
    Fds {
        /// Standard input.
        stdin: OwnedFd,
        /// Standard output.
        stdout: OwnedFd,
        /// Standard error.
        stderr: OwnedFd,
    },
    /// A terminal of the container's own, made in its devpts, which its process controls, and which is its
    /// `/dev/console`; goes with `process.terminal`. Nothing of the caller's is in the container.
    Terminal {
        /// Over which the terminal's controlling end is sent back.
        socket: OwnedFd,
        /// Rows and columns at the start.
        size: Option<(u16, u16)>,
    },
}

/// A way to start a container.
pub trait Engine {
    /// How people call it: `built-in`, `runc`, `crun`.
    fn name(&self) -> &str;

    /// Whether `linux.cgroupsPath` names a group below one that the caller makes; otherwise the engine makes its own.
    fn makes_groups_here(&self) -> bool {
        false
    }

    /// Starts the process with everything applied. Returns once the process has been executed; on an error nothing is
    /// left behind.
    fn start(&self, launch: Launch<'_>) -> Result<Box<dyn Running>, StartError>;
}

/// A started container. Dropping it kills the container and cleans up what the engine made.
pub trait Running {
    /// The process ID of the container's first process, in the caller's PID namespace.
    fn pid(&self) -> u32;

    /// Waits until the first process has ended and cleans up.
    fn wait(&mut self) -> Result<Exit, StartError>;

    /// Whether a process of the container was killed because there was no memory left within its limit; known once it
    /// has ended, and only of the built-in engine.
    fn ran_out_of_memory(&self) -> bool {
        false
    }

    /// A descriptor that polls as readable once [`Running::wait`] does not block any more.
    fn watch(&self) -> std::io::Result<OwnedFd>;

    /// Sends a signal to the first process; no error when it has ended already.
    fn signal(&self, signal: i32) -> Result<(), StartError>;
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this exit status.
    Code(u8),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// The exit status that a shell would give: 128 and the signal's number for a signal.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128_u8.saturating_add(signal as u8),
        }
    }
}

/// Why a container was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The container was set up and the process could not be executed: command not found, no permission, wrong format.
    /// A kubelet calls it StartError.
    #[error("cannot execute {command:?} in the container")]
    Exec {
        /// `args[0]`.
        command: String,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// A step of the set-up failed. Nothing was started.
    #[error("{step}")]
    Step {
        /// What was attempted, with the field of the spec that asked for it: `apply capabilities (process.capabilities.bounding)`.
        step: String,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// Everything was applied, and the kernel's state differs from what was asked for. Nothing was started.
    #[error("refused to start: {field} should be {wanted} and is {found}")]
    Mismatch {
        /// The field of the spec.
        field: String,
        /// What was asked for.
        wanted: String,
        /// What the kernel says.
        found: String,
    },
    /// The spec asks for something that this engine or kernel does not have; starting without it would be weaker.
    #[error("{what} is not supported {where_}")]
    Unsupported {
        /// What is asked for, with the field of the spec.
        what: String,
        /// `by this kernel`, `by the built-in launcher`, `without root`.
        where_: String,
    },
    /// An external runtime said no.
    #[error("{engine}: {message}")]
    External {
        /// The runtime.
        engine: String,
        /// What it printed.
        message: String,
    },
    /// Something else in the machinery failed.
    #[error("{what}")]
    Machinery {
        /// What was attempted.
        what: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}
